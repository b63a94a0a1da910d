//! What changed in a table since the last checkpoint: a mark for each slot, and what identifies rows that are gone.
//!
//! Nothing is tracked before the first delta or restore, so a job without checkpoints pays nothing.
//! Invariant: a slot that nobody holds is marked as unsaved and not as changed; so a row that comes and goes
//! between two checkpoints leaves no trace.

use crate::room;
use crate::sections::Sections;

/// The slot changed.
pub(crate) const CHANGED: u8 = 1;
/// No checkpoint has what the slot holds.
pub(crate) const UNSAVED: u8 = 2;

/// From this share of changed rows on, all are saved.
const MOSTLY: (usize, usize) = (3, 4);
/// Fewer changes are never a reason.
const MOSTLY_MIN: usize = 1024;

/// Marks for slots and the rows that are gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracking {
    on: bool,
    marks: Vec<u8>,
    gone: Gone,
}

impl Tracking {
    /// Whether changes are tracked.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Starts to track a table in which these slots are in use, unless it does so already. No checkpoint has them.
    pub(crate) fn start(&mut self, capacity: usize, used: impl Iterator<Item = u32>) {
        if !self.on {
            self.on = true;
            self.grow(capacity);
            used.for_each(|slot| self.touch(slot));
        }
    }

    /// Grows to so many slots.
    #[inline]
    pub(crate) fn grow(&mut self, capacity: usize) {
        if self.on {
            room::grow(&mut self.marks, capacity, UNSAVED);
        }
    }

    /// These slots are about to change.
    #[inline]
    pub(crate) fn touch_all(&mut self, slots: &[u32]) {
        if self.on {
            slots.iter().for_each(|&slot| self.marks[slot as usize] |= CHANGED);
        }
    }

    /// This slot is about to change.
    #[inline]
    pub(crate) fn touch(&mut self, slot: u32) {
        if self.on {
            self.marks[slot as usize] |= CHANGED;
        }
    }

    /// The slot is given up. Whether a checkpoint has what it held.
    #[inline]
    pub(crate) fn release(&mut self, slot: u32) -> bool {
        self.on && std::mem::replace(&mut self.marks[slot as usize], UNSAVED) & UNSAVED == 0
    }

    /// What the slot holds now is in the checkpoint.
    #[inline]
    pub(crate) fn settle(&mut self, slot: u32) {
        if self.on {
            self.marks[slot as usize] = 0;
        }
    }

    /// The slot holds nothing that a checkpoint would have.
    #[inline]
    pub(crate) fn forget(&mut self, slot: u32) {
        if self.on {
            self.marks[slot as usize] = UNSAVED;
        }
    }

    /// What is noted of a slot, to be kept with what it holds elsewhere.
    #[inline]
    pub(crate) fn mark(&self, slot: u32) -> u8 {
        self.marks.get(slot as usize).copied().unwrap_or_default()
    }

    /// Notes that again; `settled`: a checkpoint was taken since.
    #[inline]
    pub(crate) fn set_mark(&mut self, slot: u32, mark: u8, settled: bool) {
        if self.on {
            self.marks[slot as usize] = if settled { 0 } else { mark };
        }
    }

    /// Whether the slot changed.
    #[inline]
    pub(crate) fn is_changed(&self, slot: u32) -> bool {
        self.marks.get(slot as usize).is_some_and(|mark| mark & CHANGED != 0)
    }

    /// Whether no checkpoint has what the slot holds.
    #[inline]
    pub(crate) fn is_unsaved(&self, slot: u32) -> bool {
        self.marks.get(slot as usize).is_some_and(|mark| mark & UNSAVED != 0)
    }

    /// How many slots changed.
    pub(crate) fn number_changed(&self) -> usize {
        self.marks.iter().map(|mark| usize::from(mark & CHANGED)).sum()
    }

    /// Whether so many of `rows` rows changed that it is as well to save all of them: what came before is then needed no
    /// more.
    pub(crate) fn mostly_changed(&self, rows: usize) -> bool {
        let changed = self.number_changed();
        changed >= MOSTLY_MIN && changed * MOSTLY.1 >= rows * MOSTLY.0
    }

    /// The slots that changed, ascending.
    pub(crate) fn changed(&self) -> impl Iterator<Item = u32> {
        let (words, tail) = self.marks.as_chunks::<8>();
        let quiet = u64::from_ne_bytes([!CHANGED; 8]);
        let blocks =
            words.iter().enumerate().filter(move |(_, marks)| u64::from_ne_bytes(**marks) | quiet != quiet);
        let inside = blocks.flat_map(|(at, marks)| marks.iter().zip(at * 8..));
        inside
            .chain(tail.iter().zip(words.len() * 8..))
            .filter(|(mark, _)| **mark & CHANGED != 0)
            .map(|(_, slot)| slot as u32)
    }

    /// Notes a row that is gone: the hash of its key and what identifies it.
    pub(crate) fn note_gone(&mut self, hash: u64, identity: impl FnOnce(&mut Vec<u8>)) {
        self.gone.push(hash, identity);
    }

    /// Writes the rows that are gone.
    pub(crate) fn write_gone(&self, sections: &mut Sections) {
        self.gone.write(sections);
    }

    /// Everything is in the checkpoint now.
    pub(crate) fn settle_all(&mut self) {
        self.marks.iter_mut().for_each(|mark| *mark = if *mark & CHANGED != 0 { 0 } else { *mark });
        self.gone.clear();
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.marks.capacity() + self.gone.bytes()
    }
}

/// What identifies rows that are gone, one after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gone {
    bytes: Vec<u8>,
    /// The hash of each key and where its bytes end.
    rows: Vec<(u64, usize)>,
}

impl Gone {
    /// Adds a row.
    pub(crate) fn push(&mut self, hash: u64, identity: impl FnOnce(&mut Vec<u8>)) {
        identity(&mut self.bytes);
        self.rows.push((hash, self.bytes.len()));
    }

    /// Writes all rows into the sections of their groups.
    pub(crate) fn write(&self, sections: &mut Sections) {
        let mut start = 0;
        for &(hash, end) in &self.rows {
            if let Some(out) = sections.gone(hash) {
                out.extend_from_slice(&self.bytes[start..end]);
            }
            start = end;
        }
    }

    /// Forgets all rows and gives their memory back.
    pub(crate) fn clear(&mut self) {
        *self = Gone::default();
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity() + self.rows.capacity() * size_of::<(u64, usize)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_changed_slots_and_saved_ones() {
        let mut tracking = Tracking::default();
        tracking.grow(4);
        tracking.touch(3);
        assert!(!tracking.is_changed(3) && !tracking.release(3), "nothing is tracked yet");
        tracking.start(2, [0].into_iter());
        tracking.settle_all();
        tracking.grow(21);
        tracking.touch_all(&[0, 7, 8, 15, 20]);
        assert_eq!(tracking.changed().collect::<Vec<_>>(), [0, 7, 8, 15, 20]);
        assert!(tracking.release(0) && !tracking.release(8), "only the first was saved");
        tracking.settle(7);
        assert_eq!(tracking.changed().collect::<Vec<_>>(), [15, 20]);
        assert!(tracking.is_unsaved(15) && !tracking.is_unsaved(7));
        tracking.settle_all();
        assert!(tracking.changed().next().is_none() && !tracking.is_unsaved(20) && tracking.is_unsaved(8));
    }
}
