//! Numbers for people.

use std::time::Duration;

/// `1 row`, `2 rows`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(n as u64), if n == 1 { "" } else { "s" })
}

/// `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `950`, `1.23 k`, `45.6 M`: three digits and a unit.
pub(crate) fn short(n: f64) -> String {
    scaled(n, &["", " k", " M", " G", " T"])
}

/// `950 B`, `1.23 kB`, `45.6 MB`.
pub(crate) fn bytes(n: f64) -> String {
    scaled(n, &[" B", " kB", " MB", " GB", " TB"])
}

/// `35 ms`, `1.24 s`, `2 m 05 s`, `3 h 07 m`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.2} s", time.as_secs_f64()),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
    }
}

/// How many in a second.
pub(crate) fn rate(n: u64, time: Duration) -> f64 {
    n as f64 / time.as_secs_f64().max(1e-6)
}

fn scaled(mut n: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while n >= 999.5 && unit + 1 < units.len() {
        n /= 1000.0;
        unit += 1;
    }
    let decimals = match n {
        _ if unit == 0 || n >= 99.95 => 0,
        _ if n >= 9.995 => 1,
        _ => 2,
    };
    format!("{n:.decimals$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        cases.iter().for_each(|(n, text)| assert_eq!(grouped(*n), *text));
    }

    #[test]
    fn units_keep_three_digits() {
        let cases =
            [(0.0, "0"), (999.0, "999"), (999.6, "1.00 k"), (12_345.0, "12.3 k"), (123_456_789.0, "123 M")];
        cases.iter().for_each(|(n, text)| assert_eq!(short(*n), *text));
        assert_eq!(bytes(1536.0), "1.54 kB");
    }

    #[test]
    fn durations_have_their_unit() {
        let cases = [(35, "35 ms"), (1240, "1.24 s"), (125_000, "2 m 05 s"), (11_220_000, "3 h 07 m")];
        cases.iter().for_each(|(ms, text)| assert_eq!(duration(Duration::from_millis(*ms)), *text));
    }
}
