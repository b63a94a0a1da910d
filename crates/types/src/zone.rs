//! Instants and wall-clock times of a zone, in milliseconds, as `java.time` maps them.
//!
//! A wall-clock time in a gap moves forward by the length of the gap; one in an overlap is the earlier
//! instant. Years beyond what the calendar knows count as UTC.

use chrono::{DateTime, MappedLocalTime, Offset, TimeZone};
use chrono_tz::Tz;
use std::ops::Range;

const HOUR_MS: i64 = 3_600_000;
/// Further from a gap or overlap than this, wall-clock times are plain: no zone ever moved by more in a day.
const MARGIN_MS: i64 = 26 * HOUR_MS;

/// The wall-clock time of an instant.
pub fn local_from_utc_ms(zone: Tz, ms: i64) -> i64 {
    ms + offset_ms(zone, ms)
}

/// The instant at which a zone's clock shows a time.
pub fn utc_from_local_ms(zone: Tz, local_ms: i64) -> i64 {
    utc_from_local(zone, local_ms, false)
}

/// Likewise, but the later instant of an overlap, as `java.util.Calendar` has it.
pub fn utc_from_local_ms_late(zone: Tz, local_ms: i64) -> i64 {
    utc_from_local(zone, local_ms, true)
}

/// How far a zone is ahead of UTC at an instant.
pub fn offset_ms(zone: Tz, ms: i64) -> i64 {
    if zone == Tz::UTC {
        return 0;
    }
    let Some(utc) = DateTime::from_timestamp(ms.div_euclid(1_000), 0) else { return 0 };
    i64::from(zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc()) * 1_000
}

fn utc_from_local(zone: Tz, local_ms: i64, late: bool) -> i64 {
    if zone == Tz::UTC {
        return local_ms;
    }
    let Some(local) = DateTime::from_timestamp(local_ms.div_euclid(1_000), 0) else { return local_ms };
    let offset = match zone.offset_from_local_datetime(&local.naive_utc()) {
        MappedLocalTime::Single(offset) => offset,
        MappedLocalTime::Ambiguous(a, b) => {
            let a_is_early = a.fix().local_minus_utc() > b.fix().local_minus_utc();
            if a_is_early != late { a } else { b }
        }
        // The offset in force until the gap puts the time as far behind the gap as it was inside.
        MappedLocalTime::None => return local_ms - offset_ms(zone, local_ms - MARGIN_MS),
    };
    local_ms - i64::from(offset.fix().local_minus_utc()) * 1_000
}

/// Converts runs of near times: it remembers for the last hour seen that the offset does not change in it.
#[derive(Debug, Clone)]
pub struct ZoneShift {
    zone: Tz,
    utc: Range<i64>,
    utc_offset: i64,
    local: Range<i64>,
    local_offset: i64,
}

impl ZoneShift {
    /// A converter for a zone.
    pub fn new(zone: Tz) -> Self {
        let known = if zone == Tz::UTC { i64::MIN..i64::MAX } else { 0..0 };
        ZoneShift { zone, utc: known.clone(), utc_offset: 0, local: known, local_offset: 0 }
    }

    /// The zone.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// See [`local_from_utc_ms`].
    #[inline]
    pub fn local_from_utc_ms(&mut self, ms: i64) -> i64 {
        if !self.utc.contains(&ms) {
            return self.look_up_utc(ms);
        }
        ms + self.utc_offset
    }

    /// See [`utc_from_local_ms`].
    #[inline]
    pub fn utc_from_local_ms(&mut self, local_ms: i64) -> i64 {
        if !self.local.contains(&local_ms) {
            return self.look_up_local(local_ms);
        }
        local_ms - self.local_offset
    }

    fn look_up_utc(&mut self, ms: i64) -> i64 {
        let hour = hour_around(ms);
        let offset = offset_ms(self.zone, ms);
        if offset_ms(self.zone, hour.start) == offset && offset_ms(self.zone, hour.end - 1) == offset {
            self.utc = hour;
            self.utc_offset = offset;
        }
        ms.saturating_add(offset)
    }

    fn look_up_local(&mut self, local_ms: i64) -> i64 {
        let hour = hour_around(local_ms);
        let before = offset_ms(self.zone, hour.start.saturating_sub(MARGIN_MS));
        if offset_ms(self.zone, hour.end.saturating_add(MARGIN_MS)) != before {
            return utc_from_local_ms(self.zone, local_ms);
        }
        self.local = hour;
        self.local_offset = before;
        local_ms.saturating_sub(before)
    }
}

fn hour_around(ms: i64) -> Range<i64> {
    let start = ms.saturating_sub(ms.rem_euclid(HOUR_MS));
    start..start.saturating_add(HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{America, Asia, Europe, Pacific};

    /// 2024-03-10T00:00:00Z.
    const DAY: i64 = 1_710_028_800_000;

    #[test]
    fn a_gap_moves_forward_and_an_overlap_is_early() {
        let zone = America::New_York;
        let half_past_two = DAY + 5 * HOUR_MS / 2;
        assert_eq!(utc_from_local_ms(zone, half_past_two), DAY + 15 * HOUR_MS / 2);
        // 2024-11-03 01:30 happens at 05:30Z and 06:30Z.
        let twice = 1_730_597_400_000;
        assert_eq!(utc_from_local_ms(zone, twice), twice + 4 * HOUR_MS);
        assert_eq!(utc_from_local_ms_late(zone, twice), twice + 5 * HOUR_MS);
    }

    #[test]
    fn the_cached_shift_equals_the_exact_one() {
        for zone in
            [Tz::UTC, America::New_York, Europe::Berlin, Asia::Shanghai, Pacific::Apia, Asia::Kathmandu]
        {
            let mut shift = ZoneShift::new(zone);
            for start in [DAY, 1_730_592_000_000, 1_325_203_200_000, -86_400_000 * 365] {
                for step in -300..300 {
                    let ms = start + step * 17 * 60_001;
                    assert_eq!(shift.local_from_utc_ms(ms), local_from_utc_ms(zone, ms), "{zone} {ms}");
                    assert_eq!(shift.utc_from_local_ms(ms), utc_from_local_ms(zone, ms), "{zone} {ms}");
                }
            }
            for extreme in [i64::MIN, i64::MAX] {
                shift.local_from_utc_ms(extreme);
                shift.utc_from_local_ms(extreme);
            }
        }
    }
}
