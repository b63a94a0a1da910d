//! What of each table is already written: the segments the next manifest must name, and the sizes by which it is
//! decided which key groups are written whole.
//!
//! Invariant: the segments of a table are in the order they apply, and each still counts for one of its groups.

use super::decide::{self, GroupChain};
use super::{Loaded, SegmentRef, TableState};
use crate::SnapshotRows;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The chains of all tables of a job.
#[derive(Debug, Clone, Default)]
pub struct Chains {
    tables: BTreeMap<(String, String), Chain>,
}

#[derive(Debug, Clone, Default)]
struct Chain {
    schema: u64,
    segments: Vec<SegmentRef>,
    groups: BTreeMap<u32, GroupChain>,
}

impl Chains {
    /// The chains of a job that goes on from a checkpoint.
    pub fn of(loaded: &Loaded) -> Self {
        let mut chains = Chains::default();
        for table in &loaded.manifest.tables {
            let key = (table.operator.clone(), table.table.clone());
            let mut chain =
                Chain { schema: table.schema, segments: table.segments.clone(), ..Chain::default() };
            let rows = loaded.tables.get(&key).into_iter().flat_map(|table| &table.rows);
            rows.for_each(|rows| chain.count(rows));
            chains.tables.insert(key, chain);
        }
        chains
    }

    /// Which of a task's key groups a table must write whole in the coming epoch.
    pub fn whole_groups(&self, operator: &str, table: &str, groups: Range<u32>) -> BTreeSet<u32> {
        match self.tables.get(&(operator.to_owned(), table.to_owned())) {
            Some(chain) => decide::whole_groups(&chain.groups, groups),
            None => groups.collect(),
        }
    }

    /// The same for all tables that are known.
    pub fn all_whole_groups(&self, groups: Range<u32>) -> BTreeMap<(String, String), BTreeSet<u32>> {
        let whole = |chain: &Chain| decide::whole_groups(&chain.groups, groups.clone());
        self.tables.iter().map(|(key, chain)| (key.clone(), whole(chain))).collect()
    }

    /// A task's rows of a table were written.
    pub fn add(&mut self, operator: &str, table: &str, rows: &SnapshotRows, segment: SegmentRef) {
        let chain = self.tables.entry((operator.to_owned(), table.to_owned())).or_default();
        if chain.schema != rows.schema {
            *chain = Chain { schema: rows.schema, ..Chain::default() };
        }
        chain.count(rows);
        chain.segments.push(segment);
    }

    /// An epoch could not be written though tables have given their changes: every group is written whole next.
    pub fn forget_groups(&mut self) {
        self.tables.values_mut().for_each(|chain| chain.groups.clear());
    }

    /// Drops the tables of operators that the job no longer has.
    pub fn retain(&mut self, keep: impl Fn(&str, &str) -> bool) {
        self.tables.retain(|(operator, table), _| keep(operator, table));
    }

    /// What a manifest says of the tables; `rows` tells how many rows a table has. Segments that no longer count
    /// are dropped.
    pub fn tables(&mut self, rows: impl Fn(&str, &str) -> u64) -> Vec<TableState> {
        let state = |((operator, table), chain): (&(String, String), &mut Chain)| {
            chain.drop_unneeded();
            TableState {
                operator: operator.clone(),
                table: table.clone(),
                schema: chain.schema,
                rows: rows(operator, table),
                segments: chain.segments.clone(),
            }
        };
        self.tables.iter_mut().map(state).collect()
    }
}

impl Chain {
    fn count(&mut self, rows: &SnapshotRows) {
        for section in &rows.sections {
            let bytes = section.bytes.len() as u64;
            let chain = self.groups.entry(section.group).or_default();
            match section.whole {
                true => *chain = GroupChain { whole_bytes: bytes, ..GroupChain::default() },
                false => {
                    chain.change_bytes += bytes;
                    chain.changes += 1;
                }
            }
        }
    }

    fn drop_unneeded(&mut self) {
        let from = decide::counting_from(&self.segments);
        self.segments.retain(|segment| decide::is_needed(segment, &from));
    }
}
