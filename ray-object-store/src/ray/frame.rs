//! Ray's frame: the length of a message in MessagePack, which has nine bytes of room; the message; then what Python's pickle wrote.

use crate::error::{Result, StoreError};

/// Bytes before the message.
pub(crate) const LENGTH: usize = 9;

/// Makes room for the length. Returns where the message starts.
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; LENGTH]);
    out.len()
}

/// The message ends here.
pub(crate) fn end(out: &mut [u8], start: usize) {
    let length = out.len() - start;
    let mut header = &mut out[start - LENGTH..start];
    rmp_serde::encode::write(&mut header, &length).expect("a number takes nine bytes at most");
}

/// The message and what follows.
pub(crate) fn split(data: &[u8]) -> Result<(&[u8], &[u8])> {
    let header = data.get(..LENGTH).ok_or_else(|| StoreError::malformed("no room for a length"))?;
    let length: u64 = rmp_serde::from_slice(header).map_err(StoreError::malformed)?;
    let rest = &data[LENGTH..];
    let length = usize::try_from(length).ok().filter(|length| *length <= rest.len());
    let length = length.ok_or_else(|| StoreError::malformed("a message that is cut off"))?;
    Ok(rest.split_at(length))
}

/// A frame with bytes as its message.
pub(crate) fn of_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let start = begin(&mut out);
    let mut serializer = rmp_serde::Serializer::new(&mut out);
    serde::Serializer::serialize_bytes(&mut serializer, bytes).expect("a vector takes everything");
    end(&mut out, start);
    out
}

/// The bytes that are a frame's message.
pub(crate) fn to_bytes(data: &[u8]) -> Result<Vec<u8>> {
    struct Bytes;

    impl serde::de::Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> std::result::Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }

    let (message, _) = split(data)?;
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(message);
    serde::Deserializer::deserialize_bytes(&mut deserializer, Bytes).map_err(StoreError::malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for length in [0, 1, 100, 70_000] {
            let bytes = vec![7; length];
            let framed = of_bytes(&bytes);
            assert_eq!(to_bytes(&framed).unwrap(), bytes);
            assert!(to_bytes(&framed[..framed.len() - 1]).is_err());
        }
    }

    #[test]
    fn a_length_that_lies_is_an_error() {
        for data in [&[][..], &[5; 8], &[0xff; 9], b"\x05\0\0\0\0\0\0\0\0abcd", &[0xcf; 9]] {
            assert!(split(data).is_err(), "{data:?}");
        }
        assert_eq!(split(b"\x02\0\0\0\0\0\0\0\0abcd").unwrap(), (&b"ab"[..], &b"cd"[..]));
    }
}
