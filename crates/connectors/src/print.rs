//! `print`: each change as a line such as `+I[1, a]` on standard output or standard error.
//!
//! Source of the form: Flink documentation, "Print SQL Connector". One task writes, so lines stay in order.

use crate::filesystem::StandardOutput;
use tidemill_connector::{Connector, OpenSink, Packet, SinkFront, TableRequest};
use tidemill_format::write_display;
use tidemill_types::{Chunk, DataType, OptionKind, OptionSpec, Result};

const IDENTIFIER: OptionSpec =
    OptionSpec::new("print-identifier", OptionKind::Text, "a text in front of each line, with '> ' behind it");
const STANDARD_ERROR: OptionSpec =
    OptionSpec::new("standard-error", OptionKind::Boolean, "writes to standard error").default("false");

/// The connector.
pub(crate) fn connector() -> Connector {
    Connector {
        name: "print",
        summary: "a sink that shows each change on the terminal",
        options: &[IDENTIFIER, STANDARD_ERROR],
        formatted: false,
        metadata: &[],
        sink_takes_changes: true,
        bounded: |_| true,
        check: |_| Ok(()),
        source: None,
        sink: Some(open),
        single_task_sink: true,
    }
}

fn open(request: &TableRequest<'_>) -> Result<OpenSink> {
    let sink = match request.options.boolean(&STANDARD_ERROR)? {
        true => StandardOutput::stderr(),
        false => StandardOutput::stdout(),
    };
    let prefix = match request.options.text(&IDENTIFIER) {
        None | Some("") => String::new(),
        Some(identifier) => format!("{identifier}> "),
    };
    let front = Lines { prefix, types: request.schema.types().cloned().collect(), zone: request.zone };
    Ok(OpenSink { front: Box::new(front), sink: Box::new(sink) })
}

/// Writes rows as lines.
struct Lines {
    prefix: String,
    types: Vec<DataType>,
    zone: chrono_tz::Tz,
}

impl SinkFront for Lines {
    fn encode(&mut self, chunk: &Chunk, out: &mut Vec<Packet>) -> Result<()> {
        let mut packet = Packet { rows: chunk.rows, watermark: chunk.marks.last(), ..Packet::default() };
        for row in 0..chunk.rows {
            self.write_row(chunk, row, &mut packet.bytes);
            packet.ends.push(packet.bytes.len());
        }
        out.push(packet);
        Ok(())
    }
}

impl Lines {
    fn write_row(&self, chunk: &Chunk, row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        out.extend_from_slice(chunk.kind(row).short().as_bytes());
        out.push(b'[');
        for (i, (column, data_type)) in chunk.columns.iter().zip(&self.types).enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            write_display(column.as_ref(), data_type, row, self.zone, out);
        }
        out.extend_from_slice(b"]\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::fixed;
    use arrow_array::StringViewArray;
    use std::sync::Arc;
    use tidemill_types::{RowKind, TypeKind};

    #[test]
    fn lines_are_flinks() {
        let types = vec![TypeKind::Int.nullable(), DataType::string()];
        let text = Arc::new(StringViewArray::from(vec![Some("a"), None]));
        let mut chunk = Chunk::new(vec![fixed(&types[0], vec![1, 2], None), text], 2);
        chunk.kinds = Some([RowKind::Insert, RowKind::Delete].into());
        let mut out = Vec::new();
        let mut lines = Lines { prefix: "id> ".into(), types, zone: chrono_tz::Tz::UTC };
        lines.encode(&chunk, &mut out).unwrap();
        assert_eq!(String::from_utf8_lossy(&out[0].bytes), "id> +I[1, a]\nid> -D[2, null]\n");
        assert_eq!(out[0].ends.len(), 2);
    }
}
