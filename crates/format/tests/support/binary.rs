//! Binary records: written by a format, and read as a log hands them over.

#![allow(dead_code, reason = "each test file uses its part")]

use super::harness::{Part, Table};
use arrow_buffer::Buffer;
use tidemill_format::{EncodeRequest, format};
use tidemill_types::{Blob, Chunk, Framing, Options};

/// A blob of these records, with bytes between them that belong to none.
pub fn records<R: AsRef<[u8]>>(records: &[R]) -> Blob {
    let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
    for record in records {
        bytes.extend_from_slice(&[0xEE; 3]);
        let start = bytes.len() as u32;
        bytes.extend_from_slice(record.as_ref());
        ranges.push(start..bytes.len() as u32);
    }
    Blob { bytes: Buffer::from(bytes.as_slice()), framing: Framing::Records(ranges) }
}

/// The records that a table's format writes for rows given as JSON lines.
pub fn write(table: &Table<'_>, json: &str) -> Vec<Vec<u8>> {
    try_write(table, json).expect("the rows can be written")
}

/// The same, which may fail.
pub fn try_write(table: &Table<'_>, json: &str) -> tidemill_types::Result<Vec<Vec<u8>>> {
    let source = Table { format: "json", schema: table.schema.clone(), options: vec![], metadata: vec![] };
    let part: Part = source.chunks(&[Blob::lines(Buffer::from(json.as_bytes()))])?.remove(0);
    assert_eq!(part.1, []);
    write_chunk(table, &part.0)
}

/// The records of a chunk.
pub fn write_chunk(table: &Table<'_>, chunk: &Chunk) -> tidemill_types::Result<Vec<Vec<u8>>> {
    let options = Options::new(table.options.iter().copied());
    let request = EncodeRequest { schema: &table.schema, options: &options, zone: super::harness::UTC };
    let mut encoder = format(table.format)?.encoder.expect("the format can be written")(&request)?;
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    encoder.encode(chunk, b"", &mut out, &mut ends)?;
    let starts = [0].into_iter().chain(ends.clone());
    Ok(starts.zip(ends).map(|(start, end)| out[start..end].to_vec()).collect())
}
