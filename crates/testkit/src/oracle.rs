//! SQLite as the oracle: random rows, their watermarks, and the answer to a question over them.

use crate::random::Random;
use crate::run::Folded;
use rusqlite::{Connection, params};
use std::fmt::Write;
use std::path::Path;

/// One row of the table `t`.
#[derive(Debug, Clone)]
pub struct Row {
    a: Option<i64>,
    b: Option<&'static str>,
    v: Option<i64>,
    ts: i64,
}

/// Random rows with timestamps out of order, from a few seconds before 1970 to `span_ms` after it.
pub fn rows(random: &mut Random, count: usize, span_ms: i64) -> Vec<Row> {
    let texts = ["x", "y", "zz", "", "ü"];
    (0..count)
        .map(|i| {
            let base = span_ms * i as i64 / count as i64;
            let jitter = random.below(8_000) as i64 - 4_000;
            Row {
                a: (!random.one_in(10)).then(|| random.below(4) as i64),
                b: (!random.one_in(10)).then(|| *random.pick(&texts)),
                v: (!random.one_in(8)).then(|| random.below(100) as i64 - 20),
                ts: (base + jitter).max(0),
            }
        })
        .collect()
}

/// The rows as JSON lines.
pub fn json_lines(rows: &[Row]) -> String {
    let mut out = String::new();
    for (seq, row) in rows.iter().enumerate() {
        let number = |value: Option<i64>| value.map_or("null".to_string(), |value| value.to_string());
        let text = row.b.map_or("null".to_string(), |text| format!("\"{text}\""));
        let ts = format!(
            "1970-01-01 {:02}:{:02}:{:02}.{:03}",
            row.ts / 3_600_000,
            row.ts / 60_000 % 60,
            row.ts / 1_000 % 60,
            row.ts % 1_000
        );
        writeln!(
            out,
            r#"{{"seq":{seq},"a":{},"b":{text},"v":{},"ts":"{ts}"}}"#,
            number(row.a),
            number(row.v)
        )
        .expect("strings take everything");
    }
    out
}

/// What SQLite answers. `w` is the watermark before each row: the largest earlier timestamp less the delay;
/// none below 1970 is ever given.
pub fn answer(rows: &[Row], delay_ms: i64, sql: &str) -> rusqlite::Result<Folded> {
    let connection = Connection::open_in_memory()?;
    connection
        .execute_batch("CREATE TABLE t (seq INTEGER, a INTEGER, b TEXT, v INTEGER, ts INTEGER, w INTEGER)")?;
    let mut highest: Option<i64> = None;
    {
        let mut insert = connection.prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)")?;
        for (seq, row) in rows.iter().enumerate() {
            insert.execute(params![seq as i64, row.a, row.b, row.v, row.ts, highest])?;
            let watermark = row.ts - delay_ms;
            highest = highest.max((watermark > 0).then_some(watermark));
        }
    }
    let mut statement = connection.prepare(sql)?;
    let width = statement.column_count();
    let mut folded = Folded::new();
    let mut answers = statement.query([])?;
    while let Some(row) = answers.next()? {
        let cells = (0..width).map(|i| row.get::<_, String>(i)).collect::<rusqlite::Result<Vec<_>>>()?;
        *folded.entry(cells).or_default() += 1;
    }
    Ok(folded)
}

/// The tables that random queries read: `t`, `patient` (nothing is late) and `punctual` (rows come at most 8 s out of
/// order), over one file that is cut at random.
pub fn tables(path: &Path, seed: u64, delay_ms: i64, blob_lines_max: u64) -> String {
    let table = |name: &str, delay_ms: i64| {
        format!(
            "CREATE TABLE {name} (seq BIGINT, a INT, b STRING, v BIGINT, ts TIMESTAMP(3), \
             WATERMARK FOR ts AS ts - INTERVAL '{}' SECOND(3)) WITH ('connector' = 'cut-file', 'path' = '{}', \
             'seed' = '{seed}', 'blob-lines-max' = '{blob_lines_max}', 'format' = 'json');\n",
            delay_ms / 1_000,
            path.display(),
        )
    };
    [table("t", delay_ms), table("patient", 999_000), table("punctual", 9_000)].concat()
}
