//! Type names as written to data types: defaults of lengths and precisions, and their limits.

use super::{Bound, unsupported};
use crate::ast::{self, TimeUnit, TypeName};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_types::data_type::{DECIMAL_PRECISION_MAX, LENGTH_MAX};
use tidemill_types::{DataType, RowField, TypeKind};

/// The precision of TIMESTAMP without one.
const TIMESTAMP_PRECISION_DEFAULT: u32 = 6;

/// The data type a type name stands for.
pub(crate) fn data_type(name: &TypeName) -> Bound<DataType> {
    let nullable = name.nullable.unwrap_or(true);
    Ok(DataType { kind: kind(&name.kind, name.span)?, nullable })
}

fn kind(kind: &ast::TypeKind, span: Span) -> Bound<TypeKind> {
    use ast::TypeKind as T;
    Ok(match kind {
        T::Char(n) => TypeKind::Char(length(n.unwrap_or(1), span)?),
        T::Varchar(n) => TypeKind::Varchar(length(n.unwrap_or(LENGTH_MAX), span)?),
        T::String => TypeKind::Varchar(LENGTH_MAX),
        T::Binary(n) => TypeKind::Binary(length(n.unwrap_or(1), span)?),
        T::Varbinary(n) => TypeKind::Varbinary(length(n.unwrap_or(LENGTH_MAX), span)?),
        T::Bytes => TypeKind::Varbinary(LENGTH_MAX),
        T::Boolean => TypeKind::Boolean,
        T::TinyInt => TypeKind::TinyInt,
        T::SmallInt => TypeKind::SmallInt,
        T::Int => TypeKind::Int,
        T::BigInt => TypeKind::BigInt,
        T::Float => TypeKind::Float,
        T::Double => TypeKind::Double,
        T::Decimal(precision, scale) => decimal(precision.unwrap_or(10), scale.unwrap_or(0), span)?,
        T::Date => TypeKind::Date,
        T::Time(p) => TypeKind::Time(fraction(p.unwrap_or(0), "TIME", span)?),
        T::Timestamp(p) => {
            TypeKind::Timestamp(fraction(p.unwrap_or(TIMESTAMP_PRECISION_DEFAULT), "TIMESTAMP", span)?)
        }
        T::TimestampLtz(p) => {
            TypeKind::TimestampLtz(fraction(p.unwrap_or(TIMESTAMP_PRECISION_DEFAULT), "TIMESTAMP_LTZ", span)?)
        }
        T::TimestampTz(_) => {
            return Err(Diagnostic::new(span, "TIMESTAMP WITH TIME ZONE is not supported")
                .with_hint("use TIMESTAMP_LTZ, an instant that is shown in the session time zone"));
        }
        T::Interval(qualifier) => interval(qualifier.start),
        T::Array(element) => TypeKind::Array(Box::new(data_type(element)?)),
        T::Multiset(element) => TypeKind::Multiset(Box::new(data_type(element)?)),
        T::Map(key, value) => TypeKind::Map(Box::new(data_type(key)?), Box::new(data_type(value)?)),
        T::Row(fields) => TypeKind::Row(row_fields(fields)?),
        T::Null => TypeKind::Null,
        T::Variant => TypeKind::Variant,
        T::Bitmap => TypeKind::Bitmap,
        T::Raw(..) => return Err(unsupported(span, "the type RAW")),
        T::Structured(..) => return Err(unsupported(span, "the type STRUCTURED")),
        T::Descriptor => return Err(Diagnostic::new(span, "DESCRIPTOR is no type of a column")),
        T::Named(name) => {
            return Err(Diagnostic::new(span, format!("there is no type '{}'", name.last().value)));
        }
    })
}

/// The interval type that literals with this leading unit have.
pub(crate) fn interval(start: TimeUnit) -> TypeKind {
    match start {
        TimeUnit::Year | TimeUnit::Month | TimeUnit::Quarter => TypeKind::IntervalMonth,
        _ => TypeKind::IntervalDay,
    }
}

fn row_fields(fields: &[ast::RowField]) -> Bound<Vec<RowField>> {
    fields
        .iter()
        .map(|field| Ok(RowField { name: field.name.value.clone(), data_type: data_type(&field.data_type)? }))
        .collect()
}

fn length(n: u32, span: Span) -> Bound<u32> {
    match n {
        1..=LENGTH_MAX => Ok(n),
        _ => Err(Diagnostic::new(span, format!("a length lies between 1 and {LENGTH_MAX}, not at {n}"))),
    }
}

fn decimal(precision: u32, scale: u32, span: Span) -> Bound<TypeKind> {
    if !(1..=u32::from(DECIMAL_PRECISION_MAX)).contains(&precision) {
        let message = format!(
            "the precision of DECIMAL lies between 1 and {DECIMAL_PRECISION_MAX}, not at {precision}"
        );
        return Err(Diagnostic::new(span, message));
    }
    if scale > precision {
        let message =
            format!("the scale of DECIMAL lies between 0 and its precision {precision}, not at {scale}");
        return Err(Diagnostic::new(span, message));
    }
    Ok(TypeKind::Decimal { precision: precision as u8, scale: scale as u8 })
}

fn fraction(precision: u32, name: &str, span: Span) -> Bound<u8> {
    match precision {
        0..=9 => Ok(precision as u8),
        _ => Err(Diagnostic::new(
            span,
            format!("the precision of {name} lies between 0 and 9, not at {precision}"),
        )),
    }
}
