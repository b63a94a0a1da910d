//! How numbers, shares and durations are written on the command line: `10k`, `2.5M`, `0.01`, `500ms`.

use std::time::Duration;

/// A count of events: digits, `_` between them, and `k`, `M` or `G` behind.
pub(super) fn count(text: &str) -> Result<u64, String> {
    let value = scaled(text).filter(|value| value.fract() == 0.0 && *value < 2f64.powi(53));
    value
        .map(|value| value as u64)
        .ok_or_else(|| "expected a whole number such as 500, 20k or 10M".to_owned())
}

/// How many different things there are: a count that is not 0 and fits 32 bits.
pub(super) fn cardinality(text: &str) -> Result<u64, String> {
    match count(text)? {
        0 => Err("there must be at least one".to_owned()),
        n if n > u64::from(u32::MAX) => Err("at most 4294967295".to_owned()),
        n => Ok(n),
    }
}

/// Events per second, more than 0.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let value = scaled(text).filter(|value| *value >= 1e-3 && *value <= 1e9);
    value.ok_or_else(|| "expected events per second such as 500, 20k or 0.5, from 0.001 to 1G".to_owned())
}

/// A share from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "expected a share from 0 to 1, such as 0.01 for one in a hundred".to_owned())
}

/// A duration of at most a day: a number with `ms`, `s`, `min` or `h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = (text[..split].trim(), text[split..].trim());
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" | "sec" => 1e3,
        "min" | "m" => 6e4,
        "h" => 3.6e6,
        _ => return Err("expected a duration such as 500ms, 5s, 2min or 1h".to_owned()),
    };
    let ms = number.parse::<f64>().ok().map(|value| value * unit_ms).filter(|ms| (0.0..=8.64e7).contains(ms));
    ms.map(|ms| Duration::from_millis(ms as u64))
        .ok_or_else(|| "expected a duration from 0 to 24h, such as 500ms or 5s".to_owned())
}

fn scaled(text: &str) -> Option<f64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1e3),
        b'm' | b'M' => (&text[..text.len() - 1], 1e6),
        b'g' | b'G' => (&text[..text.len() - 1], 1e9),
        _ => (text, 1.0),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'_' || b == b'.') {
        return None;
    }
    digits.replace('_', "").parse::<f64>().ok().map(|value| value * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(count("10M"), Ok(10_000_000));
        assert_eq!(count("1_000"), Ok(1_000));
        assert_eq!(count("2.5k"), Ok(2_500));
        assert_eq!(rate("0.5"), Ok(0.5));
        for text in ["", "-1", "1.5", "k", "ten", "1e5", "inf"] {
            assert!(count(text).is_err(), "{text}");
        }
        assert!(cardinality("0").is_err());
        assert!(rate("0").is_err());
    }

    #[test]
    fn shares_and_durations() {
        assert_eq!(share("0.01"), Ok(0.01));
        assert!(share("1.1").is_err() && share("NaN").is_err());
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5 s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("1.5min"), Ok(Duration::from_secs(90)));
        assert!(duration("5").is_err() && duration("-5s").is_err() && duration("30h").is_err());
    }
}
