//! Runs formats on small texts: rows are shown as query results, chunks are made from JSON lines.

#![allow(dead_code, reason = "each test file uses its part")]

use arrow_buffer::Buffer;
use tidemill_format::{DecodeRequest, EncodeRequest, Reject, RowWriter, format};
use tidemill_types::{
    Blob, Chunk, DataType, Field, Framing, Options, Result, RowField, RowKind, Schema, TypeKind,
};

pub const UTC: chrono_tz::Tz = chrono_tz::Tz::UTC;

/// Columns from `name TYPE` pairs.
pub fn schema(columns: &[(&str, DataType)]) -> Schema {
    Schema::new(columns.iter().map(|(name, kind)| Field::new(*name, kind.clone())).collect())
}

pub fn int() -> DataType {
    TypeKind::Int.nullable()
}

pub fn text() -> DataType {
    DataType::string()
}

pub fn array(element: DataType) -> DataType {
    TypeKind::Array(Box::new(element)).nullable()
}

pub fn map(value: DataType) -> DataType {
    TypeKind::Map(Box::new(text()), Box::new(value)).nullable()
}

pub fn row(fields: &[(&str, DataType)]) -> DataType {
    let field = |(name, kind): &(&str, DataType)| RowField { name: (*name).into(), data_type: kind.clone() };
    TypeKind::Row(fields.iter().map(field).collect()).nullable()
}

/// A table to read: its format, columns and options.
pub struct Table<'a> {
    pub format: &'a str,
    pub schema: Schema,
    pub options: Vec<(&'a str, &'a str)>,
    pub metadata: Vec<(String, DataType)>,
}

/// A chunk with the rejects of its blob, and how many records were skipped and read.
pub type Part = (Chunk, Vec<Reject>, usize, usize);

/// What reading gave.
#[derive(Debug, PartialEq)]
pub struct Read {
    /// `+I {"a":1}`
    pub rows: Vec<String>,
    pub rejects: Vec<(String, String)>,
    pub skipped: usize,
    pub records: usize,
}

impl<'a> Table<'a> {
    pub fn new(format: &'a str, columns: &[(&str, DataType)]) -> Self {
        Table { format, schema: schema(columns), options: Vec::new(), metadata: Vec::new() }
    }

    pub fn option(mut self, key: &'a str, value: &'a str) -> Self {
        self.options.push((key, value));
        self
    }

    pub fn with_metadata(mut self, key: &str, data_type: DataType) -> Self {
        self.metadata.push((key.into(), data_type));
        self
    }

    fn options(&self) -> Options {
        Options::new(self.options.iter().copied())
    }

    /// The rows, kinds and rejects of blobs that follow each other.
    pub fn chunks(&self, blobs: &[Blob]) -> Result<Vec<Part>> {
        let wanted: Vec<usize> = (0..self.schema.len()).collect();
        let options = self.options();
        let request = DecodeRequest {
            physical: &self.schema,
            wanted: &wanted,
            metadata: &self.metadata,
            options: &options,
            zone: UTC,
        };
        let mut decoder = format(self.format)?.decoder.expect("the format can be read")(&request)?;
        blobs
            .iter()
            .map(|blob| {
                let decoded = decoder.decode(blob)?;
                let chunk = Chunk { kinds: decoded.kinds, ..Chunk::new(decoded.columns, decoded.rows) };
                Ok((chunk, decoded.rejects, decoded.skipped, decoded.records))
            })
            .collect()
    }

    pub fn read_blobs(&self, blobs: &[Blob]) -> Result<Read> {
        let mut fields = self.schema.fields.clone();
        fields.extend(self.metadata.iter().map(|(key, kind)| Field::new(key.as_str(), kind.clone())));
        let writer = RowWriter::new(Schema::new(fields), UTC);
        let mut read = Read { rows: Vec::new(), rejects: Vec::new(), skipped: 0, records: 0 };
        for (blob, (chunk, rejects, skipped, records)) in blobs.iter().zip(self.chunks(blobs)?) {
            let mut lines = Vec::new();
            writer.write(&chunk, &mut lines)?;
            let lines = String::from_utf8(lines).expect("rows are text");
            read.rows.extend(lines.lines().map(|line| {
                let row = line.strip_prefix("{\"op\":\"").and_then(|rest| rest.strip_suffix('}'));
                row.expect("rows have an op").replacen("\",\"row\":", " ", 1)
            }));
            let bytes = |reject: &Reject| blob.bytes[reject.range.clone()].to_vec();
            read.rejects.extend(
                rejects
                    .into_iter()
                    .map(|reject| (String::from_utf8_lossy(&bytes(&reject)).into_owned(), reject.reason)),
            );
            read.skipped += skipped;
            read.records += records;
        }
        Ok(read)
    }

    /// Reads one text of lines.
    pub fn read(&self, text: &str) -> Read {
        self.read_blobs(&[Blob::lines(Buffer::from(text.as_bytes()))]).expect("the table can be read")
    }

    /// Reads a text that has good inserts only and gives its rows without `+I`.
    pub fn rows(&self, text: &str) -> Vec<String> {
        let read = self.read(text);
        assert_eq!(read.rejects, []);
        read.rows.into_iter().map(|row| row.strip_prefix("+I ").expect("an insert").to_string()).collect()
    }

    /// The reasons of a text's rejects.
    pub fn reasons(&self, text: &str) -> Vec<String> {
        self.read(text).rejects.into_iter().map(|(_, reason)| reason).collect()
    }

    /// Why the table can't be opened.
    pub fn refusal(&self) -> String {
        self.chunks(&[]).expect_err("the table is refused").to_string()
    }

    /// Rows given as JSON lines, written by the format.
    pub fn write(&self, json: &str) -> Result<Vec<String>> {
        self.write_kinds(json, None)
    }

    /// The same with the kinds of the rows.
    pub fn write_kinds(&self, json: &str, kinds: Option<&[RowKind]>) -> Result<Vec<String>> {
        let source =
            Table { format: "json", schema: self.schema.clone(), options: Vec::new(), metadata: Vec::new() };
        let (mut chunk, rejects, ..) =
            source.chunks(&[Blob::lines(Buffer::from(json.as_bytes()))])?.remove(0);
        assert_eq!(rejects, []);
        chunk.kinds = kinds.map(Into::into);
        self.write_chunk(&chunk)
    }

    pub fn write_chunk(&self, chunk: &Chunk) -> Result<Vec<String>> {
        let options = self.options();
        let request = EncodeRequest { schema: &self.schema, options: &options, zone: UTC };
        let mut encoder = format(self.format)?.encoder.expect("the format can be written")(&request)?;
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        encoder.encode(chunk, b"\n", &mut out, &mut ends)?;
        let mut start = 0;
        Ok(ends
            .into_iter()
            .map(|end| {
                let record = String::from_utf8_lossy(&out[start..end]).into_owned();
                start = end;
                record.strip_suffix('\n').expect("records end with the delimiter").to_string()
            })
            .collect())
    }
}

/// The text cut into two blobs at each line end: every cut must give the same rows.
pub fn assert_cuts_do_not_matter(table: &Table<'_>, text: &str) {
    let whole = table.read(text);
    for (at, _) in text.match_indices('\n') {
        let (first, second) = text.split_at(at + 1);
        let blobs = [first, second].map(|part| Blob::lines(Buffer::from(part.as_bytes())));
        assert_eq!(table.read_blobs(&blobs).expect("parts can be read"), whole, "cut at byte {at}");
    }
    let mut start = 0;
    let ranges = text.split_inclusive('\n').map(|line| {
        let range = start as u32..(start + line.trim_end_matches(['\r', '\n']).len()) as u32;
        start += line.len();
        range
    });
    let blob =
        Blob { framing: Framing::Records(ranges.collect()), ..Blob::lines(Buffer::from(text.as_bytes())) };
    assert_eq!(table.read_blobs(&[blob]).expect("records can be read"), whole, "as records");
}
