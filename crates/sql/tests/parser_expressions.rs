//! Expressions: precedences and special forms, judged by the text they are written back as.

use tidemill_sql::parser::{parse_expression, parse_type};
use tidemill_sql::unparse::{unparse_expr, unparse_type};

fn written(sql: &str) -> String {
    let expr = parse_expression(sql).unwrap_or_else(|d| panic!("{sql}: {d}"));
    let once = unparse_expr(&expr);
    let again = parse_expression(&once).unwrap_or_else(|d| panic!("{once}: {d}"));
    assert_eq!(once, unparse_expr(&again), "{sql}");
    once
}

#[test]
fn precedences() {
    for (sql, expected) in [
        ("a + b * c", "`a` + `b` * `c`"),
        ("(a + b) * c", "(`a` + `b`) * `c`"),
        ("a - b - c", "`a` - `b` - `c`"),
        ("a - (b - c)", "`a` - (`b` - `c`)"),
        ("a || b + c", "`a` || `b` + `c`"),
        ("a OR b AND NOT c = d", "`a` OR `b` AND NOT `c` = `d`"),
        ("NOT (a OR b)", "NOT (`a` OR `b`)"),
        ("(a = b) IS NULL", "`a` = `b` IS NULL"),
        ("a = (b IS NULL)", "`a` = (`b` IS NULL)"),
        ("-a * b", "- `a` * `b`"),
        ("- (a * b)", "- (`a` * `b`)"),
        ("a BETWEEN 1 AND 2 AND b", "`a` BETWEEN ASYMMETRIC 1 AND 2 AND `b`"),
        ("a NOT IN (1, 2) = TRUE", "`a` NOT IN (1, 2) = TRUE"),
        ("a IS NOT DISTINCT FROM b + 1", "`a` IS NOT DISTINCT FROM `b` + 1"),
        ("a NOT LIKE b || '%' ESCAPE '!'", "`a` NOT LIKE `b` || '%' ESCAPE '!'"),
        ("a < ANY (1, 2)", "`a` < SOME (1, 2)"),
        ("(r).f[1].g", "(`r`).`f`[1].`g`"),
        ("r.f[1].g", "`r`.`f`[1].`g`"),
    ] {
        assert_eq!(written(sql), expected, "{sql}");
    }
}

#[test]
fn forms() {
    for (sql, expected) in [
        ("ts - INTERVAL '5' SECOND", "`ts` - INTERVAL '5' SECOND"),
        ("INTERVAL '10' minutes", "INTERVAL '10' MINUTE"),
        ("INTERVAL -'1 02:03' DAY(3) TO MINUTE", "INTERVAL -'1 02:03' DAY(3) TO MINUTE"),
        ("(a - b) DAY TO SECOND", "(`a` - `b`) DAY TO SECOND"),
        ("(a, b) OVERLAPS (c, d)", "(`a`, `b`) OVERLAPS (`c`, `d`)"),
        ("case a when 1, 2 then 'x' end", "CASE `a` WHEN 1, 2 THEN 'x' ELSE NULL END"),
        ("try_cast(a AS ARRAY<INT NOT NULL>)", "TRY_CAST(`a` AS ARRAY<INT NOT NULL>)"),
        ("extract(doy from a)", "EXTRACT(DOY FROM `a`)"),
        ("floor(a to day) = ceil(b)", "FLOOR(`a` TO DAY) = CEIL(`b`)"),
        ("position('a' in b)", "POSITION('a' IN `b`)"),
        ("substring(a from 2 for 3)", "SUBSTRING(`a` FROM 2 FOR 3)"),
        ("substring(a, 2)", "SUBSTRING(`a`, 2)"),
        ("trim(a)", "TRIM(BOTH ' ' FROM `a`)"),
        ("trim(leading 'x' from a)", "TRIM(LEADING 'x' FROM `a`)"),
        ("timestampdiff(minute, a, b)", "TIMESTAMPDIFF(MINUTE, `a`, `b`)"),
        ("count(*) filter (where a)", "COUNT(*) FILTER (WHERE `a`)"),
        (
            "listagg(distinct a, ',') within group (order by b)",
            "LISTAGG(DISTINCT `a`, ',') WITHIN GROUP (ORDER BY `b`)",
        ),
        ("last_value(a) ignore nulls over w", "LAST_VALUE(`a`) IGNORE NULLS OVER `w`"),
        ("c.d.f(a => 1, b => DEFAULT)", "`c`.`d`.`f`(`a` => 1, `b` => DEFAULT)"),
        ("current_timestamp", "CURRENT_TIMESTAMP"),
        ("MAP['a', 1]['a']", "MAP['a', 1]['a']"),
        ("map['a']", "MAP['a']"),
        ("a IS NOT JSON OBJECT", "`a` IS NOT JSON OBJECT"),
        (
            "JSON_OBJECT('k' VALUE 1, 'l' : a ABSENT ON NULL)",
            "JSON_OBJECT(KEY 'k' VALUE 1, KEY 'l' VALUE `a` ABSENT ON NULL)",
        ),
        (
            "JSON_VALUE(a, '$.b' RETURNING INT NULL ON EMPTY ERROR ON ERROR)",
            "JSON_VALUE(`a`, '$.b' RETURNING INT NULL ON EMPTY ERROR ON ERROR)",
        ),
        (
            "JSON_QUERY(a, '$' WITH WRAPPER EMPTY ARRAY ON ERROR)",
            "JSON_QUERY(`a`, '$' WITH UNCONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON ERROR)",
        ),
        (
            "JSON_EXISTS(a, '$') AND JSON_ARRAY() = JSON_ARRAY(1 NULL ON NULL)",
            "JSON_EXISTS(`a`, '$') AND JSON_ARRAY() = JSON_ARRAY(1 NULL ON NULL)",
        ),
        ("JSON_ARRAYAGG(a) FILTER (WHERE b)", "JSON_ARRAYAGG(`a`) FILTER (WHERE `b`)"),
        ("a AT TIME ZONE 'UTC'", "`a` AT TIME ZONE 'UTC'"),
        ("'it''s' || '中'", "'it''s' || u&'\\4e2d'"),
        ("'a'\n'b'", "'ab'"),
        ("x'0a' = DATE '2024-01-01'", "X'0A' = DATE '2024-01-01'"),
        ("`count` + map", "`count` + `map`"),
        ("EXISTS (SELECT 1)", "EXISTS (SELECT 1)"),
    ] {
        assert_eq!(written(sql), expected, "{sql}");
    }
}

#[test]
fn types() {
    for (sql, expected) in [
        ("row(a int, `b c` string not null)", "ROW<`a` INT, `b c` STRING NOT NULL>"),
        ("int array", "ARRAY<INT>"),
        ("timestamp(3) with local time zone", "TIMESTAMP_LTZ(3)"),
        ("dec(5)", "DECIMAL(5)"),
    ] {
        let parsed = parse_type(sql).unwrap_or_else(|d| panic!("{sql}: {d}"));
        assert_eq!(unparse_type(&parsed), expected);
    }
}
