//! One entry of the log: a blob with its place, or the end of what comes in.
//!
//! Layout, numbers little-endian: payload length (4) · checksum (8) · payload. Payload: kind (1); for blobs the split's
//! number (4), offset (8), line (8) and name (length in 2); for records their count (4) and each end and start (4 + 4);
//! then the bytes. The checksum covers the entry's offset in the log too, so that bytes of a former file in its place
//! are no entry.

use std::ops::Range;
use tidemill_connector::{FetchedBlob, Place};
use tidemill_types::{Blob, Error, Framing, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Length and checksum.
pub(super) const HEADER_BYTES: usize = 12;

const LINES: u8 = 1;
const RECORDS: u8 = 2;
const WHOLE: u8 = 3;
const END: u8 = 4;

/// What an entry holds.
#[derive(Debug)]
pub(super) enum Entry {
    Blob(FetchedBlob),
    /// Nothing more comes in.
    End,
}

/// Appends an entry that will stand at this offset of the log.
pub(super) fn encode(entry: &Entry, offset: u64, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    match entry {
        Entry::End => out.push(END),
        Entry::Blob(blob) => encode_blob(blob, out)?,
    }
    let payload = &out[start + HEADER_BYTES..];
    let length = u32::try_from(payload.len()).map_err(|_| Error::internal("a blob of more than 4 GB"))?;
    let checksum = xxh3_64_with_seed(payload, offset);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

fn encode_blob(FetchedBlob { blob, place, constants, log }: &FetchedBlob, out: &mut Vec<u8>) -> Result<()> {
    if !constants.is_empty() || log.is_some() {
        return Err(Error::internal("the log of what came in takes blobs without columns beside them"));
    }
    out.push(match blob.framing {
        Framing::Lines => LINES,
        Framing::Records(_) => RECORDS,
        Framing::Whole => WHOLE,
    });
    out.extend_from_slice(&place.split_index.to_le_bytes());
    out.extend_from_slice(&place.offset.to_le_bytes());
    out.extend_from_slice(&place.line.to_le_bytes());
    let name = place.split.as_bytes();
    let length = u16::try_from(name.len()).map_err(|_| Error::internal("the name of a split is too long"))?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(name);
    if let Framing::Records(records) = &blob.framing {
        out.extend_from_slice(&(records.len() as u32).to_le_bytes());
        for record in records {
            out.extend_from_slice(&record.start.to_le_bytes());
            out.extend_from_slice(&record.end.to_le_bytes());
        }
    }
    out.extend_from_slice(blob.bytes.as_slice());
    Ok(())
}

/// The length of the payload that a header announces.
pub(super) fn payload_bytes(header: &[u8]) -> Option<usize> {
    header.get(..4)?.try_into().ok().map(|length| u32::from_le_bytes(length) as usize)
}

/// Reads an entry from its bytes, header and all; `None` if it is none or not whole.
pub(super) fn decode(bytes: &[u8], offset: u64) -> Option<Entry> {
    let checksum = u64::from_le_bytes(bytes.get(4..HEADER_BYTES)?.try_into().ok()?);
    let payload = bytes.get(HEADER_BYTES..)?;
    if xxh3_64_with_seed(payload, offset) != checksum {
        return None;
    }
    let mut rest = Rest(payload);
    match rest.take(1)?[0] {
        END => Some(Entry::End),
        kind => decode_blob(kind, rest).map(Entry::Blob),
    }
}

fn decode_blob(kind: u8, mut rest: Rest<'_>) -> Option<FetchedBlob> {
    let (split_index, offset, line) = (rest.u32()?, rest.u64()?, rest.u64()?);
    let length = u16::from_le_bytes(rest.take(2)?.try_into().ok()?);
    let split = std::str::from_utf8(rest.take(length.into())?).ok()?.into();
    let framing = match kind {
        LINES => Framing::Lines,
        RECORDS => {
            let count = rest.u32()?;
            let record = |_| Some(Range { start: rest.u32()?, end: rest.u32()? });
            Framing::Records((0..count).map(record).collect::<Option<_>>()?)
        }
        WHOLE => Framing::Whole,
        _ => return None,
    };
    let blob = Blob { bytes: rest.0.to_vec().into(), framing };
    Some(FetchedBlob::new(blob, Place { split, split_index, offset, line }))
}

/// What is left to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_their_bytes_and_no_others_do() {
        for framing in [Framing::Lines, Framing::Records(vec![0..1, 2..3]), Framing::Whole] {
            let place = Place { split: "peer:1".into(), split_index: 3, offset: 1 << 40, line: 9 };
            let blob = Blob { bytes: b"a\nb".to_vec().into(), framing: framing.clone() };
            let mut bytes = Vec::new();
            encode(&Entry::Blob(FetchedBlob::new(blob, place.clone())), 77, &mut bytes).unwrap();
            assert_eq!(payload_bytes(&bytes), Some(bytes.len() - HEADER_BYTES));
            let Some(Entry::Blob(read)) = decode(&bytes, 77) else { panic!("it is an entry") };
            assert_eq!((read.place, read.blob.framing), (place, framing));
            assert_eq!(read.blob.bytes.as_slice(), b"a\nb");
            assert!(decode(&bytes, 78).is_none(), "it stands at another place");
            for at in 4..bytes.len() {
                let mut torn = bytes.clone();
                torn[at] ^= 1;
                assert!(decode(&torn, 77).is_none(), "byte {at} is another");
            }
            assert!(decode(&bytes[..bytes.len() - 1], 77).is_none());
        }
        let mut end = Vec::new();
        encode(&Entry::End, 0, &mut end).unwrap();
        assert!(matches!(decode(&end, 0), Some(Entry::End)));
    }
}
