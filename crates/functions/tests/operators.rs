//! Operators: types, values at the edges, NULLs.

#[path = "support/call.rs"]
mod call;

use call::check;

#[test]
fn integers_wrap_and_divide_toward_zero() {
    check(&[
        ("+(1, 2)", "3"),
        ("+(2147483647, 1)", "-2147483648"),
        ("-(-2147483648, 1)", "2147483647"),
        ("*(2147483647, 2)", "-2"),
        ("*(9223372036854775807L, 2)", "-2"),
        ("/(7, 2)", "3"),
        ("/(-7, 2)", "-3"),
        ("/(-2147483648, -1)", "-2147483648"),
        ("/(10, 0)", "!division by zero"),
        ("/(NULL::INT, 0)", "NULL"),
        ("%(-7, 3)", "-1"),
        ("%(10, 0)", "!division by zero"),
        ("MOD(9223372036854775807L, 7)", "0"),
        ("NEG(-2147483648)", "-2147483648"),
        ("NEG(1.50)", "-1.50"),
        ("+(NULL, 1)", "NULL"),
        ("TYPEOF(MOD(1, 2L))", "BIGINT NOT NULL"),
        ("TYPEOF(MOD(2L, 1))", "INT NOT NULL"),
        ("TYPEOF(+(1::SMALLINT, 1::TINYINT))", "SMALLINT NOT NULL"),
        ("TYPEOF(*(1::TINYINT, 1::TINYINT))", "TINYINT NOT NULL"),
        ("TYPEOF(+(NULL::INT, 2L))", "BIGINT"),
        ("MOD(1e0, 2)", "!'%' takes (a number, a number), not (DOUBLE, INT)"),
        ("+('1', 2)", "!'+' takes (a number, a number), (a date or time, an interval) or"),
    ]);
}

#[test]
fn floating_point_never_fails() {
    check(&[
        ("/(1e0, 0e0)", "Infinity"),
        ("/(0e0, 0e0)", "NaN"),
        ("*(1e300, 1e300)", "Infinity"),
        ("TYPEOF(*(1::FLOAT, 1e0))", "FLOAT NOT NULL"),
        ("TYPEOF(+(1::FLOAT, 1))", "FLOAT NOT NULL"),
        ("TYPEOF(+(1.5, 1::FLOAT))", "DOUBLE NOT NULL"),
        ("TYPEOF(*(1.5, 1e0))", "DOUBLE NOT NULL"),
    ]);
}

#[test]
fn decimals_have_flinks_types() {
    check(&[
        ("TYPEOF(0.908)", "DECIMAL(4, 3) NOT NULL"),
        ("TYPEOF(+(1::DECIMAL(10,3), 1))", "DECIMAL(14, 3) NOT NULL"),
        ("TYPEOF(-(1::DECIMAL(10,3), 1L))", "DECIMAL(23, 3) NOT NULL"),
        ("TYPEOF(*(1::DECIMAL(10,3), 1::DECIMAL(10,3)))", "DECIMAL(21, 6) NOT NULL"),
        ("TYPEOF(/(1::DECIMAL(10,3), 1::DECIMAL(10,3)))", "DECIMAL(24, 14) NOT NULL"),
        ("TYPEOF(/(1::DECIMAL(10,3), 3))", "DECIMAL(21, 14) NOT NULL"),
        ("TYPEOF(MOD(1::DECIMAL(10,3), 1))", "DECIMAL(10, 3) NOT NULL"),
        ("TYPEOF(*(0.908, 1L))", "DECIMAL(24, 3) NOT NULL"),
    ]);
}

#[test]
fn decimals_are_exact_and_overflow_to_null() {
    check(&[
        ("+(12.34::DECIMAL(8,2), 3.1415::DECIMAL(10,4))", "15.4815"),
        ("*(12.34::DECIMAL(8,2), 3.1415::DECIMAL(10,4))", "38.766110"),
        ("/(12.34::DECIMAL(8,2), 3.1415::DECIMAL(10,4))", "3.9280598440236"),
        ("MOD(12.34::DECIMAL(8,2), 3.1415::DECIMAL(10,4))", "2.9155"),
        ("/(-0.01::DECIMAL(8,2), 0.0007::DECIMAL(10,4))", "-14.2857142857143"),
        ("/(999999.99::DECIMAL(8,2), -999999.9999::DECIMAL(10,4))", "-0.9999999901000"),
        ("*(0.908, 7L)", "6.356"),
        (
            "*('12345678901234567890.123456789'::DECIMAL(38,9), '12345678901234567890.123456789'::DECIMAL(38,9))",
            "NULL",
        ),
        ("*('0.000000001'::DECIMAL(38,9), '0.000000001'::DECIMAL(38,9))", "0.000000"),
        ("/('12345678901234567890.123456789'::DECIMAL(38,9), 3)", "4115226300411522630.041152263"),
        ("+('12345678901234567890.123456789'::DECIMAL(38,9), 1)", "12345678901234567891.12345679"),
        (
            "+('99999999999999999999999999999.999999999'::DECIMAL(38,9), 1)",
            "100000000000000000000000000001.00000000",
        ),
        ("/(1, 0.000)", "!division by zero"),
    ]);
}

#[test]
fn comparisons_coerce_and_know_null() {
    check(&[
        ("=(1, 1L)", "TRUE"),
        ("<(1.10, 1.1)", "FALSE"),
        ("=(1.10, 1.1)", "TRUE"),
        ("=(7, 7.0)", "TRUE"),
        ("=(0.25::FLOAT, 0.25)", "TRUE"),
        ("=(0.1::FLOAT, 0.1)", "FALSE"),
        ("=(/(0e0, 0e0), /(0e0, 0e0))", "FALSE"),
        ("=(0e0, NEG(0e0))", "TRUE"),
        ("<('a ', 'a')", "FALSE"),
        ("<('Z', '_')", "TRUE"),
        ("<('中', '日')", "TRUE"),
        (">=('', 'a')", "FALSE"),
        ("=('2024-02-29'::DATE, '2024-02-29')", "TRUE"),
        (">('2024-02-29 12:00:00'::TIMESTAMP(3), '2024-01-01 00:00:00')", "TRUE"),
        ("=(NULL, 1)", "NULL"),
        ("IS DISTINCT FROM(NULL::INT, 1)", "TRUE"),
        ("IS NOT DISTINCT FROM(NULL::INT, NULL::INT)", "TRUE"),
        ("IS NOT DISTINCT FROM(1e0, 1e0)", "TRUE"),
        ("IS DISTINCT FROM(NULL::DOUBLE, 1e0)", "TRUE"),
        ("=(1, '7')", "!'=' takes (two values that can be compared), not (INT, CHAR(1))"),
        ("=([1], 1)", "!can be compared"),
        ("=(ROW(1, 'a'), ROW(1, 'a'))", "TRUE"),
        ("=(ROW(1, 'a'), ROW(2, 'a'))", "FALSE"),
        ("=([1, 2], [1, 2])", "TRUE"),
        ("<>(MAP('a', 1, 'b', 2), MAP('b', 2, 'a', 1))", "FALSE"),
        ("<([1], [2])", "!can be compared"),
    ]);
}

#[test]
fn predicates_are_never_null() {
    check(&[
        ("IS NULL(NULL::INT)", "TRUE"),
        ("IS NOT NULL(1)", "TRUE"),
        ("IS TRUE(NULL::BOOLEAN)", "FALSE"),
        ("IS NOT TRUE(NULL::BOOLEAN)", "TRUE"),
        ("IS FALSE(FALSE)", "TRUE"),
        ("IS UNKNOWN(NULL::BOOLEAN)", "TRUE"),
        ("IS NOT UNKNOWN(TRUE)", "TRUE"),
        ("NOT(TRUE)", "FALSE"),
        ("NOT(NULL::BOOLEAN)", "NULL"),
        ("NOT(1)", "!NOT takes (BOOLEAN), not (INT)"),
    ]);
}

#[test]
fn membership_is_unknown_when_a_null_might_match() {
    check(&[
        ("IN(1, 1, 2, NULL)", "TRUE"),
        ("IN(3, 1, 2, NULL)", "NULL"),
        ("IN(3, 1, 2)", "FALSE"),
        ("IN(NULL::INT, 1, 2)", "NULL"),
        ("IN(7, 7, 45.0)", "TRUE"),
        ("IN('b', 'a', 'b')", "TRUE"),
        ("IN('h', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')", "TRUE"),
        ("IN(9, 1, 2, 3, 4, 5, 6, 7, NULL)", "NULL"),
        ("IN(9L, 1, 2, 3, 4, 5, 6, 9L)", "TRUE"),
        ("IN('2024-02-29'::DATE, '2024-02-28', '2024-02-29')", "TRUE"),
        ("IN(1, 'a')", "!IN takes"),
    ]);
}

#[test]
fn patterns() {
    check(&[
        ("LIKE('Hello World', '%o%')", "TRUE"),
        ("LIKE('Hello', '_e%')", "TRUE"),
        ("LIKE('', '')", "TRUE"),
        ("LIKE('', '%')", "TRUE"),
        ("LIKE('中文测试😀ab', '____😀__')", "TRUE"),
        ("LIKE('tab\tnew\nline', 'tab%line')", "TRUE"),
        ("LIKE('hello', 'Hello')", "FALSE"),
        ("LIKE('100%_', '%\\_%')", "FALSE"),
        ("LIKE('foo%bar', '%!%%', '!')", "TRUE"),
        ("LIKE('foo_bar', '%#_%', '#')", "TRUE"),
        ("LIKE('aXbXc', 'a%b%c')", "TRUE"),
        ("LIKE('ab', 'a%ab')", "FALSE"),
        ("LIKE('abab', '%_b')", "TRUE"),
        ("LIKE(NULL::STRING, '%')", "NULL"),
        ("LIKE('a', '!a', '!')", "!invalid escape sequence"),
        ("SIMILAR TO('foo%bar', '(ABC|foo).*')", "TRUE"),
        ("SIMILAR TO('Hello World', '[A-Z]%')", "TRUE"),
        ("SIMILAR TO('ABCabc123', '%[0-9]+')", "TRUE"),
        ("SIMILAR TO('abc', 'b')", "FALSE"),
    ]);
}

#[test]
fn intervals_move_times() {
    check(&[
        (
            "MINUS_INTERVAL_DAY('2024-03-01 00:00:00'::TIMESTAMP(3), '2024-02-29 21:56:55.995'::TIMESTAMP(3))",
            "+0 02:03:04.005",
        ),
        ("MINUS_INTERVAL_MONTH('2024-03-30'::DATE, '2024-01-31'::DATE)", "+0-01"),
        (
            "MINUS_INTERVAL_MONTH('1900-03-01 00:00:00.5'::TIMESTAMP(3), '2020-01-01 00:00:00'::TIMESTAMP(3))",
            "-119-10",
        ),
        (
            "MINUS_INTERVAL_MONTH('2020-03-01 00:00:00'::TIMESTAMP(3), '2020-01-01 00:00:00.5'::TIMESTAMP(3))",
            "+0-01",
        ),
        (
            "MINUS_INTERVAL_MONTH('2020-03-01 00:00:00'::TIMESTAMP(3), '2020-01-02 23:00:00'::TIMESTAMP(3))",
            "+0-01",
        ),
        ("NEG(MINUS_INTERVAL_MONTH('2025-03-31'::DATE, '2024-01-31'::DATE))", "-1-02"),
        ("+('2024-01-31'::DATE, MINUS_INTERVAL_MONTH('2024-02-01'::DATE, '2024-01-01'::DATE))", "2024-02-29"),
        (
            "-('2024-03-31 10:00:00'::TIMESTAMP(3), MINUS_INTERVAL_MONTH('2024-02-01'::DATE, '2024-01-01'::DATE))",
            "2024-02-29 10:00:00.000",
        ),
        (
            "+('9999-11-30 23:59:59.123456789'::TIMESTAMP(9), MINUS_INTERVAL_DAY('2024-02-02'::DATE, '2024-02-01'::DATE))",
            "9999-12-01 23:59:59.123456789",
        ),
        (
            "-('9999-12-31 23:59:59.123456789'::TIMESTAMP(9), MINUS_INTERVAL_MONTH('2024-02-01'::DATE, '2024-01-01'::DATE))",
            "9999-11-30 23:59:59.123456789",
        ),
        (
            "+('2024-03-30 12:00:00.123456789'::LTZ(9), MINUS_INTERVAL_MONTH('2024-02-01'::DATE, '2024-01-01'::DATE))",
            "2024-04-30 12:00:00.123456789",
        ),
        ("-('2024-03-01'::DATE, MINUS_INTERVAL_DAY('10:00:00'::TIME, '00:00:00'::TIME))", "2024-03-01"),
        ("+('2024-03-01'::DATE, MINUS_INTERVAL_DAY('00:00:00'::TIME, '10:00:00'::TIME))", "2024-03-01"),
        ("+('23:00:00'::TIME, MINUS_INTERVAL_DAY('02:00:00'::TIME, '00:00:00'::TIME))", "01:00:00"),
        ("*(MINUS_INTERVAL_DAY('02:00:00'::TIME, '00:00:00'::TIME), 12)", "+1 00:00:00.000"),
        ("*(3, MINUS_INTERVAL_DAY('00:00:01'::TIME, '00:00:00'::TIME))", "+0 00:00:03.000"),
        (
            "+('2024-03-30 12:00:00'::LTZ(3), MINUS_INTERVAL_DAY('2024-01-02'::DATE, '2024-01-01'::DATE))",
            "2024-03-31 13:00:00.000",
        ),
        (
            "+('2024-03-30 12:00:00'::LTZ(3), MINUS_INTERVAL_MONTH('2024-02-01'::DATE, '2024-01-01'::DATE))",
            "2024-04-30 12:00:00.000",
        ),
        ("+('2024-01-01'::DATE, 1)", "!'+' takes"),
        (
            "TYPEOF(+('2024-01-01'::DATE, MINUS_INTERVAL_DAY('2024-01-02'::DATE, '2024-01-01'::DATE)))",
            "DATE NOT NULL",
        ),
    ]);
}
