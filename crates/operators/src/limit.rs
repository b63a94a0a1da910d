//! Limit: skips so many rows, lets so many through and drops the others.
//!
//! State: the number of rows seen. It runs in one task and over inserts only.

use crate::{Operator, OperatorContext, Output};
use arrow_array::BooleanArray;
use tidemill_state::{SharedValue, StateTable};
use tidemill_types::{Chunk, Result};

/// The running limit.
pub struct Limit {
    offset: u64,
    end: u64,
    seen: SharedValue,
}

impl Limit {
    /// Lets `count` rows through after `offset` others.
    pub fn new(offset: u64, count: u64) -> Self {
        Limit { offset, end: offset.saturating_add(count), seen: SharedValue::new(0) }
    }
}

impl Operator for Limit {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let first = self.seen.get() as u64;
        self.seen.raise(self.seen.get() + chunk.rows as i64);
        let wanted = self.offset..self.end;
        let rows = chunk.rows as u64;
        let keep: BooleanArray = (first..first + rows).map(|row| Some(wanted.contains(&row))).collect();
        let kept = chunk.filter(&keep);
        out.rows.forwarded += kept.rows as u64;
        out.rows.filtered += rows - kept.rows as u64;
        out.emit(kept);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("seen", &mut self.seen)]
    }
}
