//! Mathematical functions: types, rounding, domains.

#[path = "support/call.rs"]
mod call;

use call::check;

#[test]
fn rounding() {
    check(&[
        ("ABS(-2147483648)", "-2147483648"),
        ("ABS(-12.345)", "12.345"),
        ("SIGN(-12.345)", "-1.000"),
        ("SIGN(-7)", "-1"),
        ("SIGN(0e0)", "0.0"),
        ("CEIL(-1.5e0)", "-1.0"),
        ("FLOOR(-1.5e0)", "-2.0"),
        ("CEIL(-12.345)", "-12"),
        ("FLOOR(-0.001)", "-1"),
        ("CEILING(7)", "7"),
        ("ROUND(2.5e0, 0)", "3.0"),
        ("ROUND(-2.5e0)", "-3.0"),
        ("ROUND(0.7071e0, 1)", "0.7"),
        ("ROUND(1e300, 1)", "1.0E300"),
        ("ROUND(1.005, 2)", "1.01"),
        ("ROUND(-12.345, 2)", "-12.35"),
        ("ROUND(12.345, -1)", "10"),
        ("ROUND(0.500)", "1"),
        ("ROUND(12.345, 7)", "12.345"),
        ("ROUND(45, -1)", "50"),
        ("ROUND(2147483647, -1)", "-2147483646"),
        ("ROUND(2147483647L, -3)", "2147484000"),
        ("ROUND(NULL::INT, 1)", "NULL"),
        ("TRUNCATE(12.345, 1)", "12.3"),
        ("TRUNCATE(-12.345, -2)", "0"),
        ("TRUNCATE(9999999.999, -2)", "9999900"),
        ("TRUNCATE(-1.5e0)", "-1.0"),
        ("TRUNCATE(2147483647, -1)", "2147483640"),
        ("TRUNCATE(3.4::FLOAT, 1)", "3.4"),
        ("TRUNCATE(-7.9::FLOAT, 0)", "-7.0"),
    ]);
}

#[test]
fn types() {
    check(&[
        ("TYPEOF(ROUND(1::DECIMAL(10,3), 1))", "DECIMAL(9, 1) NOT NULL"),
        ("TYPEOF(ROUND(1::DECIMAL(10,3)))", "DECIMAL(8, 0) NOT NULL"),
        ("TYPEOF(ROUND(1, 1))", "INT NOT NULL"),
        ("TYPEOF(TRUNCATE(1::DECIMAL(10,3), 1))", "DECIMAL(9, 1) NOT NULL"),
        ("TYPEOF(CEIL(1::DECIMAL(10,3)))", "DECIMAL(10, 0) NOT NULL"),
        ("TYPEOF(CEIL(1e0))", "DOUBLE NOT NULL"),
        ("TYPEOF(ABS(1::DECIMAL(10,3)))", "DECIMAL(10, 3) NOT NULL"),
        ("TYPEOF(POWER(1, 2))", "DOUBLE NOT NULL"),
        ("ABS('a')", "!ABS takes (a number), not (CHAR(1))"),
    ]);
}

#[test]
fn transcendental() {
    check(&[
        ("SQRT(-1)", "NaN"),
        ("SQRT(1.5e0)", "1.224744871391589"),
        ("LN(0)", "-Infinity"),
        ("LOG10(1e300)", "300.0"),
        ("LOG2(1.5e0)", "0.5849625007211562"),
        ("LOG(2, 0.7071e0)", "-0.5000138355781258"),
        ("LOG(1.5e0)", "0.4054651081081644"),
        ("EXP(0)", "1.0"),
        ("POWER(0.7071e0, 2)", "0.49999040999999994"),
        ("POWER(-7, 0.5)", "NaN"),
        ("COT(0)", "Infinity"),
        ("ACOS(2)", "NaN"),
        ("ATAN2(1.5e0, 7)", "0.21109333322274654"),
        ("TANH(1e300)", "1.0"),
        ("DEGREES(1.5e0)", "85.94366926962348"),
        ("RADIANS(1.5e0)", "0.026179938779914945"),
        ("PI()", "3.141592653589793"),
        ("E()", "2.718281828459045"),
        ("RAND(42)", "0.7275636800328681"),
        ("CHAR_LENGTH(UUID())", "36"),
        ("RAND_INTEGER(0)", "!above 0"),
    ]);
}
