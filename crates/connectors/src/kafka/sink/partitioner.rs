//! Which partition a record goes to.

use crate::kafka::options::PARTITIONER;
use tidemill_types::{Error, Options, Result};

/// How partitions are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partitioner {
    /// By the key's hash as the Java client computes it; without a key one partition after the other, each for a
    /// whole batch.
    Default,
    /// Each task writes one partition.
    Fixed,
    /// Record by record.
    RoundRobin,
}

impl Partitioner {
    /// From the options of a table.
    pub(crate) fn from(options: &Options) -> Result<Self> {
        match options.text(&PARTITIONER).unwrap_or_default() {
            "default" => Ok(Partitioner::Default),
            "fixed" => Ok(Partitioner::Fixed),
            "round-robin" => Ok(Partitioner::RoundRobin),
            other => Err(Error::user_hint(
                format!("option 'sink.partitioner' is '{other}'"),
                "it must be 'default', 'fixed' or 'round-robin'; classes of the JVM can't be loaded",
            )),
        }
    }
}

/// The place that the Java client gives a key among so many partitions.
pub(crate) fn of_key(key: &[u8], partitions: usize) -> usize {
    (murmur2(key) & 0x7FFF_FFFF) as usize % partitions
}

/// MurmurHash2 with the seed that Kafka's clients share.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_B28C;
    const M: u32 = 0x5BD1_E995;
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0u32, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_java_client() {
        // The pairs of the Java client's own test.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }
}
