//! Between instants and the wall clock that windows follow.
//!
//! Invariant: without a zone both are the same. The rules are those of `java.time` and of Flink's
//! `TimeWindowUtil`: a wall-clock time in a gap moves forward by its length, one in an overlap is the
//! earlier instant, but a window that ends in an overlap fires at the later one.

use chrono_tz::Tz;
use tidemill_types::WATERMARK_MAX;
use tidemill_types::zone::{ZoneShift, utc_from_local_ms};

const HOUR_MS: i64 = 3_600_000;

/// The wall clock of a zone, remembering what it was last asked about.
#[derive(Debug, Clone)]
pub struct WallClock {
    shift: Option<ZoneShift>,
    /// The last window end asked for and when it fires.
    fires: Option<(i64, i64)>,
}

impl WallClock {
    /// The wall clock of a zone; absent: UTC.
    pub fn new(zone: Option<Tz>) -> Self {
        WallClock { shift: zone.filter(|&zone| zone != Tz::UTC).map(ZoneShift::new), fires: None }
    }

    /// Whether both sides are the same.
    #[inline]
    pub fn is_utc(&self) -> bool {
        self.shift.is_none()
    }

    /// The wall-clock ms of an instant.
    #[inline]
    pub fn wall(&mut self, instant: i64) -> i64 {
        self.shift.as_mut().map_or(instant, |shift| shift.local_from_utc_ms(instant))
    }

    /// The instant of a wall-clock time.
    pub fn instant(&self, wall: i64) -> i64 {
        self.shift.as_ref().map_or(wall, |shift| utc_from_local_ms(shift.zone(), wall))
    }

    /// The watermark from which on a window with this wall-clock end has fired.
    #[inline]
    pub fn fires_at(&mut self, end: i64) -> i64 {
        let Some(zone) = self.shift.as_ref().map(ZoneShift::zone) else { return end - 1 };
        match self.fires {
            Some((known, at)) if known == end => at,
            _ => {
                let at = timer(zone, end - 1);
                self.fires = Some((end, at));
                at
            }
        }
    }
}

/// Flink's `TimeWindowUtil.toEpochMillsForTimer`.
fn timer(zone: Tz, wall: i64) -> i64 {
    if wall >= WATERMARK_MAX - 1 {
        return wall;
    }
    let (first, second) = (utc_from_local_ms(zone, wall), utc_from_local_ms(zone, wall + HOUR_MS));
    if second - first > HOUR_MS {
        second - HOUR_MS
    } else if first == second {
        first - first % HOUR_MS
    } else {
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> i64 {
        chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc().timestamp_millis()
    }

    #[test]
    fn clock_changes_follow_flink() {
        let mut clock = WallClock::new(Some(Tz::America__New_York));
        // Spring: 02:00 to 03:00 is missing on 2024-03-10.
        assert_eq!(clock.wall(utc("2024-03-10 06:59")), utc("2024-03-10 01:59"));
        assert_eq!(clock.wall(utc("2024-03-10 07:00")), utc("2024-03-10 03:00"));
        assert_eq!(clock.instant(utc("2024-03-10 02:30")), utc("2024-03-10 07:30"));
        // Autumn: 01:00 to 02:00 comes twice on 2024-11-03; a window fires after the second.
        assert_eq!(clock.instant(utc("2024-11-03 01:30")), utc("2024-11-03 05:30"));
        assert_eq!(clock.fires_at(utc("2024-11-03 02:00")), utc("2024-11-03 07:00") - 1);
        assert_eq!(clock.fires_at(utc("2024-11-04 00:00")), utc("2024-11-04 05:00") - 1);
    }
}
