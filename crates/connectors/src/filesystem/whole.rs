//! Files that are read and written as wholes, because their format has a head or an end of its own (`parquet`, `avro`).
//!
//! 1. Reading: the thread reads rows rather than blobs. A position counts rows, and the check of a file is that of its
//!    size and both ends, as it is of compressed files.
//! 2. Writing: rows go to the writer of their part. A part is finished at every checkpoint, as in Flink: what its writer
//!    has not settled would be lost with the process.
//!
//! Invariant: rows that a part's writer has taken are written once; bytes that could not be appended wait in the part.

use super::listing::unreadable;
use super::position::Cursor;
use super::reader::{Halt, Out, Reader, Split, Step};
use arrow_array::UInt32Array;
use arrow_select::take::take;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use tidemill_connector::{Fetched, TableRequest};
use tidemill_format::{
    DecodeRequest, EncodeRequest, FileBytes, FileFormat, FileRows, FileWriter, Format, OpenFileReader,
    OpenFileWriter, format,
};
use tidemill_types::{Chunk, Error, Options, Result, Schema};

/// A table's format, if it has files of its own.
fn files(request: &TableRequest<'_>) -> Result<Option<(&'static Format, &'static FileFormat)>> {
    let Some(name) = request.options.get("format") else { return Ok(None) };
    let format = format(name)?;
    Ok(format.files.as_ref().map(|files| (format, files)))
}

/// Whether a table's files are wholes.
pub(super) fn is_whole(request: &TableRequest<'_>) -> Result<bool> {
    Ok(files(request)?.is_some())
}

/// The columns that files hold, without those of the folders.
fn stored(request: &TableRequest<'_>) -> Schema {
    let fields = request.schema.fields.iter();
    Schema::new(fields.filter(|field| !request.partition_by.contains(&field.name)).cloned().collect())
}

/// How the files of a table are read.
pub(super) struct WholeReading {
    open: OpenFileReader,
    stored: Schema,
    wanted: Vec<usize>,
    /// How many columns a row has, those of the folders and metadata included.
    width: usize,
    options: Options,
    zone: chrono_tz::Tz,
}

impl WholeReading {
    /// `None` if the table's files are lines.
    pub(super) fn of(request: &TableRequest<'_>) -> Result<Option<Self>> {
        let Some((format, files)) = files(request)? else { return Ok(None) };
        let stored = stored(request);
        let name = |&column: &usize| &request.schema.fields[column].name;
        let wanted = request.wanted.iter().filter_map(|column| stored.index_of(name(column)));
        Ok(Some(WholeReading {
            open: files.reader,
            wanted: wanted.collect(),
            stored,
            width: request.wanted.len() + request.metadata.len(),
            options: request.options.under(&format!("{}.", format.name)),
            zone: request.zone,
        }))
    }

    fn chunk(&self, rows: FileRows, split: &Split) -> Chunk {
        let zeros = UInt32Array::from(vec![0; rows.rows]);
        let mut own = rows.columns.into_iter();
        let column = |at: usize| match split.constants.iter().find(|(column, _)| *column == at) {
            Some((_, value)) => take(value, &zeros, None).expect("a constant has one value"),
            None => own.next().expect("a reader gives the columns that are wanted"),
        };
        Chunk::new((0..self.width).map(column).collect(), rows.rows)
    }
}

/// A file that is open.
struct OpenFile(File, u64);

impl FileBytes for OpenFile {
    fn size(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

impl Reader {
    /// Hands on the rows of a file from `at` and says how far it came.
    pub(super) fn read_whole(
        &self,
        whole: &WholeReading,
        path: &Path,
        file: File,
        split: &Split,
        mut at: Cursor,
        out: &Out,
    ) -> Result<Cursor, Halt> {
        let size = file.metadata().map_err(|error| unreadable(path, &error))?.len();
        let request = DecodeRequest {
            physical: &whole.stored,
            wanted: &whole.wanted,
            metadata: &[],
            options: &whole.options,
            zone: whole.zone,
        };
        let of_file = |error: Error| match error {
            Error::Data { message, .. } => Error::Data {
                message: format!("'{}': {message}", path.display()),
                place: Some(path.display().to_string()),
            },
            error => error,
        };
        let mut reader =
            (whole.open)(&request, Arc::new(OpenFile(file, size)), at.offset).map_err(of_file)?;
        while let Some(rows) = reader.next().map_err(of_file)? {
            let next = at.offset + rows.rows as u64;
            at = Cursor { offset: next, line: next + 1 };
            let fetched = Some(Ok(Fetched::Rows(whole.chunk(rows, split))));
            out.send(Step { fetched, progress: split.progress(at, false).into_iter().collect() })?;
        }
        Ok(at)
    }
}

/// How the files of a table are written.
pub(super) struct WholeWriting {
    open: OpenFileWriter,
    stored: Schema,
    options: Options,
    zone: chrono_tz::Tz,
}

impl std::fmt::Debug for WholeWriting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WholeWriting")
    }
}

impl WholeWriting {
    /// `None` if the table's files are lines.
    pub(super) fn of(request: &TableRequest<'_>) -> Result<Option<Self>> {
        let Some((format, files)) = files(request)? else { return Ok(None) };
        Ok(Some(WholeWriting {
            open: files.writer,
            stored: stored(request),
            options: request.options.under(&format!("{}.", format.name)),
            zone: request.zone,
        }))
    }

    /// The rows of a new part.
    pub(super) fn begin(&self) -> Result<PartRows> {
        let request = EncodeRequest { schema: &self.stored, options: &self.options, zone: self.zone };
        Ok(PartRows { writer: Some((self.open)(&request)?), settled: Vec::new() })
    }
}

/// The rows of a part on their way into its file.
pub(super) struct PartRows {
    /// `None` behind the end.
    writer: Option<Box<dyn FileWriter>>,
    /// Bytes that are to be appended to the file.
    pub(super) settled: Vec<u8>,
}

impl std::fmt::Debug for PartRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartRows").field("settled", &self.settled.len()).finish_non_exhaustive()
    }
}

impl PartRows {
    /// Takes rows; nothing is written yet.
    pub(super) fn write(&mut self, rows: &Chunk) -> Result<()> {
        let writer =
            self.writer.as_mut().ok_or_else(|| Error::internal("rows come behind the end of a part"))?;
        writer.write(rows, &mut self.settled)
    }

    /// Nothing more will come. May be called again.
    pub(super) fn finish(&mut self) -> Result<()> {
        match self.writer.take() {
            Some(mut writer) => writer.finish(&mut self.settled),
            None => Ok(()),
        }
    }

    /// Whether nothing more can come.
    pub(super) fn is_ended(&self) -> bool {
        self.writer.is_none()
    }

    /// How many bytes are in memory.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.settled.len() + self.writer.as_ref().map_or(0, |writer| writer.waiting_bytes())
    }
}
