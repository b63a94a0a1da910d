//! Gathers the saved rows of a table by key group.

use crate::SnapshotRows;
use crate::snapshot::Section;
use bytes::Bytes;
use std::ops::Range;
use tidemill_types::key::key_group;

/// Sections of consecutive key groups while they are being filled.
#[derive(Debug)]
pub(crate) struct Sections {
    groups: Range<u32>,
    key_groups: u32,
    /// The number of rows and the rows of each group.
    sections: Vec<(u32, Vec<u8>)>,
}

impl Sections {
    /// Empty sections for the key groups `groups` of `key_groups`.
    pub(crate) fn new(groups: Range<u32>, key_groups: u32) -> Self {
        let sections = vec![(0, Vec::new()); groups.len()];
        Sections { groups, key_groups, sections }
    }

    /// Where the row of a key with this hash goes; none if its group is not wanted. The row is counted.
    pub(crate) fn row(&mut self, hash: u64) -> Option<&mut Vec<u8>> {
        let group = key_group(hash, self.key_groups);
        let at = group.checked_sub(self.groups.start)? as usize;
        let (rows, bytes) = self.sections.get_mut(at)?;
        *rows += 1;
        Some(bytes)
    }

    /// The snapshot: the sections that have rows.
    pub(crate) fn finish(self, schema: u64) -> SnapshotRows {
        let sections = self.groups.zip(self.sections).filter(|(_, (rows, _))| *rows > 0);
        let section =
            |(group, (rows, bytes))| Section { group, rows, whole: true, bytes: Bytes::from(bytes) };
        SnapshotRows { schema, sections: sections.map(section).collect() }
    }
}
