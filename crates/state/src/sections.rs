//! Gathers the saved rows of a table by key group: all rows, or for some groups what changed.
//!
//! A table writes its rows one by one, or chooses rows and writes them column by column. Where it does both, the rows that
//! are written one by one apply first.

use crate::SnapshotRows;
use crate::columns::ColumnWriter;
use crate::snapshot::{Form, Section, write_prefixed};
use std::ops::Range;
use tidemill_types::key::key_group;

/// Tags of the rows of a section of changes.
pub(crate) const GONE: u8 = 0;
/// See [`GONE`].
pub(crate) const SET: u8 = 1;

/// A section while it is being filled.
#[derive(Debug, Default)]
struct Filling {
    whole: bool,
    rows: u32,
    bytes: Vec<u8>,
    /// With the rows that were written one by one in front; empty if there are no columns.
    columns: Vec<u8>,
}

/// Rows that are written column by column.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// Their slots.
    pub(crate) slots: Vec<u32>,
    /// The section of each.
    to: Vec<u16>,
}

impl Chosen {
    /// Room for so many rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Chosen { slots: Vec::with_capacity(rows), to: Vec::with_capacity(rows) }
    }
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
        debug_assert!(groups.len() <= usize::from(u16::MAX), "sections have small numbers");
        let section = |group| Filling { whole: whole(group), ..Filling::default() };
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

    /// Chooses a row, unless it is not wanted.
    #[inline]
    pub(crate) fn choose(&self, hash: u64, changed: bool, slot: u32, chosen: &mut Chosen) {
        let at = key_group(hash, self.key_groups).wrapping_sub(self.groups.start);
        if self.sections.get(at as usize).is_some_and(|section| section.whole || changed) {
            chosen.slots.push(slot);
            chosen.to.push(at as u16);
        }
    }

    /// Begins the columns of the chosen rows, which take about so many bytes each. Rows are written one by one before
    /// that only.
    pub(crate) fn columns<'a>(&'a mut self, chosen: &'a Chosen, row_bytes: usize) -> ColumnWriter<'a> {
        let mut rows = vec![0; self.sections.len()];
        chosen.to.iter().for_each(|&to| rows[usize::from(to)] += 1);
        let begin = |(section, &rows): (&'a mut Filling, &usize)| {
            let Filling { bytes, columns, .. } = section;
            if rows > 0 {
                columns.reserve_exact(8 + bytes.len() + rows * row_bytes);
                write_prefixed(columns, bytes);
                columns.extend_from_slice(&(rows as u32).to_le_bytes());
                section.rows += rows as u32;
            }
            columns
        };
        let outs = self.sections.iter_mut().zip(&rows).map(begin).collect();
        ColumnWriter::new(&chosen.to, outs, rows)
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
        let section = |(group, Filling { whole, rows, bytes, columns }): (u32, Filling)| {
            let (form, bytes) =
                if columns.is_empty() { (Form::Rows, bytes) } else { (Form::Columns, columns) };
            Section { group, rows, whole, form, bytes: bytes.into() }
        };
        SnapshotRows { schema, sections: kept.map(section).collect() }
    }
}

fn begin_gone(section: &mut Filling) -> &mut Vec<u8> {
    section.rows += 1;
    section.bytes.push(GONE);
    &mut section.bytes
}
