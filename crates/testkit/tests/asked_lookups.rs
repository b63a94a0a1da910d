//! Lookup joins of tables that are asked by key: they give what the same join gives with the same table held as a
//! whole, in the same order and with the same watermarks, whatever the delays, the parallelism and the failures; and
//! under kills. A failing seed is printed; `TIDEMILL_SEED=n` replays it, `TIDEMILL_SEEDS=n` runs more of them.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use tidemill_testkit::oracle::{json_lines, rows, tables};
use tidemill_testkit::random::Random;
use tidemill_testkit::run::{Folded, differences, run};
use tidemill_testkit::simulation::{Lives, live, plan};
use tidemill_testkit::{ledger, slow_table};

const SEEDS_DEFAULT: u64 = 40;

/// The rows of the table that is looked up: key, name, weight. Key 2 has two rows, key 3 none.
const DIM: [&str; 5] = ["0,zero,10", "1,one,20", "2,two,-", "2,zwei,30", "9,nine,90"];

const QUERIES: [&str; 7] = [
    "SELECT LISTAGG(CAST(seq AS STRING)) AS s, SUM(w) AS w FROM j",
    "SELECT LISTAGG(CAST(seq AS STRING)) AS s, COUNT(name) AS n FROM lj",
    "SELECT window_end, LISTAGG(CAST(seq AS STRING)) AS s, COUNT(name) AS n
     FROM TABLE(TUMBLE(TABLE lj, DESCRIPTOR(ts), INTERVAL '7' SECOND)) GROUP BY window_start, window_end",
    "SELECT b, window_end, COUNT(*) AS n, SUM(w) AS w
     FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(ts), INTERVAL '7' SECOND)) GROUP BY b, window_start, window_end",
    "SELECT c.a, c.n, d.name FROM (SELECT a, COUNT(*) AS n, PROCTIME() AS p FROM t GROUP BY a) c
     LEFT JOIN d FOR SYSTEM_TIME AS OF c.p AS d ON d.k = c.a",
    "SELECT l.name, COUNT(*) AS n, LISTAGG(CAST(l.seq AS STRING)) AS s
     FROM lj AS l JOIN d FOR SYSTEM_TIME AS OF l.p AS e ON e.k = l.a AND e.w > l.v GROUP BY l.name",
    "SELECT COUNT(*) AS n, SUM(u.v) AS v FROM (SELECT a, v, p FROM l UNION ALL SELECT a, seq AS v, p FROM l2) u
     JOIN d FOR SYSTEM_TIME AS OF u.p AS d ON d.k = u.a AND d.name <> 'zwei'",
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn seeds() -> std::ops::Range<u64> {
    match number("TIDEMILL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEMILL_SEEDS").unwrap_or(SEEDS_DEFAULT),
    }
}

/// The script with the table behind these options.
fn script(path: &Path, seed: u64, delay_ms: i64, dim: &str, query: &str) -> String {
    format!(
        "{}CREATE TABLE d (k INT, name STRING, w BIGINT) WITH ({dim});
         CREATE VIEW l AS SELECT *, PROCTIME() AS p FROM t;
         CREATE VIEW l2 AS SELECT *, PROCTIME() AS p FROM patient;
         CREATE VIEW j AS SELECT l.seq, l.b, l.ts, d.name, d.w FROM l JOIN d FOR SYSTEM_TIME AS OF l.p AS d ON l.a = d.k;
         CREATE VIEW lj AS SELECT l.seq, l.a, l.v, l.ts, l.p, d.name FROM l
         LEFT JOIN d FOR SYSTEM_TIME AS OF l.p AS d ON l.a = d.k AND d.w >= 20;
         {query};",
        tables(path, seed, delay_ms, 1 + seed % 12)
    )
}

/// One random case: the job with an asked table, what it must give, and what is random about it.
struct Case {
    folder: tempfile::TempDir,
    script: String,
    expected: Folded,
}

fn case(seed: u64, random: &mut Random) -> Case {
    slow_table::fill("dim", DIM);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.jsonl");
    let count = 30 + random.below(200) as usize;
    std::fs::write(&path, json_lines(&rows(random, count, 40_000))).unwrap();
    let file = folder.path().join("dim.csv");
    std::fs::write(&file, DIM.join("\n")).unwrap();
    let delay_ms = *random.pick(&[0i64, 1_000, 4_000]);
    let query = *random.pick(&QUERIES);
    let whole = format!(
        "'connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'csv.null-literal' = '-'",
        file.display()
    );
    let (connector, format) = match random.one_in(2) {
        true => ("slow-table", ""),
        false => ("slow-records", ", 'format' = 'csv', 'csv.null-literal' = '-'"),
    };
    let cache = *random.pick(&["NONE", "PARTIAL"]);
    let asked = format!(
        "'connector' = '{connector}', 'name' = 'dim', 'seed' = '{seed}', 'delay-ms-max' = '{}', 'keys-max' = '{}',
         'calls-max' = '{}', 'fail-one-in' = '{}', 'lookup.max-retries' = '50', 'lookup.cache' = '{cache}',
         'lookup.partial-cache.max-rows' = '2'{format}",
        random.pick(&[0, 3]),
        random.pick(&[1, 2, 8]),
        random.pick(&[1, 4]),
        random.pick(&[0, 7]),
    );
    let expected = run(&script(&path, seed, delay_ms, &whole, query), 1).unwrap().rows;
    assert!(!expected.is_empty(), "a query without rows proves nothing");
    Case { script: script(&path, seed, delay_ms, &asked, query), folder, expected }
}

#[test]
fn asked_tables_give_what_whole_ones_give() {
    for seed in seeds() {
        let mut random = Random::new(seed);
        let case = case(seed, &mut random);
        let parallelism = 1 + random.below(4) as usize;
        let given =
            run(&case.script, parallelism).unwrap_or_else(|error| panic!("TIDEMILL_SEED={seed}: {error}"));
        let wrong = differences(&given.rows, &case.expected);
        assert!(wrong.is_empty(), "TIDEMILL_SEED={seed} {parallelism} tasks\n{}\n{wrong}", case.script);
        drop(case.folder);
    }
}

#[test]
fn asked_tables_survive_kills() {
    let mut all = Lives::default();
    for seed in seeds() {
        let mut random = Random::new(seed);
        let case = case(seed, &mut random);
        let name = format!("asked-{seed}");
        let moods =
            tidemill_testkit::simulation::SinkMoods { seed, one_in: *random.pick(&[0, 30]), slow_ms: 0 };
        let plan = plan(&case.script, &name, moods).unwrap();
        let lives = live(&plan, &mut random)
            .unwrap_or_else(|error| panic!("TIDEMILL_SEED={seed}: {error}\n{}", case.script));
        let wrong = differences(&ledger::visible(&name), &case.expected);
        assert!(wrong.is_empty(), "TIDEMILL_SEED={seed} {lives:?}\n{}\n{wrong}", case.script);
        ledger::forget(&name);
        all.kills += lives.kills;
        all.resumed += lives.resumed;
    }
    println!("{all:?}");
    assert!(seeds().end - seeds().start < SEEDS_DEFAULT || (all.kills > 20 && all.resumed > 10), "{all:?}");
}
