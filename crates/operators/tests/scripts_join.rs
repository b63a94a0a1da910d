//! Regular joins: the changes of each kind, with NULL keys, equal rows and restarts after each chunk.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{Row, chunk, input, job, net, rows_of};
use tidemill_operators::{Operator, OperatorContext, Output, build, deliver, set_budget};
use tidemill_plan::join::JoinSidePlan;
use tidemill_plan::{Exchange, Input, JoinKind, JoinOn, JoinPlan, Operator as Plan};
use tidemill_state::MemoryBudget;
use tidemill_types::{RowKind, WATERMARK_NONE};

fn make(kind: JoinKind) -> Box<dyn Operator> {
    let on = JoinOn { kind, left_keys: vec![0], right_keys: vec![0], null_safe: vec![false], residual: None };
    let (left, right) = (JoinSidePlan::default(), JoinSidePlan::default());
    let plan = JoinPlan { on, left, right, final_only: false };
    let mut node = harness::node(Plan::Join(plan));
    node.inputs.push(Input { node: 1, exchange: Exchange::Forward });
    build(&node, &[&input(), &input()], &job()).unwrap()
}

/// `L +I a 1`: a row of the left side; its time is always 0.
fn parse(line: &str) -> (usize, Row) {
    let words: Vec<&str> = line.split(' ').collect();
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let kind = kinds.into_iter().find(|kind| kind.short() == words[1]).unwrap();
    let value = |text: &str| (text != "null").then(|| text.to_string());
    let values = vec![value(words[2]), value(words[3]), value("0")];
    (usize::from(words[0] == "R"), Row { kind, values })
}

fn restarted(
    make: &dyn Fn(JoinKind) -> Box<dyn Operator>,
    old: &mut dyn Operator,
    kind: JoinKind,
    checkpoints: &mut harness::Checkpoints,
) -> Box<dyn Operator> {
    checkpoints.take(old);
    let mut new = make(kind);
    checkpoints.restore(new.as_mut());
    new
}

fn check(kind: JoinKind, steps: &[&str], expected: &[&str]) {
    for (restart, little_memory) in [(false, false), (true, false), (false, true), (true, true)] {
        let budget = MemoryBudget::new(1, &std::env::temp_dir());
        let make = |kind| {
            let mut operator = make(kind);
            if little_memory {
                set_budget(operator.as_mut(), &budget);
            }
            operator
        };
        let mut operator = make(kind);
        let mut checkpoints = harness::Checkpoints::default();
        let mut out = Output::new(true);
        let ctx = OperatorContext { now_ms: 0, watermark: WATERMARK_NONE };
        for step in steps {
            let (port, row) = parse(step);
            deliver(operator.as_mut(), port, chunk(&input(), &[row], &[]), &ctx, &mut out).unwrap();
            if restart {
                operator = restarted(&make, operator.as_mut(), kind, &mut checkpoints);
            }
        }
        let given: Vec<String> = out.take_chunks().iter().flat_map(rows_of).collect();
        assert_eq!(given, expected, "{kind:?}, restart: {restart}");
    }
}

const STEPS: [&str; 7] =
    ["L +I a 1", "R +I a 2", "R +I a 2", "L +I null 3", "R +I null 4", "R -D a 2", "R -D a 2"];

#[test]
fn inner_gives_pairs_and_keeps_their_kind() {
    let expected = ["+I a 1 0 a 2 0", "+I a 1 0 a 2 0", "-D a 1 0 a 2 0", "-D a 1 0 a 2 0"];
    check(JoinKind::Inner, &STEPS, &expected);
    let updated = ["L +I a 1", "R +U a 2", "L -U a 1"];
    check(JoinKind::Inner, &updated, &["+U a 1 0 a 2 0", "-U a 1 0 a 2 0"]);
}

#[test]
fn outer_joins_pad_and_take_back() {
    let left = [
        "+I a 1 0 null null null",
        "-D a 1 0 null null null",
        "+I a 1 0 a 2 0",
        "+I a 1 0 a 2 0",
        "+I null 3 0 null null null",
        "-D a 1 0 a 2 0",
        "-D a 1 0 a 2 0",
        "+I a 1 0 null null null",
    ];
    check(JoinKind::Left, &STEPS, &left);
    let right = [
        "+I a 1 0 a 2 0",
        "+I a 1 0 a 2 0",
        "+I null null null null 4 0",
        "-D a 1 0 a 2 0",
        "-D a 1 0 a 2 0",
    ];
    check(JoinKind::Right, &STEPS, &right);
    let full = ["L +I a 1", "R +I b 2", "L -D a 1"];
    let expected = ["+I a 1 0 null null null", "+I null null null b 2 0", "-D a 1 0 null null null"];
    check(JoinKind::Full, &full, &expected);
}

#[test]
fn semi_and_anti_follow_the_first_and_the_last_match() {
    check(JoinKind::Semi, &STEPS, &["+I a 1 0", "-D a 1 0"]);
    check(JoinKind::Anti, &STEPS, &["+I a 1 0", "-D a 1 0", "+I null 3 0", "+I a 1 0"]);
}

#[test]
fn equal_rows_count() {
    let steps = ["L +I a 1", "L +I a 1", "R +I a 2", "L -D a 1"];
    let given = ["+I a 1 0 a 2 0", "+I a 1 0 a 2 0", "-D a 1 0 a 2 0"];
    check(JoinKind::Inner, &steps, &given);
    assert_eq!(net(&given.map(String::from)).len(), 1);
}
