//! Lists, maps, rows and the functions that choose among values.

#[path = "support/call.rs"]
mod call;

use call::check;

#[test]
fn lists() {
    check(&[
        ("ARRAY_APPEND([3, 2], 9)", "[3, 2, 9]"),
        ("ARRAY_PREPEND([3, NULL], NULL::INT)", "[NULL, 3, NULL]"),
        ("ARRAY_CONTAINS([3, 2], 2)", "TRUE"),
        ("ARRAY_CONTAINS([3, 2], NULL::INT)", "FALSE"),
        ("ARRAY_CONTAINS([3, NULL], NULL::INT)", "TRUE"),
        ("ARRAY_DISTINCT([3, 2, 2, NULL, NULL])", "[3, 2, NULL]"),
        ("ARRAY_POSITION([3, 2, 2], 2)", "2"),
        ("ARRAY_POSITION([3, 2, 2], 99)", "0"),
        ("ARRAY_REMOVE([NULL, 2, NULL], 2)", "[NULL, NULL]"),
        ("ARRAY_REVERSE([3, NULL, 1])", "[1, NULL, 3]"),
        ("ARRAY_SLICE([3, 2, 2, 1], 2)", "[2, 2, 1]"),
        ("ARRAY_SLICE([3, 2, 2, 1], -2)", "[2, 1]"),
        ("ARRAY_SLICE([3, 2, 2, 1], 0, -2)", "[3, 2, 2]"),
        ("ARRAY_SLICE([5], 0, -2)", "[5]"),
        ("ARRAY_SLICE([5], 2)", "[]"),
        ("ARRAY_SORT([3, NULL, 1])", "[NULL, 1, 3]"),
        ("ARRAY_SORT([3, NULL, 1], FALSE)", "[3, 1, NULL]"),
        ("ARRAY_SORT([3, NULL, 1], TRUE, FALSE)", "[1, 3, NULL]"),
        ("ARRAY_UNION([3, 2, 2], [2, 7])", "[3, 2, 7]"),
        ("ARRAY_CONCAT([3], [2], [2])", "[3, 2, 2]"),
        ("ARRAY_EXCEPT([3, 2, 2, 3], [2])", "[3]"),
        ("ARRAY_INTERSECT([3, 2, 2, 1], [2, 3])", "[3, 2]"),
        ("ARRAY_MAX([NULL, 2, 1])", "2"),
        ("ARRAY_MIN(['b', 'a'])", "a"),
        ("ARRAY_MAX(ARRAY_REMOVE([1], 1))", "NULL"),
        ("ARRAY_JOIN(['a', NULL::STRING, 'b'], '-')", "a-b"),
        ("ARRAY_JOIN(['a', NULL::STRING], '-', '?')", "a-?"),
        ("ARRAY_SORT(NULL::ARRAY<INT>)", "NULL"),
        ("ARRAY_UNION(NULL::ARRAY<INT>, [1])", "NULL"),
        ("CARDINALITY([1, NULL])", "2"),
        ("CARDINALITY(NULL::ARRAY<INT>)", "NULL"),
        ("TYPEOF([1, 2L])", "ARRAY<BIGINT NOT NULL> NOT NULL"),
        ("ARRAY(1, 'a')", "!ARRAY takes"),
        ("ARRAY_APPEND(1, 2)", "!ARRAY_APPEND takes (ARRAY, an element), not (INT, INT)"),
    ]);
}

#[test]
fn access() {
    check(&[
        ("ITEM([3, 2], 1)", "3"),
        ("ITEM([3, 2], 100)", "NULL"),
        ("ITEM([3, 2], NULL)", "NULL"),
        ("ITEM([3, 2], 0)", "!counted from 1"),
        ("ITEM([3, 2], -1)", "!counted from 1"),
        ("ITEM(MAP('a', 1, 'b', 2), 'b')", "2"),
        ("ITEM(MAP('a', 1), 'zz')", "NULL"),
        ("ELEMENT([7])", "7"),
        ("ELEMENT([7, 8])", "!one element"),
        ("FIELD(ROW(1, 'x'), 1)", "x"),
        ("TYPEOF(ROW(1, 'x'))", "ROW<`EXPR$0` INT NOT NULL, `EXPR$1` CHAR(1) NOT NULL> NOT NULL"),
    ]);
}

#[test]
fn maps() {
    check(&[
        ("MAP('a', 1, 'a', 2)", "{a=2}"),
        ("MAP_KEYS(MAP('a', 1, 'b', 2))", "[a, b]"),
        ("MAP_VALUES(MAP('a', 1, 'b', NULL))", "[1, NULL]"),
        ("MAP_ENTRIES(MAP('q', 1))", "[(q, 1)]"),
        ("MAP_UNION(MAP('k', 1, 'l', 2), MAP('k', 100))", "{k=100, l=2}"),
        ("MAP_FROM_ARRAYS(['x', 'y'], [1, 3])", "{x=1, y=3}"),
        ("MAP_FROM_ARRAYS(['x'], [1, 3])", "!1 keys but 2 values"),
        ("CARDINALITY(MAP('a', 1))", "1"),
        ("MAP('a')", "!MAP takes"),
    ]);
}

#[test]
fn extremes_are_null_with_a_null() {
    check(&[
        ("GREATEST(7, 1, 100)", "100"),
        ("GREATEST(7, NULL, 100)", "NULL"),
        ("LEAST(-1.5e0, 1)", "-1.5"),
        ("GREATEST('a', 'ab')", "ab"),
        ("LEAST('é', 'z')", "z"),
        ("GREATEST(1.5, 2)", "2.0"),
        ("TYPEOF(GREATEST(1, 2L))", "BIGINT NOT NULL"),
        ("GREATEST(1, 'a')", "!GREATEST takes"),
        ("CURRENT_DATABASE()", "default_database"),
    ]);
}
