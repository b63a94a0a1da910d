//! The command line from outside: the real binary in a folder of its own, its output and exit codes.

#[path = "command_line/place.rs"]
mod place;

use place::{Place, table};
use serde_json::Value;

const CLICKS: &str = r#"{"user":"a","n":1}
{"user":"b","n":2}
{"user":"a","n":3}
"#;

fn clicks() -> Place {
    let place = Place::new();
    place.write("clicks.jsonl", CLICKS);
    place
}

fn clicks_table() -> String {
    table("clicks", "`user` STRING, n INT", "'connector' = 'filesystem', 'path' = '${IN}', 'format' = 'json'")
}

#[test]
fn a_query_prints_a_json_line_for_each_change() {
    let place = clicks();
    place.write("q.sql", &format!("{}SELECT `user`, n FROM clicks WHERE n > 1;", clicks_table()));
    let ended = place.run(&["run", "q.sql", "--var", "IN=clicks.jsonl"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let expected = "{\"op\":\"+I\",\"row\":{\"user\":\"b\",\"n\":2}}\n{\"op\":\"+I\",\"row\":{\"user\":\"a\",\"n\":3}}\n";
    assert_eq!(ended.stdout, expected);
    assert!(ended.stderr.contains("3 records in"), "{}", ended.stderr);
    assert!(!ended.stderr.contains('\x1b'), "{}", ended.stderr);
}

#[test]
fn a_script_is_read_from_standard_input_and_quiet_says_nothing() {
    let ended = Place::new().run_with_input(&["run", "-", "--quiet"], "SELECT 1 + 1 AS x;");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{\"op\":\"+I\",\"row\":{\"x\":2}}\n"));
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_table_is_printed_where_asked_for() {
    let ended = Place::new().run_with_input(&["run", "-", "-q", "-o", "table"], "SELECT 1 AS n, 'abc' AS s;");
    let expected = "┌───┬─────┐\n│ n │ s   │\n├───┼─────┤\n│ 1 │ abc │\n└───┴─────┘\n1 row\n";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
}

#[test]
fn verbose_shows_the_balanced_accounting_of_each_operator() {
    let place = clicks();
    place.write("q.sql", &format!("{}SELECT `user` FROM clicks WHERE n > 1;", clicks_table()));
    let ended = place.run(&["run", "q.sql", "--var", "IN=clicks.jsonl", "--verbose"]);
    let rows: Vec<Vec<&str>> = ended.stderr.lines().map(|line| line.split_whitespace().collect()).collect();
    let head =
        rows.iter().position(|row| row.first() == Some(&"operator")).expect("the accounting has a head");
    for row in &rows[head + 1..] {
        let numbers: Vec<u64> = row[1..8].iter().map(|cell| cell.replace(',', "").parse().unwrap()).collect();
        assert_eq!(numbers[0], numbers[1..].iter().sum::<u64>(), "{}", ended.stderr);
    }
    assert!(rows.len() > head + 1);
}

#[test]
fn a_syntax_error_is_refused_with_its_place() {
    let place = Place::new();
    place.write("bad.sql", "SELECT 1;\nSELEC 2;\n");
    for command in ["run", "check", "explain"] {
        let ended = place.run(&[command, "bad.sql"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("bad.sql:2:1") && ended.stderr.contains('^'), "{}", ended.stderr);
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let place = Place::new();
    place.write("v.sql", "SELECT '${NOT_SET_ANYWHERE}';");
    place.write("t.sql", "SELECT * FROM nowhere;");
    let cases: [(&[&str], &str); 6] = [
        (&["run", "none.sql"], "can't read 'none.sql'"),
        (&["run", "v.sql"], "the variable 'NOT_SET_ANYWHERE' has no value"),
        (&["run", "t.sql"], "nowhere"),
        (&["run", "t.sql", "--set", "tidemill.bad-records=maybe"], "tidemill.bad-records"),
        (&["run", "t.sql", "--parallelism", "0"], "--parallelism"),
        (&["run", "t.sql", "--config", "none.toml"], "can't read 'none.toml'"),
    ];
    for (args, message) in cases {
        let ended = place.run(args);
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(message), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn check_and_explain_run_nothing() {
    let place = clicks();
    let sink = table("sink", "u STRING", "'connector' = 'filesystem', 'path' = 'out', 'format' = 'json'");
    let insert = "INSERT INTO sink SELECT `user` FROM clicks;";
    place.write("q.sql", &format!("{}{sink}{insert}", clicks_table()));
    let args = ["q.sql", "--var", "IN=clicks.jsonl"];
    let checked = place.run(&[&["check"], &args[..]].concat());
    assert_eq!((checked.code, checked.stderr.as_str()), (0, "ok: 3 statements, 1 job\n"));
    let explained = place.run(&[&["explain"], &args[..]].concat());
    assert_eq!(explained.code, 0);
    assert!(explained.stdout.contains("INSERT INTO sink") && explained.stdout.contains("clicks"));
    assert!(!place.path("out").exists());
}

#[test]
fn statements_run_in_order_and_bounded_inserts_are_waited_for() {
    let place = clicks();
    let sink =
        table("copy", "u STRING, n INT", "'connector' = 'filesystem', 'path' = 'out', 'format' = 'json'");
    let sql = format!("{}{sink}INSERT INTO copy SELECT * FROM clicks; SELECT * FROM copy;", clicks_table());
    place.write("q.sql", &sql);
    let ended = place.run(&["run", "q.sql", "--var", "IN=clicks.jsonl"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 3, "{}", ended.stdout);
}

#[test]
fn a_bad_record_ends_the_run_unless_it_is_kept() {
    let place = Place::new();
    place.write("clicks.jsonl", "{\"user\":\"a\",\"n\":1}\n{\"user\":broken\n{\"user\":\"b\",\"n\":2}\n");
    place.write("q.sql", &format!("{}SELECT n FROM clicks;", clicks_table()));
    let args = ["run", "q.sql", "--var", "IN=clicks.jsonl"];
    let failed = place.run(&args);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(failed.stderr.contains("bad-records"), "{}", failed.stderr);
    let kept = place.run(&[&args[..], &["--bad-records", "keep", "--state", "state"]].concat());
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    assert_eq!(kept.stdout.lines().count(), 2, "{}", kept.stdout);
    assert!(kept.stderr.contains("1 bad"), "{}", kept.stderr);
    let set_aside = place.read("state/dead-letters.jsonl");
    let lines: Vec<Value> = set_aside.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{set_aside}");
    assert!(set_aside.contains("clicks"), "{set_aside}");
}

#[test]
fn a_flag_goes_before_set_and_set_before_the_file_of_defaults() {
    let place = Place::new();
    place.write("tidemill.toml", "[settings]\ntable.local-time-zone = 'Asia/Tokyo'\n");
    let zone = |args: &[&str], sql: &str| {
        let ended = place.run_with_input(&[&["run", "-", "-q"], args].concat(), &format!("{sql} SET;"));
        let is_zone = |line: &&str| line.contains("table.local-time-zone");
        ended.stdout.lines().find(is_zone).unwrap_or_default().to_string()
    };
    let set = "SET 'table.local-time-zone' = 'Europe/Rome';";
    assert!(zone(&[], "").contains("Asia/Tokyo"));
    assert!(zone(&[], set).contains("Europe/Rome"));
    assert!(zone(&["--set", "table.local-time-zone=Asia/Seoul"], set).contains("Asia/Seoul"));
}

#[test]
fn the_shell_reads_pipes_files_and_arguments() {
    let place = clicks();
    place.write("tables.sql", &clicks_table());
    let vars = ["--var", "IN=clicks.jsonl"];
    let piped = place.run_with_input(&["sql", "-q"], "SELECT 7 AS x;");
    assert_eq!((piped.code, piped.stdout.as_str()), (0, "{\"op\":\"+I\",\"row\":{\"x\":7}}\n"));
    let given = place.run(&[&["sql", "-q", "-f", "tables.sql", "-e", "SHOW TABLES"], &vars[..]].concat());
    assert_eq!(given.code, 0, "{}", given.stderr);
    assert!(given.stdout.contains("clicks"), "{}", given.stdout);
}

#[test]
fn a_signal_stops_an_endless_job_gracefully() {
    let place = Place::new();
    let source = table("s", "n BIGINT", "'connector' = 'datagen', 'rows-per-second' = '200'");
    let sink = table("b", "n BIGINT", "'connector' = 'filesystem', 'path' = 'out', 'format' = 'json'");
    place.write("q.sql", &format!("{source}{sink}INSERT INTO b SELECT n FROM s; SELECT 'started' AS x;"));
    let mut running = place.start(&["run", "q.sql"]);
    assert!(running.line().contains("started"));
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("stopping") && ended.stderr.contains("stopped after"), "{}", ended.stderr);
}

#[test]
fn an_interrupt_stops_an_endless_query() {
    let place = Place::new();
    let source = table("s", "n BIGINT", "'connector' = 'datagen', 'rows-per-second' = '200'");
    place.write("q.sql", &format!("{source}SELECT n FROM s; SELECT 'not run' AS x;"));
    let mut running = place.start(&["run", "q.sql"]);
    assert!(running.line().contains("\"n\""));
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stdout.contains("not run"), "{}", ended.stdout);
}

#[test]
fn open_windows_are_fired_on_a_signal_only_with_drain() {
    for (drain, windows_expected) in [(&["--drain"][..], true), (&[], false)] {
        let place = Place::new();
        let source = table(
            "s",
            "n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' DAY",
            "'connector' = 'datagen', 'rows-per-second' = '1000'",
        );
        let sink = table("o", "n BIGINT", "'connector' = 'filesystem', 'path' = 'out', 'format' = 'json'");
        let insert =
            "INSERT INTO o SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' DAY))
            GROUP BY window_start, window_end;";
        // A second endless query on the same kind of source tells when rows flow.
        place.write("q.sql", &format!("{source}{sink}{insert} SELECT n FROM s;"));
        let mut running = place.start(&[&["run", "q.sql", "-v"], drain].concat());
        for _ in 0..200 {
            running.line();
        }
        running.signal("TERM");
        let ended = running.end();
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(place.lines_below("out") > 0, windows_expected, "drain {drain:?}: {}", ended.stderr);
    }
}

#[test]
fn a_job_that_fails_ends_the_run_and_stops_the_others() {
    let place = Place::new();
    place.write("clicks.jsonl", "{\"user\":broken\n");
    let source = table("s", "n BIGINT", "'connector' = 'datagen', 'rows-per-second' = '200'");
    let sinks = "CREATE TABLE b (n BIGINT) WITH ('connector' = 'blackhole');";
    let jobs = "INSERT INTO b SELECT n FROM s; INSERT INTO b SELECT n FROM clicks; SELECT 'not run';";
    place.write("q.sql", &format!("{}{source}{sinks}{jobs}", clicks_table()));
    let ended = place.run(&["run", "q.sql", "--var", "IN=clicks.jsonl"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("stopped after"), "{}", ended.stderr);
}

#[test]
fn a_reader_that_leaves_ends_the_run_quietly() {
    let place = Place::new();
    let source = table("s", "n BIGINT", "'connector' = 'datagen', 'rows-per-second' = '2000'");
    place.write("q.sql", &format!("{source}SELECT n FROM s;"));
    let mut running = place.start(&["run", "q.sql"]);
    running.line();
    running.close_output();
    let ended = running.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
}

#[test]
fn help_alone_shows_the_way() {
    let place = Place::new();
    let help = place.run(&["--help"]);
    assert_eq!(help.code, 0);
    for command in ["run", "check", "explain", "sql", "generate", "completions"] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command}: {}", help.stdout);
        let of_command = place.run(&[command, "--help"]);
        assert_eq!(of_command.code, 0, "{command}");
        assert!(of_command.stdout.contains("Examples:"), "{command}: {}", of_command.stdout);
    }
    assert!(place.run(&["--version"]).stdout.starts_with("tidemill "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.run(&["completions", shell]).stdout.contains("bad-records"), "{shell}");
    }
}
