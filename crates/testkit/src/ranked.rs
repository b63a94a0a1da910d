//! Random questions that rank rows: Top-N, deduplication by event time, ORDER BY with LIMIT.
//!
//! Equal rows rank by arrival, so SQLite orders by `seq` last. SQLite sorts NULL low too.

use crate::query::{Question, condition, text_of};
use crate::random::Random;

/// A random question.
pub fn ranked(random: &mut Random) -> Question {
    match random.below(4) {
        0 => deduplicated(random),
        1 => limited(random),
        _ => top(random),
    }
}

fn texts(columns: &[&str]) -> String {
    columns.iter().map(|column| text_of(column)).collect::<Vec<_>>().join(", ")
}

fn order(random: &mut Random) -> String {
    let column = *random.pick(&["v", "b", "b, v"]);
    let end = *random.pick(&["", " DESC", " DESC NULLS FIRST", " NULLS LAST"]);
    format!("{column}{end}")
}

fn top(random: &mut Random) -> Question {
    let (condition, order) = (condition(random), order(random));
    let keys = *random.pick(&["PARTITION BY a", "PARTITION BY b, a", ""]);
    let updating = random.one_in(2);
    // A Top-1 of inserts that is no deduplication keeps what it gave, as in Flink; SQLite can't tell that.
    let n = if updating { 1 } else { 2 } + random.below(5);
    let ranks = [
        format!("rn <= {n}"),
        format!("rn = {n}"),
        format!("rn BETWEEN 2 AND {}", n + 1),
        format!("rn > 1 AND rn < {}", n + 2),
    ];
    let ranks = random.pick(&ranks).clone();
    let columns: &[&str] =
        if random.one_in(2) { &["a", "b", "v", "seq", "rn"] } else { &["a", "b", "v", "seq"] };
    // An updating input: its groups leave and enter the ranks.
    if updating {
        let inner =
            format!("SELECT a, b, COUNT(*) AS v, MIN(v) AS seq FROM t WHERE {condition} GROUP BY a, b");
        let rows =
            format!("SELECT *, ROW_NUMBER() OVER ({keys} ORDER BY v DESC, seq, a, b) AS rn FROM ({inner})");
        return Question {
            flink: format!("SELECT {} FROM ({rows}) WHERE {ranks}", columns.join(", ")),
            sqlite: format!("SELECT {} FROM ({rows}) WHERE {ranks}", texts(columns)),
        };
    }
    let rows = |order: &str| {
        format!("SELECT *, ROW_NUMBER() OVER ({keys} ORDER BY {order}) AS rn FROM t WHERE {condition}")
    };
    Question {
        flink: format!("SELECT {} FROM ({}) WHERE {ranks}", columns.join(", "), rows(&order)),
        sqlite: format!("SELECT {} FROM ({}) WHERE {ranks}", texts(columns), rows(&format!("{order}, seq"))),
    }
}

fn deduplicated(random: &mut Random) -> Question {
    let columns = ["a", "b", "seq"];
    let last = random.one_in(2);
    let rows =
        |order: &str| format!("SELECT *, ROW_NUMBER() OVER (PARTITION BY a ORDER BY {order}) AS rn FROM t");
    let (flink, sqlite) = match last {
        true => (rows("ts DESC"), rows("ts DESC, seq DESC")),
        false => (rows("ts"), format!("{} WHERE w IS NULL OR ts > w", rows("ts, seq"))),
    };
    Question {
        flink: format!("SELECT {} FROM ({flink}) WHERE rn = 1", columns.join(", ")),
        sqlite: format!("SELECT {} FROM ({sqlite}) WHERE rn = 1", texts(&columns)),
    }
}

fn limited(random: &mut Random) -> Question {
    let (condition, order) = (condition(random), order(random));
    let (count, offset) = (random.below(20), random.below(4));
    let columns = ["v", "b", "seq"];
    let rows = |columns: &str, order: &str| {
        format!("SELECT {columns} FROM t WHERE {condition} ORDER BY {order} LIMIT {count} OFFSET {offset}")
    };
    Question {
        flink: rows(&columns.join(", "), &order),
        sqlite: format!("SELECT {} FROM ({})", texts(&columns), rows("*", &format!("{order}, seq"))),
    }
}
