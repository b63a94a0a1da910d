//! Data types as written; defaults of precisions and names of user types are the binder's business.

use super::{Ident, IntervalQualifier, ObjectName, Text};
use crate::span::Span;

/// A data type with its nullability.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeName {
    /// Which type.
    pub kind: TypeKind,
    /// `Some(false)` for NOT NULL, `Some(true)` for NULL, `None` if nothing is said (nullable).
    pub nullable: Option<bool>,
    /// The whole type, nullability included.
    pub span: Span,
}

/// The types of Flink SQL. A precision or length that was not written is `None`.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeKind {
    /// `CHAR[(n)]`.
    Char(Option<u32>),
    /// `VARCHAR[(n)]`.
    Varchar(Option<u32>),
    /// `STRING`.
    String,
    /// `BINARY[(n)]`.
    Binary(Option<u32>),
    /// `VARBINARY[(n)]`.
    Varbinary(Option<u32>),
    /// `BYTES`.
    Bytes,
    /// `BOOLEAN`.
    Boolean,
    /// `TINYINT`.
    TinyInt,
    /// `SMALLINT`.
    SmallInt,
    /// `INT` or `INTEGER`.
    Int,
    /// `BIGINT`.
    BigInt,
    /// `FLOAT`.
    Float,
    /// `DOUBLE [PRECISION]`.
    Double,
    /// `DECIMAL`, `DEC` or `NUMERIC` with precision and scale.
    Decimal(Option<u32>, Option<u32>),
    /// `DATE`.
    Date,
    /// `TIME[(p)] [WITHOUT TIME ZONE]`.
    Time(Option<u32>),
    /// `TIMESTAMP[(p)] [WITHOUT TIME ZONE]`.
    Timestamp(Option<u32>),
    /// `TIMESTAMP_LTZ[(p)]` or `TIMESTAMP[(p)] WITH LOCAL TIME ZONE`.
    TimestampLtz(Option<u32>),
    /// `TIMESTAMP[(p)] WITH TIME ZONE`, which Flink parses and refuses.
    TimestampTz(Option<u32>),
    /// `INTERVAL qualifier`.
    Interval(IntervalQualifier),
    /// `ARRAY<t>` or `t ARRAY`.
    Array(Box<TypeName>),
    /// `MULTISET<t>` or `t MULTISET`.
    Multiset(Box<TypeName>),
    /// `MAP<k, v>`.
    Map(Box<TypeName>, Box<TypeName>),
    /// `ROW<name type ['comment'], ..>` or `ROW(..)`.
    Row(Vec<RowField>),
    /// `RAW('class', 'snapshot')`.
    Raw(Text, Text),
    /// `STRUCTURED<'class', name type, ..>`.
    Structured(Text, Vec<RowField>),
    /// `NULL`.
    Null,
    /// `VARIANT`.
    Variant,
    /// `BITMAP`.
    Bitmap,
    /// `DESCRIPTOR`.
    Descriptor,
    /// A name that is no built-in type.
    Named(ObjectName),
}

/// One field of a ROW or STRUCTURED type.
#[derive(Debug, Clone, PartialEq)]
pub struct RowField {
    /// The field's name.
    pub name: Ident,
    /// The field's type.
    pub data_type: TypeName,
    /// Its comment.
    pub comment: Option<Text>,
}
