//! Text and bytes as views: short values inside the view, long ones in the blob where they stand, changed
//! ones in a buffer of the column.
//!
//! Invariant: every view of a text column shows valid UTF-8. Decoders check a whole blob at once, or each
//! record of a blob that fails, and cut only at ASCII characters.

use super::Nulls;
use arrow_array::{ArrayRef, BinaryViewArray, StringViewArray};
use arrow_buffer::{Buffer, NullBuffer};
use std::sync::Arc;

const BLOB: u32 = 0;
const OWN: u32 = 1;
const INLINE_MAX: usize = 12;

/// Views with the places of NULLs.
#[derive(Debug, Default)]
pub(crate) struct TextColumn {
    views: Vec<u128>,
    nulls: Nulls,
    own: Vec<u8>,
    in_blob: bool,
}

/// A value for comparison: short ones are their views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TextKey<'a> {
    Inline(u128),
    Long(&'a [u8]),
}

impl TextColumn {
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Appends the bytes `start..end` of the blob.
    #[inline]
    pub fn push_blob(&mut self, blob: &[u8], start: usize, end: usize) {
        let len = end - start;
        if len <= INLINE_MAX {
            return self.views.push(inline_view(blob, start, len));
        }
        self.in_blob = true;
        self.views.push(long_view(&blob[start..end], BLOB, start));
    }

    /// Appends bytes that lie elsewhere.
    pub fn push_copy(&mut self, bytes: &[u8]) {
        if bytes.len() <= INLINE_MAX {
            return self.views.push(inline_view(bytes, 0, bytes.len()));
        }
        self.views.push(long_view(bytes, OWN, self.own.len()));
        self.own.extend_from_slice(bytes);
    }

    /// Appends what `write` adds to the column's own bytes.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.own.len();
        write(&mut self.own);
        let len = self.own.len() - start;
        if len <= INLINE_MAX {
            self.views.push(inline_view(&self.own, start, len));
            self.own.truncate(start);
        } else {
            self.views.push(long_view(&self.own[start..], OWN, start));
        }
    }

    pub fn push_null(&mut self) {
        self.nulls.push_null(self.views.len());
        self.views.push(0);
    }

    /// Takes back the values from `len` on; bytes they own stay until the blob is done.
    pub fn truncate(&mut self, len: usize) {
        self.views.truncate(len);
        self.nulls.truncate(len);
    }

    /// The value at `place`, to be compared with others of this column.
    pub fn key<'a>(&'a self, place: usize, blob: &'a [u8]) -> TextKey<'a> {
        let view = self.views[place];
        let len = view as u32 as usize;
        if len <= INLINE_MAX {
            return TextKey::Inline(view);
        }
        let from = if (view >> 64) as u32 == BLOB { blob } else { &self.own };
        let offset = (view >> 96) as usize;
        TextKey::Long(&from[offset..offset + len])
    }

    fn take(&mut self, blob: &Buffer) -> (Vec<u128>, Arc<[Buffer]>, Option<NullBuffer>) {
        let room = Vec::with_capacity(self.views.len());
        let views = std::mem::replace(&mut self.views, room);
        let nulls = self.nulls.take(views.len());
        let own = std::mem::take(&mut self.own);
        // The blob is kept alive only by columns that show it.
        let buffers: Arc<[Buffer]> = match (std::mem::take(&mut self.in_blob), own.is_empty()) {
            (false, true) => Arc::new([]),
            (true, true) => Arc::new([blob.clone()]),
            (true, false) => Arc::new([blob.clone(), own.into()]),
            (false, false) => Arc::new([Buffer::from(&[] as &[u8]), own.into()]),
        };
        (views, buffers, nulls)
    }

    /// The values as text.
    #[allow(unsafe_code)]
    pub fn finish_text(&mut self, blob: &Buffer) -> ArrayRef {
        let (views, buffers, nulls) = self.take(blob);
        // SAFETY: views point into the blob and the column's own bytes as `push_*` made them, and the bytes
        // are valid UTF-8 by the invariant of this file. Checking each view again was measured to cost a
        // sixth of the whole time of decoding JSON.
        Arc::new(unsafe { StringViewArray::new_unchecked(views.into(), buffers, nulls) })
    }

    /// The values as bytes.
    pub fn finish_bytes(&mut self, blob: &Buffer) -> ArrayRef {
        let (views, buffers, nulls) = self.take(blob);
        Arc::new(BinaryViewArray::new(views.into(), buffers, nulls))
    }
}

/// Length and up to 12 bytes. Reads 16 bytes at once where the blob has them, which spares a copy of
/// variable length.
#[inline]
fn inline_view(bytes: &[u8], start: usize, len: usize) -> u128 {
    let raw = match bytes.get(start..).and_then(|rest| rest.first_chunk::<16>()) {
        Some(chunk) => u128::from_le_bytes(*chunk),
        None => {
            let mut chunk = [0; 16];
            chunk[..len].copy_from_slice(&bytes[start..start + len]);
            u128::from_le_bytes(chunk)
        }
    };
    let mask = (1u128 << (len * 8)) - 1;
    ((raw & mask) << 32) | len as u128
}

#[inline]
fn long_view(bytes: &[u8], buffer: u32, offset: usize) -> u128 {
    let prefix = bytes.first_chunk::<4>().map_or(0, |prefix| u32::from_le_bytes(*prefix));
    bytes.len() as u128 | u128::from(prefix) << 32 | u128::from(buffer) << 64 | (offset as u32 as u128) << 96
}
