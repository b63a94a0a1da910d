//! The state folder of a pipeline: its lock and the checkpoints of its jobs.

use super::failure::failed;
use super::layout::{CHECKPOINTS, LOCK, PIPELINE_ID};
use super::location::Location;
use super::{CheckpointStore, StateLock};
use object_store::path::{Path, PathPart};
use object_store::{ObjectStore, ObjectStoreExt};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Instant;
use tidemill_types::{Clock, Error, Result, SystemClock};
use xxhash_rust::xxh3::xxh3_64;

/// A state folder, local or in an object store.
#[derive(Clone)]
pub struct StateFolder {
    location: Location,
    clock: Arc<dyn Clock>,
}

impl StateFolder {
    /// Opens a folder for running: a path, or a URL with `file://`, `memory://`, `s3://`, `gs://` or `az://`. A local
    /// folder is created.
    pub fn open(location: &str) -> Result<Self> {
        Ok(StateFolder { location: Location::open(location, true)?, clock: Arc::new(SystemClock) })
    }

    /// Opens a folder that must exist, to look at it.
    pub fn inspect(location: &str) -> Result<Self> {
        Ok(StateFolder { location: Location::open(location, false)?, clock: Arc::new(SystemClock) })
    }

    /// A folder in a store that was opened elsewhere.
    pub fn of_store(store: Arc<dyn ObjectStore>, name: &str) -> Self {
        StateFolder { location: Location::of_store(store, name), clock: Arc::new(SystemClock) }
    }

    /// Takes another clock for leases.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes the lock, so that no other run uses the folder until it is dropped; refused if one does.
    pub async fn lock(&self) -> Result<StateLock> {
        StateLock::take(&self.location, LOCK, self.clock.clone()).await
    }

    /// The checkpoints of a job, whether it has any or not.
    pub fn job(&self, name: &str) -> Result<CheckpointStore> {
        if name.is_empty() {
            return Err(Error::internal("a job without a name has no place for its checkpoints"));
        }
        let folder = self.location.child(CHECKPOINTS).join(PathPart::from(name));
        Ok(CheckpointStore::new(self.location.clone(), folder, name.to_owned()))
    }

    /// The names of the jobs that have a folder of checkpoints.
    pub async fn jobs(&self) -> Result<Vec<String>> {
        let folder = self.location.child(CHECKPOINTS);
        let listed = self.location.store.list_with_delimiter(Some(&folder)).await;
        let listed = listed.map_err(|error| failed(&format!("list {}", self.location.text), error))?;
        Ok(listed.common_prefixes.iter().filter_map(job_name).collect())
    }

    /// A name for the pipeline that lives here; made when it is first asked for.
    pub async fn id(&self) -> Result<String> {
        let place = self.location.child(PIPELINE_ID);
        if let Some(id) = self.location.read(&place).await? {
            return Ok(String::from_utf8_lossy(&id).trim().to_owned());
        }
        let id = format!(
            "{:016x}",
            xxh3_64(format!("{:?}", (std::process::id(), self.clock.now_ms(), Instant::now())).as_bytes())
        );
        let put = self.location.store.put(&place, id.clone().into_bytes().into()).await;
        put.map_err(|error| failed(&format!("write '{place}' in {}", self.location.text), error))?;
        Ok(id)
    }

    /// The folder as a path of this machine, if it is one.
    pub fn local_path(&self) -> Option<&FilePath> {
        self.location.local.as_deref()
    }
}

/// The name of the job whose folder this is.
fn job_name(folder: &Path) -> Option<String> {
    let name = percent_encoding::percent_decode_str(folder.filename()?);
    name.decode_utf8().ok().map(|name| name.into_owned())
}
