//! `print`: each change as a line such as `+I[1, a]` on standard output or standard error.
//!
//! Source of the form: Flink documentation, "Print SQL Connector". One task writes, so lines stay in order.

use crate::filesystem::StandardOutput;
use tidemill_connector::{Connector, Guarantee, Lookups, OpenSink, Packet, SinkFront, TableRequest};
use tidemill_format::write_changes;
use tidemill_types::{Chunk, OptionKind, OptionSpec, Result, Schema};

const IDENTIFIER: OptionSpec = OptionSpec::new(
    "print-identifier",
    OptionKind::Text,
    "a text in front of each line, with '> ' behind it",
);
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
        sink_skips_update_before: false,
        finds_fields_by_name: false,
        upserts: false,
        bounded: |_| true,
        check: |_| Ok(()),
        source: None,
        sink: Some(open),
        lookups: Lookups::NONE,
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
    let front = Lines { prefix, schema: request.schema.clone(), zone: request.zone };
    Ok(OpenSink { front: Box::new(front), sink: Box::new(sink), guarantee: Guarantee::AtLeastOnce })
}

/// Writes rows as lines.
struct Lines {
    prefix: String,
    schema: Schema,
    zone: chrono_tz::Tz,
}

impl SinkFront for Lines {
    fn encode(&mut self, chunk: &Chunk, out: &mut Vec<Packet>) -> Result<()> {
        let mut packet = Packet { rows: chunk.rows, watermark: chunk.marks.last(), ..Packet::default() };
        write_changes(&self.schema, chunk, self.zone, &self.prefix, &mut packet.bytes);
        out.push(packet);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::fixed;
    use arrow_array::StringViewArray;
    use std::sync::Arc;
    use tidemill_types::{DataType, Field, RowKind, TypeKind};

    #[test]
    fn lines_are_flinks() {
        let schema =
            Schema::new(vec![Field::new("i", TypeKind::Int.nullable()), Field::new("s", DataType::string())]);
        let numbers = fixed(&schema.fields[0].data_type, vec![1, 2], None);
        let text = Arc::new(StringViewArray::from(vec![Some("a"), None]));
        let mut chunk = Chunk::new(vec![numbers, text], 2);
        chunk.kinds = Some([RowKind::Insert, RowKind::Delete].into());
        let mut out = Vec::new();
        let mut lines = Lines { prefix: "id> ".into(), schema, zone: chrono_tz::Tz::UTC };
        lines.encode(&chunk, &mut out).unwrap();
        assert_eq!(String::from_utf8_lossy(&out[0].bytes), "id> +I[1, a]\nid> -D[2, null]\n");
        assert_eq!(out[0].rows, 2);
    }
}
