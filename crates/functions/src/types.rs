//! Which types can stand together and which may stand for each other.
//!
//! Source of the rules: Calcite's `leastRestrictive` with Flink's type system, and Flink's
//! `LogicalTypeCasts.supportsImplicitCast`, checked against Flink 2.3.

use tidemill_types::data_type::DECIMAL_PRECISION_MAX;
use tidemill_types::{DataType, RowField, TypeKind};

/// The least type that values of all of `types` can take.
pub fn common_type(types: &[DataType]) -> Option<DataType> {
    let nullable = types.iter().any(|t| t.nullable || t.kind == TypeKind::Null);
    let mut kinds = types.iter().map(|t| &t.kind).filter(|kind| **kind != TypeKind::Null);
    let Some(first) = kinds.next() else {
        return types.first().map(|_| TypeKind::Null.nullable());
    };
    let kind = kinds.try_fold(first.clone(), |common, kind| common_kind(&common, kind))?;
    Some(DataType { kind, nullable })
}

fn common_kind(a: &TypeKind, b: &TypeKind) -> Option<TypeKind> {
    use TypeKind::*;
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (Null, other) | (other, Null) => Some(other.clone()),
        _ if a.is_numeric() && b.is_numeric() => Some(common_number(a, b)),
        (Char(n) | Varchar(n), Char(m) | Varchar(m)) => Some(Varchar(*n.max(m))),
        (Binary(n) | Varbinary(n), Binary(m) | Varbinary(m)) => Some(Varbinary(*n.max(m))),
        (Time(p), Time(q)) => Some(Time(*p.max(q))),
        (Timestamp(p), Timestamp(q)) => Some(Timestamp(*p.max(q))),
        (TimestampLtz(p), TimestampLtz(q) | Timestamp(q)) | (Timestamp(p), TimestampLtz(q)) => {
            Some(TimestampLtz(*p.max(q)))
        }
        (Array(x), Array(y)) => Some(Array(common_box(x, y)?)),
        (Multiset(x), Multiset(y)) => Some(Multiset(common_box(x, y)?)),
        (Map(k, v), Map(l, w)) => Some(Map(common_box(k, l)?, common_box(v, w)?)),
        (Row(x), Row(y)) if x.len() == y.len() => {
            let fields = x.iter().zip(y).map(|(x, y)| {
                let data_type = common_type(&[x.data_type.clone(), y.data_type.clone()])?;
                Some(RowField { name: x.name.clone(), data_type })
            });
            Some(Row(fields.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// The type of COALESCE, IFNULL, GREATEST and LEAST, which Flink finds by rules of its own: DOUBLE beats
/// FLOAT, an approximate number behind a DECIMAL beats it, and a date or a time beats a timestamp.
pub fn merged_type(types: &[DataType]) -> Option<DataType> {
    let nullable = types.iter().any(|t| t.nullable || t.kind == TypeKind::Null);
    let mut kinds = types.iter().map(|t| &t.kind).filter(|kind| **kind != TypeKind::Null);
    let Some(first) = kinds.next() else { return common_type(types) };
    let kind = kinds.try_fold(first.clone(), |merged, kind| merged_kind(&merged, kind))?;
    Some(DataType { kind, nullable })
}

fn merged_kind(a: &TypeKind, b: &TypeKind) -> Option<TypeKind> {
    use TypeKind::*;
    match (a, b) {
        (Float, Double) | (Double, Float) => Some(Double),
        (Decimal { .. }, Float | Double) => Some(b.clone()),
        (Date, Timestamp(_)) | (Timestamp(_), Date) => Some(Date),
        (Time(p), Timestamp(_)) | (Timestamp(_), Time(p)) => Some(Time(*p)),
        _ => common_kind(a, b),
    }
}

fn common_box(a: &DataType, b: &DataType) -> Option<Box<DataType>> {
    common_type(&[a.clone(), b.clone()]).map(Box::new)
}

/// Two different number types. FLOAT and DOUBLE have the same precision in Flink's type system, so the
/// first of them wins; an exact type with a fraction makes a DOUBLE of either.
pub fn common_number(a: &TypeKind, b: &TypeKind) -> TypeKind {
    let decimal = |kind: &TypeKind| matches!(kind, TypeKind::Decimal { .. });
    match (a.is_approximate(), b.is_approximate()) {
        (true, true) => a.clone(),
        (true, false) if decimal(b) => TypeKind::Double,
        (false, true) if decimal(a) => TypeKind::Double,
        (true, false) => a.clone(),
        (false, true) => b.clone(),
        (false, false) if decimal(a) || decimal(b) => {
            let (p1, s1) = a.as_decimal().expect("an exact number has a decimal form");
            let (p2, s2) = b.as_decimal().expect("an exact number has a decimal form");
            let whole = (p1 - s1).max(p2 - s2);
            let scale = s1.max(s2).min(DECIMAL_PRECISION_MAX - whole);
            let precision = whole + scale;
            TypeKind::Decimal { precision, scale }
        }
        (false, false) => if integer_rank(a) >= integer_rank(b) { a } else { b }.clone(),
    }
}

fn integer_rank(kind: &TypeKind) -> u8 {
    match kind {
        TypeKind::TinyInt => 1,
        TypeKind::SmallInt => 2,
        TypeKind::Int => 3,
        _ => 4,
    }
}

/// Whether an INSERT may put a value of `from` into a column of `to` without a CAST.
pub fn can_implicitly_cast(from: &DataType, to: &DataType) -> bool {
    use TypeKind::*;
    match (&from.kind, &to.kind) {
        (Null, _) => true,
        (a, b) if a == b => true,
        (Char(_), Char(_) | Varchar(_)) | (Varchar(_), Varchar(_)) => true,
        (Binary(_), Binary(_) | Varbinary(_)) | (Varbinary(_), Varbinary(_)) => true,
        (a, b) if a.is_integer() && b.is_integer() => integer_rank(a) <= integer_rank(b),
        (a, Decimal { .. }) => a.is_numeric(),
        (a, Float) => a.is_integer() || matches!(a, Decimal { .. }),
        (a, Double) => a.is_numeric(),
        (Time(_), Time(_)) | (Timestamp(_), Date | Time(_)) => true,
        (Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) => true,
        (Array(a), Array(b)) | (Multiset(a), Multiset(b)) => can_implicitly_cast(a, b),
        (Map(k, v), Map(l, w)) => can_implicitly_cast(k, l) && can_implicitly_cast(v, w),
        (Row(a), Row(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| can_implicitly_cast(&a.data_type, &b.data_type))
        }
        _ => false,
    }
}
