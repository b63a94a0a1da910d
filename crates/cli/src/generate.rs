//! `tidemill generate`: makes clickstream, sensor and web log events, to try a pipeline or to load it.
//!
//! Invariant: the bytes depend on the options alone (seed, count, cardinalities, times), never on the clock
//! or on how fast the target takes them; only `--start now` reads the clock, once.
//! Deliberately not here: what events mean to a pipeline, and any client of a broker or database.

mod calendar;
mod clickstream;
mod fault;
mod line;
mod numbers;
mod pace;
mod producer;
mod random;
mod sensors;
mod stop;
mod summary;
mod target;
mod timeline;
mod weblog;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use pace::Pace;
use producer::Bounded;
use std::time::{Duration, Instant};
use stop::Stop;
use summary::Summary;
use target::{Outcome, Target};

/// Events of one batch when nothing holds them back: about half a megabyte.
const BATCH_EVENTS_MAX: u64 = 2_048;
/// How many events are made when neither a count nor a rate is given.
const COUNT_DEFAULT: u64 = 1_000_000;
/// Event time runs at this many events a second when neither option says otherwise.
const EVENT_RATE_DEFAULT: f64 = 10_000.0;
/// Where event time begins when it does not follow the clock: 2024-03-01 00:00:00.
const START_DEFAULT: &str = "2024-03-01 00:00:00";
/// The longest sleep between two looks at Ctrl-C.
const NAP_MAX: Duration = Duration::from_millis(50);

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// What users of a shop do, as JSON lines: view, click, search, add_to_cart, purchase
    Clickstream,
    /// Readings of temperature and humidity, as JSON lines
    Sensors,
    /// Requests to a web server, as lines of the combined log format
    Weblog,
}

/// Make events at a rate, or as fast as possible, to a file, standard output or a TCP port
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  tidemill generate clickstream --count 10M --to clicks.jsonl
  tidemill generate sensors --rate 1000 --to tcp://localhost:9999
  tidemill generate weblog --rate 50 | tidemill run weblog.sql --var INPUT=-")]
pub struct GenerateArgs {
    /// What to make
    #[arg(value_enum)]
    pub kind: Kind,

    /// Events per second, evenly paced, such as 500, 20k or 0.5 [default: as fast as possible]
    #[arg(long, value_name = "N", value_parser = numbers::rate)]
    pub rate: Option<f64>,

    /// How many events, such as 500 or 10M [default: no end with --rate, otherwise 1M]
    #[arg(long, value_name = "N", value_parser = numbers::count)]
    pub count: Option<u64>,

    /// Where they go: '-' is standard output, tcp://HOST:PORT a listener (tried again until it is there),
    /// anything else a file that is written anew
    #[arg(long, value_name = "TARGET", default_value = "-")]
    pub to: String,

    /// The same seed and options give the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Different users of a clickstream; low numbers are far more active than high ones
    #[arg(long, value_name = "N", default_value = "100k", value_parser = numbers::cardinality)]
    pub users: u64,

    /// Different products of a clickstream
    #[arg(long, value_name = "N", default_value = "1k", value_parser = numbers::cardinality)]
    pub products: u64,

    /// Different pages of a clickstream or a web log
    #[arg(long, value_name = "N", default_value = "500", value_parser = numbers::cardinality)]
    pub pages: u64,

    /// Different sensors
    #[arg(long, value_name = "N", default_value = "100", value_parser = numbers::cardinality)]
    pub sensors: u64,

    /// Different client addresses of a web log
    #[arg(long, value_name = "N", default_value = "5k", value_parser = numbers::cardinality)]
    pub ips: u64,

    /// Events are out of order by less than this, so that a watermark with this delay sees none late
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = numbers::duration)]
    pub disorder: Duration,

    /// The share of events that come later than that, by up to ten minutes; 0.01 is one in a hundred
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = numbers::share)]
    pub late_share: f64,

    /// The share of malformed records: cut short, no record at all, or with broken syntax
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = numbers::share)]
    pub bad_share: f64,

    /// Events in one second of event time [default: the rate, or 10k without one]
    #[arg(long, value_name = "N", value_parser = numbers::rate)]
    pub events_per_second: Option<f64>,

    /// The event time of the first event in UTC, 'YYYY-MM-DD HH:MM:SS', or 'now'
    /// [default: now with --rate, otherwise 2024-03-01 00:00:00]
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
}

/// Makes the events that the options describe and writes a summary to standard error. Ctrl-C, a closed pipe
/// and the count end it without an error.
pub fn run(args: GenerateArgs) -> anyhow::Result<()> {
    let mut events = producer::of(&args, start_ms(&args)?);
    let stop = Stop::on_signal().context("could not listen for Ctrl-C")?;
    let mut target = Target::open(&args.to, stop.clone())?;
    let begin = Instant::now();
    let count = args.count.or(if args.rate.is_some() { None } else { Some(COUNT_DEFAULT) });
    let mut bounded = Bounded::new(events.as_mut(), count);
    let written = deliver(&mut bounded, args.rate.map(Pace::new), &mut target, &stop)
        .with_context(|| format!("could not write to '{}'", args.to))?;
    eprintln!("{}", Summary { elapsed: begin.elapsed(), ..written });
    Ok(())
}

/// Makes and writes batch after batch until the events end, the reader goes away or a signal comes.
fn deliver(
    events: &mut Bounded<'_>,
    mut pace: Option<Pace>,
    target: &mut Target,
    stop: &Stop,
) -> anyhow::Result<Summary> {
    let mut batch = Vec::with_capacity(1 << 20);
    let mut written = Summary::default();
    let begin = Instant::now();
    while !events.is_finished() && !stop.is_set() {
        let due = match &mut pace {
            Some(pace) => pace.take_due(begin.elapsed(), BATCH_EVENTS_MAX),
            None => BATCH_EVENTS_MAX,
        };
        if let (0, Some(pace)) = (due, &pace) {
            std::thread::sleep(pace.wait(begin.elapsed()).min(NAP_MAX));
            continue;
        }
        batch.clear();
        let made = events.fill(due, &mut batch);
        if target.write(&batch)? == Outcome::Closed {
            break;
        }
        written.events += made;
        written.bytes += batch.len() as u64;
    }
    target.finish()?;
    Ok(written)
}

/// The event time of the first event, in milliseconds since 1970.
fn start_ms(args: &GenerateArgs) -> anyhow::Result<i64> {
    let text = match (&args.start, args.rate) {
        (Some(text), _) => text.as_str(),
        (None, Some(_)) => "now",
        (None, None) => START_DEFAULT,
    };
    if text == "now" {
        return Ok(calendar::now_ms());
    }
    calendar::parse(text)
        .with_context(|| format!("--start '{text}' is not a time; write it as '{START_DEFAULT}' or 'now'"))
}
