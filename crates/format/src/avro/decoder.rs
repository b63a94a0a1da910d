//! Blobs of Avro records to rows.
//!
//! 1. The record's schema is found: the table's own, or by the id in front of the record.
//! 2. Its plan (see [`super::plan`]) is compiled once for each schema.
//! 3. The record is read straight into the columns; a fault takes the half-read row back and makes a reject.

use super::cursor::{Cursor, Fault};
use super::derive::derive;
use super::plan::{RowPlan, Target, compile};
use super::registry::{Registry, SCHEMA};
use super::schema::Schema;
use super::{legacy, read};
use crate::json::Shape;
use crate::records::Records;
use crate::{DecodeRequest, Decoded, Decoder, Reject};
use std::collections::HashMap;
use std::ops::Range;
use tidemill_types::{Blob, Error, Field, Framing, Result};

/// What stands in front of the id of a schema.
const MAGIC: u8 = 0;

/// Reads the rows of one table.
struct AvroDecoder {
    shape: Shape,
    writers: Writers,
}

/// The schemas that records were written with.
enum Writers {
    /// All with the table's.
    Own(Writer),
    Registered(Box<Registered>),
}

/// A schema with how its records become rows.
struct Writer {
    schema: Schema,
    plan: RowPlan,
}

/// Schemas of a registry.
struct Registered {
    registry: Registry,
    reader: Reader,
    known: HashMap<u32, Result<Writer, String>>,
    /// Those that the registry did not have when it was asked for this blob.
    unknown: HashMap<u32, String>,
}

/// What a table reads.
pub(super) struct Reader {
    pub schema: Schema,
    /// The wanted columns with their places among the schema's fields.
    pub wanted: Vec<(usize, Field)>,
}

impl Reader {
    /// What is wanted of a table; `given` is a schema to be used instead of that of the columns.
    pub fn of(request: &DecodeRequest<'_>, legacy: bool, given: Option<&str>) -> Result<Self> {
        let derived = derive(request.physical, legacy)?;
        let text = given.map_or_else(|| derived.to_string(), str::to_string);
        let schema = Schema::parse(&text)
            .map_err(|error| Error::user(format!("option 'schema' is no Avro schema: {error}")))?;
        check_given(&schema, request)?;
        let field = |&place: &usize| (place, request.physical.fields[place].clone());
        Ok(Reader { schema, wanted: request.wanted.iter().map(field).collect() })
    }

    /// How records of a schema become rows.
    pub fn plan(&self, writer: &Schema) -> Result<RowPlan, String> {
        let targets = self.wanted.iter();
        let targets: Vec<Target<'_>> =
            targets.map(|(place, field)| (*place, field.name.as_str(), &field.data_type)).collect();
        compile(writer, &self.schema, &targets)
    }

    /// Columns for the rows.
    pub fn shape(&self) -> Shape {
        Shape::new(self.wanted.iter().map(|(_, field)| (field.name.as_str(), &field.data_type)))
    }
}

fn check_given(schema: &Schema, request: &DecodeRequest<'_>) -> Result<()> {
    let fields =
        schema.record().ok_or_else(|| Error::user("option 'schema' is an Avro schema of no record"))?;
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let columns: Vec<&str> = request.physical.fields.iter().map(|field| field.name.as_str()).collect();
    match names == columns {
        true => Ok(()),
        false => Err(Error::user_hint(
            format!(
                "option 'schema' has the fields {}, the table has the columns {}",
                names.join(", "),
                columns.join(", ")
            ),
            "both must have the same names in the same order",
        )),
    }
}

/// Opens the decoder of the format `avro`.
pub(super) fn open_plain(request: &DecodeRequest<'_>) -> Result<Box<dyn Decoder>> {
    no_metadata("avro", request)?;
    let reader = Reader::of(request, legacy(request.options)?, None)?;
    let plan = reader.plan(&reader.schema).map_err(Error::internal)?;
    let shape = reader.shape();
    Ok(Box::new(AvroDecoder { shape, writers: Writers::Own(Writer { schema: reader.schema, plan }) }))
}

/// Opens the decoder of the format `avro-confluent`; the registry is asked when the first record comes.
pub(super) fn open_confluent(request: &DecodeRequest<'_>) -> Result<Box<dyn Decoder>> {
    no_metadata("avro-confluent", request)?;
    let reader = Reader::of(request, legacy(request.options)?, request.options.text(&SCHEMA))?;
    let shape = reader.shape();
    let registry = Registry::of(request.options)?;
    let registered = Registered { registry, reader, known: HashMap::new(), unknown: HashMap::new() };
    Ok(Box::new(AvroDecoder { shape, writers: Writers::Registered(Box::new(registered)) }))
}

fn no_metadata(format: &str, request: &DecodeRequest<'_>) -> Result<()> {
    match request.metadata.first() {
        Some((key, _)) => Err(Error::user(format!("the format '{format}' has no metadata column '{key}'"))),
        None => Ok(()),
    }
}

impl Decoder for AvroDecoder {
    fn decode(&mut self, blob: &Blob) -> Result<Decoded> {
        self.read(blob, &mut |_| {})
    }

    fn decode_traced(&mut self, blob: &Blob, origins: &mut Vec<u32>) -> Option<Result<Decoded>> {
        Some(self.read(blob, &mut |number| origins.push(number)))
    }
}

impl AvroDecoder {
    fn read(&mut self, blob: &Blob, became_row: &mut impl FnMut(u32)) -> Result<Decoded> {
        if !matches!(blob.framing, Framing::Records(_)) {
            return Err(Error::user_hint(
                "records of the format 'avro' may hold any byte, so they can't be told apart by lines",
                "use a connector that keeps records apart, such as 'kafka'",
            ));
        }
        let mut decoded = Decoded::default();
        self.writers.forget_unknown();
        for (number, range) in (0u32..).zip(Records::of(blob)) {
            decoded.records += 1;
            let before = self.shape.rows();
            match self.read_record(&blob.bytes, range.clone())? {
                Ok(()) => became_row(number),
                Err(reason) => {
                    self.shape.truncate(before);
                    decoded.rejects.push(Reject { range, reason });
                }
            }
        }
        decoded.rows = self.shape.rows();
        decoded.columns = self.shape.finish(&blob.bytes);
        Ok(decoded)
    }

    fn read_record(&mut self, blob: &[u8], range: Range<usize>) -> Result<Result<(), Fault>> {
        let mut cursor = Cursor { bytes: &blob[..range.end], at: range.start };
        let writer = match self.writers.of(&mut cursor)? {
            Ok(writer) => writer,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(read::row(&writer.plan, &writer.schema, &mut cursor, &mut self.shape).and_then(|()| {
            match range.end - cursor.at {
                0 => Ok(()),
                left => Err(format!("{left} bytes are left behind the record")),
            }
        }))
    }
}

impl Writers {
    fn forget_unknown(&mut self) {
        if let Writers::Registered(registered) = self {
            registered.unknown.clear();
        }
    }

    /// The schema of the record at hand.
    #[inline]
    fn of(&mut self, cursor: &mut Cursor<'_>) -> Result<Result<&Writer, Fault>> {
        match self {
            Writers::Own(writer) => Ok(Ok(writer)),
            Writers::Registered(registered) => match cursor.array::<5>() {
                Ok([MAGIC, id @ ..]) => registered.of(u32::from_be_bytes(id)),
                Ok([other, ..]) => Ok(Err(format!(
                    "it begins with the byte {other}, not with {MAGIC} and the id of a schema"
                ))),
                Err(_) => Ok(Err("it is too short for the id of a schema".into())),
            },
        }
    }
}

impl Registered {
    fn of(&mut self, id: u32) -> Result<Result<&Writer, Fault>> {
        if let Some(reason) = self.unknown.get(&id) {
            return Ok(Err(reason.clone()));
        }
        if !self.known.contains_key(&id) {
            match self.registry.schema(id)? {
                Ok(text) => drop(self.known.insert(id, self.writer(id, &text))),
                Err(reason) => {
                    self.unknown.insert(id, reason.clone());
                    return Ok(Err(reason));
                }
            }
        }
        Ok(match &self.known[&id] {
            Ok(writer) => Ok(writer),
            Err(reason) => Err(reason.clone()),
        })
    }

    fn writer(&self, id: u32, text: &str) -> Result<Writer, String> {
        let schema = Schema::parse(text).map_err(|error| format!("schema {id} of the registry: {error}"))?;
        let plan =
            self.reader.plan(&schema).map_err(|error| format!("schema {id} of the registry: {error}"))?;
        Ok(Writer { schema, plan })
    }
}
