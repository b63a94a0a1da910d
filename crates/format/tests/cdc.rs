//! Changelog formats: which rows an envelope gives, metadata, filters, rejects, and what is written.

#[path = "support/harness.rs"]
mod harness;

use harness::{Table, array, assert_cuts_do_not_matter, int, map, text};
use tidemill_types::{DataType, RowKind, TypeKind};

fn table(format: &str) -> Table<'_> {
    Table::new(format, &[("id", int()), ("name", text())])
}

fn instant(precision: u8) -> DataType {
    TypeKind::TimestampLtz(precision).nullable()
}

#[test]
fn debezium_changes_become_rows() {
    let table = table("debezium-json");
    let lines = concat!(
        r#"{"before":null,"after":{"id":1,"name":"a"},"source":{"db":"x"},"op":"c","ts_ms":1}"#,
        "\n",
        r#"{"op":"r","after":{"name":"longer than twelve","id":2}}"#,
        "\n\n",
        r#"{"before":{"id":1,"name":"a"},"after":{"id":1,"name":null},"op":"u"}"#,
        "\n",
        r#"{"before":{"id":2,"name":"longer than twelve"},"after":null,"op":"d"}"#,
        "\n",
    );
    let read = table.read(lines);
    assert_eq!(
        read.rows,
        [
            r#"+I {"id":1,"name":"a"}"#,
            r#"+I {"id":2,"name":"longer than twelve"}"#,
            r#"-U {"id":1,"name":"a"}"#,
            r#"+U {"id":1,"name":null}"#,
            r#"-D {"id":2,"name":"longer than twelve"}"#,
        ]
    );
    assert_eq!((read.records, read.rejects.len()), (4, 0));
    assert_cuts_do_not_matter(&table, lines);
}

#[test]
fn envelopes_that_lack_something_are_rejects_in_order() {
    let lines = concat!(
        r#"{"before":null,"after":{"id":1},"op":"u"}"#,
        "\n",
        r#"{"after":{"id":1},"op":"x"}"#,
        "\n",
        r#"{"after":{"id":"q"},"op":"c"}"#,
        "\n",
        r#"{"after":{"id":2}}"#,
        "\n",
        r#"{"before":{"id":3},"op":"c"}"#,
        "\n",
        r#"{"after":{"id":4},"op":"c"}"#,
    );
    let read = table("debezium-json").read(lines);
    assert_eq!(read.rows, [r#"+I {"id":4,"name":null}"#]);
    let reasons: Vec<&str> = read.rejects.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "field 'before' is missing or null; a Postgres source sends it only with REPLICA IDENTITY FULL",
            "field 'op' is 'x', not one of 'c', 'r', 'u', 'd'",
            "can't read field 'after.id': 'q' is no INT at byte 16",
            "the record has no field 'op'",
            "field 'after' is missing or null",
        ]
    );
    let bytes: Vec<&str> = read.rejects.iter().map(|(bytes, _)| bytes.as_str()).collect();
    assert_eq!(bytes, lines.lines().take(5).collect::<Vec<_>>());
    let lenient = table("debezium-json").option("ignore-parse-errors", "true");
    let read = lenient.read(lines);
    assert_eq!(read.rows, [r#"+I {"id":null,"name":null}"#, r#"+I {"id":4,"name":null}"#]);
    assert_eq!((read.skipped, read.records), (4, 6));
}

#[test]
fn debezium_payload_and_metadata() {
    let line = concat!(
        r#"{"schema":{"type":"struct"},"payload":{"before":null,"after":{"id":1,"name":"a"},"op":"c","ts_ms":1500,"#,
        r#""source":{"db":"inv","table":"t","ts_ms":2500,"schema":null,"lsn":7}}}"#,
    );
    let table = table("debezium-json")
        .option("schema-include", "true")
        .with_metadata("schema", text())
        .with_metadata("ingestion-timestamp", instant(3))
        .with_metadata("source.timestamp", instant(3))
        .with_metadata("source.database", text())
        .with_metadata("source.schema", text())
        .with_metadata("source.table", text())
        .with_metadata("source.properties", map(text()));
    assert_eq!(
        table.rows(line),
        [concat!(
            r#"{"id":1,"name":"a","schema":"{\"type\":\"struct\"}","ingestion-timestamp":"1970-01-01 00:00:01.5","#,
            r#""source.timestamp":"1970-01-01 00:00:02.5","source.database":"inv","source.schema":null,"#,
            r#""source.table":"t","source.properties":{"db":"inv","table":"t","ts_ms":"2500","schema":null,"lsn":"7"}}"#
        )]
    );
    let plain = r#"{"after":{"id":1},"op":"c"}"#;
    assert_eq!(table.reasons(plain), ["the record has no field 'payload'"]);
    let wrong = Table::new("debezium-json", &[("id", int())]).with_metadata("source.x", text());
    assert!(wrong.refusal().contains("has no metadata column 'source.x'"));
    let mistyped = Table::new("debezium-json", &[("id", int())]).with_metadata("ingestion-timestamp", text());
    assert!(mistyped.refusal().contains("is TIMESTAMP_LTZ(3), not STRING"));
}

#[test]
fn canal_fills_old_rows_and_filters() {
    let lines = concat!(
        r#"{"data":[{"id":"1","name":"a"},{"id":"2","name":"b"}],"old":null,"type":"INSERT","database":"inv","table":"prod","ts":3}"#,
        "\n",
        r#"{"data":[{"id":"1","name":"a2"},{"id":"2","name":"b2"}],"old":[{"name":"a"},{"name":null}],"type":"UPDATE","database":"inv","table":"prod"}"#,
        "\n",
        r#"{"data":null,"type":"CREATE","isDdl":true,"database":"inv","table":"prod"}"#,
        "\n",
        r#"{"data":[{"id":"2","name":"b"}],"type":"DELETE","database":"inv","table":"other"}"#,
        "\n",
    );
    let table = table("canal-json");
    let read = table.read(lines);
    assert_eq!(
        read.rows,
        [
            r#"+I {"id":1,"name":"a"}"#,
            r#"+I {"id":2,"name":"b"}"#,
            r#"-U {"id":1,"name":"a"}"#,
            r#"+U {"id":1,"name":"a2"}"#,
            r#"-U {"id":2,"name":null}"#,
            r#"+U {"id":2,"name":"b2"}"#,
            r#"-D {"id":2,"name":"b"}"#,
        ]
    );
    assert_eq!(read.rejects, []);
    assert_cuts_do_not_matter(&table, lines);
    let filtered = Table::new("canal-json", &[("id", int())])
        .option("database.include", "i.v")
        .option("table.include", "oth.*")
        .with_metadata("table", text())
        .with_metadata("ingestion-timestamp", instant(3))
        .with_metadata("pk-names", array(text()));
    assert_eq!(
        filtered.read(lines).rows,
        [r#"-D {"id":2,"table":"other","ingestion-timestamp":null,"pk-names":null}"#]
    );
    assert!(
        Table::new("canal-json", &[])
            .option("table.include", "(")
            .refusal()
            .contains("no regular expression")
    );
}

#[test]
fn maxwell_and_ogg_changes_become_rows() {
    let lines = concat!(
        r#"{"database":"t","table":"p","type":"insert","ts":1,"data":{"id":1,"name":"a"}}"#,
        "\n",
        r#"{"database":"t","table":"p","type":"update","ts":2,"data":{"id":1,"name":null},"old":{"name":"a"}}"#,
        "\n",
        r#"{"database":"t","table":"p","type":"delete","ts":3,"data":{"id":1,"name":null}}"#,
        "\n",
    );
    let maxwell = table("maxwell-json").with_metadata("ingestion-timestamp", instant(3));
    assert_eq!(
        maxwell.read(lines).rows,
        [
            r#"+I {"id":1,"name":"a","ingestion-timestamp":"1970-01-01 00:00:01"}"#,
            r#"-U {"id":1,"name":"a","ingestion-timestamp":"1970-01-01 00:00:02"}"#,
            r#"+U {"id":1,"name":null,"ingestion-timestamp":"1970-01-01 00:00:02"}"#,
            r#"-D {"id":1,"name":null,"ingestion-timestamp":"1970-01-01 00:00:03"}"#,
        ]
    );
    let ogg = table("ogg-json").with_metadata("event-timestamp", instant(6)).with_metadata("table", text());
    let lines = concat!(
        r#"{"table":"X.Y","op_type":"I","op_ts":"2024-01-01 00:00:00.000001","after":{"id":1,"name":"a"}}"#,
        "\n",
        r#"{"table":"X.Y","op_type":"U","before":{"id":1,"name":"a"},"after":{"id":1,"name":"b"}}"#,
        "\n",
        r#"{"table":"X.Y","op_type":"D","before":{"id":1,"name":"b"},"after":null}"#,
        "\n",
    );
    assert_eq!(
        ogg.read(lines).rows,
        [
            r#"+I {"id":1,"name":"a","event-timestamp":"2024-01-01 00:00:00.000001","table":"X.Y"}"#,
            r#"-U {"id":1,"name":"a","event-timestamp":null,"table":"X.Y"}"#,
            r#"+U {"id":1,"name":"b","event-timestamp":null,"table":"X.Y"}"#,
            r#"-D {"id":1,"name":"b","event-timestamp":null,"table":"X.Y"}"#,
        ]
    );
}

#[test]
fn updates_are_written_as_deletion_and_insertion() {
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let json = "{\"id\":1}\n{\"id\":1}\n{\"id\":2,\"name\":\"b\"}\n{\"id\":2,\"name\":\"b\"}\n";
    let first = r#"{"id":1,"name":null}"#;
    let second = r#"{"id":2,"name":"b"}"#;
    for (format, added, removed) in [
        (
            "debezium-json",
            r#"{"before":null,"after":ROW,"op":"c"}"#,
            r#"{"before":ROW,"after":null,"op":"d"}"#,
        ),
        (
            "ogg-json",
            r#"{"before":null,"after":ROW,"op_type":"I"}"#,
            r#"{"before":ROW,"after":null,"op_type":"D"}"#,
        ),
        ("canal-json", r#"{"data":[ROW],"type":"INSERT"}"#, r#"{"data":[ROW],"type":"DELETE"}"#),
        ("maxwell-json", r#"{"data":ROW,"type":"insert"}"#, r#"{"data":ROW,"type":"delete"}"#),
    ] {
        let table = table(format);
        let written = table.write_kinds(json, Some(&kinds)).unwrap();
        let expected = [(added, first), (removed, first), (added, second), (removed, second)];
        assert_eq!(written, expected.map(|(envelope, row)| envelope.replace("ROW", row)), "{format}");
        let back: Vec<String> = table.read(&written.join("\n")).rows;
        let rows = [("+I", first), ("-D", first), ("+I", second), ("-D", second)];
        assert_eq!(back, rows.map(|(kind, row)| format!("{kind} {row}")), "{format}");
    }
    let schema = table("debezium-json").option("schema-include", "true");
    assert!(schema.write("{}").unwrap_err().to_string().contains("can't be true where changes are written"));
}

#[test]
fn unknown_formats_are_refused_with_the_near_ones() {
    let error = tidemill_format::format("debezium_json").err().unwrap();
    assert_eq!(error.to_string(), "there is no format 'debezium_json'");
    assert!(error.hint().unwrap().starts_with("did you mean 'debezium-json'"));
}
