//! The decisions about checkpoints: pure functions of what is known, without I/O.
//!
//! # Which key groups are written whole
//!
//! A group's chain is its last whole section and the changes since. It is written whole again
//! 1. when nothing is known of it, or
//! 2. when its changes are as large as the whole section, or
//! 3. when it has changed in [`CHAIN_MAX`] epochs, or
//! 4. from half of that on, the longest chains first, as long as the budget of the epoch lasts: so groups that
//!    started together do not come due together.
//!
//! By rule 2 rewriting costs at most one byte for each byte of changes where the state keeps its size (write
//! amplification 2), and two where it only grows (3). Rules 3 and 4 add the state's size once in half of
//! `CHAIN_MAX` epochs in which all its groups change.
//!
//! Invariant: a chain has at most `CHAIN_MAX` changes, and a segment is dropped only when all its groups were
//! written whole later.

use super::SegmentRef;
use crate::snapshot::SHARED_GROUP;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// In how many epochs a key group may change before it is written whole again.
pub const CHAIN_MAX: u32 = 64;
/// Chains of this length are written whole when the budget allows.
const CHAIN_LONG: u32 = CHAIN_MAX / 2;
/// Changes below this many bytes are no reason to write a group whole.
const CHANGES_SMALL: u64 = 4096;

/// What is known of the chain of one key group of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupChain {
    /// The bytes of the last whole section.
    pub whole_bytes: u64,
    /// The bytes of the changes since.
    pub change_bytes: u64,
    /// In how many epochs it changed since.
    pub changes: u32,
}

impl GroupChain {
    /// Whether it must be written whole, whatever the budget.
    fn is_due(&self) -> bool {
        let outgrown = self.change_bytes >= self.whole_bytes.max(CHANGES_SMALL);
        self.changes >= CHAIN_MAX || outgrown
    }
}

/// Which of the key groups `groups` a table writes whole in the coming epoch.
pub fn whole_groups(chains: &BTreeMap<u32, GroupChain>, groups: Range<u32>) -> BTreeSet<u32> {
    let (mut due, mut long) = (BTreeSet::new(), Vec::new());
    let mut state_bytes = 0;
    for group in groups {
        let Some(chain) = chains.get(&group) else {
            due.insert(group);
            continue;
        };
        state_bytes += chain.whole_bytes;
        if chain.is_due() {
            due.insert(group);
        } else if chain.changes >= CHAIN_LONG {
            long.push((chain.changes, group, chain.whole_bytes));
        }
    }
    let mut budget = state_bytes / u64::from(CHAIN_MAX - CHAIN_LONG);
    long.sort_unstable_by(|a, b| b.cmp(a));
    for (_, group, bytes) in long {
        due.insert(group);
        match budget.checked_sub(bytes) {
            Some(left) if left > 0 => budget = left,
            _ => break,
        }
    }
    due
}

/// From which epoch on the sections of each key group count: that of its last whole section. A group without one
/// is missing, all its sections count. What belongs to every task counts as of the last epoch that has it.
pub fn counting_from<'a>(segments: impl IntoIterator<Item = &'a SegmentRef>) -> BTreeMap<u32, u64> {
    let mut from = BTreeMap::new();
    for segment in segments {
        for group in segment.whole.iter().chain(segment.groups.contains(SHARED_GROUP).then_some(SHARED_GROUP))
        {
            let epoch = from.entry(group).or_insert(segment.epoch);
            *epoch = segment.epoch.max(*epoch);
        }
    }
    from
}

/// Whether anything in a segment still counts.
pub fn is_needed(segment: &SegmentRef, from: &BTreeMap<u32, u64>) -> bool {
    segment.groups.iter().any(|group| from.get(&group).is_none_or(|&epoch| epoch <= segment.epoch))
}

/// What a job's folder holds of one epoch's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It can be read, and it needs the data files of these epochs.
    Good(BTreeSet<u64>),
    /// It is damaged, or something it names is missing.
    Damaged,
}

/// The epochs whose manifests and those whose data files go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletable {
    /// Manifests; they must go first, so that none is left that names what is gone.
    pub manifests: BTreeSet<u64>,
    /// Data files.
    pub data: BTreeSet<u64>,
}

/// What may be deleted when the newest `keep` (at least one) good checkpoints are kept. `writing`: epochs under
/// way in this process.
///
/// Without any good manifest nothing goes: somebody has to look at it. A damaged manifest that is newer than the
/// oldest kept one is left for them too, with the data of its own epoch.
pub fn deletable(
    manifests: &BTreeMap<u64, Known>,
    data: &BTreeSet<u64>,
    writing: &BTreeSet<u64>,
    keep: usize,
) -> Deletable {
    let good = manifests.iter().rev().filter_map(|(&epoch, known)| match known {
        Known::Good(needed) => Some((epoch, needed)),
        Known::Damaged => None,
    });
    let kept: Vec<(u64, &BTreeSet<u64>)> = good.take(keep.max(1)).collect();
    let Some(&(oldest, _)) = kept.last() else {
        return match manifests.is_empty() {
            true => Deletable { data: data - writing, ..Deletable::default() },
            false => Deletable::default(),
        };
    };
    let left = manifests.keys().copied().filter(|&epoch| epoch >= oldest);
    let mut needed: BTreeSet<u64> = left.chain(writing.iter().copied()).collect();
    kept.iter().for_each(|(_, data)| needed.extend(*data));
    Deletable {
        manifests: manifests.keys().copied().filter(|&epoch| epoch < oldest).collect(),
        data: data - &needed,
    }
}

/// The task that a key group belongs to, the same as for the rows an exchange routes.
pub fn task_of_group(group: u32, tasks: u32, key_groups: u32) -> u32 {
    (u64::from(group) * u64::from(tasks) / u64::from(key_groups)) as u32
}

/// The key groups of a task.
pub fn groups_of_task(task: u32, tasks: u32, key_groups: u32) -> Range<u32> {
    let first = |task: u32| (u64::from(task) * u64::from(key_groups)).div_ceil(u64::from(tasks)) as u32;
    first(task)..first(task + 1)
}
