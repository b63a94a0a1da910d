//! The back half of the sink: gathers packets and hands them to the part files on a blocking thread.
//!
//! Invariant: a packet that could not be written stays and is written by the next call; a call that failed can
//! therefore be made again without writing anything twice.

use super::commit::Committer;
use super::files::Files;
use super::parts::{Owner, Parts};
use super::rolling::Rolling;
use super::whole::WholeWriting;
use std::path::PathBuf;
use tidemill_connector::{LAST_EPOCH, Packet, Sink, TableRequest};
use tidemill_types::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

/// How many bytes are gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;
/// How many packets are gathered at most; small ones count too, so that watermarks are seen.
const WRITE_PACKETS: usize = 256;

/// The sink of one task.
pub(super) struct FileSink {
    waiting: usize,
    waiting_bytes: usize,
    /// `None` only while a blocking thread has it, or after that thread failed to give it back.
    files: Option<Files>,
}

impl FileSink {
    /// The sink of a table under `root`; nothing is written yet.
    pub(super) fn open(request: &TableRequest<'_>, root: PathBuf) -> Result<Self> {
        let owner = owner(request);
        let rolling = Rolling::from(request.options)?;
        let whole = WholeWriting::of(request)?;
        let parts = Parts::new(request.disk.clone(), root, owner, (rolling, whole), request.overwrite);
        let files = Files::new(parts, Committer::open(request)?, request);
        Ok(FileSink { waiting: 0, waiting_bytes: 0, files: Some(files) })
    }

    async fn on_files<T: Send + 'static>(
        &mut self,
        act: impl FnOnce(&mut Files) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let lost = || Error::internal("the part files were lost to a thread that failed");
        let mut files = self.files.take().ok_or_else(lost)?;
        let acted = tokio::task::spawn_blocking(move || {
            let result = act(&mut files);
            (files, result)
        });
        let (files, result) = acted.await.map_err(|_| lost())?;
        self.files = Some(files);
        result
    }

    async fn write_waiting(&mut self) -> Result<()> {
        self.on_files(Files::take).await?;
        (self.waiting, self.waiting_bytes) = (0, 0);
        Ok(())
    }
}

fn owner(request: &TableRequest<'_>) -> Owner {
    let (run, task) = (request.run_id.to_string(), request.task);
    // The identity of the pipeline as part of a file's name.
    let pipeline = request.checkpointed.then(|| format!("{:016x}", xxh3_64(request.pipeline_id.as_bytes())));
    match pipeline.clone().filter(|_| request.overwrite) {
        // Runs that go on from one another give one result; whoever begins anew replaces it.
        Some(result) => Owner { run: format!("{result}-{run}"), result, task, pipeline },
        None => Owner { result: run.clone(), run, task, pipeline },
    }
}

#[async_trait::async_trait]
impl Sink for FileSink {
    async fn write(&mut self, packet: Packet) -> Result<()> {
        if self.waiting_bytes >= WRITE_BYTES || self.waiting >= WRITE_PACKETS {
            self.write_waiting().await?;
        }
        self.waiting_bytes += packet.size();
        self.waiting += 1;
        let lost = || Error::internal("the part files were lost to a thread that failed");
        self.files.as_mut().ok_or_else(lost)?.push(packet);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.write_waiting().await
    }

    async fn finish(&mut self) -> Result<()> {
        self.write_waiting().await?;
        self.on_files(Files::finish).await
    }

    async fn prepare(&mut self, epoch: u64) -> Result<Vec<u8>> {
        self.write_waiting().await?;
        self.on_files(move |files| files.prepare(epoch == LAST_EPOCH)).await
    }

    async fn commit(&mut self, prepared: &[u8]) -> Result<()> {
        let prepared = prepared.to_vec();
        self.on_files(move |files| files.commit(&prepared)).await
    }

    async fn recover(&mut self, prepared: &[Vec<u8>]) -> Result<()> {
        let prepared = prepared.to_vec();
        self.on_files(move |files| files.recover(&prepared)).await
    }
}
