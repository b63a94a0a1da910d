//! Which values of a column are NULL.
//!
//! Only the places of NULLs are kept, in order, so that values that are there cost nothing.

use arrow_buffer::{BooleanBufferBuilder, NullBuffer};

/// The places of NULLs, rising.
#[derive(Debug, Default)]
pub(crate) struct Nulls(Vec<u32>);

impl Nulls {
    /// Marks the value at `place`, the last one, as NULL.
    pub fn push_null(&mut self, place: usize) {
        self.0.push(place as u32);
    }

    /// Forgets the places from `len` on.
    pub fn truncate(&mut self, len: usize) {
        while self.0.last().is_some_and(|&place| place as usize >= len) {
            self.0.pop();
        }
    }

    /// The places as Arrow's bitmap over `len` values; none are left.
    pub fn take(&mut self, len: usize) -> Option<NullBuffer> {
        if self.0.is_empty() {
            return None;
        }
        let mut bits = BooleanBufferBuilder::new(len);
        bits.append_n(len, true);
        self.0.drain(..).for_each(|place| bits.set_bit(place as usize, false));
        Some(NullBuffer::new(bits.finish()))
    }
}
