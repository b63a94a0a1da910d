//! `tidemill state`: what a run left in its last checkpoint, as people read it.

#![allow(clippy::unwrap_used)]

#[path = "command_line/place.rs"]
#[allow(dead_code)]
mod place;

use place::{Place, table};
use serde_json::Value;

const ROWS: &str = r#"{"user":"ann","n":1}
{"user":"bob","n":2}
{"user":"ann","n":3}
"#;

/// A finished run of a pipeline with two jobs, a GROUP BY and a join.
fn place() -> Place {
    let place = Place::new();
    place.write("rows.jsonl", ROWS);
    let source = |name| {
        let options = "'connector' = 'filesystem', 'path' = 'rows.jsonl', 'format' = 'json'";
        table(name, "`user` STRING, n INT", options)
    };
    let sink = |name| table(name, "`user` STRING, n BIGINT", "'connector' = 'blackhole'");
    let text = [
        source("a"),
        source("b"),
        sink("totals"),
        sink("pairs"),
        "INSERT INTO totals SELECT `user`, SUM(n) FROM a GROUP BY `user`;\n".into(),
        "INSERT INTO pairs SELECT a.`user`, b.n FROM a JOIN b ON a.`user` = b.`user`;\n".into(),
    ];
    place.write("p.sql", &text.concat());
    let ended = place.run(&["run", "p.sql", "--state", "state"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    place
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `name value, …` of a part of an entry.
fn text(values: &Value) -> String {
    let one =
        |value: &Value| format!("{} {}", value["name"].as_str().unwrap(), value["value"].as_str().unwrap());
    values.as_array().unwrap().iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn groups_and_join_sides_are_shown_with_their_columns() {
    let place = place();
    let ended = place.run(&["state", "p.sql", "--state", "state"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let rows = lines(&ended.stdout);
    let of = |job: &str, table: &str| {
        let wanted = |row: &&Value| row["job"] == job && row["table"] == table;
        let mut found: Vec<(String, String)> =
            rows.iter().filter(wanted).map(|row| (text(&row["key"]), text(&row["values"]))).collect();
        found.sort();
        found
    };
    let groups = of("totals", "groups");
    assert_eq!(groups.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["user ann", "user bob"]);
    // The sum of ann is 4 of 2 rows, that of bob 2 of 1 row.
    assert!(groups[0].1.contains(" 4") && groups[1].1.contains(" 2"), "{groups:?}");
    // Only the columns that the join needs are kept; sides whose rows are only added keep equal rows one by one.
    // How many matches a row of an inner join has nobody needs to know, so it depends on which side came first.
    let side = |table: &str| {
        let without_matches = |text: String| {
            let parts: Vec<&str> = text.split(", ").filter(|part| !part.starts_with("matches ")).collect();
            parts.join(", ")
        };
        let mut rows: Vec<String> =
            of("pairs", table).into_iter().map(|(_, text)| without_matches(text)).collect();
        rows.sort();
        rows
    };
    assert_eq!(side("left"), ["count 1, user ann", "count 1, user ann", "count 1, user bob"]);
    assert_eq!(side("right"), ["count 1, user ann, n 1", "count 1, user ann, n 3", "count 1, user bob, n 2"]);
}

#[test]
fn operators_keys_and_a_limit_choose() {
    let place = place();
    let all = lines(&place.run(&["state", "p.sql", "--state", "state"]).stdout);
    let operator = all.iter().find(|row| row["table"] == "groups").unwrap()["operator"].as_str().unwrap();
    let ended =
        place.run(&["state", "p.sql", "--state", "state", "--operator", operator, "--key", "user=bob"]);
    let rows = lines(&ended.stdout);
    assert_eq!(rows.len(), 1, "{}", ended.stdout);
    assert_eq!(text(&rows[0]["key"]), "user bob");

    let ended = place.run(&["state", "p.sql", "--state", "state", "--limit", "1", "-o", "table"]);
    assert!(ended.stdout.ends_with("1 row\n"), "{}", ended.stdout);
    assert!(ended.stderr.contains("more; --limit shows more"), "{}", ended.stderr);
}

#[test]
fn what_is_not_there_is_said() {
    let place = place();
    place.write(
        "other.sql",
        &place.read("p.sql").replace("INTO totals", "INTO pairs").replace("SUM(n)", "MAX(CAST(n AS BIGINT))"),
    );
    for (args, code, expected) in [
        (&["state", "p.sql"][..], 2, "Give its folder or URL with --state"),
        (&["state", "p.sql", "--state", "nowhere"], 1, "can't open the state folder 'nowhere'"),
        (&["state", "p.sql", "--state", "state", "--operator", "nobody"], 1, "there is that of "),
        (&["state", "other.sql", "--state", "state"], 0, "job 'pairs-2' has no checkpoint"),
    ] {
        let ended = place.run(args);
        assert_eq!(ended.code, code, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{args:?}: {}", ended.stderr);
    }
}
