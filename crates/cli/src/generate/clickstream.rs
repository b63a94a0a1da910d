//! What users of a shop do, one JSON object per event.
//!
//! Invariant: fields always come in the same order and all are there; amounts are multiples of a quarter, so
//! that their sums are exact. Users, pages and products are skewed: low numbers are common.

use super::calendar::Calendar;
use super::line::{number, quarters};
use super::producer::Records;
use super::random::{Random, mix};

/// Event types and how many of a hundred events they are.
const TYPES: [(&[u8], usize); 5] =
    [(b"view", 55), (b"click", 25), (b"search", 10), (b"add_to_cart", 7), (b"purchase", 3)];
const PURCHASE: u8 = 4;
/// A user's session lasts this long at most.
const SESSION_MS: i64 = 1_800_000;
/// Prices lie from 1 to this many quarters.
const PRICE_MAX: u64 = 800;

/// Makes click events.
#[derive(Debug)]
pub(super) struct Clickstream {
    users: u64,
    pages: u64,
    products: u64,
    types: [u8; 100],
    calendar: Calendar,
}

impl Clickstream {
    /// Events of this many users, pages and products.
    pub(super) fn new(users: u64, pages: u64, products: u64) -> Self {
        let mut types = [0; 100];
        let of_type = TYPES.iter().enumerate().flat_map(|(index, (_, share))| vec![index as u8; *share]);
        types.iter_mut().zip(of_type).for_each(|(slot, index)| *slot = index);
        Clickstream { users, pages, products, types, calendar: Calendar::new() }
    }
}

impl Records for Clickstream {
    #[inline]
    fn write(&mut self, time_ms: i64, random: &mut Random, out: &mut Vec<u8>) {
        let user = random.skewed(self.users) + 1;
        let product = random.skewed(self.products) + 1;
        let kind = self.types[random.below(100) as usize];
        out.extend_from_slice(b"{\"user_id\":\"u");
        number(out, user);
        out.extend_from_slice(b"\",\"event_type\":\"");
        out.extend_from_slice(TYPES[kind as usize].0);
        out.extend_from_slice(b"\",\"page_id\":\"p");
        number(out, random.skewed(self.pages) + 1);
        out.extend_from_slice(b"\",\"product_id\":\"x");
        number(out, product);
        out.extend_from_slice(b"\",\"session_id\":\"s");
        number(out, user);
        out.push(b'_');
        number(out, session(user, time_ms));
        out.extend_from_slice(b"\",\"event_time\":\"");
        self.calendar.sql(out, time_ms);
        out.extend_from_slice(b"\",\"amount\":");
        quarters(out, amount(product, kind, random));
        out.push(b'}');
    }
}

/// The number of a user's session; users change sessions at different times.
#[inline]
fn session(user: u64, time_ms: i64) -> i64 {
    let shift = (mix(user) % SESSION_MS as u64) as i64;
    (time_ms + shift).div_euclid(SESSION_MS).rem_euclid(1_000)
}

/// The price of a product, for a purchase times one to three pieces; in quarters.
#[inline]
fn amount(product: u64, kind: u8, random: &mut Random) -> u64 {
    let price = mix(product) % PRICE_MAX + 1;
    if kind == PURCHASE { price * (random.below(3) + 1) } else { price }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn types_and_users_have_their_shares() {
        let (mut events, mut random) = (Clickstream::new(100, 10, 10), Random::new(1));
        let (mut types, mut users) = (HashMap::<String, u32>::new(), HashMap::<String, u32>::new());
        for _ in 0..20_000 {
            let mut out = Vec::new();
            events.write(0, &mut random, &mut out);
            let record = String::from_utf8(out).unwrap();
            let texts: Vec<&str> = record.split('"').collect();
            *users.entry(texts[3].to_owned()).or_default() += 1;
            *types.entry(texts[7].to_owned()).or_default() += 1;
        }
        for (name, share) in TYPES {
            let seen = types[std::str::from_utf8(name).unwrap()] / 200;
            assert!(seen.abs_diff(share as u32) <= 2, "{seen} of a hundred, not {share}");
        }
        assert_eq!(users.len(), 100);
        assert!((1_800..2_200).contains(&users["u1"]), "1 / sqrt(100) of 20,000 are 2,000");
    }
}
