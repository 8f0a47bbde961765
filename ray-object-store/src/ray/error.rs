//! Errors as Ray writes and reads them: a protocol buffer in a frame.

use prost::Message;

use super::frame;
use crate::error_object::{ErrorObject, ErrorType};

/// Ray's number for C++, which stands for any language that is neither Python nor Java.
const LANGUAGE: i32 = 2;

/// Ray's `RayException`.
#[derive(Clone, PartialEq, Message)]
struct RayException {
    #[prost(int32, tag = "1")]
    language: i32,
    #[prost(bytes = "vec", tag = "2")]
    serialized_exception: Vec<u8>,
    #[prost(string, tag = "3")]
    formatted_exception_string: String,
}

/// Ray's `RayErrorInfo`.
#[derive(Clone, PartialEq, Message)]
struct RayErrorInfo {
    #[prost(string, tag = "5")]
    error_message: String,
    #[prost(int32, tag = "11")]
    error_type: i32,
}

/// The data of an error, for Ray's readers. Ours find everything in the metadata.
pub(crate) fn write(error: &ErrorObject) -> Vec<u8> {
    match error.error_type() {
        ErrorType::TASK_EXECUTION_EXCEPTION => {
            let exception = RayException {
                language: LANGUAGE,
                serialized_exception: Vec::new(),
                formatted_exception_string: error.report(),
            };
            frame::of_bytes(&exception.encode_to_vec())
        }
        // Without the actor's context Ray wants no data.
        ErrorType::ACTOR_DIED => Vec::new(),
        error_type => {
            let info = RayErrorInfo { error_message: error.report(), error_type: error_type.0 };
            frame::of_bytes(&info.encode_to_vec())
        }
    }
}

/// An error that Ray wrote, as far as it can be understood.
pub(crate) fn read(error_type: ErrorType, data: &[u8]) -> ErrorObject {
    let bytes = frame::to_bytes(data).unwrap_or_default();
    let exception =
        || RayException::decode(&bytes[..]).ok().map(|it| it.formatted_exception_string);
    let info = || RayErrorInfo::decode(&bytes[..]).ok().map(|it| it.error_message);
    let text = match error_type {
        ErrorType::TASK_EXECUTION_EXCEPTION => exception(),
        _ => info().filter(|text| !text.is_empty()).or_else(exception),
    };
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.trim_end().lines().collect();
    // Python says at the end of a traceback what happened, whoever else at the beginning.
    let is_traceback = lines.iter().any(|line| line.starts_with("Traceback"));
    let message = if is_traceback { lines.last() } else { lines.first() };
    let message = message.copied().unwrap_or_default().to_owned();
    ErrorObject::received(error_type, message, (lines.len() > 1).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_for_rays_readers_come_back() {
        for error_type in [ErrorType::TASK_EXECUTION_EXCEPTION, ErrorType::NODE_DIED] {
            let error = read(error_type, &write(&ErrorObject::new(error_type, "it broke")));
            assert!(error.message().contains("it broke"), "{error}");
        }
        assert_eq!(read(ErrorType::ACTOR_DIED, b"").message(), "");
        assert_eq!(read(ErrorType::OBJECT_LOST, &[0xff; 100]).message(), "");
    }
}
