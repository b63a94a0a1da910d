//! Reading JSON: conversions, options, rejects with their exact bytes, independence of cuts.

#[path = "support/harness.rs"]
mod harness;

use arrow_buffer::Buffer;
use harness::{Table, array, assert_cuts_do_not_matter, int, map, row, text};
use tidemill_types::{Blob, DataType, Framing, TypeKind};

fn one(data_type: DataType) -> Table<'static> {
    Table::new("json", &[("v", data_type)])
}

/// The value that a column of this type gets from a JSON value, or why it doesn't.
fn value(data_type: DataType, json: &str) -> String {
    let read = one(data_type).read(&format!("{{\"v\":{json}}}\n"));
    match (read.rows.first(), read.rejects.first()) {
        (Some(row), None) => {
            let value = row.strip_prefix("+I {\"v\":").and_then(|rest| rest.strip_suffix('}'));
            value.expect("a row with the column v").to_string()
        }
        (None, Some((_, reason))) => format!("! {reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_are_converted_as_flink_does() {
    let decimal = || DataType::decimal(6, 2);
    for (data_type, json, expected) in [
        (int(), "\" 12 \"", "12"),
        (int(), "\"+7\"", "7"),
        (int(), "1.9", "1"),
        (int(), "-1.9e1", "-19"),
        (int(), "null", "null"),
        (TypeKind::BigInt.nullable(), "9223372036854775807", "9223372036854775807"),
        (TypeKind::BigInt.nullable(), "1e3", "1000"),
        (TypeKind::Double.nullable(), "\"1e2\"", "100.0"),
        (TypeKind::Double.nullable(), "-0.0", "-0.0"),
        (TypeKind::Double.nullable(), "1e400", "\"Infinity\""),
        (TypeKind::Double.nullable(), "\"NaN\"", "\"NaN\""),
        (TypeKind::Float.nullable(), "0.1", "0.1"),
        (TypeKind::Boolean.nullable(), "\"TRUE\"", "true"),
        (TypeKind::Boolean.nullable(), "\"yes\"", "false"),
        (TypeKind::Boolean.nullable(), "1", "false"),
        (decimal(), "1.239", "{\"$decimal\":\"1.24\"}"),
        (decimal(), "\"7\"", "{\"$decimal\":\"7.00\"}"),
        (decimal(), "99999.99", "null"),
        (text(), "5", "\"5\""),
        (text(), "1.50", "\"1.50\""),
        (text(), "true", "\"true\""),
        (text(), "{\"x\": 1.50, \"y\":[1, 2e5], \"x\": null}", r#""{\"x\":null,\"y\":[1,200000.0]}""#),
        (text(), r#""\u4e2d\ud83d\ude00\n""#, "\"中😀\\n\""),
        (text(), r#""\ud83d!""#, "\"?!\""),
        (text(), "\"exactly 12 b\"", "\"exactly 12 b\""),
        (text(), "\"longer than twelve\"", "\"longer than twelve\""),
        (DataType::bytes(), "\"aGk=\"", "\"aGk=\""),
        (TypeKind::Date.nullable(), "\"0001-01-01\"", "\"0001-01-01\""),
        (TypeKind::Time(3).nullable(), "\"23:59:59\"", "\"23:59:59\""),
        (
            TypeKind::Timestamp(3).nullable(),
            "\"2024-02-29 12:34:56.123456789\"",
            "\"2024-02-29 12:34:56.123\"",
        ),
        (
            TypeKind::Timestamp(9).nullable(),
            "\"2024-02-29 12:34:56.123456789\"",
            "\"2024-02-29 12:34:56.123456789\"",
        ),
        (TypeKind::Timestamp(3).nullable(), "\"2023-02-30 00:00:00\"", "\"2023-02-28 00:00:00\""),
        (TypeKind::TimestampLtz(3).nullable(), "\"1969-12-31 23:59:59.999Z\"", "\"1969-12-31 23:59:59.999\""),
        (array(int()), "[1, null,\"3\"]", "[1,null,3]"),
        (array(array(int())), "[[],[1],null]", "[[],[1],null]"),
        (map(int()), "{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}"),
        (map(text()), "{}", "{}"),
        (TypeKind::Multiset(Box::new(text())).nullable(), "{\"a\":2}", "{\"a\":2}"),
        (row(&[("x", int()), ("y", text())]), "{\"y\":\"q\",\"z\":0}", "{\"x\":null,\"y\":\"q\"}"),
        (array(row(&[("x", int())])), "[{\"x\":1},null,{}]", "[{\"x\":1},null,{\"x\":null}]"),
        (TypeKind::IntervalDay.nullable(), "1500", "{\"$interval_ms\":1500}"),
    ] {
        assert_eq!(value(data_type.clone(), json), expected, "{data_type} from {json}");
    }
}

#[test]
fn misfits_name_field_and_place() {
    for (data_type, json, expected) in [
        (int(), "\"ten\"", "! can't read field 'v': 'ten' is no INT at byte 6"),
        (int(), "2147483648", "! can't read field 'v': '2147483648' is no INT at byte 6"),
        (int(), "{}", "! can't read field 'v': an object stands where a single value is expected at byte 6"),
        (TypeKind::SmallInt.nullable(), "1.5", "! can't read field 'v': '1.5' is no SMALLINT at byte 6"),
        (TypeKind::TinyInt.nullable(), "200", "! can't read field 'v': '200' is no TINYINT at byte 6"),
        (
            TypeKind::BigInt.nullable(),
            "9223372036854775808",
            "! can't read field 'v': '9223372036854775808' is no BIGINT at byte 6",
        ),
        (
            TypeKind::Date.nullable(),
            "\"2024-1-1\"",
            "! can't read field 'v': '2024-1-1' is no date such as '2024-01-31' at byte 6",
        ),
        (array(int()), "[1,\"z\"]", "! can't read field 'v': 'z' is no INT at byte 9"),
        (array(int()), "5", "! can't read field 'v': expected an array, found '5' at byte 6"),
        (row(&[("x", int())]), "{\"x\":\"q\"}", "! can't read field 'v.x': 'q' is no INT at byte 11"),
        (DataType::bytes(), "\"a\"", "! can't read field 'v': 'a' is no text in base64 at byte 6"),
        (int(), "01", "! can't read field 'v': a number starts with a needless 0 at byte 7"),
        (int(), "", "! can't read field 'v': expected a value, found '}' at byte 6"),
        (int(), "1,", "! invalid JSON record: expected a field name, found '}' at byte 8"),
        (text(), "\"abc", "! can't read field 'v': the record ends inside a string at byte 11"),
        (
            TypeKind::Timestamp(6).nullable(),
            "\"2024-01-01T00:00:00\"",
            "! can't read field 'v': '2024-01-01T00:00:00' is no timestamp such as '2024-01-31 12:00:00.123' at byte 6",
        ),
    ] {
        assert_eq!(value(data_type.clone(), json), expected, "{data_type} from {json}");
    }
}

#[test]
fn fields_come_in_any_order_are_unknown_missing_or_repeated() {
    let table = Table::new("json", &[("a", int()), ("b", text()), ("A", int())]);
    let text = concat!(
        "{\"a\":1,\"b\":\"x\",\"A\":2}\n",
        "{\"b\":\"y\",\"a\":3}\n",
        "{ \"A\" : 4 ,\"other\":{\"a\":[1,{}]},\t\"a\": 5 }\r\n",
        "{}\n",
        "\n",
        "{\"a\":1,\"a\":2,\"b\":null,\"\\u0062\":\"z\"}\n",
        "{\"a\":6,\"b\":\"last, without a line end\"}",
    );
    assert_eq!(
        table.rows(text),
        [
            r#"{"a":1,"b":"x","A":2}"#,
            r#"{"a":3,"b":"y","A":null}"#,
            r#"{"a":5,"b":null,"A":4}"#,
            r#"{"a":null,"b":null,"A":null}"#,
            r#"{"a":2,"b":"z","A":null}"#,
            r#"{"a":6,"b":"last, without a line end","A":null}"#,
        ]
    );
    assert_cuts_do_not_matter(&table, text);
}

#[test]
fn bad_records_leave_no_trace_and_are_shown_whole() {
    let nested = row(&[("x", int()), ("m", map(int()))]);
    let table = Table::new("json", &[("a", int()), ("l", array(nested)), ("s", text())]);
    let text = concat!(
        "{\"a\":1,\"l\":[{\"x\":1,\"m\":{\"k\":1}}],\"s\":\"first\"}\n",
        "{\"a\":2,\"l\":[{\"x\":1,\"m\":{\"k\":1}},{\"x\":2,\"m\":{\"k\":\"bad\"}}],\"s\":\"q\"}\r\n",
        "not json\n",
        "{\"a\":3} {\"a\":4}\n",
        "[{\"a\":5},{\"a\":\"x\"}]\n",
        "{\"a\":6,\"l\":null,\"s\":\"a text longer than twelve\",\"t\":tru}\n",
        "{\"a\":7,\"s\":\"last\"}\n",
    );
    let read = table.read(text);
    assert_eq!(
        read.rows,
        [r#"+I {"a":1,"l":[{"x":1,"m":{"k":1}}],"s":"first"}"#, r#"+I {"a":7,"l":null,"s":"last"}"#,]
    );
    let lines: Vec<&str> = text.lines().collect();
    let shown: Vec<&str> = read.rejects.iter().map(|(bytes, _)| bytes.as_str()).collect();
    assert_eq!(shown, lines[1..6]);
    assert_eq!(
        read.rejects.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>(),
        [
            "can't read field 'l.m': 'bad' is no INT at byte 49",
            "invalid JSON record: expected an object, found 'n' at byte 1",
            "invalid JSON record: expected the end of the record, found '{' at byte 9",
            "can't read field 'a': 'x' is no INT at byte 15",
            "invalid JSON record: expected a value, found 't' at byte 53",
        ]
    );
    assert_eq!((read.records, read.skipped), (7, 0));
    assert_cuts_do_not_matter(&table, text);
}

#[test]
fn ignored_errors_become_null_or_are_skipped() {
    let columns = [
        ("id", int()),
        ("name", text()),
        ("arr", array(int())),
        ("r", row(&[("x", int()), ("y", int())])),
        ("m", map(int())),
    ];
    let table = Table::new("json", &columns).option("ignore-parse-errors", "true");
    let read = table.read(concat!(
        "{\"id\":2,\"name\":\"bad\",\"arr\":\"x\",\"r\":{\"x\":\"q\",\"y\":3},\"m\":{\"a\":\"z\",\"b\":1}}\n",
        "not json at all\n",
        "{\"id\":3,\"name\":\"trunc\n",
        "{\"id\":\"x4\",\"name\":5,\"arr\":[1,\"z\"],\"r\":[1],\"m\":[]}\n",
    ));
    assert_eq!(
        read.rows,
        [
            r#"+I {"id":2,"name":"bad","arr":null,"r":{"x":null,"y":3},"m":{"a":null,"b":1}}"#,
            r#"+I {"id":null,"name":"5","arr":[1,null],"r":null,"m":null}"#,
        ]
    );
    assert_eq!((read.skipped, read.rejects.len(), read.records), (2, 0, 4));
}

#[test]
fn many_repeated_names_leave_the_last() {
    let fields: Vec<String> = (0..100).map(|n| format!("\"a key for number {}\":{n}", n % 60)).collect();
    let json = format!("{{{}}}", fields.join(","));
    let last = |n: usize| if n < 40 { n + 60 } else { n };
    let expected: Vec<String> = (0..60).map(|n| format!("\"a key for number {n}\":{}", last(n))).collect();
    let as_text = format!("{{{}}}", expected.join(",")).replace('"', "\\\"");
    assert_eq!(value(text(), &json), format!("\"{as_text}\""));
    let kept: Vec<String> = (40..100).map(|n| format!("\"a key for number {}\":{n}", n % 60)).collect();
    assert_eq!(value(map(int()), &json), format!("{{{}}}", kept.join(",")));
}

#[test]
fn options_are_checked_and_obeyed() {
    let strict = one(int()).option("fail-on-missing-field", "true");
    assert_eq!(strict.reasons("{\"w\":1}\n"), ["can't read field 'v': the field is missing at byte 7"]);
    let both = one(int()).option("fail-on-missing-field", "true").option("ignore-parse-errors", "true");
    assert!(both.refusal().contains("can't both be true"));
    let keys = TypeKind::Map(Box::new(int()), Box::new(int())).nullable();
    assert!(one(keys).refusal().contains("keys of JSON objects are strings"));
    let zoned = TypeKind::TimestampLtz(3).nullable();
    let iso = one(zoned.clone()).option("timestamp-format.standard", "ISO-8601");
    assert_eq!(iso.rows("{\"v\":\"2024-02-29T12:34:56.789Z\"}\n"), [r#"{"v":"2024-02-29 12:34:56.789"}"#]);
    let offset = one(zoned).option("timestamp-format.standard", "ISO-8601-WITH-OFFSET");
    assert_eq!(offset.rows("{\"v\":\"2024-02-29T12:00:00+08:00\"}\n"), [r#"{"v":"2024-02-29 04:00:00"}"#]);
    let exact = Table::new("json", &[("v", text()), ("d", DataType::decimal(3, 1))]);
    assert_eq!(exact.rows("{\"v\":[1.50,1e5]}\n"), [r#"{"v":"[1.5,1E+5]","d":null}"#]);
}

#[test]
fn arrays_give_a_row_each() {
    let table = Table::new("json", &[("id", int())]);
    assert_eq!(
        table.rows("[{\"id\":1}, {\"id\":2}]\n{\"id\":3}\n[]\n"),
        [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#]
    );
}

#[test]
fn whole_blobs_are_lines_or_one_document() {
    let table = Table::new("json", &[("id", int())]);
    for text in ["{\"id\":1}\n{\"id\":2}\n", "[\n  {\"id\":1},\n  {\"id\":2}\n]\n"] {
        let blob = Blob { bytes: Buffer::from(text.as_bytes()), framing: Framing::Whole };
        assert_eq!(table.read_blobs(&[blob]).unwrap().rows, ["+I {\"id\":1}", "+I {\"id\":2}"]);
    }
}

#[test]
fn text_that_is_no_utf8_spoils_its_record_only() {
    let table = Table::new("json", &[("s", text())]);
    let bytes = b"{\"s\":\"caf\xC3\xA9 au lait, long\"}\n{\"s\":\"caf\xE9\"}\n{\"s\":\"ok\"}\n";
    let read = table.read_blobs(&[Blob::lines(Buffer::from(&bytes[..]))]).unwrap();
    assert_eq!(read.rows, ["+I {\"s\":\"café au lait, long\"}", "+I {\"s\":\"ok\"}"]);
    assert_eq!(read.rejects[0].1, "invalid JSON record: the text is not valid UTF-8 at byte 10");
}

#[test]
fn wanted_columns_come_in_the_order_asked_for() {
    let physical = harness::schema(&[("a", int()), ("b", int()), ("c", text())]);
    let options = tidemill_types::Options::default();
    for (format, line) in [("json", "{\"a\":1,\"b\":2,\"c\":\"x\"}\n"), ("csv", "1,2,x\n")] {
        let request = tidemill_format::DecodeRequest {
            physical: &physical,
            wanted: &[2, 0],
            metadata: &[],
            options: &options,
            zone: harness::UTC,
        };
        let mut decoder = tidemill_format::format(format).unwrap().decoder.unwrap()(&request).unwrap();
        let decoded = decoder.decode(&Blob::lines(Buffer::from(line.as_bytes()))).unwrap();
        let shown: Vec<String> = decoded.columns.iter().map(|column| format!("{column:?}")).collect();
        assert_eq!(decoded.columns.len(), 2);
        assert!(shown[0].contains("\"x\"") && shown[1].contains('1'), "{shown:?}");
    }
}
