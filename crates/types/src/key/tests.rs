//! The format byte by byte, and its promises on random values.

use super::*;
use crate::arrow_type::arrow_type;
use crate::{RowField, TypeKind};
use arrow_array::types::Int32Type;
use arrow_array::{
    BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, ListArray, StringViewArray, StructArray, TimestampMillisecondArray,
};
use proptest::prelude::*;
use std::sync::Arc;

fn keys(columns: &[ArrayRef]) -> Vec<Vec<u8>> {
    let columns: Vec<Column<'_>> = columns.iter().map(|column| Column::of(column.as_ref())).collect();
    let mut out = EncodedKeys::default();
    let rows = 2;
    encode::encode(&columns, rows, &mut out);
    out.iter().map(<[u8]>::to_vec).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The second row of each column is NULL.
fn samples() -> Vec<(ArrayRef, &'static str)> {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let row = StructArray::from(vec![(
        Arc::new(arrow_schema::Field::new("a", arrow_schema::DataType::Int8, true)),
        Arc::new(Int8Array::from(vec![Some(-1), None])) as ArrayRef,
    )]);
    vec![
        (Arc::new(BooleanArray::from(vec![Some(true), None])), "0101"),
        (Arc::new(Int8Array::from(vec![Some(-128), None])), "0100"),
        (Arc::new(Int16Array::from(vec![Some(1), None])), "018001"),
        (Arc::new(Int32Array::from(vec![Some(-2), None])), "017ffffffe"),
        (Arc::new(Int64Array::from(vec![Some(258), None])), "018000000000000102"),
        (Arc::new(Date32Array::from(vec![Some(19_782), None])), "0180004d46"),
        (Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None])), "017fffffffffffffff"),
        (Arc::new(Float32Array::from(vec![Some(-1.5), None])), "01403fffff"),
        (Arc::new(Float64Array::from(vec![Some(-0.0), None])), "018000000000000000"),
        (Arc::new(Float64Array::from(vec![Some(-f64::NAN), None])), "01fff8000000000000"),
        (Arc::new(Decimal128Array::from(vec![Some(-1), None])), "017fffffffffffffffffffffffffffffff"),
        (Arc::new(StringViewArray::from(vec![Some("ab"), None])), "0161620000"),
        (Arc::new(StringViewArray::from(vec![Some("a\0"), None])), "016100ff0000"),
        (
            Arc::new(StringViewArray::from(vec![Some("longer than 12"), None])),
            "016c6f6e676572207468616e2031320000",
        ),
        (Arc::new(list), "01010180000001010000"),
        (Arc::new(row), "01017f"),
    ]
}

#[test]
fn the_format_does_not_change() {
    assert_eq!(KEY_FORMAT_VERSION, 1);
    for (column, expected) in samples() {
        let keys = keys(std::slice::from_ref(&column));
        assert_eq!(hex(&keys[0]), expected, "{column:?}");
        if !matches!(column.data_type(), arrow_schema::DataType::Struct(_)) {
            assert_eq!(hex(&keys[1]), "00", "{column:?}");
        }
    }
    assert_eq!(hash(b""), 0x2D06_8005_38D3_94C2);
    assert_eq!(hash(b"tidemill"), xxhash_rust::xxh3::xxh3_64(b"tidemill"));
}

#[test]
fn maps_are_equal_in_any_order() {
    let texts: ArrayRef =
        Arc::new(StringViewArray::from(vec![Some("a"), None, Some("b"), Some("b"), Some("a"), None]));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 3, 1, 2]));
    let types = (&DataType::string(), &TypeKind::Int.nullable());
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([3, 3]);
    let column: ArrayRef = Arc::new(crate::map::map_array(types, offsets, (texts, numbers), None));
    let keys = keys(std::slice::from_ref(&column));
    assert_eq!(keys[0], keys[1]);
    let kind = TypeKind::Map(Box::new(DataType::string()), Box::new(TypeKind::Int.nullable()));
    let back = decode(&[kind.clone().nullable()], [keys[0].as_slice()]);
    assert_eq!(back[0].data_type(), &arrow_type(&kind.nullable()));
    // Entries come back in the order of their bytes, so NULL first.
    let back = crate::map::map_entries(arrow_array::cast::AsArray::as_map(back[0].as_ref()), 0).0;
    let expected = StringViewArray::from(vec![None, Some("a"), Some("b")]);
    assert_eq!(back.as_ref(), &expected as &dyn Array);
}

#[test]
fn key_groups_cover_the_range() {
    let mut seen = [false; KEY_GROUPS as usize];
    (0..10_000u64).for_each(|i| seen[key_group(hash(&i.to_le_bytes()), KEY_GROUPS) as usize] = true);
    assert!(seen.iter().all(|seen| *seen));
    assert_eq!(key_group(u64::MAX, 3), 2);
}

/// A row of (STRING, BIGINT, DOUBLE, ARRAY<INT>).
type Row = (Option<String>, Option<i64>, Option<f64>, Option<Vec<Option<i32>>>);

fn row() -> impl Strategy<Value = Row> {
    let text = prop_oneof!["[\0-b]{0,3}", "[a\0]{10,14}", "\\PC{0,20}"];
    let double = prop_oneof![any::<f64>(), Just(0.0), Just(-0.0), Just(f64::NAN), Just(f64::INFINITY)];
    let list = prop::collection::vec(prop::option::of(-2..3), 0..4);
    (
        prop::option::of(text),
        prop::option::of(prop_oneof![any::<i64>(), -2i64..3]),
        prop::option::of(double),
        prop::option::of(list),
    )
}

fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    vec![
        Arc::new(rows.iter().map(|row| row.0.clone()).collect::<StringViewArray>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows.iter().map(|row| row.3.clone()))),
    ]
}

fn types() -> Vec<DataType> {
    let list = TypeKind::Array(Box::new(TypeKind::Int.nullable()));
    vec![DataType::string(), TypeKind::BigInt.nullable(), TypeKind::Double.nullable(), list.nullable()]
}

/// Java's order of doubles with one zero and one NaN.
fn ordinal(value: f64) -> (bool, f64) {
    (value.is_nan(), if value.is_nan() { 0.0 } else { value + 0.0 })
}

proptest! {
    #[test]
    fn byte_order_is_value_order(a in row(), b in row()) {
        let mut encoder = KeyEncoder::new(types());
        let mut out = EncodedKeys::default();
        encoder.encode(&columns(&[a.clone(), b.clone()]), 2, &mut out);
        let sortable = |row: &Row| (
            row.0.clone().map(String::into_bytes), row.1, row.2.map(ordinal), row.3.clone(),
        );
        prop_assert_eq!(
            Some(out.key(0).cmp(out.key(1))),
            sortable(&a).partial_cmp(&sortable(&b)),
        );
    }

    #[test]
    fn decoding_gives_the_values_back(rows in prop::collection::vec(row(), 0..20), skip in 0usize..3) {
        let rows: Vec<Row> = rows
            .into_iter()
            .map(|(a, b, c, d)| (a, b, c.map(|c| if c.is_nan() { f64::NAN } else { c + 0.0 }), d))
            .collect();
        // Slices have offsets of their own.
        let skip = skip.min(rows.len());
        let columns: Vec<ArrayRef> =
            columns(&rows).iter().map(|column| column.slice(skip, rows.len() - skip)).collect();
        let mut out = EncodedKeys::default();
        KeyEncoder::new(types()).encode(&columns, rows.len() - skip, &mut out);
        prop_assert_eq!(out.len(), rows.len() - skip);
        let back = decode(&types(), out.iter());
        for (back, column) in back.iter().zip(&columns) {
            prop_assert_eq!(format!("{back:?}").replace("element", "item"), format!("{column:?}").replace("element", "item"));
        }
    }
}

#[test]
fn rows_round_trip_with_their_nulls() {
    let field = |name: &str, data_type: DataType| RowField { name: name.into(), data_type };
    let fields = vec![field("a", TypeKind::Int.nullable()), field("b", DataType::string())];
    let data_type = TypeKind::Row(fields).nullable();
    let keys: [&[u8]; 3] = [&[0], &[1, 0, 0], &[1, 1, 0x80, 0, 0, 7, 1, b'x', 0, 0]];
    let column = decode(std::slice::from_ref(&data_type), keys).remove(0);
    assert_eq!(column.data_type(), &arrow_type(&data_type));
    assert!(column.is_null(0) && column.is_valid(1));
    let mut out = EncodedKeys::default();
    KeyEncoder::encode_one(&column, &mut out);
    assert_eq!(out.iter().collect::<Vec<_>>(), keys);
}

#[test]
fn no_columns_give_empty_keys() {
    let mut out = EncodedKeys::default();
    KeyEncoder::new([]).encode(&[], 3, &mut out);
    assert_eq!((out.len(), out.bytes.len(), out.key(2)), (3, 0, &b""[..]));
}
