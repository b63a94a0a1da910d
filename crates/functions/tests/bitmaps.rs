//! BITMAP functions, with the answers of Flink 2.3.

#[path = "support/call.rs"]
mod call;

use call::check;

#[test]
fn sets_are_built_and_read() {
    check(&[
        ("BITMAP_BUILD([3, 1, 2, 1])", "{1,2,3}"),
        ("TYPEOF(BITMAP_BUILD([1]))", "BITMAP NOT NULL"),
        ("BITMAP_BUILD([NULL::INT, 1])", "{1}"),
        ("BITMAP_BUILD(NULL)", "NULL"),
        ("BITMAP_BUILD([1::TINYINT])", "{1}"),
        ("BITMAP_BUILD([1L])", "!BITMAP_BUILD takes (ARRAY<INT>), not (ARRAY<BIGINT NOT NULL>)"),
        ("BITMAP_BUILD([-1, 0, 2147483647])", "{0,2147483647,4294967295}"),
        ("BITMAP_CARDINALITY(BITMAP_BUILD([-1, 5]))", "2"),
        ("BITMAP_TO_ARRAY(BITMAP_BUILD([-1, 5, 0]))", "[0, 5, -1]"),
        ("TYPEOF(BITMAP_TO_ARRAY(BITMAP_BUILD([1])))", "ARRAY<INT> NOT NULL"),
        ("BITMAP_TO_STRING(BITMAP_BUILD([-1, 5, 0]))", "{0,5,4294967295}"),
        ("BITMAP_BUILD([1])::VARCHAR(2)", "{1"),
        ("BITMAP_CARDINALITY(1)", "!BITMAP_CARDINALITY takes (BITMAP), not (INT)"),
    ]);
}

#[test]
fn sets_are_combined() {
    check(&[
        ("BITMAP_AND(BITMAP_BUILD([1, 2]), BITMAP_BUILD([2, 3]))", "{2}"),
        ("BITMAP_AND(BITMAP_BUILD([1]), BITMAP_BUILD([2]))", "{}"),
        ("BITMAP_OR(BITMAP_BUILD([1]), BITMAP_BUILD([-9]))", "{1,4294967287}"),
        ("BITMAP_XOR(BITMAP_BUILD([1, 2]), BITMAP_BUILD([2, -9]))", "{1,4294967287}"),
        ("BITMAP_ANDNOT(BITMAP_BUILD([1, 2]), BITMAP_BUILD([2, -9]))", "{1}"),
        ("BITMAP_OR(BITMAP_BUILD([1]), NULL)", "NULL"),
        ("=(BITMAP_BUILD([1]), BITMAP_BUILD([1, 1]))", "TRUE"),
    ]);
}

#[test]
fn bytes_are_those_of_the_portable_format() {
    check(&[
        ("TO_BASE64(BITMAP_TO_BYTES(BITMAP_BUILD([-1, 5, 0])))", "OjAAAAIAAAAAAAEA//8AABgAAAAcAAAAAAAFAP//"),
        ("TO_BASE64(BITMAP_TO_BYTES(BITMAP_AND(BITMAP_BUILD([1]), BITMAP_BUILD([2]))))", "OjAAAAAAAAA="),
        ("BITMAP_FROM_BYTES(BITMAP_TO_BYTES(BITMAP_BUILD([-1, 5, 0])))", "{0,5,4294967295}"),
        ("BITMAP_FROM_BYTES(UNHEX('3A300000000000000000'))", "{}"),
        ("BITMAP_FROM_BYTES(''::BYTES)", "!are no bitmap"),
        ("BITMAP_FROM_BYTES(NULL)", "NULL"),
    ]);
}
