//! Query results as JSON lines: `{"op":"+I","row":{"column":value}}`, one for each change.
//!
//! Values keep what their type says: decimals as `{"$decimal":"1.50"}`, day-time intervals as
//! `{"$interval_ms":1500}`, instants as wall-clock time of the zone, BYTES in base64, NaN and the
//! infinities as strings.

use crate::json::Style;
use crate::typed::Fields;
use tidemill_types::{Chunk, Result, RowKind, Schema};

/// Writes the changes of one relation.
pub struct RowWriter {
    schema: Schema,
    style: Style,
}

impl RowWriter {
    /// A writer for chunks of these columns.
    pub fn new(schema: Schema, zone: chrono_tz::Tz) -> Self {
        RowWriter { schema, style: Style::result(zone) }
    }

    /// Appends a line for each row of the chunk.
    pub fn write(&self, chunk: &Chunk, out: &mut Vec<u8>) -> Result<()> {
        self.write_rows(chunk, 0..chunk.rows, out)
    }

    /// Appends a line for each of these rows of the chunk.
    pub fn write_rows(&self, chunk: &Chunk, rows: std::ops::Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        let fields = Fields::of_chunk(&self.schema, chunk);
        for row in rows {
            out.extend_from_slice(opening(chunk.kind(row)));
            fields.write(row, &self.style, out)?;
            out.extend_from_slice(b"}\n");
        }
        Ok(())
    }
}

fn opening(kind: RowKind) -> &'static [u8] {
    match kind {
        RowKind::Insert => b"{\"op\":\"+I\",\"row\":",
        RowKind::UpdateBefore => b"{\"op\":\"-U\",\"row\":",
        RowKind::UpdateAfter => b"{\"op\":\"+U\",\"row\":",
        RowKind::Delete => b"{\"op\":\"-D\",\"row\":",
    }
}
