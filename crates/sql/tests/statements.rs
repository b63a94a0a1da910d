//! Statements that change the session: catalogs, databases, ALTER, CREATE TABLE AS, and what SHOW and DESCRIBE
//! say after them. What is refused leaves the session as it was.

use std::sync::Arc;
use tidemill_sql::{Diagnostic, Outcome, Rows, Session, parse_script};

const TABLE: &str = "CREATE TABLE t (id INT NOT NULL, k STRING, ts TIMESTAMP(3), late AS ts + INTERVAL '1' HOUR, \
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, CONSTRAINT by_id PRIMARY KEY (id) NOT ENFORCED) \
    PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 't', 'format' = 'json');\n";

fn run_in(session: &mut Session, text: &str) -> Result<Vec<Outcome>, Diagnostic> {
    let (statements, errors) = parse_script(text);
    assert_eq!(errors, [], "the texts of these tests parse: {text}");
    statements.iter().map(|statement| session.run(statement)).collect()
}

fn session() -> Session {
    let functions = Arc::new(tidemill_functions::registry());
    let mut session = Session::new(functions, Arc::new(tidemill_connectors::connectors()));
    run_in(&mut session, TABLE).expect("the table is fine");
    session
}

/// The rows of the last statement, values joined by `|`.
fn shown(text: &str) -> Vec<String> {
    match run_in(&mut session(), text).map(|mut outcomes| outcomes.pop()) {
        Ok(Some(Outcome::Rows(Rows { rows, .. }))) => rows
            .into_iter()
            .map(|row| row.into_iter().map(|value| value.unwrap_or_default()).collect::<Vec<_>>().join("|"))
            .collect(),
        other => panic!("no rows: {text}: {other:?}"),
    }
}

#[test]
fn catalogs_and_databases_hold_their_own_names() {
    let made =
        "CREATE DATABASE d; CREATE CATALOG c WITH ('type' = 'generic_in_memory'); CREATE DATABASE c.e;";
    let cases: [(&str, &[&str]); 7] = [
        ("SHOW DATABASES;", &["d", "default_database"]),
        ("SHOW DATABASES FROM c;", &["default", "e"]),
        ("SHOW CATALOGS;", &["c", "default_catalog"]),
        ("USE c.e; SHOW CURRENT DATABASE;", &["e"]),
        ("USE CATALOG c; SHOW CURRENT DATABASE;", &["default"]),
        ("CREATE VIEW d.v AS SELECT id FROM t; USE d; SHOW TABLES;", &["v"]),
        ("USE d; CREATE TABLE t LIKE default_catalog.default_database.t; SHOW TABLES IN d LIKE 't';", &["t"]),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(&format!("{made}{text}")), expected, "{text}");
    }
}

#[test]
fn a_view_means_what_it_meant_where_it_was_made() {
    let text = "CREATE DATABASE d; CREATE VIEW d.v AS SELECT id AS n FROM t; USE d; \
        CREATE TABLE t (other STRING) WITH ('connector' = 'datagen'); DESCRIBE v;";
    assert_eq!(shown(text), ["n|INT|false|||"]);
}

#[test]
fn alter_table_changes_columns_options_and_keys() {
    let cases: [(&str, &[&str]); 9] = [
        ("ALTER TABLE t ADD n BIGINT FIRST; SHOW COLUMNS FROM t LIKE 'n';", &["n|BIGINT|true|||"]),
        (
            "ALTER TABLE t ADD (n INT COMMENT 'x' AFTER id, m AS n + 1); SHOW COLUMNS FROM t LIKE 'm';",
            &["m|INT|true||AS `n` + 1||"],
        ),
        ("ALTER TABLE t MODIFY id BIGINT; SHOW COLUMNS FROM t LIKE 'id';", &["id|BIGINT|false|PRI(id)||"]),
        ("ALTER TABLE t RENAME k TO kk; SHOW COLUMNS FROM t LIKE 'k%';", &["kk|STRING|true|||"]),
        ("ALTER TABLE t DROP late; SHOW COLUMNS FROM t LIKE 'l%';", &[]),
        (
            "ALTER TABLE t MODIFY WATERMARK FOR ts AS ts; SHOW COLUMNS FROM t LIKE 'ts';",
            &["ts|TIMESTAMP(3) *ROWTIME*|true|||`ts`"],
        ),
        ("ALTER TABLE t DROP WATERMARK; SHOW COLUMNS FROM t LIKE 'ts';", &["ts|TIMESTAMP(3)|true|||"]),
        ("ALTER TABLE t DROP CONSTRAINT by_id; SHOW COLUMNS FROM t LIKE 'id';", &["id|INT|false|||"]),
        (
            "ALTER TABLE t ADD PARTITION (k = 'a'); ALTER TABLE t ADD IF NOT EXISTS PARTITION (k = 'b'); \
             ALTER TABLE t DROP PARTITION (k = 'a'); SHOW PARTITIONS t;",
            &["k=b"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text), expected, "{text}");
    }
    let options = shown(
        "ALTER TABLE t SET ('path' = 'u', 'json.ignore-parse-errors' = 'true'); ALTER TABLE t RESET ('json.ignore-parse-errors'); ALTER TABLE t RENAME TO u; SHOW CREATE TABLE u;",
    );
    assert!(
        options[0].contains("'path' = 'u'") && !options[0].contains("ignore-parse-errors"),
        "{options:?}"
    );
}

#[test]
fn create_table_as_takes_the_querys_columns() {
    let made = "WITH ('connector' = 'blackhole') AS SELECT id, k AS name FROM t; SHOW COLUMNS FROM s;";
    let cases: [(&str, &[&str]); 3] = [
        ("CREATE TABLE s", &["id|INT|false|||", "name|STRING|true|||"]),
        (
            "CREATE TABLE s (id BIGINT, plus AS id + 1, note STRING)",
            &[
                "plus|BIGINT|true||AS `id` + 1|",
                "note|STRING|true|||",
                "id|BIGINT|true|||",
                "name|STRING|true|||",
            ],
        ),
        ("CREATE TABLE s (name, id)", &["name|STRING|true|||", "id|INT|false|||"]),
    ];
    for (head, expected) in cases {
        assert_eq!(shown(&format!("{head} {made}")), expected, "{head}");
    }
}

#[test]
fn refusals_leave_the_session_as_it_was() {
    let cases = [
        ("USE d;", "there is no database 'd'"),
        ("SELECT * FROM d.t;", "there is no database 'd'"),
        ("DROP DATABASE default_database;", "currently in use"),
        ("CREATE CATALOG c WITH ('type' = 'hive');", "there is no catalog type 'hive' here"),
        ("ALTER TABLE t ADD id INT;", "already has a column 'id'"),
        ("ALTER TABLE t DROP ts;", "column 'ts' is used by the computed column 'late'"),
        ("ALTER TABLE t DROP id;", "column 'id' is used by the primary key"),
        ("ALTER TABLE t RENAME ts TO tt;", "column 'ts' is used by the computed column 'late'"),
        ("ALTER TABLE t ADD WATERMARK FOR ts AS ts;", "already has a watermark"),
        ("ALTER TABLE t RESET ('connector');", "does not support changing 'connector'"),
        ("ALTER TABLE t MODIFY k AS missing + 1;", "there is no column 'missing'"),
        ("CREATE TEMPORARY TABLE s WITH ('connector' = 'blackhole') AS SELECT 1 AS a;", "temporary"),
        ("CREATE TABLE s WITH ('connector' = 'nowhere') AS SELECT 1 AS a;", "nowhere"),
        (
            "CREATE TABLE s (b) WITH ('connector' = 'blackhole') AS SELECT 1 AS a;",
            "the query has no column 'b'",
        ),
        ("TRUNCATE TABLE t;", "TRUNCATE TABLE is not supported in streaming mode"),
        ("DELETE FROM t WHERE id = 1;", "DELETE FROM is not supported in streaming mode"),
        ("ANALYZE TABLE t COMPUTE STATISTICS;", "ANALYZE TABLE is not supported in streaming mode"),
    ];
    for (text, expected) in cases {
        let mut session = session();
        let before = run_in(&mut session, "SHOW CREATE TABLE t; SHOW TABLES;");
        let error = run_in(&mut session, text).expect_err(text);
        assert!(error.message.contains(expected), "{text}: {}", error.message);
        let after = run_in(&mut session, "SHOW CREATE TABLE t; SHOW TABLES;");
        assert_eq!(format!("{before:?}"), format!("{after:?}"), "{text}");
    }
    let non_empty = "CREATE DATABASE d; CREATE VIEW d.v AS SELECT 1 AS a; DROP DATABASE d;";
    let error = run_in(&mut session(), non_empty).expect_err("it is not empty");
    assert!(error.message.contains("is not empty"));
    run_in(&mut session(), &non_empty.replace("DROP DATABASE d", "DROP DATABASE d CASCADE"))
        .expect("with all in it");
}

#[test]
fn a_java_class_that_is_known_gets_a_name() {
    const CLASS: &str = "com.github.nexmark.flink.udf.CountChar";
    let (mut session, create) = (session(), format!("CREATE FUNCTION count_char AS '{CLASS}';"));
    let refused =
        |session: &mut Session, text: &str| run_in(session, text).unwrap_err().message.to_lowercase();
    let query = "EXPLAIN SELECT count_char(k, 'c') FROM t;";
    assert!(refused(&mut session, query).contains("count_char"));
    run_in(&mut session, &format!("{create}{query}")).expect("the function is there");
    assert_eq!(refused(&mut session, &create), "a function 'count_char' is there already");
    let again = create.replace("FUNCTION", "FUNCTION IF NOT EXISTS");
    run_in(&mut session, &format!("{again}DROP FUNCTION count_char;")).expect("both are fine");
    assert!(refused(&mut session, query).contains("count_char"));
    assert_eq!(refused(&mut session, "DROP FUNCTION count_char;"), "there is no user function 'count_char'");
    let unknown = refused(&mut session, "CREATE FUNCTION f AS 'com.example.Mine';");
    assert_eq!(unknown, "create function can't run 'com.example.mine'");
    let built_in = refused(&mut session, &format!("CREATE FUNCTION initcap AS '{CLASS}';"));
    assert_eq!(built_in, "a function 'initcap' is there already");
}

#[test]
fn datetime_may_stand_behind_a_point() {
    let text = "CREATE TABLE d (`dateTime` INT, r ROW<`dateTime` INT>) WITH ('connector' = 'datagen'); \
        CREATE VIEW v AS SELECT x.dateTime, r.dateTime AS inner_time FROM d AS x; DESCRIBE v;";
    assert_eq!(shown(text), ["dateTime|INT|true|||", "inner_time|INT|true|||"]);
    let (_, errors) = parse_script("SELECT dateTime FROM d;");
    assert!(!errors.is_empty(), "it stays reserved elsewhere");
}
