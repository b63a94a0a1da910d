//! Timers: what is due when, by key.
//!
//! With little memory the later timers are on disk.
//! Invariant: a key is due at most once at one time; due timers come in the order of their times.

mod saved;

use crate::spill::Later;
use crate::tracking::Gone;
use saved::write_timer;
use std::collections::BTreeSet;
use tidemill_types::key::hash;

/// When which key is due.
type Timer = (i64, Box<[u8]>);

/// Times with the keys that are due.
#[derive(Debug)]
pub struct Timers {
    due: BTreeSet<Timer>,
    bytes: usize,
    /// Whether changes are tracked: timers set since the last checkpoint, and those that it has and that are gone.
    tracked: bool,
    fresh: BTreeSet<Timer>,
    gone: Gone,
    later: Option<Later>,
    key_groups: u32,
}

impl Timers {
    /// No timer.
    pub fn new(key_groups: u32) -> Self {
        Timers {
            due: BTreeSet::new(),
            bytes: 0,
            tracked: false,
            fresh: BTreeSet::new(),
            gone: Gone::default(),
            later: None,
            key_groups,
        }
    }

    /// Sets a timer.
    pub fn set(&mut self, time: i64, key: &[u8]) {
        if self.due.insert((time, key.into())) {
            self.bytes += key.len();
            self.later.iter_mut().for_each(|later| later.note_work(1));
            if self.tracked {
                self.fresh.insert((time, key.into()));
            }
        }
    }

    /// Takes a timer back; those on disk come into memory for that.
    pub fn unset(&mut self, time: i64, key: &[u8]) {
        self.bring_back();
        let timer = (time, key.into());
        if self.due.contains(&timer) {
            self.take(&timer);
        }
    }

    /// The time of the first timer.
    pub fn next(&self) -> Option<i64> {
        let later = self.later.as_ref().and_then(Later::first).map(|(time, _)| time);
        self.due.first().map(|(time, _)| *time).into_iter().chain(later).min()
    }

    /// Takes out the first timer if it is due at or before `time`.
    pub fn pop(&mut self, time: i64) -> Option<(i64, Box<[u8]>)> {
        if self.next()? > time {
            return None;
        }
        let first = self.due.first().map(|(time, key)| (*time, key.as_ref()));
        let later = self.later.as_ref().and_then(Later::first);
        let (at, key) = first.into_iter().chain(later).min()?;
        let timer = (at, key.into());
        self.take(&timer);
        Some(timer)
    }

    /// Takes a timer out of memory and disk, where it may be in both if it was set again.
    fn take(&mut self, timer: &Timer) {
        let mut saved = false;
        if self.due.remove(timer) {
            self.bytes -= timer.1.len();
            saved |= !self.fresh.remove(timer);
        }
        if let Some(later) = &mut self.later {
            while later.first().is_some_and(|(time, key)| time == timer.0 && *key == *timer.1)
                && let Some(entry) = later.pop()
            {
                saved |= !entry.fresh;
            }
        }
        if self.tracked && saved {
            self.gone.push(hash(&timer.1), |out| write_timer(timer.0, &timer.1, out));
        }
    }

    /// Moves the latest timers out.
    fn move_out(&mut self, surplus: usize) {
        let (Some(later), Some(from)) = (&mut self.later, surplus.checked_sub(1)) else { return };
        let Some(first) = self.due.iter().rev().nth(from).cloned() else { return };
        let moved = self.due.split_off(&first);
        self.bytes -= moved.iter().map(|(_, key)| key.len()).sum::<usize>();
        let (tracked, fresh) = (self.tracked, &mut self.fresh);
        later.add(moved.into_iter().map(|timer| {
            let fresh = tracked && fresh.remove(&timer);
            (timer.0, timer.1, fresh)
        }));
    }

    /// Brings all timers back.
    fn bring_back(&mut self) {
        while let Some(entry) = self.later.as_mut().and_then(Later::pop) {
            let timer: Timer = (entry.time, entry.bytes.into());
            let set_again = !self.due.insert(timer.clone());
            if set_again {
                // A checkpoint that has one of the two has the timer.
                if !entry.fresh {
                    self.fresh.remove(&timer);
                }
                continue;
            }
            self.bytes += timer.1.len();
            if entry.fresh {
                self.fresh.insert(timer);
            }
        }
    }

    /// Starts to track changes; no checkpoint has what there is.
    fn track(&mut self) {
        if !self.tracked {
            self.tracked = true;
            self.fresh.clone_from(&self.due);
        }
    }
}
