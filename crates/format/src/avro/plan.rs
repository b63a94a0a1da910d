//! How records of one writer's schema become columns of a table: compiled once for the pair.
//!
//! 1. The table's schema (derived from its columns, or given) is the reader's: its names, aliases and defaults count.
//! 2. For each field of the writer's record, in its order, the plan says into which column it goes, or that it is
//!    skipped. Defaults of fields that a writer lacks are kept as encoded bytes and read like any other value.
//! 3. What can't be read as its column is a fault of each record that has it, not of the plan: a union may have
//!    branches that never come.
//!
//! Source of the rules: the Avro specification, "Schema Resolution". Beyond it: an enum is read as text, fixed as
//! bytes, and timestamps, times and decimals are converted from the writer's unit or scale to the column's.

use super::schema::{Field, Kind, Logical, Node, NodeId, Schema, Unit};
use super::write;
use tidemill_types::{DataType, TypeKind};

/// How a value is read.
#[derive(Debug)]
pub(crate) enum Read {
    /// Nothing is read; the value is NULL.
    Null,
    Boolean,
    /// A whole number, also as the number of days or milliseconds.
    Number,
    Float,
    Double,
    /// A number of microseconds of the day.
    TimeMicros,
    /// A number of this unit since 1970.
    Stamp(Unit),
    /// An unscaled number of so many bytes, or with its length in front, and its scale.
    Decimal(Option<usize>, u32),
    /// Text with its length in front; bytes are checked to be text.
    Text,
    Bytes,
    Fixed(usize),
    Symbol(Vec<String>),
    List(Box<Read>),
    Map(Box<Read>),
    Row(RowPlan),
    /// By the number of the branch.
    Union(Vec<Read>),
    /// Can't be read.
    Fault(String),
}

/// How a record is read.
#[derive(Debug)]
pub(crate) struct RowPlan {
    /// The number of the record's branch, where a union of it and null is the whole schema.
    pub branch: Option<i64>,
    /// For each field of the writer.
    pub steps: Vec<Step>,
    /// For each column that the writer lacks.
    pub missing: Vec<(usize, Missing)>,
}

/// What to do with a field.
#[derive(Debug)]
pub(crate) enum Step {
    /// Read into this column.
    Read(usize, Read),
    Skip(NodeId),
}

/// What stands for a field that the writer lacks.
#[derive(Debug)]
pub(crate) enum Missing {
    Null,
    /// An encoded value.
    Default(Vec<u8>, Read),
    Fault(String),
}

/// A column that is read: its place among the reader's fields, and its type.
pub(crate) type Target<'a> = (usize, &'a str, &'a DataType);

/// Compiles the plan for these columns, which are given in the order wanted. `reader`: the table's schema.
pub(crate) fn compile(writer: &Schema, reader: &Schema, targets: &[Target<'_>]) -> Result<RowPlan, String> {
    let pair = Pair { writer, reader };
    let (Some(writer_fields), Some(reader_fields)) = (writer.record(), reader.record()) else {
        return Err("the writer's schema is no record".into());
    };
    let is_record = |&branch: &NodeId| matches!(writer.node(branch).kind, Kind::Record(_));
    let branch = match &writer.node(writer.root).kind {
        Kind::Union(branches) => branches.iter().position(is_record).map(|branch| branch as i64),
        _ => None,
    };
    Ok(RowPlan { branch, ..pair.row(writer_fields, reader_fields, targets) })
}

struct Pair<'a> {
    writer: &'a Schema,
    reader: &'a Schema,
}

impl Pair<'_> {
    fn row(&self, writer: &[Field], reader: &[Field], targets: &[Target<'_>]) -> RowPlan {
        let mut found = vec![false; targets.len()];
        let steps = writer.iter().map(|field| {
            let target = targets.iter().position(|(place, ..)| means(&reader[*place], field));
            let Some(column) = target.filter(|&column| !found[column]) else {
                return Step::Skip(field.node);
            };
            found[column] = true;
            let (place, name, data_type) = targets[column];
            Step::Read(column, named(name, self.value(field.node, reader[place].node, data_type)))
        });
        let steps = steps.collect();
        let lacking = targets.iter().enumerate().filter(|(column, _)| !found[*column]);
        let missing = lacking.map(|(column, (place, name, data_type))| {
            (column, self.missing(&reader[*place], name, data_type))
        });
        RowPlan { branch: None, steps, missing: missing.collect() }
    }

    fn missing(&self, field: &Field, name: &str, data_type: &DataType) -> Missing {
        match &field.default {
            None => Missing::Fault(format!("the writer's schema has no field '{}'", field.name)),
            Some(default) if default.is_null() && data_type.nullable => Missing::Null,
            Some(default) => {
                let mut bytes = Vec::new();
                // A default of a union is of its first branch.
                match write::json(self.reader, field.node, default, &mut bytes) {
                    Ok(()) => {
                        let own = Pair { writer: self.reader, reader: self.reader };
                        Missing::Default(bytes, named(name, own.value(field.node, field.node, data_type)))
                    }
                    Err(error) => Missing::Fault(format!("the default of field '{name}': {error}")),
                }
            }
        }
    }

    fn value(&self, writer: NodeId, reader: NodeId, data_type: &DataType) -> Read {
        let node = self.writer.node(writer);
        if let Kind::Union(branches) = &node.kind {
            let branches = branches.iter().map(|&branch| self.value(branch, reader, data_type));
            return Read::Union(branches.collect());
        }
        if node.kind == Kind::Null {
            return match data_type.nullable {
                true => Read::Null,
                false => Read::Fault(format!("NULL stands where {data_type} is asked for")),
            };
        }
        let reader = self.branch(reader, data_type);
        self.nested(node, reader, data_type)
            .or_else(|| scalar(node, self.reader.node(reader), data_type))
            .unwrap_or_else(|| {
                Read::Fault(format!("{} can't be read as {data_type}", self.writer.name(writer)))
            })
    }

    /// The branch of the reader's type that holds values of the column.
    fn branch(&self, reader: NodeId, data_type: &DataType) -> NodeId {
        let Kind::Union(branches) = &self.reader.node(reader).kind else { return reader };
        let is_it = |branch: &&NodeId| {
            let kind = &self.reader.node(**branch).kind;
            match data_type.kind {
                TypeKind::Row(_) => matches!(kind, Kind::Record(_)),
                TypeKind::Array(_) => matches!(kind, Kind::List(_)),
                TypeKind::Map(..) | TypeKind::Multiset(_) => matches!(kind, Kind::Map(_)),
                _ => *kind != Kind::Null,
            }
        };
        branches.iter().find(is_it).copied().unwrap_or(reader)
    }

    fn nested(&self, writer: &Node, reader: NodeId, data_type: &DataType) -> Option<Read> {
        let reader = self.reader.node(reader);
        Some(match (&writer.kind, &reader.kind, &data_type.kind) {
            (Kind::List(from), Kind::List(to), TypeKind::Array(element)) => {
                Read::List(Box::new(self.value(*from, *to, element)))
            }
            (Kind::Map(from), Kind::Map(to), TypeKind::Map(key, value)) if key.kind.is_text() => {
                Read::Map(Box::new(self.value(*from, *to, value)))
            }
            (Kind::Map(from), Kind::Map(to), TypeKind::Multiset(element)) if element.kind.is_text() => {
                Read::Map(Box::new(self.value(*from, *to, &TypeKind::Int.not_null())))
            }
            (Kind::Record(from), Kind::Record(to), TypeKind::Row(fields)) if to.len() == fields.len() => {
                let targets = fields.iter().enumerate();
                let targets: Vec<Target<'_>> =
                    targets.map(|(place, field)| (place, field.name.as_str(), &field.data_type)).collect();
                Read::Row(self.row(from, to, &targets))
            }
            _ => return None,
        })
    }
}

/// Whether a writer's field is the reader's.
fn means(reader: &Field, writer: &Field) -> bool {
    reader.name == writer.name || reader.aliases.contains(&writer.name)
}

/// The same with the field's name in front of faults.
fn named(name: &str, read: Read) -> Read {
    match read {
        Read::Fault(reason) => Read::Fault(format!("field '{name}': {reason}")),
        Read::Union(branches) => {
            Read::Union(branches.into_iter().map(|branch| named(name, branch)).collect())
        }
        other => other,
    }
}

fn scalar(writer: &Node, reader: &Node, data_type: &DataType) -> Option<Read> {
    let is_whole = matches!(writer.kind, Kind::Int | Kind::Long);
    Some(match (&data_type.kind, &writer.kind) {
        (TypeKind::Boolean, Kind::Boolean) => Read::Boolean,
        (TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::Date, Kind::Int) => Read::Number,
        (TypeKind::BigInt | TypeKind::Float | TypeKind::Double, _) if is_whole => Read::Number,
        (TypeKind::Float | TypeKind::Double, Kind::Float) => Read::Float,
        (TypeKind::Double, Kind::Double) => Read::Double,
        (TypeKind::Time(_), Kind::Int) => Read::Number,
        (TypeKind::Time(_), Kind::Long) if writer.logical == Some(Logical::Time(Unit::Micros)) => {
            Read::TimeMicros
        }
        (TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_), _) if is_whole => {
            let unit = [writer.logical, reader.logical].into_iter().find_map(|logical| match logical {
                Some(Logical::Timestamp(unit)) => Some(unit),
                _ => None,
            });
            Read::Stamp(unit.unwrap_or(Unit::Millis))
        }
        (TypeKind::Decimal { scale, .. }, Kind::Bytes | Kind::Fixed(_)) => {
            let size = match writer.kind {
                Kind::Fixed(size) => Some(size),
                _ => None,
            };
            let scale = match writer.logical {
                Some(Logical::Decimal(scale)) => scale,
                _ => u32::from(*scale),
            };
            Read::Decimal(size, scale)
        }
        (TypeKind::Char(_) | TypeKind::Varchar(_), Kind::Text | Kind::Bytes) => Read::Text,
        (TypeKind::Char(_) | TypeKind::Varchar(_), Kind::Enum(symbols)) => Read::Symbol(symbols.clone()),
        (TypeKind::Binary(_) | TypeKind::Varbinary(_), Kind::Text | Kind::Bytes) => Read::Bytes,
        (TypeKind::Binary(_) | TypeKind::Varbinary(_), Kind::Fixed(size)) => Read::Fixed(*size),
        _ => return None,
    })
}
