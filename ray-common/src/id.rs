//! Ray's ids as plain values.

use std::fmt;

/// Bytes of an [`ObjectId`], and of every [`UniqueId`].
pub const ID_LENGTH: usize = 28;

/// Why bytes or text are not an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdError {
    /// The number of bytes (or of hexadecimal digits) is not the one of this kind of id.
    WrongLength {
        /// What the kind of id needs.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// A character at this position is not a hexadecimal digit.
    NotHex {
        /// Zero-based position in the text.
        position: usize,
    },
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongLength { expected, actual } => {
                write!(f, "expected size is {expected}, but got data size is {actual}")
            }
            Self::NotHex { position } => {
                write!(f, "incorrect hex character at position {position}")
            }
        }
    }
}

impl std::error::Error for IdError {}

macro_rules! define_id {
    ($(#[$meta:meta])* $name:ident, $length:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Bytes of this kind of id.
            pub const LENGTH: usize = $length;

            /// The id that stands for "none": every byte is 0xff.
            pub const NIL: Self = Self([0xff; $length]);

            /// An id from its bytes.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// An id from a slice, as it comes from a message; an empty slice is [`Self::NIL`].
            ///
            /// # Errors
            /// [`IdError::WrongLength`] for any other length than 0 and [`Self::LENGTH`].
            pub fn from_binary(binary: &[u8]) -> Result<Self, IdError> {
                if binary.is_empty() {
                    return Ok(Self::NIL);
                }
                binary.try_into().map(Self).map_err(|_| IdError::WrongLength {
                    expected: $length,
                    actual: binary.len(),
                })
            }

            /// An id from hexadecimal digits of either case.
            ///
            /// # Errors
            /// [`IdError::WrongLength`] or [`IdError::NotHex`].
            pub fn from_hex(hex: &str) -> Result<Self, IdError> {
                let digits = hex.as_bytes();
                if digits.len() != 2 * $length {
                    return Err(IdError::WrongLength { expected: 2 * $length, actual: digits.len() });
                }
                let mut bytes = [0; $length];
                for (i, byte) in bytes.iter_mut().enumerate() {
                    *byte = (hex_digit(digits, 2 * i)? << 4) | hex_digit(digits, 2 * i + 1)?;
                }
                Ok(Self(bytes))
            }

            /// Fresh random bytes from the operating system.
            ///
            /// # Panics
            /// When the operating system has no randomness to give.
            pub fn random() -> Self {
                let mut bytes = [0; $length];
                fill_random(&mut bytes);
                Self(bytes)
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Whether this is [`Self::NIL`].
            pub fn is_nil(&self) -> bool {
                *self == Self::NIL
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::NIL
            }
        }

        /// Lower-case hexadecimal digits, two a byte.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

define_id!(
    /// Names one object in the cluster: the task that made it, and its index among that task's objects.
    ObjectId,
    ID_LENGTH
);
define_id!(
    /// 28 bytes without further structure.
    UniqueId,
    ID_LENGTH
);
define_id!(
    /// Names a node of the cluster.
    NodeId,
    ID_LENGTH
);
define_id!(
    /// Names a worker process.
    WorkerId,
    ID_LENGTH
);

fn hex_digit(digits: &[u8], position: usize) -> Result<u8, IdError> {
    match digits[position] {
        digit @ b'0'..=b'9' => Ok(digit - b'0'),
        digit @ b'a'..=b'f' => Ok(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(IdError::NotHex { position }),
    }
}

fn fill_random(bytes: &mut [u8]) {
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the operating system has no random bytes: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nil_is_all_ones() {
        assert!(ObjectId::NIL.is_nil());
        assert_eq!(ObjectId::default(), ObjectId::from_bytes([0xff; 28]));
        assert_eq!(ObjectId::NIL.to_string(), "f".repeat(56));
        assert!(!ObjectId::random().is_nil());
    }

    #[test]
    fn hex_and_binary_round_trip() {
        let id = ObjectId::random();
        assert_eq!(ObjectId::from_hex(&id.to_string()), Ok(id));
        assert_eq!(ObjectId::from_hex(&id.to_string().to_uppercase()), Ok(id));
        assert_eq!(ObjectId::from_binary(id.as_bytes()), Ok(id));
        assert_eq!(ObjectId::from_binary(&[]), Ok(ObjectId::NIL));
    }

    #[test]
    fn wrong_input_names_the_fault() {
        let wrong = ObjectId::from_binary(&[0; 27]).unwrap_err();
        assert_eq!(wrong.to_string(), "expected size is 28, but got data size is 27");
        assert_eq!(NodeId::from_hex("00"), Err(IdError::WrongLength { expected: 56, actual: 2 }));
        let mut text = "0".repeat(56);
        text.replace_range(7..8, "g");
        assert_eq!(WorkerId::from_hex(&text), Err(IdError::NotHex { position: 7 }));
    }
}
