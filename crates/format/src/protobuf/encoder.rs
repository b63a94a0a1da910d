//! Rows to messages.
//!
//! A NULL field is left out; a NULL inside an array or map, which can hold none, is written as the default of its type
//! (text: `write-null-string-literal`), as Flink writes it. Fields go in the order of their numbers.

use super::NULL_TEXT;
use super::descriptor::message;
use super::read::describe;
use super::scalar::Scalar;
use super::wire::{write_sized, write_varint};
use crate::typed::{Bound, Fields, Values};
use crate::{EncodeRequest, Encoder};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::collections::HashMap;
use tidemill_types::{Chunk, DataType, Error, Result, Schema, TypeKind};

/// A field of a message.
struct Field {
    /// The column that it is written from.
    column: usize,
    name: String,
    number: u64,
    /// Whether it is left out where it has its default.
    implicit: bool,
    write: Write,
}

enum Write {
    Value(Value),
    /// An array; whether its elements are packed.
    List(Value, bool),
    Map(Value, Value),
}

/// A single value.
enum Value {
    Scalar(Scalar),
    /// An enum that is written from its name; and its first value.
    Names(HashMap<String, i32>, i32),
    Message(Vec<Field>),
}

struct ProtobufEncoder {
    schema: Schema,
    fields: Vec<Field>,
    null_text: String,
}

/// Opens the encoder.
pub(super) fn open(request: &EncodeRequest<'_>) -> Result<Box<dyn Encoder>> {
    let descriptor = message(request.options)?;
    let columns = request.schema.fields.iter().map(|field| (field.name.as_str(), &field.data_type));
    Ok(Box::new(ProtobufEncoder {
        schema: request.schema.clone(),
        fields: compile(&descriptor, columns).map_err(Error::user)?,
        null_text: request.options.text(&NULL_TEXT).unwrap_or_default().to_string(),
    }))
}

fn compile<'a>(
    descriptor: &MessageDescriptor,
    columns: impl Iterator<Item = (&'a str, &'a DataType)>,
) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    for (column, (name, data_type)) in columns.enumerate() {
        let field = descriptor.get_field_by_name(name);
        let field = field.ok_or_else(|| {
            format!("column '{name}': the message '{}' has no such field", descriptor.full_name())
        })?;
        let write = Write::of(&field, data_type).map_err(|error| format!("column '{name}': {error}"))?;
        fields.push(Field {
            column,
            name: name.to_string(),
            number: u64::from(field.number()),
            implicit: !field.supports_presence(),
            write,
        });
    }
    fields.sort_by_key(|field| field.number);
    Ok(fields)
}

impl Write {
    fn of(field: &FieldDescriptor, data_type: &DataType) -> Result<Self, String> {
        let refused = || format!("the field is {}, which is not written from {data_type}", describe(field));
        match &data_type.kind {
            TypeKind::Map(key, value) if field.is_map() => {
                let Kind::Message(entry) = field.kind() else { return Err(refused()) };
                let key = Value::of(&entry.map_entry_key_field(), key)?;
                Ok(Write::Map(key, Value::of(&entry.map_entry_value_field(), value)?))
            }
            TypeKind::Array(element) if field.is_list() => {
                Ok(Write::List(Value::of(field, element)?, field.is_packed()))
            }
            _ if field.is_map() || field.is_list() => Err(refused()),
            _ => Ok(Write::Value(Value::of(field, data_type)?)),
        }
    }
}

impl Value {
    fn of(field: &FieldDescriptor, data_type: &DataType) -> Result<Self, String> {
        let refused = || format!("the field is {}, which is not written from {data_type}", describe(field));
        match (field.kind(), &data_type.kind) {
            (Kind::Message(message), TypeKind::Row(fields)) => {
                let columns = fields.iter().map(|field| (field.name.as_str(), &field.data_type));
                compile(&message, columns).map(Value::Message)
            }
            (Kind::Enum(names), kind) if kind.is_text() => {
                let first = names.default_value().number();
                let names = names.values().map(|value| (value.name().to_string(), value.number()));
                Ok(Value::Names(names.collect(), first))
            }
            (kind, _) => Scalar::of(&kind, data_type).map(Value::Scalar).ok_or_else(refused),
        }
    }

    fn wire_type(&self) -> u64 {
        match self {
            Value::Scalar(scalar) => scalar.wire_type(),
            Value::Names(..) => 0,
            Value::Message(_) => 2,
        }
    }
}

impl Encoder for ProtobufEncoder {
    fn encode(
        &mut self,
        chunk: &Chunk,
        delimiter: &[u8],
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        let fields = Fields::of_chunk(&self.schema, chunk);
        for row in 0..chunk.rows {
            write_message(&self.fields, &fields, row, &self.null_text, out)
                .map_err(|error| Error::data(format!("can't write a row as protobuf: {error}")))?;
            out.extend_from_slice(delimiter);
            ends.push(out.len());
        }
        Ok(())
    }
}

fn write_message(
    plan: &[Field],
    fields: &Fields<'_>,
    row: usize,
    null_text: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    for field in plan {
        let column = &fields.columns[field.column];
        if !column.is_null(row) {
            field
                .write(column, row, null_text, out)
                .map_err(|error| format!("field '{}': {error}", field.name))?;
        }
    }
    Ok(())
}

impl Field {
    fn tag(&self, wire_type: u64, out: &mut Vec<u8>) {
        write_varint(self.number << 3 | wire_type, out);
    }

    fn write(
        &self,
        column: &Bound<'_>,
        row: usize,
        null_text: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        match (&self.write, &column.values) {
            (Write::Value(value), _) => {
                let start = out.len();
                self.tag(value.wire_type(), out);
                let value_start = out.len();
                write_value(value, column, row, null_text, out)?;
                // Numbers that are zero and text of no length have one or more zero bytes and nothing else.
                if self.implicit && out[value_start..].iter().all(|&byte| byte == 0) && !is_message(value) {
                    out.truncate(start);
                }
            }
            (Write::List(value, packed), Values::List(offsets, items)) => {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                if *packed && !range.is_empty() {
                    self.tag(2, out);
                    return write_sized(out, |out| {
                        range.into_iter().try_for_each(|at| write_value(value, items, at, null_text, out))
                    });
                }
                for at in range {
                    self.tag(value.wire_type(), out);
                    write_value(value, items, at, null_text, out)?;
                }
            }
            (Write::Map(key, value), Values::Map(offsets, entries)) => {
                for at in offsets[row] as usize..offsets[row + 1] as usize {
                    self.tag(2, out);
                    write_sized(out, |out| {
                        write_varint(1 << 3 | key.wire_type(), out);
                        write_value(key, &entries.0, at, null_text, out)?;
                        write_varint(2 << 3 | value.wire_type(), out);
                        write_value(value, &entries.1, at, null_text, out)
                    })?;
                }
            }
            _ => unreachable!("a plan fits the columns it was compiled for"),
        }
        Ok(())
    }
}

fn is_message(value: &Value) -> bool {
    matches!(value, Value::Message(_))
}

/// Without the tag.
fn write_value(
    value: &Value,
    column: &Bound<'_>,
    row: usize,
    null_text: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let null = column.is_null(row);
    match (value, &column.values) {
        (Value::Message(plan), Values::Row(fields)) => write_sized(out, |out| match null {
            true => Ok(()),
            false => write_message(plan, fields, row, null_text, out),
        }),
        (Value::Names(names, first), Values::Text(texts)) => {
            // NULL is the first value of an enum.
            let number = match null {
                true => *first,
                false => *names
                    .get(texts.value(row))
                    .ok_or_else(|| format!("the enum has no value '{}'", texts.value(row)))?,
            };
            write_varint(i64::from(number) as u64, out);
            Ok(())
        }
        (Value::Scalar(scalar), values) => {
            write_scalar(scalar, values, (!null).then_some(row), null_text, out);
            Ok(())
        }
        _ => unreachable!("a plan fits the columns it was compiled for"),
    }
}

/// The value of a row; without one the default.
fn write_scalar(
    scalar: &Scalar,
    values: &Values<'_>,
    row: Option<usize>,
    null_text: &str,
    out: &mut Vec<u8>,
) {
    let whole = || row.map_or(0, |row| values.whole(row));
    match (scalar, values) {
        (Scalar::Bool, Values::Boolean(values)) => out.push(row.is_some_and(|row| values.value(row)).into()),
        (Scalar::Sint32 | Scalar::Sint64, _) => {
            let value = whole();
            write_varint(((value << 1) ^ (value >> 63)) as u64, out);
        }
        (Scalar::Uint32, _) => write_varint(u64::from(whole() as u32), out),
        (Scalar::Fixed32, _) => out.extend_from_slice(&(whole() as i32).to_le_bytes()),
        (Scalar::Fixed64, _) => out.extend_from_slice(&whole().to_le_bytes()),
        (Scalar::Float, Values::Float32(values)) => {
            out.extend_from_slice(&row.map_or(0.0, |row| values[row]).to_le_bytes());
        }
        (Scalar::Double, Values::Float64(values)) => {
            out.extend_from_slice(&row.map_or(0.0, |row| values[row]).to_le_bytes());
        }
        (Scalar::Text, Values::Text(texts)) => {
            prefixed(row.map_or(null_text, |row| texts.value(row)).as_bytes(), out)
        }
        (Scalar::Bytes, Values::Bytes(values)) => prefixed(row.map_or(&[], |row| values.value(row)), out),
        _ => write_varint(whole() as u64, out),
    }
}

fn prefixed(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
