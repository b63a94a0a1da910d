//! The state folder of a session: its lock, the identity of the pipeline, and what each job goes on from.
//!
//! Invariant: the lock is held as long as the session lives, so no two runs ever share a folder.

use crate::Upgrade;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidemill_plan::StreamPlan;
use tidemill_runtime::upgrade::{Fate, OperatorFate, compare, give_up};
use tidemill_runtime::{CheckpointOptions, SavedJob};
use tidemill_sql::catalog::Settings;
use tidemill_state::checkpoint::{Loaded, StateFolder, StateLock};
use tidemill_types::options::parse_duration;
use tidemill_types::{Error, Result};

/// How often checkpoints are taken unless told otherwise.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(10);
/// Flink's default of `execution.checkpointing.timeout`.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);
/// How many checkpoints are kept unless told otherwise: one more than Flink, so that there is always one to fall
/// back to.
const RETAINED_DEFAULT: usize = 2;

/// A state folder in use.
pub(crate) struct PipelineState {
    folder: StateFolder,
    /// None only while it is given up.
    lock: Option<StateLock>,
    id: String,
    /// How many jobs of each name were started.
    names: BTreeMap<String, usize>,
    /// Waits for the store; it also keeps the lease of a remote lock alive.
    waiting: tokio::runtime::Runtime,
}

impl Drop for PipelineState {
    /// A lease that is not given up makes the next run wait until it ends.
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            // A store that can't be reached frees it when it ends.
            let _ = self.waiting.block_on(lock.release());
        }
    }
}

/// What a job was found to go on from.
pub(crate) struct Resume {
    /// How it takes checkpoints.
    pub options: CheckpointOptions,
    /// What to tell the user.
    pub notices: Vec<String>,
}

impl PipelineState {
    /// Takes a folder (or a URL of one) into use.
    pub(crate) fn open(location: &str) -> Result<Self> {
        let waiting = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("tidemill-state")
            .enable_all()
            .build()
            .map_err(|error| Error::external_fatal(format!("can't start threads: {error}")))?;
        let folder = StateFolder::open(location)?;
        let (lock, id) =
            waiting.block_on(async { Ok::<_, Error>((folder.lock().await?, folder.id().await?)) })?;
        Ok(PipelineState { folder, lock: Some(lock), id, names: BTreeMap::new(), waiting })
    }

    /// The folder on this machine, if it is one.
    pub(crate) fn local_path(&self) -> Option<PathBuf> {
        self.folder.local_path().map(PathBuf::from)
    }

    /// What the next job of this name goes on from.
    pub(crate) fn resume(
        &mut self,
        name: &str,
        plan: &StreamPlan,
        settings: &Settings,
        upgrade: &Upgrade,
    ) -> Result<Resume> {
        let count = self.names.entry(name.to_string()).or_default();
        *count += 1;
        let job = if *count == 1 { name.to_string() } else { format!("{name}-{count}") };
        let store = self.folder.job(&job)?;
        let mut loaded = self.waiting.block_on(async {
            store.clear_leftovers().await?;
            store.load().await
        })?;
        if let Some(loaded) = &mut loaded {
            adapt(&job, plan, loaded, upgrade)?;
        }
        let notices = loaded.as_ref().map(|loaded| notices(&job, loaded)).unwrap_or_default();
        let options = CheckpointOptions {
            store,
            job,
            pipeline_id: self.id.clone(),
            interval: interval(settings)?,
            pause_min: duration(settings, "execution.checkpointing.min-pause")?.unwrap_or_default(),
            timeout: duration(settings, "execution.checkpointing.timeout")?.unwrap_or(TIMEOUT_DEFAULT),
            failures_max: number(settings, "execution.checkpointing.tolerable-failed-checkpoints")?
                .unwrap_or(0),
            retained: retained(settings)?,
            unaligned: unaligned(settings)?,
            plan: serde_json::Value::Null,
            from: loaded.map(|loaded| Arc::new(SavedJob::new(loaded))),
            state_dir: self.local_path(),
        };
        Ok(Resume { options, notices })
    }
}

/// Fits a checkpoint to the plan that is to go on with it, if that is wanted.
fn adapt(job: &str, plan: &StreamPlan, loaded: &mut Loaded, upgrade: &Upgrade) -> Result<()> {
    let fates = compare(plan, &loaded.manifest)?;
    if fates.iter().all(|fate| matches!(fate.fate, Fate::Keep | Fate::NewSink)) {
        return Ok(());
    }
    let text = comparison(&fates);
    match upgrade {
        Upgrade::Ask(ask)
            if ask(&format!("'{job}' has changed since checkpoint {}:\n{text}", loaded.manifest.epoch)) =>
        {
            give_up(loaded, &fates);
            Ok(())
        }
        Upgrade::Ask(_) => {
            Err(Error::user(format!("the upgrade of '{job}' was not wanted; nothing was changed")))
        }
        Upgrade::Refuse => Err(Error::user_hint(
            format!(
                "'{job}' has changed since checkpoint {}, and not all of its state fits:\n{text}",
                loaded.manifest.epoch
            ),
            "run it with --upgrade to go on with what is kept, or with another --state to start anew",
        )),
    }
}

/// One line for each operator.
fn comparison(fates: &[OperatorFate]) -> String {
    let line = |fate: &OperatorFate| {
        let rows = if fate.rows > 0 { format!("  {} rows", fate.rows) } else { String::new() };
        let what = match fate.fate {
            Fate::Keep => "goes on with its state",
            Fate::Rebuild => "keeps other values now and starts empty",
            Fate::New => "is new and starts empty",
            Fate::NewSink => "is a new output",
            Fate::Drop => "is gone, and its state with it",
        };
        format!("  {:<8}{}: {what}{rows}", fate.fate.name(), fate.operator)
    };
    fates.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn notices(job: &str, loaded: &Loaded) -> Vec<String> {
    let epoch = loaded.manifest.epoch;
    let skipped = loaded.skipped.iter().map(|(epoch, reason)| {
        format!("checkpoint {epoch} of '{job}' can't be used and is passed over: {reason}")
    });
    let how = match loaded.manifest.finished {
        true => format!(
            "'{job}' had already finished (checkpoint {epoch}); only what its sinks had not committed is committed"
        ),
        false => format!("'{job}' goes on from checkpoint {epoch}"),
    };
    skipped.chain([how]).collect()
}

/// `execution.checkpointing.interval`; 0 switches checkpoints between start and end off.
fn interval(settings: &Settings) -> Result<Option<Duration>> {
    let interval = duration(settings, "execution.checkpointing.interval")?.unwrap_or(INTERVAL_DEFAULT);
    Ok(Some(interval).filter(|interval| !interval.is_zero()))
}

fn retained(settings: &Settings) -> Result<usize> {
    const KEY: &str = "execution.checkpointing.num-retained";
    const KEY_OLD: &str = "state.checkpoints.num-retained";
    let set = number(settings, KEY)?.or(number(settings, KEY_OLD)?);
    Ok(set.map_or(RETAINED_DEFAULT, |n| n.max(1) as usize))
}

/// After which time barriers overtake, if `execution.checkpointing.unaligned.enabled` lets them.
fn unaligned(settings: &Settings) -> Result<Option<Duration>> {
    const KEY: &str = "execution.checkpointing.unaligned.enabled";
    const KEY_OLD: &str = "execution.checkpointing.unaligned";
    let (key, set) = match settings.get(KEY) {
        Some(set) => (KEY, set),
        None => (KEY_OLD, settings.get(KEY_OLD).unwrap_or("false")),
    };
    match set.trim().to_ascii_lowercase().as_str() {
        "false" => Ok(None),
        "true" => {
            let timeout = duration(settings, "execution.checkpointing.aligned-checkpoint-timeout")?;
            Ok(Some(timeout.unwrap_or_default()))
        }
        other => Err(Error::user(format!("setting '{key}' is '{other}', but must be true or false"))),
    }
}

pub(crate) fn duration(settings: &Settings, key: &str) -> Result<Option<Duration>> {
    let wrong =
        |text: &str| Error::user(format!("setting '{key}' is '{text}', but must be a duration like '10 s'"));
    settings.get(key).map(|text| parse_duration(text).ok_or_else(|| wrong(text))).transpose()
}

pub(crate) fn number(settings: &Settings, key: &str) -> Result<Option<u32>> {
    let wrong = |text: &str| Error::user(format!("setting '{key}' is '{text}', but must be a whole number"));
    settings.get(key).map(|text| text.trim().parse().map_err(|_| wrong(text))).transpose()
}
