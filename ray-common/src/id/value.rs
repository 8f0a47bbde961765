//! What all ids have in common.

/// Defines an id of so many bytes.
macro_rules! define_id {
    ($(#[$meta:meta])* $name:ident, $length:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub(super) [u8; $length]);

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
            /// [`IdError::WrongLength`](crate::id::IdError::WrongLength) for any other length than 0 and
            /// [`Self::LENGTH`].
            pub fn from_binary(binary: &[u8]) -> Result<Self, $crate::id::IdError> {
                if binary.is_empty() {
                    return Ok(Self::NIL);
                }
                binary.try_into().map(Self).map_err(|_| $crate::id::IdError::WrongLength {
                    expected: $length,
                    actual: binary.len(),
                })
            }

            /// An id from hexadecimal digits of either case. Takes any bytes, also such that are no text.
            ///
            /// # Errors
            /// [`IdError::WrongDigits`](crate::id::IdError::WrongDigits) or
            /// [`IdError::NotHex`](crate::id::IdError::NotHex).
            pub fn from_hex(hex: impl AsRef<[u8]>) -> Result<Self, $crate::id::IdError> {
                let mut bytes = [0; $length];
                $crate::id::hex::parse(hex.as_ref(), &mut bytes)?;
                Ok(Self(bytes))
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Whether this is [`Self::NIL`].
            pub fn is_nil(&self) -> bool {
                *self == Self::NIL
            }

            /// The hash that Ray has of this id, in every process and on every machine. Whoever chooses ids can
            /// choose their hashes, so it is not for tables that strangers fill.
            pub fn murmur_hash(&self) -> u64 {
                $crate::id::murmur_hash_64a(&self.0, 0)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::NIL
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        /// From hexadecimal digits.
        impl std::str::FromStr for $name {
            type Err = $crate::id::IdError;

            fn from_str(hex: &str) -> Result<Self, Self::Err> {
                Self::from_hex(hex)
            }
        }

        /// Lower-case hexadecimal digits, two a byte, also of nil.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut text = [0; 2 * $length];
                f.write_str($crate::id::hex::write(&self.0, &mut text))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

pub(super) use define_id;
