//! Aggregates: row by row, merged from partial results, taken back and unmerged, all against a naive model;
//! and values that Flink 2.3 gave.

#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use proptest::prelude::*;
use std::sync::Arc;
use tidemill_functions::registry;
use tidemill_plan::{ArgumentInfo, BindCall, BoundAggregate, SessionInfo, UpdateBatch};
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::{Decimal128Type, Float64Type, Int32Type, Int64Type};
use tidemill_types::arrow::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array,
    StringViewArray,
};
use tidemill_types::bitmap::{self, RoaringBitmap, to_bytes};
use tidemill_types::{Cells, DataType, Result, RowKind, TypeKind};

const GROUPS: u32 = 3;

fn try_bind(
    name: &str,
    args: &[DataType],
    literals: &[Option<ArrayRef>],
    retract: bool,
) -> Result<BoundAggregate> {
    let args: Vec<ArgumentInfo<'_>> = args
        .iter()
        .enumerate()
        .map(|(i, data_type)| ArgumentInfo { data_type, literal: literals.get(i).and_then(Option::as_ref) })
        .collect();
    let session = SessionInfo { zone: chrono_tz::UTC, legacy_cast: false, batch: false };
    registry().aggregate(name).unwrap().bind(&BindCall { args: &args, session }, retract)
}

fn bind(name: &str, arg: &DataType, retract: bool) -> BoundAggregate {
    try_bind(name, std::slice::from_ref(arg), &[], retract).unwrap()
}

fn fresh(bound: &BoundAggregate) -> Vec<Cells> {
    let kinds = bound.accumulator.cells();
    kinds
        .into_iter()
        .map(|kind| {
            let mut cells = Cells::new(kind);
            cells.resize(GROUPS as usize);
            cells
        })
        .collect()
}

/// A row: its group, its value, whether it counts, whether it adds.
#[derive(Debug, Clone)]
struct Row {
    group: u32,
    value: Option<i32>,
    kept: bool,
    adds: bool,
}

/// The column of the values in a type.
fn column(data_type: &DataType, rows: &[Row]) -> ArrayRef {
    let values = rows.iter().map(|row| row.value);
    match data_type.kind {
        TypeKind::Int => Arc::new(values.collect::<Int32Array>()),
        TypeKind::Double => Arc::new(values.map(|value| value.map(f64::from)).collect::<Float64Array>()),
        TypeKind::Decimal { precision, scale } => {
            let column: Decimal128Array = values.map(|value| value.map(i128::from)).collect();
            Arc::new(column.with_precision_and_scale(precision, scale as i8).unwrap())
        }
        TypeKind::Bitmap => {
            let bytes = values.map(|value| value.map(|value| to_bytes(&mut set_of(value))));
            Arc::new(bytes.collect::<BinaryViewArray>())
        }
        _ => Arc::new(values.map(|value| value.map(|value| value.to_string())).collect::<StringViewArray>()),
    }
}

/// A small set that overlaps with those of other values.
fn set_of(value: i32) -> RoaringBitmap {
    [value as u32 % 4, value as u32 % 7, u32::MAX].into_iter().collect()
}

/// The text of the set that the values make together.
fn set_text(values: &[i32], with: impl Fn(RoaringBitmap, RoaringBitmap) -> RoaringBitmap) -> Option<String> {
    let set = values.iter().map(|value| set_of(*value)).reduce(with)?;
    Some(bitmap::set_text(&to_bytes(&mut set.clone())))
}

fn update(bound: &BoundAggregate, cells: &mut [Cells], data_type: &DataType, rows: &[Row]) {
    let slots: Vec<u32> = rows.iter().map(|row| row.group).collect();
    let kinds: Vec<RowKind> =
        rows.iter().map(|row| if row.adds { RowKind::UpdateAfter } else { RowKind::Delete }).collect();
    let kinds = rows.iter().any(|row| !row.adds).then_some(kinds.as_slice());
    let filter: BooleanArray = rows.iter().map(|row| Some(row.kept)).collect();
    let filter = rows.iter().any(|row| !row.kept).then_some(&filter);
    let args = [column(data_type, rows)];
    bound.accumulator.update(cells, &UpdateBatch { slots: &slots, args: &args, kinds, filter }).unwrap();
}

fn finish(bound: &BoundAggregate, cells: &[Cells]) -> ArrayRef {
    let slots: Vec<u32> = (0..GROUPS).collect();
    let result = bound.accumulator.finish(cells, &slots).unwrap();
    assert_eq!(result.data_type(), &tidemill_types::arrow_type::arrow_type(&bound.return_type));
    result
}

fn partial(cells: &[Cells]) -> Vec<ArrayRef> {
    let slots: Vec<u32> = (0..GROUPS).collect();
    cells.iter().map(|cells| cells.to_array(&slots)).collect()
}

/// What is left of each group's values in order of arrival, after rows were taken back.
fn left(rows: &[Row]) -> Vec<Vec<i32>> {
    let mut groups = vec![Vec::new(); GROUPS as usize];
    for row in rows.iter().filter(|row| row.kept) {
        let Some(value) = row.value else { continue };
        let group: &mut Vec<i32> = &mut groups[row.group as usize];
        if row.adds {
            group.push(value);
        } else if let Some(at) = group.iter().position(|held| *held == value) {
            group.remove(at);
        }
    }
    groups
}

fn expected(name: &str, values: &[i32]) -> Option<String> {
    let sum: i64 = values.iter().map(|value| i64::from(*value)).sum();
    let count = values.len() as i64;
    match name {
        "COUNT" => Some(count.to_string()),
        _ if values.is_empty() => None,
        "SUM" => Some((sum as i32).to_string()),
        "AVG" => Some(((sum / count) as i32).to_string()),
        "MIN" => values.iter().min().map(i32::to_string),
        "MAX" => values.iter().max().map(i32::to_string),
        "FIRST_VALUE" => values.first().map(i32::to_string),
        "LAST_VALUE" => values.last().map(i32::to_string),
        "BITMAP_BUILD_AGG" => {
            let mut set: RoaringBitmap = values.iter().map(|value| *value as u32).collect();
            Some(bitmap::set_text(&to_bytes(&mut set)))
        }
        "BITMAP_AND_AGG" => set_text(values, |a, b| a & b),
        "BITMAP_OR_AGG" => set_text(values, |a, b| a | b),
        "BITMAP_XOR_AGG" => set_text(values, |a, b| a ^ b),
        "BITMAP_OR_CARDINALITY_AGG" => {
            let set = values.iter().map(|value| set_of(*value)).reduce(|a, b| a | b)?;
            Some(set.len().to_string())
        }
        "LISTAGG" => Some(values.iter().map(i32::to_string).collect::<Vec<_>>().join(",")),
        other => unreachable!("{other} has no model"),
    }
}

fn shown(result: &ArrayRef) -> Vec<Option<String>> {
    (0..result.len())
        .map(|row| {
            result.is_valid(row).then(|| match result.data_type() {
                t if t.is_integer() => match result.as_primitive_opt::<Int32Type>() {
                    Some(ints) => ints.value(row).to_string(),
                    None => result.as_primitive::<Int64Type>().value(row).to_string(),
                },
                arrow_schema::DataType::BinaryView => bitmap::set_text(result.as_binary_view().value(row)),
                _ => result.as_string_view().value(row).into(),
            })
        })
        .collect()
}

fn model(name: &str, rows: &[Row]) -> Vec<Option<String>> {
    left(rows).iter().map(|values| expected(name, values)).collect()
}

/// The functions of the model with an argument type each.
fn functions() -> [(&'static str, DataType); 13] {
    let int = || TypeKind::Int.nullable();
    let bitmap = || TypeKind::Bitmap.nullable();
    [
        ("COUNT", int()),
        ("SUM", int()),
        ("AVG", int()),
        ("MIN", int()),
        ("MAX", int()),
        ("FIRST_VALUE", int()),
        ("LAST_VALUE", DataType::string()),
        ("LISTAGG", DataType::string()),
        ("BITMAP_BUILD_AGG", int()),
        ("BITMAP_AND_AGG", bitmap()),
        ("BITMAP_OR_AGG", bitmap()),
        ("BITMAP_XOR_AGG", bitmap()),
        ("BITMAP_OR_CARDINALITY_AGG", bitmap()),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop::option::weighted(0.8, prop_oneof![-3..4, any::<i32>()]);
    let row = (0..GROUPS, value, prop::bool::weighted(0.9)).prop_map(|(group, value, kept)| Row {
        group,
        value,
        kept,
        adds: true,
    });
    prop::collection::vec(row, 0..40)
}

/// Some rows are taken back later; only what was added before.
fn changelog() -> impl Strategy<Value = Vec<Row>> {
    (rows(), prop::collection::vec(any::<prop::sample::Index>(), 0..20)).prop_map(|(rows, back)| {
        let mut all = rows.clone();
        let mut open: Vec<Row> = rows;
        for index in back {
            if !open.is_empty() {
                let row = open.swap_remove(index.index(open.len()));
                all.push(Row { adds: false, ..row });
            }
        }
        all
    })
}

proptest! {
    #[test]
    fn updates_follow_the_model(rows in rows(), cut in any::<prop::sample::Index>(), retract in any::<bool>()) {
        for (name, data_type) in functions() {
            let bound = bind(name, &data_type, retract);
            let mut cells = fresh(&bound);
            let cut = cut.index(rows.len() + 1);
            update(&bound, &mut cells, &data_type, &rows[..cut]);
            update(&bound, &mut cells, &data_type, &rows[cut..]);
            prop_assert_eq!(shown(&finish(&bound, &cells)), model(name, &rows), "{}", name);
        }
    }

    #[test]
    fn rows_are_taken_back(rows in changelog()) {
        for (name, data_type) in functions() {
            let bound = bind(name, &data_type, true);
            prop_assert!(bound.accumulator.retracts());
            let mut cells = fresh(&bound);
            update(&bound, &mut cells, &data_type, &rows);
            prop_assert_eq!(shown(&finish(&bound, &cells)), model(name, &rows), "{}", name);
        }
    }

    #[test]
    fn partial_results_add_up_and_come_off_again(a in rows(), b in rows(), retract in any::<bool>()) {
        for (name, data_type) in functions() {
            let bound = bind(name, &data_type, retract);
            let slots: Vec<u32> = (0..GROUPS).collect();
            let (mut whole, mut first, mut second) = (fresh(&bound), fresh(&bound), fresh(&bound));
            update(&bound, &mut first, &data_type, &a);
            update(&bound, &mut second, &data_type, &b);
            bound.accumulator.merge(&mut whole, &slots, &partial(&first)).unwrap();
            bound.accumulator.merge(&mut whole, &slots, &partial(&second)).unwrap();
            let joined = [a.clone(), b.clone()].concat();
            prop_assert_eq!(shown(&finish(&bound, &whole)), model(name, &joined), "{}", name);
            if bound.accumulator.invertible() {
                bound.accumulator.unmerge(&mut whole, &slots, &partial(&first)).unwrap();
                prop_assert_eq!(format!("{whole:?}"), format!("{second:?}"), "{}", name);
            }
        }
    }

    #[test]
    fn variances_agree_however_they_are_computed(a in rows(), b in rows()) {
        let small = |rows: &[Row]| -> Vec<Row> {
            rows.iter().map(|row| Row { value: row.value.map(|v| v % 1_000), ..row.clone() }).collect()
        };
        let (a, b) = (small(&a), small(&b));
        let data_type = TypeKind::Double.nullable();
        let bound = bind("VAR_POP", &data_type, true);
        let slots: Vec<u32> = (0..GROUPS).collect();
        let (mut whole, mut second, mut back) = (fresh(&bound), fresh(&bound), fresh(&bound));
        update(&bound, &mut whole, &data_type, &a);
        update(&bound, &mut second, &data_type, &b);
        bound.accumulator.merge(&mut whole, &slots, &partial(&second)).unwrap();
        let joined = [a.clone(), b.clone()].concat();
        let taken: Vec<Row> = b.iter().map(|row| Row { adds: false, ..row.clone() }).collect();
        update(&bound, &mut back, &data_type, &joined);
        update(&bound, &mut back, &data_type, &taken);
        for (rows, cells) in [(&joined, &whole), (&a, &back)] {
            let result = finish(&bound, cells);
            for (group, values) in left(rows).iter().enumerate() {
                let count = values.len() as f64;
                let mean = values.iter().copied().map(f64::from).sum::<f64>() / count;
                let exact = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
                prop_assert_eq!(result.is_null(group), values.is_empty());
                let got = result.as_primitive::<Float64Type>().value(group);
                prop_assert!(values.is_empty() || (got - exact).abs() < 1e-6 * exact.max(1.0), "{got} {exact}");
            }
        }
    }
}

/// One group of these values.
fn one_group(values: &[Option<i32>]) -> Vec<Row> {
    values.iter().map(|&value| Row { group: 0, value, kept: true, adds: true }).collect()
}

fn decimal(name: &str, values: &[Option<i32>]) -> (DataType, Option<i128>) {
    let data_type = DataType::decimal(8, 2);
    let bound = bind(name, &data_type, false);
    let mut cells = fresh(&bound);
    let result = if bound.arg_types[0].kind == TypeKind::Double {
        let rows = one_group(values);
        let args =
            [Arc::new(rows.iter().map(|r| r.value.map(|v| f64::from(v) / 100.0)).collect::<Float64Array>())
                as ArrayRef];
        let slots = vec![0; rows.len()];
        let batch = UpdateBatch { slots: &slots, args: &args, kinds: None, filter: None };
        bound.accumulator.update(&mut cells, &batch).unwrap();
        finish(&bound, &cells)
    } else {
        update(&bound, &mut cells, &data_type, &one_group(values));
        finish(&bound, &cells)
    };
    let value = result.is_valid(0).then(|| result.as_primitive::<Decimal128Type>().value(0));
    (bound.return_type, value)
}

#[test]
fn decimals_follow_flinks_types_and_rounding() {
    let thirds = [Some(33), None, Some(33), Some(34)];
    let (data_type, sum) = decimal("SUM", &thirds);
    assert_eq!((data_type.to_string().as_str(), sum), ("DECIMAL(38, 2)", Some(100)));
    let (data_type, average) = decimal("AVG", &thirds);
    assert_eq!((data_type.to_string().as_str(), average), ("DECIMAL(38, 6)", Some(333_333)));
    assert_eq!(decimal("AVG", &[Some(1_000), Some(2_050), Some(-325)]).1, Some(9_083_333));
    assert_eq!(decimal("AVG", &[Some(-1), Some(-1), Some(-3)]).1, Some(-16_667));
    let (data_type, deviation) = decimal("STDDEV_POP", &thirds);
    assert_eq!((data_type.to_string().as_str(), deviation), ("DECIMAL(38, 6)", Some(4_714)));
    assert_eq!(decimal("VAR_POP", &[Some(1_000), Some(2_050), Some(-325)]).1, Some(94_430_556));
    // The DOUBLE's own digits, no finer ones.
    let spread = decimal("VAR_POP", &[Some(i32::MAX), Some(500)]).1;
    assert_eq!(spread, Some(115_292_096_666_225_580_000));
    assert_eq!(decimal("SUM", &[None]).1, None);
}

#[test]
fn types_are_flinks() {
    for (name, arg, expected) in [
        ("COUNT", TypeKind::Int, "BIGINT NOT NULL"),
        ("SUM", TypeKind::Int, "INT"),
        ("AVG", TypeKind::BigInt, "BIGINT"),
        ("VAR_SAMP", TypeKind::Int, "INT"),
        ("MAX", TypeKind::TimestampLtz(3), "TIMESTAMP_LTZ(3)"),
        ("COLLECT", TypeKind::Int, "MULTISET<INT> NOT NULL"),
        ("ARRAY_AGG", TypeKind::Int, "ARRAY<INT>"),
    ] {
        assert_eq!(bind(name, &arg.nullable(), false).return_type.to_string(), expected, "{name}");
    }
    assert!(try_bind("SUM", &[DataType::string()], &[], false).is_err());
    assert!(try_bind("LISTAGG", &[DataType::string(), DataType::string()], &[], false).is_err());
}

#[test]
fn collections_keep_what_flink_keeps() {
    let data_type = TypeKind::Int.nullable();
    let values = one_group(&[Some(1), Some(2), None, Some(2)]);
    let bound = bind("ARRAY_AGG", &data_type, true);
    let mut cells = fresh(&bound);
    update(&bound, &mut cells, &data_type, &values);
    let result = finish(&bound, &cells);
    let list: Vec<_> = result.as_list::<i32>().value(0).as_primitive::<Int32Type>().iter().collect();
    assert_eq!(list, [Some(1), Some(2), None, Some(2)]);
    assert!(result.is_null(1));

    let bound = bind("COLLECT", &data_type, true);
    let mut cells = fresh(&bound);
    update(&bound, &mut cells, &data_type, &values);
    let result = finish(&bound, &cells);
    let map = result.as_map();
    assert_eq!(tidemill_types::map::map_keys(map).as_primitive::<Int32Type>().values(), &[1, 2]);
    assert_eq!(map.values().as_primitive::<Int32Type>().values(), &[1, 2]);
    assert!(result.is_valid(1));
}

#[test]
fn extremes_of_fine_timestamps_reach_all_years() {
    let data_type = TypeKind::Timestamp(9).nullable();
    let layout = tidemill_types::arrow_type::arrow_type(&data_type);
    let (first, last) = (-62_135_596_800_000_000_001i128, 253_402_300_799_999_999_999i128);
    let values: Decimal128Array = [Some(0), Some(last), Some(first), None].into_iter().collect();
    let args: [ArrayRef; 1] = [Arc::new(values.with_data_type(layout))];
    for (name, expected) in [("MAX", last), ("MIN", first)] {
        for retract in [false, true] {
            let bound = bind(name, &data_type, retract);
            let mut cells = fresh(&bound);
            let batch = UpdateBatch { slots: &[0, 0, 0, 1], args: &args, kinds: None, filter: None };
            bound.accumulator.update(&mut cells, &batch).unwrap();
            let result = finish(&bound, &cells);
            assert_eq!(result.as_primitive::<Decimal128Type>().value(0), expected, "{name}");
            assert!(result.is_null(1), "{name}");
        }
    }
}

#[test]
fn a_separator_is_a_literal() {
    let separator: ArrayRef = Arc::new(StringViewArray::from(vec!["|"]));
    let types = [DataType::string(), DataType::string()];
    let bound = try_bind("LISTAGG", &types, &[None, Some(separator.clone())], false).unwrap();
    let mut cells = fresh(&bound);
    let args: [ArrayRef; 2] = [Arc::new(StringViewArray::from(vec![Some("p"), None, Some("")])), separator];
    let batch = UpdateBatch { slots: &[0, 0, 0], args: &args, kinds: None, filter: None };
    bound.accumulator.update(&mut cells, &batch).unwrap();
    assert_eq!(shown(&finish(&bound, &cells)), [Some("p|".into()), None, None]);
}

#[test]
fn percentiles_are_interpolated() {
    let double = TypeKind::Double.nullable();
    for (values, fraction, frequency, expected) in [
        (vec![0.1, 0.2, 0.3], 0.25, None, 0.150_000_000_000_000_02),
        (vec![5.0, 5.0, 6.0], 0.9, None, 5.8),
        (vec![5.0, 5.0, 6.0], 0.5, Some(vec![2, 5, 9]), 6.0),
    ] {
        let mut types = vec![double.clone(), double.clone()];
        types.extend(frequency.as_ref().map(|_| TypeKind::BigInt.nullable()));
        let bound = try_bind("PERCENTILE", &types, &[], false).unwrap();
        let mut cells = fresh(&bound);
        let rows = values.len();
        let mut args: Vec<ArrayRef> =
            vec![Arc::new(Float64Array::from(values)), Arc::new(Float64Array::from(vec![fraction; rows]))];
        args.extend(frequency.map(|frequency| Arc::new(Int64Array::from(frequency)) as ArrayRef));
        let batch = UpdateBatch { slots: &vec![0; rows], args: &args, kinds: None, filter: None };
        bound.accumulator.update(&mut cells, &batch).unwrap();
        let result = finish(&bound, &cells);
        assert_eq!(result.as_primitive::<Float64Type>().value(0), expected);
        assert!(result.is_null(1));
    }
}

#[test]
fn counting_rows_needs_no_argument() {
    let bound = try_bind("COUNT", &[], &[], true).unwrap();
    let mut cells = fresh(&bound);
    let kinds = [RowKind::Insert, RowKind::Insert, RowKind::UpdateBefore, RowKind::Delete];
    let batch = UpdateBatch { slots: &[0, 1, 1, 2], args: &[], kinds: Some(&kinds), filter: None };
    bound.accumulator.update(&mut cells, &batch).unwrap();
    assert_eq!(finish(&bound, &cells).as_primitive::<Int64Type>().values(), &[1, 0, -1]);
}

/// The JSON document of the first group after these rows: key, value, kind.
fn json(name: &str, keep_nulls: bool, rows: &[(&str, Option<i32>, RowKind)]) -> Result<String> {
    let keep: ArrayRef = Arc::new(BooleanArray::from(vec![keep_nulls]));
    let keys: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.0)).collect::<StringViewArray>());
    let values: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<Int32Array>());
    let (mut types, mut args) = (vec![TypeKind::Int.nullable()], vec![values]);
    if name == "JSON_OBJECTAGG" {
        types.insert(0, DataType::string());
        args.insert(0, keys);
    }
    types.push(TypeKind::Boolean.not_null());
    args.push(Arc::new(BooleanArray::from(vec![keep_nulls; rows.len()])));
    let mut literals = vec![None; types.len() - 1];
    literals.push(Some(keep));
    let bound = try_bind(name, &types, &literals, true)?;
    let mut cells = fresh(&bound);
    let kinds: Vec<RowKind> = rows.iter().map(|row| row.2).collect();
    let batch = UpdateBatch { slots: &vec![0; rows.len()], args: &args, kinds: Some(&kinds), filter: None };
    bound.accumulator.update(&mut cells, &batch)?;
    Ok(finish(&bound, &cells).as_string_view().value(0).to_string())
}

#[test]
fn json_documents_take_rows_back() {
    let (add, take) = (RowKind::Insert, RowKind::Delete);
    let rows = [("b", Some(1), add), ("a", None, add), ("c", Some(1), add), ("b", Some(1), take)];
    assert_eq!(json("JSON_ARRAYAGG", false, &rows).unwrap(), "[1]");
    assert_eq!(json("JSON_ARRAYAGG", true, &rows).unwrap(), "[null,1]");
    assert_eq!(json("JSON_OBJECTAGG", true, &rows).unwrap(), "{\"a\":null,\"c\":1}");
    assert_eq!(json("JSON_OBJECTAGG", false, &rows).unwrap(), "{\"c\":1}");
    let twice = [("k", Some(1), add), ("k", Some(2), add)];
    assert!(json("JSON_OBJECTAGG", true, &twice).unwrap_err().to_string().contains("'k' is already present"));
    let replaced = [("k", Some(1), add), ("k", Some(1), take), ("k", Some(2), add)];
    assert_eq!(json("JSON_OBJECTAGG", true, &replaced).unwrap(), "{\"k\":2}");
}

#[test]
fn a_single_value_is_single() {
    let data_type = TypeKind::Int.nullable();
    let bound = bind("$SINGLE_VALUE", &data_type, true);
    let run = |values: &[i32], kinds: &[RowKind]| -> Result<Vec<Option<i32>>> {
        let mut cells = fresh(&bound);
        let args: [ArrayRef; 1] = [Arc::new(Int32Array::from(values.to_vec()))];
        let batch =
            UpdateBatch { slots: &vec![0; values.len()], args: &args, kinds: Some(kinds), filter: None };
        bound.accumulator.update(&mut cells, &batch)?;
        let values: Vec<Option<i32>> = finish(&bound, &cells).as_primitive::<Int32Type>().iter().collect();
        Ok(values)
    };
    assert_eq!(run(&[7], &[RowKind::Insert]).unwrap(), [Some(7), None, None]);
    let updated = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter];
    assert_eq!(run(&[7, 7, 8], &updated).unwrap()[0], Some(8));
    assert!(run(&[7, 7], &[RowKind::Insert, RowKind::Insert]).is_err());
}
