//! `tidemill checkpoints` on the state folder that the fixtures of the state crate hold.

#![allow(clippy::unwrap_used)]

#[path = "command_line/place.rs"]
#[allow(dead_code)]
mod place;

use place::Place;
use serde_json::{Value, json};
use std::path::Path;

/// A copy of the fixture under `state`.
fn place() -> Place {
    let place = Place::new();
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../state/tests/fixtures/format-1/checkpoints/totals");
    let folder = place.path("state/checkpoints/totals");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(fixture).unwrap() {
        let file = entry.unwrap();
        std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    place
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn list_shows_each_checkpoint() {
    let place = place();
    let ended = place.run(&["checkpoints", "list", "state"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let rows = lines(&ended.stdout);
    assert_eq!(rows.iter().map(|row| &row["epoch"]).collect::<Vec<_>>(), [&json!(5), &json!(6)]);
    assert_eq!(rows[1]["job"], "totals");
    assert_eq!(rows[1]["created_ms"], 1_700_000_060_000_i64);
    assert_eq!(rows[1]["finished"], false);
    assert_eq!(rows[1]["problem"], Value::Null);
    let written =
        std::fs::metadata(place.path("state/checkpoints/totals/epoch-0000000006.data")).unwrap().len();
    assert_eq!(rows[1]["written_bytes"], written);
    assert!(rows[1]["state_bytes"].as_u64().unwrap() > written);

    let table = place.run(&["checkpoints", "list", "state", "-o", "table"]).stdout;
    assert!(table.contains("│ totals │     6 │ 2023-11-14 22:14:20.000 │"), "{table}");
    assert!(table.contains("│ good "), "{table}");
    assert!(table.ends_with("2 rows\n"), "{table}");
}

#[test]
fn show_tells_positions_watermarks_tables_and_sinks() {
    let place = place();
    let ended = place.run(&["checkpoints", "show", "state"]);
    let shown = &lines(&ended.stdout)[0];
    assert_eq!(shown["epoch"], 6);
    assert_eq!(shown["sources"], json!({"source": {"ended": false, "positions": {"in.csv": "6000:60"}}}));
    assert_eq!(shown["watermarks"], json!({"source": 1_600_000_000_006_i64}));
    let prepared = json!([{"bytes": 6, "text": "part-6"}, {"bytes": 4, "text": null}]);
    assert_eq!(shown["sinks"], json!({ "sink": prepared }));
    let tables = shown["tables"].as_array().unwrap();
    let groups = tables.iter().find(|table| table["table"] == "groups").unwrap();
    assert_eq!(groups["rows"], 12);
    assert!(groups["segments"].as_u64().unwrap() > 2 && groups["bytes"].as_u64().unwrap() > 0, "{groups}");

    let text = place.run(&["checkpoints", "show", "state", "--epoch", "5", "--output", "table"]).stdout;
    for part in
        ["job totals, checkpoint 5, taken 2023-11-14 22:14:10.000 UTC with 2 tasks", "5000:50", "part-5"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn verify_finds_a_changed_byte_and_says_where() {
    let place = place();
    let ended = place.run(&["checkpoints", "verify", "state", "-o", "table"]);
    assert_eq!((ended.code, ended.stdout.matches("│ good").count()), (0, 2), "{}", ended.stderr);

    let file = place.path("state/checkpoints/totals/epoch-0000000006.data");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&file, bytes).unwrap();
    let ended = place.run(&["checkpoints", "verify", "state"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("1 of 2 checkpoints are damaged"), "{}", ended.stderr);
    let checks = lines(&ended.stdout);
    assert_eq!(checks[0]["damages"], json!([]));
    let damage = checks[1]["damages"][0].as_str().unwrap();
    assert!(damage.contains("'epoch-0000000006.data' at byte "), "{damage}");
    assert!(damage.contains("(table '"), "{damage}");
}

#[test]
fn a_damaged_manifest_is_listed_as_such() {
    let place = place();
    place.write("state/checkpoints/totals/epoch-0000000006.manifest", "tidemill");
    let list = place.run(&["checkpoints", "list", "state"]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    assert!(lines(&list.stdout)[1]["problem"].as_str().unwrap().contains("it has no first line"));
    // What can be read is shown.
    assert_eq!(lines(&place.run(&["checkpoints", "show", "state"]).stdout)[0]["epoch"], 5);
    assert_eq!(place.run(&["checkpoints", "verify", "state"]).code, 1);
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let place = place();
    for (args, expected) in [
        (&["checkpoints", "list", "nowhere"][..], "can't open the state folder 'nowhere'"),
        (&["checkpoints", "list", "ftp://host/x"], "give a folder or a URL with s3://"),
        (&["checkpoints", "show", "state", "--job", "other"], "it has those of 'totals'"),
        (&["checkpoints", "show", "state", "--epoch", "9"], "it has 5, 6"),
        (&["checkpoints", "verify", "state", "--epoch", "9"], "job 'totals' has no checkpoint 9"),
    ] {
        let ended = place.run(args);
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{args:?}: {}", ended.stderr);
    }
}
