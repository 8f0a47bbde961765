//! Compression of data: eight bytes of length, then what the codec wrote.

use bytes::Bytes;

use crate::error::{Result, StoreError};
use crate::metadata::Compression;

/// Bytes of the length before compressed data.
const PREFIX: usize = 8;

/// Data that are smaller are left as they are.
const WORTH: usize = 512;

/// Compresses the data in place, if that makes them smaller; says how.
pub(crate) fn compress(wanted: Compression, data: &mut Vec<u8>) -> Result<Compression> {
    if wanted == Compression::None || data.len() < WORTH {
        return Ok(Compression::None);
    }
    let compressed = encode(wanted, data)?;
    if compressed.len() + PREFIX >= data.len() {
        return Ok(Compression::None);
    }
    let length = data.len() as u64;
    data.clear();
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(&compressed);
    Ok(wanted)
}

#[cfg_attr(not(any(feature = "lz4", feature = "zstd")), allow(unused_variables))]
fn encode(wanted: Compression, data: &[u8]) -> Result<Vec<u8>> {
    match wanted {
        #[cfg(feature = "lz4")]
        Compression::Lz4 => Ok(lz4_flex::block::compress(data)),
        #[cfg(feature = "zstd")]
        Compression::Zstd => zstd::bulk::compress(data, zstd::DEFAULT_COMPRESSION_LEVEL)
            .map_err(|error| StoreError::Serialize(error.to_string())),
        missing => Err(no_codec(missing)),
    }
}

#[cfg_attr(not(any(feature = "lz4", feature = "zstd")), allow(unused_variables))]
fn decode(compression: Compression, compressed: &[u8], length: usize) -> Result<Vec<u8>> {
    match compression {
        #[cfg(feature = "lz4")]
        Compression::Lz4 => {
            lz4_flex::block::decompress(compressed, length).map_err(StoreError::malformed)
        }
        #[cfg(feature = "zstd")]
        Compression::Zstd => {
            zstd::bulk::decompress(compressed, length).map_err(StoreError::malformed)
        }
        missing => Err(no_codec(missing)),
    }
}

fn no_codec(codec: Compression) -> StoreError {
    StoreError::NoCodec(match codec {
        Compression::None => "compression",
        Compression::Lz4 => "the feature lz4",
        Compression::Zstd => "the feature zstd",
    })
}

/// The data as they were. What is not compressed is not copied.
pub(crate) fn decompress(compression: Compression, data: &Bytes) -> Result<Bytes> {
    if compression == Compression::None {
        return Ok(data.clone());
    }
    let (length, compressed) = data
        .split_first_chunk::<PREFIX>()
        .ok_or_else(|| StoreError::malformed("compressed data without a length"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(StoreError::malformed)?;
    // Neither codec makes more of a byte than this; so a wrong length allocates nothing that was not sent.
    if length / 100_000 > compressed.len() {
        return Err(StoreError::malformed("compressed data with an impossible length"));
    }
    let plain = decode(compression, compressed, length)?;
    if plain.len() != length {
        return Err(StoreError::malformed("compressed data with a wrong length"));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(feature = "lz4", feature = "zstd"))]
    fn round(compression: Compression, data: &[u8]) -> (Compression, usize) {
        let mut bytes = data.to_vec();
        let used = compress(compression, &mut bytes).unwrap();
        let length = bytes.len();
        assert_eq!(decompress(used, &bytes.into()).unwrap(), data);
        (used, length)
    }

    #[test]
    #[cfg(feature = "lz4")]
    fn lz4_takes_what_gets_smaller() {
        let (used, length) = round(Compression::Lz4, &[7; 100_000]);
        assert!(used == Compression::Lz4 && length < 1000, "{length}");
        assert_eq!(round(Compression::Lz4, &[7; 100]).0, Compression::None);
        let mut noise = vec![0; 10_000];
        ray_common::id::fill_random(&mut noise);
        assert_eq!(round(Compression::Lz4, &noise).0, Compression::None);
    }

    #[test]
    #[cfg(feature = "zstd")]
    fn zstandard_too() {
        let (used, length) = round(Compression::Zstd, &[7; 100_000]);
        assert!(used == Compression::Zstd && length < 1000, "{length}");
    }

    #[test]
    fn nonsense_is_an_error() {
        for data in [&[][..], &[1; 7], &[0xff; 8], &[0xff; 100], &[1; 100]] {
            for compression in [Compression::Lz4, Compression::Zstd] {
                assert!(decompress(compression, &data.to_vec().into()).is_err(), "{data:?}");
            }
        }
    }
}
