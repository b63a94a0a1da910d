//! The log in front of sources that can't replay, behind a socket: what was acknowledged comes out, whatever dies.
#![allow(clippy::unwrap_used)] // the lint knows only functions marked as tests, not what they share

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidemill_connector::{Fetched, Positions, Source};
use tidemill_connectors::connectors;
use tidemill_testkit::random::Random;
use tidemill_testkit::simulated_disk::SimulatedDisk;
use tidemill_testkit::table::TestTable;
use tidemill_types::{DataType, Disk, Field, Schema};
use tokio::time::timeout;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn socket(port: u16, state_dir: &Path, options: &[(&str, &str)]) -> TestTable {
    let schema = Schema::new(vec![Field::new("line", DataType::string())]);
    let mut table = TestTable::new("socket", schema, options);
    table.options.0.insert("port".into(), port.to_string());
    table.options.0.insert("format".into(), "raw".into());
    table.options.0.insert("ack.enabled".into(), "true".into());
    table.state_dir = Some(state_dir.into());
    table
}

fn numbers(fetched: &Fetched) -> Vec<u64> {
    let Fetched::Blob(blob) = fetched else { return Vec::new() };
    let text = String::from_utf8(blob.blob.bytes.to_vec()).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// A client that sends numbers, none twice, and knows which were acknowledged.
struct Client {
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    stopped: Arc<AtomicBool>,
    sending: std::thread::JoinHandle<()>,
}

impl Client {
    fn start(port: u16) -> Self {
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (a, s) = (acknowledged.clone(), stopped.clone());
        let sending = std::thread::spawn(move || {
            let mut next = 0;
            while !s.load(Ordering::Relaxed) {
                match TcpStream::connect_timeout(
                    &SocketAddr::from(([127, 0, 0, 1], port)),
                    Duration::from_secs(1),
                ) {
                    Ok(stream) => send(stream, &mut next, &a, &s),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Client { acknowledged, stopped, sending }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Stops sending; what was sent is acknowledged before the connection ends.
    fn stop(self) -> BTreeSet<u64> {
        self.stopped.store(true, Ordering::Relaxed);
        self.sending.join().unwrap();
        std::mem::take(&mut self.acknowledged.lock().unwrap())
    }
}

fn send(
    mut stream: TcpStream,
    next: &mut u64,
    acknowledged: &Arc<Mutex<BTreeSet<u64>>>,
    stopped: &AtomicBool,
) {
    let (first, hear) = (*next, stream.try_clone().unwrap());
    let acknowledged = acknowledged.clone();
    let hearing = std::thread::spawn(move || {
        for line in BufReader::new(hear).lines().map_while(Result::ok) {
            let count: u64 = line.strip_prefix("ok ").unwrap().parse().unwrap();
            acknowledged.lock().unwrap().extend(first..first + count);
        }
    });
    while !stopped.load(Ordering::Relaxed) {
        let number = *next;
        *next += 1;
        if stream.write_all(format!("{number}\n").as_bytes()).is_err() {
            break;
        }
        if number.is_multiple_of(64) {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    hearing.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_comes_out_when_the_power_goes() {
    let options = [("ingest-log.segment-size", "2kb"), ("ingest-log.sync-interval", "1 ms")];
    let (disk, port) = (SimulatedDisk::new(9), free_port());
    disk.create_folder(Path::new("/state")).unwrap();
    disk.sync_folder(Path::new("/")).unwrap();
    let mut table = socket(port, Path::new("/state"), &options);
    table.disk = Arc::new(disk.clone());
    let (mut random, mut client) = (Random::new(9), None::<Client>);
    let (mut kept, mut positions) = (Vec::new(), Positions::new());
    for life in 0..12 {
        let mut source = open(&table).await;
        if !positions.is_empty() {
            source.restore(&positions).await.unwrap();
        }
        let client = client.get_or_insert_with(|| Client::start(port));
        let before = client.acknowledged();
        let mut taken = Vec::new();
        let until = before + 200 + random.below(800) as usize;
        while client.acknowledged() < until || taken.is_empty() {
            taken.extend(numbers(&timeout(Duration::from_secs(20), source.next()).await.unwrap().unwrap()));
            if random.one_in(8) {
                positions = source.positions();
                kept.append(&mut taken);
                source.committed(&positions).await.unwrap();
            }
        }
        drop(source);
        // The thread of the log ends on its own; then the power goes.
        std::thread::sleep(Duration::from_millis(20));
        disk.crash();
        assert!(disk.files().len() < 40, "life {life}: segments are deleted once they are committed");
    }
    let mut source = open(&table).await;
    source.restore(&positions).await.unwrap();
    let reading = tokio::spawn(async move {
        while let Ok(next) = timeout(Duration::from_secs(2), source.next()).await {
            kept.extend(numbers(&next.unwrap()));
        }
        kept
    });
    let acknowledged = tokio::task::spawn_blocking(|| client.unwrap().stop()).await.unwrap();
    assert_complete(reading.await.unwrap(), &acknowledged);
}

/// Opens a table whose port its last user may just be giving back.
async fn open(table: &TestTable) -> Box<dyn Source> {
    for _ in 0..200 {
        match table.source(&connectors()) {
            Ok(open) => {
                assert!(open.replayable);
                return open.source;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the port stays taken");
}

fn assert_complete(mut seen: Vec<u64>, acknowledged: &BTreeSet<u64>) {
    assert!(acknowledged.len() > 1_000, "only {} were acknowledged", acknowledged.len());
    seen.sort_unstable();
    let twice = seen.windows(2).find(|pair| pair[0] == pair[1]);
    assert!(twice.is_none(), "{twice:?} came out twice");
    let seen: BTreeSet<u64> = seen.into_iter().collect();
    let lost: Vec<&u64> = acknowledged.difference(&seen).take(5).collect();
    assert!(lost.is_empty(), "acknowledged, but lost: {lost:?}…");
}

/// What the process that is killed is told.
const CHILD: &str = "TIDEMILL_TEST_INGEST_CHILD";

/// Not a test of its own: the process that [`acknowledged_lines_survive_kills`] kills. It writes the numbers it reads to
/// a file and takes a checkpoint now and then: positions, and how long the file was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_to_be_killed() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (port, folder) = told.split_once(' ').unwrap();
    let folder = PathBuf::from(folder);
    let mut source =
        open(&socket(port.parse().unwrap(), &folder, &[("ingest-log.segment-size", "64kb")])).await;
    let checkpoint = fs::read_to_string(folder.join("checkpoint")).unwrap_or_default();
    let mut out = fs::OpenOptions::new().create(true).append(true).open(folder.join("out")).unwrap();
    match checkpoint.split_once(' ') {
        None => out.set_len(0).unwrap(),
        Some((length, offset)) => {
            out.set_len(length.parse().unwrap()).unwrap();
            source.restore(&Positions::from([("ingest log".into(), offset.into())])).await.unwrap();
        }
    }
    for fetch in 1u64.. {
        for number in numbers(&source.next().await.unwrap()) {
            writeln!(out, "{number}").unwrap();
        }
        if fetch.is_multiple_of(7) {
            let positions = source.positions();
            let text = format!("{} {}", out.metadata().unwrap().len(), positions["ingest log"]);
            fs::write(folder.join("next"), text).unwrap();
            fs::rename(folder.join("next"), folder.join("checkpoint")).unwrap();
            source.committed(&positions).await.unwrap();
        }
    }
}

fn start_child(port: u16, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process_to_be_killed", "--nocapture"])
        .env(CHILD, format!("{port} {}", folder.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn acknowledged_lines_survive_kills() {
    let folder = tempfile::tempdir().unwrap();
    let (port, mut random) = (free_port(), Random::new(4));
    let client = Client::start(port);
    for _ in 0..12 {
        let mut child = start_child(port, folder.path());
        let (before, start) = (client.acknowledged(), Instant::now());
        while client.acknowledged() == before {
            assert!(start.elapsed() < Duration::from_secs(30), "the process takes nothing in");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(random.below(150)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut child = start_child(port, folder.path());
    std::thread::sleep(Duration::from_millis(300));
    let acknowledged = client.stop();
    let read = || -> Vec<u64> {
        let text = fs::read_to_string(folder.path().join("out")).unwrap();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    let start = Instant::now();
    let all_out = || acknowledged.is_subset(&read().into_iter().collect());
    while !all_out() && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_complete(read(), &acknowledged);
}
