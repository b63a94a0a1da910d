//! The texts of the benchmark. Most are made once and referred to by views, so that an event copies none.
//!
//! Each text column refers to one block only, because a chunk counts as large as its blocks: the names and
//! places, the addresses, the letters that fill events up to their size, or what was made for this chunk.

use crate::columns::text;
use crate::random::Random;
use arrow_array::ArrayRef;
use arrow_array::builder::make_view;
use arrow_buffer::{Buffer, NullBuffer};
use std::sync::LazyLock;

const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];
const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const CHANNELS: usize = 10_000;
/// The shortest random text.
const TEXT_MIN: u64 = 3;
/// How many letters there are to fill events with.
const LETTERS: usize = 64 << 10;
/// The seed of everything that is made once.
const SEED: u64 = 0x6e65_786d_6172_6b00;

/// The index of a column's only block.
const BLOCK: u32 = 0;

/// What is made once.
pub(super) struct Texts {
    pub(super) names: Vec<u128>,
    pub(super) cities: Vec<u128>,
    pub(super) states: Vec<u128>,
    /// Channel and address; the four hot ones first.
    pub(super) channels: Vec<(u128, u128)>,
    /// The block of names, cities, states and channels.
    pub(super) words: Buffer,
    /// The block of addresses.
    pub(super) addresses: Buffer,
    /// The block of fillers.
    pub(super) letters: Buffer,
}

/// The texts of all events.
pub(super) static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::make);

/// How many of the channels are hot.
pub(super) const HOT: u64 = HOT_CHANNELS.len() as u64;

impl Texts {
    fn make() -> Self {
        let mut random = Random::new(SEED);
        let mut words = Scratch::default();
        let name = |i: usize| format!("{} {}", FIRST_NAMES[i % 11], LAST_NAMES[i / 11]);
        let names = (0..FIRST_NAMES.len() * LAST_NAMES.len()).map(|i| words.add_text(&name(i))).collect();
        let cities = CITIES.iter().map(|city| words.add_text(city)).collect();
        let states = STATES.iter().map(|state| words.add_text(state)).collect();
        let mut addresses = Scratch::default();
        // Names of channels are short enough to lie in the view itself.
        let mut channel = |name: &str, address: &str| (words.add_text(name), addresses.add_text(address));
        let mut channels: Vec<_> =
            HOT_CHANNELS.iter().map(|name| channel(name, &address(&mut random))).collect();
        channels.extend((0..CHANNELS).map(|i| {
            let mut address = address(&mut random);
            if random.below(10) > 0 {
                address += &format!("&channel_id={}", (i as i32).reverse_bits().wrapping_abs());
            }
            channel(&format!("channel-{i}"), &address)
        }));
        let letters: Vec<u8> = (0..LETTERS).map(|_| b'a' + random.below(26) as u8).collect();
        let (words, addresses) = (words.finish(), addresses.finish());
        Texts { names, cities, states, channels, words, addresses, letters: letters.into() }
    }

    /// The channel and address of a bid: every other one is hot.
    pub(super) fn channel(&self, random: &mut Random) -> (u128, u128) {
        let at = match random.below(2) {
            0 => HOT + random.below(CHANNELS as u64),
            _ => random.below(HOT),
        };
        self.channels[at as usize]
    }

    /// Letters that bring an event of `size` bytes to `wanted` on average.
    pub(super) fn filler(&self, random: &mut Random, size: u64, wanted: u64) -> u128 {
        let Some(missing) = wanted.checked_sub(size) else { return 0 };
        let spread = (missing as f64 * 0.2).round() as u64;
        let length = missing - spread + if spread == 0 { 0 } else { random.below(2 * spread) };
        let start = random.below(LETTERS as u64 - length) as usize;
        make_view(&self.letters[start..start + length as usize], BLOCK, start as u32)
    }
}

/// A text column over one block.
pub(super) fn column(views: Vec<u128>, block: &Buffer, nulls: &NullBuffer) -> ArrayRef {
    text(views, vec![block.clone()], Some(nulls.clone()))
}

/// `https://www.nexmark.com/abc/de_f/ghi/item.htm?query=1`.
fn address(random: &mut Random) -> String {
    let mut out = b"https://www.nexmark.com/".to_vec();
    for _ in 0..3 {
        push_text(&mut out, random, 5, b'_');
        out.push(b'/');
    }
    out.extend_from_slice(b"item.htm?query=1");
    String::from_utf8(out).expect("addresses are ASCII")
}

/// Appends 3 to `max - 1` letters, one in 13 of them `special`.
fn push_text(out: &mut Vec<u8>, random: &mut Random, max: u64, special: u8) {
    let mut left = TEXT_MIN + random.below(max - TEXT_MIN);
    while left > 0 {
        // 32 bits decide a letter: which of 13 * 26 it is.
        let bits = random.bits();
        for half in [bits as u32, (bits >> 32) as u32].into_iter().take(left as usize) {
            let letter = (u64::from(half) * (13 * 26)) >> 32;
            out.push(if letter < 26 { special } else { b'a' + (letter % 26) as u8 });
            left -= 1;
        }
    }
}

/// A block in the making.
#[derive(Default)]
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    /// Appends what `write` writes, without the spaces at its ends.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u128 {
        let start = self.0.len();
        write(&mut self.0);
        let trimmed = self.0[start..].trim_ascii_end().len();
        self.0.truncate(start + trimmed);
        let skipped = self.0[start..].len() - self.0[start..].trim_ascii_start().len();
        let start = start + skipped;
        make_view(&self.0[start..], BLOCK, start as u32)
    }

    fn add_text(&mut self, text: &str) -> u128 {
        self.add(|out| out.extend_from_slice(text.as_bytes()))
    }

    /// A random text of words.
    pub(super) fn text(&mut self, random: &mut Random, max: u64) -> u128 {
        self.add(|out| push_text(out, random, max, b' '))
    }

    /// `abc@de.com`.
    pub(super) fn email(&mut self, random: &mut Random) -> u128 {
        self.add(|out| {
            push_text(out, random, 7, b'_');
            out.push(b'@');
            push_text(out, random, 5, b'_');
            out.extend_from_slice(b".com");
        })
    }

    /// `1234 5678 9012 3456`.
    pub(super) fn credit_card(&mut self, random: &mut Random) -> u128 {
        self.add(|out| {
            for group in 0..4 {
                if group > 0 {
                    out.push(b' ');
                }
                let number = random.below(10_000) as u16;
                out.extend([1_000, 100, 10, 1].map(|unit| b'0' + (number / unit % 10) as u8));
            }
        })
    }

    /// The block of these bytes.
    pub(super) fn finish(self) -> Buffer {
        self.0.into()
    }
}

/// How long the text of a view is.
pub(super) fn view_len(view: u128) -> u64 {
    u64::from(view as u32)
}
