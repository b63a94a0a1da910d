//! Walks the record batches of a fetched partition and says where each record's parts lie.
//!
//! 1. A batch's header is read and its checksum compared; a batch cut off at the end is left for the next fetch.
//! 2. Batches of aborted transactions and control batches give nothing, but move the position.
//! 3. Plain batches are walked where they lie; packed ones are unpacked behind each other first.
//! 4. Runs of records go out as soon as they are large enough, with only those parts that are wanted.

use super::codec::Codec;
use super::{ATTRIBUTES_AT, CRC_AT, HEADER_BYTES, LENGTH_ENDS_AT, MAGIC, attributes, varint};
use bytes::Bytes;
use std::collections::HashSet;
use std::ops::Range;
use tidemill_types::Blob;
use tidemill_types::Framing;

/// How many records a run has at most.
pub(crate) const RUN_RECORDS_MAX: usize = 4_096;
/// A run ends behind the record that makes it this large.
const RUN_BYTES: usize = 1 << 20;

/// Which parts of records are wanted besides their values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) keys: bool,
    pub(crate) timestamps: bool,
    pub(crate) headers: bool,
    /// Epoch and kind of timestamp, which are the same for a whole batch.
    pub(crate) of_batch: bool,
    /// Whether records without a value are kept.
    pub(crate) tombstones: bool,
    /// Whether aborted transactions are left out.
    pub(crate) committed_only: bool,
    /// Whether checksums are compared.
    pub(crate) check_crcs: bool,
}

/// Records of one partition whose parts lie in one run of bytes.
#[derive(Debug, Default)]
pub(crate) struct Run {
    bytes: Bytes,
    /// Where the values lie; records without one are not here.
    pub(crate) values: Vec<Range<u32>>,
    pub(crate) offsets: Vec<u64>,
    pub(crate) keys: Vec<Option<Range<u32>>>,
    pub(crate) tombstones: Vec<u32>,
    pub(crate) timestamps: Vec<i64>,
    /// Where the headers of each record lie, their count first.
    pub(crate) headers: Vec<Range<u32>>,
    pub(crate) leader_epochs: Vec<i32>,
    pub(crate) log_append: Vec<bool>,
    /// Where reading goes on behind it.
    pub(crate) next_offset: i64,
}

impl Run {
    /// Whether offsets follow each other and no record lacks a value.
    pub(crate) fn is_plain(&self) -> bool {
        let (Some(first), Some(last)) = (self.offsets.first(), self.offsets.last()) else { return true };
        self.tombstones.is_empty() && last - first + 1 == self.offsets.len() as u64
    }

    /// The bytes that the ranges mean.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The values to decode.
    pub(crate) fn take_blob(&mut self) -> Blob {
        let framing = Framing::Records(std::mem::take(&mut self.values));
        Blob { bytes: self.bytes.clone().into(), framing }
    }
}

/// What can be wrong with batches.
#[derive(Debug, PartialEq)]
pub(crate) struct Damage(pub(crate) String);

/// A transaction that was aborted, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
}

/// The header of a batch.
struct Header {
    base_offset: i64,
    /// All bytes of the batch.
    length: usize,
    leader_epoch: i32,
    attributes: i16,
    last_offset: i64,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    count: i32,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes")
}

impl Header {
    /// Reads a header; `None` if the batch is cut off.
    fn read(bytes: &[u8], check_crcs: bool) -> Result<Option<Header>, Damage> {
        if bytes.len() < HEADER_BYTES {
            return Ok(None);
        }
        let base_offset = i64::from_be_bytes(number(bytes, 0));
        let length = i32::from_be_bytes(number(bytes, 8)) as usize + LENGTH_ENDS_AT;
        if bytes[16] != MAGIC {
            return Err(Damage(format!("a batch of format {}, which is older than Kafka 0.11", bytes[16])));
        }
        if bytes.len() < length {
            return Ok(None);
        }
        if length < HEADER_BYTES {
            return Err(Damage("a batch that is shorter than its header".into()));
        }
        let crc = u32::from_be_bytes(number(bytes, CRC_AT));
        if check_crcs && crc32c::crc32c(&bytes[ATTRIBUTES_AT..length]) != crc {
            return Err(Damage("a batch whose checksum is wrong".into()));
        }
        Ok(Some(Header {
            base_offset,
            length,
            leader_epoch: i32::from_be_bytes(number(bytes, 12)),
            attributes: i16::from_be_bytes(number(bytes, ATTRIBUTES_AT)),
            last_offset: base_offset + i64::from(i32::from_be_bytes(number(bytes, 23))),
            base_timestamp: i64::from_be_bytes(number(bytes, 27)),
            max_timestamp: i64::from_be_bytes(number(bytes, 35)),
            producer_id: i64::from_be_bytes(number(bytes, 43)),
            count: i32::from_be_bytes(number(bytes, 57)),
        }))
    }

    fn is(&self, bit: i16) -> bool {
        self.attributes & bit != 0
    }
}

/// Walks the batches of one answer.
pub(crate) struct Walk<'a> {
    wanted: Wanted,
    /// Transactions that were aborted and begin further on, the first last.
    aborted: Vec<Aborted>,
    /// Producers whose transaction at this place was aborted.
    aborting: HashSet<i64>,
    /// The offsets that are wanted.
    range: Range<i64>,
    records: &'a Bytes,
    run: Run,
    /// Where the run at hand starts in the answer, if it lies there.
    run_start: usize,
    unpacked: Vec<u8>,
    out: &'a mut Vec<Run>,
}

/// Appends the records of an answer with these offsets to `out`, and says where reading goes on.
pub(crate) fn walk(
    records: &Bytes,
    range: Range<i64>,
    mut aborted: Vec<Aborted>,
    wanted: Wanted,
    out: &mut Vec<Run>,
) -> Result<i64, Damage> {
    aborted.sort_by_key(|aborted| std::cmp::Reverse(aborted.first_offset));
    let run = Run { next_offset: range.start, ..Run::default() };
    let mut walk = Walk {
        wanted,
        aborted,
        aborting: HashSet::new(),
        range,
        records,
        run,
        run_start: 0,
        unpacked: Vec::new(),
        out,
    };
    let mut at = 0;
    while let Some(header) = Header::read(&records[at..], wanted.check_crcs)? {
        walk.batch(&header, at)
            .map_err(|Damage(what)| Damage(format!("{what} at offset {}", header.base_offset)))?;
        at += header.length;
    }
    let next = walk.run.next_offset;
    walk.end_run(at);
    Ok(next)
}

impl Walk<'_> {
    fn batch(&mut self, header: &Header, at: usize) -> Result<(), Damage> {
        let body = at + HEADER_BYTES..at + header.length;
        if !self.skips(header, &body)? && header.last_offset >= self.range.start {
            match Codec::of(header.attributes & attributes::CODEC) {
                Some(Codec::None) => self.plain(header, body)?,
                Some(codec) => self.packed(header, codec, body)?,
                None => return Err(Damage("a batch of an unknown compression".into())),
            }
        }
        self.run.next_offset = self.run.next_offset.max(header.last_offset + 1);
        Ok(())
    }

    /// Whether a batch gives no records; follows where aborted transactions begin and end.
    fn skips(&mut self, header: &Header, body: &Range<usize>) -> Result<bool, Damage> {
        while let Some(next) = self.aborted.pop_if(|next| next.first_offset <= header.last_offset) {
            self.aborting.insert(next.producer_id);
        }
        if header.is(attributes::CONTROL) {
            if header.is(attributes::TRANSACTIONAL) {
                self.aborting.remove(&header.producer_id);
            }
            return Ok(true);
        }
        if body.is_empty() && header.count > 0 {
            return Err(Damage("a batch without its records".into()));
        }
        let aborted = header.is(attributes::TRANSACTIONAL) && self.aborting.contains(&header.producer_id);
        Ok(self.wanted.committed_only && aborted)
    }

    fn plain(&mut self, header: &Header, body: Range<usize>) -> Result<(), Damage> {
        if !self.unpacked.is_empty() {
            self.end_run(body.start);
        }
        if self.run.offsets.is_empty() {
            self.run_start = body.start;
        }
        let records = self.records.clone();
        let (mut at, mut left) = (body.start, header.count);
        while left > 0 {
            (at, left) = self.records(&records[..body.end], at, self.run_start, header, left)?;
            if self.is_full(at - self.run_start) {
                self.end_run(at);
            }
        }
        Ok(())
    }

    fn packed(&mut self, header: &Header, codec: Codec, body: Range<usize>) -> Result<(), Damage> {
        if self.unpacked.is_empty() {
            self.end_run(body.start);
        }
        let mut bytes = std::mem::take(&mut self.unpacked);
        let mut at = bytes.len();
        codec
            .unpack(&self.records[body], &mut bytes)
            .map_err(|error| Damage(format!("a batch that can't be unpacked ({error})")))?;
        // Batches are small beside a run, so a run may get longer by one.
        let mut left = header.count;
        while left > 0 {
            (at, left) = self.records(&bytes, at, 0, header, left)?;
            if left > 0 {
                self.unpacked = bytes[..at].to_vec();
                self.end_run(0);
                bytes.drain(..at);
                at = 0;
            }
        }
        self.unpacked = bytes;
        if self.is_full(self.unpacked.len()) {
            self.end_run(0);
        }
        Ok(())
    }

    fn is_full(&self, bytes: usize) -> bool {
        self.run.offsets.len() >= RUN_RECORDS_MAX || bytes >= RUN_BYTES
    }

    /// Walks records until all are done or the run is full; ranges are taken from `base` on.
    fn records(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        base: usize,
        header: &Header,
        mut left: i32,
    ) -> Result<(usize, i32), Damage> {
        let cut = || Damage("a record that reaches beyond its batch".into());
        if bytes.len() - base > u32::MAX as usize {
            return Err(Damage("a batch of more than 4 GiB".into()));
        }
        while left > 0 {
            let length = varint::read(bytes, &mut at).ok_or_else(cut)?;
            let end =
                usize::try_from(length).ok().and_then(|length| at.checked_add(length)).ok_or_else(cut)?;
            let record = bytes.get(..end).ok_or_else(cut)?;
            self.record(record, at, base, header).ok_or_else(cut)?;
            at = end;
            left -= 1;
            if self.is_full(at - base) {
                break;
            }
        }
        Ok((at, left))
    }

    /// Notes the parts of one record, which ends where `bytes` does.
    #[inline]
    fn record(&mut self, bytes: &[u8], mut at: usize, base: usize, header: &Header) -> Option<()> {
        at += 1;
        let timestamp_delta = varint::read(bytes, &mut at)?;
        let offset = header.base_offset + varint::read(bytes, &mut at)?;
        let key = part(bytes, &mut at, base)?;
        let value = part(bytes, &mut at, base)?;
        if !self.range.contains(&offset) || (value.is_none() && !self.wanted.tombstones) {
            self.run.next_offset = self.run.next_offset.max(offset + 1);
            return Some(());
        }
        let run = &mut self.run;
        match value {
            Some(value) => run.values.push(value),
            None => run.tombstones.push(run.offsets.len() as u32),
        }
        run.offsets.push(offset as u64);
        run.next_offset = offset + 1;
        if self.wanted.keys {
            run.keys.push(key);
        }
        if self.wanted.timestamps {
            let append = header.attributes & attributes::LOG_APPEND_TIME != 0;
            let timestamp = header.base_timestamp.saturating_add(timestamp_delta);
            run.timestamps.push(if append { header.max_timestamp } else { timestamp });
        }
        if self.wanted.headers {
            run.headers.push((at - base) as u32..(bytes.len() - base) as u32);
        }
        if self.wanted.of_batch {
            run.leader_epochs.push(header.leader_epoch);
            run.log_append.push(header.attributes & attributes::LOG_APPEND_TIME != 0);
        }
        Some(())
    }

    /// Gives the run at hand out; it ends in front of this place of the answer, unless it was unpacked.
    fn end_run(&mut self, end: usize) {
        let next = Run { next_offset: self.run.next_offset, ..Run::default() };
        let unpacked = std::mem::take(&mut self.unpacked);
        if self.run.offsets.is_empty() {
            self.run_start = end;
            return;
        }
        let mut run = std::mem::replace(&mut self.run, next);
        run.bytes = match unpacked.is_empty() {
            true => self.records.slice(self.run_start..end),
            false => Bytes::from(unpacked),
        };
        self.run_start = end;
        self.out.push(run);
    }
}

/// The range of a key or value, from `base` on; `None` inside if there is none.
#[inline]
fn part(bytes: &[u8], at: &mut usize, base: usize) -> Option<Option<Range<u32>>> {
    let length = varint::read(bytes, at)?;
    if length < 0 {
        return Some(None);
    }
    let start = *at;
    let end = start.checked_add(length as usize).filter(|end| *end <= bytes.len())?;
    *at = end;
    Some(Some((start - base) as u32..(end - base) as u32))
}

/// The headers of a record: names and values, where they lie.
pub(crate) fn headers(bytes: &[u8]) -> Option<Vec<(&str, Option<&[u8]>)>> {
    let mut at = 0;
    let count = varint::read(bytes, &mut at)?;
    let mut headers = Vec::new();
    for _ in 0..count {
        let name = part(bytes, &mut at, 0)??;
        let name = std::str::from_utf8(&bytes[name.start as usize..name.end as usize]).ok()?;
        let value = part(bytes, &mut at, 0)?.map(|range| &bytes[range.start as usize..range.end as usize]);
        headers.push((name, value));
    }
    Some(headers)
}
