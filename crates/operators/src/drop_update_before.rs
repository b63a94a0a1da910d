//! Drop update before: drops `-U` rows in front of a consumer that does not want them.

use crate::{Operator, OperatorContext, Output};
use arrow_array::BooleanArray;
use tidemill_types::{Chunk, Result, RowKind};

/// The running filter.
#[derive(Debug, Default)]
pub struct DropUpdateBefore;

impl Operator for DropUpdateBefore {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let kinds = chunk.kinds.as_deref().filter(|kinds| kinds.contains(&RowKind::UpdateBefore));
        let Some(kinds) = kinds else {
            out.rows.forwarded += chunk.rows as u64;
            out.emit(chunk);
            return Ok(());
        };
        let keep: BooleanArray = kinds.iter().map(|&kind| Some(kind != RowKind::UpdateBefore)).collect();
        let kept = chunk.filter(&keep);
        out.rows.forwarded += kept.rows as u64;
        out.rows.filtered += (chunk.rows - kept.rows) as u64;
        out.emit(kept);
        Ok(())
    }
}
