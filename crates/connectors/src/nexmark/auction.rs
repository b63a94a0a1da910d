//! Makes auctions.

use super::config::{Config, price};
use super::source::{longs, times};
use super::texts::{Scratch, TEXTS, column, view_len};
use crate::random::Random;
use arrow_array::ArrayRef;
use arrow_buffer::NullBuffer;

/// Categories start here.
const FIRST_CATEGORY: i64 = 10;
const CATEGORIES: u64 = 5;

/// The auctions of a chunk, each at its row; other rows are zero.
pub(super) struct Auctions {
    /// id, initialBid, reserve, seller, category.
    longs: [Vec<i64>; 5],
    /// dateTime, expires.
    times: [Vec<i64>; 2],
    /// itemName, description, extra.
    texts: [Vec<u128>; 3],
    scratch: Scratch,
}

impl Auctions {
    pub(super) fn new(rows: usize) -> Self {
        Auctions {
            longs: std::array::from_fn(|_| vec![0; rows]),
            times: std::array::from_fn(|_| vec![0; rows]),
            texts: std::array::from_fn(|_| vec![0; rows]),
            scratch: Scratch::default(),
        }
    }

    /// Makes the auction of an event.
    pub(super) fn make(&mut self, row: usize, id: i64, config: &Config, random: &mut Random) {
        let seller = config.seller(id, random);
        let category = FIRST_CATEGORY + random.below(CATEGORIES) as i64;
        let initial_bid = price(random);
        let time = config.time_ms(id);
        let expires = time + config.auction_length_ms(id, random);
        let name = self.scratch.text(random, 20);
        let description = self.scratch.text(random, 100);
        let reserve = initial_bid + price(random);
        let size = 8 * 6 + view_len(name) + view_len(description);
        let extra = TEXTS.filler(random, size, config.auction_size);
        let values = [config.auction_id(id), initial_bid, reserve, seller, category];
        self.longs.iter_mut().zip(values).for_each(|(column, value)| column[row] = value);
        self.times.iter_mut().zip([time, expires]).for_each(|(column, value)| column[row] = value);
        self.texts.iter_mut().zip([name, description, extra]).for_each(|(column, view)| column[row] = view);
    }

    /// The columns in the order of the benchmark.
    pub(super) fn finish(self, nulls: &NullBuffer) -> Vec<ArrayRef> {
        let own = self.scratch.finish();
        let [id, initial_bid, reserve, seller, category] = self.longs.map(|values| longs(values, nulls));
        let [date_time, expires] = self.times.map(|values| times(values, nulls));
        let [name, description, extra] = self.texts;
        let (name, description) = (column(name, &own, nulls), column(description, &own, nulls));
        let extra = column(extra, &TEXTS.letters, nulls);
        vec![id, name, description, initial_bid, reserve, date_time, expires, seller, category, extra]
    }
}
