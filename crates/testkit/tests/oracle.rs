//! Stream = batch: random queries over random rows, cut at random, at random parallelism, give what SQLite
//! answers. A failing seed is printed; `TIDEMILL_SEED=n` replays it, `TIDEMILL_SEEDS=n` runs more of them.

use tidemill_testkit::oracle::{answer, json_lines, rows, tables};
use tidemill_testkit::query::question;
use tidemill_testkit::random::Random;
use tidemill_testkit::run::{differences, run, run_with_memory};

const SEEDS_DEFAULT: u64 = 120;
/// One query in so many runs once more with memory for next to nothing.
const LITTLE_MEMORY_EVERY: u64 = 2;
const SPAN_MS: i64 = 60_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_queries_equal_the_batch_answer() {
    match number("TIDEMILL_SEED") {
        Some(seed) => check(seed),
        None => (0..number("TIDEMILL_SEEDS").unwrap_or(SEEDS_DEFAULT)).for_each(check),
    }
}

fn check(seed: u64) {
    let mut random = Random::new(seed);
    let count = 20 + random.below(280) as usize;
    let rows = rows(&mut random, count, SPAN_MS);
    let delay_ms = *random.pick(&[0i64, 1_000, 4_000, 20_000]);
    let question = question(&mut random, SPAN_MS);
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("t.jsonl");
    std::fs::write(&path, json_lines(&rows)).expect("the folder takes a file");
    let parallelism = 1 + random.below(4) as usize;
    let script = format!("{}{};", tables(&path, seed, delay_ms, 1 + seed % 60), question.flink);
    let expected = answer(&rows, delay_ms, &question.sqlite)
        .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", question.sqlite));
    let given = run(&script, parallelism).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{script}"));
    let wrong = differences(&given.rows, &expected);
    assert!(wrong.is_empty(), "TIDEMILL_SEED={seed} at parallelism {parallelism}\n{script}\n{wrong}");
    if seed.is_multiple_of(LITTLE_MEMORY_EVERY) {
        let given = run_with_memory(&script, parallelism, 1)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{script}"));
        let wrong = differences(&given.rows, &expected);
        assert!(wrong.is_empty(), "TIDEMILL_SEED={seed} with little memory\n{script}\n{wrong}");
    }
    for operator in given.summaries.iter().flat_map(|summary| &summary.operators) {
        let gone = operator.forwarded + operator.absorbed + operator.filtered + operator.late + operator.bad;
        assert_eq!(operator.input, gone + operator.buffered, "TIDEMILL_SEED={seed}: {operator:?}");
    }
}
