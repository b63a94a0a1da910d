//! Answers that are one text of several lines, such as a plan: a table around them would only be in the way.

use anyhow::Result;
use std::io::{self, Write};
use tidemill_engine::ResultBatch;

/// Whether an answer is a single text of several lines.
pub(crate) fn suits(batch: &ResultBatch) -> bool {
    batch.rows() == 1 && batch.columns().len() == 1 && batch.cell(0, 0).contains('\n')
}

/// Prints the text.
pub(crate) fn print(batch: &ResultBatch) -> Result<()> {
    let text = batch.cell(0, 0);
    writeln!(io::stdout(), "{}", text.trim_end())?;
    Ok(())
}
