//! Loads the newest checkpoint that is whole.
//!
//! Reading and checking run in parallel by stretches of data files; the rows are slices of what was read.
//! Invariant: what is given comes from one manifest, and every byte of it was checked.

use super::decide;
use super::failure::failed;
use super::layout::{FileKind, parse_name};
use super::store::Files;
use super::{CheckpointStore, Manifest, SegmentRef, TableState};
use crate::SnapshotRows;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use std::collections::BTreeMap;
use std::ops::Range;
use tidemill_types::{Error, Result};

/// How many bytes are read at once; a larger segment is read in one piece.
const READ_BYTES: u64 = 16 << 20;
/// How many reads run at the same time.
const READS_MAX: usize = 8;

/// A checkpoint in memory. A clone shares the rows.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it is.
    pub manifest: Manifest,
    /// The rows by (operator, table).
    pub tables: BTreeMap<(String, String), LoadedTable>,
    /// The rows that stood between tasks, by (fragment, task).
    pub in_flight: BTreeMap<(String, String), LoadedTable>,
    /// Newer checkpoints that were damaged, with the reasons.
    pub skipped: Vec<(u64, String)>,
    /// The number of the next epoch.
    pub next_epoch: u64,
}

/// The rows of one table, of all tasks that wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadedTable {
    /// The layout of the rows.
    pub schema: u64,
    /// What to restore and apply, in this order; [`SnapshotRows::split_whole`] parts the two. Sections that
    /// later ones replace are left out.
    pub rows: Vec<SnapshotRows>,
}

/// A segment with the table it belongs to, as an index of the manifest.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The index of the table.
    pub(crate) table: usize,
    /// The index of the segment in the table.
    pub(crate) at: usize,
    /// Where it lies.
    pub(crate) segment: SegmentRef,
}

/// Rows by operator and table.
type Tables = BTreeMap<(String, String), LoadedTable>;

/// A segment that was read: its rows, or what is wrong with it.
pub(crate) type Checked = (Wanted, Result<SnapshotRows, String>);

impl CheckpointStore {
    /// The newest checkpoint that is whole; none if there is no checkpoint at all. An error if there are some but
    /// none is whole: starting anew without a word would lose what the job knew.
    pub async fn load(&self) -> Result<Option<Loaded>> {
        let files = self.files().await?;
        let mut skipped = Vec::new();
        for &epoch in files.manifests.keys().rev() {
            match self.load_epoch(epoch, &files).await? {
                Ok((manifest, tables, in_flight)) => {
                    let next_epoch = next_epoch(&files);
                    return Ok(Some(Loaded { manifest, tables, in_flight, skipped, next_epoch }));
                }
                Err(reason) => skipped.push((epoch, reason)),
            }
        }
        match skipped.first() {
            None => Ok(None),
            Some((epoch, reason)) => Err(Error::user_hint(
                format!("no checkpoint of job '{}' can be used; the last one, {epoch}: {reason}", self.job()),
                "restore the state folder from a backup, or start with an empty one",
            )),
        }
    }

    async fn load_epoch(
        &self,
        epoch: u64,
        files: &Files,
    ) -> Result<Result<(Manifest, Tables, Tables), String>> {
        let manifest = match self.read_manifest(epoch, files).await? {
            Ok((manifest, _)) => manifest,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut rows: Vec<Vec<Option<SnapshotRows>>> =
            manifest.all_tables().map(|table| vec![None; table.segments.len()]).collect();
        let mut reads = std::pin::pin!(self.read_segments(&manifest));
        while let Some(checked) = reads.try_next().await? {
            for (wanted, result) in checked {
                match result {
                    Ok(read) => rows[wanted.table][wanted.at] = Some(read),
                    Err(reason) => return Ok(Err(reason)),
                }
            }
        }
        let in_flight = tables_of(&manifest.in_flight, rows.split_off(manifest.tables.len()));
        let tables = tables_of(&manifest.tables, rows);
        Ok(Ok((manifest, tables, in_flight)))
    }

    /// Reads all segments of a manifest and checks them, in any order.
    pub(crate) fn read_segments(
        &self,
        manifest: &Manifest,
    ) -> impl futures_util::Stream<Item = Result<Vec<Checked>>> + use<> {
        let schemas: Vec<u64> = manifest.all_tables().map(|table| table.schema).collect();
        let store = self.clone();
        let reads = stretches(manifest).into_iter().map(move |wanted| {
            let wanted_schemas = wanted.iter().map(|wanted| schemas[wanted.table]).collect();
            let store = store.clone();
            async move { store.read_stretch(wanted, wanted_schemas).await }
        });
        futures_util::stream::iter(reads).buffer_unordered(READS_MAX)
    }

    async fn read_stretch(self, wanted: Vec<Wanted>, schemas: Vec<u64>) -> Result<Vec<Checked>> {
        let Some(first) = wanted.first() else {
            return Ok(Vec::new());
        };
        let path = self.path(&first.segment.file);
        let ranges: Vec<Range<u64>> =
            wanted.iter().map(|wanted| wanted.segment.offset..wanted.segment.end()).collect();
        let bytes = self.location().store.get_ranges(&path, &ranges).await;
        let bytes = bytes.map_err(|error| failed(&format!("read '{path}'"), error))?;
        let check = move || {
            let all = wanted.into_iter().zip(bytes).zip(schemas);
            all.map(|((wanted, bytes), schema)| {
                let rows = check(&wanted.segment, &bytes, schema);
                (wanted, rows)
            })
            .collect()
        };
        let checked = tokio::task::spawn_blocking(check).await;
        checked.map_err(|error| Error::internal(format!("checking a checkpoint: {error}")))
    }
}

/// The number behind all that was ever used, so that nothing that is there is written again.
fn next_epoch(files: &Files) -> u64 {
    files.manifests.keys().chain(files.data.keys()).max().map_or(1, |epoch| epoch + 1)
}

/// The segments of a manifest by data file and place, cut into stretches for one read each.
fn stretches(manifest: &Manifest) -> Vec<Vec<Wanted>> {
    let mut all: Vec<Wanted> = Vec::new();
    for (table, state) in manifest.all_tables().enumerate() {
        let segments = state.segments.iter().cloned().enumerate();
        all.extend(segments.map(|(at, segment)| Wanted { table, at, segment }));
    }
    all.sort_by(|a, b| (&a.segment.file, a.segment.offset).cmp(&(&b.segment.file, b.segment.offset)));
    let mut stretches: Vec<Vec<Wanted>> = Vec::new();
    for wanted in all {
        match stretches.last_mut() {
            Some(stretch) if fits(stretch, &wanted.segment) => stretch.push(wanted),
            _ => stretches.push(vec![wanted]),
        }
    }
    stretches
}

fn fits(stretch: &[Wanted], segment: &SegmentRef) -> bool {
    let first = &stretch[0].segment;
    first.file == segment.file && segment.end() - first.offset <= READ_BYTES
}

/// The rows of a segment if they are what was written.
fn check(segment: &SegmentRef, bytes: &Bytes, schema: u64) -> Result<SnapshotRows, String> {
    let place = || format!("'{}' at byte {}", segment.file, segment.offset);
    let checksum = bytes.last_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    if bytes.len() as u64 != segment.len || checksum != Some(segment.checksum) {
        return Err(format!("{}: other bytes than were written", place()));
    }
    let rows = SnapshotRows::decode(bytes).map_err(|error| format!("{}: {error}", place()))?;
    let epoch = match parse_name(&segment.file) {
        Some((epoch, FileKind::Data)) => epoch,
        _ => segment.epoch,
    };
    let described =
        SegmentRef::new(&segment.file, epoch, segment.offset, segment.len, segment.checksum, &rows);
    match described == *segment && rows.schema == schema {
        true => Ok(rows),
        false => Err(format!("{}: other rows than the manifest says", place())),
    }
}

/// The rows by table, without the sections that later ones replace.
fn tables_of(states: &[TableState], rows: Vec<Vec<Option<SnapshotRows>>>) -> Tables {
    let mut tables = BTreeMap::new();
    for (state, rows) in states.iter().zip(rows) {
        let from = decide::counting_from(&state.segments);
        let mut table = LoadedTable { schema: state.schema, rows: Vec::new() };
        for (segment, rows) in state.segments.iter().zip(rows) {
            let Some(mut rows) = rows else { continue };
            rows.sections
                .retain(|section| from.get(&section.group).is_none_or(|&epoch| epoch <= segment.epoch));
            if !rows.sections.is_empty() {
                table.rows.push(rows);
            }
        }
        tables.insert((state.operator.clone(), state.table.clone()), table);
    }
    tables
}
