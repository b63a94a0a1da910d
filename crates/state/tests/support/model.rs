//! A small table model that is saved as the runtime saves tables.

#![allow(dead_code)]

use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use tidemill_state::SnapshotRows;
use tidemill_state::checkpoint::{Chains, CheckpointStore, Loaded, Manifest, SegmentRef, TableState};
use tidemill_state::snapshot::Section;
use tidemill_types::Result;

pub const GROUPS: u32 = 8;
pub const SCHEMA: u64 = 77;
const OPERATOR: &str = "group-1";
const TABLE: &str = "groups";

pub fn data_file(epoch: u64) -> String {
    format!("epoch-{epoch:010}.data")
}

pub fn manifest_file(epoch: u64) -> String {
    format!("epoch-{epoch:010}.manifest")
}

/// Sections that hold all rows; a row is one number.
pub fn whole(groups: Range<u32>, value: u64) -> SnapshotRows {
    sections(groups, value, true)
}

/// Sections that hold changes.
pub fn changes(groups: Range<u32>, value: u64) -> SnapshotRows {
    sections(groups, value, false)
}

fn sections(groups: Range<u32>, value: u64, whole: bool) -> SnapshotRows {
    let section = |group| Section {
        group,
        rows: 1,
        whole,
        bytes: Bytes::copy_from_slice(&value.to_le_bytes()),
        ..Section::default()
    };
    SnapshotRows { schema: SCHEMA, sections: groups.map(section).collect() }
}

/// What each group was set to, in order. Whole sections begin anew.
pub type Contents = BTreeMap<u32, Vec<u8>>;

/// A job with one table of two tasks.
#[derive(Debug, Clone, Default)]
pub struct Model {
    rows: Contents,
    pending: Contents,
    pub chains: Chains,
}

impl Model {
    /// A job that goes on from a checkpoint.
    pub fn restored(loaded: &Loaded) -> Self {
        Model { rows: contents(loaded), pending: Contents::new(), chains: Chains::of(loaded) }
    }

    /// Changes some groups, differently in each epoch.
    pub fn step(&mut self, epoch: u64) {
        for group in (0..GROUPS).filter(|group| !(epoch + u64::from(*group)).is_multiple_of(3)) {
            let change = (epoch * 1000 + u64::from(group)).to_le_bytes();
            self.rows.entry(group).or_default().extend(change);
            self.pending.entry(group).or_default().extend(change);
        }
    }

    pub fn contents(&self) -> Contents {
        self.rows.clone()
    }

    /// Writes and publishes an epoch.
    pub async fn save(&mut self, store: &CheckpointStore, epoch: u64) -> Result<()> {
        let writer = store.begin(epoch);
        for task in 0..2 {
            let rows = self.delta(task * GROUPS / 2..(task + 1) * GROUPS / 2);
            let segment = writer.append(&rows).await?;
            self.adopt(&rows, segment);
        }
        self.pending.clear();
        writer.finish().await?;
        store.publish(&self.manifest(store.job(), epoch)).await
    }

    /// What the table gives for an epoch; a group in four is written whole now and then.
    fn delta(&self, groups: Range<u32>) -> SnapshotRows {
        let whole = self.chains.whole_groups(OPERATOR, TABLE, groups.clone());
        let section = |group: u32| {
            let whole = whole.contains(&group)
                || self.rows.get(&group).is_some_and(|rows| rows.len() % 7 == group as usize % 7);
            let rows = if whole { &self.rows } else { &self.pending };
            let bytes = rows.get(&group).cloned().unwrap_or_default();
            (whole || !bytes.is_empty()).then(|| Section {
                group,
                rows: bytes.len() as u32 / 8,
                whole,
                bytes: bytes.into(),
                ..Section::default()
            })
        };
        SnapshotRows { schema: SCHEMA, sections: groups.filter_map(section).collect() }
    }

    pub fn adopt(&mut self, rows: &SnapshotRows, segment: SegmentRef) {
        self.chains.add(OPERATOR, TABLE, rows, segment);
    }

    pub fn manifest(&mut self, job: &str, epoch: u64) -> Manifest {
        let tables: Vec<TableState> = self.chains.tables(|_, _| self.rows.len() as u64);
        Manifest {
            job: job.into(),
            epoch,
            parallelism: 2,
            key_groups: GROUPS,
            sinks: BTreeMap::from([("sink".into(), vec![epoch.to_le_bytes().to_vec()])]),
            tables,
            ..Manifest::default()
        }
    }
}

/// What a restart sees.
pub fn contents(loaded: &Loaded) -> Contents {
    let mut contents = Contents::new();
    let tables: Vec<_> = loaded.tables.values().collect();
    assert_eq!(tables.len(), 1);
    for section in tables[0].rows.iter().flat_map(|rows| &rows.sections) {
        let rows = contents.entry(section.group).or_default();
        if section.whole {
            assert!(rows.is_empty(), "sections that later ones replace are left out");
        }
        rows.extend_from_slice(&section.bytes);
    }
    contents.retain(|_, rows| !rows.is_empty());
    contents
}
