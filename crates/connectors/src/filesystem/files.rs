//! Part files with the marking of complete partitions, and how both follow checkpoints.
//!
//! 1. Without checkpoints parts become visible when they are sealed, and partitions are marked when they are complete.
//!    A result that overwrites becomes visible at the end only: a run that fails or dies before leaves what was there.
//! 2. With checkpoints `prepare` makes everything durable; it seals the parts that are due and those of partitions that
//!    are complete. `commit` makes the sealed parts visible, then marks those partitions.
//! 3. Parts that are not due grow across epochs: `prepare` says how many bytes of them count. A run that is resumed cuts
//!    them to that length and makes them visible, so that nothing of an earlier run is still being written.
//! 4. Whatever else an earlier run left hidden is removed with the first `commit`: only then has every sink of the run
//!    taken over what it goes on from.
//!
//! Source of the rules: Flink's documentation of the connector: row formats (json, csv, raw) roll by size and age, not
//! at every checkpoint, bulk formats (parquet, avro) at every checkpoint too, and parts and partitions become visible when a checkpoint is complete.

use super::commit::{Committer, Moment};
use super::parts::Parts;
use super::prepared::{PartFile, Prepared};
use crate::notice::notice;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidemill_connector::{Packet, TableRequest};
use tidemill_types::{Error, Result, WATERMARK_MAX};

/// The files of one sink.
pub(super) struct Files {
    table: String,
    parts: Parts,
    committer: Option<Committer>,
    partitioned: bool,
    checkpointed: bool,
    overwrites: bool,
    waiting: VecDeque<Packet>,
    /// Complete partitions to be marked.
    marks: BTreeSet<String>,
    watermark: Option<i64>,
    leftovers_removed: bool,
}

impl Files {
    pub(super) fn new(parts: Parts, committer: Option<Committer>, request: &TableRequest<'_>) -> Self {
        Files {
            table: request.table.to_string(),
            parts,
            committer,
            partitioned: !request.partition_by.is_empty(),
            checkpointed: request.checkpointed,
            overwrites: request.overwrite,
            waiting: VecDeque::new(),
            marks: BTreeSet::new(),
            watermark: None,
            leftovers_removed: !request.checkpointed,
        }
    }

    /// Adds a packet to those that [`Files::take`] writes.
    pub(super) fn push(&mut self, packet: Packet) {
        self.waiting.push_back(packet);
    }

    /// Writes the packets that wait.
    pub(super) fn take(&mut self) -> Result<()> {
        while let Some(packet) = self.waiting.front() {
            let wrote = match &packet.chunk {
                Some(rows) => self.parts.append_rows(&packet.partition, rows)?,
                None => self.parts.append(&packet.partition, &packet.bytes)?,
            };
            if wrote {
                self.committer.iter_mut().for_each(|committer| committer.wrote(&packet.partition));
            }
            if let Some(watermark) = packet.watermark {
                self.watermark = self.watermark.max(Some(watermark));
                self.committer.iter_mut().for_each(|committer| committer.watermark(watermark));
            }
            self.waiting.pop_front();
        }
        let checked = self.parts.seal_old()?;
        if self.checkpointed || self.overwrites {
            return Ok(());
        }
        self.parts.publish_sealed()?;
        self.seal_complete(if checked { Moment::Checked } else { Moment::Moved })?;
        self.show()
    }

    /// The end: everything becomes visible.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.parts.seal_all()?;
        self.parts.publish_sealed()?;
        // What was stopped goes on later if there are checkpoints, so its partitions are not complete.
        if !self.checkpointed || self.has_ended() {
            self.end_result()?;
            self.seal_complete(Moment::Ended)?;
        }
        self.show()?;
        if self.checkpointed { self.parts.sync_folders() } else { Ok(()) }
    }

    /// Makes everything durable and says what is to become visible.
    pub(super) fn prepare(&mut self, last: bool) -> Result<Vec<u8>> {
        let ended = last && self.has_ended();
        self.seal_complete(if ended { Moment::Ended } else { Moment::Checked })?;
        if last || self.parts.are_whole() {
            self.parts.seal_all()?;
        }
        self.parts.sync()?;
        let (pending, watermark) = self.committer.as_ref().map(Committer::state).unzip();
        let pending = pending.into_iter().flatten();
        let prepared = Prepared {
            sealed: self.parts.sealed().to_vec(),
            growing: self.parts.growing().cloned().collect(),
            marks: self.marks.iter().cloned().collect(),
            pending: pending.map(|(partition, created_ms)| (partition.clone(), *created_ms)).collect(),
            watermark: watermark.flatten(),
            ended,
        };
        Ok(prepared.to_bytes())
    }

    /// Makes visible what was prepared.
    pub(super) fn commit(&mut self, prepared: &[u8]) -> Result<()> {
        let prepared = Prepared::parse(prepared)?;
        prepared.sealed.iter().try_for_each(|part| self.parts.publish(part))?;
        self.mark(&prepared)?;
        self.parts.sync_folders()?;
        if !self.leftovers_removed {
            self.parts.remove_leftovers()?;
            self.leftovers_removed = true;
        }
        Ok(())
    }

    /// Goes on from what earlier sinks had prepared.
    pub(super) fn recover(&mut self, prepared: &[Vec<u8>]) -> Result<()> {
        let prepared = prepared.iter().map(|bytes| Prepared::parse(bytes)).collect::<Result<Vec<_>>>()?;
        for part in newest(&prepared) {
            self.take_over(part)?;
        }
        for prepared in prepared {
            self.mark(&prepared)?;
            if let Some(committer) = &mut self.committer {
                let pending = prepared.pending.into_iter();
                let pending = pending.filter(|(partition, _)| !prepared.marks.contains(partition));
                committer.restore(pending.collect(), prepared.watermark);
            }
        }
        self.parts.sync_folders()
    }

    /// Makes a part of an earlier run visible, as far as it counts.
    fn take_over(&mut self, part: &PartFile) -> Result<()> {
        match self.parts.size(&part.partition, &part.hidden)? {
            Some(bytes) if bytes < part.bytes => {
                let PartFile { partition, hidden, bytes: wanted, .. } = part;
                return Err(Error::external_fatal(format!(
                    "'{partition}/{hidden}' has only {bytes} of the {wanted} bytes that the last checkpoint counts on"
                )));
            }
            Some(bytes) if bytes > part.bytes => self.parts.cut(part)?,
            Some(_) => {}
            None if self.parts.size(&part.partition, &part.name)?.is_none() && part.bytes > 0 => {
                let PartFile { partition, name, .. } = part;
                notice(
                    &self.table,
                    format!("'{partition}/{name}' is gone; was it moved away since the last run?"),
                );
            }
            None => {}
        }
        self.parts.publish(part)
    }

    fn mark(&mut self, prepared: &Prepared) -> Result<()> {
        if prepared.ended {
            self.end_result()?;
        }
        self.marks.extend(prepared.marks.iter().cloned());
        self.show_marks(|partition| prepared.marks.iter().any(|mark| mark == partition))
    }

    fn has_ended(&self) -> bool {
        self.watermark == Some(WATERMARK_MAX)
    }

    fn end_result(&mut self) -> Result<()> {
        if self.partitioned { Ok(()) } else { self.parts.empty_root() }
    }

    /// Seals the parts of complete partitions, which are then to be marked.
    fn seal_complete(&mut self, moment: Moment) -> Result<()> {
        let Some(committer) = &mut self.committer else { return Ok(()) };
        for partition in committer.complete(moment)? {
            self.parts.seal(&partition)?;
            self.marks.insert(partition);
        }
        Ok(())
    }

    /// Makes sealed parts visible and marks complete partitions.
    fn show(&mut self) -> Result<()> {
        self.parts.publish_sealed()?;
        self.show_marks(|_| true)
    }

    fn show_marks(&mut self, is_meant: impl Fn(&str) -> bool) -> Result<()> {
        let name = self.committer.as_ref().and_then(|committer| committer.success_name().map(str::to_string));
        let meant: Vec<String> = self.marks.iter().filter(|mark| is_meant(mark)).cloned().collect();
        for partition in meant {
            if let Some(name) = &name {
                self.parts.mark(&partition, name)?;
            }
            self.marks.remove(&partition);
        }
        Ok(())
    }
}

/// Each part once: the length that counts is the largest, because an older epoch knew less of it.
fn newest(prepared: &[Prepared]) -> impl Iterator<Item = &PartFile> {
    let mut newest: BTreeMap<(&str, &str), &PartFile> = BTreeMap::new();
    for part in prepared.iter().flat_map(|prepared| prepared.sealed.iter().chain(&prepared.growing)) {
        let known = newest.entry((&part.partition, &part.hidden)).or_insert(part);
        if part.bytes > known.bytes {
            *known = part;
        }
    }
    newest.into_values()
}
