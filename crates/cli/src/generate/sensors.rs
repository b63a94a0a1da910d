//! Readings of temperature and humidity, one JSON object per reading.
//!
//! Invariant: each sensor walks in small steps around its own mean and jumps now and then; a reading always
//! lies within [-60, 90] degrees and [0, 100] percent. The walk follows the order of writing, not event time.

use super::calendar::Calendar;
use super::line::{hundredths, number};
use super::producer::Records;
use super::random::{Random, Share, mix};

/// How often a reading is a jump.
const JUMP_SHARE: f64 = 0.002;
/// How far a jump goes, in hundredths of a degree.
const JUMP: i64 = 1_500;

/// Makes readings.
#[derive(Debug)]
pub(super) struct Sensors {
    walks: Vec<Walk>,
    jump: Share,
    calendar: Calendar,
}

/// Where a sensor stands, in hundredths.
#[derive(Debug, Clone)]
struct Walk {
    mean: i64,
    temperature: i64,
    humidity: i64,
}

impl Sensors {
    /// Readings of this many sensors.
    pub(super) fn new(sensors: u64) -> Self {
        let walk = |number| {
            let mean = 1_500 + (mix(number) % 1_500) as i64;
            Walk { mean, temperature: mean, humidity: 3_000 + (mix(!number) % 4_000) as i64 }
        };
        Sensors {
            walks: (1..=sensors).map(walk).collect(),
            jump: Share::new(JUMP_SHARE),
            calendar: Calendar::new(),
        }
    }
}

impl Walk {
    /// A step of up to a tenth of a degree and half a percent, drawn back to the mean, or a jump.
    #[inline]
    fn step(&mut self, jump: Share, random: &mut Random) {
        let pull = (self.mean - self.temperature) / 50;
        self.temperature += pull + random.below(21) as i64 - 10;
        self.humidity += random.below(101) as i64 - 50;
        if random.happens(jump) {
            self.temperature += if random.bits() & 1 == 0 { JUMP } else { -JUMP };
        }
        self.temperature = self.temperature.clamp(-6_000, 9_000);
        self.humidity = self.humidity.clamp(0, 10_000);
    }
}

impl Records for Sensors {
    #[inline]
    fn write(&mut self, time_ms: i64, random: &mut Random, out: &mut Vec<u8>) {
        let index = random.below(self.walks.len() as u64);
        let walk = &mut self.walks[index as usize];
        walk.step(self.jump, random);
        out.extend_from_slice(b"{\"sensor_id\":\"sensor_");
        number(out, index + 1);
        out.extend_from_slice(b"\",\"temperature\":");
        hundredths(out, walk.temperature);
        out.extend_from_slice(b",\"humidity\":");
        hundredths(out, walk.humidity);
        out.extend_from_slice(b",\"event_time\":\"");
        self.calendar.sql(out, time_ms);
        out.extend_from_slice(b"\"}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensor_walks_in_small_steps_with_jumps() {
        let (mut sensors, mut random) = (Sensors::new(1), Random::new(1));
        let (mut jumps, mut last) = (0, sensors.walks[0].temperature);
        for _ in 0..20_000 {
            let walk = &mut sensors.walks[0];
            walk.step(sensors.jump, &mut random);
            assert!((-6_000..=9_000).contains(&walk.temperature) && (0..=10_000).contains(&walk.humidity));
            jumps += u32::from((walk.temperature - last).abs() > 1_000);
            last = walk.temperature;
        }
        assert!((20..60).contains(&jumps), "about 40 of 20,000 readings are jumps, not {jumps}");
    }
}
