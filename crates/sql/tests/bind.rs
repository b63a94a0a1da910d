//! From text to plan: what is refused and how, and the shape of the plans of what is not.

use std::sync::Arc;
use tidemill_sql::{Diagnostic, Outcome, Rows, Session, parse_script};

const TABLE: &str = "CREATE TABLE t (id INT, k STRING, v BIGINT, r ROW<x INT, y STRING>, ts TIMESTAMP(3), \
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
    WITH ('connector' = 'filesystem', 'path' = 't.jsonl', 'format' = 'json');\n\
    CREATE TABLE out_json (k STRING, n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'o', 'format' = 'json');\n";

fn session() -> Session {
    let functions = Arc::new(tidemill_functions::registry());
    Session::new(functions, Arc::new(tidemill_connectors::connectors()))
}

fn run(text: &str) -> Result<Vec<Outcome>, Diagnostic> {
    let (statements, errors) = parse_script(text);
    assert_eq!(errors, [], "the texts of these tests parse");
    let mut session = session();
    statements.iter().map(|statement| session.run(statement)).collect()
}

fn refusal(text: &str) -> String {
    let text = format!("{TABLE}{text}");
    match run(&text) {
        Ok(_) => panic!("not refused: {text}"),
        Err(error) => format!("{} | {}", error.message, error.hint.unwrap_or_default()),
    }
}

fn plan(text: &str) -> String {
    let outcomes = run(&format!("{TABLE}{text}")).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    match outcomes.last() {
        Some(Outcome::Job(job)) => job.plan.explain(),
        other => panic!("no job: {other:?}"),
    }
}

fn rows(text: &str) -> Rows {
    match run(&format!("{TABLE}{text}")).map(|mut outcomes| outcomes.pop()) {
        Ok(Some(Outcome::Rows(rows))) => rows,
        other => panic!("no rows: {other:?}"),
    }
}

#[test]
fn refusals_name_the_cause_and_a_way_out() {
    let cases = [
        ("SELECT idd FROM t;", "there is no column 'idd' here | did you mean 'id'?"),
        ("SELECT K FROM t;", "there is no column 'K' here | did you mean 'k'?"),
        ("SELECT r.z FROM t;", "'r' has no field 'z' | its fields are: x, y"),
        ("SELECT * FROM tt;", "there is no table or view 'tt' | did you mean 't'?"),
        ("SELECT LOWR(k) FROM t;", "there is no function 'LOWR' | did you mean 'LOWER'"),
        ("SELECT k, COUNT(*) FROM t;", "expression 'k' is not being grouped"),
        ("SELECT k FROM t WHERE COUNT(*) > 1;", "the aggregate COUNT can't stand here"),
        ("SELECT k FROM t WHERE v;", "the condition of WHERE is BIGINT, but must be BOOLEAN"),
        (
            "INSERT INTO out_json SELECT k, COUNT(*) FROM t GROUP BY k;",
            "table sink 'out_json' doesn't support consuming update changes",
        ),
        ("INSERT INTO out_json SELECT k FROM t;", "do not match: different number of columns"),
        ("INSERT INTO out_json SELECT k, k FROM t;", "incompatible types for sink column 'n' at position 2"),
        (
            "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(id), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;",
            "requires the timecol is a time attribute type, but 'id' is INT",
        ),
        ("INSERT INTO out_json (k, k) SELECT k, k FROM t;", "the column 'k' is assigned more than once"),
        (
            "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '-5' SECOND)) GROUP BY window_start, window_end;",
            "the offset of TUMBLE must be smaller than its size",
        ),
        (
            "SELECT a.id FROM t AS a JOIN t AS b ON a.id = b.id AND a.v < (SELECT MAX(v) FROM t AS c WHERE c.k = a.k);",
            "a correlated query in ON",
        ),
        ("SELECT id FROM t WHERE CAST(ts AS DATE) < ts;", "'<' takes (two values that can be compared)"),
        (
            "SELECT TIMESTAMPDIFF(DAY, ts, CAST(ts AS TIMESTAMP_LTZ(3))) FROM t;",
            "TIMESTAMPDIFF can't compare a TIMESTAMP(3) with a TIMESTAMP_LTZ(3)",
        ),
        (
            "SELECT COUNT(*) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '7' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;",
            "size must be an integral multiple of slide",
        ),
        (
            "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '120' SECOND)) GROUP BY window_start, window_end;",
            "interval field value 120 exceeds precision of SECOND(2) field",
        ),
        (
            "SELECT TUMBLE_START(ts, INTERVAL '2' SECOND) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' SECOND);",
            "TUMBLE_START must have a matching call of TUMBLE in GROUP BY",
        ),
        (
            "CREATE TABLE u (id INT, PRIMARY KEY (id)) WITH ('connector' = 'print');",
            "a primary key must be declared as NOT ENFORCED",
        ),
        (
            "CREATE TABLE u (ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH ('connector' = 'print');",
            "invalid data type of time field for watermark definition",
        ),
        ("SELECT id FROM t AS a JOIN t AS b ON a.id = b.id;", "column 'id' is ambiguous"),
        (
            "SELECT a.id FROM t AS a RIGHT JOIN t FOR SYSTEM_TIME AS OF a.ts AS b ON a.id = b.id;",
            "a temporal join is an INNER or a LEFT JOIN",
        ),
        (
            "CREATE TABLE p (id INT, k STRING, v BIGINT, pt AS PROCTIME()) WITH ('connector' = 'datagen'); CREATE VIEW g AS SELECT k, COUNT(*) AS c FROM t GROUP BY k; \
             SELECT p.id FROM p JOIN g FOR SYSTEM_TIME AS OF p.pt AS d ON p.k = d.k;",
            "Processing-time temporal join is not supported yet",
        ),
        (
            "CREATE TABLE p (id INT, k STRING, v BIGINT, pt AS PROCTIME()) WITH ('connector' = 'datagen'); \
             SELECT p.id FROM p JOIN t FOR SYSTEM_TIME AS OF p.pt AS d ON p.id < d.id;",
            "requires an equality condition",
        ),
        (
            "CREATE TABLE p (id INT, k STRING, v BIGINT, pt AS PROCTIME()) WITH ('connector' = 'datagen'); CREATE TABLE d (id INT) WITH ('connector' = 'datagen'); \
             SELECT p.id FROM p JOIN d FOR SYSTEM_TIME AS OF p.pt AS d ON p.id = d.id;",
            "does not end, so it can't be looked up",
        ),
        ("SELECT a.id FROM t FOR SYSTEM_TIME AS OF ts AS a;", "stands behind the right side of a JOIN only"),
        (
            "SELECT a.id FROM t AS a JOIN t FOR SYSTEM_TIME AS OF a.ts AS b ON a.id = b.id;",
            "Temporal Table Join requires primary key in versioned table",
        ),
        (
            "SELECT id FROM t WHERE (id, v) IN (SELECT id FROM t);",
            "the query of IN has 1 columns, but must have 2",
        ),
        (
            "INSERT INTO out_json SELECT a.k, b.v FROM t AS a LEFT JOIN t AS b ON a.id = b.id;",
            "doesn't support consuming update",
        ),
        ("CREATE TABLE t (id INT) WITH ('connector' = 'print');", "a table named 't' already exists"),
        (
            "CREATE TABLE u (id INT, id INT) WITH ('connector' = 'print');",
            "a column named 'id' already exists",
        ),
        (
            "CREATE TABLE u (id INT) WITH ('connector' = 'fileystem'); SELECT * FROM u;",
            "there is no connector 'fileystem' | did you mean 'filesystem'?",
        ),
        (
            "CREATE TABLE u (id INT) WITH ('connector' = 'filesystem', 'pth' = 'x', 'format' = 'json'); SELECT * FROM u;",
            "has no option 'pth' | did you mean 'path'?",
        ),
        (
            "CREATE TABLE u (id INT) WITH ('connector' = 'filesystem', 'path' = 'x'); SELECT * FROM u;",
            "needs the option 'format'",
        ),
    ];
    for (text, wanted) in cases {
        let given = refusal(text);
        assert!(given.contains(wanted), "{text}\n  wanted: {wanted}\n  given:  {given}");
    }
}

#[test]
fn formats_that_a_connector_can_not_carry_are_refused_both_ways() {
    let kafka = "'connector' = 'kafka', 'topic' = 'x', 'properties.bootstrap.servers' = 'localhost:1'";
    let keyed = format!("{kafka}, 'value.format' = 'json', 'key.fields' = 'k'");
    let socket = "'connector' = 'socket', 'port' = '1'";
    let files = "'connector' = 'filesystem', 'path' = 'x'";
    let any_bytes = "whose records may hold the end of a line";
    let cases = [
        (
            kafka,
            "'format' = 'parquet'",
            "which has files and no records | use it with the connector 'filesystem'",
        ),
        (&keyed, "'key.format' = 'parquet'", "the connector 'kafka' can't carry the format 'parquet'"),
        (socket, "'format' = 'parquet'", "which has files and no records"),
        (socket, "'format' = 'avro'", any_bytes),
        (socket, "'format' = 'protobuf', 'protobuf.message-class-name' = 'M'", any_bytes),
        (files, "'format' = 'protobuf', 'protobuf.message-class-name' = 'M'", any_bytes),
        (
            files,
            "'format' = 'avro-confluent', 'avro-confluent.url' = 'http://localhost:1'",
            "whose records may hold the end of a line | write files as 'avro' or 'parquet'",
        ),
        (
            kafka,
            "'format' = 'json', 'json.ignore-parse-error' = 'true'",
            "did you mean 'ignore-parse-errors'",
        ),
        (
            &keyed,
            "'key.format' = 'csv', 'key.csv.delimiter' = ';'",
            "format 'csv' of table 'u' has no option 'delimiter'",
        ),
    ];
    for (connector, format, wanted) in cases {
        let table = format!("CREATE TABLE u (k STRING, n BIGINT) WITH ({connector}, {format});");
        let mut texts = vec![format!("{table} SELECT * FROM u;")];
        if connector != socket {
            texts.push(format!("{table} INSERT INTO u SELECT k, v FROM t;"));
        }
        for text in texts {
            let given = refusal(&text);
            assert!(given.contains(wanted), "{text}\n  wanted: {wanted}\n  given:  {given}");
        }
    }
}

#[test]
fn only_needed_columns_are_read() {
    let text = plan("SELECT k FROM t WHERE v > 3;");
    let source = text.lines().find(|line| line.contains("source-")).expect("a plan has a source");
    assert!(source.contains("columns=[k, v, ts]"), "{text}");
}

#[test]
fn a_condition_may_be_a_column() {
    let text = plan("SELECT k FROM (SELECT k, v > 3 AS big FROM t) WHERE big;");
    assert!(text.contains("where=(v >"), "{text}");
}

#[test]
fn a_window_is_recognised_only_by_both_its_columns() {
    let both = plan(
        "SELECT window_end, k, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, k;",
    );
    assert!(both.contains("window-aggregate") && !both.contains("window-assign"), "{both}");
    let one = plan(
        "SELECT window_end, k, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_end, k;",
    );
    assert!(one.contains("window-assign") && one.contains("group-aggregate"), "{one}");
}

#[test]
fn a_statement_set_reads_its_table_once() {
    let text = plan(
        "EXECUTE STATEMENT SET BEGIN INSERT INTO out_json SELECT k, v FROM t; INSERT INTO out_json SELECT k, 1 FROM t; END;",
    );
    assert_eq!(text.matches("table=t,").count(), 1, "{text}");
}

#[test]
fn an_aggregate_tells_its_changes_and_its_state() {
    let text = plan("SELECT k, SUM(v) FROM t GROUP BY k HAVING SUM(v) > 3;");
    assert!(
        text.contains("changelog=[I,UB,UA], upsert key=[k], state=one cell row per key, for ever"),
        "{text}"
    );
}

#[test]
fn try_cast_may_always_be_null() {
    let rows = rows("CREATE VIEW w AS SELECT TRY_CAST(1 AS INT) AS n FROM t;\nDESCRIBE w;");
    assert_eq!(rows.rows[0][1..3], [Some("INT".to_owned()), Some("true".to_owned())]);
}

#[test]
fn below_an_aggregate_that_depends_on_order_every_change_is_given() {
    for (outer, wanted) in [("MAX(c)", [true, true]), ("ARRAY_AGG(c)", [false, true])] {
        let text = format!("{TABLE}SELECT {outer} FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k);");
        let outcomes = run(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let Some(Outcome::Job(job)) = outcomes.last() else { panic!("no job: {text}") };
        let net = job.plan.nodes.iter().filter_map(|node| match &node.operator {
            tidemill_plan::Operator::GroupAggregate(plan) => Some(plan.net_changes),
            _ => None,
        });
        assert_eq!(net.collect::<Vec<_>>(), wanted, "{outer}");
    }
}

#[test]
fn a_sign_belongs_to_its_number() {
    for (number, data_type) in [
        ("-2147483648", "\"INT"),
        ("-2147483649", "\"BIGINT"),
        ("2147483648", "\"BIGINT"),
        ("-9223372036854775808", "\"BIGINT"),
        ("-1.50", "\"DECIMAL(3, 2)"),
    ] {
        let rows = rows(&format!("CREATE VIEW w AS SELECT {number} AS n FROM t;\nDESCRIBE w;"));
        let shown = format!("{rows:?}");
        assert!(shown.contains(data_type), "{number}: {shown}");
    }
}

#[test]
fn lengths_are_enforced_on_demand() {
    let insert = "CREATE TABLE a (c CHAR(3), s STRING) WITH ('connector' = 'filesystem', 'path' = 'a', 'format' = 'csv');\n\
        INSERT INTO a SELECT c, s FROM a;";
    let set = |mode: &str| plan(&format!("SET 'table.exec.sink.type-length-enforcer' = '{mode}';\n{insert}"));
    assert!(!plan(insert).contains("CAST") && !plan(insert).contains("CHECK_LENGTH"));
    assert!(set("TRIM_PAD").contains("CAST(c AS CHAR(3))"), "{}", set("TRIM_PAD"));
    assert!(set("ERROR").contains("CHECK_LENGTH$(c, 'c')"), "{}", set("ERROR"));
}

#[test]
fn show_create_table_can_be_read_back() {
    let text = rows("SHOW CREATE TABLE t;").rows[0][0].clone().expect("a text");
    let (statements, errors) = parse_script(&format!("{text};"));
    assert_eq!((statements.len(), errors.len()), (1, 0), "{text}");
}

#[test]
fn like_takes_over_what_it_is_told_to() {
    let described =
        rows("CREATE TABLE u (n INT) WITH ('connector' = 'print') LIKE t (EXCLUDING ALL); DESCRIBE u;");
    let names: Vec<&str> = described.rows.iter().filter_map(|row| row[0].as_deref()).collect();
    assert_eq!(names, ["id", "k", "v", "r", "ts", "n"]);
    assert!(described.rows.iter().all(|row| row[5].is_none()), "the watermark stays behind");
}

#[test]
fn conditions_go_below_a_join_or_become_its_key() {
    let text =
        plan("SELECT a.k, b.v FROM t AS a, t AS b WHERE a.id = b.v AND a.v > 3 AND b.k = 'x' AND a.v < b.v;");
    assert!(text.contains("inner, keys=1, where=(v < v)"), "{text}");
    assert!(
        text.contains("where=(v > ") && text.contains("state=of both sides all rows, for ever"),
        "{text}"
    );
    assert!(text.contains("changelog=[I]") && text.contains("exchange hash[v]"), "{text}");
}

#[test]
fn shared_columns_are_shown_once() {
    let text =
        plan("SELECT * FROM (SELECT id, k FROM t) AS a FULL JOIN (SELECT id, v FROM t) AS b USING (id);");
    let sink = text.lines().next().expect("a plan starts with its sink");
    assert!(sink.contains("columns=[id, k, v]"), "{text}");
    let named = plan("SELECT id, a.id, b.id FROM t AS a JOIN t AS b USING (id) WHERE b.k = 'x';");
    assert!(named.contains("keys=1"), "{named}");
}

#[test]
fn membership_is_a_semi_or_anti_join() {
    let exists = plan("SELECT k FROM t AS a WHERE EXISTS (SELECT * FROM t WHERE t.id = a.id AND v > 1);");
    assert!(exists.contains("semi, keys=1") && exists.contains("changelog=[I]"), "{exists}");
    let not_in = plan("SELECT k FROM t WHERE id NOT IN (SELECT v FROM t);");
    assert!(not_in.contains("anti, keys=0") && not_in.contains("IS NOT FALSE"), "{not_in}");
}
