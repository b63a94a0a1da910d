//! The session of a front end: runs statements one by one.

use crate::memory;
use crate::pipeline_state::{PipelineState, Resume};
use crate::restart::{Failures, Strategy};
use crate::supervisor::Supervisor;
use crate::{EngineError, ResultBatch, RunningJob, Script};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidemill_connector::ConnectorRegistry;
use tidemill_plan::{FunctionRegistry, Operator, SinkPlan, SinkTarget};
use tidemill_runtime::{BadRecords, JobOptions};
use tidemill_sql::{Job, Outcome, Session};
use tidemill_state::MemoryBudget;

/// How many bytes of a query's result wait for the one who asked.
const COLLECT_BYTES_MAX: usize = 16 << 20;

/// What a bad record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBadRecord {
    /// It is set aside and the run fails, as in Flink.
    Fail,
    /// It is set aside and the run goes on.
    Keep,
}

/// What flags say; a flag goes before a SET in the script.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Tasks of each operator; absent: `parallelism.default`, else one for each core.
    pub parallelism: Option<usize>,
    /// What a bad record does; absent: `tidemill.bad-records`.
    pub bad_records: Option<OnBadRecord>,
    /// Whether late rows are set aside too; absent: `tidemill.late-records`.
    pub keep_late: Option<bool>,
    /// The folder (or URL) for checkpoints and what else a run leaves behind; absent: the run is ephemeral and
    /// bad records go to the system's folder for temporary files.
    pub state: Option<String>,
    /// How much memory the tables of state may take, whatever else the process takes; goes before `tidemill.memory`, which
    /// is for the whole process.
    pub state_memory: Option<usize>,
    /// What to do when the pipeline is another than the one whose state is to be gone on with.
    pub upgrade: Upgrade,
}

/// Whether a changed pipeline goes on with the state of the former one.
#[derive(Clone, Default)]
pub enum Upgrade {
    /// It does if all state can be kept; otherwise the run is refused.
    #[default]
    Refuse,
    /// Somebody is shown what happens to the state of each operator and says yes or no.
    Ask(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl std::fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Upgrade::Refuse => "Refuse",
            Upgrade::Ask(_) => "Ask",
        })
    }
}

/// What came of starting a statement.
pub enum Started {
    /// It is done; there may be a warning.
    Done(Option<String>),
    /// It is done and has an answer.
    Rows(ResultBatch),
    /// A job runs.
    Job(Box<RunningJob>),
}

/// A session with its tables, settings and functions.
pub struct Engine {
    session: Session,
    connectors: ConnectorRegistry,
    options: EngineOptions,
    run_id: String,
    jobs_started: usize,
    pinned: Vec<(String, String)>,
    /// The state folder, once a job needs it.
    state: Option<PipelineState>,
    /// What all jobs share, once it is limited.
    memory: Option<MemoryBudget>,
}

impl Engine {
    /// A new session.
    pub fn new(functions: FunctionRegistry, connectors: ConnectorRegistry, options: EngineOptions) -> Self {
        Engine {
            session: Session::new(Arc::new(functions), Arc::new(connectors.clone())),
            connectors,
            options,
            run_id: new_run_id(),
            jobs_started: 0,
            pinned: Vec::new(),
            state: None,
            memory: None,
        }
    }

    /// The names of all tables and views.
    pub fn table_names(&self) -> Vec<String> {
        self.session.catalog.names()
    }

    /// The names of all functions, in lower case.
    pub fn function_names(&self) -> Vec<String> {
        let functions = &self.session.functions;
        functions.scalars.keys().chain(functions.aggregates.keys()).map(|name| name.to_lowercase()).collect()
    }

    /// The names of all settings with a meaning.
    pub fn setting_names(&self) -> Vec<String> {
        self.session.settings.names().map(str::to_string).collect()
    }

    /// Sets a configuration key as `SET` would; the answer is a warning if the key is not known.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Option<String>, EngineError> {
        Ok(self.session.settings.set(key, value)?)
    }

    /// Sets a configuration key for good: a `SET` or `RESET` in a script does not change it.
    pub fn pin(&mut self, key: &str, value: &str) -> Result<Option<String>, EngineError> {
        let warning = self.set(key, value)?;
        self.pinned.push((key.to_string(), value.to_string()));
        Ok(warning)
    }

    /// Runs a statement in the session; pinned settings stay as they are.
    pub(crate) fn run(&mut self, script: &Script, index: usize) -> Result<Outcome, EngineError> {
        let outcome = self.session.run(&script.statements[index]).map_err(|d| script.refused(d))?;
        for (key, value) in &self.pinned {
            self.session.settings.set(key, value)?;
        }
        Ok(outcome)
    }

    /// Plans all statements of a script without running any job; definitions take effect in the session.
    /// The answer holds warnings.
    pub fn check(&mut self, script: &Script) -> Result<Vec<String>, EngineError> {
        let mut warnings = Vec::new();
        for index in 0..script.len() {
            match self.run(script, index)? {
                Outcome::Done(Some(warning)) => warnings.push(warning),
                Outcome::Job(job) => warnings.extend(endless_state(script, index, &job)),
                _ => {}
            }
        }
        Ok(warnings)
    }

    /// The plans of all jobs of a script as text; nothing is run.
    pub fn explain(&mut self, script: &Script) -> Result<String, EngineError> {
        let mut out = String::new();
        for index in 0..script.len() {
            if let Outcome::Job(job) = self.run(script, index)? {
                let info = script.info(index);
                let first = info.text.lines().next().unwrap_or_default().to_string();
                out.push_str(&format!("-- line {}: {first}\n{}\n", info.line, job.plan.explain()));
            }
        }
        Ok(out)
    }

    /// Runs a statement, or starts its job.
    pub fn start(&mut self, script: &Script, index: usize) -> Result<Started, EngineError> {
        match self.run(script, index)? {
            Outcome::Done(warning) => Ok(Started::Done(warning)),
            Outcome::Rows(rows) => {
                let zone = self.session.settings.zone();
                Ok(Started::Rows(ResultBatch::new(Arc::new(rows.schema.clone()), rows.chunk(), zone)))
            }
            Outcome::Job(job) => self.start_job(job).map(|job| Started::Job(Box::new(job))),
        }
    }

    fn start_job(&mut self, job: Job) -> Result<RunningJob, EngineError> {
        self.jobs_started += 1;
        let zone = self.session.settings.zone();
        let run_id = format!("{}-{}", self.run_id, self.jobs_started);
        let resume = self.resume(&job)?;
        let failures = match &resume {
            Some(_) => Some(Failures::new(Strategy::of(&self.session.settings)?)),
            None => None,
        };
        let (checkpoints, notices) = resume.map(|resume| (resume.options, resume.notices)).unzip();
        let dead_letters = self.dead_letter_path(&run_id);
        let (results, collect) = match job.collect {
            None => (None, None),
            Some(schema) => {
                let (sender, receiver) = tidemill_runtime::collect_channel(COLLECT_BYTES_MAX);
                (Some((Arc::new(schema), receiver)), Some(sender))
            }
        };
        let (memory, defaults) = (self.memory()?, JobOptions::new(self.connectors.clone()));
        let options = JobOptions {
            parallelism: self.parallelism(),
            bad_records: self.bad_records(),
            dead_letter: Some(dead_letters.clone()),
            keep_late: self.keep_late(),
            zone,
            idle_timeout: self.idle_timeout(),
            run_id,
            collect,
            checkpoints,
            queue_bytes_max: memory.as_ref().map_or(defaults.queue_bytes_max, memory::queue_bytes),
            memory,
            ..defaults
        };
        let bounded = job.bounded;
        let handle = Supervisor::start(job.plan, options, failures)?;
        let notices = notices.unwrap_or_default();
        Ok(RunningJob { handle, notices, results, zone, started: Instant::now(), bounded, dead_letters })
    }

    /// How a job takes checkpoints and what it goes on from, if there is a state folder. A batch job has no
    /// checkpoints: it starts from the beginning.
    fn resume(&mut self, job: &Job) -> Result<Option<Resume>, EngineError> {
        let Some(location) = &self.options.state else { return Ok(None) };
        if self.state.is_none() {
            self.state = Some(PipelineState::open(location)?);
        }
        if self.session.settings.is("execution.runtime-mode", "batch") {
            return Ok(None);
        }
        let state = self.state.as_mut().expect("the folder was just opened");
        Ok(Some(state.resume(&job_name(job), &job.plan, &self.session.settings, &self.options.upgrade)?))
    }

    pub(crate) fn zone(&self) -> chrono_tz::Tz {
        self.session.settings.zone()
    }

    fn parallelism(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let set = || self.session.settings.get("parallelism.default").and_then(|text| text.parse().ok());
        self.options.parallelism.or_else(set).filter(|n| *n > 0).unwrap_or_else(cores)
    }

    /// `table.exec.source.idle-timeout`, if it was set; the runtime has its own default.
    fn idle_timeout(&self) -> Option<Duration> {
        const KEY: &str = "table.exec.source.idle-timeout";
        let set = self.session.settings.all().contains_key(KEY);
        set.then(|| Duration::from_millis(self.session.settings.duration_ms(KEY) as u64))
    }

    fn bad_records(&self) -> BadRecords {
        let set = self.session.settings.is("tidemill.bad-records", "keep");
        match self.options.bad_records.unwrap_or(if set { OnBadRecord::Keep } else { OnBadRecord::Fail }) {
            OnBadRecord::Fail => BadRecords::Fail,
            OnBadRecord::Keep => BadRecords::Keep,
        }
    }

    /// What the run may take. The first job that is limited decides for all; what does not fit goes to the state
    /// folder, or to the system's folder for temporary files.
    fn memory(&mut self) -> Result<Option<MemoryBudget>, EngineError> {
        if self.memory.is_none() {
            let folder = match self.state.as_ref().and_then(PipelineState::local_path) {
                Some(folder) => folder.join("spill"),
                None => std::env::temp_dir(),
            };
            self.memory = match self.options.state_memory {
                Some(bytes) => Some(MemoryBudget::new(bytes, &folder)),
                None => memory::budget(&self.session.settings, self.parallelism(), &folder)?,
            };
        }
        Ok(self.memory.clone())
    }

    fn keep_late(&self) -> bool {
        self.options.keep_late.unwrap_or_else(|| self.session.settings.is("tidemill.late-records", "keep"))
    }

    fn dead_letter_path(&self, run_id: &str) -> PathBuf {
        match self.state.as_ref().and_then(PipelineState::local_path) {
            Some(folder) => folder.join("dead-letters.jsonl"),
            None => std::env::temp_dir().join(format!("tidemill-dead-letters-{run_id}.jsonl")),
        }
    }
}

/// Warnings for operators of endless jobs that keep state for ever.
fn endless_state(script: &Script, index: usize, job: &Job) -> Vec<String> {
    if job.bounded {
        return Vec::new();
    }
    let line = script.info(index).line;
    let patterns = job.plan.nodes.iter().filter_map(|node| match &node.operator {
        Operator::MatchRecognize(plan) if plan.unbounded() => Some(format!(
            "the MATCH_RECOGNIZE of the job on line {line} has a loop and no WITHIN: {} may keep partial matches for ever; add WITHIN INTERVAL ..",
            node.uid
        )),
        Operator::MatchRecognize(plan) if plan.history_rows() > 0 => {
            Some(format!("the job on line {line} keeps rows of every key for ever in {} (PREV)", node.uid))
        }
        _ => None,
    });
    job.plan
        .nodes
        .iter()
        .filter(|node| match &node.operator {
            // One of its sides may let go of its rows.
            Operator::Join(join) => join.state().contains("for ever"),
            other => other.state().ends_with("for ever"),
        })
        .map(|node| {
            format!(
                "the job on line {line} keeps state for ever in {} ({}); bound it with SET 'table.exec.state.ttl' = '1 d' or aggregate in windows",
                node.uid,
                node.operator.state()
            )
        })
        .chain(patterns)
        .collect()
}

/// What a job is called in the state folder: the first table it writes, so that it is found again when statements
/// change places or outputs are added.
pub(crate) fn job_name(job: &Job) -> String {
    let mut targets = job.plan.nodes.iter().filter_map(|node| match &node.operator {
        Operator::Sink(SinkPlan { target: SinkTarget::Table { table, .. }, .. }) => Some(table.clone()),
        _ => None,
    });
    targets.next().unwrap_or_else(|| "query".to_string())
}

fn new_run_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{:x}-{:x}", now & 0xffff_ffff_ffff, std::process::id())
}
