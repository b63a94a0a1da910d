//! Tables come back from chains of checkpoints: whatever happened between them, whichever key groups were written
//! whole and however the groups are split among tasks, what is restored equals what was live.

#![allow(clippy::unwrap_used)]

mod by_time;
mod chain;
mod tables;

use chain::{Chain, Step};
use proptest::prelude::*;
use tables::Tested;
use tidemill_state::{MemoryBudget, OrderedTable, StateTable};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change =
        (0u8..12, 0u8..8, 0i64..40).prop_map(|(key, action, value)| Step::Change { key, action, value });
    let epoch = any::<u16>().prop_map(|whole| Step::Epoch { whole: u32::from(whole & (whole >> 3)) });
    let restart = (1u32..5).prop_map(|tasks| Step::Restart { tasks });
    prop::collection::vec(prop_oneof![20 => change, 3 => epoch, 1 => restart], 1..120)
}

/// With memory for everything, and with memory for next to nothing.
fn check<T: Tested>(steps: &[Step]) -> Result<(), TestCaseError> {
    run::<T>(steps, None)?;
    let folder = tempfile::tempdir().unwrap();
    run::<T>(steps, Some(MemoryBudget::new(1, folder.path())))
}

fn run<T: Tested>(steps: &[Step], budget: Option<MemoryBudget>) -> Result<(), TestCaseError> {
    let mut chain = Chain::<T>::new(budget);
    for step in steps {
        chain.take(step)?;
    }
    chain.take(&Step::Epoch { whole: 0 })?;
    chain.take(&Step::Restart { tasks: 3 })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn groups(steps in steps()) {
        check::<tables::Groups>(&steps)?;
    }

    #[test]
    fn groups_that_expire(steps in steps()) {
        check::<tables::ExpiringGroups>(&steps)?;
    }

    #[test]
    fn panes(steps in steps()) {
        check::<tables::Panes>(&steps)?;
    }

    #[test]
    fn sessions(steps in steps()) {
        check::<tables::Sessions>(&steps)?;
    }

    #[test]
    fn join_sides(steps in steps()) {
        check::<tables::Side>(&steps)?;
    }

    #[test]
    fn join_sides_that_expire(steps in steps()) {
        check::<tables::ExpiringSide>(&steps)?;
    }

    #[test]
    fn join_sides_of_unique_rows(steps in steps()) {
        check::<tables::UniqueSide>(&steps)?;
        check::<tables::AddedSide>(&steps)?;
    }

    #[test]
    fn timed_rows(steps in steps()) {
        check::<tables::Timed>(&steps)?;
    }

    #[test]
    fn ordered_rows(steps in steps()) {
        check::<tables::Ordered>(&steps)?;
    }

    #[test]
    fn frames(steps in steps()) {
        check::<by_time::Frames>(&steps)?;
    }

    #[test]
    fn matches(steps in steps()) {
        check::<by_time::Matches>(&steps)?;
    }

    #[test]
    fn waiting_rows(steps in steps()) {
        check::<by_time::Waiting>(&steps)?;
    }

    #[test]
    fn timers(steps in steps()) {
        check::<tables::Due>(&steps)?;
    }
}

#[test]
fn nothing_changed_gives_nothing() {
    let mut chain = Chain::<tables::Groups>::new(None);
    chain.take(&Step::Change { key: 1, action: 5, value: 5 }).unwrap();
    chain.take(&Step::Epoch { whole: 0 }).unwrap();
    assert_eq!(chain.last().sections.len() as u32, tables::GROUPS, "the first has every group whole");
    chain.take(&Step::Epoch { whole: 0 }).unwrap();
    assert_eq!(chain.last().sections.len(), 0);
    chain.take(&Step::Restart { tasks: 1 }).unwrap();
    chain.take(&Step::Epoch { whole: 0 }).unwrap();
    assert_eq!(chain.last().sections.len(), 0, "a restored table starts clean");
    chain.take(&Step::Change { key: 2, action: 5, value: 5 }).unwrap();
    chain.take(&Step::Epoch { whole: 0 }).unwrap();
    assert_eq!(chain.last().rows(), 1);
}

#[test]
fn what_does_not_fit_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = OrderedTable::new(tables::GROUPS);
    table.set_budget(&MemoryBudget::new(1 << 20, folder.path()));
    let row = vec![1; 1 << 20];
    let told = (0..200u64).find_map(|i| {
        table.insert(b"one key", &i.to_be_bytes(), &row);
        table.tend().err()
    });
    let told = told.unwrap();
    assert!(told.to_string().contains("far above the memory budget of 1 MB"), "{told}");
    assert!(told.hint().unwrap().contains("one key"));
}

#[test]
fn a_disk_that_fails_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, "in the way").unwrap();
    let mut table = OrderedTable::new(tables::GROUPS);
    table.set_budget(&MemoryBudget::new(1, &file.join("spill")));
    let told = (0..200u8).find_map(|i| {
        table.insert(&[i], &[], &[i]);
        table.tend().err()
    });
    let told = told.unwrap().to_string();
    assert!(told.contains("state that was moved out of memory") && told.contains("a file"), "{told}");
}

#[test]
fn a_key_read_without_being_brought_back_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = OrderedTable::new(tables::GROUPS);
    table.set_budget(&MemoryBudget::new(1, folder.path()));
    for i in 0..10 {
        table.insert(&[i], &[], &[i]);
        table.tend().unwrap();
    }
    assert_eq!(table.get(b"unknown", &[]), None);
    table.tend().unwrap();
    let lost = (0..10).filter(|&i| table.get(&[i], &[]).is_none()).count();
    assert!(lost > 0 && table.tend().is_err());
}
