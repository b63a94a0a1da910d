//! Rows to Avro records.

use super::derive::derive;
use super::legacy;
use super::registry::{Registry, SCHEMA, SUBJECT};
use super::schema::Schema;
use super::write::{self, Write};
use crate::typed::Fields;
use crate::{EncodeRequest, Encoder};
use tidemill_types::{Chunk, Error, Result, Schema as Columns};

/// What a table writes.
pub(super) struct Writer {
    pub columns: Columns,
    /// The text of the schema.
    pub text: String,
    pub plan: Vec<Write>,
}

impl Writer {
    /// The schema of the columns, or the one given.
    pub fn of(request: &EncodeRequest<'_>, given: Option<&str>) -> Result<Self> {
        let derived = derive(request.schema, legacy(request.options)?)?;
        let text = given.map_or_else(|| derived.to_string(), str::to_string);
        let schema = Schema::parse(&text);
        let schema =
            schema.map_err(|error| Error::user(format!("option 'schema' is no Avro schema: {error}")))?;
        let columns = request.schema.fields.iter();
        let columns = columns.map(|field| (field.name.as_str(), &field.data_type));
        let plan = write::compile(&schema, columns).map_err(|error| {
            Error::user(format!("the table can't be written with its Avro schema: {error}"))
        })?;
        Ok(Writer { columns: request.schema.clone(), text, plan })
    }

    /// Appends the record of each row, and calls `end` behind it.
    pub fn write(
        &self,
        chunk: &Chunk,
        head: &[u8],
        out: &mut Vec<u8>,
        mut end: impl FnMut(&mut Vec<u8>),
    ) -> Result<()> {
        let fields = Fields::of_chunk(&self.columns, chunk);
        for row in 0..chunk.rows {
            out.extend_from_slice(head);
            write::row(&self.plan, &fields, row, out)
                .map_err(|error| Error::data(format!("can't write a row as Avro: {error}")))?;
            end(out);
        }
        Ok(())
    }
}

struct PlainEncoder(Writer);

/// Opens the encoder of the format `avro`.
pub(super) fn open_plain(request: &EncodeRequest<'_>) -> Result<Box<dyn Encoder>> {
    Ok(Box::new(PlainEncoder(Writer::of(request, None)?)))
}

impl Encoder for PlainEncoder {
    fn encode(
        &mut self,
        chunk: &Chunk,
        delimiter: &[u8],
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        self.0.write(chunk, &[], out, |out| {
            out.extend_from_slice(delimiter);
            ends.push(out.len());
        })
    }
}

struct ConfluentEncoder {
    writer: Writer,
    registry: Registry,
    subject: String,
    /// The byte 0 and the schema's id; empty until it is registered.
    head: Vec<u8>,
}

/// Opens the encoder of the format `avro-confluent`; the schema is registered when the first row comes.
pub(super) fn open_confluent(request: &EncodeRequest<'_>) -> Result<Box<dyn Encoder>> {
    let subject = request.options.text(&SUBJECT).ok_or_else(|| {
        Error::user_hint("the format 'avro-confluent' needs the option 'subject' to write", SUBJECT.help)
    })?;
    Ok(Box::new(ConfluentEncoder {
        writer: Writer::of(request, request.options.text(&SCHEMA))?,
        registry: Registry::of(request.options)?,
        subject: subject.to_string(),
        head: Vec::new(),
    }))
}

impl Encoder for ConfluentEncoder {
    fn encode(
        &mut self,
        chunk: &Chunk,
        delimiter: &[u8],
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        if self.head.is_empty() && chunk.rows > 0 {
            let id = self.registry.register(&self.subject, &self.writer.text)?;
            self.head = [&[0][..], &id.to_be_bytes()].concat();
        }
        self.writer.write(chunk, &self.head, out, |out| {
            out.extend_from_slice(delimiter);
            ends.push(out.len());
        })
    }
}
