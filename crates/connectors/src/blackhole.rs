//! `blackhole`: a sink that takes every changelog and keeps nothing; its rows are counted like any other's.

use tidemill_connector::{Connector, Guarantee, Lookups, OpenSink, Packet, Sink, SinkFront, TableRequest};
use tidemill_types::{Chunk, Result};

/// The connector.
pub(crate) fn connector() -> Connector {
    Connector {
        name: "blackhole",
        summary: "a sink that takes everything and keeps nothing",
        options: &[],
        formatted: false,
        metadata: &[],
        sink_takes_changes: true,
        sink_skips_update_before: true,
        finds_fields_by_name: false,
        upserts: false,
        bounded: |_| true,
        check: |_| Ok(()),
        source: None,
        sink: Some(open),
        lookups: Lookups::NONE,
        single_task_sink: false,
    }
}

fn open(_: &TableRequest<'_>) -> Result<OpenSink> {
    Ok(OpenSink { front: Box::new(Count), sink: Box::new(Nothing), guarantee: Guarantee::AtLeastOnce })
}

struct Count;

impl SinkFront for Count {
    fn encode(&mut self, chunk: &Chunk, out: &mut Vec<Packet>) -> Result<()> {
        out.push(Packet { rows: chunk.rows, watermark: chunk.marks.last(), ..Packet::default() });
        Ok(())
    }
}

struct Nothing;

#[async_trait::async_trait]
impl Sink for Nothing {
    async fn write(&mut self, _: Packet) -> Result<()> {
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_dropped() {
        let mut out = Vec::new();
        Count.encode(&Chunk::new(Vec::new(), 3), &mut out).unwrap();
        assert_eq!((out[0].rows, out[0].chunk.is_none()), (3, true));
    }
}
