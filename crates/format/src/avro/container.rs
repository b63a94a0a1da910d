//! Object container files: Avro records with their schema in front, in compressed blocks.
//!
//! 1. The head holds the schema, the name of the codec and a marker that ends each block.
//! 2. Blocks are read and decompressed until [`BATCH_BYTES`] are together; records are read from there in batches.
//! 3. Blocks whose rows were all read by an earlier run are passed over without looking inside.
//!
//! Source of the rules: the Avro specification, "Object Container Files". Deliberately not here: the codecs bzip2 and
//! xz, which need C libraries.

use super::cursor::{Cursor, write_long};
use super::decoder::Reader;
use super::encoder::Writer;
use super::plan::RowPlan;
use super::schema::Schema;
use super::{CODEC, legacy, read};
use crate::json::Shape;
use crate::{DecodeRequest, EncodeRequest, FileBytes, FileReader, FileRows, FileWriter};
use arrow_buffer::Buffer;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::sync::Arc;
use tidemill_types::{Chunk, Error, Options, Result};

const MAGIC: &[u8] = b"Obj\x01";
const SYNC_BYTES: usize = 16;
/// Rows that are given at a time.
const BATCH_ROWS: u64 = 8_192;
/// How many bytes of records are decompressed at a time.
const BATCH_BYTES: usize = 512 << 10;
/// How large a block may be when it is decompressed.
const BLOCK_BYTES_MAX: u64 = 1 << 30;
/// How large a head may be.
const HEAD_BYTES_MAX: u64 = 64 << 20;
/// How many bytes of records make a block; Java's library takes as many.
const BLOCK_BYTES: usize = 64_000;

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
}

impl Codec {
    fn of(name: &str) -> Result<Self, String> {
        match name {
            "null" => Ok(Codec::Null),
            "deflate" => Ok(Codec::Deflate),
            "snappy" => Ok(Codec::Snappy),
            "zstandard" => Ok(Codec::Zstandard),
            other => Err(format!(
                "the codec '{other}' of Avro files is not supported; null, deflate, snappy and zstandard are"
            )),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Codec::Null => "null",
            Codec::Deflate => "deflate",
            Codec::Snappy => "snappy",
            Codec::Zstandard => "zstandard",
        }
    }

    fn decompress(self, block: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut limited = |reader: &mut dyn Read| reader.take(BLOCK_BYTES_MAX).read_to_end(out).map(drop);
        match self {
            Codec::Null => out.extend_from_slice(block),
            Codec::Deflate => limited(&mut flate2::read::DeflateDecoder::new(block))?,
            Codec::Zstandard => limited(&mut zstd::stream::read::Decoder::new(block)?)?,
            Codec::Snappy => {
                let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
                let (packed, sum) = block.split_last_chunk::<4>().ok_or_else(|| broken("no checksum"))?;
                let plain = snap::raw::Decoder::new().decompress_vec(packed)?;
                if crc32fast::hash(&plain) != u32::from_be_bytes(*sum) {
                    return Err(broken("the checksum of a block is wrong"));
                }
                out.extend_from_slice(&plain);
            }
        }
        Ok(())
    }

    fn compress(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        Ok(match self {
            Codec::Null => plain.to_vec(),
            Codec::Deflate => {
                let mut writer =
                    flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                writer.write_all(plain)?;
                writer.finish()?
            }
            Codec::Zstandard => zstd::bulk::compress(plain, zstd::DEFAULT_COMPRESSION_LEVEL)?,
            Codec::Snappy => {
                let mut packed = snap::raw::Encoder::new().compress_vec(plain)?;
                packed.extend_from_slice(&crc32fast::hash(plain).to_be_bytes());
                packed
            }
        })
    }
}

struct ContainerReader {
    file: Arc<dyn FileBytes>,
    /// Where the next block begins.
    at: u64,
    sync: [u8; SYNC_BYTES],
    codec: Codec,
    schema: Schema,
    plan: RowPlan,
    shape: Shape,
    /// Decompressed records, how far they were read, and how many are left.
    records: Buffer,
    record_at: usize,
    left: u64,
    /// Rows at the start that are not wanted.
    skip: u64,
    /// The number of the next record, for messages.
    number: u64,
}

/// Opens a file.
pub(super) fn open_reader(
    request: &DecodeRequest<'_>,
    file: Arc<dyn FileBytes>,
    skip: u64,
) -> Result<Box<dyn FileReader>> {
    let reader = Reader::of(request, legacy(request.options)?, None)?;
    let head = Head::read(file.as_ref()).map_err(Error::data)?;
    let schema = Schema::parse(&head.schema)
        .map_err(|error| Error::data(format!("the schema of the Avro file: {error}")))?;
    let plan = reader.plan(&schema).map_err(Error::data)?;
    Ok(Box::new(ContainerReader {
        file,
        at: head.end,
        sync: head.sync,
        codec: head.codec,
        shape: reader.shape(),
        schema,
        plan,
        records: Buffer::from(&[] as &[u8]),
        record_at: 0,
        left: 0,
        skip,
        number: 0,
    }))
}

struct Head {
    schema: String,
    codec: Codec,
    sync: [u8; SYNC_BYTES],
    /// Where the first block begins.
    end: u64,
}

impl Head {
    /// Reads as much of the file as the head needs.
    fn read(file: &dyn FileBytes) -> Result<Self, String> {
        let mut size = 16 << 10;
        loop {
            let bytes = bytes(file, 0, file.size().min(size))?;
            match Head::parse(&bytes) {
                Err(_) if size < file.size().min(HEAD_BYTES_MAX) && bytes.starts_with(MAGIC) => size *= 8,
                parsed => return parsed,
            }
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if !bytes.starts_with(MAGIC) {
            return Err("the file is no Avro file: it does not begin with 'Obj' and 1".into());
        }
        let (mut schema, mut codec) = (None, Codec::Null);
        let mut cursor = Cursor { bytes, at: MAGIC.len() };
        loop {
            let count = cursor.block()?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let (start, end) = cursor.prefixed()?;
                let key = &bytes[start..end];
                let (start, end) = cursor.prefixed()?;
                let value = || String::from_utf8_lossy(&bytes[start..end]).into_owned();
                match key {
                    b"avro.schema" => schema = Some(value()),
                    b"avro.codec" => codec = Codec::of(&value())?,
                    _ => {}
                }
            }
        }
        let sync = cursor.array()?;
        let schema = schema.ok_or("the head of the Avro file holds no schema")?;
        Ok(Head { schema, codec, sync, end: cursor.at as u64 })
    }
}

fn bytes(file: &dyn FileBytes, offset: u64, size: u64) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; size as usize];
    match file.read_at(offset, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(format!("can't read the file behind byte {offset}: {error}")),
    }
}

impl FileReader for ContainerReader {
    fn next(&mut self) -> Result<Option<FileRows>> {
        if self.left == 0 && !self.fill().map_err(Error::data)? {
            return Ok(None);
        }
        let rows = self.left.min(BATCH_ROWS);
        for _ in 0..rows {
            let mut cursor = Cursor { bytes: &self.records, at: self.record_at };
            read::row(&self.plan, &self.schema, &mut cursor, &mut self.shape).map_err(|reason| {
                Error::data(format!("record {} of the Avro file: {reason}", self.number + 1))
            })?;
            self.record_at = cursor.at;
            self.number += 1;
        }
        self.left -= rows;
        let columns = self.shape.finish(&self.records);
        Ok(Some(FileRows { columns, rows: rows as usize }))
    }
}

impl ContainerReader {
    /// Decompresses the next blocks; false at the end of the file.
    fn fill(&mut self) -> Result<bool, String> {
        let mut plain = Vec::new();
        while self.at < self.file.size() && plain.len() < BATCH_BYTES {
            let (count, block) = self.block()?;
            if count <= self.skip {
                self.skip -= count;
                self.number += count;
                continue;
            }
            self.codec
                .decompress(&block, &mut plain)
                .map_err(|error| format!("can't decompress a block of the Avro file: {error}"))?;
            self.left += count;
            if self.skip > 0 {
                break;
            }
        }
        self.records = Buffer::from(plain);
        self.record_at = 0;
        let mut cursor = Cursor { bytes: &self.records, at: 0 };
        for _ in 0..std::mem::take(&mut self.skip).min(self.left) {
            read::skip(&self.schema, self.schema.root, &mut cursor, 0)?;
            self.left -= 1;
            self.number += 1;
        }
        self.record_at = cursor.at;
        Ok(self.left > 0)
    }

    /// The number of records of the next block, and its bytes.
    fn block(&mut self) -> Result<(u64, Vec<u8>), String> {
        let size = self.file.size();
        // Two numbers of at most ten bytes.
        let head = bytes(self.file.as_ref(), self.at, (size - self.at).min(20))?;
        let mut cursor = Cursor { bytes: &head, at: 0 };
        let numbers = (cursor.long()?, cursor.long()?);
        let (Ok(count), Ok(length)) = (u64::try_from(numbers.0), u64::try_from(numbers.1)) else {
            return Err(format!("a block at byte {} of the Avro file has a wrong length", self.at));
        };
        let start = self.at + cursor.at as u64;
        if length > size - start || size - start - length < SYNC_BYTES as u64 {
            return Err(format!("the Avro file ends inside the block at byte {}", self.at));
        }
        let mut block = bytes(self.file.as_ref(), start, length + SYNC_BYTES as u64)?;
        if block[length as usize..] != self.sync {
            return Err(format!(
                "the block at byte {} of the Avro file does not end where it should",
                self.at
            ));
        }
        block.truncate(length as usize);
        self.at = start + length + SYNC_BYTES as u64;
        Ok((count, block))
    }
}

struct ContainerWriter {
    writer: Writer,
    codec: Codec,
    sync: [u8; SYNC_BYTES],
    started: bool,
    block: Vec<u8>,
    count: i64,
}

fn codec(options: &Options) -> Result<Codec> {
    Codec::of(options.text(&CODEC).unwrap_or("snappy")).map_err(Error::user)
}

/// Opens a writer of a file.
pub(super) fn open_writer(request: &EncodeRequest<'_>) -> Result<Box<dyn FileWriter>> {
    let half = || RandomState::new().build_hasher().finish().to_le_bytes();
    let mut sync = [0; SYNC_BYTES];
    sync[..8].copy_from_slice(&half());
    sync[8..].copy_from_slice(&half());
    Ok(Box::new(ContainerWriter {
        writer: Writer::of(request, None)?,
        codec: codec(request.options)?,
        sync,
        started: false,
        block: Vec::new(),
        count: 0,
    }))
}

impl ContainerWriter {
    fn head(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        out.extend_from_slice(MAGIC);
        let entries = [("avro.schema", self.writer.text.as_str()), ("avro.codec", self.codec.name())];
        write_long(entries.len() as i64, out);
        for text in entries.iter().flat_map(|(key, value)| [key, value]) {
            write_long(text.len() as i64, out);
            out.extend_from_slice(text.as_bytes());
        }
        out.push(0);
        out.extend_from_slice(&self.sync);
    }

    fn end_block(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let packed = self.codec.compress(&self.block);
        let packed = packed.map_err(|error| Error::internal(format!("can't compress a block: {error}")))?;
        write_long(std::mem::take(&mut self.count), out);
        write_long(packed.len() as i64, out);
        out.extend_from_slice(&packed);
        out.extend_from_slice(&self.sync);
        self.block.clear();
        Ok(())
    }
}

impl FileWriter for ContainerWriter {
    fn write(&mut self, chunk: &Chunk, out: &mut Vec<u8>) -> Result<()> {
        self.head(out);
        // A block holds whole records, so that it ends at the first one behind its size.
        let rows_per_piece = 256;
        for start in (0..chunk.rows).step_by(rows_per_piece) {
            let piece = chunk.slice(start, rows_per_piece.min(chunk.rows - start));
            let count = &mut self.count;
            self.writer.write(&piece, &[], &mut self.block, |_| *count += 1)?;
            if self.block.len() >= BLOCK_BYTES {
                self.end_block(out)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.head(out);
        self.end_block(out)
    }

    fn waiting_bytes(&self) -> usize {
        self.block.len()
    }
}
