//! Statements of every kind that the grammar knows, each parsed without a diagnostic and, if it is
//! or holds a query, written back to a text that parses to itself.

use tidemill_sql::ast::{Query, StatementKind};
use tidemill_sql::diagnostic::render;
use tidemill_sql::parser::{parse_query, parse_script};
use tidemill_sql::unparse::unparse_query;

fn accept(sql: &str) -> StatementKind {
    let (mut statements, diagnostics) = parse_script(sql);
    for diagnostic in &diagnostics {
        eprint!("{}", render(diagnostic, sql, "test", false));
    }
    assert!(diagnostics.is_empty(), "{sql}");
    assert_eq!(statements.len(), 1, "{sql}");
    statements.remove(0).kind
}

fn round_trip(query: &Query) {
    let once = unparse_query(query);
    let parsed = parse_query(&once).unwrap_or_else(|d| panic!("{once}\n{d}"));
    assert_eq!(once, unparse_query(&parsed));
}

#[test]
fn definitions() {
    for sql in [
        "CREATE TABLE t (a INT)",
        "CREATE TEMPORARY TABLE IF NOT EXISTS c.d.t (
            id BIGINT NOT NULL PRIMARY KEY NOT ENFORCED COMMENT 'key', `value` STRING,
            m TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL, p INT METADATA, twice AS id * 2 COMMENT 'c',
            r ROW<a INT 'first', b ARRAY<MAP<STRING, INT NOT NULL>>>, e ROW<>,
            CONSTRAINT pk PRIMARY KEY (id) NOT ENFORCED, WATERMARK FOR m AS m - INTERVAL '5' SECOND
         ) COMMENT 'x' DISTRIBUTED BY HASH(id) INTO 4 BUCKETS PARTITIONED BY (id, p)
         WITH ('connector' = 'kafka', 'topic' = 'it''s') LIKE o (INCLUDING ALL EXCLUDING METADATA OVERWRITING OPTIONS)",
        "CREATE TABLE t (b, a) WITH ('k' = 'v') AS SELECT a, b FROM s",
        "CREATE OR REPLACE TABLE t WITH ('k' = 'v') AS SELECT 1",
        "CREATE TEMPORARY VIEW IF NOT EXISTS v (a, b) COMMENT 'c' AS SELECT 1, 2",
        "CREATE TEMPORARY SYSTEM FUNCTION IF NOT EXISTS f AS 'a.b.C' LANGUAGE SCALA USING JAR 'p', ARTIFACT 'q' WITH ('k' = 'v')",
        "CREATE DATABASE IF NOT EXISTS c.d COMMENT 'x' WITH ('k' = 'v')",
        "CREATE CATALOG c WITH ('type' = 'generic_in_memory')",
        "DROP TEMPORARY VIEW IF EXISTS v",
        "DROP DATABASE d CASCADE",
        "USE CATALOG c",
        "USE c.d",
        "ALTER VIEW v AS SELECT 1",
        "ALTER VIEW v RENAME TO w",
        "ALTER DATABASE d SET ('k' = 'v')",
    ] {
        accept(sql);
    }
}

#[test]
fn alter_table() {
    for action in [
        "ADD a INT",
        "ADD (a INT FIRST, b AS a + 1 AFTER a, PRIMARY KEY (a) NOT ENFORCED, WATERMARK FOR ts AS ts)",
        "ADD DISTRIBUTION BY HASH(a) INTO 2 BUCKETS",
        "MODIFY a BIGINT NOT NULL AFTER b",
        "MODIFY WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE",
        "DROP a",
        "DROP (a, b)",
        "DROP PRIMARY KEY",
        "DROP CONSTRAINT pk",
        "DROP WATERMARK",
        "DROP DISTRIBUTION",
        "DROP IF EXISTS PARTITION (a = 1), PARTITION (a = 2)",
        "ADD IF NOT EXISTS PARTITION (a = 1) WITH ('k' = 'v') PARTITION (a = 2)",
        "RENAME a TO b",
        "RENAME TO c.d.t2",
        "SET ('k' = 'v', 'k' = 'w')",
        "RESET ('k', 'l')",
    ] {
        accept(&format!("ALTER TABLE IF EXISTS t {action}"));
    }
}

#[test]
fn data_types() {
    for data_type in [
        "CHAR",
        "CHAR(3)",
        "CHARACTER VARYING(2)",
        "VARCHAR(2147483647)",
        "STRING",
        "BINARY(2)",
        "BYTES",
        "BOOLEAN",
        "TINYINT",
        "INTEGER",
        "DOUBLE PRECISION",
        "DEC(5)",
        "NUMERIC(10, 2)",
        "DATE",
        "TIME(0)",
        "TIMESTAMP",
        "TIMESTAMP(9) WITHOUT TIME ZONE",
        "TIMESTAMP(3) WITH LOCAL TIME ZONE",
        "TIMESTAMP_LTZ(3)",
        "TIMESTAMP(3) WITH TIME ZONE",
        "INTERVAL YEAR(4) TO MONTH",
        "INTERVAL DAY TO SECOND(3)",
        "INT ARRAY NOT NULL ARRAY",
        "MULTISET<INT>",
        "STRING MULTISET",
        "MAP<STRING, ARRAY<INT NOT NULL>> NULL",
        "ROW(a INT, b STRING 'c')",
        "RAW('c', 's')",
        "STRUCTURED<'c', a INT>",
        "VARIANT",
        "BITMAP",
        "my.own_type",
    ] {
        accept(&format!("CREATE TABLE t (c {data_type})"));
    }
}

#[test]
fn manipulation_and_session() {
    for sql in [
        "EXECUTE INSERT INTO t /*+ OPTIONS('k' = 'v') */ PARTITION (p = 'x', q) (a, b) SELECT 1, 2 ON CONFLICT DO DEDUPLICATE",
        "INSERT OVERWRITE t (SELECT 1)",
        "INSERT INTO t VALUES (1, 'a'), (2, NULL)",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END",
        "EXPLAIN SELECT 1",
        "EXPLAIN PLAN FOR INSERT INTO t SELECT 1",
        "EXPLAIN CHANGELOG_MODE, ESTIMATED_COST, PLAN_ADVICE, JSON_EXECUTION_PLAN STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
        "DESC EXTENDED c.d.t",
        "DESCRIBE FUNCTION EXTENDED f",
        "DESCRIBE catalog",
        "SET",
        "RESET",
        "SET 'a.b' = 'c'",
        "SET pipeline.name = my-job",
        "RESET 'a.b'",
        "RESET a.b",
    ] {
        accept(sql);
    }
    for what in [
        "CATALOGS",
        "CURRENT DATABASE",
        "TABLES FROM c.d NOT ILIKE 'x%'",
        "COLUMNS IN t LIKE 'a'",
        "USER FUNCTIONS",
        "FULL MODULES",
        "PARTITIONS t PARTITION (p = 1)",
        "MATERIALIZED TABLES",
        "CREATE TABLE c.d.t",
        "CREATE VIEW v",
    ] {
        accept(&format!("SHOW {what}"));
    }
}

#[test]
fn statements_known_by_their_keywords() {
    for (sql, keywords) in [
        ("TRUNCATE TABLE t", "TRUNCATE TABLE"),
        ("UPDATE t SET a = 1", "UPDATE"),
        ("ALTER CATALOG c SET ('k' = 'v')", "ALTER CATALOG"),
        ("CREATE MODEL m INPUT (a INT) WITH ('k' = 'v')", "CREATE MODEL"),
        ("CREATE MATERIALIZED TABLE m AS SELECT 1", "CREATE MATERIALIZED TABLE"),
        ("COMPILE PLAN 'f' FOR STATEMENT SET BEGIN INSERT INTO t SELECT 1; END", "COMPILE PLAN"),
        ("ADD JAR 'x.jar'", "ADD JAR"),
    ] {
        match accept(sql) {
            StatementKind::Other { keyword, .. } => assert_eq!(keyword, keywords),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn queries() {
    for sql in [
        "WITH a (x) AS (SELECT 1), b AS (TABLE a) SELECT * FROM a, b",
        "SELECT /*+ STATE_TTL('a' = '1d'), BROADCAST(a, b) */ DISTINCT t.*, t.r.*, 1 AS one_, 2 two FROM t",
        "SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 3 EXCEPT (SELECT 4 ORDER BY 1 LIMIT 1)",
        "((SELECT 1) UNION (SELECT 2)) ORDER BY 1 DESC NULLS LAST LIMIT 10 OFFSET 5 ROWS",
        "SELECT 1 OFFSET 2 ROWS FETCH FIRST 3 ROWS ONLY",
        "SELECT * FROM a JOIN b ON a.x = b.x LEFT OUTER JOIN c USING (x, y) NATURAL FULL JOIN d CROSS JOIN e",
        "SELECT * FROM (a CROSS JOIN b) JOIN ((SELECT 1) AS c CROSS JOIN d) ON TRUE",
        "SELECT * FROM ((SELECT 1) UNION ALL (SELECT 2)) AS u (n)",
        "SELECT * FROM o JOIN r /*+ OPTIONS('k' = 'v') */ FOR SYSTEM_TIME AS OF o.ts AS x (a, b) ON o.k = x.a",
        "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTES, INTERVAL -'1' SECOND)) w",
        "SELECT * FROM SESSION(DATA => TABLE t PARTITION BY (a, b), TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '1' HOUR)",
        "SELECT * FROM SESSION(TABLE t PARTITION BY k ORDER BY ts, DESCRIPTOR(ts), INTERVAL '1' HOUR)",
        "SELECT * FROM t, LATERAL TABLE(f(x)) AS u (a), LATERAL (SELECT 1) AS l LEFT JOIN LATERAL g(y) ON TRUE",
        "SELECT * FROM t CROSS JOIN UNNEST(t.items, b) WITH ORDINALITY AS u (x, n)",
        "SELECT a FROM t WHERE a > 1 GROUP BY a, (b, c), GROUPING SETS ((a, b), (), ROLLUP (a, (b, c)), CUBE (d)) HAVING COUNT(*) > 1",
        "SELECT SUM(a) OVER w FROM t WINDOW w AS (PARTITION BY b ORDER BY c RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW) QUALIFY ROW_NUMBER() OVER (w ROWS 3 PRECEDING) = 1",
        "VALUES (1, 'a'), ROW(2, 'b')",
    ] {
        match accept(sql) {
            StatementKind::Query(query) => round_trip(&query),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn row_patterns() {
    for pattern in
        ["A B+ C*? D{2} E{1,}? F{1,3} G?", "(A (B C)+ | D) {- E -}", "PERMUTE(A, B) C{,3}", "^ A B $"]
    {
        let sql = format!(
            "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, c DESC
             MEASURES A.x AS ax, FINAL LAST(B.y, 1) AS ly, PREV(C.z) AS pz
             ALL ROWS PER MATCH AFTER MATCH SKIP TO FIRST B
             PATTERN ({pattern}) WITHIN INTERVAL '1' HOUR SUBSET s = (A, B)
             DEFINE A AS A.x > 1, B AS SUM(B.x) < LAST(A.x)) AS m"
        );
        match accept(&sql) {
            StatementKind::Query(query) => round_trip(&query),
            other => panic!("{sql}: {other:?}"),
        }
    }
}
