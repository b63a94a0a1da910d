//! What a format is to the rest: values to open it with, the traits of its two sides and what they give.
//!
//! Invariant: a decoder accounts for every record: a row, a skip its own options ask for, or a [`Reject`].

use std::io;
use std::ops::Range;
use std::sync::Arc;
use tidemill_types::{ArrayRef, Blob, Chunk, DataType, OptionSpec, Options, Result, RowKind, Schema};

/// A record that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its bytes inside the blob.
    pub range: Range<usize>,
    /// Why, in a sentence for the user.
    pub reason: String,
}

/// What came out of a blob.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The columns asked for, in the order asked for.
    pub columns: Vec<ArrayRef>,
    /// How many rows.
    pub rows: usize,
    /// The kind of each row, for changelog formats.
    pub kinds: Option<Arc<[RowKind]>>,
    /// How many records were read, rejected and skipped ones included.
    pub records: usize,
    /// How many records the format's own options skipped (`ignore-parse-errors`).
    pub skipped: usize,
    /// The records that could not be decoded, in order.
    pub rejects: Vec<Reject>,
}

/// What a decoder is opened for.
#[derive(Debug, Clone)]
pub struct DecodeRequest<'a> {
    /// The physical columns of the table, in declared order.
    pub physical: &'a Schema,
    /// Which of them are wanted, by index, in the order wanted. Others are checked for syntax only.
    pub wanted: &'a [usize],
    /// Format metadata columns wanted after them: key and declared type.
    pub metadata: &'a [(String, DataType)],
    /// The options of the format, without its prefix.
    pub options: &'a Options,
    /// The session time zone.
    pub zone: chrono_tz::Tz,
}

/// Decodes blobs; keeps its buffers from blob to blob.
pub trait Decoder: Send {
    /// Decodes all records of the blob. An error is one of the decoder itself; bad records are rejects.
    fn decode(&mut self, blob: &Blob) -> Result<Decoded>;

    /// Decodes too, and appends for each row the number of the record in the blob's framing that it came from.
    /// `None` if the decoder can't tell; it must then be asked record by record.
    fn decode_traced(&mut self, _blob: &Blob, _origins: &mut Vec<u32>) -> Option<Result<Decoded>> {
        None
    }
}

/// What an encoder is opened for.
#[derive(Debug, Clone)]
pub struct EncodeRequest<'a> {
    /// The columns of the chunks that will come.
    pub schema: &'a Schema,
    /// The options of the format, without its prefix.
    pub options: &'a Options,
    /// The session time zone.
    pub zone: chrono_tz::Tz,
}

/// Encodes chunks as records.
pub trait Encoder: Send {
    /// Appends each row as one or more records to `out`, `delimiter` after each, and to `ends` where each
    /// record with its delimiter ends.
    fn encode(
        &mut self,
        chunk: &Chunk,
        delimiter: &[u8],
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()>;
}

/// A file that can be read at any place.
pub trait FileBytes: Send + Sync {
    /// How long it is.
    fn size(&self) -> u64;

    /// Fills the buffer with the bytes from `offset` on.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// Rows of a file: the columns asked for, in the order asked for.
#[derive(Debug)]
pub struct FileRows {
    /// The columns.
    pub columns: Vec<ArrayRef>,
    /// How many rows; never 0.
    pub rows: usize,
}

/// Reads the rows of one file in order.
pub trait FileReader: Send {
    /// The next rows, at most some thousand; `None` at the end. A file that can't be read is an error.
    fn next(&mut self) -> Result<Option<FileRows>>;
}

/// Writes one file.
pub trait FileWriter: Send {
    /// Takes rows and appends those bytes of the file to `out` that are settled.
    fn write(&mut self, chunk: &Chunk, out: &mut Vec<u8>) -> Result<()>;

    /// Appends the rest of the file. Nothing is written afterwards.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;

    /// How many bytes of rows wait in memory.
    fn waiting_bytes(&self) -> usize;
}

/// Opens a reader of a file behind its first `skip` rows.
pub type OpenFileReader =
    fn(&DecodeRequest<'_>, Arc<dyn FileBytes>, skip: u64) -> Result<Box<dyn FileReader>>;
/// Opens a writer of a file.
pub type OpenFileWriter = fn(&EncodeRequest<'_>) -> Result<Box<dyn FileWriter>>;

/// How whole files of a format are read and written, which have a head or an end of their own.
pub struct FileFormat {
    /// Whether it has no records outside of files.
    pub only: bool,
    /// How a file is read.
    pub reader: OpenFileReader,
    /// How a file is written.
    pub writer: OpenFileWriter,
}

/// Opens a reader; refuses options and types that the format can't carry.
pub type OpenDecoder = fn(&DecodeRequest<'_>) -> Result<Box<dyn Decoder>>;
/// Opens a writer; refuses options and types that the format can't carry.
pub type OpenEncoder = fn(&EncodeRequest<'_>) -> Result<Box<dyn Encoder>>;
/// A metadata key with its type.
pub type MetadataKey = (&'static str, fn() -> DataType);

/// A format as a value: what it is called, what it takes, how it is opened.
pub struct Format {
    /// The name in the option `format`.
    pub name: &'static str,
    /// One line for the reference page.
    pub summary: &'static str,
    /// Its options, without its prefix.
    pub options: &'static [OptionSpec],
    /// Whether rows read and written may be changes other than `+I`.
    pub changelog: bool,
    /// Whether a record may hold any byte, so that line ends don't tell records apart.
    pub binary: bool,
    /// Metadata keys that reading offers, with their types.
    pub metadata: &'static [MetadataKey],
    /// How a reader is opened; `None` if it can only be written. Also called to check options and types.
    pub decoder: Option<OpenDecoder>,
    /// How a writer is opened; `None` if it can only be read.
    pub encoder: Option<OpenEncoder>,
    /// How whole files are read and written, if that differs from one record after another.
    pub files: Option<FileFormat>,
}
