//! Writing JSON, query results and cells; and reading back what was written.

#[path = "support/harness.rs"]
mod harness;

use harness::{Table, UTC, array, int, map, row, text};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::sync::Arc;
use tidemill_format::{RowWriter, write_changes, write_display};
use tidemill_types::arrow::{Int32Array, StringViewArray};
use tidemill_types::{Chunk, DataType, RowKind, TypeKind};

fn all_types() -> Vec<(&'static str, DataType)> {
    vec![
        ("bo", TypeKind::Boolean.nullable()),
        ("ti", TypeKind::TinyInt.nullable()),
        ("bi", TypeKind::BigInt.nullable()),
        ("f", TypeKind::Float.nullable()),
        ("d", TypeKind::Double.nullable()),
        ("de", DataType::decimal(10, 4)),
        ("de0", DataType::decimal(20, 0)),
        ("s", text()),
        ("b", DataType::bytes()),
        ("da", TypeKind::Date.nullable()),
        ("t", TypeKind::Time(0).nullable()),
        ("ts", TypeKind::Timestamp(3).nullable()),
        ("ts9", TypeKind::Timestamp(9).nullable()),
        ("l", TypeKind::TimestampLtz(3).nullable()),
        ("a", array(int())),
        ("m", map(TypeKind::Double.nullable())),
        ("r", row(&[("x", int()), ("Y z", text())])),
        ("ar", array(row(&[("q", DataType::decimal(4, 2))]))),
    ]
}

const ALL: &str = concat!(
    r#"{"bo":true,"ti":1,"bi":9007199254740993,"f":0.33333334,"d":1.0E21,"de":0.125,"de0":1E+18,"#,
    r#""s":"quote \" back \\ slash / tab\t中\uD83D\uDE00\u0001","b":"cXU=","da":"2024-02-29","t":"01:02:03","#,
    r#""ts":"2024-01-01 00:00:00.12","ts9":"2024-01-01 00:00:00.123456789","l":"2023-11-14 22:13:20.123Z","#,
    r#""a":[1,null],"m":{"k":0.1,"n":null},"r":{"x":1,"Y z":"line\nbreak"},"ar":[{"q":1.5}]}"#,
);

#[test]
fn every_type_is_written_as_flink_writes_it() {
    let table = Table::new("json", &all_types());
    assert_eq!(table.write(ALL).unwrap(), [ALL]);
    let nulls: Vec<String> = all_types().iter().map(|(name, _)| format!("\"{name}\":null")).collect();
    let nulls = format!("{{{}}}", nulls.join(","));
    assert_eq!(table.write("{}").unwrap(), [nulls]);
}

#[test]
fn options_change_what_is_written() {
    let columns = [("d", DataType::decimal(38, 18)), ("l", TypeKind::TimestampLtz(3).nullable())];
    let json = "{\"d\":100,\"l\":\"2024-05-06 12:53:20Z\"}";
    let plain = Table::new("json", &columns)
        .option("encode.decimal-as-plain-number", "true")
        .option("timestamp-format.standard", "ISO-8601");
    assert_eq!(plain.write(json).unwrap(), [r#"{"d":100.000000000000000000,"l":"2024-05-06T12:53:20Z"}"#]);
    let sparse = Table::new("json", &[("a", int()), ("r", row(&[("x", int())])), ("l", array(int()))])
        .option("encode.ignore-null-fields", "true");
    assert_eq!(sparse.write("{\"r\":{},\"l\":[null]}").unwrap(), [r#"{"r":{},"l":[null]}"#]);
}

#[test]
fn timestamps_reach_all_years_and_keep_digits_that_fit() {
    let columns = [("n", TypeKind::Timestamp(0).nullable()), ("t", TypeKind::Timestamp(9).nullable())];
    for line in [
        r#"{"n":"9999-12-31 23:59:59.9","t":"9999-12-31 23:59:59.999999999"}"#,
        r#"{"n":"0001-01-01 00:00:00","t":"0001-01-01 00:00:00.000000001"}"#,
    ] {
        assert_eq!(Table::new("json", &columns).write(line).unwrap(), [line]);
    }
    let csv = Table::new("csv", &[("t", TypeKind::TimestampLtz(9).nullable())]);
    let line = r#"{"t":"9999-12-31 23:59:59.999999999Z"}"#;
    assert_eq!(csv.write(line).unwrap(), [r#""9999-12-31 23:59:59.999999999Z""#]);
    assert_eq!(csv.rows("9999-12-31 23:59:59.999999999Z"), [r#"{"t":"9999-12-31 23:59:59.999999999"}"#]);
}

#[test]
fn a_null_key_is_refused_dropped_or_named() {
    let types = (text(), int());
    let keys = Arc::new(StringViewArray::from(vec![Some("a"), None]));
    let values = Arc::new(Int32Array::from(vec![1, 2]));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([2]);
    let maps = tidemill_types::map::map_array((&types.0, &types.1), offsets, (keys, values), None);
    let chunk = Chunk::new(vec![Arc::new(maps)], 1);
    let table = || Table::new("json", &[("m", map(int()))]);
    let refused = table().write_chunk(&chunk).unwrap_err().to_string();
    assert!(refused.contains("'map-null-key.mode' can be DROP or LITERAL"), "{refused}");
    let dropped = table().option("map-null-key.mode", "DROP");
    assert_eq!(dropped.write_chunk(&chunk).unwrap(), [r#"{"m":{"a":1}}"#]);
    let named = table().option("map-null-key.mode", "LITERAL").option("map-null-key.literal", "none");
    assert_eq!(named.write_chunk(&chunk).unwrap(), [r#"{"m":{"a":1,"none":2}}"#]);
}

#[test]
fn nan_and_infinity_are_strings() {
    let table = Table::new("json", &[("v", TypeKind::Double.nullable()), ("w", TypeKind::Float.nullable())]);
    assert_eq!(
        table.write("{\"v\":\"NaN\",\"w\":\"-Infinity\"}").unwrap(),
        [r#"{"v":"NaN","w":"-Infinity"}"#]
    );
}

#[test]
fn query_results_keep_their_types() {
    let table = Table::new("json", &all_types());
    let read = table.read(ALL);
    assert_eq!(
        read.rows,
        [concat!(
            r#"+I {"bo":true,"ti":1,"bi":9007199254740993,"f":0.33333334,"d":1.0E21,"de":{"$decimal":"0.1250"},"#,
            r#""de0":{"$decimal":"1000000000000000000"},"s":"quote \" back \\ slash / tab\t中😀\u0001","b":"cXU=","#,
            r#""da":"2024-02-29","t":"01:02:03","ts":"2024-01-01 00:00:00.12","ts9":"2024-01-01 00:00:00.123456789","#,
            r#""l":"2023-11-14 22:13:20.123","a":[1,null],"m":{"k":0.1,"n":null},"r":{"x":1,"Y z":"line\nbreak"},"#,
            r#""ar":[{"q":{"$decimal":"1.50"}}]}"#,
        )]
    );
}

#[test]
fn instants_follow_the_zone_and_kinds_are_shown() {
    let table = Table::new("json", &[("l", TypeKind::TimestampLtz(3).nullable())]);
    let blob = tidemill_types::Blob::lines(arrow_buffer::Buffer::from(
        b"{\"l\":\"1970-01-01 00:00:00Z\"}\n{}\n".as_slice(),
    ));
    let mut chunk = table.chunks(&[blob]).unwrap().remove(0).0;
    chunk.kinds = Some([RowKind::UpdateBefore, RowKind::Delete].into());
    let zone = chrono_tz::Tz::Asia__Shanghai;
    let mut out = Vec::new();
    RowWriter::new(table.schema.clone(), zone).write(&chunk, &mut out).unwrap();
    let expected =
        "{\"op\":\"-U\",\"row\":{\"l\":\"1970-01-01 08:00:00\"}}\n{\"op\":\"-D\",\"row\":{\"l\":null}}\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let mut out = Vec::new();
    write_changes(&table.schema, &chunk, zone, "p> ", &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "p> -U[1970-01-01 08:00:00.000]\np> -D[null]\n");
}

#[test]
fn cells_show_values_as_casts_do() {
    let columns = [
        ("r", row(&[("a", int()), ("b", text())])),
        ("m", map(array(int()))),
        ("de", DataType::decimal(4, 2)),
        ("bo", TypeKind::Boolean.nullable()),
        ("b", DataType::bytes()),
        ("im", TypeKind::IntervalMonth.nullable()),
        ("id", TypeKind::IntervalDay.nullable()),
        ("n", int()),
    ];
    let table = Table::new("json", &columns);
    let json =
        r#"{"r":{"a":1},"m":{"k":[1,null],"j":null},"de":1,"bo":true,"b":"AP8=","im":-14,"id":93784005}"#;
    let blob = tidemill_types::Blob::lines(arrow_buffer::Buffer::from(json.as_bytes()));
    let chunk = table.chunks(&[blob]).unwrap().remove(0).0;
    let cells: Vec<String> = chunk
        .columns
        .iter()
        .zip(table.schema.types())
        .map(|(column, data_type)| {
            let mut out = Vec::new();
            write_display(column, data_type, 0, UTC, &mut out);
            String::from_utf8(out).unwrap()
        })
        .collect();
    assert_eq!(
        cells,
        ["(1, NULL)", "{k=[1, NULL], j=NULL}", "1.00", "TRUE", "x'00ff'", "-1-02", "+1 02:03:04.005", "NULL"]
    );
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for unit in text.encode_utf16() {
        write!(out, "\\u{unit:04x}").expect("strings can be written to");
    }
    out
}

proptest! {
    /// What is written is read back the same, whatever the text, the number or the missing field.
    #[test]
    fn written_rows_are_read_back(rows in prop::collection::vec(
        (any::<Option<i64>>(), any::<f64>(), any::<Option<String>>(), prop::collection::vec(any::<Option<i32>>(), 0..4), -719_000i64..2_932_000, any::<i32>()),
        1..20,
    )) {
        let columns = [
            ("i", TypeKind::BigInt.nullable()), ("f", TypeKind::Double.nullable()), ("s", text()),
            ("a", array(int())), ("t", TypeKind::Timestamp(3).nullable()), ("d", DataType::decimal(12, 3)),
        ];
        let table = Table::new("json", &columns);
        let mut input = String::new();
        for (i, f, s, a, days, d) in rows {
            let mut fields = Vec::new();
            fields.extend(i.map(|i| format!("\"i\":{i}")));
            if f.is_finite() {
                fields.push(format!("\"f\":{f:e}"));
            }
            fields.extend(s.map(|s| format!("\"s\":\"{}\"", escaped(&s))));
            let a: Vec<String> = a.iter().map(|a| a.map_or("null".into(), |a| a.to_string())).collect();
            fields.push(format!("\"a\":[{}]", a.join(",")));
            let mut stamp = Vec::new();
            tidemill_types::text::write_timestamp(&mut stamp, days * 86_400_000 + i64::from(d), 3, b' ');
            fields.push(format!("\"t\":\"{}\"", String::from_utf8(stamp).unwrap()));
            fields.push(format!("\"d\":{d}e-3"));
            writeln!(input, "{{{}}}", fields.join(",")).unwrap();
        }
        let written = table.write(&input).unwrap().join("\n");
        prop_assert_eq!(table.rows(&written), table.rows(&input));
    }

    /// No input makes the decoder panic, and every record is accounted for.
    #[test]
    fn any_bytes_are_accounted_for(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:\\u12e-. ntfa\n\xC3".to_vec()), 0..200)) {
        let columns = [("a", int()), ("t", text()), ("m", map(text())), ("r", row(&[("a", array(int()))]))];
        for option in ["false", "true"] {
            let table = Table::new("json", &columns).option("ignore-parse-errors", option);
            let read = table.read_blobs(&[tidemill_types::Blob::lines(arrow_buffer::Buffer::from(&bytes[..]))]).unwrap();
            prop_assert!(read.rejects.len() + read.skipped <= read.records);
            prop_assert!(option == "true" || read.skipped == 0);
        }
    }
}
