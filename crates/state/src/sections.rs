//! Gathers the saved rows of a table by key group.

use crate::SnapshotRows;
use crate::snapshot::Section;
use std::ops::Range;
use tidemill_types::key::key_group;

/// Sections of consecutive key groups while they are being filled.
#[derive(Debug)]
pub(crate) struct Sections {
    groups: Range<u32>,
    key_groups: u32,
    sections: Vec<Section>,
}

impl Sections {
    /// Empty sections for the key groups `groups` of `key_groups`.
    pub(crate) fn new(groups: Range<u32>, key_groups: u32) -> Self {
        let sections =
            groups.clone().map(|group| Section { group, whole: true, ..Section::default() }).collect();
        Sections { groups, key_groups, sections }
    }

    /// Where the row of a key with this hash goes; none if its group is not wanted. The row is counted.
    pub(crate) fn row(&mut self, hash: u64) -> Option<&mut Vec<u8>> {
        let group = key_group(hash, self.key_groups);
        let at = group.checked_sub(self.groups.start)? as usize;
        let section = self.sections.get_mut(at)?;
        section.rows += 1;
        Some(&mut section.bytes)
    }

    /// The snapshot: the sections that have rows.
    pub(crate) fn finish(mut self, schema: u64) -> SnapshotRows {
        self.sections.retain(|section| section.rows > 0);
        SnapshotRows { schema, sections: self.sections }
    }
}
