//! Where the records of a blob stand.

use memchr::memchr;
use std::ops::Range;
use tidemill_types::{Blob, Framing};

/// The byte ranges of the records of a blob; of lines without their ends.
pub(crate) enum Records<'a> {
    Lines { bytes: &'a [u8], at: usize },
    Ranges(std::slice::Iter<'a, Range<u32>>),
    One(Option<Range<usize>>),
}

impl<'a> Records<'a> {
    /// All records; a whole blob is taken line by line, as Flink reads files.
    pub fn of(blob: &'a Blob) -> Self {
        match &blob.framing {
            Framing::Lines | Framing::Whole => Records::Lines { bytes: &blob.bytes, at: 0 },
            Framing::Records(ranges) => Records::Ranges(ranges.iter()),
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Range<usize>;

    #[inline]
    fn next(&mut self) -> Option<Range<usize>> {
        match self {
            Records::Lines { bytes, at } => {
                let start = *at;
                let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
                let len = memchr(b'\n', rest).unwrap_or(rest.len());
                *at = start + len + 1;
                let end = if len > 0 && rest[len - 1] == b'\r' { len - 1 } else { len };
                Some(start..start + end)
            }
            Records::Ranges(ranges) => ranges.next().map(|range| range.start as usize..range.end as usize),
            Records::One(range) => range.take(),
        }
    }
}
