//! SQL/JSON functions, called the way the binder calls them.

#[path = "support/call.rs"]
mod call;

use call::check;

#[test]
fn values() {
    check(&[
        ("JSON_VALUE('{\"n\":42}', '$.n', 'NULL', 'NULL', 'INTEGER')", "42"),
        ("JSON_VALUE('{\"t\":true}', '$.t', 'NULL', 'NULL', 'BOOLEAN')", "true"),
        ("JSON_QUERY('{\"a\":1}', '$.arr[*]', 'UNCONDITIONAL', 'NULL', 'NULL')", "NULL"),
        ("JSON_QUERY('{\"arr\":[]}', '$.arr[*]', 'UNCONDITIONAL', 'NULL', 'NULL')", "[[]]"),
        ("JSON_VALUE('{\"a\":\"x\",\"n\":42}', '$.a', 'NULL', 'NULL', 'STRING')", "x"),
        ("JSON_VALUE('{\"a\":12}', 'lax $.a', 'NULL', 'NULL', 'STRING')", "12"),
        ("JSON_VALUE('{\"a\":12}', '$.zz', 'NULL', 'DEFAULT', 'STRING', '', 'err')", "err"),
        ("JSON_VALUE('{\"a\":12}', 'lax $.zz', 'DEFAULT', 'NULL', 'STRING', 'emp')", "emp"),
        ("JSON_VALUE('null', 'lax $.zz', 'DEFAULT', 'NULL', 'STRING', 'emp')", "NULL"),
        ("JSON_VALUE('{bad', 'lax $.zz', 'DEFAULT', 'NULL', 'STRING', 'emp')", "emp"),
        ("JSON_VALUE('{\"arr\":[1,2]}', '$.arr[0]', 'NULL', 'NULL', 'STRING')", "1"),
        ("JSON_VALUE('{\"arr\":[1,2]}', '$.arr', 'NULL', 'NULL', 'STRING')", "NULL"),
        ("JSON_VALUE('{\"arr\":[1,2]}', '$.arr[*]', 'NULL', 'NULL', 'STRING')", "NULL"),
        ("JSON_VALUE('{\"sp ace\":\"y\"}', '$[''sp ace'']', 'NULL', 'NULL', 'STRING')", "y"),
        ("JSON_VALUE('true', '$', 'NULL', 'NULL', 'STRING')", "true"),
        ("JSON_VALUE('{}', '$.a', 'NULL', 'ERROR', 'STRING')", "!no fitting value"),
        ("JSON_VALUE('{}', 'a', 'NULL', 'NULL', 'STRING')", "!no valid JSON path"),
        ("JSON_VALUE(NULL::STRING, '$.a', 'NULL', 'DEFAULT', 'STRING', '', 'err')", "NULL"),
    ]);
}

#[test]
fn queries() {
    check(&[
        ("JSON_QUERY('{\"b\":{\"d\":2,\"c\":1}}', '$.b', 'WITHOUT', 'NULL', 'NULL')", "{\"c\":1,\"d\":2}"),
        ("JSON_QUERY('{\"a\":\"x\"}', '$.a', 'WITHOUT', 'NULL', 'NULL')", "NULL"),
        ("JSON_QUERY('{\"a\":\"x\"}', '$.a', 'UNCONDITIONAL', 'NULL', 'NULL')", "[\"x\"]"),
        ("JSON_QUERY('{\"a\":[1]}', '$.a', 'CONDITIONAL', 'NULL', 'NULL')", "[1]"),
        ("JSON_QUERY('{\"a\":[1,2]}', '$.a[*]', 'UNCONDITIONAL', 'NULL', 'NULL')", "[[1,2]]"),
        (
            "JSON_QUERY('{\"o\":[{\"k\":\"p\"},{\"k\":\"q\"}]}', '$.o[*].k', 'UNCONDITIONAL', 'NULL', 'NULL')",
            "[[\"p\",\"q\"]]",
        ),
        ("JSON_QUERY('{}', '$.z', 'WITHOUT', 'NULL', 'EMPTY OBJECT')", "{}"),
        ("JSON_QUERY('{}', 'lax $.z', 'WITHOUT', 'EMPTY ARRAY', 'NULL')", "[]"),
    ]);
}

#[test]
fn predicates() {
    check(&[
        ("IS JSON('{}')", "TRUE"),
        ("IS JSON('')", "FALSE"),
        ("IS JSON(NULL::STRING)", "FALSE"),
        ("IS NOT JSON(NULL::STRING)", "TRUE"),
        ("IS JSON SCALAR('12.5')", "TRUE"),
        ("IS JSON ARRAY('[1]')", "TRUE"),
        ("IS JSON OBJECT('[1]')", "FALSE"),
        ("JSON_EXISTS('{\"a\":1}', '$.a', 'FALSE')", "TRUE"),
        ("JSON_EXISTS('{\"a\":1}', '$.b', 'FALSE')", "FALSE"),
        ("JSON_EXISTS('{\"a\":1}', '$.b', 'UNKNOWN')", "NULL"),
        ("JSON_EXISTS('{\"a\":1}', 'lax $.b[*]', 'FALSE')", "TRUE"),
    ]);
}

#[test]
fn constructors() {
    check(&[
        ("JSON_OBJECT('NULL', 'n', FALSE, NULL, 'a', FALSE, 1)", "{\"a\":1,\"n\":null}"),
        ("JSON_OBJECT('ABSENT', 'n', FALSE, NULL::STRING)", "{}"),
        (
            "JSON_OBJECT('NULL', 'x', TRUE, '{\"x\":1}', 'y', FALSE, '{\"x\":1}')",
            "{\"x\":{\"x\":1},\"y\":\"{\\\"x\\\":1}\"}",
        ),
        ("JSON_ARRAY('ABSENT', FALSE, 1, FALSE, NULL, FALSE, TRUE, FALSE, 1.5)", "[1,true,1.5]"),
        ("JSON_ARRAY('NULL', FALSE, NULL)", "[null]"),
        ("JSON_ARRAY('NULL', FALSE, 1.1::FLOAT, FALSE, 123456789::DOUBLE)", "[1.100000023841858,123456789]"),
        ("JSON_ARRAY('NULL', FALSE, 10000000::DOUBLE, FALSE, -1234567.25::DOUBLE)", "[1.0E+7,-1234567.25]"),
        ("JSON_OBJECT('NULL', 'd', FALSE, '2024-01-01'::DATE)", "!DATE is no JSON value"),
        ("JSON_STRING(['a', NULL::STRING])", "[\"a\",null]"),
        ("JSON_STRING(MAP('b', 1, 'a', 2))", "{\"a\":2,\"b\":1}"),
        ("JSON_STRING(NULL::INT)", "NULL"),
        ("JSON_QUOTE('王')", "\"\\u738b\""),
        ("JSON_UNQUOTE(JSON_QUOTE('a\"b\\c'))", "a\"b\\c"),
        ("JSON_UNQUOTE('plain')", "plain"),
    ]);
}

#[test]
fn variants() {
    check(&[
        ("JSON_STRING(PARSE_JSON('{\"b\":[\"x\", 2.5], \"a\":1}{'))", "{\"a\":1,\"b\":[\"x\",2.5]}"),
        ("JSON_STRING(ITEM(PARSE_JSON('{\"a\":{\"b\":true}}'), 'a'))", "{\"b\":true}"),
        ("JSON_STRING(ITEM(PARSE_JSON('[7, null]'), 1))", "7"),
        ("JSON_STRING(ITEM(PARSE_JSON('[7, null]'), 2))", "null"),
        ("ITEM(PARSE_JSON('[7, null]'), 3)", "NULL"),
        ("ITEM(PARSE_JSON('[7]'), 0)", "NULL"),
        ("ITEM(PARSE_JSON('{\"a\":1}'), 'zz')", "NULL"),
        ("ITEM(PARSE_JSON('5'), 'a')", "NULL"),
        ("TYPEOF(PARSE_JSON('1'))", "VARIANT NOT NULL"),
        ("PARSE_JSON('{a')", "!no JSON document"),
        ("TRY_PARSE_JSON('{a')", "NULL"),
        ("PARSE_JSON(NULL::STRING)", "NULL"),
        ("JSON_OBJECT('NULL', 'v', FALSE, PARSE_JSON('[1]'))", "{\"v\":[1]}"),
    ]);
}
