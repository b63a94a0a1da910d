//! Casts: text forms, refusals, rounding, constructed types.

#[path = "support/call.rs"]
mod call;

use call::check;

#[test]
fn text_to_numbers() {
    check(&[
        ("'1.9'::INT", "1"),
        ("' 42 '::INT", "42"),
        ("'+8'::TINYINT", "8"),
        ("'5.'::INT", "5"),
        ("'.5'::INT", "0"),
        ("'128'::?TINYINT", "NULL"),
        ("'-129'::?TINYINT", "NULL"),
        ("'32768'::?SMALLINT", "NULL"),
        ("'2147483648'::BIGINT", "2147483648"),
        ("'9223372036854775808'::?BIGINT", "NULL"),
        ("'-9223372036854775808'::BIGINT", "-9223372036854775808"),
        ("''::?INT", "NULL"),
        ("'1e3'::?INT", "NULL"),
        ("'1e3'::DOUBLE", "1000.0"),
        ("'NaN'::DOUBLE", "NaN"),
        ("'-Infinity'::DOUBLE", "-Infinity"),
        ("'1_000'::?DOUBLE", "NULL"),
        ("'0x10'::?DOUBLE", "NULL"),
        ("'inf'::?DOUBLE", "NULL"),
        ("'١٢'::?INT", "NULL"),
        ("'99999999.999'::FLOAT", "1.0E8"),
        ("'9223372036854775808'::FLOAT", "9.223372E18"),
        ("'2147483648'::FLOAT", "2.14748365E9"),
        ("'1.005'::DECIMAL(10,2)", "1.01"),
        ("'-1.9'::DECIMAL(3,0)", "-2"),
        ("'1e3'::DECIMAL(10,2)", "1000.00"),
        ("'32768'::DECIMAL(3,0)", "NULL"),
        ("'99999999.999'::DECIMAL(10,2)", "100000000.00"),
        ("'99999999.999'::DECIMAL(3,0)", "NULL"),
        ("'0012'::DECIMAL(3,0)", "NULL"),
        ("'0000000000000000012'::DECIMAL(3,0)", "12"),
        ("'99999999.999'::DECIMAL(20,2)", "100000000.00"),
        ("'-999999999999999999.99'::DECIMAL(18,1)", "NULL"),
        ("'NaN'::?DECIMAL(10,2)", "NULL"),
        ("'abc'::INT", "!'abc' can't be cast to INT"),
        ("'1e400'::DECIMAL(10,2)", "NULL"),
        ("'1e-400'::DECIMAL(10,2)", "0.00"),
    ]);
}

#[test]
fn text_to_booleans_is_not_trimmed() {
    check(&[
        ("'t'::BOOLEAN", "TRUE"),
        ("'FALSE'::BOOLEAN", "FALSE"),
        ("'Yes'::BOOLEAN", "TRUE"),
        ("'n'::BOOLEAN", "FALSE"),
        ("'0'::BOOLEAN", "FALSE"),
        ("' true'::?BOOLEAN", "NULL"),
        ("'maybe'::BOOLEAN", "!'maybe' can't be cast to BOOLEAN"),
    ]);
}

#[test]
fn text_to_times() {
    check(&[
        ("'2024-1-5'::DATE", "2024-01-05"),
        ("'2024'::DATE", "2024-01-01"),
        ("' 2024-02-29 '::DATE", "2024-02-29"),
        ("'2024-02-29 12:34:56Z'::DATE", "2024-02-29"),
        ("'2024-02-30'::?DATE", "NULL"),
        ("'20240229'::?DATE", "NULL"),
        ("''::?DATE", "NULL"),
        ("'2024-02-29T12:34:56'::?DATE", "NULL"),
        ("'12:34'::TIME", "12:34:00"),
        ("'12:34:56.789'::TIME", "12:34:56"),
        ("'25:00:00'::?TIME", "NULL"),
        ("'2024'::?TIME", "NULL"),
        ("'2024-02-29'::?TIME", "NULL"),
        ("'2024-02-30'::TIMESTAMP(3)", "2024-02-29 00:00:00.000"),
        ("'2024-1-5'::TIMESTAMP(0)", "2024-01-05 00:00:00"),
        ("'2024-02-29 12:34:56.123456789'::TIMESTAMP(9)", "2024-02-29 12:34:56.123456789"),
        ("'2024-02-29 12:34:56.123456789'::TIMESTAMP(3)", "2024-02-29 12:34:56.123"),
        ("'2024-02-29 12:34:56.129'::TIMESTAMP(2)", "2024-02-29 12:34:56.12"),
        ("'2024-02-29 12:34'::?TIMESTAMP(3)", "NULL"),
        ("'2024-02-29T12:34:56'::?TIMESTAMP(3)", "NULL"),
        ("' 2024-02-29 '::?TIMESTAMP(3)", "NULL"),
        ("'0001-01-01 00:00:00'::TIMESTAMP(3)", "0001-01-01 00:00:00.000"),
        ("'2024-02-29 12:34:56'::LTZ(3)", "2024-02-29 12:34:56.000"),
    ]);
}

#[test]
fn between_times() {
    check(&[
        ("'1969-12-31 23:59:59.999'::TIMESTAMP(3)::TIMESTAMP(0)", "1970-01-01 00:00:00"),
        ("'2024-02-29 12:34:56.789'::TIMESTAMP(3)::TIMESTAMP(6)", "2024-02-29 12:34:56.789000"),
        ("'2024-02-29 12:34:56.789'::TIMESTAMP(3)::DATE", "2024-02-29"),
        ("'2024-02-29 12:34:56.789'::TIMESTAMP(3)::TIME", "12:34:56"),
        ("'2024-02-29'::DATE::TIMESTAMP(3)", "2024-02-29 00:00:00.000"),
        ("'2024-07-01 12:00:00'::TIMESTAMP(3)::LTZ(3)", "2024-07-01 12:00:00.000"),
        ("'2024-07-01 12:00:00'::LTZ(3)::TIMESTAMP(0)", "2024-07-01 12:00:00"),
        ("'2024-03-31 02:30:00'::TIMESTAMP(3)::LTZ(3)", "2024-03-31 03:30:00.000"),
        ("'2024-10-27 02:30:00'::TIMESTAMP(3)::LTZ(3)::TIMESTAMP(3)", "2024-10-27 02:30:00.000"),
        ("'2024-07-01'::DATE::LTZ(3)::DATE", "2024-07-01"),
        ("1::TIMESTAMP(3)", "!no cast"),
        ("'2024-07-01'::DATE::INT", "!no cast"),
    ]);
}

#[test]
fn between_numbers() {
    check(&[
        ("1000::SMALLINT::TINYINT", "-24"),
        ("1e10::INT", "2147483647"),
        ("1e10::SMALLINT", "-1"),
        ("-1e10::BIGINT", "-10000000000"),
        ("-1.9e0::INT", "-1"),
        ("9999999.999::INT", "9999999"),
        ("9999999.999::DECIMAL(10,1)", "10000000.0"),
        ("9999999.999::DECIMAL(4,2)", "NULL"),
        ("-12.345::DECIMAL(4,2)", "-12.35"),
        ("0.7071e0::DECIMAL(10,2)", "0.71"),
        ("1e300::DECIMAL(10,2)", "NULL"),
        ("2147483647::DECIMAL(5,2)", "NULL"),
        ("2147483647::FLOAT::STRING", "2.14748365E9"),
        ("3.4::FLOAT::DOUBLE", "3.4000000953674316"),
        ("9223372036854775807L::DOUBLE", "9.223372036854776E18"),
        ("0::BOOLEAN", "FALSE"),
        ("-7::BOOLEAN", "TRUE"),
        ("0.500::BOOLEAN", "TRUE"),
        ("TRUE::DECIMAL(3,1)", "1.0"),
    ]);
}

#[test]
fn numbers_to_text_are_javas() {
    check(&[
        ("7e7::STRING", "7.0E7"),
        ("0.007e0::STRING", "0.007"),
        ("0.0001e0::STRING", "1.0E-4"),
        ("1e300::STRING", "1.0E300"),
        ("2147483.647e0::STRING", "2147483.647"),
        ("2.147483647e16::STRING", "2.147483647E16"),
        ("1e7::STRING", "1.0E7"),
        ("9999999e0::STRING", "9999999.0"),
        ("100e0::STRING", "100.0"),
        ("0e0::STRING", "0.0"),
        ("1e10::FLOAT::STRING", "1.0E10"),
        ("0.1e0::FLOAT::STRING", "0.1"),
        ("-7.9e0::FLOAT::DOUBLE::STRING", "-7.900000095367432"),
        ("-0.05::STRING", "-0.05"),
        ("TRUE::STRING", "TRUE"),
        ("FALSE::CHAR(2)", "FA"),
        ("7::CHAR(12)", "7           "),
        ("2147483647::VARCHAR(3)", "214"),
        ("'中文测试'::VARCHAR(2)", "中文"),
        ("'ab'::CHAR(4)", "ab  "),
    ]);
}

#[test]
fn constructed_types() {
    check(&[
        ("['a', NULL::STRING, '']::STRING", "[a, NULL, ]"),
        ("[7, NULL, 3]::STRING", "[7, NULL, 3]"),
        ("MAP('k', 12.345)::STRING", "{k=12.345}"),
        ("MAP(NULL::STRING, 1, 'k', 2, NULL::STRING, 3)::STRING", "{NULL=3, k=2}"),
        ("MAP(NULL::STRING, 1)::MAP<INT,STRING>::STRING", "{NULL=1}"),
        ("ROW(7, 'x', NULL::DOUBLE)::STRING", "(7, x, NULL)"),
        ("[1, 2]::ARRAY<DOUBLE>", "[1.0, 2.0]"),
        ("['ab', 'c']::ARRAY<VARCHAR(1)>", "[a, c]"),
        ("MAP('k', 1)::MAP<STRING,STRING>", "{k=1}"),
        ("NULL::ARRAY<INT>", "NULL"),
        ("[1]::INT", "!no cast"),
    ]);
}

#[test]
fn bytes() {
    check(&[
        ("'abc'::BYTES::STRING", "abc"),
        ("HEX('abc'::BINARY(4)::STRING)", "61626300"),
        ("'中'::VARBINARY(3)::STRING", "中"),
        ("'ABCDE'::BYTES::BINARY(2)::STRING", "AB"),
    ]);
}
