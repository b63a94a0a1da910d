//! Sinks: a synchronous front half that encodes on a worker, an asynchronous back half that writes.
//!
//! Invariant: packets reach the back half in the order the front half made them.

use tidemill_types::{Chunk, Result};

/// Encoded or finished rows on their way out.
#[derive(Debug, Clone, Default)]
pub struct Packet {
    /// Which part of the target it goes to (`dt=2024-01-01/hm=10`), empty for the target itself.
    pub partition: String,
    /// Encoded records.
    pub bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    pub ends: Vec<usize>,
    /// The rows themselves, for sinks that take rows.
    pub chunk: Option<Chunk>,
    /// How many rows it holds.
    pub rows: usize,
    /// The watermark after its rows, if it moved.
    pub watermark: Option<i64>,
}

impl Packet {
    /// The bytes it holds on to, roughly.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.chunk.as_ref().map_or(0, Chunk::bytes) + 64
    }
}

/// Turns chunks into packets, on the worker that computed them.
pub trait SinkFront: Send {
    /// Appends the packets of a chunk to `out`.
    fn encode(&mut self, chunk: &Chunk, out: &mut Vec<Packet>) -> Result<()>;
}

/// A front half that hands rows on as they are.
#[derive(Debug, Default)]
pub struct NoFront;

impl SinkFront for NoFront {
    fn encode(&mut self, chunk: &Chunk, out: &mut Vec<Packet>) -> Result<()> {
        out.push(Packet {
            rows: chunk.rows,
            watermark: chunk.marks.last(),
            chunk: Some(chunk.clone()),
            ..Packet::default()
        });
        Ok(())
    }
}

/// Writes packets. `write` may buffer; `flush` must make written rows visible as far as the sink's guarantee
/// goes; `finish` is called once, after the last packet of a run that ended well or was stopped.
#[async_trait::async_trait]
pub trait Sink: Send {
    /// Takes a packet.
    async fn write(&mut self, packet: Packet) -> Result<()>;

    /// Writes out what is buffered; called when the input pauses.
    async fn flush(&mut self) -> Result<()>;

    /// Makes everything final.
    async fn finish(&mut self) -> Result<()>;
}

/// A sink opened for one task.
pub struct OpenSink {
    /// Runs on the worker.
    pub front: Box<dyn SinkFront>,
    /// Runs at the edge.
    pub sink: Box<dyn Sink>,
}
