//! A line `{"op":"+I","row":{…}}` for each change.
//!
//! Invariant: a batch is written as soon as it comes, in one call, so that a reader sees whole lines early.

use anyhow::Result;
use std::io::{self, Write};
use tidemill_engine::ResultBatch;

/// Prints changes as JSON lines.
#[derive(Debug, Default)]
pub(crate) struct JsonPrinter {
    lines: Vec<u8>,
}

impl JsonPrinter {
    /// Prints some rows.
    pub(crate) fn print(&mut self, batch: &ResultBatch) -> Result<()> {
        if batch.rows() == 0 {
            return Ok(());
        }
        self.lines.clear();
        batch.write_json(&mut self.lines)?;
        let mut out = io::stdout().lock();
        out.write_all(&self.lines)?;
        out.flush()?;
        Ok(())
    }
}
