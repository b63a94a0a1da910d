//! Makes bids.

use super::config::{Config, price};
use super::source::{longs, times};
use super::texts::{TEXTS, column};
use crate::random::Random;
use arrow_array::ArrayRef;
use arrow_buffer::NullBuffer;

/// What a bid takes without its texts.
const FIXED_SIZE: u64 = 8 * 4;

/// The bids of a chunk, each at its row; other rows are zero.
pub(super) struct Bids {
    auction: Vec<i64>,
    bidder: Vec<i64>,
    price: Vec<i64>,
    channel: Vec<u128>,
    url: Vec<u128>,
    date_time: Vec<i64>,
    extra: Vec<u128>,
}

impl Bids {
    pub(super) fn new(rows: usize) -> Self {
        Bids {
            auction: vec![0; rows],
            bidder: vec![0; rows],
            price: vec![0; rows],
            channel: vec![0; rows],
            url: vec![0; rows],
            date_time: vec![0; rows],
            extra: vec![0; rows],
        }
    }

    /// Makes the bid of an event.
    pub(super) fn make(&mut self, row: usize, id: i64, config: &Config, random: &mut Random) {
        self.auction[row] = config.bid_auction(id, random);
        self.bidder[row] = config.bidder(id, random);
        self.price[row] = price(random);
        (self.channel[row], self.url[row]) = TEXTS.channel(random);
        self.date_time[row] = config.time_ms(id);
        self.extra[row] = TEXTS.filler(random, FIXED_SIZE, config.bid_size);
    }

    /// The columns in the order of the benchmark.
    pub(super) fn finish(self, nulls: &NullBuffer) -> Vec<ArrayRef> {
        vec![
            longs(self.auction, nulls),
            longs(self.bidder, nulls),
            longs(self.price, nulls),
            column(self.channel, &TEXTS.words, nulls),
            column(self.url, &TEXTS.addresses, nulls),
            times(self.date_time, nulls),
            column(self.extra, &TEXTS.letters, nulls),
        ]
    }
}
