//! The formats `avro` and `avro-confluent` both ways.

#[path = "support/binary.rs"]
mod binary;
#[path = "support/harness.rs"]
mod harness;
#[path = "support/registry.rs"]
mod registry;

use binary::{records, try_write, write};
use harness::{Table, array, int, map, row, text};
use proptest::prelude::*;
use tidemill_types::{DataType, TypeKind};

/// Writes rows, reads them back and compares with the rows given.
fn assert_survives(table: &Table<'_>, json: &str) {
    let written = write(table, json);
    let read = table.read_blobs(&[records(&written)]).expect("the table can be read");
    assert_eq!(read.rejects, []);
    let expected = Table { format: "json", schema: table.schema.clone(), options: vec![], metadata: vec![] };
    assert_eq!(read.rows, expected.read(json).rows);
}

#[test]
fn values_are_written_as_the_specification_says() {
    let null_first = |bytes: &[u8]| [&[2][..], bytes].concat();
    for (data_type, json, bytes) in [
        (TypeKind::Boolean, "true", vec![1]),
        (TypeKind::TinyInt, "-1", vec![1]),
        (TypeKind::SmallInt, "64", vec![0x80, 1]),
        (TypeKind::Int, "-65", vec![0x81, 1]),
        (TypeKind::BigInt, "2147483648", vec![0x80, 0x80, 0x80, 0x80, 0x10]),
        (TypeKind::Float, "1.5", vec![0, 0, 0xC0, 0x3F]),
        (TypeKind::Double, "-2", vec![0, 0, 0, 0, 0, 0, 0, 0xC0]),
        (DataType::string().kind, "\"né\"", vec![6, b'n', 0xC3, 0xA9]),
        (DataType::bytes().kind, "\"AP8=\"", vec![4, 0, 0xFF]),
        (TypeKind::Date, "\"1970-01-03\"", vec![4]),
        (TypeKind::Time(3), "\"00:00:01.002\"", vec![0xD4, 0x0F]),
        (TypeKind::Timestamp(3), "\"1970-01-01 00:00:00.003\"", vec![6]),
        (DataType::decimal(10, 2).kind, "1.28", vec![4, 0, 0x80]),
        (DataType::decimal(10, 2).kind, "-1.28", vec![2, 0x80]),
        (DataType::decimal(10, 2).kind, "0", vec![2, 0]),
        (array(TypeKind::Int.not_null()).kind, "[1,2]", vec![4, 2, 4, 0]),
        (array(int()).kind, "[]", vec![0]),
        (map(int()).kind, "{\"a\":null}", vec![2, 2, b'a', 0, 0]),
        (row(&[("x", int()), ("y", text())]).kind, "{\"x\":3}", vec![2, 6, 0]),
    ] {
        let table = Table::new("avro", &[("c", data_type.clone().not_null())]);
        assert_eq!(write(&table, &format!("{{\"c\":{json}}}")), std::slice::from_ref(&bytes), "{data_type}");
        let table = Table::new("avro", &[("c", data_type.clone().nullable())]);
        assert_eq!(write(&table, &format!("{{\"c\":{json}}}")), [null_first(&bytes)], "{data_type}");
        assert_eq!(write(&table, "{\"c\":null}"), [[0]]);
        assert_survives(&table, &format!("{{\"c\":{json}}}\n{{}}"));
    }
}

/// What Flink 2.3 wrote to a topic of Kafka, and the schema that it registered there for the same table.
#[test]
fn records_and_schemas_are_flinks() {
    let columns = [
        ("id", TypeKind::Int.not_null()),
        ("s", text()),
        ("r", row(&[("x", int())])),
        ("ts", TypeKind::Timestamp(3).nullable()),
    ];
    let rows = [
        r#"+I {"id":1,"s":"a","r":{"x":5},"ts":"2024-01-01 00:00:00.123"}"#,
        r#"+I {"id":2,"s":null,"r":null,"ts":null}"#,
    ];
    let flinks = [bytes("0202026102020a02f6d18fa59863"), bytes("04000000")];
    let table = Table::new("avro", &columns);
    assert_eq!(table.read_blobs(&[records(&flinks)]).unwrap().rows, rows);
    let json = rows.map(|row| row.replace("+I ", "")).join("\n");
    assert_eq!(write(&table, &json), flinks);
    let registry = registry::start([]);
    let table =
        Table::new("avro-confluent", &columns).option("url", &registry.url).option("subject", "t-value");
    let confluent: Vec<Vec<u8>> = flinks.iter().map(|record| confluent(1, record)).collect();
    assert_eq!(write(&table, &json), confluent);
    let flinks = r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[{"name":"id","type":"int"},{"name":"s","type":["null","string"],"default":null},{"name":"r","type":["null",{"type":"record","name":"record_r","fields":[{"name":"x","type":["null","int"],"default":null}]}],"default":null},{"name":"ts","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null}]}"#;
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&registry.state.lock().unwrap().schemas[&1]), parse(flinks));
}

#[test]
fn timestamps_have_two_mappings() {
    let instant = TypeKind::TimestampLtz(3).nullable();
    let table = Table::new("avro", &[("ts", TypeKind::Timestamp(6).nullable()), ("at", instant)]);
    assert!(table.refusal().contains("TIMESTAMP(3) at most, not TIMESTAMP(6)"));
    let table = table.option("timestamp_mapping.legacy", "false");
    assert_survives(&table, "{\"ts\":\"1960-02-03 04:05:06.000007\",\"at\":\"2024-05-06 07:08:09.123Z\"}");
    assert_eq!(write(&table, "{\"ts\":\"1970-01-01 00:00:00.000001\"}"), [[2, 2, 0]]);
    let instant = Table::new("avro", &[("at", TypeKind::TimestampLtz(3).nullable())]);
    assert!(instant.refusal().contains("only without its legacy mapping"));
}

#[test]
fn bad_records_are_set_aside_and_others_read() {
    let table = Table::new("avro", &[("s", text()), ("n", array(int()))]);
    let good = write(&table, "{\"s\":\"a long enough text\",\"n\":[1,null]}").remove(0);
    let cut = &good[..good.len() - 1];
    let longer = [&good[..], &[0]].concat();
    let no_branch = [&[4][..], &good[1..]].concat();
    let no_text = [&[2, 2, 0xFF][..], &[0]].concat();
    let blob = records(&[&good, cut, &longer, &no_branch, &no_text, &good]);
    let read = table.read_blobs(&[blob]).unwrap();
    let row = r#"+I {"s":"a long enough text","n":[1,null]}"#;
    assert_eq!(read.rows, [row, row]);
    let reasons: Vec<&str> = read.rejects.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "the record ends early",
            "1 bytes are left behind the record",
            "there is no branch 2 in a union of 2",
            "a string is not valid UTF-8",
        ]
    );
    assert_eq!(read.rejects[0].0.as_bytes(), String::from_utf8_lossy(cut).as_bytes());
    assert_eq!(read.records, 6);
}

#[test]
fn what_can_not_be_written_says_why() {
    let table = Table::new("avro", &[("c", TypeKind::Int.not_null())]);
    let error = try_write(&table, "{}").unwrap_err().to_string();
    assert_eq!(error, "can't write a row as Avro: NULL stands where the schema has no null");
    let names = Table::new("avro", &[("a b", int())]);
    assert!(names.refusal().contains("a name that Avro does not allow"));
    let json = Table::new("avro", &[("a", int())]).option("encoding", "json");
    assert!(json.refusal().contains("binary only"));
    let lines = Table::new("avro", &[("a", int())]);
    let refused = lines.read_blobs(&[tidemill_types::Blob::lines(vec![0u8, 1])]).unwrap_err();
    assert!(refused.to_string().contains("can't be told apart by lines"));
}

/// Another system's records with their schemas, as hexadecimal text.
const OTHERS: &str = include_str!("fixtures/avro_records.json");

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("it is hexadecimal"))
        .collect()
}

fn confluent(id: u32, record: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), record].concat()
}

/// A table over the registry with the columns of the fixtures.
fn read_evolved(name: &str, columns: &[(&str, DataType)], options: &[(&str, &str)]) -> harness::Read {
    let cases: serde_json::Value = serde_json::from_str(OTHERS).expect("the fixture is JSON");
    let case = &cases[name];
    let registry = registry::start([(7, &case["schema"].to_string())]);
    let hex = case["records"].as_array().expect("the case has records");
    let all: Vec<Vec<u8>> =
        hex.iter().map(|hex| confluent(7, &bytes(hex.as_str().expect("records are text")))).collect();
    let mut table = Table::new("avro-confluent", columns).option("url", &registry.url);
    for (key, value) in options {
        table = table.option(key, value);
    }
    let read = table.read_blobs(&[records(&all)]).expect("the table can be read");
    let requests = &registry.state.lock().expect("no test panicked with it").requests;
    assert_eq!(requests, &["GET /schemas/ids/7"], "schemas are kept");
    read
}

#[test]
fn records_of_another_writer_are_resolved() {
    let columns = [
        ("id", TypeKind::BigInt.not_null()),
        ("ratio", TypeKind::Double.nullable()),
        ("kind", text()),
        ("added", int()),
        ("token", DataType::bytes()),
        ("price", DataType::decimal(10, 3)),
        ("at", TypeKind::Timestamp(3).nullable()),
        ("tags", array(text())),
        ("inner", row(&[("b", TypeKind::BigInt.nullable()), ("z", int())])),
        ("choice", text()),
    ];
    let read = read_evolved("evolved", &columns, &[]);
    assert_eq!(
        read.rows,
        [
            r#"+I {"id":1,"ratio":0.5,"kind":"NEW","added":null,"token":"AQIDBA==","price":{"$decimal":"1.230"},"at":"2024-01-02 03:04:05.678","tags":["a",null,"longer than twelve bytes"],"inner":{"b":5,"z":null},"choice":"text"}"#,
            r#"+I {"id":2,"ratio":2.0,"kind":"OLD","added":null,"token":"AAAAAA==","price":{"$decimal":"-0.010"},"at":"1969-12-31 23:59:59.999","tags":[],"inner":null,"choice":null}"#,
        ]
    );
    let reasons: Vec<&str> = read.rejects.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons, ["field 'choice': long can't be read as STRING"]);
}

#[test]
fn aliases_and_defaults_of_a_given_schema_count() {
    let schema = r#"{"type":"record","name":"r","fields":[
        {"name":"number","type":"long","aliases":["id"]},
        {"name":"note","type":"string","default":"none at all, but long"},
        {"name":"list","type":{"type":"array","items":"int"},"default":[]},
        {"name":"size","type":["int","null"],"default":-3}]}"#;
    let columns = [
        ("number", TypeKind::BigInt.not_null()),
        ("note", DataType::string().with_nullable(false)),
        ("list", array(TypeKind::Int.not_null()).with_nullable(false)),
        ("size", int()),
    ];
    let read = read_evolved("evolved", &columns, &[("schema", schema)]);
    assert_eq!(read.rows[0], r#"+I {"number":1,"note":"none at all, but long","list":[],"size":-3}"#);
    assert_eq!(read.rows.len(), 3);
    let other =
        Table::new("avro-confluent", &[("x", int())]).option("url", "http://x").option("schema", schema);
    assert!(other.refusal().contains("has the fields number, note, list, size, the table has the columns x"));
}

#[test]
fn recursive_and_nested_types_are_skipped() {
    let read = read_evolved("tree", &[("last", text())], &[]);
    assert_eq!(read.rows, [r#"+I {"last":"end"}"#, r#"+I {"last":"of all"}"#]);
    assert_eq!(read.rejects, []);
}

#[test]
fn a_field_that_the_writer_lacks_needs_a_default() {
    let columns = [("id", TypeKind::BigInt.not_null()), ("lost", TypeKind::Int.not_null())];
    let read = read_evolved("evolved", &columns, &[]);
    assert_eq!(read.rows.len(), 0);
    assert_eq!(read.rejects[0].1, "the writer's schema has no field 'lost'");
}

#[test]
fn a_sink_registers_its_schema_once() {
    let registry = registry::start([]);
    let table = Table::new("avro-confluent", &[("id", TypeKind::Int.not_null()), ("s", text())])
        .option("url", &registry.url)
        .option("subject", "my topic/1-value");
    let written = write(&table, "{\"id\":1,\"s\":\"x\"}\n{\"id\":2}");
    assert_eq!(written, [confluent(1, &[2, 2, 2, b'x']), confluent(1, &[4, 0])]);
    let read = table.read_blobs(&[records(&written)]).unwrap();
    assert_eq!(read.rows, [r#"+I {"id":1,"s":"x"}"#, r#"+I {"id":2,"s":null}"#]);
    let state = registry.state.lock().unwrap();
    assert_eq!(state.requests, ["POST /subjects/my%20topic%2F1-value/versions", "GET /schemas/ids/1"]);
    let schema: serde_json::Value = serde_json::from_str(&state.schemas[&1]).unwrap();
    assert_eq!(
        schema,
        serde_json::json!({"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[
            {"name":"id","type":"int"},{"name":"s","type":["null","string"],"default":null}]})
    );
}

#[test]
fn the_registry_is_asked_again_and_with_credentials() {
    let schema = r#"{"type":"record","name":"r","fields":[{"name":"id","type":"int"}]}"#;
    let registry = registry::start([(1, schema)]);
    registry.state.lock().unwrap().failures = 2;
    registry.state.lock().unwrap().authorization = Some("Basic dXNlcjpwYXNz".into());
    let open = || Table::new("avro-confluent", &[("id", int())]).option("url", &registry.url);
    let blob = records(&[confluent(1, &[6])]);
    let table = open().option("basic-auth.credentials-source", "USER_INFO");
    let table = table.option("basic-auth.user-info", "user:pass");
    assert_eq!(table.read_blobs(std::slice::from_ref(&blob)).unwrap().rows, [r#"+I {"id":3}"#]);
    let error = open().read_blobs(std::slice::from_ref(&blob)).unwrap_err().to_string();
    assert!(error.ends_with("Unauthorized (401 Unauthorized)"), "{error}");
    registry.state.lock().unwrap().authorization = Some("Bearer t0ken".into());
    let table = open().option("bearer-auth.token", "t0ken");
    assert_eq!(table.read_blobs(&[blob]).unwrap().rows.len(), 1);
}

#[test]
fn records_without_a_known_schema_are_set_aside() {
    let schema = r#"{"type":"record","name":"r","fields":[{"name":"id","type":"int"}]}"#;
    let registry = registry::start([(1, schema), (2, "\"string\""), (3, "{")]);
    let table = Table::new("avro-confluent", &[("id", int())]).option("url", &registry.url);
    let all = [
        confluent(9, &[6]),
        vec![1, 2, 3, 4, 5, 6],
        vec![0, 1],
        confluent(2, &[6]),
        confluent(3, &[6]),
        confluent(9, &[6]),
        confluent(1, &[6]),
    ];
    let read = table.read_blobs(&[records(&all)]).unwrap();
    assert_eq!(read.rows, [r#"+I {"id":3}"#]);
    let reasons: Vec<&str> = read.rejects.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons[0], "the schema registry has no schema 9: Schema not found (404 Not Found)");
    assert_eq!(reasons[1], "it begins with the byte 1, not with 0 and the id of a schema");
    assert_eq!(reasons[2], "it is too short for the id of a schema");
    assert_eq!(reasons[3], "schema 2 of the registry: the writer's schema is no record");
    assert!(reasons[4].starts_with("schema 3 of the registry: it is no JSON"));
    assert_eq!(reasons[5], reasons[0]);
    assert_eq!(registry.state.lock().unwrap().requests.len(), 4, "each id is asked for once");
}

#[test]
fn a_registry_is_named_by_its_options() {
    let table = |key, value| Table::new("avro-confluent", &[("id", int())]).option(key, value);
    assert!(table("url", "registry:8081").refusal().contains("no address of a schema registry"));
    assert!(
        table("url", "http://x")
            .option("ssl.truststore.location", "/none")
            .refusal()
            .contains("can't read '/none'")
    );
    let error = try_write(&table("url", "http://x"), "{}").unwrap_err().to_string();
    assert!(error.contains("needs the option 'subject'"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_survive(
        rows in proptest::collection::vec(
            (
                proptest::option::of(any::<i64>()),
                proptest::option::of(".{0,20}"),
                proptest::option::of(proptest::collection::vec(proptest::option::of(any::<i32>()), 0..5)),
                proptest::option::of(any::<i32>()),
                proptest::option::of(-99_999_999i64..99_999_999),
            ),
            1..20,
        ),
    ) {
        let table = Table::new("avro", &[
            ("l", TypeKind::BigInt.nullable()),
            ("s", text()),
            ("a", array(int())),
            ("r", row(&[("x", int()), ("m", map(text()))])),
            ("d", DataType::decimal(10, 2)),
        ]);
        let json = rows.iter().map(|(l, s, a, x, d)| {
            let inner = x.map(|x| serde_json::json!({"x": x, "m": {"k": s, "é": null}}));
            serde_json::json!({"l": l, "s": s, "a": a, "r": inner, "d": d.map(|d| d as f64 / 100.0)}).to_string()
        });
        let json: Vec<String> = json.collect();
        assert_survives(&table, &json.join("\n"));
    }

    #[test]
    fn any_bytes_are_a_row_or_a_reject(record in proptest::collection::vec(any::<u8>(), 0..60)) {
        let table = Table::new("avro", &[
            ("s", text()),
            ("a", array(row(&[("x", int()), ("m", map(DataType::bytes()))]))),
            ("d", DataType::decimal(10, 2)),
        ]);
        let read = table.read_blobs(&[records(&[&record])]).unwrap();
        prop_assert_eq!(read.rows.len() + read.rejects.len(), 1);
    }
}
