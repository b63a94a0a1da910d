//! The checkpoints of one job: what is there, publishing, deleting.
//!
//! Invariant: a manifest is written after everything it names is durable, and deleted before any of it.

use super::decide::{self, Known};
use super::failure::{failed, io};
use super::layout::{FileKind, data_name, manifest_name, parse_name};
use super::location::Location;
use super::manifest::{self, Unreadable, later};
use super::{EpochWriter, Manifest};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemill_types::{Error, Result};

/// The data files that a manifest names, by epoch, and how long each must be.
pub(crate) type Needs = BTreeMap<u64, u64>;

/// The checkpoints of one job. Clones share what they know.
#[derive(Clone)]
pub struct CheckpointStore(Arc<Inner>);

struct Inner {
    location: Location,
    folder: Path,
    job: String,
    progress: Mutex<Progress>,
}

/// What this process knows without looking.
#[derive(Debug, Default)]
struct Progress {
    /// Epochs under way.
    writing: BTreeSet<u64>,
    /// The last published epoch.
    published: u64,
    /// What manifests need that were read or published; none: it is damaged.
    needs: BTreeMap<u64, Option<Needs>>,
}

/// The files of a job's folder.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The sizes of manifests by epoch.
    pub(crate) manifests: BTreeMap<u64, u64>,
    /// The sizes of data files by epoch.
    pub(crate) data: BTreeMap<u64, u64>,
}

/// One checkpoint in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointInfo {
    /// Its number.
    pub epoch: u64,
    /// The bytes this epoch wrote.
    pub written_bytes: u64,
    /// The manifest, or why it can't be used.
    pub manifest: Result<Manifest, String>,
}

impl CheckpointInfo {
    /// The bytes a restart from it reads.
    pub fn state_bytes(&self) -> u64 {
        let segments = self.manifest.iter().flat_map(Manifest::segments);
        segments.map(|segment| segment.len).sum()
    }

    /// The rows of all tables.
    pub fn state_rows(&self) -> u64 {
        self.manifest.iter().flat_map(|manifest| &manifest.tables).map(|table| table.rows).sum()
    }
}

impl CheckpointStore {
    pub(crate) fn new(location: Location, folder: Path, job: String) -> Self {
        CheckpointStore(Arc::new(Inner { location, folder, job, progress: Mutex::default() }))
    }

    /// The name of the job.
    pub fn job(&self) -> &str {
        &self.0.job
    }

    pub(crate) fn location(&self) -> &Location {
        &self.0.location
    }

    pub(crate) fn path(&self, name: &str) -> Path {
        self.0.folder.clone().join(name)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an epoch. Its number must be larger than that of every epoch before; [`super::Loaded::next_epoch`] tells
    /// the first one after a restart.
    pub fn begin(&self, epoch: u64) -> EpochWriter {
        self.progress().writing.insert(epoch);
        EpochWriter::new(self.clone(), epoch)
    }

    /// Gives up an epoch: what it wrote may be deleted, unless a manifest names it.
    pub fn abandon(&self, epoch: u64) {
        self.progress().writing.remove(&epoch);
    }

    /// Makes an epoch real. Everything it names must have been finished before. May be tried again after an error.
    pub async fn publish(&self, manifest: &Manifest) -> Result<()> {
        self.0.location.guard.check()?;
        let needs = self.check_own(manifest)?;
        let path = self.path(&manifest_name(manifest.epoch));
        let bytes = manifest.encode()?;
        // Locally the lock keeps others away; in an object store a lost lease could not be noticed in time.
        let mode = if self.0.location.local.is_some() { PutMode::Overwrite } else { PutMode::Create };
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.0.location.store.put_opts(&path, bytes.clone().into(), options).await {
            Ok(_) => {}
            Err(object_store::Error::AlreadyExists { .. }) => self.check_published(&path, &bytes).await?,
            Err(error) => return Err(failed(&format!("write '{path}'"), error)),
        }
        let mut progress = self.progress();
        progress.published = manifest.epoch;
        progress.writing.retain(|&epoch| epoch > manifest.epoch);
        progress.needs.insert(manifest.epoch, Some(needs));
        Ok(())
    }

    fn check_own(&self, manifest: &Manifest) -> Result<Needs> {
        if manifest.job != self.0.job {
            return Err(Error::internal("a manifest of another job"));
        }
        if manifest.epoch <= self.progress().published {
            return Err(Error::internal("a manifest of an earlier epoch than the last one"));
        }
        needs_of(manifest).map_err(Error::internal)
    }

    /// The manifest is there already: fine if it is this one, written by a try that seemed to fail.
    async fn check_published(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        match self.0.location.read(path).await? {
            Some(there) if there == bytes => Ok(()),
            _ => Err(Error::external_fatal(format!("another run has written '{path}' meanwhile"))),
        }
    }

    /// The checkpoints there are, the oldest first.
    pub async fn list(&self) -> Result<Vec<CheckpointInfo>> {
        let files = self.files().await?;
        let mut all = Vec::with_capacity(files.manifests.len());
        for &epoch in files.manifests.keys() {
            let manifest = match self.read_manifest(epoch, &files).await? {
                Ok((manifest, _)) => Ok(manifest),
                Err(reason) => Err(reason),
            };
            let written_bytes = files.data.get(&epoch).copied().unwrap_or_default();
            all.push(CheckpointInfo { epoch, written_bytes, manifest });
        }
        if all.iter().any(|info| info.manifest.is_err()) {
            // A run that goes on may have deleted it meanwhile.
            let left = self.files().await?.manifests;
            all.retain(|info| left.contains_key(&info.epoch));
        }
        Ok(all)
    }

    /// Keeps the newest `keep` good checkpoints and deletes what only older ones need. Returns how many files went.
    pub async fn retain(&self, keep: usize) -> Result<usize> {
        let files = self.files().await?;
        let mut known = BTreeMap::new();
        for &epoch in files.manifests.keys() {
            known.insert(epoch, self.known(epoch, &files).await?);
        }
        let writing = self.progress().writing.clone();
        let data = files.data.keys().copied().collect();
        let deletable = decide::deletable(&known, &data, &writing, keep);
        self.delete(deletable.manifests.iter().map(|&epoch| manifest_name(epoch))).await?;
        self.delete(deletable.data.iter().map(|&epoch| data_name(epoch))).await?;
        self.progress().needs.retain(|epoch, _| !deletable.manifests.contains(epoch));
        Ok(deletable.manifests.len() + deletable.data.len())
    }

    /// Removes what crashed epochs of earlier runs left. Only for who holds the lock. Returns how many files went.
    pub async fn clear_leftovers(&self) -> Result<usize> {
        Ok(self.clear_staged()? + self.retain(usize::MAX).await?)
    }

    /// Half-written local files have a `#` in their name; the object store does not list them.
    fn clear_staged(&self) -> Result<usize> {
        let Some(root) = &self.0.location.local else {
            return Ok(0);
        };
        let folder = root.join(self.0.folder.as_ref());
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(io(&format!("list '{}'", folder.display()), &error)),
        };
        let mut cleared = 0;
        for entry in entries {
            let entry = entry.map_err(|error| io(&format!("list '{}'", folder.display()), &error))?;
            if is_staged(&entry.file_name().to_string_lossy()) {
                let path = entry.path();
                std::fs::remove_file(&path)
                    .map_err(|error| io(&format!("delete '{}'", path.display()), &error))?;
                cleared += 1;
            }
        }
        Ok(cleared)
    }

    async fn delete(&self, names: impl Iterator<Item = String>) -> Result<()> {
        let paths: Vec<object_store::Result<Path>> = names.map(|name| Ok(self.path(&name))).collect();
        let mut deleted = self.0.location.store.delete_stream(futures_util::stream::iter(paths).boxed());
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed("delete old checkpoints", error)),
            }
        }
        Ok(())
    }

    pub(crate) async fn files(&self) -> Result<Files> {
        let listed: Vec<_> =
            self.0.location.store.list(Some(&self.0.folder)).try_collect().await.map_err(|error| {
                failed(&format!("list the checkpoints in {}", self.0.location.text), error)
            })?;
        let mut files = Files::default();
        for file in listed {
            match file.location.filename().and_then(parse_name) {
                Some((epoch, FileKind::Manifest)) => files.manifests.insert(epoch, file.size),
                Some((epoch, FileKind::Data)) => files.data.insert(epoch, file.size),
                None => None,
            };
        }
        Ok(files)
    }

    /// A manifest whose data files are there and long enough, or why it is no good. Errors are those of the store,
    /// and that of a manifest from a later program: it must not be passed over.
    pub(crate) async fn read_manifest(
        &self,
        epoch: u64,
        files: &Files,
    ) -> Result<Result<(Manifest, Needs), String>> {
        let name = manifest_name(epoch);
        let Some(bytes) = self.0.location.read(&self.path(&name)).await? else {
            return Ok(Err(format!("'{name}' is missing")));
        };
        Ok(match manifest::read(&bytes) {
            Err(Unreadable::Later(version)) => return Err(later(version)),
            Err(Unreadable::Damaged(reason)) => Err(format!("'{name}': {reason}")),
            Ok(manifest) if manifest.epoch != epoch => {
                Err(format!("'{name}' is of epoch {}", manifest.epoch))
            }
            Ok(manifest) => {
                needs_of(&manifest).and_then(|needs| check_sizes(&needs, files).map(|()| (manifest, needs)))
            }
        })
    }

    async fn known(&self, epoch: u64, files: &Files) -> Result<Known> {
        let cached = self.progress().needs.get(&epoch).cloned();
        let needs = match cached {
            Some(needs) => needs,
            None => {
                let needs = self.read_manifest(epoch, files).await?.ok().map(|(_, needs)| needs);
                self.progress().needs.insert(epoch, needs.clone());
                needs
            }
        };
        Ok(match needs {
            Some(needs) if check_sizes(&needs, files).is_ok() => Known::Good(needs.keys().copied().collect()),
            _ => Known::Damaged,
        })
    }
}

fn is_staged(name: &str) -> bool {
    name.split_once('#').is_some_and(|(name, _)| parse_name(name).is_some())
}

/// The data files that a manifest names.
fn needs_of(manifest: &Manifest) -> Result<Needs, String> {
    let mut needs = Needs::new();
    for segment in manifest.segments() {
        let Some((epoch, FileKind::Data)) = parse_name(&segment.file) else {
            return Err(format!("'{}' is not the name of a data file", segment.file));
        };
        let end = needs.entry(epoch).or_default();
        *end = segment.end().max(*end);
    }
    Ok(needs)
}

fn check_sizes(needs: &Needs, files: &Files) -> Result<(), String> {
    for (&epoch, &end) in needs {
        match files.data.get(&epoch) {
            None => return Err(format!("'{}' is missing", data_name(epoch))),
            Some(&size) if size < end => {
                return Err(format!("'{}' is cut: {size} of {end} bytes", data_name(epoch)));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
