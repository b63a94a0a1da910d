//! How a job takes checkpoints.

use super::SavedJob;
use crate::dead_letter::JobStand;
use crate::options::JobOptions;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidemill_state::checkpoint::CheckpointStore;
use tidemill_types::{Error, Result};

/// How a job takes checkpoints and what it goes on from.
#[derive(Clone)]
pub struct CheckpointOptions {
    /// Where they are kept.
    pub store: CheckpointStore,
    /// The name of the job in its pipeline.
    pub job: String,
    /// A name that no other pipeline has and that stays when a run is resumed.
    pub pipeline_id: String,
    /// `execution.checkpointing.interval`. `None`: only at the end and when stopped.
    pub interval: Option<Duration>,
    /// `execution.checkpointing.min-pause`: from the end of one to the start of the next.
    pub pause_min: Duration,
    /// `execution.checkpointing.timeout`.
    pub timeout: Duration,
    /// `execution.checkpointing.tolerable-failed-checkpoints`.
    pub failures_max: u32,
    /// `execution.checkpointing.num-retained`.
    pub retained: usize,
    /// `execution.checkpointing.aligned-checkpoint-timeout` where `execution.checkpointing.unaligned.enabled` is set:
    /// after which time a barrier overtakes what is queued. `None`: never.
    pub unaligned: Option<Duration>,
    /// What an upgrade compares.
    pub plan: serde_json::Value,
    /// The checkpoint to go on from.
    pub from: Option<Arc<SavedJob>>,
    /// The folder on this machine for what else must survive; absent if the state lies elsewhere.
    pub state_dir: Option<PathBuf>,
}

impl CheckpointOptions {
    /// Where the job stands when it starts.
    pub(crate) fn stand(&self) -> JobStand {
        let from = self.from.as_ref().map_or(0, |from| from.epoch);
        JobStand { job: self.job.clone(), from }
    }
}

/// A job that was started has its rows in its tables: gives back the memory of those that were loaded.
pub fn forget_loaded(options: &mut JobOptions) {
    if let Some(checkpoints) = &mut options.checkpoints {
        checkpoints.from = None;
    }
}

/// Makes a job go on from its newest checkpoint when it is started again.
pub fn reload(options: &mut JobOptions) -> Result<()> {
    let Some(checkpoints) = &mut options.checkpoints else { return Ok(()) };
    let waiting = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::external_fatal(format!("can't start threads: {error}")))?;
    let loaded = waiting.block_on(checkpoints.store.load())?;
    checkpoints.from = loaded.map(|loaded| Arc::new(SavedJob::new(loaded)));
    Ok(())
}

/// How a job runs that first has to work off rows that a barrier had overtaken, because it shall go on with other tasks
/// than there were: with as many as there were. It is to be stopped at once; its last checkpoint holds no such rows.
pub fn with_former_tasks(options: &JobOptions) -> Option<JobOptions> {
    let tasks = options.checkpoints.as_ref()?.from.as_ref()?.tasks_in_flight?;
    // Nothing that it leaves unfinished may get a name that the run behind it gives.
    let run_id = format!("{}-before", options.run_id);
    (tasks != options.parallelism.max(1)).then(|| JobOptions {
        parallelism: tasks,
        run_id,
        ..options.clone()
    })
}
