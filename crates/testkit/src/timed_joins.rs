//! Random interval joins and window joins of a table with itself, as Flink SQL and as SQLite's.
//!
//! They are over `punctual`, the same rows with a watermark behind which none is late: state is given up while
//! rows come, and still no pair may be missing.

use crate::query::{Question, condition, text_of};
use crate::random::Random;

const NAMES: [&str; 6] = ["l.a", "l.b", "l.v", "r.a", "r.b", "r.v"];

/// A join bounded in time.
pub(crate) fn timed(random: &mut Random) -> Question {
    if random.one_in(2) { interval(random) } else { window(random) }
}

fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "+" };
    format!("{sign} INTERVAL '{}.{:03}' SECOND", ms.abs() / 1_000, ms.abs() % 1_000)
}

fn select(columns: usize) -> (String, String) {
    let sqlite: Vec<String> = NAMES[..columns].iter().map(|name| text_of(name)).collect();
    (NAMES[..columns].join(", "), sqlite.join(", "))
}

fn interval(random: &mut Random) -> Question {
    let lower = random.below(6_000) as i64 - 3_000;
    let upper = lower + random.below(4_000) as i64;
    let kind = *random.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
    let key = *random.pick(&["l.a = r.a", "l.a = r.a AND l.b = r.b", "l.a = r.a AND l.v < r.v"]);
    let (lower_text, upper_text) = (seconds(lower), seconds(upper));
    let bounds = match random.below(4) {
        0 => format!("l.ts BETWEEN r.ts {lower_text} AND r.ts {upper_text}"),
        1 => format!("l.ts >= r.ts {lower_text} AND r.ts {upper_text} >= l.ts"),
        2 => format!("l.ts > r.ts {} AND l.ts < r.ts {}", seconds(lower - 1), seconds(upper + 1)),
        _ => format!("r.ts <= l.ts {} AND NOT (r.ts < l.ts {})", seconds(-lower), seconds(-upper)),
    };
    let (left, right) = (condition(random), condition(random));
    let (flink, sqlite) = select(6);
    let from = |table: &str, bounds: &str| {
        format!(
            "FROM (SELECT * FROM {table} WHERE {left}) l {kind} (SELECT * FROM {table} WHERE {right}) r \
             ON {key} AND {bounds}"
        )
    };
    let own = format!("l.ts BETWEEN r.ts + ({lower}) AND r.ts + ({upper})");
    Question {
        flink: format!("SELECT {flink} {}", from("punctual", &bounds)),
        sqlite: format!("SELECT {sqlite} {}", from("t", &own)),
    }
}

fn window(random: &mut Random) -> Question {
    let size = *random.pick(&[1_000i64, 2_500, 7_000]);
    let key = *random.pick(&["l.a = r.a", "l.b = r.b", "l.a = r.a AND l.v < r.v"]);
    let (left, right) = (condition(random), condition(random));
    let side = |condition: &str| {
        format!(
            "(SELECT * FROM TABLE(TUMBLE(TABLE punctual, DESCRIPTOR(ts), INTERVAL '{}.{:03}' SECOND)) WHERE {condition})",
            size / 1_000,
            size % 1_000
        )
    };
    let own = |condition: &str| format!("(SELECT *, ts / {size} AS n FROM t WHERE {condition})");
    let both = format!("{key} AND l.window_start = r.window_start AND l.window_end = r.window_end");
    let both_own = format!("{key} AND l.n = r.n");
    let exists = match random.below(6) {
        0 => "EXISTS",
        1 => "NOT EXISTS",
        _ => {
            let kind = *random.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            let (flink, sqlite) = select(6);
            return Question {
                flink: format!("SELECT {flink} FROM {} l {kind} {} r ON {both}", side(&left), side(&right)),
                sqlite: format!(
                    "SELECT {sqlite} FROM {} l {kind} {} r ON {both_own}",
                    own(&left),
                    own(&right)
                ),
            };
        }
    };
    let (flink, sqlite) = select(3);
    Question {
        flink: format!(
            "SELECT {flink} FROM {} l WHERE {exists} (SELECT 1 FROM {} r WHERE {both})",
            side(&left),
            side(&right)
        ),
        sqlite: format!(
            "SELECT {sqlite} FROM {} l WHERE {exists} (SELECT 1 FROM {} r WHERE {both_own})",
            own(&left),
            own(&right)
        ),
    }
}
