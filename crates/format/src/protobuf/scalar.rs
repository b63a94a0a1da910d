//! The scalar types of protobuf and the columns that hold them.
//!
//! Unsigned numbers are read as Flink's signed ones of the same bits, as Java has them.

use super::read::Fault;
use super::wire::{Raw, Wire};
use crate::column::Column;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, Syntax, Value};
use std::collections::HashMap;
use tidemill_types::{DataType, TypeKind};

/// How a value is encoded and which column holds it.
#[derive(Debug, Clone)]
pub(super) enum Scalar {
    Bool,
    Int32,
    Uint32,
    Sint32,
    Fixed32,
    /// int64, uint64.
    Int64,
    Sint64,
    Fixed64,
    Float,
    Double,
    Text,
    Bytes,
    /// As text: names by number, and whether an unknown number counts as if it were not there.
    EnumName(HashMap<i32, String>, bool),
    EnumNumber,
}

impl Scalar {
    /// How a field is read into or written from a column, if it fits.
    pub fn of(kind: &Kind, data_type: &DataType) -> Option<Self> {
        let to = &data_type.kind;
        Some(match (kind, to) {
            (Kind::Bool, TypeKind::Boolean) => Scalar::Bool,
            (Kind::Int32, TypeKind::Int) => Scalar::Int32,
            (Kind::Uint32, TypeKind::Int) => Scalar::Uint32,
            (Kind::Sint32, TypeKind::Int) => Scalar::Sint32,
            (Kind::Fixed32 | Kind::Sfixed32, TypeKind::Int) => Scalar::Fixed32,
            (Kind::Int64 | Kind::Uint64, TypeKind::BigInt) => Scalar::Int64,
            (Kind::Sint64, TypeKind::BigInt) => Scalar::Sint64,
            (Kind::Fixed64 | Kind::Sfixed64, TypeKind::BigInt) => Scalar::Fixed64,
            (Kind::Float, TypeKind::Float) => Scalar::Float,
            (Kind::Double, TypeKind::Double) => Scalar::Double,
            (Kind::String, to) if to.is_text() => Scalar::Text,
            (Kind::Bytes, to) if to.is_bytes() => Scalar::Bytes,
            (Kind::Enum(names), to) if to.is_text() => {
                Scalar::EnumName(by_number(names), names.parent_file().syntax() == Syntax::Proto2)
            }
            (Kind::Enum(_), to) if to.is_integer() => Scalar::EnumNumber,
            _ => return None,
        })
    }

    /// The wire type.
    pub fn wire_type(&self) -> u64 {
        match self {
            Scalar::Fixed32 | Scalar::Float => 5,
            Scalar::Fixed64 | Scalar::Double => 1,
            Scalar::Text | Scalar::Bytes => 2,
            _ => 0,
        }
    }

    /// Whether a value is encoded as this type.
    #[inline]
    pub fn fits(&self, raw: Raw) -> bool {
        match (self, raw) {
            (Scalar::EnumName(names, true), Raw::Varint(number)) => names.contains_key(&(number as i32)),
            (_, Raw::Varint(_)) => self.wire_type() == 0,
            (_, Raw::Fixed32(_)) => self.wire_type() == 5,
            (_, Raw::Fixed64(_)) => self.wire_type() == 1,
            (_, Raw::Bytes(..)) => self.wire_type() == 2,
        }
    }

    /// The next value of a packed list.
    pub fn packed(&self, wire: &mut Wire<'_>) -> Result<Raw, Fault> {
        Ok(match self.wire_type() {
            5 => Raw::Fixed32(u32::from_le_bytes(wire.array()?)),
            1 => Raw::Fixed64(u64::from_le_bytes(wire.array()?)),
            _ => Raw::Varint(wire.varint()?),
        })
    }

    /// Appends a value, which fits, to a column.
    #[inline]
    pub fn push(&self, raw: Raw, blob: &[u8], column: &mut Column) -> Result<(), Fault> {
        match (self, raw, column) {
            (Scalar::Int32 | Scalar::Uint32, Raw::Varint(value), Column::Int32(values, _)) => {
                values.push(value as i32);
            }
            (Scalar::Int64, Raw::Varint(value), Column::Int64(values, _)) => values.push(value as i64),
            (Scalar::Text, Raw::Bytes(start, end), Column::Text(values)) => {
                match simdutf8::basic::from_utf8(&blob[start..end]) {
                    Ok(_) => values.push_blob(blob, start, end),
                    Err(_) => return Err("a string is not valid UTF-8".into()),
                }
            }
            (Scalar::Bytes, Raw::Bytes(start, end), Column::Bytes(values)) => {
                values.push_blob(blob, start, end)
            }
            (Scalar::Double, Raw::Fixed64(value), Column::Float64(values)) => {
                values.push(f64::from_bits(value))
            }
            (Scalar::Float, Raw::Fixed32(value), Column::Float32(values)) => {
                values.push(f32::from_bits(value))
            }
            (Scalar::Bool, Raw::Varint(value), Column::Boolean(values)) => values.push(value != 0),
            (Scalar::Sint32, Raw::Varint(value), Column::Int32(values, _)) => {
                values.push(zigzag(value) as i32)
            }
            (Scalar::Sint64, Raw::Varint(value), Column::Int64(values, _)) => values.push(zigzag(value)),
            (Scalar::Fixed32, Raw::Fixed32(value), Column::Int32(values, _)) => values.push(value as i32),
            (Scalar::Fixed64, Raw::Fixed64(value), Column::Int64(values, _)) => values.push(value as i64),
            (Scalar::EnumName(names, _), Raw::Varint(value), Column::Text(values)) => {
                let name = names.get(&(value as i32));
                let name = name.ok_or_else(|| format!("the enum has no value {}", value as i32))?;
                values.push_copy(name.as_bytes());
            }
            (Scalar::EnumNumber, Raw::Varint(value), column) => return number(value as i32, column),
            _ => unreachable!("a value is pushed only where it fits"),
        }
        Ok(())
    }

    /// The value that stands for an absent one.
    pub fn push_default(&self, field: &FieldDescriptor, column: &mut Column) -> Result<(), Fault> {
        match (field.default_value(), column) {
            (Value::String(text), Column::Text(values)) => values.push_copy(text.as_bytes()),
            (Value::Bytes(bytes), Column::Bytes(values)) => values.push_copy(&bytes),
            (Value::Bool(value), Column::Boolean(values)) => values.push(value),
            (Value::I32(value), Column::Int32(values, _)) => values.push(value),
            (Value::U32(value), Column::Int32(values, _)) => values.push(value as i32),
            (Value::I64(value), Column::Int64(values, _)) => values.push(value),
            (Value::U64(value), Column::Int64(values, _)) => values.push(value as i64),
            (Value::F32(value), Column::Float32(values)) => values.push(value),
            (Value::F64(value), Column::Float64(values)) => values.push(value),
            (Value::EnumNumber(number), column) => {
                return self.push(Raw::Varint(i64::from(number) as u64), &[], column);
            }
            _ => unreachable!("a default is of its field's type"),
        }
        Ok(())
    }
}

fn by_number(names: &EnumDescriptor) -> HashMap<i32, String> {
    let mut all = HashMap::new();
    for value in names.values() {
        // Of aliases the first is the name.
        all.entry(value.number()).or_insert_with(|| value.name().to_string());
    }
    all
}

fn number(value: i32, column: &mut Column) -> Result<(), Fault> {
    let narrow = || format!("the number {value} of an enum is out of the column's range");
    match column {
        Column::Int8(values) => values.push(value.try_into().map_err(|_| narrow())?),
        Column::Int16(values) => values.push(value.try_into().map_err(|_| narrow())?),
        Column::Int32(values, _) => values.push(value),
        Column::Int64(values, _) => values.push(i64::from(value)),
        _ => unreachable!("an enum is read as text or a whole number"),
    }
    Ok(())
}

pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
