//! The options of `nexmark`, and the arithmetic of ids and times that follows from them.

use crate::random::Random;
use tidemill_types::{Clock, Error, OptionKind, OptionSpec, Options, Result, SystemClock};

/// Ids start here, so that queries find matches early.
const FIRST_ID: i64 = 1_000;
/// How many auctions are open at a time.
const IN_FLIGHT_AUCTIONS: i64 = 100;
/// How many of the last persons are active.
const ACTIVE_PEOPLE: i64 = 1_000;
/// How far ids may lead what was already made.
const ID_LEAD: i64 = 10;
/// One in so many ids is hot.
const HOT_EVERY: i64 = 100;
/// The largest average size of an event.
const SIZE_MAX: u64 = 32 << 10;

const fn integer(key: &'static str, default: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(key, OptionKind::Integer, help).default(default)
}

const FIRST_RATE: OptionSpec = integer("first-event.rate", "10000", "events per second of event time");
const EVENTS: OptionSpec = integer("events.num", "0", "how many events are made; 0 is without end");
const STOP_AT: OptionSpec = integer("stop-at", "-1", "ends after this many events, if it is not negative");
const PERSONS: OptionSpec = integer("person.proportion", "1", "persons among the events");
const AUCTIONS: OptionSpec = integer("auction.proportion", "3", "auctions among the events");
const BIDS: OptionSpec = integer("bid.proportion", "46", "bids among the events");
const HOT_AUCTIONS: OptionSpec =
    integer("bid.hot-ratio.auctions", "2", "all but one in so many bids are for a hot auction");
const HOT_BIDDERS: OptionSpec =
    integer("bid.hot-ratio.bidders", "4", "all but one in so many bids are by a hot bidder");
const HOT_SELLERS: OptionSpec =
    integer("auction.hot-ratio.sellers", "4", "all but one in so many auctions are by a hot seller");
const PERSON_SIZE: OptionSpec =
    OptionSpec::new("person.avg-size", OptionKind::Memory, "the average size of a person").default("200b");
const AUCTION_SIZE: OptionSpec =
    OptionSpec::new("auction.avg-size", OptionKind::Memory, "the average size of an auction").default("500b");
const BID_SIZE: OptionSpec =
    OptionSpec::new("bid.avg-size", OptionKind::Memory, "the average size of a bid").default("100b");
const LIMITED: OptionSpec =
    OptionSpec::new("rate.limited", OptionKind::Boolean, "events come when their time says").default("false");
const MAX_SPEED: OptionSpec = OptionSpec::new(
    "max-emit-speed",
    OptionKind::Boolean,
    "events come as fast as they are taken, rather than when their time says",
)
.default("true");
const KEEP_ALIVE: OptionSpec =
    OptionSpec::new("keep-alive", OptionKind::Boolean, "waits after the last event, rather than to end")
        .default("false");
const BASE_TIME: OptionSpec = OptionSpec::new(
    "base-time",
    OptionKind::Integer,
    "the time of the first event in milliseconds since 1970; without it the start of the run",
);

/// All of them.
pub(super) const OPTIONS: &[OptionSpec] = &[
    FIRST_RATE,
    integer("next-event.rate", "10000", "accepted; the benchmark keeps to the first rate"),
    OptionSpec::new("rate.shape", OptionKind::Choice(&["SQUARE", "SINE"]), "accepted; see 'next-event.rate'"),
    OptionSpec::new("rate.period", OptionKind::Duration, "accepted; see 'next-event.rate'"),
    LIMITED,
    EVENTS,
    PERSONS,
    AUCTIONS,
    BIDS,
    PERSON_SIZE,
    AUCTION_SIZE,
    BID_SIZE,
    HOT_AUCTIONS,
    HOT_BIDDERS,
    HOT_SELLERS,
    KEEP_ALIVE,
    STOP_AT,
    MAX_SPEED,
    BASE_TIME,
];

/// The checked options.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) events: Option<u64>,
    pub(super) keep_alive: bool,
    pub(super) limited: bool,
    pub(super) rate: f64,
    pub(super) persons: i64,
    pub(super) auctions: i64,
    pub(super) total: i64,
    pub(super) hot_auctions: u64,
    pub(super) hot_bidders: u64,
    pub(super) hot_sellers: u64,
    pub(super) person_size: u64,
    pub(super) auction_size: u64,
    pub(super) bid_size: u64,
    base_ms: i64,
    base_is_given: bool,
}

impl Config {
    pub(super) fn of(options: &Options) -> Result<Self> {
        let at_least = |spec: OptionSpec, min: i64| match options.integer(&spec)?.unwrap_or(min) {
            value if (min..=1 << 40).contains(&value) => Ok(value),
            value => {
                Err(Error::user(format!("option '{}' is {value}, but must be at least {min}", spec.key)))
            }
        };
        let size = |spec: OptionSpec| match options.memory(&spec)?.unwrap_or(0) {
            value if value <= SIZE_MAX => Ok(value),
            _ => Err(Error::user(format!("option '{}' is more than {SIZE_MAX} bytes", spec.key))),
        };
        let (persons, auctions) = (at_least(PERSONS, 0)?, at_least(AUCTIONS, 0)?);
        let total = persons + auctions + at_least(BIDS, 0)?;
        if total == 0 {
            return Err(Error::user("the proportions of persons, auctions and bids are all 0"));
        }
        let events = Some(at_least(EVENTS, 0)? as u64).filter(|events| *events > 0);
        let stop_at = options.integer(&STOP_AT)?.and_then(|at| u64::try_from(at).ok());
        Ok(Config {
            events: events.into_iter().chain(stop_at).min(),
            keep_alive: options.boolean(&KEEP_ALIVE)?,
            limited: options.boolean(&LIMITED)? || !options.boolean(&MAX_SPEED)?,
            rate: at_least(FIRST_RATE, 1)? as f64,
            persons,
            auctions,
            total,
            hot_auctions: at_least(HOT_AUCTIONS, 1)? as u64,
            hot_bidders: at_least(HOT_BIDDERS, 1)? as u64,
            hot_sellers: at_least(HOT_SELLERS, 1)? as u64,
            person_size: size(PERSON_SIZE)?,
            auction_size: size(AUCTION_SIZE)?,
            bid_size: size(BID_SIZE)?,
            base_ms: options.integer(&BASE_TIME)?.unwrap_or_else(|| SystemClock.now_ms()),
            base_is_given: options.get(BASE_TIME.key).is_some(),
        })
    }

    /// The time of the first event in milliseconds.
    pub(super) fn base_ms(&self) -> i64 {
        self.base_ms
    }

    /// Goes on with the first event's time of an earlier run, unless the table names it.
    pub(super) fn resume_at(&mut self, base_ms: i64) {
        if !self.base_is_given {
            self.base_ms = base_ms;
        }
    }

    /// The id of the event that comes after `number` others; both the first number and the first id are 1
    /// in the benchmark, and an id is their sum.
    pub(super) fn id(&self, number: u64) -> i64 {
        number as i64 + 2
    }

    /// The time of an event in milliseconds.
    pub(super) fn time_ms(&self, id: i64) -> i64 {
        let number = id - 1;
        self.base_ms + (number as f64 * (1_000_000.0 / self.rate)) as i64 / 1_000
    }

    /// The last person at an event, from 0.
    fn last_person(&self, id: i64) -> i64 {
        let (epoch, offset) = (id / self.total, id % self.total);
        epoch * self.persons + offset.min(self.persons - 1)
    }

    /// The last auction at an event, from 0.
    fn last_auction(&self, id: i64) -> i64 {
        let (epoch, offset) = (id / self.total, id % self.total - self.persons);
        match offset {
            // A person comes before the auctions of its epoch.
            ..0 => epoch * self.auctions - 1,
            _ => epoch * self.auctions + offset.min(self.auctions - 1),
        }
    }

    /// The id of the person made by an event.
    pub(super) fn person_id(&self, id: i64) -> i64 {
        self.last_person(id) + FIRST_ID
    }

    /// The id of the auction made by an event.
    pub(super) fn auction_id(&self, id: i64) -> i64 {
        self.last_auction(id) + FIRST_ID
    }

    /// A seller: mostly the first of the last hundred persons.
    pub(super) fn seller(&self, id: i64, random: &mut Random) -> i64 {
        match random.below(self.hot_sellers) {
            0 => self.any_person(id, random) + FIRST_ID,
            _ => self.last_person(id) / HOT_EVERY * HOT_EVERY + FIRST_ID,
        }
    }

    /// A bidder: mostly the second of the last hundred persons. The benchmark adds the first id twice here,
    /// and so do we: joins on bidders then find as much as there.
    pub(super) fn bidder(&self, id: i64, random: &mut Random) -> i64 {
        let bidder = match random.below(self.hot_bidders) {
            0 => self.any_person(id, random),
            _ => self.last_person(id) / HOT_EVERY * HOT_EVERY + 1,
        };
        bidder + 2 * FIRST_ID
    }

    /// The auction of a bid: mostly the first of the last hundred.
    pub(super) fn bid_auction(&self, id: i64, random: &mut Random) -> i64 {
        let last = self.last_auction(id);
        let auction = match random.below(self.hot_auctions) {
            0 => {
                let first = (last - IN_FLIGHT_AUCTIONS).max(0);
                first + random.below((last - first + 1 + ID_LEAD) as u64) as i64
            }
            _ => last / HOT_EVERY * HOT_EVERY,
        };
        auction + FIRST_ID
    }

    fn any_person(&self, id: i64, random: &mut Random) -> i64 {
        let people = self.last_person(id) + 1;
        let active = people.min(ACTIVE_PEOPLE);
        people - active + random.below((active + ID_LEAD) as u64) as i64
    }

    /// How long an auction is open: on average until a hundred more were made.
    pub(super) fn auction_length_ms(&self, id: i64, random: &mut Random) -> i64 {
        let events = IN_FLIGHT_AUCTIONS * self.total / self.auctions;
        let horizon = self.time_ms(id + events) - self.time_ms(id);
        1 + random.below((horizon * 2).max(1) as u64) as i64
    }
}

/// A price in cents, spread evenly over six orders of magnitude.
pub(super) fn price(random: &mut Random) -> i64 {
    ((random.unit() * 6.0 * std::f64::consts::LN_10).exp() * 100.0).round() as i64
}
