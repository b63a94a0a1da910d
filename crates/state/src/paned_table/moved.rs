//! Keys that were moved out of memory with their rows in all panes, and how they come back.
//!
//! A pane may be given up while rows of it are out: they are void from then on, which a number that rises with each
//! such pane tells apart from rows of a later pane with the same times.
//! Payload: that number, then for each row its mark and, with their length, pane end, pane start and values.

use super::{DERIVED_END, PaneId, PanedTable, saved::write_pane};
use crate::StateTable;
use crate::snapshot::{Reader, write_prefixed};
use crate::spill::{Back, Cursor, in_use};
use crate::tracking::CHANGED;
use std::collections::BTreeMap;
use tidemill_types::key::{EncodedKeys, hash};

/// So many keys are brought back together.
const BATCH_KEYS: usize = 4_096;

/// How many rows of a pane are out.
#[derive(Debug, Clone, Copy, Default)]
struct Rows {
    live: usize,
    void: usize,
}

/// What is known of rows that are out.
#[derive(Debug, Clone, Default)]
pub(super) struct Moved {
    rows: BTreeMap<PaneId, Rows>,
    /// When panes were given up of which rows are out.
    dropped: BTreeMap<PaneId, u64>,
    drops: u64,
    /// How often keys went out or came back.
    moves: u64,
}

impl Moved {
    /// How many rows are out.
    pub(super) fn rows(&self) -> usize {
        self.rows.values().map(|rows| rows.live).sum()
    }

    /// Whether rows of a pane are out.
    pub(super) fn holds(&self, pane: PaneId) -> bool {
        self.rows.get(&pane).is_some_and(|rows| rows.live > 0)
    }

    pub(super) fn drop_pane(&mut self, pane: PaneId) {
        if let Some(rows) = self.rows.get_mut(&pane) {
            self.drops += 1;
            self.dropped.insert(pane, self.drops);
            rows.void += std::mem::take(&mut rows.live);
        }
    }

    fn is_void(&self, pane: PaneId, drops: u64) -> bool {
        self.dropped.get(&pane).is_some_and(|&dropped| dropped > drops)
    }

    /// A row of a pane is out no more.
    fn take(&mut self, pane: PaneId, void: bool) {
        let Some(rows) = self.rows.get_mut(&pane) else { return };
        match void {
            true => rows.void -= 1,
            false => rows.live -= 1,
        }
        if rows.live + rows.void == 0 {
            self.rows.remove(&pane);
            self.dropped.remove(&pane);
        }
    }
}

/// A row of a key that is out.
pub(super) struct OutRow<'a> {
    mark: u8,
    pane: PaneId,
    pub(super) values: &'a [u8],
    /// Whether no checkpoint has it as it is.
    pub(super) changed: bool,
}

/// When the key went out, and its rows. What was just written can be read.
fn rows_of(payload: &[u8], fresh: bool) -> (u64, impl Iterator<Item = OutRow<'_>>) {
    let mut reader = Reader::new(payload);
    let drops = reader.u64().unwrap_or_default();
    let rows = std::iter::from_fn(move || {
        let mark = reader.u8().ok()?;
        let mut row = Reader::new(reader.prefixed().ok()?);
        let pane = (row.i64().ok()?, row.i64().ok()?);
        Some(OutRow { mark, pane, values: row.rest(), changed: fresh && mark & CHANGED != 0 })
    });
    (drops, rows)
}

/// A walk over the keys that are out and have rows in some panes.
#[derive(Debug)]
pub struct MovedOut {
    cursor: Cursor,
    panes: Vec<PaneId>,
}

impl PanedTable {
    /// How often keys went out or came back: what was derived from the keys in memory holds while this stays.
    pub fn moves(&self) -> u64 {
        self.moved.moves
    }

    /// Begins to bring back the keys that are out and have rows in these panes; none if there are no such keys.
    pub fn moved_out(&mut self, panes: &[PaneId]) -> Option<MovedOut> {
        let any = panes.iter().any(|&pane| self.moved.holds(pane));
        let cursor = any.then(|| self.spill.cursor()).flatten()?;
        Some(MovedOut { cursor, panes: panes.to_vec() })
    }

    /// Brings some more of them back and gives their numbers; none: there are no more.
    pub fn bring_some_back(&mut self, walk: &mut MovedOut) -> Vec<u32> {
        let MovedOut { cursor, panes } = walk;
        let moved = &self.moved;
        let backs = self.spill.take_some(cursor, BATCH_KEYS, |payload| {
            let (drops, mut rows) = rows_of(payload, false);
            rows.any(|row| panes.contains(&row.pane) && !moved.is_void(row.pane, drops))
        });
        backs.iter().map(|back| self.put_back(hash(back.key()), back)).collect()
    }

    /// Brings back all keys with rows in a pane.
    pub(super) fn bring_pane_back(&mut self, pane: PaneId) {
        if let Some(mut walk) = self.moved_out(&[pane]) {
            while !self.bring_some_back(&mut walk).is_empty() {}
        }
    }

    pub(super) fn bring_back(&mut self, keys: &EncodedKeys, hashes: &[u64]) {
        keys.iter().zip(hashes).for_each(|(key, &hash)| self.take_back(hash, key));
    }

    pub(super) fn take_back(&mut self, hash: u64, key: &[u8]) {
        if !self.spill.is_empty()
            && self.keys.find(hash, key).is_none()
            && let Some(back) = self.spill.take(hash, key)
        {
            self.put_back(hash, &back);
        }
    }

    fn put_back(&mut self, hash: u64, back: &Back) -> u32 {
        let id = self.keys.resolve_one(hash, back.key());
        self.uses.resize(self.keys.capacity(), 0);
        self.spill.touch_all(&[id], self.keys.capacity());
        self.moved.moves += 1;
        let mut slots = Vec::with_capacity(1);
        let (drops, rows) = rows_of(back.payload(), true);
        for OutRow { mark, pane, values, .. } in rows {
            let void = self.moved.is_void(pane, drops);
            self.moved.take(pane, void);
            if void {
                continue;
            }
            slots.clear();
            self.slots(pane, &[id], &mut slots);
            if let Err(error) = self.values.read(slots[0], &mut Reader::new(values)) {
                self.spill.fail(error);
            }
            self.tracking.set_mark(slots[0], mark, back.settled);
        }
        id
    }

    /// Shows the rows that are out: hash and bytes of the key, pane, row.
    pub(super) fn see_moved_out(
        &self,
        whole: impl Fn(u64) -> bool,
        mut seen: impl FnMut(u64, &[u8], PaneId, OutRow<'_>),
    ) {
        self.spill.see(whole, |hash, key, payload, fresh| {
            let (drops, rows) = rows_of(payload, fresh);
            for row in rows.filter(|row| !self.moved.is_void(row.pane, drops)) {
                seen(hash, key, row.pane, row);
            }
        });
    }

    /// Moves keys out if memory is short, but none of these. Derived panes are given up then.
    pub fn shed(&mut self, kept: &[u32]) {
        if !self.spill.is_due(self.keys.len()) {
            return;
        }
        let memory = in_use(self.bytes(), self.key_of.len() - self.free.len(), self.key_of.len());
        let surplus = self.spill.surplus(self.keys.len(), memory);
        if surplus == 0 {
            return;
        }
        let mut movable: Vec<bool> = self.uses.iter().map(|&uses| uses > 0).collect();
        for &id in kept.iter().filter(|&&id| (id as usize) < self.uses.len()) {
            movable[id as usize] = false;
        }
        let chosen = self.spill.choose(surplus, self.keys.capacity(), |id| movable[id as usize]);
        if !chosen.is_empty() {
            self.move_out(&chosen);
        }
    }

    fn move_out(&mut self, chosen: &[u32]) {
        let derived: Vec<PaneId> = self.panes.range(..DERIVED_END).map(|(&pane, _)| pane).collect();
        derived.into_iter().for_each(|pane| self.drop_pane(pane));
        let mut outs: Vec<Out> = chosen.iter().map(|_| Out::new(self.moved.drops)).collect();
        let released = self.write_out(chosen, &mut outs);
        self.release(&released);
        for (&id, out) in chosen.iter().zip(outs) {
            self.spill.put(self.keys.hash(id), self.keys.key(id), out.rows, out.changed, &out.payload);
            self.keys.remove(id);
        }
        self.moved.moves += 1;
    }

    /// Writes the rows of the chosen keys and takes them out of their panes; gives their slots.
    fn write_out(&mut self, chosen: &[u32], outs: &mut [Out]) -> Vec<u32> {
        let mut place = vec![usize::MAX; self.keys.capacity()];
        chosen.iter().enumerate().for_each(|(at, &id)| place[id as usize] = at);
        let (mut released, mut row) = (Vec::new(), Vec::new());
        for (&id, pane) in self.panes.range_mut(DERIVED_END..) {
            let first = released.len();
            for &slot in &pane.slots {
                let Some(out) = outs.get_mut(place[self.key_of[slot as usize] as usize]) else { continue };
                row.clear();
                write_pane(id, &mut row);
                self.values.write(slot, &mut row);
                out.push(self.tracking.mark(slot), &row);
                released.push(slot);
            }
            let gone = &released[first..];
            if !gone.is_empty() {
                pane.forget(gone, &self.key_of);
                pane.slots.retain(|&slot| place[self.key_of[slot as usize] as usize] == usize::MAX);
                self.moved.rows.entry(id).or_default().live += gone.len();
            }
        }
        released
    }

    /// Looks for keys whose rows are all void, if such rows are many.
    pub(super) fn sweep_moved_out(&mut self) {
        let void: usize = self.moved.rows.values().map(|rows| rows.void).sum();
        if void <= self.moved.rows() {
            return;
        }
        let moved = &mut self.moved;
        self.spill.sweep(|_, _, payload, _| {
            let (drops, mut rows) = rows_of(payload, false);
            if !rows.all(|row| moved.is_void(row.pane, drops)) {
                return false;
            }
            rows_of(payload, false).1.for_each(|row| moved.take(row.pane, true));
            true
        });
    }
}

/// A key on its way out.
struct Out {
    payload: Vec<u8>,
    rows: usize,
    changed: bool,
}

impl Out {
    fn new(drops: u64) -> Self {
        Out { payload: drops.to_le_bytes().to_vec(), rows: 0, changed: false }
    }

    fn push(&mut self, mark: u8, row: &[u8]) {
        self.payload.push(mark);
        write_prefixed(&mut self.payload, row);
        self.rows += 1;
        self.changed |= mark & CHANGED != 0;
    }
}
