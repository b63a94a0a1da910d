//! The front half of a sink: encodes rows as records on the worker that computed them.
//!
//! A packet holds, for each record, eight bytes of timestamp (`i64::MIN` for none) and then key, value and
//! headers as a batch has them; its partition names the topic, empty for the table's own.

use crate::kafka::batch::varint;
use crate::kafka::batch::writer::write_part;
use crate::kafka::options::TOPIC;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, MapArray, UInt32Array};
use std::collections::HashMap;
use tidemill_connector::{KEY_FORMAT, Packet, RecordFields, SinkFront, TableRequest, VALUE_FORMAT};
use tidemill_format::avro::with_subject;
use tidemill_format::{EncodeRequest, Encoder, format};
use tidemill_types::map::map_entries;
use tidemill_types::{Chunk, Error, Options, Result, RowKind, Schema};

/// No timestamp: that of writing counts.
pub(super) const NO_TIMESTAMP: i64 = i64::MIN;
/// The bytes in front of a record's tail.
pub(super) const TIMESTAMP_BYTES: usize = 8;

/// Encodes the rows of one task.
pub(crate) struct Front {
    key: Option<Part>,
    value: Part,
    upserts: bool,
    /// Where the metadata columns stand.
    topic: Option<usize>,
    timestamp: Option<usize>,
    headers: Option<usize>,
}

/// The columns of a key or value with what encodes them.
struct Part {
    encoder: Box<dyn Encoder>,
    columns: Vec<usize>,
    /// Whether a NULL in its only column is no part at all.
    null_is_absent: bool,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    absent: Vec<bool>,
}

impl Front {
    /// The front half for a table; its formats must be ones that write.
    pub(crate) fn open(request: &TableRequest<'_>, upserts: bool) -> Result<Self> {
        let fields = RecordFields::of(request.options, request.schema, request.primary_key)?;
        let metadata = |key: &str| {
            let at = request.metadata.iter().position(|(wanted, _)| wanted == key)?;
            Some(request.schema.len() + at)
        };
        let options = request.options;
        let (name, prefix) = match (options.get("format"), options.get(VALUE_FORMAT.key)) {
            (Some(name), _) => (name, format!("{name}.")),
            (None, Some(name)) => (name, format!("value.{name}.")),
            (None, None) => {
                return Err(Error::user_hint(
                    format!("table '{}' needs the option 'format' or 'value.format'", request.table),
                    "it says how rows are written, such as 'json' or 'csv'",
                ));
            }
        };
        let own = with_subject(name, options.under(&prefix), options.get(TOPIC.key), "value");
        let value = Part::open(request, name, &own, &fields.value_schema(request.schema))?;
        let key = match options.get(KEY_FORMAT.key) {
            None => None,
            Some(name) => {
                let own = options.under(&format!("key.{name}."));
                let own = with_subject(name, own, options.get(TOPIC.key), "key");
                let part = Part::open(request, name, &own, &fields.key_schema(request.schema))?;
                Some(Part { columns: fields.key.clone(), ..part })
            }
        };
        Ok(Front {
            key,
            value: Part { columns: fields.value, ..value },
            upserts,
            topic: metadata("topic"),
            timestamp: metadata("timestamp"),
            headers: metadata("headers"),
        })
    }

    /// Writes the record of a row; `value_row` is its place among the encoded values.
    fn record(&self, chunk: &Chunk, row: usize, value_row: Option<usize>, out: &mut Vec<u8>) {
        let timestamp = self.timestamp.map(|at| &chunk.columns[at]).filter(|column| column.is_valid(row));
        let timestamp = timestamp
            .map_or(NO_TIMESTAMP, |column| column.as_primitive::<TimestampMillisecondType>().value(row));
        out.extend_from_slice(&timestamp.to_le_bytes());
        write_part(self.key.as_ref().and_then(|key| key.get(row)), out);
        write_part(value_row.and_then(|row| self.value.get(row)), out);
        match self.headers.map(|at| &chunk.columns[at]).filter(|column| column.is_valid(row)) {
            None => varint::write(0, out),
            Some(column) => write_headers(column.as_map(), row, out),
        }
    }

    /// Encodes the values; for each row its place among them, `None` where there is none.
    fn encode_values(&mut self, chunk: &Chunk) -> Result<Vec<Option<usize>>> {
        let Some(kinds) = chunk.kinds.as_ref().filter(|_| self.upserts) else {
            self.value.encode(chunk)?;
            return Ok((0..chunk.rows).map(Some).collect());
        };
        let mut kept = Vec::new();
        let places = kinds.iter().enumerate().map(|(row, kind)| {
            matches!(kind, RowKind::Insert | RowKind::UpdateAfter).then(|| {
                kept.push(row as u32);
                kept.len() - 1
            })
        });
        let places = places.collect();
        let rows = chunk.take(&UInt32Array::from(kept));
        self.value.encode(&Chunk::new(rows.columns, rows.rows))?;
        Ok(places)
    }
}

impl SinkFront for Front {
    fn encode(&mut self, chunk: &Chunk, out: &mut Vec<Packet>) -> Result<()> {
        let values = if chunk.rows > 0 { self.encode_values(chunk)? } else { Vec::new() };
        if let Some(key) = self.key.as_mut().filter(|_| chunk.rows > 0) {
            key.encode(&Chunk::new(chunk.columns.clone(), chunk.rows))?;
        }
        let mut packets: Vec<Packet> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let topics = self.topic.map(|at| chunk.columns[at].as_string_view());
        for (row, value) in values.into_iter().enumerate() {
            let topic = topics.filter(|topics| topics.is_valid(row)).map_or("", |topics| topics.value(row));
            let place = match topics {
                None if !packets.is_empty() => 0,
                _ => *places.entry(topic).or_insert_with(|| {
                    packets.push(Packet { partition: topic.to_string(), ..Packet::default() });
                    packets.len() - 1
                }),
            };
            let packet = &mut packets[place];
            self.record(chunk, row, value, &mut packet.bytes);
            packet.ends.push(packet.bytes.len());
            packet.rows += 1;
        }
        if let Some(watermark) = chunk.marks.last() {
            if packets.is_empty() {
                packets.push(Packet::default());
            }
            packets.last_mut().expect("a packet was just made").watermark = Some(watermark);
        }
        out.append(&mut packets);
        Ok(())
    }
}

impl Part {
    fn open(request: &TableRequest<'_>, name: &str, options: &Options, schema: &Schema) -> Result<Self> {
        let encoder = format(name)?.encoder.ok_or_else(|| {
            Error::user(format!(
                "the format '{name}' can only be read, so '{}' can't be written",
                request.table
            ))
        })?;
        Ok(Part {
            encoder: encoder(&EncodeRequest { schema, options, zone: request.zone })?,
            columns: Vec::new(),
            null_is_absent: name == "raw",
            bytes: Vec::new(),
            ends: Vec::new(),
            absent: Vec::new(),
        })
    }

    fn encode(&mut self, chunk: &Chunk) -> Result<()> {
        self.bytes.clear();
        self.ends.clear();
        self.absent.clear();
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&at| chunk.columns[at].clone()).collect();
        if let Some(column) = columns.first().filter(|column| self.null_is_absent && column.null_count() > 0)
        {
            self.absent.extend((0..chunk.rows).map(|row| column.is_null(row)));
        }
        self.encoder.encode(&chunk.with_columns(columns), b"", &mut self.bytes, &mut self.ends)?;
        match self.ends.len() == chunk.rows {
            true => Ok(()),
            false => Err(Error::internal("a format wrote more or less than one record for a row")),
        }
    }

    fn get(&self, row: usize) -> Option<&[u8]> {
        if self.absent.get(row) == Some(&true) {
            return None;
        }
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..self.ends[row]])
    }
}

fn write_headers(maps: &MapArray, row: usize, out: &mut Vec<u8>) {
    let (names, values) = map_entries(maps, row);
    let (names, values) = (names.as_string_view(), values.as_binary_view());
    let named = (0..names.len()).filter(|&at| names.is_valid(at));
    varint::write(named.clone().count() as i64, out);
    for at in named {
        write_part(Some(names.value(at).as_bytes()), out);
        write_part(values.is_valid(at).then(|| values.value(at)), out);
    }
}

/// The key of a record as a packet has it; `None` if it has none.
pub(super) fn key_of(tail: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    let length = usize::try_from(varint::read(tail, &mut at)?).ok()?;
    tail.get(at..at + length)
}
