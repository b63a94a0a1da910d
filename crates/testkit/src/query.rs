//! Random queries over one table, as Flink SQL and as SQLite's SQL for the same question.
//!
//! The table is `t(seq, a, b, v, ts)`; in SQLite `ts` is in milliseconds and `w` is the watermark before the
//! row. A row is in a window exactly if the watermark before it had not fired the window: `w < end - 1`.

use crate::random::Random;

/// One question in both languages.
#[derive(Debug, Clone)]
pub struct Question {
    /// For the engine, without the table's definition.
    pub flink: String,
    /// For SQLite: the same columns as texts in Flink's form.
    pub sqlite: String,
}

struct Aggregate {
    flink: String,
    sqlite: String,
}

/// A random question. `span_ms` is how far the timestamps reach.
pub fn question(random: &mut Random, span_ms: i64) -> Question {
    match random.below(21) {
        18.. => crate::over::over(random),
        15.. => crate::timed_joins::timed(random),
        13.. => crate::sets::sets(random),
        11 | 12 => crate::sets::subqueries(random),
        8.. => joined(random),
        0 | 1 => grouped(random),
        2 => nested(random),
        3 => session(random),
        4 | 5 => crate::ranked::ranked(random),
        _ => windowed(random, span_ms),
    }
}

fn aggregates(random: &mut Random) -> Vec<Aggregate> {
    let limit = random.below(80);
    let all: [(String, String); 9] = [
        ("COUNT(*)".into(), "COUNT(*)".into()),
        ("COUNT(v)".into(), "COUNT(v)".into()),
        ("SUM(v)".into(), "SUM(v)".into()),
        ("MIN(v)".into(), "MIN(v)".into()),
        ("MAX(b)".into(), "MAX(b)".into()),
        ("AVG(v)".into(), "SUM(v) / COUNT(v)".into()),
        ("COUNT(DISTINCT v)".into(), "COUNT(DISTINCT v)".into()),
        (format!("SUM(v) FILTER (WHERE v > {limit})"), format!("SUM(v) FILTER (WHERE v > {limit})")),
        (
            format!("COUNT(DISTINCT b) FILTER (WHERE v < {limit})"),
            format!("COUNT(DISTINCT b) FILTER (WHERE v < {limit})"),
        ),
    ];
    let count = 1 + random.below(4);
    (0..count)
        .map(|_| {
            let (flink, sqlite) = random.pick(&all).clone();
            Aggregate { flink, sqlite: text_of(&sqlite) }
        })
        .collect()
}

/// A value as text, NULL as Flink's tables show it.
pub(crate) fn text_of(sqlite: &str) -> String {
    format!("IFNULL(CAST({sqlite} AS TEXT), 'NULL')")
}

/// Milliseconds as `yyyy-MM-dd HH:mm:ss.SSS`.
fn time_of(sqlite: &str) -> String {
    let millis = format!("((({sqlite}) % 1000) + 1000) % 1000");
    let seconds = format!("(({sqlite}) - {millis}) / 1000");
    format!("strftime('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch') || printf('.%03d', {millis})")
}

fn keys(random: &mut Random) -> Vec<&'static str> {
    [&["a"][..], &["b"], &["a", "b"], &[]][random.below(4) as usize].to_vec()
}

pub(crate) fn condition(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("v > {}", random.below(60)),
        1 => "b IS NOT NULL AND a <> 2".into(),
        2 => format!("v IS NULL OR v < {} OR a = 1", random.below(60)),
        _ => "1 = 1".into(),
    }
}

fn columns(keys: &[&str], aggregates: &[Aggregate]) -> (String, String) {
    let flink = keys.iter().map(|key| key.to_string()).chain(aggregates.iter().map(|a| a.flink.clone()));
    let sqlite = keys.iter().map(|key| text_of(key)).chain(aggregates.iter().map(|a| a.sqlite.clone()));
    (flink.collect::<Vec<_>>().join(", "), sqlite.collect::<Vec<_>>().join(", "))
}

fn group_by(keys: &[&str], more: &[&str]) -> String {
    let all: Vec<&str> = keys.iter().chain(more).copied().collect();
    if all.is_empty() { String::new() } else { format!("GROUP BY {}", all.join(", ")) }
}

fn grouped(random: &mut Random) -> Question {
    let keys = keys(random);
    let aggregates = aggregates(random);
    let condition = condition(random);
    let (flink, sqlite) = columns(&keys, &aggregates);
    let group = group_by(&keys, &[]);
    // Without keys a streaming aggregate over no rows gives no row, and SQLite gives one.
    let (having, own) = match (keys.is_empty(), random.one_in(3)) {
        (true, _) => ("", "HAVING COUNT(*) > 0"),
        (false, true) => ("HAVING COUNT(*) > 2", "HAVING COUNT(*) > 2"),
        (false, false) => ("", ""),
    };
    Question {
        flink: format!("SELECT {flink} FROM t WHERE {condition} {group} {having}"),
        sqlite: format!("SELECT {sqlite} FROM t WHERE {condition} {group} {own}"),
    }
}

/// An aggregate over an updating aggregate: what retractions must get right.
fn nested(random: &mut Random) -> Question {
    let condition = condition(random);
    let outer = *random.pick(&["c", "a", "s"]);
    let inner = format!(
        "SELECT a, b, COUNT(*) AS c, SUM(v) AS s, MAX(v) AS m FROM t WHERE {condition} GROUP BY a, b"
    );
    let aggregates = ["COUNT(*)", "SUM(c)", "MIN(s)", "MAX(m)", "COUNT(DISTINCT s)"];
    let flink = aggregates.join(", ");
    let sqlite = aggregates.map(text_of).join(", ");
    Question {
        flink: format!("SELECT {outer}, {flink} FROM ({inner}) GROUP BY {outer}"),
        sqlite: format!("SELECT {}, {sqlite} FROM ({inner}) GROUP BY {outer}", text_of(outer)),
    }
}

fn windowed(random: &mut Random, span_ms: i64) -> Question {
    let slide = *random.pick(&[1_000i64, 2_000, 5_000, 7_000]);
    let factor = 1 + random.below(4) as i64;
    let size = slide * factor;
    let offset = *random.pick(&[0i64, 0, 500, -700]);
    let condition = condition(random);
    let keys = keys(random);
    let aggregates = aggregates(random);
    let seconds = |ms: i64| format!("INTERVAL '{}.{:03}' SECOND", ms.abs() / 1_000, ms.abs() % 1_000);
    let signed = |ms: i64| if ms < 0 { format!("-{}", seconds(ms)) } else { seconds(ms) };
    let shift = if offset == 0 { String::new() } else { format!(", {}", signed(offset)) };
    let (function, starts, end) = match (factor, random.below(2)) {
        (1, _) => (format!("TUMBLE(TABLE t, DESCRIPTOR(ts), {}{shift})", seconds(size)), slide, "s + size"),
        (_, 0) => (
            format!("HOP(TABLE t, DESCRIPTOR(ts), {}, {}{shift})", seconds(slide), seconds(size)),
            slide,
            "s + size",
        ),
        _ => (
            format!("CUMULATE(TABLE t, DESCRIPTOR(ts), {}, {}{shift})", seconds(slide), seconds(size)),
            size,
            "e",
        ),
    };
    let (flink, sqlite) = columns(&keys, &aggregates);
    // All windows that could hold a row: starts every `starts`, and for CUMULATE an end every `slide`.
    let windows = match end {
        "e" => format!(
            "SELECT s, s + n * {slide} AS e FROM starts, (WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {factor}) SELECT n FROM k)"
        ),
        _ => format!("SELECT s, s + {size} AS e FROM starts"),
    };
    let first = -4 * size - 10_000 + offset.rem_euclid(starts);
    let first = first - first.rem_euclid(starts) + offset.rem_euclid(starts);
    let group = group_by(&keys, &["s", "e"]);
    Question {
        flink: format!(
            "SELECT window_start, window_end, {flink} FROM TABLE({function}) WHERE {condition} {}",
            group_by(&keys, &["window_start", "window_end"])
        ),
        sqlite: format!(
            "WITH RECURSIVE starts(s) AS (SELECT {first} UNION ALL SELECT s + {starts} FROM starts WHERE s < {}), \
             windows AS ({windows}) \
             SELECT {}, {}, {sqlite} FROM t JOIN windows ON ts >= s AND ts < e AND (w IS NULL OR w < e - 1) \
             WHERE {condition} {group}",
            span_ms + size + 10_000,
            time_of("s"),
            time_of("e"),
        ),
    }
}

/// Sessions: no row is late here, for the delay of the watermark is longer than the input.
fn session(random: &mut Random) -> Question {
    let gap = *random.pick(&[300i64, 1_000, 2_500]);
    let condition = condition(random);
    let interval = format!("INTERVAL '{}.{:03}' SECOND", gap / 1_000, gap % 1_000);
    Question {
        flink: format!(
            "SELECT window_start, window_end, a, COUNT(*), SUM(v) \
             FROM TABLE(SESSION(TABLE (SELECT a, v, ts FROM patient WHERE {condition}) PARTITION BY a, DESCRIPTOR(ts), {interval})) \
             GROUP BY window_start, window_end, a"
        )
        .replace("TABLE (SELECT", "(SELECT"),
        sqlite: format!(
            "WITH marked AS (SELECT a, v, ts, CASE WHEN ts - LAG(ts) OVER (PARTITION BY a ORDER BY ts) <= {gap} THEN 0 ELSE 1 END AS fresh \
             FROM t WHERE {condition}), \
             numbered AS (SELECT a, v, ts, SUM(fresh) OVER (PARTITION BY a ORDER BY ts ROWS UNBOUNDED PRECEDING) AS n FROM marked) \
             SELECT {}, {}, {}, {}, {} FROM numbered GROUP BY a, n",
            time_of("MIN(ts)"),
            time_of(&format!("MAX(ts) + {gap}")),
            text_of("a"),
            text_of("COUNT(*)"),
            text_of("SUM(v)"),
        ),
    }
}

/// A join of `t` with itself or with an aggregate of it: what both sides' changes must get right.
fn joined(random: &mut Random) -> Question {
    let side = |random: &mut Random| match random.below(3) {
        0 => "SELECT a, b, COUNT(*) AS v FROM t GROUP BY a, b".to_string(),
        1 => "SELECT a, MAX(b) AS b, SUM(v) AS v FROM t GROUP BY a".to_string(),
        _ => format!("SELECT a, b, v FROM t WHERE v > {}", 50 + random.below(30)),
    };
    let (left, right) = (side(random), side(random));
    let on = *random.pick(&[
        "l.a = r.a",
        "l.a = r.a AND l.b = r.b",
        "l.a = r.a AND l.v < r.v",
        "l.b = r.b AND r.v > 3 AND l.a <> 1",
    ]);
    let kept = *random.pick(&["", "WHERE l.v > 2", "WHERE r.v IS NULL OR r.v > 1"]);
    let names = ["l.a", "l.b", "l.v", "r.a", "r.b", "r.v"];
    let (columns, from) = match random.below(6) {
        0 => (3, format!("({left}) l WHERE EXISTS (SELECT 1 FROM ({right}) r WHERE {on})")),
        1 => (3, format!("({left}) l WHERE NOT EXISTS (SELECT 1 FROM ({right}) r WHERE {on})")),
        2 => (
            3,
            format!("({left}) l WHERE l.v {} (SELECT r.v FROM ({right}) r)", random.pick(&["IN", "NOT IN"])),
        ),
        _ => {
            let kind = *random.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            (6, format!("({left}) l {kind} ({right}) r ON {on} {kept}"))
        }
    };
    let (flink, sqlite) = (names[..columns].join(", "), names[..columns].iter().map(|name| text_of(name)));
    Question {
        flink: format!("SELECT {flink} FROM {from}"),
        sqlite: format!("SELECT {} FROM {from}", sqlite.collect::<Vec<_>>().join(", ")),
    }
}
