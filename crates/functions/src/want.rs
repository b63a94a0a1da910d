//! What the forms of functions want in each place, and which types fit there.

use tidemill_types::{DataType, TypeKind};

/// What a form wants in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// CHAR, VARCHAR, STRING.
    Text,
    /// BINARY, VARBINARY, BYTES.
    Bytes,
    /// BOOLEAN.
    Boolean,
    /// Any integer, cut to INT.
    Int,
    /// Any integer, widened to BIGINT.
    BigInt,
    /// Any number, as DOUBLE.
    Double,
    /// Any integer, as it is.
    Integer,
    /// A DECIMAL, as it is.
    Decimal,
    /// Any number, as it is.
    Numeric,
    /// FLOAT or DOUBLE, as it is.
    Approximate,
    /// A DATE.
    Date,
    /// A TIME.
    Time,
    /// A TIMESTAMP, as it is.
    Timestamp,
    /// A TIMESTAMP_LTZ, as it is.
    TimestampLtz,
    /// An interval of months.
    IntervalMonth,
    /// An interval of milliseconds.
    IntervalDay,
    /// A list.
    Array,
    /// Keys to values.
    Map,
    /// Named fields.
    Row,
    /// A BITMAP.
    Bitmap,
    /// Anything, as it is.
    Any,
}

impl Want {
    /// The type an argument is cast to, `None` if it does not fit.
    pub fn accept(self, given: &DataType) -> Option<DataType> {
        if given.kind == TypeKind::Null {
            return Some(self.default_kind().nullable());
        }
        let kind = &given.kind;
        let same = |fits: bool| fits.then(|| given.clone());
        let to = |fits: bool, wanted: TypeKind| {
            fits.then_some(DataType { kind: wanted, nullable: given.nullable })
        };
        match self {
            Want::Text => same(kind.is_text()),
            Want::Bytes => same(kind.is_bytes()),
            Want::Boolean => same(*kind == TypeKind::Boolean),
            Want::Int => to(kind.is_integer(), TypeKind::Int),
            Want::BigInt => to(kind.is_integer(), TypeKind::BigInt),
            Want::Double => to(kind.is_numeric(), TypeKind::Double),
            Want::Integer => same(kind.is_integer()),
            Want::Decimal => same(matches!(kind, TypeKind::Decimal { .. })),
            Want::Numeric => same(kind.is_numeric()),
            Want::Approximate => same(kind.is_approximate()),
            Want::Date => same(*kind == TypeKind::Date),
            Want::Time => same(matches!(kind, TypeKind::Time(_))),
            Want::Timestamp => same(matches!(kind, TypeKind::Timestamp(_))),
            Want::TimestampLtz => same(matches!(kind, TypeKind::TimestampLtz(_))),
            Want::IntervalMonth => same(*kind == TypeKind::IntervalMonth),
            Want::IntervalDay => same(*kind == TypeKind::IntervalDay),
            Want::Array => same(matches!(kind, TypeKind::Array(_))),
            Want::Map => same(matches!(kind, TypeKind::Map(..))),
            Want::Row => same(matches!(kind, TypeKind::Row(_))),
            Want::Bitmap => same(*kind == TypeKind::Bitmap),
            Want::Any => Some(given.clone()),
        }
    }

    /// What a bare NULL counts as.
    fn default_kind(self) -> TypeKind {
        let null = || Box::new(TypeKind::Null.nullable());
        match self {
            Want::Text => DataType::string().kind,
            Want::Bytes => DataType::bytes().kind,
            Want::Boolean => TypeKind::Boolean,
            Want::Int | Want::Integer | Want::Numeric => TypeKind::Int,
            Want::BigInt => TypeKind::BigInt,
            Want::Double | Want::Approximate => TypeKind::Double,
            Want::Decimal => TypeKind::Decimal { precision: 10, scale: 0 },
            Want::Date => TypeKind::Date,
            Want::Time => TypeKind::Time(0),
            Want::Timestamp => TypeKind::Timestamp(3),
            Want::TimestampLtz => TypeKind::TimestampLtz(3),
            Want::IntervalMonth => TypeKind::IntervalMonth,
            Want::IntervalDay => TypeKind::IntervalDay,
            Want::Array => TypeKind::Array(null()),
            Want::Map => TypeKind::Map(null(), null()),
            Want::Row => TypeKind::Row(Vec::new()),
            Want::Bitmap => TypeKind::Bitmap,
            Want::Any => TypeKind::Null,
        }
    }

    /// How messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Want::Text => "STRING",
            Want::Bytes => "BYTES",
            Want::Boolean => "BOOLEAN",
            Want::Int => "INT",
            Want::BigInt => "BIGINT",
            Want::Double => "DOUBLE",
            Want::Integer => "an integer",
            Want::Decimal => "DECIMAL",
            Want::Numeric => "a number",
            Want::Approximate => "FLOAT or DOUBLE",
            Want::Date => "DATE",
            Want::Time => "TIME",
            Want::Timestamp => "TIMESTAMP",
            Want::TimestampLtz => "TIMESTAMP_LTZ",
            Want::IntervalMonth => "INTERVAL MONTH",
            Want::IntervalDay => "INTERVAL SECOND",
            Want::Array => "ARRAY",
            Want::Map => "MAP",
            Want::Row => "ROW",
            Want::Bitmap => "BITMAP",
            Want::Any => "anything",
        }
    }
}
