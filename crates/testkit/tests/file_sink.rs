//! The file sink, held to the suite: on the machine's disk, where a process dies, and on a simulated one, where the
//! power goes and the disk is full at times; with lines, and with formats whose files are wholes.
#![allow(clippy::unwrap_used)] // the lint knows only functions marked as tests, not what they share

#[path = "support/whole_file.rs"]
mod whole_file;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidemill_connector::{LAST_EPOCH, OpenSink};
use tidemill_connectors::connectors;
use tidemill_testkit::random::Random;
use tidemill_testkit::simulated_disk::SimulatedDisk;
use tidemill_testkit::sink_suite::{SinkBench, assert_keeps_promise};
use tidemill_testkit::table::TestTable;
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::Int64Type;
use tidemill_types::arrow::{Int64Array, StringViewArray};
use tidemill_types::{Chunk, DataType, Disk, Field, Schema, TypeKind};

const ROWS: u64 = 3_000;

/// A table in a folder.
struct Folder {
    table: TestTable,
    root: PathBuf,
    /// `None`: the machine's.
    simulated: Option<SimulatedDisk>,
}

impl Folder {
    fn new(root: &Path, simulated: Option<SimulatedDisk>, options: &[(&str, &str)]) -> Self {
        let columns =
            vec![Field::new("id", TypeKind::BigInt.nullable()), Field::new("k", DataType::string())];
        let mut table = TestTable::new("filesystem", Schema::new(columns), options);
        let root = root.join("out");
        table.options.0.insert("path".into(), root.display().to_string());
        table.options.0.entry("format".into()).or_insert("csv".into());
        table.state_dir = Some(root.with_file_name("state"));
        if let Some(disk) = &simulated {
            table.disk = Arc::new(disk.clone());
        }
        Folder { table, root, simulated }
    }

    fn partitioned(mut self) -> Self {
        self.table.partition_by = vec!["k".into()];
        self
    }

    /// The numbers of the rows in a file that readers see, which is never torn.
    fn ids(&self, path: &str, bytes: Vec<u8>) -> Vec<u64> {
        let format = self.table.options.get("format").unwrap();
        if format != "csv" {
            let rows = whole_file::read(format, &stored(&self.table), &[0], bytes);
            let rows = rows.unwrap_or_else(|error| panic!("{path} is torn: {error}"));
            let ids = rows.iter().flat_map(|rows| rows.columns[0].as_primitive::<Int64Type>().values());
            return ids.map(|id| *id as u64).collect();
        }
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.ends_with('\n'), "{path} ends in the middle of a line");
        text.lines().map(|line| line.split(',').next().unwrap().parse::<u64>().unwrap()).collect()
    }

    /// The files with their paths under the table's folder.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let all = match &self.simulated {
            Some(disk) => disk.files(),
            None => walk(&self.root),
        };
        let under = |(path, bytes): (PathBuf, Vec<u8>)| {
            Some((path.strip_prefix(&self.root).ok()?.display().to_string(), bytes))
        };
        all.into_iter().filter_map(under).collect()
    }

    fn hidden(&self) -> Vec<String> {
        let is_hidden = |path: &String| path.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
        self.files().into_keys().filter(is_hidden).collect()
    }
}

/// The columns that files hold.
fn stored(table: &TestTable) -> Schema {
    let fields = table.schema.fields.iter();
    Schema::new(fields.filter(|field| !table.partition_by.contains(&field.name)).cloned().collect())
}

fn walk(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => out.extend(walk(&path)),
            false => drop(out.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    out
}

#[async_trait::async_trait]
impl SinkBench for Folder {
    fn open(&mut self, run: u64, sinks: usize) -> Vec<OpenSink> {
        let open = |task| {
            let run_id = format!("run{run}");
            let table = TestTable { task: (task, sinks), run_id, ..self.table.clone() };
            table.sink(&connectors()).unwrap()
        };
        (0..sinks).map(open).collect()
    }

    fn rows(&self, numbers: Range<u64>) -> Chunk {
        let ids = Int64Array::from_iter_values(numbers.clone().map(|number| number as i64));
        let keys =
            StringViewArray::from_iter_values(numbers.clone().map(|number| format!("k{}", number / 7 % 5)));
        Chunk::new(vec![Arc::new(ids), Arc::new(keys)], (numbers.end - numbers.start) as usize)
    }

    async fn visible(&mut self) -> Vec<u64> {
        let mut ids = Vec::new();
        for (path, bytes) in self.files() {
            let name = path.rsplit('/').next().unwrap();
            if !name.starts_with(['.', '_']) {
                ids.extend(self.ids(&path, bytes));
            }
        }
        ids
    }

    fn died(&mut self) {
        if let Some(disk) = &self.simulated {
            disk.crash();
        }
    }

    fn disturb(&mut self, random: &mut Random) {
        if let Some(disk) = &self.simulated
            && random.one_in(10)
        {
            disk.set_room(Some(random.below(40)));
        }
    }

    fn relieve(&mut self) {
        if let Some(disk) = &self.simulated {
            disk.set_room(None);
        }
    }
}

const SMALL: &[(&str, &str)] = &[("sink.rolling-policy.file-size", "300b")];
const YOUNG: &[(&str, &str)] =
    &[("sink.rolling-policy.rollover-interval", "1 ms"), ("sink.rolling-policy.check-interval", "1 ms")];

#[tokio::test]
async fn each_row_is_visible_once_when_the_process_dies() {
    let mut deaths = 0;
    for (seed, options) in [(1, &[][..]), (2, SMALL), (3, YOUNG)] {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(root.path(), None, options).partitioned();
        deaths += assert_keeps_promise(&mut folder, seed, ROWS / 3).await;
        assert_eq!(folder.hidden(), [""; 0], "nothing unfinished is left");
    }
    assert!(deaths > 10, "only {deaths} deaths prove little");
}

#[tokio::test]
async fn each_row_is_visible_once_when_the_power_goes() {
    let mut deaths = 0;
    for seed in 0..40 {
        let options = [&[][..], SMALL, YOUNG][seed as usize % 3];
        let mut folder = Folder::new(Path::new("/data"), Some(SimulatedDisk::new(seed)), options);
        if seed % 2 == 0 {
            folder = folder.partitioned();
        }
        deaths += assert_keeps_promise(&mut folder, seed, ROWS).await;
        assert_eq!(folder.hidden(), [""; 0], "seed {seed}: nothing unfinished is left");
    }
    assert!(deaths > 200, "only {deaths} deaths prove little");
}

/// Formats whose files are wholes, with what makes their parts end.
const WHOLES: &[&[(&str, &str)]] = &[
    &[("format", "parquet")],
    &[("format", "avro")],
    &[("format", "parquet"), ("sink.rolling-policy.file-size", "2kb"), ("parquet.block.size", "500b")],
    &[("format", "avro"), ("sink.rolling-policy.file-size", "300b"), ("avro.codec", "deflate")],
    &[
        ("format", "parquet"),
        ("sink.rolling-policy.rollover-interval", "1 ms"),
        ("sink.rolling-policy.check-interval", "1 ms"),
    ],
    &[
        ("format", "avro"),
        ("sink.rolling-policy.rollover-interval", "1 ms"),
        ("sink.rolling-policy.check-interval", "1 ms"),
    ],
];

#[tokio::test]
async fn whole_files_hold_each_row_once_when_the_process_dies() {
    let mut deaths = 0;
    for (seed, options) in (200..).zip(WHOLES) {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(root.path(), None, options).partitioned();
        deaths += assert_keeps_promise(&mut folder, seed, ROWS / 6).await;
        assert_eq!(folder.hidden(), [""; 0], "{options:?}: nothing unfinished is left");
    }
    assert!(deaths > 10, "only {deaths} deaths prove little");
}

#[tokio::test]
async fn whole_files_hold_each_row_once_when_the_power_goes() {
    let mut deaths = 0;
    for seed in 0..36 {
        let options = WHOLES[seed as usize % WHOLES.len()];
        let mut folder = Folder::new(Path::new("/data"), Some(SimulatedDisk::new(seed)), options);
        if seed / 6 % 2 == 0 {
            folder = folder.partitioned();
        }
        deaths += assert_keeps_promise(&mut folder, seed, ROWS / 3).await;
        assert_eq!(folder.hidden(), [""; 0], "seed {seed}: nothing unfinished is left");
    }
    assert!(deaths > 100, "only {deaths} deaths prove little");
}

#[tokio::test]
async fn a_whole_part_is_finished_at_each_checkpoint() {
    for format in ["parquet", "avro"] {
        let disk = SimulatedDisk::new(7);
        let mut folder = Folder::new(Path::new("/data"), Some(disk), &[("format", format)]);
        let mut sinks = folder.open(0, 1);
        for epoch in 1..=3 {
            let rows = folder.rows((epoch - 1) * 50..epoch * 50);
            write(&mut sinks[0], &rows).await;
            commit(&mut sinks[0], epoch).await;
            assert_eq!(folder.visible().await.len() as u64, epoch * 50, "{format}");
            let visible = folder.files().into_keys().filter(|path| !path.starts_with('.'));
            assert_eq!(visible.count() as u64, epoch, "{format}: a part for each checkpoint");
        }
    }
}

#[tokio::test]
async fn a_whole_part_that_was_ended_before_the_disk_was_full_takes_no_further_rows() {
    for (seed, format) in [(1, "parquet"), (2, "avro")] {
        let disk = SimulatedDisk::new(seed);
        let options = [("format", format), ("sink.rolling-policy.file-size", "20kb")];
        let mut folder = Folder::new(Path::new("/data"), Some(disk.clone()), &options);
        let mut sinks = folder.open(0, 1);
        // In memory they fill a part, in the file they are far smaller.
        let keys = StringViewArray::from_iter_values((0..400).map(|_| "k".repeat(100)));
        let rows = Chunk::new(vec![folder.rows(0..400).columns[0].clone(), Arc::new(keys)], 400);
        write(&mut sinks[0], &rows).await;
        sinks[0].sink.flush().await.unwrap();
        write(&mut sinks[0], &folder.rows(400..500)).await;
        disk.set_room(Some(10));
        let error = sinks[0].sink.flush().await.unwrap_err();
        assert!(matches!(error, tidemill_types::Error::External { retryable: true, .. }), "{error}");
        disk.set_room(None);
        sinks[0].sink.flush().await.unwrap();
        commit(&mut sinks[0], 1).await;
        let mut visible = folder.visible().await;
        visible.sort_unstable();
        assert_eq!(visible, (0..500).collect::<Vec<_>>(), "{format}");
    }
}

#[tokio::test]
async fn overwriting_replaces_former_rows_and_none_of_its_own() {
    for seed in 100..120 {
        let disk = SimulatedDisk::new(seed);
        disk.create_folder(Path::new("/data/out/k=k1")).unwrap();
        disk.create_folder(Path::new("/data/out/k=other")).unwrap();
        for path in ["/data/out/k=k1/old", "/data/out/k=k1/_SUCCESS", "/data/out/k=other/old"] {
            let mut file = disk.create(Path::new(path)).unwrap();
            file.append(b"0,former\n").unwrap();
            file.sync().unwrap();
        }
        for folder in ["/", "/data", "/data/out", "/data/out/k=k1", "/data/out/k=other"] {
            disk.sync_folder(Path::new(folder)).unwrap();
        }
        // A partition that the result does not touch keeps its rows; the suite would take them for its own.
        disk.remove(Path::new("/data/out/k=other/old")).unwrap();
        disk.create(Path::new("/data/out/k=other/_kept")).unwrap();
        disk.sync_folder(Path::new("/data/out/k=other")).unwrap();
        let mut folder = Overwriting(Folder::new(Path::new("/data"), Some(disk), SMALL).partitioned());
        folder.0.table.overwrite = true;
        assert_keeps_promise(&mut folder, seed, ROWS / 4).await;
        let files = folder.0.files();
        assert!(!files.contains_key("k=k1/old") && !files.contains_key("k=k1/_SUCCESS"), "seed {seed}");
        assert!(files.contains_key("k=other/_kept"));
        // Whoever begins anew with another state folder replaces the rows.
        let mut folder = folder.0;
        folder.table.pipeline_id = "another".into();
        let mut sinks = folder.open(9_999, 1);
        write(&mut sinks[0], &folder.rows(0..100)).await;
        commit(&mut sinks[0], LAST_EPOCH).await;
        let mut visible = folder.visible().await;
        visible.sort_unstable();
        assert_eq!(visible, (0..100).collect::<Vec<_>>(), "seed {seed}");
    }
}

async fn write(sink: &mut OpenSink, rows: &Chunk) {
    let mut packets = Vec::new();
    sink.front.encode(rows, &mut packets).unwrap();
    for packet in packets {
        sink.sink.write(packet).await.unwrap();
    }
}

async fn commit(sink: &mut OpenSink, epoch: u64) {
    let prepared = sink.sink.prepare(epoch).await.unwrap();
    sink.sink.commit(&prepared).await.unwrap();
}

/// A folder whose former rows do not count until they are replaced.
struct Overwriting(Folder);

#[async_trait::async_trait]
impl SinkBench for Overwriting {
    fn open(&mut self, run: u64, sinks: usize) -> Vec<OpenSink> {
        self.0.open(run, sinks)
    }

    fn rows(&self, numbers: Range<u64>) -> Chunk {
        self.0.rows(numbers)
    }

    async fn visible(&mut self) -> Vec<u64> {
        let former = "k=k1/old";
        let mut ids = self.0.visible().await;
        if self.0.files().contains_key(former) {
            let at = ids.iter().position(|id| *id == 0).unwrap();
            ids.remove(at);
        }
        ids
    }

    fn died(&mut self) {
        self.0.died();
    }

    fn disturb(&mut self, random: &mut Random) {
        self.0.disturb(random);
    }

    fn relieve(&mut self) {
        self.0.relieve();
    }
}

#[tokio::test]
async fn complete_partitions_are_marked_after_a_commit_even_if_the_run_died_before() {
    let root = tempfile::tempdir().unwrap();
    let options = [
        ("sink.partition-commit.policy.kind", "success-file"),
        ("sink.partition-commit.trigger", "process-time"),
    ];
    let mut folder = Folder::new(root.path(), None, &options).partitioned();
    let has = |folder: &Folder, path: &str| folder.files().contains_key(path);
    let mut sinks = folder.open(0, 1);
    write(&mut sinks[0], &folder.rows(0..7)).await;
    let prepared = sinks[0].sink.prepare(1).await.unwrap();
    assert!(!has(&folder, "k=k0/_SUCCESS"), "it is not committed");
    drop(sinks);
    let mut sinks = folder.open(1, 1);
    sinks[0].sink.recover(&[prepared]).await.unwrap();
    assert!(has(&folder, "k=k0/_SUCCESS") && folder.visible().await.len() == 7);
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_half_visible() {
    let disk = SimulatedDisk::new(1);
    let mut folder = Folder::new(Path::new("/data"), Some(disk.clone()), &[]);
    let mut sinks = folder.open(0, 1);
    write(&mut sinks[0], &folder.rows(0..100)).await;
    disk.set_room(Some(50));
    let error = sinks[0].sink.prepare(1).await.unwrap_err();
    assert!(matches!(error, tidemill_types::Error::External { retryable: true, .. }), "{error}");
    assert!(error.to_string().contains("/data/out"), "{error}");
    assert!(folder.visible().await.is_empty());
    disk.set_room(None);
    commit(&mut sinks[0], 1).await;
    sinks[0].sink.finish().await.unwrap();
    assert_eq!(folder.visible().await, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_checkpoints_a_result_replaces_the_former_one_at_its_end_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(root.path(), None, SMALL);
    folder.table.state_dir = None;
    folder.table.overwrite = true;
    let mut sinks = folder.open(0, 1);
    write(&mut sinks[0], &folder.rows(0..50)).await;
    sinks[0].sink.finish().await.unwrap();
    let former: Vec<u64> = (0..50).collect();
    assert_eq!(folder.visible().await, former);
    // Many parts are full, and none is seen; then the run dies.
    let mut sinks = folder.open(1, 2);
    for numbers in [100..400, 400..700] {
        write(&mut sinks[0], &folder.rows(numbers.clone())).await;
        write(&mut sinks[1], &folder.rows(numbers)).await;
        sinks[0].sink.flush().await.unwrap();
        assert_eq!(folder.visible().await, former);
    }
    drop(sinks);
    assert_eq!(folder.visible().await, former);
    let mut sinks = folder.open(2, 1);
    write(&mut sinks[0], &folder.rows(700..800)).await;
    sinks[0].sink.finish().await.unwrap();
    assert_eq!(folder.visible().await, (700..800).collect::<Vec<_>>());
}
