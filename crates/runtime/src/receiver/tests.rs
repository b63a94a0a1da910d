//! Whatever the interleaving of tasks, and wherever a run is cut and goes on with another number of tasks: rows come
//! in the order of their source, each with the watermark that it has in a run of one task.

use super::*;
use crate::checkpoint::Restored;
use crate::signal::{TaskSignal, WorkerSignal};
use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use proptest::prelude::*;
use std::collections::VecDeque;

/// A split, values, and which task decodes them.
type Blob = (u32, Vec<i64>, usize);

/// How a run goes.
struct Way<'a> {
    /// How many tasks decode, from the start and after the cut.
    tasks: [usize; 2],
    rows_max: usize,
    per_split: bool,
    /// Which task's turn it is.
    order: &'a [usize],
    /// Whether the receiver looks after a turn.
    looks: &'a [bool],
}

fn lane() -> Arc<Lane> {
    let signal = TaskSignal::new(Arc::new(WorkerSignal::default()));
    Arc::new(Lane::new(usize::MAX, signal.clone(), signal, Arc::default()))
}

fn receiver(order: GroupOrder, groups: usize, tasks: usize) -> (Receiver, Vec<Arc<Lane>>) {
    let mut receiver = Receiver::new("under-test".into());
    let mut all = Vec::new();
    for group in 0..groups {
        let lanes: Vec<_> = (0..tasks).map(|_| lane()).collect();
        receiver.add_group(format!("in-{group}"), ("source", 0), group, order, lanes.clone());
        all.extend(lanes);
    }
    (receiver, all)
}

/// A row whose value is also the watermark it raises.
fn piece(values: &[i64], tag: Option<Tag>) -> Message {
    let mut chunk =
        Chunk::new(vec![Arc::new(Int64Array::from_iter_values(values.iter().copied()))], values.len());
    (0..values.len()).for_each(|row| chunk.marks.push(row as u32 + 1, values[row]));
    Message::Piece { chunk, tag }
}

/// Takes all that is there: each row with the watermark before it.
fn drain(receiver: &mut Receiver, rows_max: usize, into: &mut Vec<(i64, i64)>) -> bool {
    loop {
        match receiver.next(rows_max) {
            Received::Chunk { chunk, watermark, .. } => {
                for row in 0..chunk.rows {
                    let value = chunk.columns[0].as_primitive::<Int64Type>().value(row);
                    into.push((value, chunk.marks.before(row).unwrap_or(watermark)));
                }
            }
            Received::End { drained } => return drained,
            Received::Idle | Received::Barrier(_) | Received::Nothing => return false,
        }
    }
}

/// What each task sends.
fn queues(blobs: &[Blob], tasks: usize, end: bool) -> Vec<VecDeque<Message>> {
    let mut queues = vec![VecDeque::new(); tasks];
    for (sequence, (split, values, task)) in blobs.iter().enumerate() {
        let tag = Tag { sequence: sequence as u64, split: *split, idle: false, last: false, closing: false };
        let (first, rest) = values.split_at(values.len() / 2);
        let queue = &mut queues[task % tasks];
        queue.push_back(piece(first, Some(tag)));
        queue.push_back(piece(rest, Some(Tag { last: true, ..tag })));
    }
    if end {
        queues.iter_mut().for_each(|queue| queue.push_back(Message::End { drained: true }));
    }
    queues
}

/// Tasks send in some interleaving; gives whether that was the end.
fn feed(
    receiver: &mut Receiver,
    lanes: &[Arc<Lane>],
    mut queues: Vec<VecDeque<Message>>,
    way: &Way<'_>,
    out: &mut Vec<(i64, i64)>,
) -> bool {
    let tasks = lanes.len();
    let mut ended = false;
    for turn in 0.. {
        let at = way.order[turn % way.order.len()] % tasks;
        let Some(at) = (at..at + tasks).map(|i| i % tasks).find(|&i| !queues[i].is_empty()) else { break };
        lanes[at].push(queues[at].pop_front().unwrap());
        if way.looks[turn % way.looks.len()] {
            ended = drain(receiver, way.rows_max, out);
        }
    }
    ended | drain(receiver, way.rows_max, out)
}

/// A receiver that goes on from what another saved.
fn resumed(from: &Receiver, order: GroupOrder, groups: usize, tasks: usize) -> (Receiver, Vec<Arc<Lane>>) {
    let (mut receiver, lanes) = receiver(order, groups, tasks);
    let saved = Restored::of_watermarks(from.watermarks());
    receiver.restore(saved.of_task("under-test", 0)).unwrap();
    (receiver, lanes)
}

fn run(blobs: &[Blob], cut: Option<usize>, way: &Way<'_>) -> (Vec<(i64, i64)>, bool) {
    let order = GroupOrder::Sequence { per_split: way.per_split };
    let mut out = Vec::new();
    let (mut under_test, mut lanes) = receiver(order, 1, way.tasks[0]);
    let (before, after) = blobs.split_at(cut.unwrap_or(0));
    if cut.is_some() {
        feed(&mut under_test, &lanes, queues(before, way.tasks[0], false), way, &mut out);
        (under_test, lanes) = resumed(&under_test, order, 1, way.tasks[1]);
    }
    let ended = feed(&mut under_test, &lanes, queues(after, lanes.len(), true), way, &mut out);
    (out, ended)
}

proptest! {
    #[test]
    fn any_interleaving_of_tasks_gives_the_order_and_watermarks_of_the_source(
        blobs in prop::collection::vec((0u32..3, prop::collection::vec(1i64..100, 0..6), 0usize..4), 1..25),
        looks in prop::collection::vec(any::<bool>(), 25),
        order in prop::collection::vec(0usize..100, 25),
        rows_max in 1usize..10,
        per_split in any::<bool>(),
        cut in 0usize..25,
    ) {
        let way = |tasks, rows_max| Way { tasks, rows_max, per_split, order: &order, looks: &looks };
        let wanted = run(&blobs, None, &way([1, 1], usize::MAX));
        prop_assert!(wanted.1);
        prop_assert_eq!(run(&blobs, None, &way([4, 4], rows_max)), wanted.clone());
        prop_assert_eq!(run(&blobs, None, &way([3, 3], 1)), wanted.clone());
        // A split that is behind when a run is cut does not hold the others back after it.
        if !per_split {
            let cut = Some(cut % blobs.len());
            prop_assert_eq!(run(&blobs, cut, &way([2, 3], rows_max)), wanted.clone());
            prop_assert_eq!(run(&blobs, cut, &way([4, 1], rows_max)), wanted);
        }
    }
}

/// An operator has seen only the combined watermark; how far the input is that was ahead, only its receiver knows.
#[test]
fn an_input_that_was_ahead_is_still_ahead_when_the_run_goes_on() {
    let (mut before, lanes) = receiver(GroupOrder::Arrival, 2, 1);
    let mut out = Vec::new();
    lanes[0].push(piece(&[10], None));
    lanes[1].push(piece(&[30], None));
    drain(&mut before, 1, &mut out);
    let (mut after, lanes) = resumed(&before, GroupOrder::Arrival, 2, 2);
    // Both tasks of the input that was behind are now ahead of the other, which says nothing more.
    lanes[0].push(piece(&[40], None));
    lanes[1].push(piece(&[50], None));
    drain(&mut after, 1, &mut out);
    lanes[0].push(piece(&[20], None));
    drain(&mut after, 1, &mut out);
    assert_eq!(out[2..], [(40, 10), (50, 10), (20, 30)]);
}
