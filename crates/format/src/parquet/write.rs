//! Writes the rows of a Parquet file.
//!
//! Rows wait in memory, as they came, until they make a row group; then its columns are written one after another.

use super::schema;
use super::shred::{self, Leaf, Style, leaves};
use super::stamp::Zone;
use super::{BLOCK_SIZE, COMPRESSION, DICTIONARY, INT64, PAGE_SIZE, TIME_UNIT, utc};
use crate::typed::Bound;
use crate::{EncodeRequest, FileWriter};
use parquet::basic::{Compression, GzipLevel, TimeUnit, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;
use std::sync::Arc;
use tidemill_types::{Chunk, Error, Options, Result, Schema};

/// How many rows a row group has at most.
const GROUP_ROWS_MAX: usize = 1 << 20;

struct ParquetWriter {
    columns: Schema,
    leaves: Vec<Leaf>,
    style: Style,
    group_bytes: usize,
    waiting: Vec<Chunk>,
    waiting_rows: usize,
    waiting_bytes: usize,
    /// `None` behind the end.
    file: Option<SerializedFileWriter<Vec<u8>>>,
}

/// Opens a writer of a file.
pub(super) fn open(request: &EncodeRequest<'_>) -> Result<Box<dyn FileWriter>> {
    let options = request.options;
    let utc = utc(options)?;
    let unit = match options.boolean(&INT64)? {
        false => None,
        true => Some(match options.text(&TIME_UNIT).unwrap_or_default().to_ascii_lowercase().as_str() {
            "nanos" => TimeUnit::NANOS,
            "millis" => TimeUnit::MILLIS,
            _ => TimeUnit::MICROS,
        }),
    };
    let schema = schema::of(request.schema, unit)?;
    let mut leaves_of = Vec::new();
    for (column, field) in request.schema.fields.iter().enumerate() {
        leaves(column, &field.data_type, &[], &mut leaves_of);
    }
    Ok(Box::new(ParquetWriter {
        columns: request.schema.clone(),
        leaves: leaves_of,
        style: Style { zone: Zone::of(utc), unit },
        group_bytes: options.memory(&BLOCK_SIZE)?.unwrap_or(u64::MAX) as usize,
        waiting: Vec::new(),
        waiting_rows: 0,
        waiting_bytes: 0,
        file: Some(file(schema, options)?),
    }))
}

fn file(schema: TypePtr, options: &Options) -> Result<SerializedFileWriter<Vec<u8>>> {
    let compression = match options.text(&COMPRESSION).unwrap_or_default().to_ascii_uppercase().as_str() {
        "UNCOMPRESSED" => Compression::UNCOMPRESSED,
        "GZIP" => Compression::GZIP(GzipLevel::default()),
        "LZ4" => Compression::LZ4,
        "LZ4_RAW" => Compression::LZ4_RAW,
        "ZSTD" => Compression::ZSTD(ZstdLevel::default()),
        _ => Compression::SNAPPY,
    };
    let properties = WriterProperties::builder()
        .set_created_by(concat!("tidemill version ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(compression)
        .set_dictionary_enabled(options.boolean(&DICTIONARY)?)
        .set_data_page_size_limit(options.memory(&PAGE_SIZE)?.unwrap_or(1 << 20) as usize)
        .build();
    SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).map_err(failed)
}

fn failed(error: ParquetError) -> Error {
    Error::data(format!("can't write a Parquet file: {error}"))
}

impl ParquetWriter {
    fn end_group(&mut self) -> Result<()> {
        let chunks = std::mem::take(&mut self.waiting);
        (self.waiting_rows, self.waiting_bytes) = (0, 0);
        let file = self.file.as_mut().ok_or_else(ended)?;
        if chunks.is_empty() {
            return Ok(());
        }
        let mut group = file.next_row_group().map_err(failed)?;
        for leaf in &self.leaves {
            let field = &self.columns.fields[leaf.column];
            let mut column = group
                .next_column()
                .map_err(failed)?
                .ok_or_else(|| Error::internal("a Parquet schema has fewer columns than its table"))?;
            for chunk in &chunks {
                let bound = Bound::new(&chunk.columns[leaf.column], &field.data_type);
                shred::write(leaf, &bound, chunk.rows, self.style, column.untyped()).map_err(|error| {
                    Error::data(format!("can't write column '{}' as Parquet: {error}", field.name))
                })?;
            }
            column.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }

    /// Moves what the file's writer has settled.
    fn settle(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let file = self.file.as_mut().ok_or_else(ended)?;
        file.flush().map_err(|error| failed(error.into()))?;
        out.append(file.inner_mut());
        Ok(())
    }
}

fn ended() -> Error {
    Error::internal("a Parquet file is written behind its end")
}

impl FileWriter for ParquetWriter {
    fn write(&mut self, chunk: &Chunk, out: &mut Vec<u8>) -> Result<()> {
        self.waiting_rows += chunk.rows;
        self.waiting_bytes += chunk.bytes();
        self.waiting.push(chunk.clone());
        if self.waiting_bytes >= self.group_bytes || self.waiting_rows >= GROUP_ROWS_MAX {
            self.end_group()?;
            self.settle(out)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.end_group()?;
        self.settle(out)?;
        let file = self.file.take().ok_or_else(ended)?;
        out.append(&mut file.into_inner().map_err(failed)?);
        Ok(())
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }
}
