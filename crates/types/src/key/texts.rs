//! Texts and bytes on their way from encoded keys into a column of views.
//!
//! Invariant: bytes that do not fit into a view lie in one buffer, in the order of the rows.

use super::encode::ESCAPED;
use arrow_array::BinaryViewArray;
use arrow_buffer::{Buffer, NullBuffer};
use arrow_data::ByteView;

/// The longest value that a view holds itself.
const INLINE_BYTES: usize = 12;

/// Gathers a column.
#[derive(Default)]
pub(super) struct Texts {
    views: Vec<u128>,
    bytes: Vec<u8>,
}

impl Texts {
    /// Reads an escaped value up to its end.
    #[inline]
    pub(super) fn take(&mut self, bytes: &mut &[u8]) {
        let (value, rest) = split_at_zero(bytes);
        match rest[0] {
            ESCAPED => self.take_escaped(bytes),
            _ => {
                *bytes = &rest[1..];
                self.push(value);
            }
        }
    }

    #[cold]
    fn take_escaped(&mut self, bytes: &mut &[u8]) {
        let mut value = Vec::new();
        loop {
            let (part, rest) = split_at_zero(bytes);
            value.extend_from_slice(part);
            *bytes = &rest[1..];
            if rest[0] != ESCAPED {
                return self.push(&value);
            }
            value.push(0);
        }
    }

    /// Adds a value.
    #[inline]
    pub(super) fn push(&mut self, value: &[u8]) {
        if value.len() <= INLINE_BYTES {
            let mut view = [0; 16];
            view[..4].copy_from_slice(&(value.len() as u32).to_le_bytes());
            view[4..4 + value.len()].copy_from_slice(value);
            return self.views.push(u128::from_le_bytes(view));
        }
        let offset = u32::try_from(self.bytes.len()).expect("the texts of a column take less than 4 GiB");
        let view = ByteView::new(value.len() as u32, &value[..4]).with_offset(offset);
        self.views.push(view.as_u128());
        self.bytes.extend_from_slice(value);
    }

    /// The column.
    pub(super) fn finish(self, nulls: Option<NullBuffer>) -> BinaryViewArray {
        let buffers = if self.bytes.is_empty() { Vec::new() } else { vec![Buffer::from_vec(self.bytes)] };
        BinaryViewArray::new(self.views.into(), buffers, nulls)
    }
}

/// What stands before the next zero and what behind it.
#[inline]
fn split_at_zero(bytes: &[u8]) -> (&[u8], &[u8]) {
    let zero = memchr::memchr(0, bytes).expect("an encoded text has an end");
    (&bytes[..zero], &bytes[zero + 1..])
}
