//! What the options of a table, the LOOKUP hint and the session say about how a table is asked.

#![allow(clippy::unwrap_used)]

use tidemill_testkit::run::run;
use tidemill_testkit::slow_table;

/// Runs a query over the rows `(1, 5) (2, 7) (NULL, 3) (3, 2) (2, 9) (1, 4)` and a slow table of this name; gives its
/// rows and the keys that were asked for.
fn ask(name: &str, options: &str, query: &str) -> Result<(Vec<String>, Vec<String>), String> {
    slow_table::fill(name, ["1,one,a", "2,two,a", "2,zwei,b", "4,four,a"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, "1,5\n2,7\n-,3\n3,2\n2,9\n1,4\n").unwrap();
    let script = format!(
        "CREATE TABLE f (k INT, v INT) WITH ('connector' = 'cut-file', 'path' = '{}', 'format' = 'csv', 'csv.null-literal' = '-', 'blob-lines-max' = '1');
         CREATE VIEW r AS SELECT *, PROCTIME() AS p FROM f;
         CREATE TABLE d (k INT, name STRING, kind STRING) WITH ('connector' = 'slow-table', 'name' = '{name}'{options});
         {query};",
        path.display()
    );
    let answer = run(&script, 1).map_err(|error| format!("{error:?}"))?;
    let rows = answer.rows.into_iter().flat_map(|(row, count)| vec![row.join(" "); count as usize]).collect();
    let asked = slow_table::asked(name);
    slow_table::forget(name);
    Ok((rows, asked))
}

const INNER: &str = "SELECT r.v, d.name FROM r JOIN d FOR SYSTEM_TIME AS OF r.p AS d ON r.k = d.k";

fn refused(name: &str, options: &str, query: &str, message: &str) {
    let error = ask(name, options, query).expect_err(query);
    assert!(error.contains(message), "{query}\n{error}");
}

#[test]
fn keys_are_asked_for_once_with_a_cache_and_each_time_without() {
    let rows = ["4 one", "5 one", "7 two", "7 zwei", "9 two", "9 zwei"];
    let (given, asked) = ask("uncached", "", INNER).unwrap();
    assert_eq!(given, rows);
    assert_eq!(asked, ["1", "2", "3", "2", "1"], "NULL is no key");
    // A cache helps rows that come after the answer, so keys are asked for one after the other.
    let hint = INNER.replace("SELECT", "SELECT /*+ LOOKUP('table'='d', 'async'='true', 'capacity'='1') */");
    let (given, asked) = ask("cached", ", 'lookup.cache' = 'PARTIAL'", &hint).unwrap();
    assert_eq!((given.len(), asked.len()), (rows.len(), 3), "{asked:?}");
    let few = ", 'lookup.cache' = 'partial', 'lookup.partial-cache.cache-missing-key' = 'false'";
    assert_eq!(ask("few", few, &hint).unwrap().1.len(), 3);
    let none = ", 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '0'";
    assert_eq!(ask("none", none, &hint).unwrap().1.len(), 5);
}

#[test]
fn a_left_join_pads_what_is_not_there() {
    let left = INNER.replace("JOIN", "LEFT JOIN") + " AND d.name <> 'two' AND r.v > 4";
    let (given, _) = ask("left", "", &left).unwrap();
    assert_eq!(given, ["2 NULL", "3 NULL", "4 NULL", "5 one", "7 zwei", "9 zwei"]);
}

#[test]
fn constants_are_keys_too_and_what_is_no_key_is_a_condition() {
    let query = INNER.to_string() + " AND d.kind = 'b'";
    let (given, asked) = ask("constant", "", &query).unwrap();
    assert_eq!(given, ["7 zwei", "9 zwei"]);
    assert_eq!(asked[0], "1,b");
    let (given, asked) = ask("only", ", 'only-key' = 'k'", &query).unwrap();
    assert_eq!(given, ["7 zwei", "9 zwei"]);
    assert_eq!(asked[0], "1");
    let alone = "SELECT r.v, d.name FROM r JOIN d FOR SYSTEM_TIME AS OF r.p AS d ON d.k = 4 WHERE r.v > 5";
    let (given, asked) = ask("alone", "", alone).unwrap();
    assert_eq!(given, ["7 four", "9 four"]);
    assert_eq!(asked[0], "4");
    refused("wrong", ", 'only-key' = 'name'", INNER, "can only be asked by 'name'");
}

#[test]
fn unordered_rows_are_the_same_rows() {
    let hint = "SELECT /*+ LOOKUP('table'='d', 'output-mode'='allow_unordered') */";
    let options = ", 'delay-ms-max' = '5', 'keys-max' = '1', 'lookup.cache' = 'PARTIAL'";
    let (given, _) = ask("unordered", options, &INNER.replace("SELECT", hint)).unwrap();
    assert_eq!(given, ["4 one", "5 one", "7 two", "7 zwei", "9 two", "9 zwei"]);
}

#[test]
fn keys_without_rows_are_asked_for_again() {
    let hint = "SELECT /*+ LOOKUP('table'='d', 'retry-predicate'='lookup_miss', 'retry-strategy'='fixed_delay', 'fixed-delay'='1ms', 'max-attempts'='3') */";
    let (_, asked) = ask("again", "", &INNER.replace("SELECT", hint)).unwrap();
    assert_eq!(asked.iter().filter(|key| *key == "3").count(), 4, "{asked:?}");
}

#[test]
fn failures_end_the_run_with_the_name_of_the_table() {
    let options = ", 'fail-one-in' = '1', 'lookup.max-retries' = '1'";
    refused("failing", options, INNER, "the lookup of table 'd' failed: the table is out for lunch");
    assert_eq!(slow_table::asked("failing").len() % 2, 0, "each call was made twice");
    let slow = "SET 'table.exec.async-lookup.timeout' = '20 ms';";
    let options = ", 'delay-ms-max' = '100000', 'seed' = '3'";
    refused("slow", options, &format!("{slow} {INNER}"), "table 'd' has not answered within 20 ms");
}

#[test]
fn hints_are_checked_as_flink_does() {
    let with = |hint: &str| INNER.replace("SELECT", &format!("SELECT /*+ LOOKUP({hint}) */"));
    let cases = [
        ("'async'='true'", "Invalid LOOKUP hint: incomplete required option(s): [table]"),
        (
            "'table'='e'",
            "The options of following hints cannot match the name of input tables or views: `e` in `LOOKUP`",
        ),
        ("d", "Invalid list options in LOOKUP hint, only support key-value options"),
        (
            "'table'='d', 'async'='true', 'capacity'='0'",
            "capacity value should be positive integer but was 0",
        ),
        ("'table'='d', 'async'='yes'", "true or false"),
        ("'table'='d', 'retry-predicate'='lookup_miss'", "retry options can be both null or all not null"),
        ("'table'='d', 'asynk'='true'", "did you mean 'async'?"),
        (
            "'table'='d', 'retry-predicate'='x', 'retry-strategy'='fixed_delay', 'fixed-delay'='1s', 'max-attempts'='3'",
            "unsupported retry-predicate 'x', only 'lookup_miss' is supported",
        ),
        (
            "'table'='d', 'retry-predicate'='lookup_miss', 'retry-strategy'='fixed_delay', 'fixed-delay'='1s', 'max-attempts'='0'",
            "max-attempts value should be positive integer but was 0",
        ),
    ];
    for (hint, message) in cases {
        refused("hints", "", &with(hint), message);
    }
}

#[test]
fn what_can_not_be_is_refused() {
    let counted = "SELECT c.n, d.name FROM (SELECT k, COUNT(*) AS n, PROCTIME() AS p FROM f GROUP BY k) c JOIN d FOR SYSTEM_TIME AS OF c.p AS d ON c.k = d.k";
    let strict = "SET 'table.optimizer.non-deterministic-update.strategy' = 'TRY_RESOLVE';";
    refused("strict", "", &format!("{strict} {counted}"), "non-deterministic updates");
    assert_eq!(ask("loose", "", counted).unwrap().0, ["2 one", "2 two", "2 zwei"]);
    let no_key = "SELECT r.v FROM r JOIN d FOR SYSTEM_TIME AS OF r.p AS d ON r.k < d.k";
    refused("nokey", "", no_key, "requires an equality condition");
    refused("full", ", 'lookup.cache' = 'FULL'", INNER, "can't be looked up as a whole");
}
