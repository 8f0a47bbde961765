//! How something ended, in Ray's terms: a code, a message, and for calls over the network the code of the transport.
//!
//! Rust code has errors of its own and makes a [`Status`] of them where Ray is told. The table of codes is here, once;
//! the C++ header has the same numbers.

use std::fmt;
use std::str::FromStr;

macro_rules! status_codes {
    ($($(#[$meta:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// What kind of outcome a [`Status`] is. Numbers and texts are those that Ray's processes exchange.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i8)]
        #[non_exhaustive]
        pub enum StatusCode {
            $($(#[$meta])* $name = $number,)*
        }

        impl StatusCode {
            /// Every code, by ascending number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code of this number, if there is one.
            pub const fn from_number(number: i8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The text that stands for the code in messages.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

status_codes! {
    /// All is well.
    Ok = 0, "OK";
    /// There is not enough memory.
    OutOfMemory = 1, "Out of memory";
    /// A key is missing, or there already.
    KeyError = 2, "Key error";
    /// A value has another type than it should.
    TypeError = 3, "Type error";
    /// What was asked for makes no sense.
    Invalid = 4, "Invalid";
    /// Reading or writing failed.
    IoError = 5, "IOError";
    /// Something that has no code of its own.
    UnknownError = 9, "Unknown error";
    /// Nobody wrote it yet.
    NotImplemented = 10, "NotImplemented";
    /// Redis answered with an error.
    RedisError = 11, "RedisError";
    /// It took too long.
    TimedOut = 12, "TimedOut";
    /// A signal came in between.
    Interrupted = 13, "Interrupted";
    /// A worker ended because it was told to.
    IntentionalSystemExit = 14, "IntentionalSystemExit";
    /// A worker ended by itself.
    UnexpectedSystemExit = 15, "UnexpectedSystemExit";
    /// The constructor of an actor failed.
    CreationTaskError = 16, "CreationTaskError";
    /// There is no such thing.
    NotFound = 17, "NotFound";
    /// The other side is gone.
    Disconnected = 18, "Disconnected";
    /// A task or actor was cancelled before it ran.
    SchedulingCancelled = 19, "SchedulingCancelled";
    /// There is such a thing already.
    AlreadyExists = 20, "AlreadyExists";
    /// The store has an object of this id.
    ObjectExists = 21, "ObjectExists";
    /// The store has no object of this id.
    ObjectNotFound = 22, "ObjectNotFound";
    /// The object can no longer be changed.
    ObjectAlreadySealed = 23, "ObjectAlreadySealed";
    /// The object does not fit into the store.
    ObjectStoreFull = 24, "ObjectStoreFull";
    /// The object does not fit now, but may soon.
    TransientObjectStoreFull = 25, "TransientObjectStoreFull";
    /// The object fits neither into memory nor on the disk.
    OutOfDisk = 28, "OutOfDisk";
    /// Nobody knows who owns the object.
    ObjectUnknownOwner = 29, "ObjectUnknownOwner";
    /// A call over the network failed; the status has the code of the transport.
    RpcError = 30, "RpcError";
    /// The node has not enough of something.
    OutOfResource = 31, "OutOfResource";
    /// A generator has no more objects.
    ObjectRefEndOfStream = 32, "ObjectRefEndOfStream";
    /// The caller did not say who it is.
    Unauthenticated = 33, "Unauthenticated";
    /// A value is none that is allowed.
    InvalidArgument = 34, "InvalidArgument";
    /// A channel is closed.
    ChannelError = 35, "ChannelError";
    /// A channel was not ready in time.
    ChannelTimeoutError = 36, "ChannelTimeoutError";
    /// The caller may not do this.
    PermissionDenied = 37, "PermissionDenied";
}

/// What a number that is no code's is called.
pub const UNKNOWN_CODE: &str = "Unknown";

impl StatusCode {
    /// The number of the code.
    pub const fn number(self) -> i8 {
        self as i8
    }

    /// The code of this text; [`Self::IoError`] for any other text, as in Ray.
    pub fn of_text(text: &[u8]) -> Self {
        Self::find(text).unwrap_or(Self::IoError)
    }

    fn find(text: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().as_bytes() == text)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no code's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no status code has the text {0:?}")]
pub struct UnknownStatusCode(pub String);

impl FromStr for StatusCode {
    type Err = UnknownStatusCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::find(text.as_bytes()).ok_or_else(|| UnknownStatusCode(text.to_owned()))
    }
}

/// Where in a program a status was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location<'a> {
    /// The source file, as the compiler named it.
    pub file: &'a [u8],
    /// The line in it, counted from 1.
    pub line: i32,
}

/// What a status says, for a log line: the code's text, then the message, the code of the transport if the status is
/// an [`StatusCode::RpcError`], and where it was made. The message may be any bytes. A number that is no code's is
/// called [`UNKNOWN_CODE`].
pub fn describe(
    number: i8,
    message: &[u8],
    rpc_code: i32,
    location: Option<Location<'_>>,
) -> Vec<u8> {
    let mut text = Vec::new();
    describe_with(number, message, rpc_code, location, |pieces| text = pieces.concat());
    text
}

/// The same in pieces, for a text that lies elsewhere: `write` gets them once, in order. Some may be empty.
#[inline]
pub fn describe_with(
    number: i8,
    message: &[u8],
    rpc_code: i32,
    location: Option<Location<'_>>,
    write: impl FnOnce(&[&[u8]]),
) {
    let code = StatusCode::from_number(number);
    let name = code.map_or(UNKNOWN_CODE, StatusCode::as_str).as_bytes();
    if code == Some(StatusCode::Ok) {
        return write(&[name]);
    }
    if code != Some(StatusCode::RpcError) && location.is_none() {
        return write(&[name, b": ", message]);
    }
    let (mut code_digits, mut line_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (about_code, rpc_code) = match code {
        Some(StatusCode::RpcError) => (" rpc_code: ", code_digits.format(rpc_code)),
        _ => ("", ""),
    };
    let (at, file, colon, line): (_, &[u8], _, _) = match location {
        Some(Location { file, line }) => (" at ", file, ":", line_digits.format(line)),
        None => ("", b"", "", ""),
    };
    let [about_code, rpc_code, at, colon, line] =
        [about_code, rpc_code, at, colon, line].map(str::as_bytes);
    write(&[name, b": ", message, about_code, rpc_code, at, file, colon, line]);
}

/// Why something did not end well. What did has no status in Rust: it is a `Result`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    code: StatusCode,
    message: String,
    rpc_code: i32,
}

impl Status {
    /// A status that has no code of a transport.
    ///
    /// # Panics
    /// When the code is [`StatusCode::Ok`], which is no error.
    pub fn new(code: StatusCode, message: impl Into<String>) -> Self {
        assert!(code != StatusCode::Ok, "an error is not OK");
        Self { code, message: message.into(), rpc_code: -1 }
    }

    /// A call over the network failed, with this code of the transport's.
    pub fn rpc(message: impl Into<String>, rpc_code: i32) -> Self {
        Self { code: StatusCode::RpcError, message: message.into(), rpc_code }
    }

    /// What kind of error it is.
    pub fn code(&self) -> StatusCode {
        self.code
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The code of the transport; -1 when there is none.
    pub fn rpc_code(&self) -> i32 {
        self.rpc_code
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = describe(self.code.number(), self.message.as_bytes(), self.rpc_code, None);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_lead_back_to_their_code() {
        for pair in StatusCode::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number(), "{pair:?}");
        }
        for number in i8::MIN..=i8::MAX {
            let code = StatusCode::from_number(number);
            assert_eq!(code, StatusCode::ALL.iter().copied().find(|code| code.number() == number));
        }
        for &code in StatusCode::ALL {
            assert_eq!(code.to_string().parse(), Ok(code));
            assert_eq!(StatusCode::of_text(code.as_str().as_bytes()), code);
        }
        assert_eq!(StatusCode::ALL.len(), 33);
    }

    #[test]
    fn other_texts_are_no_code() {
        for text in ["", "ok", "Ok", "OutOfMemory", "Unknown", "OK "] {
            assert_eq!(text.parse::<StatusCode>(), Err(UnknownStatusCode(text.to_owned())));
            assert_eq!(StatusCode::of_text(text.as_bytes()), StatusCode::IoError);
        }
        assert_eq!(StatusCode::of_text(b"\xff\x00"), StatusCode::IoError);
        let error = "x".parse::<StatusCode>().unwrap_err();
        assert_eq!(error.to_string(), "no status code has the text \"x\"");
    }

    #[test]
    fn a_status_says_all_that_it_has() {
        let status = Status::new(StatusCode::OutOfMemory, "no room");
        assert_eq!(status.to_string(), "Out of memory: no room");
        assert_eq!((status.code(), status.message()), (StatusCode::OutOfMemory, "no room"));
        assert_eq!(status.rpc_code(), -1);
        assert_eq!(Status::rpc("gone", 14).to_string(), "RpcError: gone rpc_code: 14");
        let location = Some(Location { file: b"a.cc", line: 7 });
        assert_eq!(describe(30, b"gone", -1, location), b"RpcError: gone rpc_code: -1 at a.cc:7");
        assert_eq!(describe(5, b"\xff", 3, location), b"IOError: \xff at a.cc:7");
        assert_eq!(describe(0, b"ignored", 3, location), b"OK");
        assert_eq!(describe(6, b"odd", 3, None), b"Unknown: odd");
    }

    #[test]
    #[should_panic(expected = "an error is not OK")]
    fn an_error_is_not_ok() {
        let _ = Status::new(StatusCode::Ok, "");
    }
}
