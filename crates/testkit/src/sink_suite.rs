//! The suite for sinks: under runs that die at random points and are resumed, a reader sees each row exactly once (or
//! at least once, where a sink promises no more), and never a row that no complete checkpoint holds.
//!
//! The suite plays the runtime. Rows are numbered. Each run opens one to three sinks, gives them what former sinks had
//! prepared, and from the last complete checkpoint's row on does at random what may happen: packets, flushes, epochs
//! whose checkpoint fails or is complete, commits, and the end of the process between and in the middle of all that.

use crate::random::Random;
use std::ops::Range;
use tidemill_connector::{Guarantee, LAST_EPOCH, OpenSink};
use tidemill_types::{Chunk, Error, Result, WATERMARK_MAX};

/// How often the process dies at most.
const RUNS_MAX: u64 = 1_000;
/// How often a call that may be made again is.
const TRIES_MAX: u32 = 5;

/// A system with the sink under test.
#[async_trait::async_trait]
pub trait SinkBench {
    /// Opens the sinks of a run, which are so many.
    fn open(&mut self, run: u64, sinks: usize) -> Vec<OpenSink>;

    /// Rows with these numbers.
    fn rows(&self, numbers: Range<u64>) -> Chunk;

    /// The numbers of the rows that a reader sees now.
    async fn visible(&mut self) -> Vec<u64>;

    /// The process died; its sinks are gone already.
    fn died(&mut self) {}

    /// A chance to make the next calls of sinks fail for the moment.
    fn disturb(&mut self, _random: &mut Random) {}

    /// Ends what was disturbed, so that the call succeeds when it is made again.
    fn relieve(&mut self) {}
}

/// What the last complete checkpoint holds.
#[derive(Debug, Default)]
struct Checkpoint {
    /// The number of the next row.
    next: u64,
    /// What each sink had prepared.
    prepared: Vec<Vec<Vec<u8>>>,
}

/// Why a run did not reach its end.
struct Died;

struct Run<'a, B> {
    bench: &'a mut B,
    random: &'a mut Random,
    checkpoint: &'a mut Checkpoint,
    sinks: Vec<OpenSink>,
    /// What each sink has prepared and not committed.
    prepared: Vec<Vec<Vec<u8>>>,
    next: u64,
    rows: u64,
    epoch: u64,
}

/// Makes a call again while that may help.
macro_rules! call {
    ($run:ident, $call:expr) => {{
        $run.bench.disturb($run.random);
        let mut tries = 0;
        loop {
            let result: Result<_> = $call.await;
            match result {
                Ok(done) => break done,
                Err(Error::External { retryable: true, .. }) if tries < TRIES_MAX => {
                    tries += 1;
                    $run.bench.relieve();
                }
                Err(error) => panic!("the sink failed: {error}"),
            }
        }
    }};
}

impl<B: SinkBench> Run<'_, B> {
    fn may_die(&mut self, one_in: u64) -> Result<(), Died> {
        if self.random.one_in(one_in) { Err(Died) } else { Ok(()) }
    }

    async fn go(&mut self) -> Result<(), Died> {
        for at in 0..self.sinks.len() {
            let share = self.checkpoint.prepared.iter().skip(at).step_by(self.sinks.len());
            let share: Vec<Vec<u8>> = share.flatten().cloned().collect();
            call!(self, self.sinks[at].sink.recover(&share));
            self.may_die(20)?;
        }
        while self.next < self.rows {
            match self.random.below(12) {
                0..=6 => self.write().await,
                7 => {
                    let at = self.random.below(self.sinks.len() as u64) as usize;
                    call!(self, self.sinks[at].sink.flush());
                }
                8..=10 => {
                    self.epoch += 1;
                    self.end_epoch(self.epoch).await?;
                }
                _ => self.may_die(2)?,
            }
        }
        self.end().await
    }

    async fn write(&mut self) {
        let count = (1 + self.random.below(20)).min(self.rows - self.next);
        let chunk = self.bench.rows(self.next..self.next + count);
        self.next += count;
        let at = self.random.below(self.sinks.len() as u64) as usize;
        self.write_chunk(at, &chunk).await;
    }

    async fn write_chunk(&mut self, at: usize, chunk: &Chunk) {
        let mut packets = Vec::new();
        self.sinks[at].front.encode(chunk, &mut packets).expect("rows can be encoded");
        for packet in packets {
            call!(self, self.sinks[at].sink.write(packet.clone()));
        }
    }

    async fn end_epoch(&mut self, epoch: u64) -> Result<(), Died> {
        for at in 0..self.sinks.len() {
            let prepared = call!(self, self.sinks[at].sink.prepare(epoch));
            self.prepared[at].push(prepared);
            self.may_die(15)?;
        }
        let failed = epoch != LAST_EPOCH && self.random.one_in(4);
        if failed {
            return Ok(());
        }
        *self.checkpoint = Checkpoint { next: self.next, prepared: self.prepared.clone() };
        if epoch != LAST_EPOCH && self.random.one_in(4) {
            // The commit comes behind packets of the next epoch.
            self.write_if_any().await;
        }
        self.may_die(8)?;
        for at in 0..self.sinks.len() {
            for prepared in std::mem::take(&mut self.prepared[at]) {
                call!(self, self.sinks[at].sink.commit(&prepared));
                self.may_die(15)?;
            }
        }
        Ok(())
    }

    async fn write_if_any(&mut self) {
        if self.next < self.rows {
            self.write().await;
        }
    }

    async fn end(&mut self) -> Result<(), Died> {
        for at in 0..self.sinks.len() {
            self.write_chunk(at, &Chunk::watermark(WATERMARK_MAX)).await;
        }
        self.end_epoch(LAST_EPOCH).await?;
        for at in 0..self.sinks.len() {
            call!(self, self.sinks[at].sink.finish());
        }
        Ok(())
    }
}

/// Holds a sink to its promise for so many rows, under the deaths that the seed decides; gives how often it died.
pub async fn assert_keeps_promise<B: SinkBench>(bench: &mut B, seed: u64, rows: u64) -> u64 {
    let (mut random, mut checkpoint) = (Random::new(seed), Checkpoint::default());
    for number in 0..RUNS_MAX {
        let count = 1 + random.below(3) as usize;
        let sinks = bench.open(number, count);
        let promise = sinks[0].guarantee;
        let mut run = Run {
            next: checkpoint.next,
            epoch: number * 1_000,
            prepared: vec![Vec::new(); count],
            checkpoint: &mut checkpoint,
            random: &mut random,
            sinks,
            rows,
            bench,
        };
        let ended = run.go().await.is_ok();
        drop(run);
        bench.relieve();
        if !ended {
            bench.died();
        }
        let seen = bench.visible().await;
        check(
            seen,
            promise,
            if ended { rows } else { checkpoint.next },
            ended,
            &format!("seed {seed}, run {number}"),
        );
        if ended {
            return number;
        }
    }
    panic!("seed {seed}: the end does not come");
}

fn check(mut seen: Vec<u64>, promise: Guarantee, bound: u64, ended: bool, why: &str) {
    seen.sort_unstable();
    let count = seen.len();
    seen.dedup();
    if promise == Guarantee::ExactlyOnce {
        assert_eq!(seen.len(), count, "{why}: a row is visible twice");
        let early = seen.last().filter(|last| **last >= bound);
        assert!(
            early.is_none(),
            "{why}: row {early:?} is visible, but the last checkpoint ends before {bound}"
        );
    }
    if ended {
        assert!(seen.iter().copied().eq(0..bound), "{why}: {} of {bound} rows are visible", seen.len());
    }
}
