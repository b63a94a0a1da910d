//! Random MATCH_RECOGNIZE queries over random rows, cut at random, at random parallelism, give the matches of a naive
//! matcher. A failing seed is printed; `TIDEMILL_SEED=n` replays it, `TIDEMILL_SEEDS=n` runs more of them.

use std::collections::BTreeMap;
use tidemill_testkit::pattern::{Found, Matcher, Outcome, Question, Row, json_lines, question, rows};
use tidemill_testkit::random::Random;
use tidemill_testkit::run::{Folded, run};

const SEEDS_DEFAULT: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_patterns_give_the_matches_of_a_naive_matcher() {
    match number("TIDEMILL_SEED") {
        Some(seed) => check(seed),
        None => (0..number("TIDEMILL_SEEDS").unwrap_or(SEEDS_DEFAULT)).for_each(check),
    }
}

/// The rows that are not late, by partition and in the order of the search.
fn partitions(rows: &[Row], delay_ms: i64) -> BTreeMap<i64, Vec<Row>> {
    let mut partitions: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    let mut watermark = i64::MIN;
    for row in rows {
        if row.ts > watermark {
            partitions.entry(row.key).or_default().push(*row);
        }
        // No watermark at or below 1970 is ever given.
        if row.ts > delay_ms {
            watermark = watermark.max(row.ts - delay_ms);
        }
    }
    // ORDER BY ts, v DESC: NULL is the lowest value, so it comes last.
    let order = |row: &Row| (row.ts, std::cmp::Reverse(row.v));
    partitions.values_mut().for_each(|rows| rows.sort_by_key(order));
    partitions
}

/// A match as the query shows it.
fn shown(found: &Found, key: i64, rows: &[Row], question: &Question) -> Vec<String> {
    let last = found.start + found.variables.len() - 1;
    let mut cells = vec![key.to_string(), rows[found.start].seq.to_string(), rows[last].seq.to_string()];
    for variable in 0..question.factors.len() {
        let own: Vec<i64> = (found.variables.iter().enumerate())
            .filter(|(_, mapped)| **mapped == variable)
            .map(|(at, _)| rows[found.start + at].seq)
            .collect();
        cells.push(own.len().to_string());
        cells.push(if own.is_empty() { "NULL".into() } else { own.iter().sum::<i64>().to_string() });
    }
    cells
}

/// Takes the matches of a partition out of what was given, in the order of the search.
fn settle(key: i64, rows: &[Row], question: &Question, given: &mut Folded) -> Result<(), String> {
    let matcher = Matcher::new(question, rows);
    let (mut start, mut settled) = (0, 0);
    while start < rows.len() {
        let (outcome, seen) = matcher.outcome(start, settled);
        settled = seen;
        match outcome {
            Outcome::Open => return Ok(()),
            Outcome::Nothing => start += 1,
            Outcome::Complete(all) => {
                let taken = all.iter().find(|found| {
                    let row = shown(found, key, rows, question);
                    given.remove(&row).is_some_and(|count| count == 1)
                });
                let Some(taken) = taken else {
                    let rows: Vec<_> = all.iter().map(|found| shown(found, key, rows, question)).collect();
                    return Err(format!(
                        "none of these matches was given: {rows:?}; what is left: {given:?}"
                    ));
                };
                start = matcher.next_start(taken);
            }
        }
    }
    Ok(())
}

fn check(seed: u64) {
    let mut random = Random::new(seed);
    let count = 5 + random.below(120) as usize;
    let rows = rows(&mut random, count);
    let delay_ms = *random.pick(&[0i64, 1_000, 3_000]);
    let question = question(&mut random);
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("t.jsonl");
    std::fs::write(&path, json_lines(&rows)).expect("the folder takes a file");
    let parallelism = 1 + random.below(3) as usize;
    let script = format!(
        "CREATE TABLE t (seq BIGINT, k BIGINT, v BIGINT, ts TIMESTAMP(3), \
         WATERMARK FOR ts AS ts - INTERVAL '{}' SECOND) \
         WITH ('connector' = 'cut-file', 'path' = '{}', 'seed' = '{seed}', 'blob-lines-max' = '{}', 'format' = 'json');\n{};",
        delay_ms / 1_000,
        path.display(),
        1 + seed % 40,
        question.flink(),
    );
    let place = format!("TIDEMILL_SEED={seed} at parallelism {parallelism}\n{script}");
    let answer = run(&script, parallelism).unwrap_or_else(|error| panic!("{place}\n{error}"));
    let mut given = answer.rows;
    for (key, rows) in partitions(&rows, delay_ms) {
        settle(key, &rows, &question, &mut given).unwrap_or_else(|error| panic!("{place}\n{error}"));
    }
    assert!(given.is_empty(), "{place}\nthese matches should not be: {given:?}\n{}", json_lines(&rows));
    for operator in answer.summaries.iter().flat_map(|summary| &summary.operators) {
        let gone = operator.forwarded + operator.absorbed + operator.filtered + operator.late + operator.bad;
        assert_eq!(operator.input, gone + operator.buffered, "{place}: {operator:?}");
    }
}
