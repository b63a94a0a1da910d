//! Lookup joins end to end: tables of files and of generated rows, through views, at any parallelism.

#![allow(clippy::unwrap_used)]

use std::time::Duration;
use tidemill_engine::{Script, Started, Variables};
use tidemill_testkit::run::{engine, run};

fn answer(query: &str, parallelism: usize) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let rows = file("rows.csv", "1,5\n2,7\n-,3\n3,2\n2,9\n");
    let dim = file("dim.csv", "1,one\n2,two\n2,zwei\n-,none\n4,four\n");
    let script = format!(
        "CREATE TABLE r (k INT, v INT, p AS PROCTIME()) WITH ('connector' = 'filesystem', 'path' = '{rows}', 'format' = 'csv', 'csv.null-literal' = '-');
         CREATE TABLE d (k INT, name STRING, loud AS UPPER(name)) WITH ('connector' = 'filesystem', 'path' = '{dim}', 'format' = 'csv', 'csv.null-literal' = '-');
         CREATE VIEW few AS SELECT k, name FROM d WHERE name <> 'zwei';
         CREATE TABLE g (k INT) WITH ('connector' = 'datagen', 'number-of-rows' = '4', 'fields.k.kind' = 'sequence', 'fields.k.start' = '1', 'fields.k.end' = '4');
         {}",
        query.replace("${DIM}", &dim)
    );
    let rows = run(&script, parallelism).unwrap().rows;
    rows.into_iter().flat_map(|(row, count)| vec![row; count as usize]).collect()
}

fn check(query: &str, expected: &[&str]) {
    for parallelism in [1, 3] {
        let given: Vec<String> = answer(query, parallelism).iter().map(|row| row.join(" ")).collect();
        assert_eq!(given, expected, "{query} at parallelism {parallelism}");
    }
}

#[test]
fn rows_meet_all_rows_of_their_key() {
    check(
        "SELECT r.v, d.loud FROM r JOIN d FOR SYSTEM_TIME AS OF r.p AS d ON r.k = d.k;",
        &["5 ONE", "7 TWO", "7 ZWEI", "9 TWO", "9 ZWEI"],
    );
    check(
        "SELECT r.v, d.name FROM r LEFT JOIN d FOR SYSTEM_TIME AS OF r.p AS d ON r.k = d.k AND d.name <> 'two' AND r.v > 5;",
        &["2 NULL", "3 NULL", "5 NULL", "7 zwei", "9 zwei"],
    );
}

#[test]
fn views_and_generated_tables_can_be_looked_up() {
    check(
        "SELECT r.v, f.name FROM r JOIN few FOR SYSTEM_TIME AS OF r.p AS f ON f.k = r.k WHERE f.name <> 'one';",
        &["7 two", "9 two"],
    );
    check("SELECT SUM(r.v) AS s FROM r JOIN g FOR SYSTEM_TIME AS OF r.p AS g ON g.k = r.k + 1;", &["23"]);
}

#[test]
fn proctime_of_a_select_is_a_time_attribute() {
    check(
        "CREATE VIEW t AS SELECT k, v, PROCTIME() AS p_time FROM r;
         SELECT t.v, d.name FROM t JOIN d FOR SYSTEM_TIME AS OF t.p_time AS d ON t.k = d.k WHERE t.v > 5;",
        &["7 two", "7 zwei", "9 two", "9 zwei"],
    );
    check(
        "SELECT t.v, d.name FROM (SELECT *, PROCTIME() AS p_time FROM r) t
         JOIN d FOR SYSTEM_TIME AS OF t.p_time AS d ON MOD(t.k, 10000) = d.k WHERE t.v < 6;",
        &["5 one"],
    );
}

#[test]
fn tables_with_the_keys_of_old_flinks_are_read() {
    let old = |more: &str| {
        format!(
            "CREATE TABLE side_input (key INT, `value` VARCHAR) WITH ('connector.type' = 'filesystem', 'connector.path' = 'file://${{DIM}}', 'format.type' = 'csv'{more});
             SELECT r.v, S.`value` FROM r JOIN side_input FOR SYSTEM_TIME AS OF r.p AS S ON r.k = S.key WHERE r.v = 9;"
        )
    };
    check(&old(", 'format.null-literal' = '-', 'update-mode' = 'append'"), &["9 two", "9 zwei"]);
    let refused = run(&old(", 'format.schema' = 'ROW<a INT>'").replace("${DIM}", "/x"), 1);
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("'format.schema' = 'ROW<a INT>' can't be told"), "{message}");
}

#[test]
fn a_table_of_files_is_read_again_when_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows");
    std::fs::create_dir(&rows).unwrap();
    let dim = folder.path().join("dim.csv");
    let write_dim = |name: &str| {
        let new = folder.path().join("dim.new");
        std::fs::write(&new, format!("1,{name}\n")).unwrap();
        std::fs::rename(&new, &dim).unwrap();
    };
    write_dim("old");
    let text = format!(
        "CREATE TABLE r (k INT, p AS PROCTIME()) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'source.monitor-interval' = '20 ms');
         CREATE TABLE d (k INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'source.monitor-interval' = '20 ms');
         SELECT d.name FROM r JOIN d FOR SYSTEM_TIME AS OF r.p AS d ON r.k = d.k;",
        rows.display(),
        dim.display()
    );
    let mut engine = engine(2);
    let script = Script::parse("test.sql", &text, &Variables::only([])).unwrap();
    let mut started = (0..script.len()).map(|index| engine.start(&script, index).unwrap());
    let Some(Started::Job(mut job)) = started.find(|started| matches!(started, Started::Job(_))) else {
        panic!("the script has a job")
    };
    // Rows come until one of them meets the name that is wanted.
    let mut next = 0;
    let mut until = |wanted: &str| {
        for _ in 0..3_000 {
            std::fs::write(rows.join(format!("{next}.csv")), "1\n").unwrap();
            next += 1;
            let Some(batch) = job.next_batch(Duration::from_millis(50)) else { panic!("the job has ended") };
            if (0..batch.rows()).any(|row| batch.cell(row, 0) == wanted) {
                return;
            }
        }
        panic!("no row met '{wanted}'");
    };
    until("old");
    write_dim("new");
    until("new");
    job.stop_handle().stop(false);
}
