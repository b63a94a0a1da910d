//! Random OVER windows, as Flink SQL and as SQLite's.
//!
//! In the order of event time: over rows that are never late with every frame up to the current row, and over
//! late ones where the rule can be said in SQL (a row of an unbounded frame is dropped if its time is not above the
//! watermark before it; one of a ROWS frame if its key gave a row of its time or later already, and a row that waits
//! gives only when the watermark next rises, even if it was behind it when it came). In batch mode: every order and
//! frame. Flink's bounded frames begin at 1970 and drop what is not above it, so all rows are above it here.

use crate::query::{Question, condition, text_of};
use crate::random::Random;

/// A random question.
pub(crate) fn over(random: &mut Random) -> Question {
    match random.below(5) {
        0 => late(random),
        1 | 2 => batch(random),
        _ => punctual(random),
    }
}

/// The key of the windows: its PARTITION BY and how two rows of one key compare in SQLite.
struct Key(&'static str, &'static str);

fn key(random: &mut Random) -> Key {
    let keys = [
        ("PARTITION BY a", "r.a IS q.a"),
        ("PARTITION BY b", "r.b IS q.b"),
        ("PARTITION BY a, b", "r.a IS q.a AND r.b IS q.b"),
        ("", "1 = 1"),
    ];
    let (partition, same) = *random.pick(&keys);
    Key(partition, same)
}

/// Aggregates over one window `w`, in both languages.
fn calls(random: &mut Random, extra: &[&str]) -> Vec<(String, String)> {
    let limit = random.below(60);
    let mut all: Vec<(String, String)> = [
        "COUNT(*) OVER w",
        "COUNT(v) OVER w",
        "SUM(v) OVER w",
        "MIN(v) OVER w",
        "MAX(v) OVER w",
        "MAX(b) OVER w",
    ]
    .iter()
    .chain(extra)
    .map(|call| (call.to_string(), call.to_string()))
    .collect();
    all.push(("AVG(v) OVER w".into(), "(SUM(v) OVER w) / (COUNT(v) OVER w)".into()));
    let filtered = format!("SUM(v) FILTER (WHERE v > {limit}) OVER w");
    all.push((filtered.clone(), filtered));
    (0..1 + random.below(3)).map(|_| random.pick(&all).clone()).collect()
}

fn select(calls: &[(String, String)]) -> (String, String) {
    let plain = ["seq", "a", "b"];
    let flink = plain.iter().map(|name| name.to_string()).chain(calls.iter().map(|(call, _)| call.clone()));
    let sqlite = plain.iter().map(|name| text_of(name)).chain(calls.iter().map(|(_, call)| text_of(call)));
    (flink.collect::<Vec<_>>().join(", "), sqlite.collect::<Vec<_>>().join(", "))
}

/// A frame up to the current row: as Flink writes it, as SQLite does over milliseconds, and its order there.
struct Frame {
    flink: String,
    sqlite: String,
    order: &'static str,
}

fn rows_frame(n: u64) -> Frame {
    let text = format!("ROWS BETWEEN {n} PRECEDING AND CURRENT ROW");
    Frame { flink: text.clone(), sqlite: text, order: "ts, seq" }
}

fn unbounded(unit: &str) -> Frame {
    let text = format!("{unit} BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW");
    Frame { flink: text.clone(), sqlite: text, order: if unit == "ROWS" { "ts, seq" } else { "ts" } }
}

fn distance(ms: u64) -> Frame {
    Frame {
        flink: format!(
            "RANGE BETWEEN INTERVAL '{}.{:03}' SECOND PRECEDING AND CURRENT ROW",
            ms / 1_000,
            ms % 1_000
        ),
        sqlite: format!("RANGE BETWEEN {ms} PRECEDING AND CURRENT ROW"),
        order: "ts",
    }
}

fn question(calls: &[(String, String)], key: &Key, frame: &Frame, from: (String, String)) -> Question {
    let (flink, sqlite) = select(calls);
    Question {
        flink: format!("SELECT {flink} FROM {} WINDOW w AS ({} ORDER BY ts {})", from.0, key.0, frame.flink),
        sqlite: format!(
            "SELECT {sqlite} FROM {} WINDOW w AS ({} ORDER BY {} {})",
            from.1, key.0, frame.order, frame.sqlite
        ),
    }
}

/// The rows above 1970 that fulfil a condition.
fn above(table: &str, condition: &str) -> (String, String) {
    (
        format!("(SELECT * FROM {table} WHERE ts > TIMESTAMP '1970-01-01 00:00:00' AND ({condition}))"),
        format!("(SELECT * FROM t WHERE ts > 0 AND ({condition}))"),
    )
}

fn punctual(random: &mut Random) -> Question {
    let (key, condition) = (key(random), condition(random));
    let frame = match random.below(4) {
        0 => unbounded("ROWS"),
        1 => unbounded("RANGE"),
        2 => rows_frame(random.below(6)),
        _ => distance(random.below(9_000)),
    };
    question(&calls(random, &[]), &key, &frame, above("punctual", &condition))
}

/// Rows may come too late; the condition stands above the windows, so that it does not change what is late.
fn late(random: &mut Random) -> Question {
    let key = key(random);
    let (flink, all) = above("t", "1 = 1");
    let (frame, kept) = match random.below(3) {
        0 => (unbounded("ROWS"), "(w IS NULL OR ts > w)".to_string()),
        1 => (unbounded("RANGE"), "(w IS NULL OR ts > w)".to_string()),
        _ => {
            let given = format!(
                "SELECT 1 FROM {all} r WHERE {} AND r.seq < q.seq AND r.ts <= q.w AND r.ts >= q.ts \
                 AND (r.w IS NULL OR r.w < q.w)",
                key.1
            );
            (rows_frame(random.below(5)), format!("NOT EXISTS ({given})"))
        }
    };
    let sqlite = format!("(SELECT * FROM {all} q WHERE {kept})");
    question(&calls(random, &[]), &key, &frame, (flink, sqlite))
}

/// A bound of a frame, with a number that says where it lies.
fn bound(random: &mut Random) -> (i64, String) {
    match random.below(7) {
        0 => (-100, "UNBOUNDED PRECEDING".into()),
        1 => (100, "UNBOUNDED FOLLOWING".into()),
        2 => (0, "CURRENT ROW".into()),
        3 | 4 => {
            let n = 1 + random.below(20) as i64;
            (-n, format!("{n} PRECEDING"))
        }
        _ => {
            let n = 1 + random.below(20) as i64;
            (n, format!("{n} FOLLOWING"))
        }
    }
}

fn frame(random: &mut Random) -> String {
    let (mut from, mut to) = (bound(random), bound(random));
    if from.0 > to.0 {
        std::mem::swap(&mut from, &mut to);
    }
    if from.0 == 100 {
        from = (0, "CURRENT ROW".into());
    }
    if to.0 == -100 {
        to = (0, "CURRENT ROW".into());
    }
    format!("BETWEEN {} AND {}", from.1, to.1)
}

/// Ranks and neighbours have no frame; aggregates have any.
fn batch(random: &mut Random) -> Question {
    let key = key(random);
    let condition = format!("({}) AND v IS NOT NULL", condition(random));
    let ranks = random.one_in(3);
    let direction = *random.pick(&["", " DESC"]);
    let (order, frame) = match (ranks, random.one_in(2)) {
        (true, _) => (format!("v{direction}, seq"), String::new()),
        (false, true) => (format!("v{direction}, seq"), format!("ROWS {}", frame(random))),
        (false, false) => (format!("v{direction}"), format!("RANGE {}", frame(random))),
    };
    let calls = match ranks {
        false => calls(random, &[]),
        true => {
            let n = 1 + random.below(5);
            let all = [
                "ROW_NUMBER() OVER w".to_string(),
                "RANK() OVER w".into(),
                "DENSE_RANK() OVER w".into(),
                format!("NTILE({n}) OVER w"),
                format!("LAG(v, {n}) OVER w"),
                format!("LEAD(v, {n}) OVER w"),
            ];
            let call = random.pick(&all).clone();
            vec![(call.clone(), call)]
        }
    };
    let (flink, sqlite) = select(&calls);
    let window = format!("WINDOW w AS ({} ORDER BY {order} {frame})", key.0);
    let from = above("t", &condition);
    Question {
        flink: format!("SET 'execution.runtime-mode' = 'batch';\nSELECT {flink} FROM {} {window}", from.0),
        sqlite: format!("SELECT {sqlite} FROM {} {window}", from.1),
    }
}
