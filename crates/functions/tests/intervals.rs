//! Parts of intervals.

#[path = "support/call.rs"]
mod call;

use call::check;

#[test]
fn parts_of_intervals() {
    let days =
        "MINUS_INTERVAL_DAY('2024-01-03 01:02:03.004'::TIMESTAMP(3), '2024-01-01 00:00:00'::TIMESTAMP(3))";
    let months = "MINUS_INTERVAL_MONTH('2024-03-01'::DATE, '2022-01-01'::DATE)";
    let cases = [
        ("DAY", days, "2"),
        ("HOUR", days, "1"),
        ("MINUTE", days, "2"),
        ("SECOND", days, "3"),
        ("YEAR", days, "!this interval has no YEAR"),
        ("YEAR", months, "2"),
        ("MONTH", months, "2"),
        ("DAY", months, "!this interval has no DAY"),
    ];
    for (unit, interval, expected) in cases {
        check(&[(&format!("EXTRACT('{unit}', {interval})"), expected)]);
    }
}
