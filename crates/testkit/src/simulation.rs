//! Lives of one job in a simulation: it is run under a seed, killed, run again at another parallelism, until it ends.
//!
//! Invariant: everything follows from the seed: the order of steps, the moments of kills and stops, failing calls of
//! the sink and of the checkpoint store, jumps of the clock, chunk and queue sizes.

use crate::cut_file::CUT_FILE;
use crate::faulty_store::FaultyStore;
use crate::ledger::LEDGER;
use crate::random::Random;
use crate::slow_table::{SLOW_RECORDS, SLOW_TABLE};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::ConnectorRegistry;
use tidemill_plan::stream::SinkTarget;
use tidemill_plan::{Operator, StreamPlan};
use tidemill_runtime::simulate::{Chance, Fate, Simulated, SimulatedClock, simulate};
use tidemill_runtime::{
    BadRecords, CheckpointOptions, JobMetrics, JobOptions, Retry, SavedJob, with_former_tasks,
};
use tidemill_sql::{Outcome, Session, parse_script};
use tidemill_state::checkpoint::StateFolder;
use tidemill_types::{Error, Options};

/// How often a job is killed at most before it may run to its end.
const KILLS_MAX: u64 = 6;
/// Kills come within so many steps: most jobs are short.
const KILL_STEPS_MAX: [u64; 3] = [60, 300, 2_000];
/// How often a run may fail by itself before the simulation gives up.
const FAILURES_MAX: u32 = 60;

impl Chance for Random {
    fn below(&mut self, n: u64) -> u64 {
        Random::below(self, n)
    }
}

/// What befell a job.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Lives {
    /// How often it was killed.
    pub kills: u32,
    /// How often it went on from a checkpoint.
    pub resumed: u32,
    /// How often it was stopped.
    pub stops: u32,
    /// How often it failed because something outside did.
    pub failures: u32,
    /// How many checkpoints it completed.
    pub checkpoints: u64,
    /// How many of them overtook rows.
    pub unaligned: u64,
    /// How often such rows were worked off first, because it was to go on with other tasks.
    pub settled: u32,
}

impl Lives {
    /// Adds what befell another job.
    pub fn add(&mut self, other: &Lives) {
        self.kills += other.kills;
        self.resumed += other.resumed;
        self.stops += other.stops;
        self.failures += other.failures;
        self.checkpoints += other.checkpoints;
        self.unaligned += other.unaligned;
        self.settled += other.settled;
    }

    fn note(&mut self, metrics: &JobMetrics) -> Result<(), String> {
        self.checkpoints += metrics.checkpoints.completed;
        self.unaligned += metrics.checkpoints.unaligned;
        accounted_for(metrics)
    }
}

/// How a job's sink behaves.
#[derive(Debug, Clone, Copy)]
pub struct SinkMoods {
    /// Decides the failures.
    pub seed: u64,
    /// One call in so many fails; 0: none.
    pub one_in: u64,
    /// How long a write takes at most.
    pub slow_ms: u64,
}

/// The connectors of a simulation.
pub fn connectors() -> ConnectorRegistry {
    let mut connectors = tidemill_connectors::connectors();
    connectors.0.extend([CUT_FILE, LEDGER, SLOW_TABLE, SLOW_RECORDS].map(Arc::new));
    connectors
}

/// A job that can be simulated.
#[derive(Debug)]
pub struct Planned {
    /// What it computes.
    pub plan: StreamPlan,
    /// The session's time zone.
    pub zone: chrono_tz::Tz,
    /// The file in which bad and late records are set aside; absent: a bad record ends the run.
    pub dead_letters: Option<PathBuf>,
}

/// The plan of the one job of a script: its last query, written to a ledger of this name.
pub fn plan(script: &str, ledger: &str, moods: SinkMoods) -> Result<Planned, String> {
    let (statements, errors) = parse_script(script);
    if let Some(error) = errors.first() {
        return Err(error.message.clone());
    }
    let functions = Arc::new(tidemill_functions::registry());
    let mut session = Session::new(functions, Arc::new(connectors()));
    let mut query = None;
    for statement in &statements {
        if let Outcome::Job(job) = session.run(statement).map_err(|error| error.message)? {
            query = job.collect.is_some().then_some(job.plan);
        }
    }
    let mut plan = query.ok_or("the script does not end in a query")?;
    for node in &mut plan.nodes {
        if let Operator::Sink(sink) = &mut node.operator
            && matches!(sink.target, SinkTarget::Collect)
        {
            sink.target = to_ledger(ledger, moods);
        }
    }
    Ok(Planned { plan, zone: session.settings.zone(), dead_letters: None })
}

/// Has the plain files that the plan reads cut at random, so that there are checkpoints between their rows.
pub fn cut_files(plan: &mut StreamPlan, random: &mut Random) {
    for node in &mut plan.nodes {
        let Operator::Source(source) = &mut node.operator else { continue };
        let path = source.options.get("path").unwrap_or_default().to_string();
        let plain = source.connector == "filesystem"
            && source.metadata.is_empty()
            && source.partition_by.is_empty()
            && Path::new(&path).is_file()
            && [".gz", ".zst", ".bz2", ".xz", ".deflate"].iter().all(|ending| !path.ends_with(ending));
        if plain {
            source.connector = "cut-file".into();
            source.options.0.insert("seed".into(), random.below(1 << 30).to_string());
            source.options.0.insert("blob-lines-max".into(), (1 + random.below(3)).to_string());
        }
    }
}

fn to_ledger(name: &str, moods: SinkMoods) -> SinkTarget {
    let [seed, one_in, slow_ms] = [moods.seed, moods.one_in, moods.slow_ms].map(|n| n.to_string());
    SinkTarget::Table {
        table: "ledger".into(),
        connector: "ledger".into(),
        options: Options::new([
            ("connector", "ledger"),
            ("name", name),
            ("seed", seed.as_str()),
            ("one-in", one_in.as_str()),
            ("slow-ms", slow_ms.as_str()),
        ]),
        partition_by: Vec::new(),
        primary_key: Vec::new(),
        metadata: Vec::new(),
        overwrite: false,
    }
}

/// Runs a job from life to life until it has ended; `Err` says what went wrong.
pub fn live(job: &Planned, random: &mut Random) -> Result<Lives, String> {
    let store = Arc::new(FaultyStore::new(random.below(u64::MAX), *random.pick(&[0, 0, 40, 12])));
    let folder = StateFolder::of_store(store.clone(), "simulated");
    let clock = Arc::new(SimulatedClock::new(1_700_000_000_000));
    let mut lives = Lives::default();
    let mut kills_left = random.below(KILLS_MAX + 1);
    for life in 0.. {
        if life > kills_left + 1 {
            store.calm();
        }
        let options = options(&folder, &store, clock.clone(), life, random)
            .map(|options| of_job(options, job))
            .map_err(|error| error.to_string())?;
        lives.resumed += u32::from(options.checkpoints.as_ref().is_some_and(|c| c.from.is_some()));
        let former = with_former_tasks(&options);
        let settles = former.is_some();
        lives.settled += u32::from(settles);
        let options = former.unwrap_or(options);
        let fate = match settles {
            true => Fate { stop_at: Some(0), ..fate(kills_left > 0, random) },
            false => fate(kills_left > 0, random),
        };
        match simulate(&job.plan, &options, &clock, random, fate).map_err(|error| error.to_string())? {
            Simulated::Killed(metrics) => {
                lives.note(&metrics)?;
                lives.kills += 1;
                kills_left -= 1;
            }
            Simulated::Ended(Ok(summary)) => {
                lives.note(&summary.metrics)?;
                if !summary.stopped {
                    return Ok(lives);
                }
                lives.stops += u32::from(!settles);
                kills_left = kills_left.saturating_sub(1);
            }
            Simulated::Ended(Err(Error::External { message, retryable })) => {
                lives.failures += 1;
                if !retryable || lives.failures > FAILURES_MAX {
                    return Err(format!("it failed for good: {message}"));
                }
            }
            Simulated::Ended(Err(error)) => return Err(error.to_string()),
        }
    }
    unreachable!("a job ends or fails for good")
}

fn of_job(options: JobOptions, job: &Planned) -> JobOptions {
    let keep = job.dead_letters.is_some();
    let bad_records = if keep { BadRecords::Keep } else { BadRecords::Fail };
    JobOptions {
        zone: job.zone,
        dead_letter: job.dead_letters.clone(),
        keep_late: keep,
        bad_records,
        ..options
    }
}

fn fate(may_end: bool, random: &mut Random) -> Fate {
    let within = *random.pick(&KILL_STEPS_MAX);
    let moment = |random: &mut Random| 1 + random.below(within);
    let jump = (random.below(3) == 0).then(|| (moment(random), random.below(20_000) as i64 - 10_000));
    match (may_end, random.below(5)) {
        (false, _) => Fate { jump, ..Fate::default() },
        (true, 0) => Fate { stop_at: Some(moment(random)), jump, ..Fate::default() },
        (true, _) => Fate { kill_at: Some(moment(random)), jump, ..Fate::default() },
    }
}

fn options(
    folder: &StateFolder,
    store: &FaultyStore,
    clock: Arc<SimulatedClock>,
    life: u64,
    random: &mut Random,
) -> tidemill_types::Result<JobOptions> {
    let checkpoints = folder.job("job")?;
    // What is lost and what is there is decided when the process dies, not while it starts.
    let loaded = store.undisturbed(|| {
        let waiting = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let waiting = waiting.map_err(|error| Error::internal(format!("no runtime: {error}")))?;
        waiting.block_on(async {
            checkpoints.clear_leftovers().await?;
            checkpoints.load().await
        })
    })?;
    let pause = Duration::from_millis(10);
    Ok(JobOptions {
        parallelism: 1 + random.below(4) as usize,
        clock,
        run_id: format!("life-{life}"),
        retry: Retry { attempts_max: 12, pause, pause_max: pause },
        checkpoints: Some(CheckpointOptions {
            store: checkpoints,
            job: "job".into(),
            pipeline_id: "simulated".into(),
            interval: Some(Duration::from_millis(*random.pick(&[1, 3, 10, 60]))),
            pause_min: Duration::ZERO,
            timeout: Duration::from_secs(5),
            failures_max: random.below(3) as u32,
            retained: 1 + random.below(3) as usize,
            unaligned: random.pick(&[None, None, Some(0), Some(2), Some(20)]).map(Duration::from_millis),
            plan: Default::default(),
            from: loaded.map(|loaded| Arc::new(SavedJob::new(loaded))),
            state_dir: None,
        }),
        queue_bytes_max: *random.pick(&[1 << 10, 16 << 10, 4 << 20]),
        chunk_rows_max: *random.pick(&[1, 7, 64, 4_096]),
        ..JobOptions::new(connectors())
    })
}

/// Every row that an operator was given is accounted for.
fn accounted_for(metrics: &JobMetrics) -> Result<(), String> {
    match metrics.operators.iter().find(|operator| !operator.rows.balanced()) {
        Some(operator) => Err(format!("rows of {} do not balance: {:?}", operator.uid, operator.rows)),
        None => Ok(()),
    }
}
