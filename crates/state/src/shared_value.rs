//! One number of a task that belongs to no key: a watermark reached, a generator's maximum.
//!
//! Invariant: it only rises. When tasks are regrouped every new task gets the largest of the old ones;
//! at an aligned barrier all tasks of an operator have reached the same watermark, so nothing is guessed.

use crate::entries::Entry;
use crate::snapshot::{Reader, SHARED_GROUP, Section};
use crate::{SnapshotRows, StateTable};
use bytes::Bytes;
use std::ops::Range;
use tidemill_types::Result;

const SCHEMA: u64 = 1;

/// A rising number that every task restores.
#[derive(Debug, Clone)]
pub struct SharedValue {
    value: i64,
    initial: i64,
}

impl SharedValue {
    /// Starts at this value.
    pub fn new(initial: i64) -> Self {
        SharedValue { value: initial, initial }
    }

    /// Its value.
    #[inline]
    pub fn get(&self) -> i64 {
        self.value
    }

    /// Raises it; a lower value changes nothing.
    #[inline]
    pub fn raise(&mut self, value: i64) {
        self.value = self.value.max(value);
    }
}

impl StateTable for SharedValue {
    fn schema_id(&self) -> u64 {
        SCHEMA
    }

    fn snapshot(&self, _groups: Range<u32>) -> SnapshotRows {
        let bytes = Bytes::copy_from_slice(&self.value.to_le_bytes());
        let section = Section { group: SHARED_GROUP, rows: 1, whole: true, bytes, ..Section::default() };
        SnapshotRows { schema: SCHEMA, sections: vec![section] }
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(SCHEMA)?;
        for section in rows.of_groups(groups) {
            self.raise(Reader::new(&section.bytes).i64()?);
        }
        Ok(())
    }

    /// Always whole: it is one number.
    fn delta(&mut self, groups: Range<u32>, _whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        self.snapshot(groups)
    }

    fn each_entry(&self, each: &mut dyn FnMut(Entry<'_>)) {
        each(Entry { numbers: &[("value", self.value)], ..Entry::default() });
    }

    fn clear(&mut self) {
        self.value = self.initial;
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }

    fn len(&self) -> usize {
        1
    }
}
