//! Random set operations and queries in expressions, in both languages.

use crate::query::{Question, text_of};
use crate::random::Random;

/// Rows of `a, b, v`: appended, or the changing rows of an aggregate.
fn side(random: &mut Random) -> String {
    match random.below(4) {
        0 => "SELECT a, b, COUNT(*) AS v FROM t GROUP BY a, b".into(),
        1 => "SELECT a, MAX(b) AS b, MIN(v) AS v FROM t GROUP BY a".into(),
        2 => format!("SELECT a, b, v FROM t WHERE v > {}", 20 + random.below(50)),
        _ => format!("SELECT a, b, v % 3 AS v FROM t WHERE v < {}", 20 + random.below(50)),
    }
}

/// A set operation over two sides. SQLite has no ALL: equal rows are numbered instead.
pub(crate) fn sets(random: &mut Random) -> Question {
    let (left, right) = (side(random), side(random));
    let columns = *random.pick(&["a", "a, b", "a, b, v", "b, v"]);
    let op = *random.pick(&["INTERSECT", "EXCEPT", "UNION"]);
    let all = op != "UNION" && random.below(2) == 0;
    let (all_word, number) = match all {
        true => (" ALL", format!(", ROW_NUMBER() OVER (PARTITION BY {columns})")),
        false => ("", String::new()),
    };
    let texts = columns.split(", ").map(text_of).collect::<Vec<_>>().join(", ");
    Question {
        flink: format!("SELECT {columns} FROM ({left}) {op}{all_word} SELECT {columns} FROM ({right})"),
        sqlite: format!(
            "SELECT {texts} FROM (SELECT {columns}{number} FROM ({left}) {op} SELECT {columns}{number} FROM ({right}))"
        ),
    }
}

/// A query with queries in its columns, its WHERE or its HAVING.
pub(crate) fn subqueries(random: &mut Random) -> Question {
    let (left, right) = (side(random), side(random));
    let value = *random.pick(&[
        "(SELECT MAX(v) FROM ({right}) r)",
        "(SELECT COUNT(*) FROM ({right}) r WHERE r.a = l.a)",
        "(SELECT SUM(r.v) + COUNT(r.v) FROM ({right}) r WHERE r.b = l.b AND r.a = l.a)",
        "(SELECT MIN(r.v) FROM ({right}) r WHERE r.v < 30 AND l.a = r.a)",
        "(SELECT v FROM ({right}) r ORDER BY v DESC, b, a LIMIT 1)",
    ]);
    let test = *random.pick(&[
        "l.v IN (SELECT r.v FROM ({right}) r)",
        "l.v NOT IN (SELECT r.v FROM ({right}) r WHERE r.a = l.a)",
        "EXISTS (SELECT 1 FROM ({right}) r WHERE r.b = l.b AND r.v < 20)",
        "l.v > (SELECT AVG(r.v) FROM ({right}) r WHERE r.v < 50 AND r.v > 0)",
    ]);
    let (value, test) = (value.replace("{right}", &right), test.replace("{right}", &right));
    // SQLite divides whole numbers as Flink does, but not in AVG.
    let own = |text: &str| text.replace("AVG(r.v)", "SUM(r.v) / COUNT(r.v)");
    let truth = |test: &str| format!("CASE WHEN {test} THEN 1 WHEN NOT ({test}) THEN 0 END");
    let (columns, rest) = match random.below(3) {
        0 => (vec!["l.a".to_string(), "l.b".into(), value], format!("({left}) l WHERE l.v > 3 OR {test}")),
        1 => (vec!["l.a".to_string(), "l.v".into(), truth(&test), value], format!("({left}) l")),
        _ => (
            vec!["l.a".to_string(), "l.b".into(), "l.v".into(), "COUNT(*)".into(), value],
            format!("({left}) l GROUP BY l.a, l.b, l.v HAVING COUNT(*) > 1 OR {test}"),
        ),
    };
    let texts = columns.iter().map(|column| text_of(&own(column))).collect::<Vec<_>>().join(", ");
    Question {
        flink: format!("SELECT {} FROM {rest}", columns.join(", ")),
        sqlite: format!("SELECT {texts} FROM {}", own(&rest)),
    }
}
