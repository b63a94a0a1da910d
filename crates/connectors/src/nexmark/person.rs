//! Makes persons.

use super::config::Config;
use super::source::{longs, times};
use super::texts::{Scratch, TEXTS, column, view_len};
use crate::random::Random;
use arrow_array::ArrayRef;
use arrow_buffer::NullBuffer;

/// The persons of a chunk, each at its row; other rows are zero.
pub(super) struct Persons {
    id: Vec<i64>,
    date_time: Vec<i64>,
    /// name, emailAddress, creditCard, city, state, extra.
    texts: [Vec<u128>; 6],
    scratch: Scratch,
}

impl Persons {
    pub(super) fn new(rows: usize) -> Self {
        let texts = std::array::from_fn(|_| vec![0; rows]);
        Persons { id: vec![0; rows], date_time: vec![0; rows], texts, scratch: Scratch::default() }
    }

    /// Makes the person of an event.
    pub(super) fn make(&mut self, row: usize, id: i64, config: &Config, random: &mut Random) {
        fn pick(views: &[u128], random: &mut Random) -> u128 {
            views[random.below(views.len() as u64) as usize]
        }
        let name = pick(&TEXTS.names, random);
        let email = self.scratch.email(random);
        let card = self.scratch.credit_card(random);
        let (city, state) = (pick(&TEXTS.cities, random), pick(&TEXTS.states, random));
        let size = 8 + [name, email, card, city, state].map(view_len).iter().sum::<u64>();
        let extra = TEXTS.filler(random, size, config.person_size);
        self.id[row] = config.person_id(id);
        self.date_time[row] = config.time_ms(id);
        for (column, view) in self.texts.iter_mut().zip([name, email, card, city, state, extra]) {
            column[row] = view;
        }
    }

    /// The columns in the order of the benchmark.
    pub(super) fn finish(self, nulls: &NullBuffer) -> Vec<ArrayRef> {
        let own = self.scratch.finish();
        let [name, email, card, city, state, extra] = self.texts;
        vec![
            longs(self.id, nulls),
            column(name, &TEXTS.words, nulls),
            column(email, &own, nulls),
            column(card, &own, nulls),
            column(city, &TEXTS.words, nulls),
            column(state, &TEXTS.words, nulls),
            times(self.date_time, nulls),
            column(extra, &TEXTS.letters, nulls),
        ]
    }
}
