//! The back half of the sink: gathers packets and hands them to the part files on a blocking thread.

use super::commit::{Committer, Moment};
use super::parts::Parts;
use super::rolling::Rolling;
use std::path::PathBuf;
use tidemill_connector::{Packet, Sink, TableRequest};
use tidemill_types::{Error, Result};

/// How many bytes are gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;
/// How many packets are gathered at most; small ones count too, so that watermarks are seen.
const WRITE_PACKETS: usize = 256;

/// The sink of one task.
pub(super) struct FileSink {
    waiting: Vec<Packet>,
    waiting_bytes: usize,
    /// `None` only while a blocking thread has it, or after that thread failed to give it back.
    files: Option<Files>,
}

impl FileSink {
    /// The sink of a table under `root`; nothing is written yet.
    pub(super) fn open(request: &TableRequest<'_>, root: PathBuf) -> Result<Self> {
        let rolling = Rolling::from(request.options)?;
        let files = Files {
            parts: Parts::new(root, request.run_id, request.task, rolling, request.overwrite),
            committer: Committer::open(request)?,
            partitioned: !request.partition_by.is_empty(),
        };
        Ok(FileSink { waiting: Vec::new(), waiting_bytes: 0, files: Some(files) })
    }

    async fn on_files(&mut self, act: impl FnOnce(&mut Files) -> Result<()> + Send + 'static) -> Result<()> {
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
        let packets = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        self.on_files(move |files| files.take(&packets)).await
    }
}

#[async_trait::async_trait]
impl Sink for FileSink {
    async fn write(&mut self, packet: Packet) -> Result<()> {
        self.waiting_bytes += packet.bytes.len();
        self.waiting.push(packet);
        if self.waiting_bytes >= WRITE_BYTES || self.waiting.len() >= WRITE_PACKETS {
            self.write_waiting().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.write_waiting().await
    }

    async fn finish(&mut self) -> Result<()> {
        self.write_waiting().await?;
        self.on_files(Files::finish).await
    }
}

/// Part files with the marking of complete partitions.
struct Files {
    parts: Parts,
    committer: Option<Committer>,
    partitioned: bool,
}

impl Files {
    fn take(&mut self, packets: &[Packet]) -> Result<()> {
        for packet in packets {
            if !packet.bytes.is_empty() {
                self.parts.append(&packet.partition, &packet.bytes)?;
                self.committer.iter_mut().for_each(|committer| committer.wrote(&packet.partition));
            }
            if let (Some(committer), Some(watermark)) = (&mut self.committer, packet.watermark) {
                committer.watermark(watermark);
            }
        }
        let moment = if self.parts.seal_old() { Moment::Checked } else { Moment::Moved };
        self.parts.publish()?;
        self.mark_complete(moment)
    }

    fn finish(&mut self) -> Result<()> {
        self.parts.finish(self.partitioned)?;
        self.mark_complete(Moment::Ended)
    }

    fn mark_complete(&mut self, moment: Moment) -> Result<()> {
        let Some(committer) = &mut self.committer else { return Ok(()) };
        for partition in committer.complete(moment)? {
            self.parts.seal(&partition);
            self.parts.publish()?;
            if let Some(name) = committer.success_name() {
                self.parts.mark(&partition, name)?;
            }
        }
        Ok(())
    }
}
