//! Writes record batches.
//!
//! The front half of a sink has written each record's tail (key, value, headers), so that here only the parts
//! that depend on the batch are put in front of it.

use super::codec::Codec;
use super::{ATTRIBUTES_AT, CRC_AT, HEADER_BYTES, LENGTH_ENDS_AT, MAGIC, attributes, varint};
use bytes::Bytes;
use std::io::Result;

/// Records that become a batch.
#[derive(Debug, Default, Clone)]
pub(crate) struct BatchRecords {
    body: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchRecords {
    /// How many records.
    pub(crate) fn count(&self) -> i32 {
        self.count
    }

    /// How many bytes the records have.
    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }

    /// Adds a record; `tail` is its key, value and headers.
    #[inline]
    pub(crate) fn push(&mut self, timestamp: i64, tail: &[u8]) {
        if self.count == 0 {
            (self.base_timestamp, self.max_timestamp) = (timestamp, timestamp);
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let (timestamp_delta, offset_delta) = (timestamp - self.base_timestamp, i64::from(self.count));
        let length = 1 + varint::size(timestamp_delta) + varint::size(offset_delta) + tail.len();
        varint::write(length as i64, &mut self.body);
        self.body.push(0);
        varint::write(timestamp_delta, &mut self.body);
        varint::write(offset_delta, &mut self.body);
        self.body.extend_from_slice(tail);
        self.count += 1;
    }

    /// The batch, packed; it still lacks its number.
    pub(crate) fn seal(self, codec: Codec) -> Result<Sealed> {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.body.len());
        out.resize(HEADER_BYTES, 0);
        codec.pack(&self.body, &mut out)?;
        let length = (out.len() - LENGTH_ENDS_AT) as i32;
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(8, &length.to_be_bytes());
        put(12, &(-1i32).to_be_bytes());
        put(16, &[MAGIC]);
        put(23, &(self.count - 1).to_be_bytes());
        put(27, &self.base_timestamp.to_be_bytes());
        put(35, &self.max_timestamp.to_be_bytes());
        put(57, &self.count.to_be_bytes());
        Ok(Sealed { codec, count: self.count, unpacked_len: self.body.len(), unstamped: out, stamped: None })
    }
}

/// A batch that is ready but for its number.
#[derive(Debug)]
pub(crate) struct Sealed {
    codec: Codec,
    count: i32,
    unpacked_len: usize,
    unstamped: Vec<u8>,
    stamped: Option<Bytes>,
}

impl Sealed {
    /// How many records it has.
    pub(crate) fn count(&self) -> i32 {
        self.count
    }

    /// How many bytes its records had before they were packed.
    pub(crate) fn unpacked_len(&self) -> usize {
        self.unpacked_len
    }

    /// Whether it has its number.
    pub(crate) fn is_stamped(&self) -> bool {
        self.stamped.is_some()
    }

    /// Gives it its number among the batches of a producer, by which brokers tell repeated ones; -1 is nobody's.
    pub(crate) fn stamp(&mut self, producer_id: i64, epoch: i16, sequence: i32, transactional: bool) {
        let out = &mut self.unstamped;
        let bits = self.codec as i16 | if transactional { attributes::TRANSACTIONAL } else { 0 };
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(ATTRIBUTES_AT, &bits.to_be_bytes());
        put(43, &producer_id.to_be_bytes());
        put(51, &epoch.to_be_bytes());
        put(53, &sequence.to_be_bytes());
        let crc = crc32c::crc32c(&out[ATTRIBUTES_AT..]);
        out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
        self.stamped = Some(Bytes::from(std::mem::take(out)));
    }

    /// Takes its number away, for another producer to give it one.
    pub(crate) fn forget_stamp(&mut self) {
        if let Some(stamped) = self.stamped.take() {
            self.unstamped = stamped.to_vec();
        }
    }

    /// The batch as it goes over the wire.
    pub(crate) fn bytes(&self) -> Bytes {
        self.stamped.clone().expect("a batch is sent with its number")
    }
}

/// Appends a key or value: its length, -1 if there is none, and its bytes.
#[inline]
pub(crate) fn write_part(part: Option<&[u8]>, out: &mut Vec<u8>) {
    match part {
        None => varint::write(-1, out),
        Some(bytes) => {
            varint::write(bytes.len() as i64, out);
            out.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::batch::reader::{Aborted, Run, Wanted, headers, walk};

    fn batch(records: &[(&str, Option<&str>)], base: i64, codec: Codec, producer: Option<i64>) -> Vec<u8> {
        let mut batch = BatchRecords::default();
        for (number, (key, value)) in records.iter().enumerate() {
            let mut tail = Vec::new();
            write_part(Some(key.as_bytes()), &mut tail);
            write_part(value.map(str::as_bytes), &mut tail);
            varint::write(1, &mut tail);
            write_part(Some(b"h"), &mut tail);
            write_part(None, &mut tail);
            batch.push(1_000 - 10 * number as i64, &tail);
        }
        let mut sealed = batch.seal(codec).unwrap();
        sealed.stamp(producer.unwrap_or(-1), 0, 0, producer.is_some());
        let mut sealed = sealed.bytes().to_vec();
        sealed[..8].copy_from_slice(&base.to_be_bytes());
        sealed
    }

    const ALL: Wanted = Wanted {
        keys: true,
        timestamps: true,
        headers: true,
        of_batch: true,
        tombstones: true,
        committed_only: true,
        check_crcs: true,
    };

    fn texts(run: &mut Run) -> Vec<String> {
        let blob = run.take_blob();
        let tidemill_types::Framing::Records(ranges) = blob.framing else { unreachable!() };
        let text =
            |range: &std::ops::Range<u32>| &blob.bytes.as_slice()[range.start as usize..range.end as usize];
        ranges.iter().map(|range| String::from_utf8(text(range).to_vec()).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_walked_whatever_the_compression() {
        for name in crate::kafka::batch::codec::NAMES {
            let codec = Codec::named(name).unwrap();
            let first = batch(&[("a", Some("1")), ("b", None), ("c", Some("3"))], 7, codec, None);
            let second = batch(&[("d", Some("4"))], 20, Codec::None, None);
            let third = batch(&[("e", Some("5"))], 21, codec, None);
            let mut bytes = [first, second, third.clone()].concat();
            bytes.extend_from_slice(&third[..third.len() - 1]);
            let mut runs = Vec::new();
            assert_eq!(walk(&bytes.into(), 8..i64::MAX, Vec::new(), ALL, &mut runs).unwrap(), 22);
            let found: Vec<String> = runs.iter_mut().flat_map(texts).collect();
            assert_eq!(found, ["3", "4", "5"], "{name}");
            let offsets: Vec<u64> = runs.iter().flat_map(|run| run.offsets.clone()).collect();
            assert_eq!(offsets, [8, 9, 20, 21]);
            assert_eq!(runs[0].tombstones, [0]);
            assert_eq!(runs[0].timestamps[..2], [990, 980]);
            let range = runs[0].headers[0].clone();
            let header = &runs[0].bytes()[range.start as usize..range.end as usize];
            assert_eq!(headers(header).unwrap(), [("h", None)]);
        }
    }

    #[test]
    fn long_batches_become_several_runs() {
        for codec in [Codec::None, Codec::Lz4] {
            let value = "x".repeat(300);
            let records: Vec<_> = (0..10_000).map(|_| ("k", Some(value.as_str()))).collect();
            let bytes = batch(&records, 0, codec, None);
            let mut runs = Vec::new();
            let wanted = Wanted { check_crcs: true, ..Wanted::default() };
            assert_eq!(walk(&bytes.into(), 0..i64::MAX, Vec::new(), wanted, &mut runs).unwrap(), 10_000);
            assert!(runs.len() >= 3);
            let found: Vec<String> = runs.iter_mut().flat_map(texts).collect();
            assert_eq!(found.len(), 10_000);
            assert!(found.iter().all(|text| *text == value));
            assert_eq!(runs.last().unwrap().next_offset, 10_000);
        }
    }

    #[test]
    fn aborted_transactions_are_left_out_until_their_end() {
        let (stamp, other) = (Some(5), Some(6));
        let mut end = batch(&[("abort", Some(""))], 2, Codec::None, stamp);
        end[ATTRIBUTES_AT + 1] |= attributes::CONTROL as u8;
        let crc = crc32c::crc32c(&end[ATTRIBUTES_AT..]);
        end[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
        let bytes = [
            batch(&[("a", Some("lost"))], 0, Codec::None, stamp),
            batch(&[("a", Some("other"))], 1, Codec::None, other),
            end,
            batch(&[("a", Some("kept"))], 3, Codec::None, stamp),
        ];
        let bytes = Bytes::from(bytes.concat());
        let aborted = vec![Aborted { producer_id: 5, first_offset: 0 }];
        let mut runs = Vec::new();
        walk(&bytes, 0..i64::MAX, aborted.clone(), ALL, &mut runs).unwrap();
        assert_eq!(runs.iter_mut().flat_map(texts).collect::<Vec<_>>(), ["other", "kept"]);
        let mut runs = Vec::new();
        walk(&bytes, 0..i64::MAX, aborted, Wanted { committed_only: false, ..ALL }, &mut runs).unwrap();
        assert_eq!(runs.iter_mut().flat_map(texts).count(), 3);
    }

    #[test]
    fn damage_is_an_error() {
        let good = batch(&[("a", Some("1"))], 0, Codec::None, None);
        let mut runs = Vec::new();
        for at in [16, 30, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            assert!(walk(&bad.into(), 0..i64::MAX, Vec::new(), ALL, &mut runs).is_err(), "{at}");
        }
        assert!(runs.is_empty());
    }
}
