//! Timestamps as Flink keeps them in Parquet: as UTC, or converted from and to this machine's zone.
//!
//! Flink treats TIMESTAMP and TIMESTAMP_LTZ alike here: the zone is that of its machine, not the session's.

use crate::parse::Instant;
use chrono::{DateTime, Local, NaiveDateTime, Offset, TimeZone};
use parquet::data_type::Int96;
use tidemill_types::text::NANOS_PER_DAY;

/// The Julian day of 1970-01-01.
const EPOCH_JULIAN: i64 = 2_440_588;
const DAY_SECONDS: i64 = 86_400;
const SECOND_NANOS: i64 = 1_000_000_000;

/// What timestamps of files are converted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    Utc,
    Machine,
}

impl Zone {
    /// The zone that the option `utc-timezone` asks for.
    pub fn of(utc: bool) -> Self {
        if utc { Zone::Utc } else { Zone::Machine }
    }

    /// Whether nothing is to be converted: then whole columns need no look at their values.
    pub fn is_utc(self) -> bool {
        let is_zero = |at: i64| offset_seconds(at) == 0;
        // A zone that had no offset then and has none now, in winter and summer, is taken for UTC.
        self == Zone::Utc
            || [0, 15_552_000, 1_000_000_000, 1_015_552_000, 1_720_000_000].into_iter().all(is_zero)
    }

    /// From what a file has to what is shown.
    pub fn read(self, instant: Instant) -> Instant {
        match self {
            Zone::Utc => instant,
            Zone::Machine => shifted(instant, offset_seconds(seconds(instant))),
        }
    }

    /// From what is shown to what a file has.
    pub fn write(self, instant: Instant) -> Instant {
        match self {
            Zone::Utc => instant,
            Zone::Machine => shifted(instant, -wall_offset_seconds(seconds(instant))),
        }
    }
}

fn seconds(instant: Instant) -> i64 {
    instant.days * DAY_SECONDS + instant.nanos.div_euclid(SECOND_NANOS)
}

fn shifted(instant: Instant, seconds: i64) -> Instant {
    let nanos = instant.nanos + seconds * SECOND_NANOS;
    Instant { days: instant.days + nanos.div_euclid(NANOS_PER_DAY), nanos: nanos.rem_euclid(NANOS_PER_DAY) }
}

fn naive(seconds: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds, 0).map(|at| at.naive_utc())
}

fn offset_seconds(at: i64) -> i64 {
    naive(at).map_or(0, |at| i64::from(Local.offset_from_utc_datetime(&at).fix().local_minus_utc()))
}

/// The first of two offsets where clocks are put back, that before where they are put forward.
fn wall_offset_seconds(wall: i64) -> i64 {
    let offset = naive(wall).and_then(|at| Local.offset_from_local_datetime(&at).earliest());
    offset.map_or_else(
        || offset_seconds(wall - DAY_SECONDS),
        |offset| i64::from(offset.fix().local_minus_utc()),
    )
}

/// A timestamp as INT96: nanoseconds of the day and the Julian day.
pub(super) fn int96(instant: Instant) -> Int96 {
    let (nanos, day) = (instant.nanos as u64, (instant.days + EPOCH_JULIAN) as u32);
    let mut value = Int96::new();
    value.set_data(nanos as u32, (nanos >> 32) as u32, day);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int96_counts_julian_days() {
        let at = |days, nanos| int96(Instant { days, nanos }).data().to_vec();
        assert_eq!(at(0, 0), [0, 0, 2_440_588]);
        assert_eq!(at(-1, 1 << 32), [0, 1, 2_440_587]);
    }

    #[test]
    fn shifts_pass_midnight() {
        let late = Instant { days: 0, nanos: NANOS_PER_DAY - 1 };
        assert_eq!(shifted(late, 1), Instant { days: 1, nanos: SECOND_NANOS - 1 });
        assert_eq!(shifted(Instant { days: 0, nanos: 0 }, -1).days, -1);
    }
}
