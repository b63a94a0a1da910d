//! The filesystem connector as the runtime uses it: opened from options, read and written to real files.
#![allow(clippy::unwrap_used)] // the lint knows only functions marked as tests, not what they share

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::{Connector, Fetched, FetchedBlob, Packet, Source, TableRequest};
use tidemill_connectors::connectors;
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::{Int32Type, Int64Type, TimestampMillisecondType};
use tidemill_types::arrow::{Array, ArrayRef, Int32Array, StringViewArray};
use tidemill_types::{Chunk, DataType, Field, Options, Result, Schema, SystemDisk, TypeKind, WATERMARK_MAX};
use tokio::time::timeout;

/// A table as a test declares it.
struct Table {
    schema: Schema,
    options: Options,
    partition_by: Vec<String>,
    metadata: Vec<(String, DataType)>,
    overwrite: bool,
}

impl Table {
    fn new(path: &Path, options: &[(&str, &str)]) -> Self {
        let mut options = Options::new(options.iter().copied());
        options.0.insert("path".into(), path.display().to_string());
        options.0.entry("format".into()).or_insert("csv".into());
        let schema = Schema::new(vec![
            Field::new("id", TypeKind::Int.nullable()),
            Field::new("dt", DataType::string()),
            Field::new("h", TypeKind::Int.nullable()),
        ]);
        Table { schema, options, partition_by: Vec::new(), metadata: Vec::new(), overwrite: false }
    }

    fn partitioned(mut self, columns: &[&str]) -> Self {
        self.partition_by = columns.iter().map(|column| column.to_string()).collect();
        self
    }

    fn with<T>(
        &self,
        parallel: (usize, usize),
        use_it: impl FnOnce(&Connector, &TableRequest<'_>) -> T,
    ) -> T {
        let registry = connectors();
        let request = TableRequest {
            table: "t",
            options: &self.options,
            schema: &self.schema,
            wanted: &[0, 1, 2],
            metadata: &self.metadata,
            partition_by: &self.partition_by,
            primary_key: &[],
            overwrite: self.overwrite,
            task: parallel.0,
            parallelism: parallel.1,
            zone: chrono_tz::Tz::UTC,
            run_id: "run",
            pipeline_id: "p",
            checkpointed: false,
            state_dir: None,
            disk: Arc::new(SystemDisk),
        };
        use_it(registry.find("filesystem").unwrap(), &request)
    }

    fn source(&self) -> Result<Box<dyn Source>> {
        self.with((0, 1), |connector, request| connector.source.unwrap()(request).map(|open| open.source))
    }

    async fn read(&self) -> Result<Vec<FetchedBlob>> {
        read_all(self.source()?.as_mut()).await
    }

    /// Writes chunks as one task would, without finishing.
    async fn write(&self, chunks: &[Chunk], finish: bool) -> Result<()> {
        let mut open = self.with((0, 1), |connector, request| connector.sink.unwrap()(request))?;
        let mut packets = Vec::new();
        chunks.iter().try_for_each(|chunk| open.front.encode(chunk, &mut packets))?;
        for packet in packets {
            open.sink.write(packet).await?;
        }
        open.sink.flush().await?;
        if finish { open.sink.finish().await } else { Ok(()) }
    }
}

async fn read_all(source: &mut dyn Source) -> Result<Vec<FetchedBlob>> {
    let mut blobs = Vec::new();
    while let Fetched::Blob(blob) = timeout(Duration::from_secs(20), source.next()).await.unwrap()? {
        blobs.push(blob);
    }
    Ok(blobs)
}

async fn next(source: &mut dyn Source) -> FetchedBlob {
    match timeout(Duration::from_secs(20), source.next()).await.unwrap().unwrap() {
        Fetched::Blob(blob) => blob,
        other => panic!("a blob was expected, not {other:?}"),
    }
}

fn text(blobs: &[FetchedBlob]) -> String {
    let bytes: Vec<u8> = blobs.iter().flat_map(|blob| blob.blob.bytes.to_vec()).collect();
    String::from_utf8(bytes).unwrap()
}

fn chunk(rows: &[(i32, Option<&str>, i32)]) -> Chunk {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(StringViewArray::from_iter(rows.iter().map(|row| row.1))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.2))),
    ];
    Chunk::new(columns, rows.len())
}

/// The visible files under a folder with their text, in order.
fn files(root: &Path) -> Vec<(String, String)> {
    fn walk(root: &Path, folder: &Path, out: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else if !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                out.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut out = Vec::new();
    walk(root, root, &mut out);
    out.sort();
    out
}

#[tokio::test]
async fn a_large_file_is_cut_at_line_ends_with_exact_places() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("large.csv");
    let whole: String = (0..300_000).map(|i| format!("{i},some text\n")).collect::<String>() + "the end";
    fs::write(&path, &whole).unwrap();
    let blobs = Table::new(&path, &[]).read().await.unwrap();
    assert!(blobs.len() > 3);
    let (mut offset, mut line) = (0, 1);
    for blob in &blobs {
        assert_eq!((blob.place.offset, blob.place.line), (offset, line));
        offset += blob.blob.bytes.len() as u64;
        line += blob.blob.bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    assert!(text(&blobs) == whole);
}

#[tokio::test]
async fn compressed_files_are_read_by_their_ending() {
    let root = tempfile::tempdir().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(
        fs::File::create(root.path().join("a.csv.gz")).unwrap(),
        flate2::Compression::fast(),
    );
    gzip.write_all(b"1,a\n").unwrap();
    gzip.finish().unwrap();
    let zstd = zstd::encode_all(&b"2,b\n"[..], 1).unwrap();
    fs::write(root.path().join("b.csv.zst"), zstd).unwrap();
    fs::write(root.path().join("c.csv"), "3,c\n").unwrap();
    fs::write(root.path().join("_hidden.csv"), "4,d\n").unwrap();
    let blobs = Table::new(root.path(), &[]).read().await.unwrap();
    assert_eq!(text(&blobs), "1,a\n2,b\n3,c\n");
    fs::write(root.path().join("c.csv.gz"), "no gzip").unwrap();
    let error = Table::new(root.path(), &[]).read().await.unwrap_err();
    assert!(error.to_string().contains("c.csv.gz"), "{error}");
}

#[tokio::test]
async fn tasks_share_the_files_without_overlap() {
    let root = tempfile::tempdir().unwrap();
    for i in 0..40 {
        fs::write(root.path().join(format!("{i}.csv")), format!("{i}\n")).unwrap();
    }
    let table = Table::new(root.path(), &[]);
    let mut lines = Vec::new();
    for task in 0..3 {
        let open = table.with((task, 3), |connector, request| connector.source.unwrap()(request));
        let blobs = read_all(open.unwrap().source.as_mut()).await.unwrap();
        assert!(!blobs.is_empty());
        lines.extend(text(&blobs).lines().map(|line| line.parse::<u32>().unwrap()));
    }
    lines.sort_unstable();
    assert_eq!(lines, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn metadata_and_partitions_are_constants() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("dt=2024-01-01 x%2Fy/h=7");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("f.csv"), "1\n").unwrap();
    let mut table = Table::new(root.path(), &[]).partitioned(&["dt", "h"]);
    let keys = ["file.name", "file.size", "file.path", "file.modification-time"];
    table.metadata = keys.map(|key| (key.to_string(), DataType::string())).to_vec();
    let blobs = table.read().await.unwrap();
    let constants = &blobs[0].constants;
    let at = |index: usize| &constants.iter().find(|(at, _)| *at == index).unwrap().1;
    assert_eq!(at(1).as_string_view().value(0), "2024-01-01 x/y");
    assert_eq!(at(2).as_primitive::<Int32Type>().value(0), 7);
    assert_eq!(at(3).as_string_view().value(0), "f.csv");
    assert_eq!(at(4).as_primitive::<Int64Type>().value(0), 2);
    assert!(at(5).as_string_view().value(0).ends_with("h=7/f.csv"));
    assert!(at(6).as_primitive::<TimestampMillisecondType>().value(0) > 1_600_000_000_000);
    let stray = root.path().join("stray.csv");
    fs::write(&stray, "1\n").unwrap();
    assert!(table.read().await.is_err(), "a file outside of the partition folders is no part of the table");
}

#[tokio::test]
async fn growing_and_new_files_are_followed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("b.log");
    fs::write(&path, "one\ntw").unwrap();
    let mut source = Table::new(root.path(), &[("source.monitor-interval", "5 ms")]).source().unwrap();
    assert_eq!(text(&[next(source.as_mut()).await]), "one\n");
    let append = |path: &Path, text: &str| {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(&path, "o\nthr");
    let second = next(source.as_mut()).await;
    assert_eq!(
        (text(std::slice::from_ref(&second)).as_str(), second.place.offset, second.place.line),
        ("two\n", 4, 2)
    );
    append(&root.path().join("a.log"), "new\n");
    assert_eq!(text(&[next(source.as_mut()).await]), "new\n");
    append(&path, "ee\n");
    assert_eq!(text(&[next(source.as_mut()).await]), "three\n");
    fs::write(&path, "x\n").unwrap();
    let restarted = next(source.as_mut()).await;
    assert_eq!((text(std::slice::from_ref(&restarted)).as_str(), restarted.place.offset), ("x\n", 0));
    fs::rename(&path, root.path().join("b.log.1")).unwrap();
    append(&path, "rotated\n");
    assert_eq!(text(&[next(source.as_mut()).await]), "rotated\n");
    append(&root.path().join("b.log.1"), "late\n");
    assert_eq!(text(&[next(source.as_mut()).await]), "late\n", "a renamed file goes on where it was");
}

#[tokio::test]
async fn partitions_survive_writing_and_reading() {
    let root = tempfile::tempdir().unwrap();
    let table = Table::new(root.path(), &[]).partitioned(&["dt", "h"]);
    let rows =
        [(1, Some("a/b"), 1), (2, None, 1), (3, Some("a/b"), 1), (4, Some(""), 2), (5, Some("a/b"), 2)];
    table.write(&[chunk(&rows[..3]), chunk(&rows[3..])], true).await.unwrap();
    let names: Vec<(String, String)> = files(root.path())
        .into_iter()
        .map(|(name, text)| (name.rsplit_once('/').unwrap().0.to_string(), text))
        .collect();
    let pair = |name: &str, text: &str| (name.to_string(), text.to_string());
    let wanted = [
        pair("dt=__DEFAULT_PARTITION__/h=1", "2\n"),
        pair("dt=__DEFAULT_PARTITION__/h=2", "4\n"),
        pair("dt=a%2Fb/h=1", "1\n3\n"),
        pair("dt=a%2Fb/h=2", "5\n"),
    ];
    assert_eq!(names, wanted);
    let blobs = table.read().await.unwrap();
    let dt = |blob: &FetchedBlob| {
        let column = blob.constants.iter().find(|(at, _)| *at == 1).unwrap().1.clone();
        (column.is_valid(0)).then(|| column.as_string_view().value(0).to_string())
    };
    let values: Vec<Option<String>> = blobs.iter().map(dt).collect();
    assert_eq!(values, [None, None, Some("a/b".to_string()), Some("a/b".to_string())]);
}

#[tokio::test]
async fn files_in_progress_are_hidden_until_the_end() {
    let root = tempfile::tempdir().unwrap();
    let table = Table::new(root.path(), &[]);
    table.write(&[chunk(&[(1, Some("x"), 1)])], false).await.unwrap();
    assert!(files(root.path()).is_empty());
    assert!(table.read().await.unwrap().is_empty());
    table.write(&[chunk(&[(2, Some("y"), 2)])], true).await.unwrap();
    let seen = files(root.path());
    assert_eq!(seen, [("part-run-0-1".to_string(), "2,y,2\n".to_string())], "what died is not gone on with");
}

#[tokio::test]
async fn overwriting_replaces_the_rows() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("old.csv"), "9,z,9\n").unwrap();
    let mut table = Table::new(root.path(), &[]);
    table.overwrite = true;
    table.write(&[chunk(&[(1, Some("x"), 1)])], true).await.unwrap();
    assert_eq!(text(&table.read().await.unwrap()), "1,x,1\n");
}

#[tokio::test]
async fn complete_partitions_are_marked_when_the_watermark_passes() {
    let root = tempfile::tempdir().unwrap();
    let options = [
        ("sink.partition-commit.trigger", "partition-time"),
        ("sink.partition-commit.delay", "1 h"),
        ("sink.partition-commit.policy.kind", "success-file"),
        ("partition.time-extractor.timestamp-pattern", "$dt $h:00:00"),
    ];
    let table = Table::new(root.path(), &options).partitioned(&["dt", "h"]);
    let rows = chunk(&[(1, Some("2024-01-01"), 0), (2, Some("2024-01-01"), 5)]);
    let passed = Chunk::watermark(1_704_067_200_000 + 3_600_000);
    table.write(&[rows, passed], false).await.unwrap();
    let names: Vec<String> = files(root.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["dt=2024-01-01/h=0/_SUCCESS", "dt=2024-01-01/h=0/part-run-0-0"]);
    let end = Chunk::watermark(WATERMARK_MAX);
    table.write(&[chunk(&[(3, Some("2024-01-02"), 0)]), end], true).await.unwrap();
    assert!(root.path().join("dt=2024-01-02/h=0/_SUCCESS").exists());
}

#[test]
fn wrong_tables_are_refused_with_a_hint() {
    let root = tempfile::tempdir().unwrap();
    let check = |table: &Table| table.with((0, 1), |connector, request| (connector.check)(request));
    assert!(check(&Table::new(root.path(), &[])).is_ok());
    assert!(check(&Table::new(root.path(), &[("source.path.regex-pattern", "(")])).is_err());
    assert!(check(&Table::new(root.path(), &[]).partitioned(&["nope"])).is_err());
    assert!(check(&Table::new(Path::new("s3://bucket/x"), &[])).unwrap_err().hint().is_some());
    assert!(check(&Table::new(Path::new("-"), &[]).partitioned(&["dt"])).is_err());
    let missing = Table::new(&root.path().join("nope"), &[]).source().err().unwrap();
    assert!(missing.to_string().starts_with("there is no file or folder"), "{missing}");
    let no_format = Table::new(root.path(), &[]).with((0, 1), |connector, request| {
        let options = Options::new([("path", "x")]);
        connector.sink.unwrap()(&TableRequest { options: &options, ..request.clone() }).err()
    });
    assert!(no_format.unwrap().to_string().contains("'format'"));
}

#[test]
fn packets_carry_the_watermark_behind_their_rows() {
    let root = tempfile::tempdir().unwrap();
    let table = Table::new(root.path(), &[]).partitioned(&["dt"]);
    let mut open = table.with((0, 1), |connector, request| connector.sink.unwrap()(request)).unwrap();
    let mut rows = chunk(&[(1, Some("a"), 1), (2, Some("b"), 1)]);
    rows.marks.push(1, 10);
    let mut packets: Vec<Packet> = Vec::new();
    open.front.encode(&rows, &mut packets).unwrap();
    open.front.encode(&Chunk::watermark(20), &mut packets).unwrap();
    let seen: Vec<_> = packets.iter().map(|packet| (packet.rows, packet.watermark)).collect();
    assert_eq!(seen, [(1, None), (1, Some(10)), (0, Some(20))]);
}
