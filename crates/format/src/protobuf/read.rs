//! How a message becomes a row: compiled once from its definition and the columns.
//!
//! 1. The fields of an encoded message come in any order, and more than once: of singular ones the last counts, messages
//!    are merged, of a oneof only the last field stays. So places of singular fields are noted first.
//! 2. Elements of repeated fields and entries of maps go straight into their columns.
//! 3. At the end of the message each column of a singular field gets its value, each list and map its end.
//!
//! Entries of a map with the same key stay several, which no writer makes.

use super::scalar::Scalar;
use super::wire::{Raw, Wire};
use crate::column::Column;
use crate::json::Shape;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, Syntax};
use tidemill_types::{DataType, TypeKind};

/// Why a record can't be read, in a sentence.
pub(super) type Fault = String;

/// Fields with a number below this are found in one step.
const DENSE: u32 = 256;

/// How a message is read.
pub(super) struct Message {
    /// By number: which action, from 1; 0: none.
    dense: Vec<u16>,
    sparse: Vec<(u32, u16)>,
    actions: Vec<Action>,
    fields: Vec<Field>,
}

/// What happens when a field comes.
#[derive(Default)]
struct Action {
    target: Option<usize>,
    /// The fields of its oneof that it replaces.
    rivals: Vec<usize>,
}

/// A field that is wanted; its column has its place.
struct Field {
    name: String,
    descriptor: FieldDescriptor,
    read: Read,
    /// Whether it has a default where it is absent.
    default: bool,
    /// What came of it in the message at hand.
    found: Vec<Raw>,
}

enum Read {
    Scalar(Scalar),
    Message(Box<Message>),
    List(Box<Read>),
    /// Key and value, each with its definition.
    Map(Scalar, FieldDescriptor, Box<Read>, FieldDescriptor),
}

/// A column that is wanted.
pub(super) type Target<'a> = (&'a str, &'a DataType);

impl Message {
    /// Compiles the reading of these columns.
    pub fn compile(
        descriptor: &MessageDescriptor,
        targets: &[Target<'_>],
        read_defaults: bool,
    ) -> Result<Self, String> {
        let mut message = Message {
            dense: vec![0; DENSE as usize],
            sparse: Vec::new(),
            actions: Vec::new(),
            fields: Vec::new(),
        };
        for (name, data_type) in targets {
            let field = descriptor.get_field_by_name(name);
            let field = field.ok_or_else(|| {
                format!("column '{name}': the message '{}' has no such field", descriptor.full_name())
            })?;
            let read = Read::compile(&field, data_type, read_defaults)
                .map_err(|error| format!("column '{name}': {error}"))?;
            // Presence of proto3's scalars is not asked for, as in Flink.
            let always = matches!(read, Read::Scalar(_)) && field.parent_file().syntax() == Syntax::Proto3;
            message.fields.push(Field {
                name: (*name).to_string(),
                default: read_defaults || always,
                descriptor: field,
                read,
                found: Vec::new(),
            });
        }
        message.actions(descriptor);
        Ok(message)
    }

    fn actions(&mut self, descriptor: &MessageDescriptor) {
        let place = |wanted: &FieldDescriptor| {
            self.fields.iter().position(|field| field.descriptor.number() == wanted.number())
        };
        let mut actions = Vec::new();
        for field in descriptor.fields() {
            let oneof = field.containing_oneof();
            let rivals = oneof.iter().flat_map(|oneof| oneof.fields().collect::<Vec<_>>());
            let rivals = rivals.filter(|rival| rival.number() != field.number());
            let action =
                Action { target: place(&field), rivals: rivals.filter_map(|rival| place(&rival)).collect() };
            if action.target.is_some() || !action.rivals.is_empty() {
                actions.push((field.number(), action));
            }
        }
        for (number, action) in actions {
            self.actions.push(action);
            let id = self.actions.len() as u16;
            match number {
                0..DENSE => self.dense[number as usize] = id,
                _ => self.sparse.push((number, id)),
            }
        }
    }

    #[inline]
    fn action(&self, number: u32) -> usize {
        match number {
            0..DENSE => usize::from(self.dense[number as usize]),
            _ => self.sparse.iter().find(|(known, _)| *known == number).map_or(0, |(_, id)| usize::from(*id)),
        }
    }

    /// Reads the message that lies in these ranges of the blob, merged, as one more row.
    pub fn read(&mut self, blob: &[u8], ranges: &[Raw], shape: &mut Shape) -> Result<(), Fault> {
        self.fields.iter_mut().for_each(|field| field.found.clear());
        for range in ranges {
            let Raw::Bytes(start, end) = *range else { continue };
            let mut wire = Wire { bytes: &blob[..end], at: start };
            while let Some((number, raw)) = wire.field()? {
                match self.action(number) {
                    0 => {}
                    id => self.act(id - 1, raw, blob, shape)?,
                }
            }
        }
        for (column, field) in self.fields.iter_mut().enumerate() {
            field
                .end(blob, shape.column_mut(column))
                .map_err(|fault| format!("field '{}': {fault}", field.name))?;
        }
        shape.end_row();
        Ok(())
    }

    #[inline]
    fn act(&mut self, action: usize, raw: Raw, blob: &[u8], shape: &mut Shape) -> Result<(), Fault> {
        let action = &self.actions[action];
        if let Some(target) = action.target {
            let field = &mut self.fields[target];
            let column = shape.column_mut(target);
            if !field.take(raw, blob, column).map_err(|fault| format!("field '{}': {fault}", field.name))? {
                return Ok(());
            }
        }
        for &rival in &action.rivals {
            self.fields[rival].found.clear();
        }
        Ok(())
    }
}

impl Read {
    fn compile(field: &FieldDescriptor, data_type: &DataType, read_defaults: bool) -> Result<Self, String> {
        let refused = || format!("the field is {}, which is not read as {data_type}", describe(field));
        match &data_type.kind {
            TypeKind::Map(key, value) if field.is_map() => {
                let Kind::Message(entry) = field.kind() else { return Err(refused()) };
                let (keys, values) = (entry.map_entry_key_field(), entry.map_entry_value_field());
                let key = Scalar::of(&keys.kind(), key).ok_or_else(refused)?;
                let value = Read::single(&values, value, read_defaults)?;
                Ok(Read::Map(key, keys, Box::new(value), values))
            }
            TypeKind::Array(element) if field.is_list() => {
                Ok(Read::List(Box::new(Read::single(field, element, read_defaults)?)))
            }
            _ if field.is_map() || field.is_list() => Err(refused()),
            _ => Read::single(field, data_type, read_defaults),
        }
    }

    fn single(field: &FieldDescriptor, data_type: &DataType, read_defaults: bool) -> Result<Self, String> {
        match (field.kind(), &data_type.kind) {
            (Kind::Message(message), TypeKind::Row(fields)) => {
                let targets: Vec<Target<'_>> =
                    fields.iter().map(|field| (field.name.as_str(), &field.data_type)).collect();
                Ok(Read::Message(Box::new(Message::compile(&message, &targets, read_defaults)?)))
            }
            (kind, _) => Scalar::of(&kind, data_type)
                .map(Read::Scalar)
                .ok_or_else(|| format!("the field is {}, which is not read as {data_type}", describe(field))),
        }
    }

    /// Appends one value.
    fn push(&mut self, raw: &[Raw], blob: &[u8], column: &mut Column) -> Result<(), Fault> {
        match (self, raw, column) {
            (Read::Scalar(scalar), [raw], column) => scalar.push(*raw, blob, column),
            (Read::Message(message), ranges, Column::Row(row)) => {
                message.read(blob, ranges, &mut row.shape)?;
                row.len += 1;
                Ok(())
            }
            _ => unreachable!("a plan fits the columns it was compiled for"),
        }
    }

    fn fits(&self, raw: Raw) -> bool {
        match self {
            Read::Scalar(scalar) => scalar.fits(raw),
            _ => matches!(raw, Raw::Bytes(..)),
        }
    }
}

/// What a field is called in messages.
pub(super) fn describe(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_string(),
        Kind::Enum(names) => format!("the enum {}", names.full_name()),
        kind => format!("{kind:?}").to_lowercase(),
    };
    match (field.is_map(), field.is_list()) {
        (true, _) => "a map".into(),
        (_, true) => format!("repeated {kind}"),
        _ => kind,
    }
}

impl Field {
    /// Takes what came; false if it is not encoded as the field's type, and so is none of it.
    fn take(&mut self, raw: Raw, blob: &[u8], column: &mut Column) -> Result<bool, Fault> {
        match (&mut self.read, column) {
            (Read::Scalar(scalar), _) => {
                if !scalar.fits(raw) {
                    return Ok(false);
                }
                self.found.clear();
                self.found.push(raw);
            }
            (Read::Message(_), _) => match raw {
                Raw::Bytes(..) => self.found.push(raw),
                _ => return Ok(false),
            },
            (Read::List(element), Column::List(list)) => {
                return elements(element, raw, blob, &mut list.child);
            }
            (Read::Map(key, key_field, value, value_field), Column::Map(map)) => {
                let Raw::Bytes(start, end) = raw else { return Ok(false) };
                let (mut keys, mut values) = (None, Vec::new());
                let mut wire = Wire { bytes: &blob[..end], at: start };
                while let Some((number, raw)) = wire.field()? {
                    match number {
                        1 if key.fits(raw) => keys = Some(raw),
                        2 if value.fits(raw) => {
                            if matches!(**value, Read::Scalar(_)) {
                                values.clear();
                            }
                            values.push(raw);
                        }
                        _ => {}
                    }
                }
                match keys {
                    Some(raw) => key.push(raw, blob, &mut map.keys)?,
                    None => key.push_default(key_field, &mut map.keys)?,
                }
                match (&mut **value, values.is_empty()) {
                    (Read::Scalar(scalar), true) => scalar.push_default(value_field, &mut map.values)?,
                    (value, _) => value.push(&values, blob, &mut map.values)?,
                }
            }
            _ => unreachable!("a plan fits the columns it was compiled for"),
        }
        Ok(true)
    }

    /// The end of the message.
    fn end(&mut self, blob: &[u8], column: &mut Column) -> Result<(), Fault> {
        match (&mut self.read, column) {
            (Read::List(_), Column::List(list)) => {
                let (before, end) = (list.offsets[list.offsets.len() - 1], list.child.len() as i32);
                if before == end && !self.default {
                    list.nulls.push_null(list.offsets.len() - 1);
                }
                list.offsets.push(end);
            }
            (Read::Map(..), Column::Map(map)) => {
                let (before, end) = (map.offsets[map.offsets.len() - 1], map.keys.len() as i32);
                if before == end && !self.default {
                    map.nulls.push_null(map.offsets.len() - 1);
                }
                map.offsets.push(end);
            }
            (Read::Scalar(scalar), column) if self.found.is_empty() => match self.default {
                true => scalar.push_default(&self.descriptor, column)?,
                false => column.push_null(),
            },
            (Read::Message(_), column) if self.found.is_empty() && !self.default => column.push_null(),
            (read, column) => read.push(&self.found, blob, column)?,
        }
        Ok(())
    }
}

/// One element, or several that are packed.
fn elements(element: &mut Read, raw: Raw, blob: &[u8], child: &mut Column) -> Result<bool, Fault> {
    match (element, raw) {
        (Read::Scalar(scalar), Raw::Bytes(start, end)) if scalar.wire_type() != 2 => {
            let mut wire = Wire { bytes: &blob[..end], at: start };
            while wire.at < end {
                let raw = scalar.packed(&mut wire)?;
                if scalar.fits(raw) {
                    scalar.push(raw, blob, child)?;
                }
            }
            Ok(true)
        }
        (element, raw) if element.fits(raw) => element.push(&[raw], blob, child).map(|()| true),
        _ => Ok(false),
    }
}
