//! The binary, killed at random moments: what files hold in the end, and what a socket had acknowledged.

#![allow(clippy::unwrap_used)]

#[path = "command_line/place.rs"]
#[allow(dead_code)]
mod place;

use place::{Place, Running, table};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const RUN: &[&str] = &["run", "job.sql", "--state", "state"];
const FREQUENT: &str = "SET 'execution.checkpointing.interval' = '60 ms';\n";

/// A time to let a run live, different each time.
fn some_ms(least: u64, most: u64) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    Duration::from_millis(least + u64::from(nanos / 1_000) % (most - least))
}

fn kill(run: Running) {
    run.signal("KILL");
    run.end();
}

/// The name of the newest checkpoint's file.
fn newest_checkpoint(place: &Place) -> Option<String> {
    let jobs = std::fs::read_dir(place.path("state/checkpoints")).ok()?.flatten();
    let files = jobs.flat_map(|job| std::fs::read_dir(job.path()).into_iter().flatten().flatten());
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    names.filter(|name| name.ends_with(".manifest")).max()
}

/// The first column of all visible lines below a folder, in order; and the names of hidden files.
fn below(folder: &Path) -> (Vec<u64>, Vec<String>) {
    let (mut numbers, mut hidden) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if path.is_dir() {
            let inner = below(&path);
            numbers.extend(inner.0);
            hidden.extend(inner.1);
        } else if name.starts_with('.') {
            hidden.push(name);
        } else if !name.starts_with('_') {
            let text = std::fs::read_to_string(path).unwrap();
            numbers.extend(text.lines().map(|line| line.split(',').next().unwrap().parse::<u64>().unwrap()));
        }
    }
    numbers.sort_unstable();
    (numbers, hidden)
}

/// The two tables of a job, the one made and the one written with these options.
fn tables(rows: u64, options: &str) -> String {
    let source = format!(
        "'connector'='datagen', 'rows-per-second'='4000', 'fields.id.kind'='sequence', 'fields.id.start'='1', \
         'fields.id.end'='{rows}', 'fields.k.min'='0', 'fields.k.max'='2', 'seed'='7'"
    );
    let target = format!(
        "'connector'='filesystem', 'path'='out', 'sink.partition-commit.policy.kind'='success-file', {options}"
    );
    let made = table("made", "id BIGINT, k INT", &source);
    let written = format!("CREATE TABLE written (id BIGINT, k INT) PARTITIONED BY (k) WITH ({target});\n");
    format!("{made}{written}")
}

fn job(rows: u64, options: &str) -> String {
    format!("{FREQUENT}{}INSERT INTO written SELECT * FROM made;\n", tables(rows, options))
}

/// Kills a run of the job some time after its first checkpoint.
fn run_and_kill(place: &Place) {
    let (before, start, run) = (newest_checkpoint(place), Instant::now(), place.start(RUN));
    while newest_checkpoint(place) == before && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(some_ms(1, 300));
    kill(run);
}

/// The numbers that the binary itself reads from the files, in order; a torn file would end it.
fn read_back(place: &Place, options: &str) -> Vec<u64> {
    place.write("read.sql", &(tables(1, options) + "SELECT id FROM written;\n"));
    let read = place.run(&["run", "read.sql", "--quiet"]);
    assert_eq!(read.code, 0, "{}", read.stderr);
    let number = |line: &str| {
        let number =
            line.strip_prefix("{\"op\":\"+I\",\"row\":{\"id\":").and_then(|rest| rest.strip_suffix("}}"));
        number.expect("a row has a number").parse::<u64>().unwrap()
    };
    let mut numbers: Vec<u64> = read.stdout.lines().map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// The names of the files below a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => all.extend(names(&entry.path())),
            false => all.push(entry.file_name().into_string().unwrap()),
        }
    }
    all
}

#[test]
fn whole_files_hold_each_row_once_whatever_was_killed() {
    const ROWS: u64 = 12_000;
    for options in ["'format'='parquet'", "'format'='avro', 'sink.rolling-policy.file-size'='5kb'"] {
        let place = Place::new();
        place.write("job.sql", &job(ROWS, options));
        let mut seen = 0;
        for _ in 0..4 {
            run_and_kill(&place);
            if names(&place.path("out")).iter().any(|name| !name.starts_with('.')) {
                let numbers = read_back(&place, options);
                assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "a row is in the files twice");
                seen = seen.max(numbers.len());
            }
        }
        assert!(seen > 10, "{options}: rows become visible while the run goes on");
        let ended = place.run(RUN);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let numbers = read_back(&place, options);
        assert!(numbers.iter().copied().eq(1..=ROWS), "{options}: {} rows of {ROWS}", numbers.len());
        let hidden: Vec<String> =
            names(&place.path("out")).into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(hidden, [""; 0], "{options}");
    }
}

#[test]
fn files_hold_each_row_once_whatever_was_killed() {
    const ROWS: u64 = 16_000;
    let place = Place::new();
    place.write("job.sql", &job(ROWS, "'format'='csv', 'sink.rolling-policy.file-size'='5kb'"));
    let mut seen = 0;
    for _ in 0..6 {
        run_and_kill(&place);
        seen = seen.max(below(&place.path("out")).0.len());
    }
    assert!(seen > 10, "rows become visible while the run goes on");
    let ended = place.run(RUN);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (numbers, hidden) = below(&place.path("out"));
    assert!(numbers.iter().copied().eq(1..=ROWS), "{} rows of {ROWS} are visible", numbers.len());
    assert!(hidden.is_empty(), "{hidden:?} are left");
    assert!(place.path("out/k=1/_SUCCESS").exists(), "complete partitions are marked");
}

/// Sends numbers, none twice, and knows which the binary acknowledged.
fn send_until(stopped: &AtomicBool, port: u16, acknowledged: &Arc<Mutex<BTreeSet<u64>>>) {
    let mut next = 0;
    while !stopped.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let (first, hear, acknowledged) = (next, stream.try_clone().unwrap(), acknowledged.clone());
        let hearing = std::thread::spawn(move || {
            for line in BufReader::new(hear).lines().map_while(Result::ok) {
                let count: u64 = line.strip_prefix("ok ").and_then(|count| count.parse().ok()).unwrap_or(0);
                acknowledged.lock().unwrap().extend(first..first + count);
            }
        });
        while !stopped.load(Ordering::Relaxed) && writeln!(stream, "{next}").is_ok() {
            next += 1;
            std::thread::sleep(Duration::from_micros(200));
        }
        let _ = stream.shutdown(std::net::Shutdown::Write);
        hearing.join().unwrap();
        // The line that could not be sent may have been.
        next += 1;
    }
}

#[test]
fn what_a_socket_acknowledged_is_in_the_files_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = Place::new();
    let source = format!("'connector'='socket', 'port'='{port}', 'format'='csv', 'ack.enabled'='true'");
    let target = "'connector'='filesystem', 'path'='out', 'format'='csv'";
    let text = table("came", "id BIGINT", &source) + &table("written", "id BIGINT", target);
    place.write("job.sql", &(FREQUENT.to_string() + &text + "INSERT INTO written SELECT * FROM came;\n"));
    let (stopped, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<BTreeSet<u64>>>::default());
    let (stop, known) = (stopped.clone(), acknowledged.clone());
    let client = std::thread::spawn(move || send_until(&stop, port, &known));
    let count = || acknowledged.lock().unwrap().len();
    for _ in 0..5 {
        let (run, before, start) = (place.start(RUN), count(), Instant::now());
        while count() == before {
            assert!(start.elapsed() < Duration::from_secs(30), "nothing is taken in");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(some_ms(1, 400));
        kill(run);
    }
    let run = place.start(RUN);
    std::thread::sleep(Duration::from_millis(500));
    stopped.store(true, Ordering::Relaxed);
    client.join().unwrap();
    // A stop takes a checkpoint, so everything that was taken in is in the files.
    run.signal("TERM");
    let ended = run.end();
    let (numbers, hidden) = below(&place.path("out"));
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "a row is in the files twice");
    let numbers: BTreeSet<u64> = numbers.into_iter().collect();
    let acknowledged = acknowledged.lock().unwrap();
    let lost: Vec<&u64> = acknowledged.difference(&numbers).take(5).collect();
    assert!(
        acknowledged.len() > 500 && hidden.is_empty(),
        "{} {hidden:?} {}",
        acknowledged.len(),
        ended.stderr
    );
    // What was taken in and not yet read when the stop came is in the log, for the next run.
    if !lost.is_empty() {
        let run = place.start(RUN);
        std::thread::sleep(Duration::from_millis(500));
        run.signal("TERM");
        run.end();
        let numbers: BTreeSet<u64> = below(&place.path("out")).0.into_iter().collect();
        assert!(acknowledged.is_subset(&numbers), "acknowledged, but lost: {lost:?}…");
    }
}
