//! Gathers the saved rows of a table by key group: all rows, or for some groups what changed.

use crate::SnapshotRows;
use crate::snapshot::Section;
use std::ops::Range;
use tidemill_types::key::key_group;

/// Tags of the rows of a section of changes.
pub(crate) const GONE: u8 = 0;
/// See [`GONE`].
pub(crate) const SET: u8 = 1;

/// A section while it is being filled.
#[derive(Debug)]
struct Filling {
    whole: bool,
    rows: u32,
    bytes: Vec<u8>,
}

/// Sections of consecutive key groups while they are being filled.
#[derive(Debug)]
pub(crate) struct Sections {
    groups: Range<u32>,
    key_groups: u32,
    sections: Vec<Filling>,
    /// Whether whole sections stay though they have no rows.
    keep_empty: bool,
}

impl Sections {
    /// Empty sections for all rows of the key groups `groups` of `key_groups`.
    pub(crate) fn new(groups: Range<u32>, key_groups: u32) -> Self {
        Sections { keep_empty: false, ..Self::of_changes(groups, key_groups, &|_| true) }
    }

    /// The same for all rows of the groups that `whole` names and for the changes of the others.
    pub(crate) fn of_changes(groups: Range<u32>, key_groups: u32, whole: &dyn Fn(u32) -> bool) -> Self {
        let section = |group| Filling { whole: whole(group), rows: 0, bytes: Vec::new() };
        let sections = groups.clone().map(section).collect();
        Sections { groups, key_groups, sections, keep_empty: true }
    }

    /// Whether all rows of some group are wanted.
    pub(crate) fn any_whole(&self) -> bool {
        self.sections.iter().any(|section| section.whole)
    }

    #[inline]
    fn section(&mut self, hash: u64) -> Option<&mut Filling> {
        let at = key_group(hash, self.key_groups).checked_sub(self.groups.start)?;
        self.sections.get_mut(at as usize)
    }

    /// Where the row of a key with this hash goes; none if it is not wanted. The row is counted.
    #[inline]
    pub(crate) fn row(&mut self, hash: u64, changed: bool) -> Option<&mut Vec<u8>> {
        let section = self.section(hash)?;
        if !section.whole {
            if !changed {
                return None;
            }
            section.bytes.push(SET);
        }
        section.rows += 1;
        Some(&mut section.bytes)
    }

    /// Where to put what identifies a row that is gone; none if it is not wanted. Such rows come first.
    pub(crate) fn gone(&mut self, hash: u64) -> Option<&mut Vec<u8>> {
        let section = self.section(hash).filter(|section| !section.whole)?;
        Some(begin_gone(section))
    }

    /// The same in every group whose changes are wanted.
    pub(crate) fn gone_everywhere(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        self.sections.iter_mut().filter(|section| !section.whole).map(begin_gone)
    }

    /// The sections that have rows, and the whole ones of a checkpoint.
    pub(crate) fn finish(self, schema: u64) -> SnapshotRows {
        let sections = self.groups.zip(self.sections);
        let kept = sections.filter(|(_, s)| s.rows > 0 || (self.keep_empty && s.whole));
        let section = |(group, Filling { whole, rows, bytes }): (u32, Filling)| Section {
            group,
            rows,
            whole,
            bytes: bytes.into(),
        };
        SnapshotRows { schema, sections: kept.map(section).collect() }
    }
}

fn begin_gone(section: &mut Filling) -> &mut Vec<u8> {
    section.rows += 1;
    section.bytes.push(GONE);
    &mut section.bytes
}
