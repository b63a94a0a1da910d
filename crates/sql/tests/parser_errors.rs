//! What the parser refuses: the message, the place and the hint, recovery and limits.

use tidemill_sql::diagnostic::{Diagnostic, render};
use tidemill_sql::parser::{parse_expression, parse_script};

fn refused(sql: &str) -> Diagnostic {
    let (_, mut diagnostics) = parse_script(sql);
    assert_eq!(diagnostics.len(), 1, "{sql}: {diagnostics:?}");
    diagnostics.remove(0)
}

#[test]
fn messages_and_hints() {
    for (sql, message, hint) in [
        ("SELECT a FROM t WHERE;", "expected an expression, found `;`", None),
        ("SELECT a, FROM t", "expected an expression, found FROM", Some("remove the comma before it")),
        (
            "SELECT a FORM t",
            "expected `;` or the end of the statement, found `t`",
            Some("did you mean FROM in place of `FORM`?"),
        ),
        (
            "SELECT a FROM t GRUOP BY a",
            "expected `;` or the end of the statement, found BY",
            Some("did you mean GROUP in place of `GRUOP`?"),
        ),
        (
            "CREATE TABLE t (value INT)",
            "expected a column name, found the reserved word `value`",
            Some("put it in back-ticks to use it as a name: `value`"),
        ),
        (
            "SELECT timestamp FROM t",
            "expected an expression, found the reserved word `timestamp`",
            Some("put it in back-ticks to use it as a name: `timestamp`"),
        ),
        (
            "SELECT 1 AS result",
            "expected an alias, found the reserved word `result`",
            Some("put it in back-ticks to use it as a name: `result`"),
        ),
        (
            "SELECT p.value FROM p",
            "expected a name behind the point, found the reserved word `value`",
            Some("put it in back-ticks to use it as a name: `value`"),
        ),
        ("CREATE TABLE t (a INT,)", "expected a column name, found `)`", Some("remove the comma before it")),
        (
            "CREATE TABLE t (a INT) WITH (connector = 'x')",
            "expected an option as 'key' = 'value', found `connector`",
            Some("put the key in single quotes"),
        ),
        (
            "SELECT \"a\" FROM t",
            "double quotes are not used in Flink SQL",
            Some("put names in back-ticks: `name`, strings in single quotes: 'text'"),
        ),
        (
            "SELECT 'a FROM t",
            "a string is not closed",
            Some("add ' where it ends; '' stands for one ' in it"),
        ),
        (
            "SELECT INTERVAL '1' SECNOD",
            "expected a unit of time such as SECOND, MINUTE, HOUR or DAY, found `SECNOD`",
            Some("did you mean SECOND in place of `SECNOD`?"),
        ),
        ("SELECT * FROM SELECT 1", "expected a table, found SELECT", Some("put the subquery in parentheses")),
        (
            "SELEC 1",
            "expected a statement such as CREATE, INSERT, SELECT or SET, found `SELEC`",
            Some("did you mean SELECT in place of `SELEC`?"),
        ),
        (
            "SELECT 'a' 'b'",
            "a second string follows a string on the same line",
            Some("use || to join strings, or '' for a quote inside one"),
        ),
        (
            "EXECUTE STATEMENT SET BEGIN END;",
            "the statement set is empty",
            Some("put at least one INSERT between BEGIN and END"),
        ),
        ("SELECT a == 1", "expected an expression, found `=`", Some("use a single = to compare")),
        (
            "CREATE TABLE t (a VARCAHR(3))",
            "there is no data type `VARCAHR`",
            Some("did you mean VARCHAR in place of `VARCAHR`?"),
        ),
        (
            "SELECT CASE a END",
            "expected WHEN, found the reserved word `END`",
            Some("put it in back-ticks to use it as a name: `END`"),
        ),
    ] {
        let diagnostic = refused(sql);
        assert_eq!(diagnostic.message, message, "{sql}");
        assert_eq!(diagnostic.hint.as_deref(), hint, "{sql}");
    }
}

#[test]
fn the_caret_stands_under_the_place() {
    let sql = "CREATE TABLE t (\n\tid INT,\n\torder INT\n);";
    assert_eq!(
        render(&refused(sql), sql, "job.sql", false),
        "error: expected a column name, found the reserved word `order`
 --> job.sql:3:2
  |
3 |     order INT
  |     ^^^^^
  = hint: put it in back-ticks to use it as a name: `order`
"
    );
}

#[test]
fn several_errors_in_one_run() {
    let (statements, diagnostics) = parse_script(
        "SELECT FROM a; SELECT 1; INSERT t SELECT 1;
         EXECUTE STATEMENT SET BEGIN INSERT INTO a; INSERT INTO b SELECT 1; INSERT INTO c VALUES; END;
         SELECT 2;",
    );
    assert_eq!(diagnostics.len(), 4, "{diagnostics:?}");
    assert_eq!(statements.len(), 3, "{statements:?}");
}

#[test]
fn spans_cover_the_statements() {
    let sql = " SELECT 1 ;; /* c */ SHOW TABLES -- end";
    let (statements, _) = parse_script(sql);
    let texts: Vec<&str> = statements.iter().map(|s| s.span.text(sql)).collect();
    assert_eq!(texts, ["SELECT 1", "SHOW TABLES"]);
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let deep = 10_000;
    for sql in [
        "(".repeat(deep),
        "- ".repeat(deep),
        "NOT ".repeat(deep),
        "a OR b AND c = d + e * (".repeat(deep),
        "f(".repeat(deep),
        "CASE WHEN ".repeat(deep),
        "ARRAY[".repeat(deep),
        "(SELECT * FROM (".repeat(deep),
        "a[".repeat(deep),
        "CAST(a AS ".to_owned() + &"ARRAY<".repeat(deep),
    ] {
        let diagnostic = parse_expression(&sql).expect_err("too deep");
        assert!(diagnostic.message.contains("deeper"), "{}", diagnostic.message);
    }
    let from = format!("SELECT * FROM {}", "(".repeat(deep));
    assert!(refused(&from).message.contains("deeper"));
    let pattern = format!("SELECT * FROM t MATCH_RECOGNIZE (PATTERN {}", "(".repeat(deep));
    assert!(refused(&pattern).message.contains("deeper"));
}

#[test]
fn ordinary_nesting_and_long_lists_are_fine() {
    let nested = format!("{}1{}", "(".repeat(40), ")".repeat(40));
    assert!(parse_expression(&nested).is_ok());
    assert!(parse_expression(&format!("1{}", " + 1".repeat(900))).is_ok());
    assert!(parse_expression(&format!("a IN (1{})", ", 1".repeat(50_000))).is_ok());
    let chain = parse_expression(&format!("1{}", " + 1".repeat(5_000)));
    assert!(chain.is_err());
}

#[test]
fn no_prefix_of_a_script_makes_it_panic() {
    let sql =
        "CREATE TABLE `t` (a ROW<b INT>, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('k' = '中');
        SELECT /*+ A('b' = 'c') */ a, COUNT(*) FILTER (WHERE x IN (1, 2)) FROM t MATCH_RECOGNIZE (
        PATTERN (A B{2,3}?) DEFINE A AS E'\\u4e2d' = U&'\\4e2d') WHERE CASE WHEN a THEN b END; SET a = b;";
    for (end, _) in sql.char_indices() {
        let (_, diagnostics) = parse_script(&sql[..end]);
        for diagnostic in diagnostics {
            let shown = render(&diagnostic, &sql[..end], "f", true);
            assert!(!shown.is_empty());
        }
    }
}
