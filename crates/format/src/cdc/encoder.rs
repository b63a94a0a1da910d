//! Changes to envelopes. An update is two records, the deletion of the old row and the insertion of the
//! new one, because a changelog doesn't say which two rows belong together.

use super::SCHEMA_INCLUDE;
use crate::json::{EncodeOptions, Style, check_columns};
use crate::typed::Fields;
use crate::{EncodeRequest, Encoder};
use tidemill_types::{Chunk, Error, Result, Schema};

/// The envelope to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    Debezium,
    Canal,
    Maxwell,
    Ogg,
}

impl Wrapping {
    /// What stands before and after the row of an added or removed row.
    fn around(self, adds: bool, ignore_nulls: bool) -> (&'static [u8], &'static [u8]) {
        match (self, adds) {
            (Wrapping::Debezium, true) if ignore_nulls => (b"{\"after\":", b",\"op\":\"c\"}"),
            (Wrapping::Debezium, false) if ignore_nulls => (b"{\"before\":", b",\"op\":\"d\"}"),
            (Wrapping::Debezium, true) => (b"{\"before\":null,\"after\":", b",\"op\":\"c\"}"),
            (Wrapping::Debezium, false) => (b"{\"before\":", b",\"after\":null,\"op\":\"d\"}"),
            (Wrapping::Ogg, true) if ignore_nulls => (b"{\"after\":", b",\"op_type\":\"I\"}"),
            (Wrapping::Ogg, false) if ignore_nulls => (b"{\"before\":", b",\"op_type\":\"D\"}"),
            (Wrapping::Ogg, true) => (b"{\"before\":null,\"after\":", b",\"op_type\":\"I\"}"),
            (Wrapping::Ogg, false) => (b"{\"before\":", b",\"after\":null,\"op_type\":\"D\"}"),
            (Wrapping::Canal, true) => (b"{\"data\":[", b"],\"type\":\"INSERT\"}"),
            (Wrapping::Canal, false) => (b"{\"data\":[", b"],\"type\":\"DELETE\"}"),
            (Wrapping::Maxwell, true) => (b"{\"data\":", b",\"type\":\"insert\"}"),
            (Wrapping::Maxwell, false) => (b"{\"data\":", b",\"type\":\"delete\"}"),
        }
    }
}

struct CdcEncoder {
    schema: Schema,
    style: Style,
    wrapping: Wrapping,
}

/// Opens the encoder of an envelope.
pub(super) fn open(request: &EncodeRequest<'_>, wrapping: Wrapping) -> Result<Box<dyn Encoder>> {
    check_columns(request.schema)?;
    if wrapping == Wrapping::Debezium && request.options.boolean(&SCHEMA_INCLUDE)? {
        return Err(Error::user_hint(
            "option 'schema-include' can't be true where changes are written",
            "remove it from the sink; it is for reading",
        ));
    }
    let style = Style::flink(&EncodeOptions::read(request.options)?);
    Ok(Box::new(CdcEncoder { schema: request.schema.clone(), style, wrapping }))
}

impl Encoder for CdcEncoder {
    fn encode(
        &mut self,
        chunk: &Chunk,
        delimiter: &[u8],
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        let fields = Fields::of_chunk(&self.schema, chunk);
        let added = self.wrapping.around(true, self.style.ignore_nulls);
        let removed = self.wrapping.around(false, self.style.ignore_nulls);
        for row in 0..chunk.rows {
            let (before, after) = if chunk.kind(row).adds() { added } else { removed };
            out.extend_from_slice(before);
            fields.write(row, &self.style, out)?;
            out.extend_from_slice(after);
            out.extend_from_slice(delimiter);
            ends.push(out.len());
        }
        Ok(())
    }
}
