//! Union: all rows of all inputs. The runtime has merged their watermarks before.

use crate::{Operator, OperatorContext, Output};
use tidemill_types::{Chunk, Result};

/// The running union.
#[derive(Debug, Default)]
pub struct Union;

impl Operator for Union {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        out.rows.forwarded += chunk.rows as u64;
        out.emit(chunk);
        Ok(())
    }
}
