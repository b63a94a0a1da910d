//! Zones by name, as `java.util.TimeZone` finds them: a region, `GMT+hh:mm`, or else GMT.

use super::pattern::Moment;
use tidemill_types::zone::{offset_ms, utc_from_local_ms, utc_from_local_ms_late};

/// A region or a fixed distance from UTC in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JavaZone {
    Region(chrono_tz::Tz),
    Fixed(i64),
}

impl JavaZone {
    /// The zone of this name; what nobody knows is GMT.
    pub(super) fn named(name: &str) -> JavaZone {
        if let Ok(zone) = name.parse() {
            return JavaZone::Region(zone);
        }
        let distance = ["GMT", "UTC"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        JavaZone::Fixed(distance_ms(distance).unwrap_or(0))
    }

    /// The instant at which the zone's clock shows a time, as `java.time` has it.
    pub(super) fn utc_from_local_ms(self, local_ms: i64) -> i64 {
        match self {
            JavaZone::Region(zone) => utc_from_local_ms(zone, local_ms),
            JavaZone::Fixed(offset) => local_ms.wrapping_sub(offset),
        }
    }

    /// Likewise, as `java.util.Calendar` has it: of two instants the later.
    pub(super) fn calendar_utc_ms(self, local_ms: i64) -> i64 {
        match self {
            JavaZone::Region(zone) => utc_from_local_ms_late(zone, local_ms),
            JavaZone::Fixed(offset) => local_ms.wrapping_sub(offset),
        }
    }

    /// An instant on the zone's clock.
    pub(super) fn moment(self, utc_ms: i64) -> Moment {
        let (offset_ms, zone) = match self {
            JavaZone::Region(zone) => (offset_ms(zone, utc_ms), zone),
            JavaZone::Fixed(offset) => (offset, chrono_tz::UTC),
        };
        Moment { local_ms: utc_ms.wrapping_add(offset_ms), nanos: 0, offset_ms, zone }
    }
}

/// `+h`, `+hh`, `+hmm`, `+hhmm`, `+hh:mm` in milliseconds.
fn distance_ms(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = &text[1..];
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() <= 2 => (digits, "0"),
        None => digits.split_at_checked(digits.len() - 2)?,
    };
    let number = |text: &str, most: i64| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|number: &i64| plain && *number <= most)
    };
    Some(sign * (number(hours, 23)? * 60 + number(minutes, 59)?) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_javas() {
        assert_eq!(JavaZone::named("Asia/Tokyo"), JavaZone::Region(chrono_tz::Asia::Tokyo));
        for (name, minutes) in [("GMT+05:30", 330), ("GMT-8", -480), ("UTC+0130", 90), ("nowhere", 0)] {
            assert_eq!(JavaZone::named(name), JavaZone::Fixed(minutes * 60_000), "{name}");
        }
    }
}
