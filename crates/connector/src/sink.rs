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

/// The number of the epoch that ends with the input or a stop: nothing is written after its `prepare`.
pub const LAST_EPOCH: u64 = u64::MAX;

/// What a sink promises when the run is killed and resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// Rows of the interrupted epoch may be written again.
    AtLeastOnce,
    /// Each row is visible exactly once.
    ExactlyOnce,
}

/// Writes packets.
///
/// Without checkpoints: `write` may buffer, `flush` makes written rows visible, `finish` ends.
///
/// With checkpoints ([`TableRequest::checkpointed`](crate::TableRequest::checkpointed)), for each epoch:
/// 1. `prepare` comes behind the last packet of the epoch. An exactly-once sink makes what was written durable but
///    not visible and says what `commit` needs; others just make it durable and visible.
/// 2. The runtime stores that with the checkpoint.
/// 3. `commit` makes it visible. Packets of the next epoch may be written before that, and epochs whose checkpoint
///    failed are committed together with a later one, in order.
///
/// After a crash a new sink is opened and `recover` is called before its first packet with what the last complete
/// checkpoint had prepared: it was perhaps committed, perhaps not. `finish` comes after the last commit.
/// A call that failed with a retryable error is made again.
#[async_trait::async_trait]
pub trait Sink: Send {
    /// Takes a packet.
    async fn write(&mut self, packet: Packet) -> Result<()>;

    /// Writes out what is buffered; called when the input pauses.
    async fn flush(&mut self) -> Result<()>;

    /// Makes everything final.
    async fn finish(&mut self) -> Result<()>;

    /// All packets of this epoch were written: makes them durable and gives what [`Sink::commit`] needs.
    async fn prepare(&mut self, _epoch: u64) -> Result<Vec<u8>> {
        self.flush().await?;
        Ok(Vec::new())
    }

    /// The checkpoint is complete: makes what was prepared visible. Doing it twice must change nothing.
    async fn commit(&mut self, _prepared: &[u8]) -> Result<()> {
        Ok(())
    }

    /// A run is resumed: commits what the last complete checkpoint prepared, and removes whatever else former runs
    /// of the same pipeline left unfinished. Each of a table's sinks gets a share of `prepared`, perhaps an empty one,
    /// whatever the parallelism was when it was made; all that one former sink prepared goes to the same sink. Called
    /// for a first run too, with nothing. When the first `commit` comes, every sink of the table has recovered.
    async fn recover(&mut self, prepared: &[Vec<u8>]) -> Result<()> {
        for prepared in prepared {
            self.commit(prepared).await?;
        }
        Ok(())
    }
}

/// A sink opened for one task.
pub struct OpenSink {
    /// Runs on the worker.
    pub front: Box<dyn SinkFront>,
    /// Runs at the edge.
    pub sink: Box<dyn Sink>,
    /// What it promises when a run with checkpoints is killed and resumed.
    pub guarantee: Guarantee,
}
