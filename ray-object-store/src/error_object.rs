//! Errors that are objects: who gets one gets an error.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// Ray's `ErrorType`: why there is an error instead of a value. A number that Ray adds one day stays that number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ErrorType(pub i32);

macro_rules! error_types {
    ($($name:ident = $number:literal,)*) => {
        #[allow(missing_docs, reason = "the names and numbers are Ray's")]
        impl ErrorType {
            $(pub const $name: Self = Self($number);)*

            /// Ray's name of it.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// All that Ray has.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

error_types! {
    WORKER_DIED = 0,
    ACTOR_DIED = 1,
    TASK_EXECUTION_EXCEPTION = 3,
    OBJECT_IN_PLASMA = 4,
    TASK_CANCELLED = 5,
    ACTOR_CREATION_FAILED = 6,
    RUNTIME_ENV_SETUP_FAILED = 7,
    OBJECT_LOST = 8,
    OWNER_DIED = 9,
    OBJECT_DELETED = 10,
    DEPENDENCY_RESOLUTION_FAILED = 11,
    OBJECT_UNRECONSTRUCTABLE_MAX_ATTEMPTS_EXCEEDED = 12,
    OBJECT_UNRECONSTRUCTABLE_LINEAGE_EVICTED = 13,
    OBJECT_FETCH_TIMED_OUT = 14,
    LOCAL_RAYLET_DIED = 15,
    TASK_PLACEMENT_GROUP_REMOVED = 16,
    ACTOR_PLACEMENT_GROUP_REMOVED = 17,
    TASK_UNSCHEDULABLE_ERROR = 18,
    ACTOR_UNSCHEDULABLE_ERROR = 19,
    OUT_OF_DISK_ERROR = 20,
    OBJECT_FREED = 21,
    OUT_OF_MEMORY = 22,
    NODE_DIED = 23,
    END_OF_STREAMING_GENERATOR = 24,
    ACTOR_UNAVAILABLE = 25,
    GENERATOR_TASK_FAILED_FOR_OBJECT_RECONSTRUCTION = 26,
    OBJECT_UNRECONSTRUCTABLE_PUT = 27,
    OBJECT_UNRECONSTRUCTABLE_RETRIES_DISABLED = 28,
    OBJECT_UNRECONSTRUCTABLE_BORROWED = 29,
    OBJECT_UNRECONSTRUCTABLE_REF_NOT_FOUND = 30,
    OBJECT_UNRECONSTRUCTABLE_TASK_CANCELLED = 31,
    OBJECT_UNRECONSTRUCTABLE_LINEAGE_DISABLED = 32,
    WORKER_STARTUP_FAILED = 33,
    STREAMING_GENERATOR_REPLAY_INCONSISTENT = 34,
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An error in the place of a value.
///
/// ```
/// use ray_object_store::{ErrorObject, ErrorType};
///
/// let parse = "x".parse::<i32>().unwrap_err();
/// let error = ErrorObject::from_error(ErrorType::TASK_EXECUTION_EXCEPTION, &parse);
/// assert_eq!(error.to_string(), "TASK_EXECUTION_EXCEPTION: invalid digit found in string");
/// let outer = ErrorObject::new(ErrorType::DEPENDENCY_RESOLUTION_FAILED, "no input").caused_by(&error);
/// assert_eq!(outer.causes(), ["TASK_EXECUTION_EXCEPTION: invalid digit found in string"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorObject {
    error_type: ErrorType,
    message: String,
    backtrace: Option<String>,
    causes: Vec<String>,
}

impl ErrorObject {
    /// An error with this message, and the backtrace of this place if `RUST_BACKTRACE` asks for backtraces.
    #[must_use]
    pub fn new(error_type: ErrorType, message: impl Into<String>) -> Self {
        let backtrace = std::backtrace::Backtrace::capture();
        let is_captured = backtrace.status() == std::backtrace::BacktraceStatus::Captured;
        Self {
            error_type,
            message: message.into(),
            backtrace: is_captured.then(|| backtrace.to_string()),
            causes: Vec::new(),
        }
    }

    /// An error that somebody else wrote.
    pub(crate) fn received(
        error_type: ErrorType,
        message: String,
        backtrace: Option<String>,
    ) -> Self {
        Self { error_type, message, backtrace, causes: Vec::new() }
    }

    /// An error with the message of this one, and all that [`std::error::Error::source`] tells of what caused it.
    #[must_use]
    pub fn from_error(error_type: ErrorType, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut object = Self::new(error_type, error.to_string());
        object.causes.extend(sources(error));
        object.causes.extend(causes_within(error));
        object
    }

    /// The same, caused by this error and what caused that.
    #[must_use]
    pub fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        self.causes.push(error.to_string());
        self.causes.extend(sources(error));
        self.causes.extend(causes_within(error));
        self
    }

    /// The same with this backtrace.
    #[must_use]
    pub fn with_backtrace(self, backtrace: impl Into<String>) -> Self {
        Self { backtrace: Some(backtrace.into()), ..self }
    }

    /// What kind of error.
    #[must_use]
    pub fn error_type(&self) -> ErrorType {
        self.error_type
    }

    /// What went wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it went wrong.
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }

    /// What caused it, what caused that, and so on.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// All of it as text.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        for cause in &self.causes {
            text.push_str("\ncaused by: ");
            text.push_str(cause);
        }
        if let Some(backtrace) = &self.backtrace {
            text.push('\n');
            text.push_str(backtrace);
        }
        text
    }
}

fn sources<'a>(error: &'a (dyn std::error::Error + 'static)) -> impl Iterator<Item = String> + 'a {
    std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string)
}

/// What an error object, by itself or got from a store, says of its causes.
fn causes_within(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let object = error.downcast_ref::<ErrorObject>();
    let object = object.or_else(|| error.downcast_ref::<StoreError>().and_then(StoreError::object));
    object.map_or_else(Vec::new, |object| object.causes.clone())
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message)
    }
}

impl std::error::Error for ErrorObject {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_rays() {
        assert_eq!(ErrorType::TASK_EXECUTION_EXCEPTION.0, 3);
        assert_eq!(ErrorType(21).name(), Some("OBJECT_FREED"));
        assert_eq!((ErrorType(2).name(), ErrorType::ALL.len()), (None, 34));
        assert_eq!(ErrorType(99).to_string(), "error 99");
    }

    #[test]
    fn a_chain_of_causes_is_kept() {
        let inner = std::io::Error::other("disk");
        let error = ErrorObject::new(ErrorType::OBJECT_LOST, "gone")
            .caused_by(&ErrorObject::from_error(ErrorType::OUT_OF_DISK_ERROR, &inner))
            .with_backtrace("here");
        assert_eq!(error.report(), "OBJECT_LOST: gone\ncaused by: OUT_OF_DISK_ERROR: disk\nhere");
    }
}
