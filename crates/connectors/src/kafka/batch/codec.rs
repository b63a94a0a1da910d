//! The compressions of record batches: gzip, snappy, lz4 and zstd.
//!
//! Snappy comes in two forms: in blocks with a header (the Java client) and bare (the C library); both are read,
//! the first is written. LZ4 is its frame format.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{Error, Read, Result, Write};

/// The most that a batch may unpack to: a guard against damaged sizes.
const UNPACKED_BYTES_MAX: usize = 1 << 30;
const SNAPPY_MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const SNAPPY_BLOCK_BYTES: usize = 32 << 10;

/// How a batch is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Codec {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// The values of `compression.type`.
pub(crate) const NAMES: &[&str] = &["none", "gzip", "snappy", "lz4", "zstd"];

impl Codec {
    /// The codec of a number in a batch's attributes.
    pub(crate) fn of(number: i16) -> Option<Codec> {
        [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd].get(number as usize).copied()
    }

    /// The codec of a value of `compression.type`.
    pub(crate) fn named(name: &str) -> Option<Codec> {
        NAMES.iter().position(|known| *known == name).and_then(|at| Codec::of(at as i16))
    }

    /// Appends what `packed` unpacks to.
    pub(crate) fn unpack(self, packed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Codec::None => out.extend_from_slice(packed),
            Codec::Gzip => read_all(GzDecoder::new(packed), out)?,
            Codec::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(packed), out)?,
            Codec::Zstd => read_all(zstd::stream::read::Decoder::new(packed)?, out)?,
            Codec::Snappy => unpack_snappy(packed, out)?,
        }
        Ok(())
    }

    /// Appends `bytes` in packed form.
    pub(crate) fn pack(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Codec::None => out.extend_from_slice(bytes),
            Codec::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::default());
                encoder.write_all(bytes)?;
                encoder.finish()?;
            }
            Codec::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(out);
                encoder.write_all(bytes)?;
                encoder.finish().map_err(Error::other)?;
            }
            Codec::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.write_all(bytes)?;
                encoder.finish()?;
            }
            Codec::Snappy => pack_snappy(bytes, out)?,
        }
        Ok(())
    }
}

fn read_all(reader: impl Read, out: &mut Vec<u8>) -> Result<()> {
    let read = reader.take(UNPACKED_BYTES_MAX as u64 + 1).read_to_end(out)?;
    if read > UNPACKED_BYTES_MAX { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> Error {
    Error::other("a batch unpacks to more than 1 GiB")
}

fn unpack_snappy(packed: &[u8], out: &mut Vec<u8>) -> Result<()> {
    if !packed.starts_with(SNAPPY_MAGIC) {
        return unpack_snappy_block(packed, out);
    }
    // Behind the magic stand two version numbers.
    let mut rest = packed.get(16..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let block = after.get(..length).ok_or_else(|| Error::other("a snappy block is cut short"))?;
        unpack_snappy_block(block, out)?;
        rest = &after[length..];
    }
    Ok(())
}

fn unpack_snappy_block(block: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let length = snap::raw::decompress_len(block).map_err(Error::other)?;
    if length > UNPACKED_BYTES_MAX {
        return Err(too_large());
    }
    let start = out.len();
    out.resize(start + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(Error::other)?;
    Ok(())
}

fn pack_snappy(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(SNAPPY_MAGIC);
    out.extend_from_slice(&1u32.to_be_bytes());
    out.extend_from_slice(&1u32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(SNAPPY_BLOCK_BYTES) {
        let packed = encoder.compress_vec(block).map_err(Error::other)?;
        out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_gives_back_what_it_took() {
        let bytes: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for name in NAMES {
            let codec = Codec::named(name).unwrap();
            for part in [&bytes[..], &bytes[..1], &[]] {
                let (mut packed, mut unpacked) = (b"x".to_vec(), b"y".to_vec());
                codec.pack(part, &mut packed).unwrap();
                codec.unpack(&packed[1..], &mut unpacked).unwrap();
                assert_eq!(&unpacked[1..], part, "{name}");
            }
        }
        assert!(Codec::of(5).is_none());
    }

    #[test]
    fn bare_snappy_is_read_too() {
        let packed = snap::raw::Encoder::new().compress_vec(b"as the C library writes it").unwrap();
        let mut unpacked = Vec::new();
        Codec::Snappy.unpack(&packed, &mut unpacked).unwrap();
        assert_eq!(unpacked, b"as the C library writes it");
    }
}
