//! Whole files: Avro containers and Parquet, written here, by Flink and by others.

#[path = "support/binary.rs"]
mod binary;
#[path = "support/harness.rs"]
mod harness;

use arrow_buffer::Buffer;
use harness::{Table, UTC, array, int, map, row, text};
use proptest::prelude::*;
use std::io;
use std::sync::Arc;
use tidemill_format::{DecodeRequest, EncodeRequest, FileBytes, RowWriter, format};
use tidemill_types::{Blob, Chunk, DataType, Options, Result, TypeKind};

struct InMemory(Vec<u8>);

impl FileBytes for InMemory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.get(offset as usize..offset as usize + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The rows of a file behind the first `skip`, as JSON.
fn read_from(table: &Table<'_>, file: &[u8], skip: u64) -> Result<Vec<String>> {
    let wanted: Vec<usize> = (0..table.schema.len()).collect();
    let options = Options::new(table.options.iter().copied());
    let request = DecodeRequest {
        physical: &table.schema,
        wanted: &wanted,
        metadata: &[],
        options: &options,
        zone: UTC,
    };
    let files = format(table.format)?.files.as_ref().expect("the format has files");
    let mut reader = (files.reader)(&request, Arc::new(InMemory(file.to_vec())), skip)?;
    let writer = RowWriter::new(table.schema.clone(), UTC);
    let mut lines = Vec::new();
    while let Some(rows) = reader.next()? {
        writer.write(&Chunk::new(rows.columns, rows.rows), &mut lines)?;
    }
    let lines = String::from_utf8(lines).expect("rows are text");
    let strip = |line: &str| {
        let row = line.strip_prefix("{\"op\":\"+I\",\"row\":").and_then(|row| row.strip_suffix('}'));
        row.expect("rows are inserts").to_string()
    };
    Ok(lines.lines().map(strip).collect())
}

fn read(table: &Table<'_>, file: &[u8]) -> Vec<String> {
    read_from(table, file, 0).expect("the file can be read")
}

/// A file of rows given as JSON lines, written in as many pieces.
fn write(table: &Table<'_>, pieces: &[&str]) -> Result<Vec<u8>> {
    let options = Options::new(table.options.iter().copied());
    let request = EncodeRequest { schema: &table.schema, options: &options, zone: UTC };
    let files = format(table.format)?.files.as_ref().expect("the format has files");
    let mut writer = (files.writer)(&request)?;
    let mut out = Vec::new();
    for piece in pieces {
        let json = Table { format: "json", schema: table.schema.clone(), options: vec![], metadata: vec![] };
        let (chunk, rejects, ..) = json.chunks(&[Blob::lines(Buffer::from(piece.as_bytes()))])?.remove(0);
        assert_eq!(rejects, []);
        writer.write(&chunk, &mut out)?;
    }
    writer.finish(&mut out)?;
    Ok(out)
}

fn types() -> Vec<(&'static str, DataType)> {
    let double = TypeKind::Double.nullable();
    vec![
        ("b", TypeKind::Boolean.nullable()),
        ("t", TypeKind::TinyInt.nullable()),
        ("s", TypeKind::SmallInt.nullable()),
        ("i", TypeKind::Int.not_null()),
        ("l", TypeKind::BigInt.nullable()),
        ("f", TypeKind::Float.nullable()),
        ("d", double.clone()),
        ("str", text()),
        ("bin", DataType::bytes()),
        ("dt", TypeKind::Date.nullable()),
        ("tm", TypeKind::Time(3).nullable()),
        ("ts", TypeKind::Timestamp(3).nullable()),
        ("de", DataType::decimal(10, 2)),
        ("big", DataType::decimal(30, 5)),
        ("ar", array(int())),
        ("mp", map(TypeKind::BigInt.nullable())),
        ("rw", row(&[("x", int()), ("y", text())])),
        ("nested", array(row(&[("k", text()), ("v", array(double))]))),
    ]
}

/// What `fixtures/flink/write.py` writes.
const ROWS: [&str; 3] = [
    r#"{"b":true,"t":1,"s":300,"i":70000,"l":5000000000,"f":1.5,"d":2.25,"str":"héllo wörld, longer than twelve","bin":"AP8Q","dt":"2024-02-29","tm":"12:34:56","ts":"2024-02-29 12:34:56.789","de":{"$decimal":"12345.67"},"big":{"$decimal":"-1234567890123456789.12345"},"ar":[1,2,3],"mp":{"a":1,"b":2},"rw":{"x":1,"y":"x"},"nested":[{"k":"k","v":[0.5]}]}"#,
    r#"{"b":null,"t":null,"s":null,"i":-1,"l":null,"f":null,"d":null,"str":null,"bin":null,"dt":null,"tm":null,"ts":null,"de":null,"big":null,"ar":null,"mp":null,"rw":null,"nested":null}"#,
    r#"{"b":false,"t":-128,"s":-32768,"i":0,"l":-9223372036854775807,"f":-0.1,"d":1.0E300,"str":"","bin":"","dt":"1969-12-31","tm":"00:00:00","ts":"1969-12-31 23:59:59.999","de":{"$decimal":"-0.01"},"big":{"$decimal":"0.00000"},"ar":[null,-7],"mp":{"only":null},"rw":{"x":null,"y":"y"},"nested":[{"k":null,"v":[1.0,2.0]}]}"#,
];

/// The same as JSON for the decoder.
fn json(rows: &[&str]) -> String {
    let plain = |row: &&str| {
        row.replace("{\"$decimal\":", "")
            .replace("\"},\"big\"", "\",\"big\"")
            .replace("\"},\"ar\"", "\",\"ar\"")
    };
    rows.iter().map(plain).collect::<Vec<_>>().join("\n")
}

#[test]
fn files_of_flink_are_read() {
    let avro = Table::new("avro", &types());
    assert_eq!(read(&avro, include_bytes!("fixtures/flink/types_deflate.avro")), ROWS);
    assert_eq!(read(&avro, include_bytes!("fixtures/flink/types_snappy.avro")), ROWS);
    let parquet = Table::new("parquet", &types()).option("utc-timezone", "true");
    assert_eq!(read(&parquet, include_bytes!("fixtures/flink/types_int64_gzip.parquet")), ROWS);
    // Flink's INT96 of times before 1970 with a fraction is a second late; so it is in its own eyes too.
    let late = ROWS.map(|row| row.replace("1969-12-31 23:59:59.999", "1970-01-01 00:00:00.999"));
    assert_eq!(read(&parquet, include_bytes!("fixtures/flink/types.parquet")), late);
}

#[test]
fn timestamps_of_flink_are_read_in_every_precision() {
    let columns = [
        ("a", TypeKind::Timestamp(3).nullable()),
        ("b", TypeKind::Timestamp(6).nullable()),
        ("e", TypeKind::Timestamp(9).nullable()),
        ("c", TypeKind::TimestampLtz(3).nullable()),
        ("d", TypeKind::TimestampLtz(6).nullable()),
    ];
    let table = Table::new("parquet", &columns).option("utc-timezone", "true");
    // Flink counts INT96 backwards before 1970; what is finer than a microsecond is cut off towards 1970 then.
    let rows = |last: [&str; 3]| {
        [
            format!(
                r#"{{"a":"2024-02-29 12:34:56.789","b":"2024-02-29 12:34:56.789123","e":"2024-02-29 12:34:56.789123{}","c":"2024-02-29 04:34:56.789","d":"2024-02-29 04:34:56.789123"}}"#,
                last[0]
            ),
            format!(
                r#"{{"a":"1960-01-01 00:00:00","b":"1960-01-01 00:00:00.000001","e":"1960-01-01 00:00:00.000001{}","c":"1959-12-31 16:00:00","d":"1959-12-31 16:00:00.00000{}"}}"#,
                last[1], last[2]
            ),
        ]
    };
    assert_eq!(read(&table, include_bytes!("fixtures/flink/timestamps.parquet")), rows(["456", "002", "2"]));
    assert_eq!(read(&table, include_bytes!("fixtures/flink/timestamps_int64.parquet")), rows(["", "", "1"]));
}

#[test]
fn files_survive_in_every_form() {
    let forms: &[(&str, &[(&str, &str)])] = &[
        ("avro", &[]),
        ("avro", &[("codec", "null")]),
        ("avro", &[("codec", "deflate")]),
        ("avro", &[("codec", "zstandard")]),
        ("parquet", &[]),
        ("parquet", &[("compression", "GZIP"), ("write.int64.timestamp", "true")]),
        ("parquet", &[("compression", "zstd"), ("enable.dictionary", "false"), ("utc-timezone", "true")]),
        ("parquet", &[("compression", "UNCOMPRESSED"), ("block.size", "1b"), ("page.size", "10b")]),
        (
            "parquet",
            &[
                ("compression", "LZ4_RAW"),
                ("timestamp.time.unit", "millis"),
                ("write.int64.timestamp", "true"),
            ],
        ),
    ];
    let (first, rest) = (json(&ROWS[..1]), json(&ROWS[1..]));
    for (format, options) in forms {
        let mut table = Table::new(format, &types());
        table.options.extend_from_slice(options);
        let file = write(&table, &[&first, &rest]).unwrap();
        assert_eq!(read(&table, &file), ROWS, "{format} {options:?}");
        assert_eq!(read_from(&table, &file, 2).unwrap(), ROWS[2..], "{format} {options:?}");
        let empty = write(&table, &[]).unwrap();
        assert_eq!(read(&table, &empty), [""; 0]);
    }
}

#[test]
fn files_of_others_are_read_from_any_row() {
    let columns = [("id", TypeKind::Int.nullable()), ("half", TypeKind::Double.nullable()), ("name", text())];
    let row = |id: usize| {
        let half = if id.is_multiple_of(3) { "null".into() } else { format!("{:?}", id as f64 / 2.0) };
        format!(r#"{{"id":{id},"half":{half},"name":"name {id}"}}"#)
    };
    let all: Vec<String> = (0..1000).map(row).collect();
    for (format, file) in [
        ("avro", &include_bytes!("fixtures/thousand.avro")[..]),
        ("parquet", &include_bytes!("fixtures/thousand.parquet")[..]),
    ] {
        let table = Table::new(format, &columns);
        for skip in [0, 1, 299, 300, 301, 650, 899, 900, 999, 1000] {
            assert_eq!(read_from(&table, file, skip as u64).unwrap(), all[skip..], "{format} {skip}");
        }
    }
}

#[test]
fn other_forms_of_parquet_are_read_as_flinks_types() {
    let columns = [
        ("small", DataType::decimal(10, 3)),
        ("medium", DataType::decimal(15, 2)),
        ("time", TypeKind::Time(3).nullable()),
        ("day", TypeKind::Date.nullable()),
        ("ms", TypeKind::Timestamp(6).nullable()),
        ("lists", array(array(TypeKind::BigInt.nullable()))),
        ("map", map(TypeKind::BigInt.nullable())),
        ("lost", map(int())),
    ];
    let rows = read(&Table::new("parquet", &columns), include_bytes!("fixtures/thousand.parquet"));
    assert_eq!(
        rows[1],
        r#"{"small":{"$decimal":"0.010"},"medium":{"$decimal":"-0.01"},"time":"01:02:03.004","day":"2024-02-29","ms":"1969-12-31 23:59:59.999","lists":[[1],null,[]],"map":{"k":1},"lost":null}"#
    );
    assert!(rows[0].contains(r#""lists":null"#));
    let refusal = |name: &str, data_type: DataType| {
        let table = Table::new("parquet", &[(name, data_type)]);
        read_from(&table, include_bytes!("fixtures/thousand.parquet"), 0).unwrap_err().to_string()
    };
    assert_eq!(
        refusal("day", int()),
        "column 'day' of the Parquet file is not INT: Date32 can't be read as INT"
    );
    assert!(refusal("lists", array(int())).contains("List"));
    assert!(refusal("small", DataType::decimal(2, 2)).contains("more digits than DECIMAL(2, 2)"));
}

#[test]
fn broken_files_say_what_is_wrong() {
    for format in ["avro", "parquet"] {
        let table = Table::new(format, &types());
        let file = write(&table, &[&json(&ROWS)]).unwrap();
        for end in (0..file.len()).step_by(7) {
            let error = read_from(&table, &file[..end], 0);
            assert!(error.is_err() || format == "avro" && error.unwrap().is_empty(), "{format} {end}");
        }
        let error = read_from(&table, b"a,b\n1,2\n1,2\n1,2\n", 0).unwrap_err().to_string();
        assert!(
            error.contains("the file is no Avro file") || error.contains("the Parquet file can't be read")
        );
    }
    let mut file = write(&Table::new("avro", &types()), &[&json(&ROWS)]).unwrap();
    let last = file.len() - 20;
    file[last] ^= 1;
    let error = read_from(&Table::new("avro", &types()), &file, 0).unwrap_err().to_string();
    assert!(error.contains("checksum") || error.contains("decompress"), "{error}");
}

#[test]
fn parquet_is_no_format_of_records() {
    let table = Table::new("parquet", &[("a", int())]);
    let error = table.read_blobs(&[binary::records(&[[1]])]).unwrap_err().to_string();
    assert_eq!(error, "the format 'parquet' has files, not records");
    let month = Table::new("parquet", &[("a", TypeKind::IntervalMonth.nullable())]);
    assert!(month.refusal().contains("column 'a': the format 'parquet' can't carry INTERVAL MONTH"));
    let null = Table::new("parquet", &[("a", TypeKind::Int.not_null())]);
    let error = write(&null, &["{}"]).unwrap_err().to_string();
    assert_eq!(error, "can't write column 'a' as Parquet: NULL stands in a column that is NOT NULL");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn nested_rows_survive(
        rows in proptest::collection::vec(
            proptest::option::of(proptest::collection::vec(
                proptest::option::of((
                    proptest::option::of("[a-zé]{0,15}"),
                    proptest::option::of(proptest::collection::vec(proptest::option::of(any::<i32>()), 0..4)),
                )),
                0..4,
            )),
            0..30,
        ),
        cut in 0usize..30,
        skip in 0u64..30,
    ) {
        let columns = [("l", array(row(&[("s", text()), ("a", array(int())), ("m", map(array(int())))])))];
        let object = |row: &Option<Vec<Option<(Option<String>, Option<Vec<Option<i32>>>)>>>| {
            let items = row.as_ref().map(|row| row.iter().map(|item| item.as_ref().map(|(s, a)| {
                serde_json::json!({"s": s, "a": a, "m": {"one": a, "two": null, "three": []}})
            })).collect::<Vec<_>>());
            serde_json::json!({"l": items}).to_string()
        };
        let lines: Vec<String> = rows.iter().map(object).collect();
        let (first, second) = lines.split_at(cut.min(lines.len()));
        let expected = Table::new("json", &columns).rows(&lines.join("\n"));
        for format in ["avro", "parquet"] {
            let table = Table::new(format, &columns);
            let file = write(&table, &[&first.join("\n"), &second.join("\n")]).unwrap();
            let skip = skip.min(lines.len() as u64);
            prop_assert_eq!(&read_from(&table, &file, skip).unwrap(), &expected[skip as usize..]);
        }
    }
}
