//! The decisions about checkpoints, on random histories.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tidemill_state::checkpoint::decide::{
    CHAIN_MAX, Deletable, GroupChain, Known, counting_from, deletable, groups_of_task, is_needed,
    task_of_group, whole_groups,
};
use tidemill_state::checkpoint::{GroupSet, SegmentRef};
use tidemill_state::snapshot::SHARED_GROUP;

proptest! {
    /// Every group has one task, the one that the exchange sends its rows to.
    #[test]
    fn tasks_share_the_groups(tasks in 1u32..200, key_groups in 1u32..400) {
        let mut all = Vec::new();
        for task in 0..tasks {
            let groups = groups_of_task(task, tasks, key_groups);
            for group in groups.clone() {
                prop_assert_eq!(task_of_group(group, tasks, key_groups), task);
                prop_assert_eq!(u64::from(task), u64::from(group) * u64::from(tasks) / u64::from(key_groups));
            }
            all.extend(groups);
        }
        prop_assert_eq!(all, (0..key_groups).collect::<Vec<_>>());
    }

    /// What still counts is in the segments that are kept, and nothing else.
    #[test]
    fn needed_segments_hold_all_that_counts(
        epochs in prop::collection::vec(prop::collection::vec((prop::sample::select(vec![0u32, 1, 2, 3, SHARED_GROUP]), any::<bool>()), 0..6), 1..12),
    ) {
        let segments: Vec<SegmentRef> = epochs.iter().enumerate().map(|(at, sections)| segment(at as u64 + 1, sections)).collect();
        let from = counting_from(&segments);
        let kept: Vec<SegmentRef> = segments.iter().filter(|segment| is_needed(segment, &from)).cloned().collect();
        prop_assert_eq!(effective(&kept), effective(&segments));
        prop_assert_eq!(counting_from(&kept), from);
        for segment in &kept {
            let mut fewer = kept.clone();
            fewer.retain(|other| other != segment);
            prop_assert_ne!(effective(&fewer), effective(&segments), "{:?} could go", segment);
        }
    }

    /// Nothing goes that a kept checkpoint or an epoch under way needs; the rest goes.
    #[test]
    fn only_what_nothing_needs_is_deleted(
        manifests in prop::collection::btree_map(0u64..30, prop::option::weighted(0.8, prop::collection::btree_set(0u64..8, 1..5)), 0..12),
        data in prop::collection::btree_set(0u64..34, 0..30),
        writing in prop::collection::btree_set(28u64..34, 0..3),
        keep in 0usize..5,
    ) {
        let manifests: BTreeMap<u64, Known> = manifests.into_iter().map(|(epoch, back)| {
            let needs = |back: BTreeSet<u64>| Known::Good(back.into_iter().map(|back| epoch.saturating_sub(back)).collect());
            (epoch, back.map_or(Known::Damaged, needs))
        }).collect();
        let gone = deletable(&manifests, &data, &writing, keep);
        check_deletable(&manifests, &data, &writing, keep.max(1), &gone)?;
    }

    /// Whatever changes: chains are bounded, and what is written is bounded by what changes.
    #[test]
    fn rewriting_is_bounded(
        groups in prop::collection::vec((1u64..2_000_000, 0u64..200_000, 0u32..100), 1..20),
        grows in any::<bool>(),
    ) {
        let run = Simulated::run(&groups, grows, 600);
        prop_assert!(run.longest <= CHAIN_MAX);
        // Each byte of changes pays for one byte of rewriting, two where the state grows, besides the rounds that
        // keep the chains short: the state's size once in half of CHAIN_MAX changes.
        let rounds = 600 / u64::from(CHAIN_MAX / 2) + 2;
        let per_byte = if grows { 2 } else { 1 };
        let allowed = run.dirty * per_byte + run.state * rounds + run.small;
        prop_assert!(run.rewritten <= allowed, "{run:?} allowed {allowed}");
    }
}

fn segment(epoch: u64, sections: &[(u32, bool)]) -> SegmentRef {
    SegmentRef {
        file: format!("epoch-{epoch:010}.data"),
        offset: 0,
        len: 1,
        checksum: 0,
        epoch,
        groups: sections.iter().map(|section| section.0).collect(),
        whole: sections.iter().filter(|section| section.1).map(|section| section.0).collect::<GroupSet>(),
        rows: 0,
    }
}

/// The epochs that make up each group, in order.
fn effective(segments: &[SegmentRef]) -> BTreeMap<u32, Vec<u64>> {
    let mut groups = BTreeMap::<u32, Vec<u64>>::new();
    for segment in segments {
        for group in segment.groups.iter() {
            let epochs = groups.entry(group).or_default();
            if segment.whole.contains(group) || group == SHARED_GROUP {
                epochs.clear();
            }
            epochs.push(segment.epoch);
        }
    }
    groups
}

fn check_deletable(
    manifests: &BTreeMap<u64, Known>,
    data: &BTreeSet<u64>,
    writing: &BTreeSet<u64>,
    keep: usize,
    gone: &Deletable,
) -> Result<(), TestCaseError> {
    let good: Vec<u64> =
        manifests.iter().filter(|(_, known)| **known != Known::Damaged).map(|(e, _)| *e).collect();
    let kept: Vec<u64> = good.iter().rev().take(keep).copied().collect();
    for epoch in &kept {
        prop_assert!(!gone.manifests.contains(epoch));
        if let Known::Good(needs) = &manifests[epoch] {
            prop_assert!(gone.data.is_disjoint(needs));
        }
    }
    prop_assert!(gone.data.is_disjoint(writing));
    prop_assert!(gone.data.is_subset(data));
    // Older checkpoints go, good or not; newer damaged ones stay for people to look at.
    let old = |epoch: &u64| kept.last().is_some_and(|oldest| epoch < oldest);
    prop_assert_eq!(&gone.manifests, &manifests.keys().copied().filter(old).collect());
    if kept.is_empty() && !manifests.is_empty() {
        prop_assert!(gone.data.is_empty());
    }
    let needed = |epoch: &u64| {
        writing.contains(epoch)
            || (manifests.contains_key(epoch) && !old(epoch))
            || kept.iter().any(|kept| matches!(&manifests[kept], Known::Good(needs) if needs.contains(epoch)))
    };
    if !kept.is_empty() || manifests.is_empty() {
        prop_assert_eq!(&gone.data, &data.iter().copied().filter(|epoch| !needed(epoch)).collect());
    }
    Ok(())
}

/// A table of groups that change at their own pace.
#[derive(Debug, Default)]
struct Simulated {
    /// Bytes of changes that were written.
    dirty: u64,
    /// Bytes of whole sections that were written, without the first ones.
    rewritten: u64,
    /// The bytes of the state at its end.
    state: u64,
    /// What small groups may cost, which are rewritten however little has changed.
    small: u64,
    longest: u32,
}

impl Simulated {
    /// `groups`: bytes at the start, bytes of changes in an epoch, and in one of how many epochs there are any.
    fn run(groups: &[(u64, u64, u32)], grows: bool, epochs: u32) -> Self {
        let mut run = Simulated::default();
        let mut sizes: Vec<u64> = groups.iter().map(|group| group.0).collect();
        let mut chains = BTreeMap::<u32, GroupChain>::new();
        for epoch in 0..epochs {
            let whole = whole_groups(&chains, 0..groups.len() as u32);
            for (at, &(_, change, pace)) in groups.iter().enumerate() {
                let change = if epoch % (pace + 1) == 0 { change } else { 0 };
                if grows {
                    sizes[at] += change;
                }
                let chain = chains.entry(at as u32).or_default();
                if whole.contains(&(at as u32)) {
                    run.rewritten += if epoch == 0 { 0 } else { sizes[at] };
                    *chain = GroupChain { whole_bytes: sizes[at], ..GroupChain::default() };
                } else if change > 0 {
                    run.dirty += change;
                    chain.change_bytes += change;
                    chain.changes += 1;
                    run.longest = run.longest.max(chain.changes);
                }
            }
        }
        run.state = sizes.iter().sum();
        // The changes that come with a whole section are in it.
        run.small = groups.iter().map(|group| group.1).sum::<u64>() * 64;
        run
    }
}
