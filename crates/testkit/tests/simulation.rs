//! A job that is killed again and again, at whatever moment and at another parallelism each time, gives exactly what
//! SQLite answers, in a sink that shows only what is committed. A failing seed is printed; `TIDEMILL_SEED=n` replays
//! it, `TIDEMILL_SEEDS=n` runs more of them.

#![allow(clippy::unwrap_used)]

use tidemill_testkit::ledger;
use tidemill_testkit::oracle::{answer, json_lines, rows, tables};
use tidemill_testkit::query::question;
use tidemill_testkit::random::Random;
use tidemill_testkit::run::differences;
use tidemill_testkit::simulation::{Lives, SinkMoods, live, plan};

const SEEDS_DEFAULT: u64 = 150;
const SPAN_MS: i64 = 60_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn killed_jobs_give_the_batch_answer_exactly_once() {
    let seeds = match number("TIDEMILL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEMILL_SEEDS").unwrap_or(SEEDS_DEFAULT),
    };
    let many = seeds.end - seeds.start >= SEEDS_DEFAULT;
    let mut all = Lives::default();
    for seed in seeds {
        all.add(&check(seed));
    }
    println!("{all:?}");
    // The simulation would prove nothing if nothing happened in it.
    let eventful = all.kills > 100 && all.resumed > 50 && all.stops > 10 && all.failures > 5;
    assert!(!many || (eventful && all.unaligned > 100 && all.settled > 5), "{all:?}");
}

fn check(seed: u64) -> Lives {
    let mut random = Random::new(seed);
    let count = 50 + random.below(400) as usize;
    let rows = rows(&mut random, count, SPAN_MS);
    let delay_ms = *random.pick(&[0i64, 1_000, 4_000, 20_000]);
    let question = question(&mut random, SPAN_MS);
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("t.jsonl");
    std::fs::write(&path, json_lines(&rows)).expect("the folder takes a file");
    let script = format!("{}{};", tables(&path, seed, delay_ms, 1 + seed % 12), question.flink);
    let expected = answer(&rows, delay_ms, &question.sqlite)
        .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", question.sqlite));
    let ledger = format!("simulation-{seed}");
    let (one_in, slow_ms) = (*random.pick(&[0, 0, 30, 8]), *random.pick(&[0, 0, 30, 300]));
    let plan = plan(&script, &ledger, SinkMoods { seed, one_in, slow_ms })
        .unwrap_or_else(|error| panic!("TIDEMILL_SEED={seed}: {error}\n{script}"));
    let lives =
        live(&plan, &mut random).unwrap_or_else(|error| panic!("TIDEMILL_SEED={seed}: {error}\n{script}"));
    let wrong = differences(&ledger::visible(&ledger), &expected);
    assert!(wrong.is_empty(), "TIDEMILL_SEED={seed} {lives:?}\n{script}\n{wrong}");
    ledger::forget(&ledger);
    lives
}
