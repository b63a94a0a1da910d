//! Records that can't be read, and rows that come too late, are in the file of dead letters exactly once, however often
//! the job that set them aside is killed. `TIDEMILL_SEED=n` replays a seed, `TIDEMILL_SEEDS=n` runs so many.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use tidemill_testkit::ledger;
use tidemill_testkit::oracle::{json_lines, rows, tables};
use tidemill_testkit::random::Random;
use tidemill_testkit::simulation::{Lives, Planned, SinkMoods, live, plan};

const SEEDS_DEFAULT: u64 = 25;
const SPAN_MS: i64 = 60_000;
/// The watermark follows without delay and rows come some seconds out of order: many are late.
const DELAY_MS: i64 = 0;
const QUERY: &str = "SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND)) \
                     GROUP BY window_start, window_end";

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn what_is_set_aside_is_there_once_after_any_number_of_kills() {
    let seeds = match number("TIDEMILL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEMILL_SEEDS").unwrap_or(SEEDS_DEFAULT),
    };
    let mut all = Lives::default();
    seeds.clone().for_each(|seed| all.add(&check(seed)));
    println!("{all:?}");
    assert!(seeds.end - seeds.start < SEEDS_DEFAULT || (all.kills > 10 && all.resumed > 8), "{all:?}");
}

fn check(seed: u64) -> Lives {
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.jsonl");
    let mut text = String::new();
    let mut bad = 0;
    for (number, line) in json_lines(&rows(&mut random, 200, SPAN_MS)).lines().enumerate() {
        if random.one_in(9) {
            text.push_str(&format!("{{\"bad\": {number}\n"));
            bad += 1;
        }
        text.push_str(line);
        text.push('\n');
    }
    std::fs::write(&path, text).unwrap();
    let script = format!("{}{QUERY};", tables(&path, seed, DELAY_MS, 1 + seed % 7));
    let run = |name: &str, random: Option<&mut Random>| {
        let file = folder.path().join(format!("{name}.jsonl"));
        let ledger = format!("dead-{name}-{seed}");
        let mut job = plan(&script, &ledger, SinkMoods { seed, one_in: 0, slow_ms: 0 }).unwrap();
        job.dead_letters = Some(file.clone());
        let lives = random.map(|random| {
            live(&job, random).unwrap_or_else(|error| panic!("TIDEMILL_SEED={seed}: {error}\n{script}"))
        });
        let lives = lives.unwrap_or_else(|| once(&job));
        ledger::forget(&ledger);
        (letters(&file), lives)
    };
    let (wanted, _) = run("once", None);
    let (given, lives) = run("killed", Some(&mut random));
    assert_eq!(wanted.iter().filter(|(line, _)| line.contains("\"bad\"")).count(), bad);
    assert!(wanted.len() > bad, "no row was late");
    assert_eq!(given, wanted, "TIDEMILL_SEED={seed} {lives:?}");
    lives
}

/// The same job from its start to its end.
fn once(job: &Planned) -> Lives {
    let mut calm = Random::new(0);
    loop {
        // A seed under which nothing befalls it: then nothing can be there twice.
        let mut attempt = Random::new(calm.bits());
        if let Some(path) = &job.dead_letters {
            std::fs::remove_file(path).ok();
        }
        let lives = live(job, &mut attempt).unwrap();
        if lives.kills + lives.stops + lives.failures == 0 {
            return lives;
        }
    }
}

/// The lines without what differs from run to run, each with how often it is there.
fn letters(path: &Path) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        let fields = value.as_object_mut().unwrap();
        ["time", "epoch"].iter().for_each(|name| assert!(fields.remove(*name).is_some(), "{line}"));
        *lines.entry(value.to_string()).or_default() += 1;
    }
    lines
}
