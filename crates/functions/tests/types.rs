//! Which types stand together and for each other.

use tidemill_functions::{can_implicitly_cast, common_type};
use tidemill_types::{DataType, TypeKind};

fn common(kinds: &[TypeKind]) -> Option<String> {
    let types: Vec<DataType> = kinds.iter().map(|kind| kind.clone().not_null()).collect();
    common_type(&types).map(|common| common.kind.to_string())
}

#[test]
fn common_types_are_calcites() {
    use TypeKind::*;
    let decimal = |precision, scale| Decimal { precision, scale };
    let table = [
        (vec![TinyInt, BigInt], "BIGINT"),
        (vec![decimal(10, 3), Int], "DECIMAL(13, 3)"),
        (vec![Float, Double], "FLOAT"),
        (vec![Float, BigInt], "FLOAT"),
        (vec![Float, decimal(3, 1)], "DOUBLE"),
        (vec![Char(1), Char(3)], "VARCHAR(3)"),
        (vec![Char(3), Char(3)], "CHAR(3)"),
        (vec![Null, Date], "DATE"),
        (vec![Timestamp(3), Timestamp(6)], "TIMESTAMP(6)"),
    ];
    for (kinds, wanted) in table {
        assert_eq!(common(&kinds).as_deref(), Some(wanted), "{kinds:?}");
    }
    assert_eq!(common(&[Date, Timestamp(3)]), None);
    assert_eq!(common(&[TimestampLtz(3), Date]), None);
    assert_eq!(common(&[Int, Char(1)]), None);
    assert_eq!(common(&[Int, Array(Box::new(Int.not_null()))]), None);
    assert_eq!(common_type(&[Null.nullable(), Int.not_null()]).map(|t| t.nullable), Some(true));
}

#[test]
fn inserts_widen_only() {
    use TypeKind::*;
    let decimal = |precision, scale| Decimal { precision, scale };
    let string = || DataType::string().kind;
    let allowed = [
        (Int, BigInt),
        (Int, Double),
        (BigInt, decimal(10, 2)),
        (decimal(23, 3), decimal(38, 3)),
        (string(), Varchar(3)),
        (Char(6), Char(3)),
        (Null, Int),
    ];
    let refused = [
        (BigInt, Int),
        (BigInt, string()),
        (string(), Int),
        (string(), Char(3)),
        (Double, Float),
        (Int, Boolean),
    ];
    for (from, to) in allowed {
        assert!(can_implicitly_cast(&from.clone().nullable(), &to.clone().nullable()), "{from} to {to}");
    }
    for (from, to) in refused {
        assert!(!can_implicitly_cast(&from.clone().nullable(), &to.clone().nullable()), "{from} to {to}");
    }
}
