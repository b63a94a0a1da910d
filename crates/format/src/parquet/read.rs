//! Reads the rows of a Parquet file.
//!
//! 1. The end of the file says what it holds; only the columns that are wanted are read.
//! 2. Row groups that an earlier run has read are passed over, and the rows before the place inside the next.
//! 3. Batches come as Arrow arrays and are converted (see [`super::convert`]).

use super::convert::{convert, wanted};
use super::stamp::Zone;
use super::{check_decoder, utc};
use crate::{DecodeRequest, FileBytes, FileReader, FileRows};
use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::{Schema as ArrowSchema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::io::{self, Read};
use std::sync::Arc;
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::{DataType, Error, Field, Result};

/// How many rows are given at a time.
const BATCH_ROWS: usize = 8_192;

/// A file as the reader sees it.
struct Source(Arc<dyn FileBytes>);

impl Length for Source {
    fn len(&self) -> u64 {
        self.0.size()
    }
}

/// What stands from a place of the file on.
struct From {
    file: Arc<dyn FileBytes>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.file.size().saturating_sub(self.at).min(buffer.len() as u64) as usize;
        self.file.read_at(self.at, &mut buffer[..left])?;
        self.at += left as u64;
        Ok(left)
    }
}

impl ChunkReader for Source {
    type T = io::BufReader<From>;

    fn get_read(&self, start: u64) -> std::result::Result<Self::T, ParquetError> {
        Ok(io::BufReader::new(From { file: self.0.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> std::result::Result<Bytes, ParquetError> {
        let mut bytes = vec![0; length];
        self.0.read_at(start, &mut bytes)?;
        Ok(bytes.into())
    }
}

struct ParquetReader {
    batches: ParquetRecordBatchReader,
    wanted: Vec<Field>,
    zone: Zone,
}

/// Opens a file behind its first `skip` rows.
pub(super) fn open(
    request: &DecodeRequest<'_>,
    file: Arc<dyn FileBytes>,
    skip: u64,
) -> Result<Box<dyn FileReader>> {
    check_decoder(request)?;
    let fields: Vec<Field> = request.wanted.iter().map(|&at| request.physical.fields[at].clone()).collect();
    let zone = if utc(request.options)? { Zone::Utc } else { Zone::Machine };
    let zone = if zone.is_utc() { Zone::Utc } else { zone };
    let batches = batches(Source(file), &fields, skip).map_err(unreadable)?;
    Ok(Box::new(ParquetReader { batches, wanted: fields, zone }))
}

fn unreadable(error: ParquetError) -> Error {
    Error::data(format!("the Parquet file can't be read: {error}"))
}

fn batches(
    source: Source,
    fields: &[Field],
    skip: u64,
) -> std::result::Result<ParquetRecordBatchReader, ParquetError> {
    let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let found = ArrowReaderMetadata::load(&source, options())?;
    let schema = as_wanted(found.schema(), fields);
    let metadata = ArrowReaderMetadata::try_new(found.metadata().clone(), options().with_schema(schema))?;
    let roots = found.schema().fields().iter().enumerate();
    let roots = roots.filter(|(_, root)| fields.iter().any(|field| field.name == *root.name()));
    let mask = ProjectionMask::roots(metadata.parquet_schema(), roots.map(|(at, _)| at));
    let (mut groups, mut left) = (Vec::new(), skip);
    for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
        let rows = group.num_rows().max(0) as u64;
        match groups.is_empty() && left >= rows {
            true => left -= rows,
            false => groups.push(number),
        }
    }
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(source, metadata)
        .with_batch_size(BATCH_ROWS)
        .with_projection(mask)
        .with_row_groups(groups);
    match left {
        0 => builder.build(),
        left => builder.with_offset(left as usize).build(),
    }
}

fn as_wanted(found: &SchemaRef, fields: &[Field]) -> SchemaRef {
    let columns =
        found.fields().iter().map(|column| match fields.iter().find(|field| field.name == *column.name()) {
            Some(field) => {
                let data_type = wanted(column.data_type(), &field.data_type);
                Arc::new(column.as_ref().clone().with_data_type(data_type))
            }
            None => column.clone(),
        });
    Arc::new(ArrowSchema::new(columns.collect::<Vec<_>>()))
}

impl FileReader for ParquetReader {
    fn next(&mut self) -> Result<Option<FileRows>> {
        loop {
            let Some(batch) = self.batches.next() else { return Ok(None) };
            let batch =
                batch.map_err(|error| Error::data(format!("the Parquet file can't be read: {error}")))?;
            if batch.num_rows() > 0 {
                return self.rows(&batch).map(Some);
            }
        }
    }
}

impl ParquetReader {
    /// Columns that the file lacks are NULL, as in Flink.
    fn rows(&self, batch: &RecordBatch) -> Result<FileRows> {
        let column = |Field { name, data_type, .. }: &Field| match batch.column_by_name(name) {
            None => Ok(new_null_array(&arrow_type(data_type), batch.num_rows())),
            Some(column) => {
                convert(column, data_type, self.zone).map_err(|reason| refused(name, data_type, &reason))
            }
        };
        let columns = self.wanted.iter().map(column).collect::<Result<_>>()?;
        Ok(FileRows { columns, rows: batch.num_rows() })
    }
}

fn refused(column: &str, data_type: &DataType, reason: &str) -> Error {
    Error::data(format!("column '{column}' of the Parquet file is not {data_type}: {reason}"))
}
