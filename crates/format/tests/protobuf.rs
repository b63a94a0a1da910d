//! The format `protobuf` both ways, with records of another implementation.

#[path = "support/binary.rs"]
mod binary;
#[path = "support/harness.rs"]
mod harness;

use binary::{records, try_write, write, write_chunk};
use harness::{Table, array, int, map, row, text};
use proptest::prelude::*;
use std::sync::LazyLock;
use tidemill_types::{DataType, TypeKind};

/// The definitions, in a folder of this process: the working copy may change while tests run.
static DEFINITIONS: LazyLock<[String; 2]> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder for definitions").keep();
    let files: [(&str, &[u8]); 3] = [
        ("types.proto", include_bytes!("fixtures/proto/types.proto")),
        ("types.desc", include_bytes!("fixtures/proto/types.desc")),
        ("old.proto", include_bytes!("fixtures/proto/old.proto")),
    ];
    files
        .iter()
        .for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).expect("it can be written"));
    ["types.proto", "types.desc"].map(|name| folder.join(name).display().to_string())
});
const RECORDS: &str = include_str!("fixtures/proto/records.json");

fn record(name: &str) -> Vec<u8> {
    let all: serde_json::Value = serde_json::from_str(RECORDS).expect("the fixture is JSON");
    let hex = all[name].as_str().expect("the fixture has the record");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("it is hexadecimal");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn long() -> DataType {
    TypeKind::BigInt.nullable()
}

fn inner() -> DataType {
    row(&[("x", int()), ("y", text())])
}

fn types() -> Vec<(&'static str, DataType)> {
    let by_number = TypeKind::Map(Box::new(int()), Box::new(inner())).nullable();
    vec![
        ("whole", inner()),
        ("b", TypeKind::Boolean.nullable()),
        ("i32", int()),
        ("s32", int()),
        ("u32", int()),
        ("f32", int()),
        ("sf32", int()),
        ("i64", long()),
        ("s64", long()),
        ("u64", long()),
        ("f64", long()),
        ("sf64", long()),
        ("fl", TypeKind::Float.nullable()),
        ("db", TypeKind::Double.nullable()),
        ("str", text()),
        ("bin", DataType::bytes()),
        ("color", text()),
        ("number", TypeKind::SmallInt.nullable()),
        ("inner", inner()),
        ("packed", array(int())),
        ("texts", array(text())),
        ("inners", array(inner())),
        ("map", map(long())),
        ("by_number", by_number),
        ("maybe", int()),
        ("code", long()),
        ("at", row(&[("seconds", long()), ("nanos", int())])),
        ("wrapped", row(&[("value", long())])),
        ("old", row(&[("id", int()), ("note", text()), ("count", int()), ("loose", array(int()))])),
        ("colors", array(text())),
    ]
}

fn table<'a>(message: &'a str, columns: &[(&str, DataType)]) -> Table<'a> {
    Table::new("protobuf", columns)
        .option("message-class-name", message)
        .option("schema-file", &DEFINITIONS[0])
}

const FULL: &str = r#"{"whole":null,"b":true,"i32":-1,"s32":-2,"u32":-1,"f32":7,"sf32":-7,"i64":-9223372036854775808,"s64":-3,"u64":-1,"f64":8,"sf64":-8,"fl":1.5,"db":-0.25,"str":"héllo, longer than twelve","bin":"AP8=","color":"RED","number":-2,"inner":{"x":5,"y":"in"},"packed":[1,-1,300],"texts":["a","","longer than twelve bytes"],"inners":[{"x":1,"y":""},{"x":0,"y":""},{"x":0,"y":"z"}],"map":{"k":9},"by_number":{"-4":{"x":4,"y":""}},"maybe":0,"code":77,"at":{"seconds":1700000000,"nanos":5},"wrapped":{"value":6},"old":{"id":3,"note":null,"count":null,"loose":[1,2]},"colors":["BLUE","NONE"]}"#;

#[test]
fn messages_of_others_are_read() {
    let table = table("com.example.Types", &types());
    let read = table.read_blobs(&[records(&[record("full")])]).unwrap();
    assert_eq!(read.rejects, []);
    assert_eq!(read.rows, [format!("+I {FULL}")]);
    let by_descriptor = Table::new("protobuf", &types())
        .option("message-class-name", "com.example.proto.Types")
        .option("descriptor-file", &DEFINITIONS[1]);
    assert_eq!(by_descriptor.read_blobs(&[records(&[record("full")])]).unwrap(), read);
}

#[test]
fn messages_are_written_as_others_write_them() {
    let full = record("full");
    let all = table("Types", &types());
    let (chunk, ..) = all.chunks(&[records(&[&full])]).unwrap().remove(0);
    // The field that the table lacks is the last one.
    assert_eq!(write_chunk(&all, &chunk).unwrap(), [&full[..full.len() - 3]]);
    let whole = table("Types", &[("whole", inner())]);
    assert_eq!(write(&whole, r#"{"whole":{"x":8}}"#), [record("whole")]);
}

#[test]
fn what_is_absent_is_null_or_its_default() {
    let columns = [
        ("i32", int()),
        ("maybe", int()),
        ("str", text()),
        ("color", text()),
        ("inner", inner()),
        ("packed", array(int())),
        ("map", map(long())),
    ];
    let nulls = table("Types", &columns);
    let read =
        |table: &Table<'_>, name| table.read_blobs(&[records(&[record(name)])]).unwrap().rows.remove(0);
    assert_eq!(
        read(&nulls, "empty"),
        r#"+I {"i32":0,"maybe":0,"str":"","color":"NONE","inner":null,"packed":null,"map":null}"#
    );
    let defaults = table("Types", &columns).option("read-default-values", "true");
    assert_eq!(
        read(&defaults, "empty"),
        r#"+I {"i32":0,"maybe":0,"str":"","color":"NONE","inner":{"x":0,"y":""},"packed":[],"map":{}}"#
    );
    let columns = [("id", int()), ("note", text()), ("count", int()), ("level", text())];
    let old = table("com.example.Old", &columns);
    assert_eq!(read(&old, "old"), r#"+I {"id":1,"note":null,"count":null,"level":null}"#);
    let old = table("com.example.Old", &columns).option("read-default-values", "true");
    assert_eq!(read(&old, "old"), r#"+I {"id":1,"note":"none","count":-5,"level":"HIGH"}"#);
}

#[test]
fn the_last_of_a_field_counts_and_messages_are_merged() {
    let columns = [
        ("whole", inner()),
        ("code", long()),
        ("name", text()),
        ("inner", inner()),
        ("packed", array(int())),
    ];
    let table = table("Types", &columns);
    let join = |parts: &[&[u8]]| parts.concat();
    let (code, name) = ([0xD0, 1, 5], [0xCA, 1, 1, b'n']);
    let (first, second) = ([0x92, 1, 2, 8, 1], [0x92, 1, 3, 0x12, 1, b'y']);
    let (packed, loose) = ([0x9A, 1, 2, 1, 2], [0x98, 1, 3]);
    let unfit = [0xD2, 1, 1, 0];
    let read = table
        .read_blobs(&[records(&[
            join(&[&code, &name]),
            join(&[&name, &code, &code[..2], &[6]]),
            join(&[&first, &second]),
            join(&[&packed, &loose, &packed]),
            join(&[&name, &unfit]),
        ])])
        .unwrap();
    assert_eq!(
        read.rows,
        [
            r#"+I {"whole":null,"code":0,"name":"n","inner":null,"packed":null}"#,
            r#"+I {"whole":null,"code":6,"name":"","inner":null,"packed":null}"#,
            r#"+I {"whole":null,"code":0,"name":"","inner":{"x":1,"y":"y"},"packed":null}"#,
            r#"+I {"whole":null,"code":0,"name":"","inner":null,"packed":[1,2,3,1,2]}"#,
            r#"+I {"whole":null,"code":0,"name":"n","inner":null,"packed":null}"#,
        ]
    );
}

#[test]
fn bad_records_are_set_aside_or_skipped() {
    let columns = [("str", text()), ("color", text())];
    let good = [0x72, 1, b'a'];
    let all: [&[u8]; 6] = [&good, &good[..2], &[0x72, 1, 0xFF], &[0x80, 1, 9], &[0], &good];
    let read = table("Types", &columns).read_blobs(&[records(&all)]).unwrap();
    let reasons: Vec<&str> = read.rejects.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "the record ends early",
            "field 'str': a string is not valid UTF-8",
            "field 'color': the enum has no value 9",
            "0 is no tag of a field"
        ]
    );
    assert_eq!(read.rows.len(), 2);
    let skipping = table("Types", &columns).option("ignore-parse-errors", "true");
    let read = skipping.read_blobs(&[records(&all)]).unwrap();
    assert_eq!((read.rows.len(), read.skipped, read.records), (2, 4, 6));
}

#[test]
fn nulls_inside_of_lists_are_written_as_defaults() {
    let columns =
        [("texts", array(text())), ("packed", array(int())), ("map", map(long())), ("colors", array(text()))];
    let json = r#"{"texts":[null,"b"],"packed":[null,2],"map":{"k":null},"colors":[null]}"#;
    let table = table("Types", &columns).option("write-null-string-literal", "NULL");
    let read = table.read_blobs(&[records(&write(&table, json))]).unwrap();
    assert_eq!(read.rows, [r#"+I {"texts":["NULL","b"],"packed":[0,2],"map":{"k":0},"colors":["NONE"]}"#]);
    let error = try_write(&table, r#"{"colors":["GREEN"]}"#).unwrap_err().to_string();
    assert_eq!(error, "can't write a row as protobuf: field 'colors': the enum has no value 'GREEN'");
}

#[test]
fn what_does_not_fit_is_refused_with_its_column() {
    for (columns, message) in [
        (vec![("lost", int())], "column 'lost': the message 'com.example.Types' has no such field"),
        (vec![("i32", long())], "column 'i32': the field is int32, which is not read as BIGINT"),
        (vec![("packed", int())], "column 'packed': the field is repeated int32, which is not read as INT"),
        (vec![("map", text())], "column 'map': the field is a map, which is not read as STRING"),
        (
            vec![("inner", row(&[("x", text())]))],
            "column 'inner': column 'x': the field is int32, which is not read as STRING",
        ),
    ] {
        assert_eq!(table("Types", &columns).refusal(), message);
    }
    let one = [("i32", int())];
    assert!(table("Typos", &one).refusal().contains("there is no message 'Typos'"));
    assert!(table("com.example.Types$Inner", &[("x", int())]).chunks(&[]).is_ok());
    let without = Table::new("protobuf", &one).option("message-class-name", "Types");
    assert!(without.refusal().contains("needs the definition of its message"));
    let gone =
        Table::new("protobuf", &one).option("message-class-name", "T").option("schema-file", "/none.proto");
    assert!(gone.refusal().contains("'/none.proto' can't be read"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_a_row_or_a_reject(record in proptest::collection::vec(any::<u8>(), 0..60)) {
        let read = table("Types", &types()).read_blobs(&[records(&[&record])]).unwrap();
        prop_assert_eq!(read.rows.len() + read.rejects.len(), 1);
    }

    #[test]
    fn rows_survive(
        values in proptest::collection::vec(
            (any::<i32>(), any::<i64>(), ".{0,20}", proptest::collection::vec(any::<i32>(), 1..5)),
            1..20,
        ),
    ) {
        let columns = [
            ("s32", int()), ("i64", long()), ("sf64", long()), ("str", text()), ("packed", array(int())),
            ("inners", array(inner())), ("map", map(long())),
        ];
        let json = values.iter().map(|(a, b, s, list)| serde_json::json!({
            "s32": a, "i64": b, "sf64": b, "str": s, "packed": list,
            "inners": list.iter().map(|x| serde_json::json!({"x": x, "y": s})).collect::<Vec<_>>(),
            "map": {"key": b},
        }).to_string());
        let json = json.collect::<Vec<_>>().join("\n");
        let table = table("Types", &columns);
        let read = table.read_blobs(&[records(&write(&table, &json))]).unwrap();
        prop_assert_eq!(read.rejects, []);
        prop_assert_eq!(read.rows, Table::new("json", &columns).read(&json).rows);
    }
}
