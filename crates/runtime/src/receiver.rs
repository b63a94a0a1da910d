//! The receiving side of exchanges: restores the order of sources and merges watermarks.
//!
//! The lanes of one port from one fragment form a *group*. If the fragment reads a source, its tasks decoded
//! blobs in parallel; the group then takes pieces strictly by sequence number, which gives exactly the order
//! of the source, and completes the running maximum of the watermark (for each split, where splits have
//! watermarks of their own). Otherwise each lane is an input of its own and pieces are taken as they come.
//! Over all groups the watermark is the minimum; a chunk handed on carries marks of that only.
//!
//! Invariant: what an ordered group gives does not depend on which task decoded which blob or on when
//! pieces came in. The maximum watermark is given exactly once, after all groups were read to their end.

use crate::checkpoint::{Barrier, LanesInFlight, RestoredTask, not_here};
use crate::lane::{Front, Lane};
use crate::message::{Message, Tag};
use crate::watermarks::{InputWatermarks, names_of_splits, splits_in};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tidemill_types::{Chunk, Marks, Result, WATERMARK_MAX, WATERMARK_NONE};

/// How the pieces of a group are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupOrder {
    /// By sequence number; one watermark for all splits, or one for each.
    Sequence {
        /// Whether each split has a watermark of its own.
        per_split: bool,
    },
    /// As they come; each lane has a watermark of its own.
    Arrival,
}

/// What a receiver has for its task.
#[derive(Debug)]
pub enum Received {
    /// Rows or marks for a port.
    Chunk {
        /// The port.
        port: usize,
        /// Rows with marks of the combined watermark.
        chunk: Chunk,
        /// The combined watermark before the first row.
        watermark: i64,
    },
    /// All inputs have fallen silent.
    Idle,
    /// All inputs that have not ended have reached the end of the epoch.
    Barrier(Arc<Barrier>),
    /// Nothing at the moment.
    Nothing,
    /// All inputs have ended.
    End {
        /// Whether all were read to their end.
        drained: bool,
    },
}

/// Merges the lanes of one task.
#[derive(Debug)]
pub struct Receiver {
    /// The stable name of the fragment.
    name: String,
    groups: Vec<Group>,
    watermarks: InputWatermarks,
    turn: usize,
    idle_told: bool,
}

impl Receiver {
    /// A receiver without input.
    pub fn new(name: String) -> Self {
        Receiver { name, groups: Vec::new(), watermarks: InputWatermarks::new(0), turn: 0, idle_told: false }
    }

    /// Adds the lanes that come to a port from one fragment, under a name that stays the same when a run is resumed.
    /// `source` names the sending fragment likewise; `layout` tells what its rows look like.
    pub fn add_group(
        &mut self,
        name: String,
        (source, layout): (&str, u64),
        port: usize,
        order: GroupOrder,
        lanes: Vec<Arc<Lane>>,
    ) {
        let inputs = match order {
            GroupOrder::Sequence { .. } => vec![self.watermarks.add()],
            GroupOrder::Arrival => lanes.iter().map(|_| self.watermarks.add()).collect(),
        };
        let open = vec![true; lanes.len()];
        self.groups.push(Group {
            name,
            source: source.to_string(),
            layout,
            port,
            order,
            lanes,
            open,
            inputs,
            splits: HashMap::new(),
            next: 0,
            drained: true,
            turn: 0,
            ended: false,
        });
    }

    /// The next rows or marks, coalesced to at most about `rows_max` rows; the groups take turns.
    pub fn next(&mut self, rows_max: usize) -> Received {
        for offset in 0..self.groups.len() {
            let at = (self.turn + offset) % self.groups.len();
            let watermark = self.watermarks.combined();
            let pieces = self.groups[at].take(&mut self.watermarks, rows_max);
            if pieces.is_empty() {
                continue;
            }
            self.turn = at + 1;
            let chunk = coalesce(pieces);
            self.idle_told &= chunk.rows == 0;
            return Received::Chunk { port: self.groups[at].port, chunk, watermark };
        }
        if self.groups.iter().all(|group| group.ended) {
            return Received::End { drained: self.groups.iter().all(|group| group.drained) };
        }
        if self.aligned()
            && let Some(barrier) = self.groups.iter_mut().filter_map(Group::pop_barrier).last()
        {
            return Received::Barrier(barrier);
        }
        if self.watermarks.idle() && !self.idle_told {
            self.idle_told = true;
            return Received::Idle;
        }
        Received::Nothing
    }
}

impl Receiver {
    /// The watermarks of all inputs by name, for a checkpoint.
    pub fn watermarks(&self) -> Vec<(String, i64)> {
        let mut saved: Vec<_> = self.groups.iter().flat_map(|group| group.save(&self.watermarks)).collect();
        saved.push((format!("{}/combined", self.name), self.watermarks.combined()));
        saved
    }

    /// The same for a task that a barrier overtook: each lane has reached another.
    pub fn watermarks_of_lanes(&self) -> Vec<(String, i64)> {
        let of_group = |group: &Group| {
            let name = group.name.clone();
            let inputs = group.inputs.iter().enumerate();
            let watermark =
                |(at, &input): (usize, &usize)| (format!("{name}/{at}"), self.watermarks.of(input));
            inputs.map(watermark).collect::<Vec<_>>()
        };
        let arrival = self.groups.iter().filter(|group| group.order == GroupOrder::Arrival);
        arrival.flat_map(of_group).collect()
    }

    /// Whether the end of this epoch, or that of the sender, has come in everywhere.
    pub fn holds(&self, epoch: u64) -> bool {
        self.groups
            .iter()
            .filter(|group| !group.ended)
            .all(|group| group.open_lanes().all(|lane| lane.holds(epoch)))
    }

    /// Whether some input stands at the end of an epoch and waits.
    pub fn waits_for_others(&self) -> bool {
        let mut fronts = self.groups.iter().filter(|group| !group.ended).flat_map(Group::open_lanes);
        fronts.any(|lane| matches!(lane.front(), Front::Barrier(_)))
    }

    /// The barrier of this epoch overtakes what lies in the lanes; gives that. It is still to be read. Without an epoch
    /// nothing is overtaken.
    pub fn overtake(&mut self, epoch: Option<u64>) -> Vec<LanesInFlight> {
        self.groups.iter().map(|group| group.overtake(epoch)).collect()
    }

    /// Goes on from saved watermarks, with what a barrier had overtaken where it was.
    pub fn restore(&mut self, saved: RestoredTask<'_>) -> Result<()> {
        let watermarks = saved.watermarks();
        for group in &mut self.groups {
            group.restore(watermarks, &mut self.watermarks);
            group.next = saved.sequence(&group.source);
            let own = saved.own.and_then(|own| own.groups.iter().find(|saved| saved.name == group.name));
            own.map_or(Ok(()), |own| group.restore_in_flight(own))?;
        }
        let combined = watermarks.get(&format!("{}/combined", self.name)).copied();
        self.watermarks.restore_combined(combined.unwrap_or(WATERMARK_NONE));
        Ok(())
    }

    /// Whether all inputs that have not ended stand at the end of one epoch.
    fn aligned(&self) -> bool {
        let mut open = self.groups.iter().filter(|group| !group.ended);
        let Some(epoch) = open.next().and_then(Group::barrier) else { return false };
        open.all(|group| group.barrier() == Some(epoch))
    }
}

fn coalesce(mut pieces: Vec<Chunk>) -> Chunk {
    match pieces.len() {
        1 => pieces.pop().expect("one piece"),
        _ => Chunk::concat(&pieces),
    }
}

#[derive(Debug)]
struct Group {
    name: String,
    source: String,
    layout: u64,
    port: usize,
    order: GroupOrder,
    lanes: Vec<Arc<Lane>>,
    open: Vec<bool>,
    /// The inputs of the watermark: one for each lane (arrival), or for each split seen (sequence).
    inputs: Vec<usize>,
    splits: HashMap<u32, usize>,
    /// The sequence number that is next.
    next: u64,
    drained: bool,
    turn: usize,
    ended: bool,
}

impl Group {
    /// Takes what is there, with marks of the combined watermark.
    fn take(&mut self, watermarks: &mut InputWatermarks, rows_max: usize) -> Vec<Chunk> {
        let mut pieces = Vec::new();
        let mut rows = 0;
        while rows < rows_max && !self.ended {
            let taken = match self.order {
                GroupOrder::Sequence { per_split } => self.take_in_sequence(watermarks, per_split),
                GroupOrder::Arrival => self.take_any(watermarks),
            };
            let Some(chunk) = taken else { break };
            rows += chunk.rows;
            if chunk.rows > 0 || !chunk.marks.is_empty() {
                pieces.push(chunk);
            }
        }
        pieces
    }

    /// The next piece by sequence number, `None` if its task has not sent it yet.
    fn take_in_sequence(&mut self, watermarks: &mut InputWatermarks, per_split: bool) -> Option<Chunk> {
        for at in 0..self.lanes.len() {
            let lane = (self.turn + at) % self.lanes.len();
            match self.lanes[lane].front() {
                Front::Piece(Some(tag)) if tag.sequence == self.next => {
                    self.turn = lane;
                    self.next += u64::from(tag.last);
                    let Some(Message::Piece { chunk, .. }) = self.lanes[lane].pop() else { return None };
                    return Some(self.place_in_time(chunk, tag, watermarks, per_split));
                }
                Front::End { drained } if self.open[lane] => self.close(lane, drained),
                _ => {}
            }
        }
        self.end_if_all_closed(watermarks)
    }

    /// Gives a piece the marks of the combined watermark. The maximum is not taken from pieces: one task's
    /// end is not the source's.
    fn place_in_time(
        &mut self,
        mut chunk: Chunk,
        tag: Tag,
        watermarks: &mut InputWatermarks,
        per_split: bool,
    ) -> Chunk {
        let input = match per_split {
            true => self.input_of(tag.split, watermarks),
            false => self.inputs[0],
        };
        if tag.idle {
            return watermarks.set_idle(input).map_or_else(Chunk::default, Chunk::watermark);
        }
        if chunk.marks.last() == Some(WATERMARK_MAX) {
            chunk.marks = without_maximum(&chunk.marks);
        }
        chunk.marks = watermarks.advance(input, &chunk.marks);
        chunk
    }

    /// The watermark input of a split. The first split takes over the input that stood for all of them.
    fn input_of(&mut self, split: u32, watermarks: &mut InputWatermarks) -> usize {
        if let Some(&input) = self.splits.get(&split) {
            return input;
        }
        let input = if self.splits.is_empty() { self.inputs[0] } else { watermarks.add() };
        if !self.splits.is_empty() {
            self.inputs.push(input);
        }
        self.splits.insert(split, input);
        input
    }

    /// A piece of any lane, the lanes taking turns; `None` if all are empty.
    fn take_any(&mut self, watermarks: &mut InputWatermarks) -> Option<Chunk> {
        for at in 0..self.lanes.len() {
            let lane = (self.turn + at) % self.lanes.len();
            if !self.open[lane] {
                continue;
            }
            let Some(message) = self.lanes[lane].pop_within_epoch() else { continue };
            self.turn = lane;
            let input = self.inputs[lane];
            return Some(match message {
                Message::Barrier(_) => unreachable!("a barrier is not taken with the rows of its epoch"),
                Message::Piece { mut chunk, .. } => {
                    chunk.marks = watermarks.advance(input, &chunk.marks);
                    chunk
                }
                Message::Idle => watermarks.set_idle(input).map_or_else(Chunk::default, Chunk::watermark),
                Message::End { drained } => {
                    self.close(lane, drained);
                    let risen = if drained { watermarks.end(input) } else { None };
                    risen.map_or_else(Chunk::default, Chunk::watermark)
                }
            });
        }
        self.ended |= self.open.iter().all(|open| !open);
        None
    }

    /// One watermark for all lanes, which have reached the same at a barrier, and one for each split.
    fn save(&self, watermarks: &InputWatermarks) -> Vec<(String, i64)> {
        let lowest = self.inputs.iter().filter_map(|&input| watermarks.heard(input)).min();
        let splits = self.splits.iter().map(|(&split, &input)| (Some(split), watermarks.of(input)));
        let mut saved = names_of_splits(&self.source, splits);
        saved.push((self.name.clone(), lowest.unwrap_or(WATERMARK_NONE)));
        saved
    }

    fn restore(&mut self, saved: &BTreeMap<String, i64>, watermarks: &mut InputWatermarks) {
        let of_all = saved.get(&self.name);
        for (at, &input) in self.inputs.iter().enumerate() {
            if let Some(&watermark) = saved.get(&format!("{}/{at}", self.name)).or(of_all) {
                watermarks.restore(input, watermark);
            }
        }
        if self.order == (GroupOrder::Sequence { per_split: true }) {
            for (split, watermark) in splits_in(saved, &self.source) {
                let input = self.input_of(split, watermarks);
                watermarks.restore(input, watermark);
            }
        }
    }

    /// What lies before the end of an epoch in each lane.
    fn overtake(&self, epoch: Option<u64>) -> LanesInFlight {
        let lane = |(lane, &open): (&Arc<Lane>, &bool)| match epoch.filter(|_| open) {
            Some(epoch) => lane.overtake(epoch),
            None => Vec::new(),
        };
        let lanes: Vec<Vec<Message>> = self.lanes.iter().zip(&self.open).map(lane).collect();
        let behind = |message: &Message| match message {
            Message::Piece { tag: Some(tag), .. } => tag.sequence + 1,
            _ => 0,
        };
        let end = lanes.iter().flatten().map(behind).fold(self.next, u64::max);
        let (name, source) = (self.name.clone(), self.source.clone());
        LanesInFlight { name, source, layout: self.layout, next: self.next, end, lanes }
    }

    fn restore_in_flight(&mut self, saved: &LanesInFlight) -> Result<()> {
        let changed = saved.layout != self.layout || saved.lanes.len() != self.lanes.len();
        if changed && !saved.lanes.iter().all(Vec::is_empty) {
            return Err(not_here());
        }
        self.next = saved.next;
        for (lane, messages) in self.lanes.iter().zip(&saved.lanes) {
            messages.iter().for_each(|message| lane.force(message.clone()));
        }
        Ok(())
    }

    /// The epoch at whose end all open lanes stand.
    fn barrier(&self) -> Option<u64> {
        let mut fronts = self.open_lanes().map(|lane| lane.front());
        let Some(Front::Barrier(epoch)) = fronts.next() else { return None };
        fronts.all(|front| front == Front::Barrier(epoch)).then_some(epoch)
    }

    fn pop_barrier(&mut self) -> Option<Arc<Barrier>> {
        let popped = self.open_lanes().map(|lane| lane.pop());
        popped.fold(None, |barrier, message| match message {
            Some(Message::Barrier(barrier)) => Some(barrier),
            _ => barrier,
        })
    }

    fn open_lanes(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.lanes.iter().zip(&self.open).filter(|(_, open)| **open).map(|(lane, _)| lane)
    }

    fn close(&mut self, lane: usize, drained: bool) {
        self.open[lane] = false;
        self.drained &= drained;
    }

    /// Once all lanes of an ordered group have ended, its watermark is at the end, unless it was stopped.
    fn end_if_all_closed(&mut self, watermarks: &mut InputWatermarks) -> Option<Chunk> {
        if self.open.iter().any(|&open| open) {
            return None;
        }
        self.ended = true;
        if !self.drained {
            return None;
        }
        let risen = self.inputs.iter().filter_map(|&input| watermarks.end(input)).last();
        risen.map(Chunk::watermark)
    }
}

fn without_maximum(marks: &Marks) -> Marks {
    let mut out = Marks::none();
    marks
        .iter()
        .filter(|mark| mark.watermark < WATERMARK_MAX)
        .for_each(|mark| out.push(mark.row, mark.watermark));
    out
}

#[cfg(test)]
mod tests;
