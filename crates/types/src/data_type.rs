//! Flink's data types and their text form (`asSummaryString`).
//!
//! Source of the rules: Flink documentation, "Data Types".

use std::fmt;

/// The length that stands for "no limit": `STRING` is `VARCHAR(2147483647)`.
pub const LENGTH_MAX: u32 = i32::MAX as u32;
/// The largest precision of a DECIMAL.
pub const DECIMAL_PRECISION_MAX: u8 = 38;

/// A type with its nullability.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataType {
    /// What values it holds.
    pub kind: TypeKind,
    /// Whether NULL is among them.
    pub nullable: bool,
}

/// The families of types with their parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// The type of the bare literal NULL.
    Null,
    /// Text of exactly n code points.
    Char(u32),
    /// Text of at most n code points; `STRING` with [`LENGTH_MAX`].
    Varchar(u32),
    /// Exactly n bytes.
    Binary(u32),
    /// At most n bytes; `BYTES` with [`LENGTH_MAX`].
    Varbinary(u32),
    /// TRUE, FALSE.
    Boolean,
    /// 8 bit.
    TinyInt,
    /// 16 bit.
    SmallInt,
    /// 32 bit.
    Int,
    /// 64 bit.
    BigInt,
    /// 32 bit IEEE 754.
    Float,
    /// 64 bit IEEE 754.
    Double,
    /// Exact number with `precision` digits, `scale` of them after the point.
    Decimal {
        /// 1..=38.
        precision: u8,
        /// 0..=precision.
        scale: u8,
    },
    /// Days since 1970-01-01.
    Date,
    /// Milliseconds of the day; the precision is only shown.
    Time(u8),
    /// Wall-clock time without a zone, with the digits of its fraction.
    Timestamp(u8),
    /// An instant, shown in the session zone.
    TimestampLtz(u8),
    /// A span of months.
    IntervalMonth,
    /// A span of milliseconds.
    IntervalDay,
    /// A list.
    Array(Box<DataType>),
    /// Keys to values.
    Map(Box<DataType>, Box<DataType>),
    /// Elements with their multiplicity.
    Multiset(Box<DataType>),
    /// Named fields.
    Row(Vec<RowField>),
    /// Semi-structured data (JSON-like).
    Variant,
    /// A set of 32-bit integers, as the bytes of a Roaring bitmap.
    Bitmap,
}

/// A field of a ROW.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowField {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
}

impl TypeKind {
    /// The nullable type of this kind.
    pub fn nullable(self) -> DataType {
        DataType { kind: self, nullable: true }
    }

    /// The NOT NULL type of this kind.
    pub fn not_null(self) -> DataType {
        DataType { kind: self, nullable: false }
    }

    /// TINYINT to BIGINT.
    pub fn is_integer(&self) -> bool {
        matches!(self, TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt)
    }

    /// FLOAT, DOUBLE.
    pub fn is_approximate(&self) -> bool {
        matches!(self, TypeKind::Float | TypeKind::Double)
    }

    /// Any number.
    pub fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_approximate() || matches!(self, TypeKind::Decimal { .. })
    }

    /// CHAR, VARCHAR.
    pub fn is_text(&self) -> bool {
        matches!(self, TypeKind::Char(_) | TypeKind::Varchar(_))
    }

    /// BINARY, VARBINARY.
    pub fn is_bytes(&self) -> bool {
        matches!(self, TypeKind::Binary(_) | TypeKind::Varbinary(_))
    }

    /// TIMESTAMP, TIMESTAMP_LTZ.
    pub fn is_timestamp(&self) -> bool {
        matches!(self, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_))
    }

    /// DATE, TIME and the timestamps.
    pub fn is_datetime(&self) -> bool {
        self.is_timestamp() || matches!(self, TypeKind::Date | TypeKind::Time(_))
    }

    /// The intervals.
    pub fn is_interval(&self) -> bool {
        matches!(self, TypeKind::IntervalMonth | TypeKind::IntervalDay)
    }

    /// Precision and scale as a DECIMAL; integers count as DECIMAL(3/5/10/19, 0).
    pub fn as_decimal(&self) -> Option<(u8, u8)> {
        match self {
            TypeKind::TinyInt => Some((3, 0)),
            TypeKind::SmallInt => Some((5, 0)),
            TypeKind::Int => Some((10, 0)),
            TypeKind::BigInt => Some((19, 0)),
            TypeKind::Decimal { precision, scale } => Some((*precision, *scale)),
            _ => None,
        }
    }
}

impl DataType {
    /// `STRING`.
    pub fn string() -> Self {
        TypeKind::Varchar(LENGTH_MAX).nullable()
    }

    /// `BYTES`.
    pub fn bytes() -> Self {
        TypeKind::Varbinary(LENGTH_MAX).nullable()
    }

    /// A nullable DECIMAL.
    pub fn decimal(precision: u8, scale: u8) -> Self {
        TypeKind::Decimal { precision, scale }.nullable()
    }

    /// The same type with this nullability.
    pub fn with_nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// Whether both are the same but for nullability at the top.
    pub fn same_kind(&self, other: &DataType) -> bool {
        self.kind == other.kind
    }
}

impl fmt::Display for TypeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeKind::Null => f.write_str("NULL"),
            TypeKind::Char(n) => write!(f, "CHAR({n})"),
            TypeKind::Varchar(LENGTH_MAX) => f.write_str("STRING"),
            TypeKind::Varchar(n) => write!(f, "VARCHAR({n})"),
            TypeKind::Binary(n) => write!(f, "BINARY({n})"),
            TypeKind::Varbinary(LENGTH_MAX) => f.write_str("BYTES"),
            TypeKind::Varbinary(n) => write!(f, "VARBINARY({n})"),
            TypeKind::Boolean => f.write_str("BOOLEAN"),
            TypeKind::TinyInt => f.write_str("TINYINT"),
            TypeKind::SmallInt => f.write_str("SMALLINT"),
            TypeKind::Int => f.write_str("INT"),
            TypeKind::BigInt => f.write_str("BIGINT"),
            TypeKind::Float => f.write_str("FLOAT"),
            TypeKind::Double => f.write_str("DOUBLE"),
            TypeKind::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            TypeKind::Date => f.write_str("DATE"),
            TypeKind::Time(p) => write!(f, "TIME({p})"),
            TypeKind::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            TypeKind::TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            TypeKind::IntervalMonth => f.write_str("INTERVAL MONTH"),
            TypeKind::IntervalDay => f.write_str("INTERVAL SECOND(3)"),
            TypeKind::Array(element) => write!(f, "ARRAY<{element}>"),
            TypeKind::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            TypeKind::Multiset(element) => write!(f, "MULTISET<{element}>"),
            TypeKind::Row(fields) => write_row(f, fields),
            TypeKind::Variant => f.write_str("VARIANT"),
            TypeKind::Bitmap => f.write_str("BITMAP"),
        }
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, fields: &[RowField]) -> fmt::Result {
    f.write_str("ROW<")?;
    for (i, field) in fields.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        write!(f, "{comma}`{}` {}", field.name.replace('`', "``"), field.data_type)?;
    }
    f.write_str(">")
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.nullable || self.kind == TypeKind::Null { "" } else { " NOT NULL" };
        write!(f, "{}{suffix}", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_flinks() {
        let row = TypeKind::Row(vec![
            RowField { name: "a".into(), data_type: TypeKind::Int.not_null() },
            RowField {
                name: "b".into(),
                data_type: TypeKind::Array(Box::new(DataType::string())).nullable(),
            },
        ]);
        assert_eq!(row.not_null().to_string(), "ROW<`a` INT NOT NULL, `b` ARRAY<STRING>> NOT NULL");
        assert_eq!(DataType::decimal(10, 2).to_string(), "DECIMAL(10, 2)");
    }
}
