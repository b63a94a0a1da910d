//! One task: a state machine that is stepped, never blocks, and owns a chain of operators.
//!
//! A step first hands on what waits in the outbox; only when all of it has gone does it take new input. So
//! a full lane stops the task and nothing else. Only a barrier that overtakes goes on at once.

use crate::chain::Chain;
use crate::checkpoint::{
    Barrier, InFlight, LanesInFlight, Overtaking, OwnState, PartReporter, Report, Restored, TaskState, Whole,
};
use crate::decode::SourceDecoder;
use crate::lookup_stage::{Leaving, LookupStage, Stepped};
use crate::message::Tag;
use crate::options::{COALESCE_ROWS_MIN, LINGER_MS};
use crate::receiver::{Received, Receiver};
use crate::signal::TaskSignal;
use crate::source_queue::{Payload, Pulled, SourceItem, SourceQueue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tidemill_types::{Chunk, Result, WATERMARK_NONE};

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something was done; there may be more.
    Progress,
    /// There is little to do, which may wait while the worker has other work.
    Partial,
    /// Nothing to do until woken.
    Idle,
    /// A queue is full; woken when it is not.
    Blocked,
    /// Finished.
    Done,
}

/// How many steps lie between two looks at the size of the state.
const STATE_STEPS: u32 = 512;

/// Where a task gets its rows.
pub enum TaskInput {
    /// From a source's reader.
    Source(SourceInput),
    /// From other tasks; with the number of rows in all lanes.
    Lanes(Receiver, Arc<AtomicUsize>),
    /// From other tasks, and rows wait for a table's answers.
    Lookup(Box<LookupStage>),
}

impl TaskInput {
    fn watermarks(&self) -> Vec<(String, i64)> {
        match self {
            TaskInput::Source(_) | TaskInput::Lookup(_) => Vec::new(),
            TaskInput::Lanes(receiver, _) => receiver.watermarks(),
        }
    }
}

/// The part of a source task that decodes.
pub struct SourceInput {
    /// What the reader read.
    pub queue: Arc<SourceQueue>,
    /// Which of the source's tasks this is.
    pub task: usize,
    /// Decodes blobs.
    pub decoder: Option<SourceDecoder>,
    /// What is left of the item at hand.
    pub open: Option<OpenItem>,
}

/// Rows of one item, of which some have been pushed.
pub struct OpenItem {
    chunk: Chunk,
    done: usize,
    tag: Tag,
}

/// One task.
pub struct Task {
    /// Wakes it.
    pub signal: TaskSignal,
    input: TaskInput,
    chain: Chain,
    rows_max: usize,
    ended: bool,
    done: bool,
    flush_at: Option<i64>,
    steps: u32,
    checkpoints: Option<TaskCheckpoints>,
}

/// What a task needs to take part in checkpoints.
pub struct TaskCheckpoints {
    /// Where it reports.
    pub reporter: PartReporter,
    /// Its fragment, and which of its tasks it is.
    pub place: (String, usize),
    /// Whether its tables know what changed since a checkpoint.
    pub tracked: bool,
    /// Whether changes were taken for an epoch that failed.
    pub lost_changes: Arc<AtomicBool>,
    /// Which barrier overtakes what is queued, if one may.
    pub overtaking: Option<Arc<Overtaking>>,
    /// The last epoch whose end it has seen.
    pub last: u64,
    /// Since when some of its inputs stand at a barrier and others do not.
    pub waits_since: Option<Instant>,
    /// How long that was so for the last barrier.
    pub waited: Duration,
}

impl TaskCheckpoints {
    /// Notes whether the task waits until its other inputs have come to the barrier too.
    fn note_waiting(&mut self, waits: bool) {
        match (self.waits_since, waits) {
            (None, true) => self.waits_since = Some(Instant::now()),
            (Some(since), false) => {
                self.waited += since.elapsed();
                self.waits_since = None;
            }
            _ => {}
        }
    }
}

impl Task {
    /// A task that has not started.
    pub fn new(
        signal: TaskSignal,
        input: TaskInput,
        chain: Chain,
        rows_max: usize,
        checkpoints: Option<TaskCheckpoints>,
    ) -> Self {
        Task {
            signal,
            input,
            chain,
            rows_max,
            ended: false,
            done: false,
            flush_at: None,
            steps: 0,
            checkpoints,
        }
    }

    /// Goes on from a checkpoint.
    pub fn restore(&mut self, saved: &Restored) -> Result<()> {
        let Some(TaskCheckpoints { place: (fragment, task), .. }) = &self.checkpoints else { return Ok(()) };
        self.chain.restore(saved.of_task(fragment, *task))
    }

    /// The name of the operator that ran last.
    pub fn current(&self) -> &str {
        self.chain.current()
    }

    /// Whether it has finished and all it gave has been taken.
    pub fn done(&self) -> bool {
        self.done
    }

    /// Whether the one who asked for rows has gone.
    pub fn hung_up(&self) -> bool {
        self.chain.outbox.hung_up()
    }

    /// When the task wants to be stepped even if nothing wakes it.
    pub fn next_time(&self) -> Option<i64> {
        if self.ended {
            return None;
        }
        [self.chain.next_time(), self.flush_at].into_iter().flatten().min()
    }

    /// Does a bounded piece of work. Unless `eager`, small input may be left for later.
    pub fn step(&mut self, now_ms: i64, eager: bool) -> Result<Step> {
        self.chain.now_ms = now_ms;
        if let Some(barrier) = self.overtaken_by() {
            self.overtake(&barrier)?;
            return Ok(Step::Progress);
        }
        if !self.chain.outbox.flush() {
            return Ok(Step::Blocked);
        }
        if self.ended {
            self.done = true;
            return Ok(Step::Done);
        }
        if self.on_timers(now_ms)? {
            self.chain.publish();
            return Ok(Step::Progress);
        }
        let step = match &mut self.input {
            TaskInput::Source(_) => self.step_source()?,
            TaskInput::Lanes(_, rows) if !eager && rows.load(Ordering::Relaxed) < COALESCE_ROWS_MIN => {
                return Ok(Step::Partial);
            }
            TaskInput::Lanes(..) => self.step_lanes()?,
            TaskInput::Lookup(_) => self.step_lookup(now_ms)?,
        };
        if step == Step::Progress {
            self.flush_at.get_or_insert(now_ms + LINGER_MS as i64);
            self.after_progress();
        }
        Ok(step)
    }

    fn after_progress(&mut self) {
        self.chain.outbox.flush();
        self.chain.publish();
        self.steps += 1;
        if self.steps % STATE_STEPS == 1 || self.ended {
            self.chain.publish_state();
        }
    }

    fn on_timers(&mut self, now_ms: i64) -> Result<bool> {
        let due = |time: Option<i64>| time.is_some_and(|time| time <= now_ms);
        if due(self.chain.next_time()) {
            self.chain.on_time()?;
            return Ok(true);
        }
        if due(self.flush_at) {
            self.flush_at = None;
            self.chain.flush()?;
            return Ok(!self.chain.outbox.flush());
        }
        Ok(false)
    }

    fn step_lanes(&mut self) -> Result<Step> {
        let TaskInput::Lanes(receiver, _) = &mut self.input else { return Ok(Step::Idle) };
        match receiver.next(self.rows_max) {
            Received::Chunk { port, chunk, watermark } => {
                self.chain.set_root_watermark(watermark);
                self.chain.push(port, chunk)?;
            }
            Received::Idle => self.chain.idle(),
            Received::Barrier(barrier) => {
                let watermarks = receiver.watermarks();
                self.on_barrier(&barrier, watermarks, None)?
            }
            Received::Nothing => {
                let waits = receiver.waits_for_others();
                self.checkpoints.iter_mut().for_each(|checkpoints| checkpoints.note_waiting(waits));
                return Ok(Step::Idle);
            }
            Received::End { drained } => {
                self.chain.settle()?;
                let watermarks = self.input.watermarks();
                self.end(drained, watermarks)?;
            }
        }
        Ok(Step::Progress)
    }

    fn step_lookup(&mut self, now_ms: i64) -> Result<Step> {
        let TaskInput::Lookup(stage) = &mut self.input else { return Ok(Step::Idle) };
        match stage.step(self.rows_max, now_ms, self.chain.root_counters())? {
            Stepped::Nothing => return Ok(Step::Idle),
            Stepped::Worked => {}
            Stepped::Leaves(Leaving::Chunks(chunks, watermark, tag)) => {
                self.chain.tag = tag;
                if watermark != WATERMARK_NONE {
                    self.chain.set_root_watermark(watermark);
                }
                chunks.into_iter().try_for_each(|chunk| self.chain.push(0, chunk))?;
            }
            Stepped::Leaves(Leaving::Seal(tag)) => {
                self.chain.tag = Some(tag);
                self.chain.seal(tag);
            }
            Stepped::Leaves(Leaving::Idle) => self.chain.idle(),
            Stepped::Leaves(Leaving::Barrier(barrier, watermarks, tag)) => {
                self.chain.tag = tag;
                self.on_barrier(&barrier, watermarks, None)?;
            }
            Stepped::Leaves(Leaving::End { drained, watermarks, tag }) => {
                self.chain.tag = tag;
                self.chain.settle()?;
                tag.into_iter().for_each(|tag| self.chain.seal(tag));
                self.end(drained, watermarks)?;
            }
        }
        Ok(Step::Progress)
    }

    /// All inputs stand at the end of the epoch, or the barrier has overtaken what stood before it.
    fn on_barrier(
        &mut self,
        barrier: &Arc<Barrier>,
        watermarks: Vec<(String, i64)>,
        overtaken: Option<Vec<LanesInFlight>>,
    ) -> Result<()> {
        let mut state = self.chain.barrier(barrier)?;
        state.watermarks.extend(watermarks);
        self.add_own(&mut state, overtaken)?;
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        checkpoints.note_waiting(false);
        state.alignment = std::mem::take(&mut checkpoints.waited);
        checkpoints.tracked = true;
        checkpoints.last = barrier.epoch;
        let reporter = &checkpoints.reporter;
        reporter.report(Report::Task { task: reporter.number, epoch: barrier.epoch, state });
        Ok(())
    }

    /// Adds what is only this task's where barriers may overtake.
    fn add_own(&mut self, state: &mut TaskState, overtaken: Option<Vec<LanesInFlight>>) -> Result<()> {
        let overtakable = self.checkpoints.as_ref().filter(|checkpoints| checkpoints.overtaking.is_some());
        if let (Some(checkpoints), TaskInput::Lanes(receiver, _)) = (overtakable, &mut self.input) {
            let mut own = InFlight::of(state, overtaken.unwrap_or_else(|| receiver.overtake(None)));
            own.watermarks.extend(receiver.watermarks_of_lanes());
            let (fragment, task) = checkpoints.place.clone();
            state.own = Some(OwnState { fragment, task, rows: own.encode()?, overtaken: !own.is_empty() });
        }
        Ok(())
    }

    /// The barrier that does not wait any longer, once it has come in everywhere.
    fn overtaken_by(&self) -> Option<Arc<Barrier>> {
        let checkpoints = self.checkpoints.as_ref()?;
        let barrier = checkpoints.overtaking.as_ref()?.after(checkpoints.last)?;
        let here = self.ended
            || match &self.input {
                TaskInput::Source(source) => source.queue.has_barrier(source.task),
                TaskInput::Lanes(receiver, _) => receiver.holds(barrier.epoch),
                TaskInput::Lookup(_) => false,
            };
        here.then_some(barrier)
    }

    /// The barrier overtakes what is queued; what the task has made goes on before it.
    fn overtake(&mut self, barrier: &Arc<Barrier>) -> Result<()> {
        match &mut self.input {
            _ if self.ended => self.checkpoints.iter_mut().for_each(|own| own.last = barrier.epoch),
            TaskInput::Source(source) => {
                while source.open.is_some() {
                    source.push_some(&mut self.chain, self.rows_max)?;
                }
                self.step_source()?;
            }
            TaskInput::Lanes(receiver, _) => {
                let overtaken = receiver.overtake(Some(barrier.epoch));
                let watermarks = receiver.watermarks();
                self.on_barrier(barrier, watermarks, Some(overtaken))?;
            }
            TaskInput::Lookup(_) => {}
        }
        self.chain.outbox.flush_whole();
        self.chain.publish();
        Ok(())
    }

    /// Nothing more will come.
    fn end(&mut self, drained: bool, watermarks: Vec<(String, i64)>) -> Result<()> {
        self.chain.end(drained);
        self.ended = true;
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        let whole = match checkpoints.tracked && !checkpoints.lost_changes.load(Ordering::Acquire) {
            true => Whole::None,
            false => Whole::All,
        };
        let reporter = checkpoints.reporter.clone();
        self.chain.settle_dead_letters()?;
        let mut state = self.chain.state(&Barrier { epoch: u64::MAX, whole });
        state.watermarks.extend(watermarks);
        self.add_own(&mut state, None)?;
        reporter.report(Report::TaskEnded { task: reporter.number, state });
        Ok(())
    }

    fn step_source(&mut self) -> Result<Step> {
        let TaskInput::Source(source) = &mut self.input else { return Ok(Step::Idle) };
        if source.open.is_none() {
            match source.queue.pull(source.task) {
                Pulled::Empty => return Ok(Step::Idle),
                Pulled::Item(item) => source.open(item, &mut self.chain)?,
                Pulled::Barrier { barrier, sequence } => {
                    self.chain.tag = Some(closing(sequence));
                    self.on_barrier(&barrier, Vec::new(), None)?;
                    return Ok(Step::Progress);
                }
                Pulled::End { drained, total } => {
                    let sequence = total + source.task as u64;
                    self.end_source(drained, sequence)?;
                    return Ok(Step::Progress);
                }
            }
        }
        source.push_some(&mut self.chain, self.rows_max)?;
        Ok(Step::Progress)
    }

    /// The last piece of each task comes behind all blobs, in the order of the tasks.
    fn end_source(&mut self, drained: bool, sequence: u64) -> Result<()> {
        let tag = closing(sequence);
        self.chain.tag = Some(tag);
        if drained {
            self.chain.push(0, Chunk::watermark(tidemill_types::WATERMARK_MAX))?;
        }
        self.chain.settle()?;
        self.chain.seal(tag);
        self.end(drained, Vec::new())
    }
}

/// The tag of what a task of a source gives last, of an epoch or of all.
fn closing(sequence: u64) -> Tag {
    Tag { sequence, split: 0, idle: false, last: false, closing: true }
}

impl SourceInput {
    fn open(&mut self, item: SourceItem, chain: &mut Chain) -> Result<()> {
        let mut tag =
            Tag { sequence: item.sequence, split: item.split, idle: false, last: false, closing: false };
        let now_ms = chain.now_ms;
        let chunk = match item.payload {
            Payload::Blob(fetched) => {
                let decoder = self.decoder.as_mut().expect("a source has a decoder");
                decoder.decode(&fetched, now_ms, chain.root_counters())?
            }
            Payload::Rows(chunk) => {
                let (counters, rows) = (chain.root_counters(), chunk.rows as u64);
                counters.input += rows;
                counters.forwarded += rows;
                counters.emitted += rows;
                chunk
            }
            Payload::Split => {
                chain.split_found(item.split);
                Chunk::default()
            }
            Payload::Idle => {
                chain.tag = Some(tag);
                tag.idle = chain.split_idle(item.split)?;
                Chunk::default()
            }
        };
        chain.tag = Some(tag);
        self.open = Some(OpenItem { chunk, done: 0, tag });
        Ok(())
    }

    /// Pushes the next rows of the open item; ends it after the last.
    fn push_some(&mut self, chain: &mut Chain, rows_max: usize) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let rows = (open.chunk.rows - open.done).min(rows_max);
        let part = match rows {
            all if all == open.chunk.rows => std::mem::take(&mut open.chunk),
            rows => open.chunk.slice(open.done, rows),
        };
        open.done += rows;
        let (finished, tag) = (open.chunk.rows <= open.done, open.tag);
        if rows > 0 || !part.marks.is_empty() {
            chain.push(0, part)?;
        }
        if finished {
            self.open = None;
            chain.seal(tag);
        }
        Ok(())
    }
}
