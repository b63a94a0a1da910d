//! Functions of dates and times against values that Flink 2.3 gave.

#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use std::sync::Arc;
use tidemill_functions::registry;
use tidemill_functions::time_text::parse_timestamp;
use tidemill_plan::{ArgumentInfo, BindCall, Datum, EvalContext, SessionInfo};
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::*;
use tidemill_types::arrow::{
    Array, ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, StringViewArray,
    TimestampMillisecondArray,
};
use tidemill_types::text::{DAY_MS, write_date, write_timestamp, write_wide_timestamp};
use tidemill_types::{DataType, Marks, Result, TypeKind};

/// An argument: its type, its column of one value, whether it is a literal.
type Arg = (DataType, ArrayRef, bool);

fn literal(text: &str) -> Arg {
    (DataType::string(), Arc::new(StringViewArray::from(vec![text])), true)
}

fn text(text: &str) -> Arg {
    (DataType::string(), Arc::new(StringViewArray::from(vec![text])), false)
}

fn null_text() -> Arg {
    (DataType::string(), Arc::new(StringViewArray::from(vec![None::<&str>])), false)
}

fn millis(text: &str) -> i64 {
    let (ms, nanos) = parse_timestamp(text).unwrap();
    ms + i64::from(nanos / 1_000_000)
}

fn ts(text: &str) -> Arg {
    (TypeKind::Timestamp(3).nullable(), Arc::new(TimestampMillisecondArray::from(vec![millis(text)])), false)
}

/// A TIMESTAMP(9).
fn fine(text: &str) -> Arg {
    let (ms, nanos) = parse_timestamp(text).unwrap();
    let data_type = TypeKind::Timestamp(9).nullable();
    let column = Decimal128Array::from(vec![i128::from(ms) * 1_000_000 + i128::from(nanos)]);
    let column = column.with_data_type(tidemill_types::arrow_type::arrow_type(&data_type));
    (data_type, Arc::new(column), false)
}

/// An instant by its text in UTC.
fn ltz(text: &str) -> Arg {
    let column = TimestampMillisecondArray::from(vec![millis(text)]).with_timezone("UTC");
    (TypeKind::TimestampLtz(3).nullable(), Arc::new(column), false)
}

fn date(text: &str) -> Arg {
    let days = (millis(text) / DAY_MS) as i32;
    (TypeKind::Date.nullable(), Arc::new(Date32Array::from(vec![days])), false)
}

fn bigint(value: i64) -> Arg {
    (TypeKind::BigInt.nullable(), Arc::new(Int64Array::from(vec![value])), false)
}

fn int_literal(value: i32) -> Arg {
    (TypeKind::Int.not_null(), Arc::new(Int32Array::from(vec![value])), true)
}

fn run(zone: &str, name: &str, args: &[Arg]) -> Result<(DataType, ArrayRef)> {
    let infos: Vec<ArgumentInfo<'_>> = args
        .iter()
        .map(|(data_type, column, literal)| ArgumentInfo { data_type, literal: literal.then_some(column) })
        .collect();
    let session = SessionInfo { zone: zone.parse().unwrap(), legacy_cast: false, batch: false };
    let registry = registry();
    let function = registry.scalar(name).unwrap_or_else(|| panic!("{name} is registered"));
    let bound = function.bind(&BindCall { args: &infos, session })?;
    let data: Vec<Datum> = args
        .iter()
        .map(|(_, column, literal)| match literal {
            true => Datum::Scalar(column.clone()),
            false => Datum::Array(column.clone()),
        })
        .collect();
    let ctx = EvalContext::constant(1_709_210_096_789);
    let result = bound.kernel.eval(&data, &ctx)?.into_array(1);
    assert_eq!(result.data_type(), &tidemill_types::arrow_type::arrow_type(&bound.return_type));
    Ok((bound.return_type, result))
}

fn show(data_type: &DataType, column: &ArrayRef) -> String {
    if column.is_null(0) {
        return "NULL".into();
    }
    let mut out = Vec::new();
    match &data_type.kind {
        TypeKind::BigInt => return column.as_primitive::<Int64Type>().value(0).to_string(),
        TypeKind::Int => return column.as_primitive::<Int32Type>().value(0).to_string(),
        TypeKind::Boolean => return column.as_boolean().value(0).to_string(),
        TypeKind::Date => write_date(&mut out, column.as_primitive::<Date32Type>().value(0).into()),
        TypeKind::Timestamp(3) | TypeKind::TimestampLtz(3) => {
            let value = column.as_primitive::<TimestampMillisecondType>().value(0);
            write_timestamp(&mut out, value, 3, b' ');
        }
        TypeKind::Timestamp(9) => {
            let nanos = column.as_primitive::<Decimal128Type>().value(0);
            write_wide_timestamp(&mut out, nanos, 9, b' ');
        }
        _ => return column.as_string_view().value(0).into(),
    }
    String::from_utf8(out).unwrap().trim_end_matches(".000").into()
}

#[track_caller]
fn check_in(zone: &str, name: &str, args: &[Arg], expected: &str) {
    let (data_type, column) = run(zone, name, args).unwrap();
    assert_eq!(show(&data_type, &column), expected, "{name}");
}

#[track_caller]
fn check(name: &str, args: &[Arg], expected: &str) {
    check_in("UTC", name, args, expected);
}

const LEAP: &str = "2024-02-29 12:34:56.789";

#[test]
fn fields() {
    for (unit, expected) in [
        ("YEAR", "2024"),
        ("QUARTER", "1"),
        ("MONTH", "2"),
        ("WEEK", "9"),
        ("DAY", "29"),
        ("DOY", "60"),
        ("DOW", "5"),
        ("HOUR", "12"),
        ("MINUTE", "34"),
        ("SECOND", "56"),
        ("ISODOW", "4"),
        ("ISOYEAR", "2024"),
        ("MILLISECOND", "789"),
        ("CENTURY", "21"),
        ("DECADE", "202"),
        ("MILLENNIUM", "3"),
        ("EPOCH", "1709210096"),
    ] {
        check("EXTRACT", &[literal(unit), ts(LEAP)], expected);
    }
    for (day, week, iso_year, dow) in [
        ("2000-01-01", "52", "1999", "7"),
        ("2021-01-03", "53", "2020", "1"),
        ("9999-12-31", "52", "9999", "6"),
    ] {
        check("WEEK", &[date(day)], week);
        check("EXTRACT", &[literal("ISOYEAR"), date(day)], iso_year);
        check("DAYOFWEEK", &[date(day)], dow);
    }
    check("DAYOFYEAR", &[date("2024-11-03")], "308");
    check("EXTRACT", &[literal("EPOCH"), date("2024-02-29")], "1709164800");
    check("EXTRACT", &[literal("EPOCH"), ts("1969-12-31 23:59:59.999")], "0");
    let fraction = "2024-02-29 12:34:56.789012345";
    check("EXTRACT", &[literal("MICROSECOND"), fine(fraction)], "789012");
    check("EXTRACT", &[literal("NANOSECOND"), fine(fraction)], "789012345");
}

#[test]
fn before_1970_flink_divides_toward_zero() {
    for (at, expected) in [
        (
            "1969-12-31 23:59:59.999",
            ["1970", "1", "0", "0", "0", "1970-01-01 00:00:00", "1969-12-31 00:00:00"],
        ),
        (
            "1900-03-01 00:00:00.500",
            ["1900", "2", "-23", "-59", "-59", "1900-01-01 00:00:00", "1900-03-01 00:00:00"],
        ),
    ] {
        for (unit, expected) in ["YEAR", "DAY", "HOUR", "MINUTE", "SECOND"].into_iter().zip(expected) {
            check("EXTRACT", &[literal(unit), ts(at)], expected);
        }
        for (unit, expected) in ["HOUR", "MINUTE"].into_iter().zip([expected[2], expected[3]]) {
            check("EXTRACT", &[literal(unit), ltz(at)], expected);
        }
        check("FLOOR_TO", &[ts(at), literal("YEAR")], expected[5]);
        check("FLOOR_TO", &[ts(at), literal("DAY")], expected[6]);
    }
}

#[test]
fn rounding() {
    for (unit, floor, ceil) in [
        ("YEAR", "2024-01-01 00:00:00", "2025-01-01 00:00:00"),
        ("QUARTER", "2024-01-01 00:00:00", "2024-04-01 00:00:00"),
        ("MONTH", "2024-02-01 00:00:00", "2024-03-01 00:00:00"),
        ("WEEK", "2024-02-25 00:00:00", "2024-03-03 00:00:00"),
        ("DAY", "2024-02-29 00:00:00", "2024-03-01 00:00:00"),
        ("HOUR", "2024-02-29 12:00:00", "2024-02-29 13:00:00"),
        ("MINUTE", "2024-02-29 12:34:00", "2024-02-29 12:35:00"),
        ("SECOND", "2024-02-29 12:34:56", "2024-02-29 12:34:57"),
        ("MILLISECOND", "2024-02-29 12:34:56.789", "2024-02-29 12:34:56.789"),
    ] {
        check("FLOOR_TO", &[ts(LEAP), literal(unit)], floor);
        check("CEIL_TO", &[ts(LEAP), literal(unit)], ceil);
    }
    check("CEIL_TO", &[ts("2023-12-31 23:00:00.001"), literal("WEEK")], "2023-12-31 00:00:00");
    check("CEIL_TO", &[ts("2000-01-01 00:00:00"), literal("YEAR")], "2000-01-01 00:00:00");
    for (at, unit, ceil) in [
        ("2023-04-01 00:00:00", "QUARTER", "2023-07-01 00:00:00"),
        ("2023-01-01 01:02:03", "QUARTER", "2023-01-01 00:00:00"),
        ("1990-01-01 00:00:00", "DECADE", "2000-01-01 00:00:00"),
    ] {
        check("CEIL_TO", &[ts(at), literal(unit)], ceil);
    }
    check("CEIL_TO", &[date("2024-02-29"), literal("DAY")], "2024-03-01");
    let fraction = "2024-02-29 12:34:56.789000001";
    check("CEIL_TO", &[fine(fraction), literal("MILLISECOND")], "2024-02-29 12:34:56.790000000");
    check("FLOOR_TO", &[date("2024-11-03"), literal("MONTH")], "2024-11-01");
    check("CEIL_TO", &[date("2024-11-03"), literal("MONTH")], "2024-12-01");
}

#[test]
fn instants_are_rounded_with_their_own_offset() {
    // Shown in UTC; New York's clock reads 23:00 of the day before, as in Flink.
    let zone = "America/New_York";
    check_in(zone, "FLOOR_TO", &[ltz("2024-03-10 07:00:00"), literal("DAY")], "2024-03-10 04:00:00");
    check_in(zone, "FLOOR_TO", &[ltz("2024-03-10 06:59:59.123"), literal("DAY")], "2024-03-10 05:00:00");
    check_in(zone, "FLOOR_TO", &[ltz("2024-11-03 06:30:00"), literal("HOUR")], "2024-11-03 06:00:00");
    check_in(zone, "HOUR", &[ltz("2024-03-10 07:00:00")], "3");
    check_in(
        zone,
        "DATE_FORMAT",
        &[ltz("1969-12-31 23:59:59.999"), literal("yyyy-MM-dd HH XXX z")],
        "1969-12-31 18 -05:00 EST",
    );
}

#[test]
fn differences_and_sums() {
    let base = "2024-01-31 12:00:00";
    for (to, expected) in [
        (LEAP, ["2507696", "41794", "696", "29", "4", "1", "0", "0"]),
        ("2024-11-03 05:30:00", ["23909400", "398490", "6641", "276", "39", "9", "3", "0"]),
        (
            "2000-01-01 00:00:00",
            ["-760017600", "-12666960", "-211116", "-8796", "-1256", "-288", "-96", "-24"],
        ),
        ("2023-12-31 23:00:00.001", ["-2638799", "-43979", "-732", "-30", "-4", "-1", "0", "0"]),
        ("2021-01-03 05:06:07.080", ["-97052032", "-1617533", "-26958", "-1123", "-160", "-36", "-12", "-3"]),
        ("2024-03-31 01:30:00", ["5146200", "85770", "1429", "59", "8", "1", "0", "0"]),
    ] {
        let units = ["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
        for (unit, expected) in units.into_iter().zip(expected) {
            check("TIMESTAMPDIFF", &[literal(unit), ts(base), ts(to)], expected);
        }
    }
    check("TIMESTAMPDIFF", &[literal("MONTH"), date("2024-11-03"), date("2024-02-29")], "-8");
    for (unit, count, expected) in [
        ("SECOND", 90, "2024-02-29 12:36:26.789"),
        ("HOUR", 25, "2024-03-01 13:34:56.789"),
        ("WEEK", -1, "2024-02-22 12:34:56.789"),
        ("MONTH", 1, "2024-03-29 12:34:56.789"),
        ("QUARTER", 1, "2024-05-29 12:34:56.789"),
        ("YEAR", -1, "2023-02-28 12:34:56.789"),
    ] {
        check("TIMESTAMPADD", &[literal(unit), bigint(count), ts(LEAP)], expected);
    }
    check("TIMESTAMPADD", &[literal("MONTH"), bigint(5), date("2023-12-31")], "2024-05-31");
    check("TIMESTAMPADD", &[literal("DAY"), bigint(10), date("2024-11-03")], "2024-11-13");
}

#[test]
fn fine_timestamps_reach_all_years() {
    let last = "9999-12-31 23:59:59.123456789";
    check("TIMESTAMPADD", &[literal("MONTH"), bigint(-1), fine(last)], "9999-11-30 23:59:59.123456789");
    check("TIMESTAMPADD", &[literal("SECOND"), bigint(-60), fine(last)], "9999-12-31 23:58:59.123456789");
    check("TIMESTAMPDIFF", &[literal("DAY"), fine("0001-01-01 00:00:00"), fine(last)], "3652058");
    check("FLOOR_TO", &[fine(last), literal("HOUR")], "9999-12-31 23:00:00.000000000");
    check("CEIL_TO", &[fine("0001-01-01 00:00:00.5"), literal("DAY")], "0001-01-02 00:00:00.000000000");
    check("HOUR", &[fine(last)], "23");
    check("DATE_FORMAT", &[fine(last), literal("yyyy SSSSSSSSS")], "9999 123456789");
}

#[test]
fn periods_overlap() {
    let (a, b, c, d) = ("2024-01-01", "2024-01-05", "2024-01-05", "2024-01-09");
    check("OVERLAPS", &[date(a), date(b), date(c), date(d)], "true");
    check("OVERLAPS", &[date(d), date(c), date(b), date(a)], "true");
    check("OVERLAPS", &[date(a), date("2024-01-04"), date(c), date(d)], "false");
}

#[test]
fn formats() {
    for (pattern, leap, midnight) in [
        ("yyyy-MM-dd HH:mm:ss.SSS", "2024-02-29 12:34:56.789", "2000-01-01 00:00:00.000"),
        ("hh:mm a", "12:34 PM", "12:00 AM"),
        ("EEE, d MMM yyyy", "Thu, 29 Feb 2024", "Sat, 1 Jan 2000"),
        ("EEEE MMMM", "Thursday February", "Saturday January"),
        ("DDD", "060", "001"),
        ("yy/M/d H:m:s", "24/2/29 12:34:56", "00/1/1 0:0:0"),
        ("yyyy-MM-dd'T'HH:mm:ss", "2024-02-29T12:34:56", "2000-01-01T00:00:00"),
        ("S", "7", "0"),
        ("SSSSSS", "789000", "000000"),
        ("kk K", "12 0", "24 0"),
        ("w e", "9 5", "1 7"),
        ("Q", "1", "1"),
        ("uuuu G", "2024 AD", "2000 AD"),
        ("", "", ""),
        ("''''YYYY", "''2024", "''2000"),
    ] {
        check("DATE_FORMAT", &[ts(LEAP), literal(pattern)], leap);
        check("DATE_FORMAT", &[ts("2000-01-01 00:00:00"), text(pattern)], midnight);
    }
    check("DATE_FORMAT", &[text("2024-02-29 12:34:56"), literal("EEE yyyy/MM/dd")], "Thu 2024/02/29");
    check("DATE_FORMAT", &[null_text(), literal("yyyy")], "NULL");
    assert!(run("UTC", "DATE_FORMAT", &[ts(LEAP), literal("b")]).is_err());
}

#[test]
fn timestamps_from_text() {
    for (given, expected) in [
        (LEAP, [LEAP, LEAP, LEAP, LEAP]),
        ("2024-11-03T05:30:00", ["NULL", "NULL", "NULL", "2024-11-03 05:30:00"]),
        ("1969-12-31", ["1969-12-31 00:00:00"; 4]),
        ("2000-01-01 00:00", ["NULL"; 4]),
        ("2023/12/31 23:00:00", ["NULL", "2023-12-31 23:00:00", "NULL", "NULL"]),
        ("2021-1-3 5:6:7", ["2021-01-03 05:06:07"; 4]),
        ("hello", ["NULL"; 4]),
        ("", ["NULL"; 4]),
        (
            "2024-02-30 00:00:00",
            ["2024-02-29 00:00:00", "2024-03-01 00:00:00", "2024-02-29 00:00:00", "2024-03-01 00:00:00"],
        ),
    ] {
        check("TO_TIMESTAMP", &[text(given)], expected[0]);
        let patterns = ["yyyy/MM/dd HH:mm:ss", "yyyy-M-d H:m:s", "yyyy-MM-dd'T'HH:mm:ss"];
        for (pattern, expected) in patterns.into_iter().zip(&expected[1..]) {
            check("TO_TIMESTAMP", &[text(given), literal(pattern)], expected);
        }
    }
    check("TO_TIMESTAMP", &[text("20240229123456"), literal("yyyyMMddHHmmss")], "2024-02-29 12:34:56");
    check("TO_TIMESTAMP", &[text("03:04 PM"), literal("hh:mm a")], "1970-01-01 15:04:00");
}

#[test]
fn dates_from_text() {
    check("TO_DATE", &[text("2000-01-01 00:00")], "2000-01-01");
    check("TO_DATE", &[text("2021-1-3 5:6:7")], "2021-01-03");
    check("TO_DATE", &[text("2024-02-30 00:00:00")], "NULL");
    check("TO_DATE", &[text("29.02.2024"), literal("dd.MM.yyyy")], "2024-02-29");
    check("TO_DATE", &[text("2023/12/31 23:00:00"), literal("yyyy/MM/dd HH:mm:ss")], "2023-12-31");
    // Flink prints the last four digits of this year.
    check("TO_DATE", &[text("mismatch"), literal("yyyy")], "1705471-09-27");
}

#[test]
fn instants_from_numbers_and_text() {
    check("TO_TIMESTAMP_LTZ", &[bigint(-1), int_literal(0)], "1969-12-31 23:59:59");
    check("TO_TIMESTAMP_LTZ", &[bigint(i64::MAX), int_literal(0)], "NULL");
    let decimal = Decimal128Array::from(vec![-1_299]).with_precision_and_scale(10, 2).unwrap();
    let decimal: Arg = (TypeKind::Decimal { precision: 10, scale: 2 }.nullable(), Arc::new(decimal), false);
    check("TO_TIMESTAMP_LTZ", &[decimal, int_literal(0)], "1969-12-31 23:59:48");
    check("TO_TIMESTAMP_LTZ", &[bigint(1_709_210_096_123), int_literal(3)], "2024-02-29 12:34:56.123");
    let half = (TypeKind::Double.nullable(), Arc::new(Float64Array::from(vec![-0.5])) as ArrayRef, false);
    check("TO_TIMESTAMP_LTZ", &[half, int_literal(0)], "1969-12-31 23:59:59.500");
    let pattern = || literal("yyyy-MM-dd HH:mm:ss");
    let gap = || text("2024-03-10 02:30:00");
    check_in("Asia/Shanghai", "TO_TIMESTAMP_LTZ", &[gap()], "2024-03-10 02:30:00");
    check("TO_TIMESTAMP_LTZ", &[gap(), pattern(), literal("America/Los_Angeles")], "2024-03-10 10:30:00");
    check("TO_TIMESTAMP_LTZ", &[gap(), pattern(), text("Asia/Tokyo")], "2024-03-09 17:30:00");
    check("TO_TIMESTAMP_LTZ", &[text("bad"), pattern()], "NULL");
    assert!(run("UTC", "TO_TIMESTAMP_LTZ", &[text("bad")]).is_err());
    assert!(run("UTC", "TO_TIMESTAMP_LTZ", &[bigint(1), int_literal(6)]).is_err());
}

#[test]
fn unix_times() {
    const BAD: &str = "-9223372036854775808";
    for (given, plain, by_day) in [
        (LEAP, "1709210096", "1709164800"),
        ("2024-11-03T05:30:00", BAD, "1730592000"),
        ("1969-12-31", BAD, "-86400"),
        ("2000-01-01 00:00", BAD, "946684800"),
        ("2023/12/31 23:00:00", BAD, BAD),
        ("2021-1-3 5:6:7", "1609650367", "1609632000"),
        ("2024-02-30 00:00:00", "1709251200", "1709251200"),
    ] {
        check("UNIX_TIMESTAMP", &[text(given)], plain);
        check("UNIX_TIMESTAMP", &[text(given), literal("yyyy-MM-dd")], by_day);
    }
    check_in("Europe/Berlin", "UNIX_TIMESTAMP", &[text("2024-03-31 02:30:00")], "1711848600");
    check_in("Europe/Berlin", "FROM_UNIXTIME", &[bigint(-1)], "1970-01-01 00:59:59");
    check("FROM_UNIXTIME", &[bigint(1_709_210_096), literal("yyyyMMdd HH")], "20240229 12");
}

#[test]
fn zones_convert() {
    for (given, from, to, expected) in [
        ("2024-03-10 02:30:00", "UTC", "America/New_York", "2024-03-09 21:30:00"),
        ("2024-03-10 02:30:00", "America/New_York", "UTC", "2024-03-10 07:30:00"),
        ("2024-11-03 05:59:59", "Asia/Kolkata", "Europe/Berlin", "2024-11-03 01:29:59"),
        ("1970-01-01 00:00:00", "UTC", "GMT+05:30", "1970-01-01 05:30:00"),
    ] {
        check("CONVERT_TZ", &[text(given), literal(from), text(to)], expected);
    }
    check("CONVERT_TZ", &[null_text(), literal("UTC"), literal("UTC")], "NULL");
}

#[test]
fn clocks_read_the_context() {
    check("CURRENT_TIMESTAMP", &[], LEAP);
    check_in("Asia/Shanghai", "LOCALTIMESTAMP", &[], "2024-02-29 20:34:56.789");
    check_in("Pacific/Auckland", "CURRENT_DATE", &[], "2024-03-01");
    check("UNIX_TIMESTAMP", &[], "1709210096");
    let (data_type, _) = run("UTC", "PROCTIME", &[]).unwrap();
    assert_eq!(data_type, TypeKind::TimestampLtz(3).not_null());
}

#[test]
fn the_watermark_is_that_of_each_row() {
    let (data_type, column, _) = ts(LEAP);
    let info = [ArgumentInfo { data_type: &data_type, literal: None }];
    let session = SessionInfo { zone: chrono_tz::UTC, legacy_cast: false, batch: false };
    let bound =
        registry().scalar("CURRENT_WATERMARK").unwrap().bind(&BindCall { args: &info, session }).unwrap();
    let mut marks = Marks::none();
    marks.push(1, 10);
    marks.push(3, 30);
    let ctx = EvalContext { rows: 4, marks: &marks, ..EvalContext::constant(0) };
    let values = bound.kernel.eval(&[Datum::Scalar(column)], &ctx).unwrap().into_array(4);
    let values: Vec<Option<i64>> = values.as_primitive::<TimestampMillisecondType>().iter().collect();
    assert_eq!(values, [None, Some(10), Some(10), Some(30)]);
    assert!(bound.kernel.volatile());
}
