//! Names, types and time attributes of the columns of a relation.

use crate::DataType;

/// Which clock a time attribute follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeAttribute {
    /// Event time: the column has a watermark.
    Rowtime,
    /// Processing time.
    Proctime,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name, case as written.
    pub name: String,
    /// The type with its nullability.
    pub data_type: DataType,
    /// Set while the column is still a time attribute.
    pub time: Option<TimeAttribute>,
}

impl Field {
    /// An ordinary column.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Field { name: name.into(), data_type, time: None }
    }

    /// The same column as a time attribute.
    pub fn with_time(mut self, time: TimeAttribute) -> Self {
        self.time = Some(time);
        self
    }
}

/// The columns of a relation, in order. Names need not be unique inside a query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schema {
    /// The columns.
    pub fields: Vec<Field>,
}

impl Schema {
    /// A schema of these columns.
    pub fn new(fields: Vec<Field>) -> Self {
        Schema { fields }
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The first column with this very name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// The types in order.
    pub fn types(&self) -> impl Iterator<Item = &DataType> {
        self.fields.iter().map(|field| &field.data_type)
    }
}
