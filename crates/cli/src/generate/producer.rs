//! From options to a run of records: event times, records, faults. Invariant: one dispatch per batch; the
//! loop over events is compiled for each kind.

use super::fault::Faults;
use super::random::Random;
use super::timeline::Timeline;
use super::{EVENT_RATE_DEFAULT, GenerateArgs, Kind};
use super::{clickstream::Clickstream, sensors::Sensors, weblog::Weblog};

/// One kind of events.
pub(super) trait Records {
    /// Appends the record of an event at this time, without its line end.
    fn write(&mut self, time_ms: i64, random: &mut Random, out: &mut Vec<u8>);
}

/// Makes events in batches.
pub(super) trait Produce {
    /// Appends this many lines.
    fn fill(&mut self, events: u64, out: &mut Vec<u8>);
}

struct Producer<R> {
    records: R,
    timeline: Timeline,
    faults: Faults,
    random: Random,
}

impl<R: Records> Produce for Producer<R> {
    fn fill(&mut self, events: u64, out: &mut Vec<u8>) {
        for _ in 0..events {
            let time_ms = self.timeline.next_ms(&mut self.random);
            let begin = out.len();
            self.records.write(time_ms, &mut self.random, out);
            self.faults.strike(out, begin, &mut self.random);
            out.push(b'\n');
        }
    }
}

/// The events that the options describe, the first at `start_ms`.
pub(super) fn of(args: &GenerateArgs, start_ms: i64) -> Box<dyn Produce> {
    match args.kind {
        Kind::Clickstream => boxed(Clickstream::new(args.users, args.pages, args.products), args, start_ms),
        Kind::Sensors => boxed(Sensors::new(args.sensors), args, start_ms),
        Kind::Weblog => boxed(Weblog::new(args.ips, args.pages), args, start_ms),
    }
}

fn boxed(records: impl Records + 'static, args: &GenerateArgs, start_ms: i64) -> Box<dyn Produce> {
    let per_second = args.events_per_second.or(args.rate).unwrap_or(EVENT_RATE_DEFAULT);
    let disorder_ms = args.disorder.as_millis() as u64;
    Box::new(Producer {
        records,
        timeline: Timeline::new(start_ms, per_second, disorder_ms, args.late_share),
        faults: Faults::new(args.bad_share),
        random: Random::new(args.seed),
    })
}

/// Events up to a count.
pub(super) struct Bounded<'a> {
    events: &'a mut dyn Produce,
    left: Option<u64>,
}

impl<'a> Bounded<'a> {
    /// At most `count` events, or no end.
    pub(super) fn new(events: &'a mut dyn Produce, count: Option<u64>) -> Self {
        Bounded { events, left: count }
    }

    /// Appends this many lines, or what is left, and says how many.
    pub(super) fn fill(&mut self, events: u64, out: &mut Vec<u8>) -> u64 {
        let made = self.left.map_or(events, |left| left.min(events));
        self.events.fill(made, out);
        self.left = self.left.map(|left| left - made);
        made
    }

    /// Whether all events were made.
    pub(super) fn is_finished(&self) -> bool {
        self.left == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: GenerateArgs,
    }

    /// The text that options give, in batches of one size.
    fn text(options: &str, events: u64, batch: u64) -> String {
        let args = Line::parse_from(format!("generate {options}").split(' ')).args;
        let (mut made, mut out) = (of(&args, 1_709_251_200_000), Vec::new());
        let mut bounded = Bounded::new(made.as_mut(), Some(events));
        while !bounded.is_finished() {
            bounded.fill(batch, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_seed_decides_the_bytes_and_batches_do_not() {
        for kind in ["clickstream", "sensors", "weblog"] {
            let options = format!("{kind} --late-share 0.05 --bad-share 0.05");
            let once = text(&options, 500, 500);
            assert_eq!(once, text(&options, 500, 7), "{kind}");
            assert_ne!(once, text(&format!("{options} --seed 2"), 500, 500), "{kind}");
            assert_eq!(once.lines().count(), 500, "{kind}");
        }
    }

    #[test]
    fn bad_records_have_their_share() {
        for kind in ["clickstream", "sensors"] {
            let made = text(&format!("{kind} --bad-share 0.1"), 5_000, 1_000);
            let good = made.lines().filter(|line| line.starts_with("{\"") && line.ends_with('}'));
            let bad = 5_000 - good.filter(|line| line[..14].contains("_id\":\"")).count();
            assert!((400..600).contains(&bad), "{kind}: {bad}");
        }
    }

    #[test]
    fn first_records_have_their_shape() {
        let clickstream = text("clickstream --users 1 --pages 1 --products 1 --disorder 0s", 1, 1);
        for part in [
            "{\"user_id\":\"u1\",\"event_type\":\"",
            "\",\"page_id\":\"p1\",\"product_id\":\"x1\",",
            "\"session_id\":\"s1_",
            "\"event_time\":\"2024-03-01 00:00:00.000\",\"amount\":",
        ] {
            assert!(clickstream.contains(part), "{part} in {clickstream}");
        }
        let sensors = text("sensors --sensors 1 --disorder 0s", 1, 1);
        assert!(sensors.starts_with("{\"sensor_id\":\"sensor_1\",\"temperature\":"), "{sensors}");
        assert!(sensors.ends_with(",\"event_time\":\"2024-03-01 00:00:00.000\"}\n"), "{sensors}");
        let weblog = text("weblog --ips 1 --disorder 0s", 1, 1);
        assert!(weblog.contains(" - - [01/Mar/2024:00:00:00 +0000] \""), "{weblog}");
    }
}
