//! The sources that can replay, held to the suite.
#![allow(clippy::unwrap_used)] // the lint knows only functions marked as tests, not what they share

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::{Fetched, OpenSink, Positions, Source};
use tidemill_connectors::connectors;
use tidemill_testkit::random::Random;
use tidemill_testkit::source_suite::assert_replays;
use tidemill_testkit::table::TestTable;
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::Int64Type;
use tidemill_types::arrow::{Int64Array, StringViewArray};
use tidemill_types::{Chunk, DataType, Field, Result, RowField, Schema, TypeKind};

fn column(name: &str, kind: TypeKind) -> Field {
    Field::new(name, kind.nullable())
}

fn text() -> TypeKind {
    DataType::string().kind
}

fn array(of: TypeKind) -> TypeKind {
    TypeKind::Array(Box::new(of.nullable()))
}

fn row(fields: &[(&str, TypeKind)]) -> TypeKind {
    let field = |(name, kind): &(&str, TypeKind)| RowField {
        name: name.to_string(),
        data_type: kind.clone().nullable(),
    };
    TypeKind::Row(fields.iter().map(field).collect())
}

#[tokio::test]
async fn made_up_rows_go_on_where_they_were() {
    let map = TypeKind::Map(Box::new(text().not_null()), Box::new(TypeKind::Double.nullable()));
    let schema = Schema::new(vec![
        column("id", TypeKind::BigInt),
        column("n", TypeKind::Int),
        column("s", text()),
        column("b", TypeKind::Varbinary(5)),
        column("d", TypeKind::Decimal { precision: 9, scale: 3 }),
        column("f", TypeKind::Float),
        column("yes", TypeKind::Boolean),
        column("a", array(array(TypeKind::SmallInt))),
        column("m", map),
        column("r", row(&[("x", TypeKind::Double), ("y", text())])),
    ]);
    let options = [
        ("number-of-rows", "30000"),
        ("rows-per-second", "3000000"),
        ("seed", "5"),
        ("fields.id.kind", "sequence"),
        ("fields.id.start", "10"),
        ("fields.id.end", "100000"),
        ("fields.n.null-rate", "0.3"),
        ("fields.s.length", "9"),
        ("fields.s.var-len", "true"),
        ("fields.b.null-rate", "0.1"),
    ];
    for parallelism in [1, 3] {
        let mut table = TestTable::new("datagen", schema.clone(), &options);
        table.task = (parallelism - 1, parallelism);
        assert_replays(|| table.source(&connectors()).unwrap(), 1, 8).await;
    }
}

#[tokio::test]
async fn a_seed_that_nobody_named_is_part_of_the_position() {
    let schema = Schema::new(vec![column("n", TypeKind::BigInt)]);
    let table =
        TestTable::new("datagen", schema, &[("number-of-rows", "10"), ("rows-per-second", "1000000")]);
    let mut first = table.source(&connectors()).unwrap().source;
    let start = first.positions();
    let Fetched::Rows(made) = first.next().await.unwrap() else { panic!("rows") };
    std::thread::sleep(Duration::from_millis(2));
    let mut second = table.source(&connectors()).unwrap().source;
    second.restore(&start).await.unwrap();
    let Fetched::Rows(again) = second.next().await.unwrap() else { panic!("rows") };
    assert_eq!(made.columns[0].slice(0, 1).as_ref(), again.columns[0].slice(0, 1).as_ref());
}

#[tokio::test]
async fn benchmark_events_go_on_where_they_were() {
    let bid = row(&[
        ("auction", TypeKind::BigInt),
        ("price", TypeKind::BigInt),
        ("dateTime", TypeKind::Timestamp(3)),
    ]);
    let schema = Schema::new(vec![column("event_type", TypeKind::Int), column("bid", bid)]);
    let limited = [("events.num", "20000"), ("first-event.rate", "1000000"), ("rate.limited", "true")];
    for options in [&limited[..], &[("events.num", "50000")]] {
        let mut options = options.to_vec();
        options.push(("base-time", "1700000000000"));
        let table = TestTable::new("nexmark", schema.clone(), &options);
        assert_replays(|| table.source(&connectors()).unwrap(), 2, 8).await;
    }
}

fn lines(random: &mut Random, bytes: u64) -> String {
    let mut text = String::new();
    while (text.len() as u64) < bytes {
        let length_max = if random.one_in(50) { 5_000 } else { 60 };
        let length = random.below(length_max);
        text.extend((0..length).map(|at| char::from(b'a' + (at % 26) as u8)));
        text.push_str(&format!("{}\n", text.len()));
    }
    text
}

fn write_file(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        }
        Some("zst") => zstd::encode_all(text.as_bytes(), 1).unwrap(),
        _ => text.as_bytes().to_vec(),
    };
    fs::write(path, bytes).unwrap();
}

fn file_table(path: &Path, options: &[(&str, &str)]) -> TestTable {
    let mut table = TestTable::new("filesystem", Schema::new(vec![column("line", text())]), options);
    table.options.0.insert("path".into(), path.display().to_string());
    table.options.0.insert("format".into(), "raw".into());
    table
}

#[tokio::test]
async fn files_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(3);
    let sizes = [0, 10, 700_000, 2_000_000, 1, 1_200_000, 3_000_000, 300, 600_000];
    for (at, bytes) in sizes.into_iter().enumerate() {
        let ending = ["log", "gz", "zst"][at % 3];
        let mut text = lines(&mut random, bytes);
        if at % 2 == 0 {
            text.push_str("a last line without its end");
        }
        write_file(&folder.path().join(format!("{}/{at}.{ending}", at % 2)), &text);
    }
    let table = file_table(folder.path(), &[]);
    assert_replays(|| table.source(&connectors()).unwrap(), 4, 12).await;
}

/// Fills a folder with whole files, by the sink: one for each of these numbers of rows.
async fn write_wholes(table: &TestTable, sizes: &[usize]) {
    let mut first = 0;
    for (at, size) in sizes.iter().enumerate() {
        let table = TestTable { run_id: format!("run{at}"), ..table.clone() };
        let OpenSink { mut front, mut sink, .. } = table.sink(&connectors()).unwrap();
        let ids = Int64Array::from_iter_values(first..first + *size as i64);
        let texts = (0..*size).map(|row| (row % 5 != 0).then(|| format!("text {} of some length", row % 99)));
        let rows = Chunk::new(vec![Arc::new(ids), Arc::new(StringViewArray::from_iter(texts))], *size);
        first += *size as i64;
        let mut packets = Vec::new();
        front.encode(&rows, &mut packets).unwrap();
        for packet in packets {
            sink.write(packet).await.unwrap();
        }
        sink.finish().await.unwrap();
    }
}

fn whole_table(path: &Path, options: &[(&str, &str)]) -> TestTable {
    let schema = Schema::new(vec![column("id", TypeKind::BigInt), column("line", text())]);
    let mut table = TestTable::new("filesystem", schema, options);
    table.options.0.insert("path".into(), path.display().to_string());
    table
}

#[tokio::test]
async fn whole_files_go_on_where_they_were() {
    let small_groups = [("format", "parquet"), ("parquet.block.size", "40kb")];
    for options in [&[("format", "parquet")][..], &small_groups, &[("format", "avro")]] {
        let folder = tempfile::tempdir().unwrap();
        let table = whole_table(folder.path(), options);
        write_wholes(&table, &[1, 30_000, 7, 9_000, 2_048]).await;
        assert_replays(|| table.source(&connectors()).unwrap(), 6, 12).await;
    }
}

#[tokio::test]
async fn a_whole_file_that_is_not_what_it_was_is_refused() {
    for format in ["parquet", "avro"] {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let table = whole_table(folder.path(), &[("format", format)]);
        write_wholes(&table, &[20_000]).await;
        write_wholes(&whole_table(other.path(), &[("format", format)]), &[20_001]).await;
        let file = |folder: &Path| fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        let mut source = table.source(&connectors()).unwrap().source;
        assert!(matches!(source.next().await.unwrap(), Fetched::Rows(_)));
        let positions = source.positions();
        drop(source);
        assert!(matches!(resumed(&table, &positions).await.next().await.unwrap(), Fetched::Rows(_)));
        fs::copy(file(other.path()), file(folder.path())).unwrap();
        let error = resumed(&table, &positions).await.next().await.unwrap_err();
        assert!(error.hint().is_some() && error.to_string().contains("can't go on"), "{format}: {error}");
    }
}

/// The rows that come until a watched folder is silent for a moment.
async fn read_until_silent(source: &mut dyn Source) -> Vec<i64> {
    let mut ids = Vec::new();
    loop {
        let silence = Duration::from_secs(if ids.is_empty() { 20 } else { 1 });
        match tokio::time::timeout(silence, source.next()).await {
            Ok(Ok(Fetched::Rows(rows))) => {
                ids.extend_from_slice(rows.columns[0].as_primitive::<Int64Type>().values());
            }
            Ok(other) => panic!("rows were expected, not {other:?}"),
            Err(_) => return ids,
        }
    }
}

#[tokio::test]
async fn whole_files_that_come_later_are_read_once() {
    let monitored = ("source.monitor-interval", "5 ms");
    for format in ["parquet", "avro"] {
        let folder = tempfile::tempdir().unwrap();
        let table = whole_table(folder.path(), &[("format", format), monitored]);
        write_wholes(&table, &[10, 5_000]).await;
        let mut source = table.source(&connectors()).unwrap().source;
        assert!(read_until_silent(source.as_mut()).await.into_iter().eq(0..5_010), "{format}");
        let positions = source.positions();
        drop(source);
        // Those of the first two are there already, so their names are passed over.
        write_wholes(&table, &[3, 4]).await;
        let mut source = resumed(&table, &positions).await;
        let mut ids = read_until_silent(source.as_mut()).await;
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..7), "{format}: new files are read, known ones are not");
    }
}

async fn next_text(source: &mut dyn Source) -> String {
    let next = tokio::time::timeout(Duration::from_secs(20), source.next()).await.unwrap();
    match next.unwrap() {
        Fetched::Blob(fetched) => String::from_utf8(fetched.blob.bytes.to_vec()).unwrap(),
        other => panic!("a blob was expected, not {other:?}"),
    }
}

async fn resumed(table: &TestTable, positions: &Positions) -> Box<dyn Source> {
    let mut source = table.source(&connectors()).unwrap().source;
    source.restore(positions).await.unwrap();
    source
}

#[tokio::test]
async fn a_bounded_file_that_is_not_what_it_was_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let text = lines(&mut Random::new(1), 2_000_000);
    fs::write(&path, &text).unwrap();
    let table = file_table(&path, &[]);
    let mut source = table.source(&connectors()).unwrap().source;
    let first = next_text(source.as_mut()).await;
    let positions = source.positions();
    fs::write(&path, format!("{text}more\n")).unwrap();
    assert!(next_text(resumed(&table, &positions).await.as_mut()).await.len() > 1, "it may have grown");
    let refused =
        [(text[..first.len() - 1].to_string(), "has only"), (text.to_uppercase(), "has other bytes")];
    for (text, why) in refused {
        fs::write(&path, text).unwrap();
        let error = resumed(&table, &positions).await.next().await.unwrap_err();
        assert!(error.to_string().contains(why) && error.hint().is_some(), "{error}");
    }
}

async fn read_until(source: &mut dyn Source, end: &str) -> Result<String> {
    let mut text = String::new();
    while !text.ends_with(end) {
        text.push_str(&next_text(source).await);
    }
    Ok(text)
}

#[tokio::test]
async fn watched_files_are_found_again_after_growth_and_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let append = |name: &str, text: &str| {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(file(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let table = file_table(folder.path(), &[("source.monitor-interval", "5 ms")]);
    append("app.log", "one\ntwo\nthr");
    append("cut.log", "a long line\n");
    append("kept.log", "kept\n");
    write_file(&file("packed.gz"), "packed\n");
    let mut source = table.source(&connectors()).unwrap().source;
    assert_eq!(
        read_until(source.as_mut(), "packed\n").await.unwrap(),
        "one\ntwo\na long line\nkept\npacked\n"
    );
    // The end of a packed file is known a step after its last line.
    append("kept.log", "seen\n");
    assert_eq!(next_text(source.as_mut()).await, "seen\n");
    let positions = source.positions();
    drop(source);
    append("app.log", "ee\n");
    fs::rename(file("app.log"), file("app.log.1")).unwrap();
    append("app.log", "new one\n");
    fs::write(file("cut.log"), "cut\n").unwrap();
    append("zz.log", "end\n");
    let mut source = resumed(&table, &positions).await;
    assert_eq!(source.positions(), positions, "until it knows better");
    let text = read_until(source.as_mut(), "end\n").await.unwrap();
    assert_eq!(text, "new one\nthree\ncut\nend\n", "what was read is not read again, what was not is");
    let names: Vec<String> =
        source.positions().into_keys().map(|key| key.rsplit('/').next().unwrap().into()).collect();
    assert_eq!(names, ["app.log", "app.log.1", "cut.log", "kept.log", "packed.gz", "zz.log"]);
}
