//! Instants and wall-clock times of a zone, as `java.time` maps them.
//!
//! A wall-clock time in a gap moves forward by the length of the gap; one in an overlap is the earlier
//! instant.

use chrono::{MappedLocalTime, Offset, TimeZone};
use chrono_tz::Tz;

/// The wall-clock milliseconds of an instant.
pub fn to_local_ms(zone: Tz, instant_ms: i64) -> i64 {
    instant_ms + offset_ms(zone, instant_ms)
}

/// How far a zone is ahead of UTC at an instant, in milliseconds.
pub fn offset_ms(zone: Tz, instant_ms: i64) -> i64 {
    if zone == Tz::UTC {
        return 0;
    }
    let Some(utc) = chrono::DateTime::from_timestamp(instant_ms.div_euclid(1_000), 0) else { return 0 };
    let offset = zone.offset_from_utc_datetime(&utc.naive_utc()).fix();
    i64::from(offset.local_minus_utc()) * 1_000
}

/// The instant at which a zone's clock shows a time.
pub fn from_local_ms(zone: Tz, local_ms: i64) -> i64 {
    if zone == Tz::UTC {
        return local_ms;
    }
    let Some(local) = chrono::DateTime::from_timestamp(local_ms.div_euclid(1_000), 0) else {
        return local_ms;
    };
    match zone.offset_from_local_datetime(&local.naive_utc()) {
        MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => {
            local_ms - i64::from(offset.fix().local_minus_utc()) * 1_000
        }
        // The offset of some hours before is the one in force until the gap.
        MappedLocalTime::None => {
            local_ms - offset_ms(zone, local_ms - offset_ms(zone, local_ms) - DAY_MS / 4)
        }
    }
}

const DAY_MS: i64 = tidemill_types::text::DAY_MS;
