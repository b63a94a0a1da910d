//! The source of one task: paced chunks of made-up rows.
//!
//! The rows of all tasks together are numbered; task `t` of `n` makes rows `t`, `t + n`, `t + 2n`…

use super::field::{Field, Rows};
use super::plan::Plan;
use crate::pace::Pace;
use crate::random::Random;
use tidemill_connector::{Fetched, Source, TableRequest};
use tidemill_types::{Chunk, Clock, Result, SystemClock};

/// How many rows a chunk holds at most.
const CHUNK_ROWS: usize = 4_096;

/// Makes the rows of one task.
pub(super) struct Generator {
    /// The wanted columns.
    fields: Vec<Field>,
    pace: Pace,
    random: Random,
    next: u64,
    step: u64,
    rows: Option<u64>,
}

impl Generator {
    pub(super) fn open(request: &TableRequest<'_>) -> Result<Self> {
        let plan = Plan::of(request)?;
        let tasks = request.parallelism.max(1);
        let seed =
            plan.seed.unwrap_or_else(|| SystemClock.now_ms() as u64 ^ u64::from(std::process::id()) << 40);
        Ok(Generator {
            fields: request.wanted.iter().map(|&index| plan.fields[index].clone()).collect(),
            pace: Pace::new(plan.rows_per_second / tasks as f64),
            random: Random::of(seed, request.task as u64),
            next: request.task as u64,
            step: tasks as u64,
            rows: plan.rows,
        })
    }

    fn left(&self) -> u64 {
        self.rows.map_or(u64::MAX, |rows| rows.saturating_sub(self.next).div_ceil(self.step))
    }

    fn chunk(&mut self, count: usize) -> Chunk {
        let rows = Rows { first: self.next, step: self.step, count, now_ms: SystemClock.now_ms() };
        let columns = self.fields.iter().map(|field| field.values(rows, &mut self.random)).collect();
        self.next += count as u64 * self.step;
        Chunk::new(columns, count)
    }
}

#[async_trait::async_trait]
impl Source for Generator {
    async fn next(&mut self) -> Result<Fetched> {
        let most = self.left().min(CHUNK_ROWS as u64) as usize;
        if most == 0 {
            return Ok(Fetched::End);
        }
        let count = self.pace.due(most).await;
        Ok(Fetched::Rows(self.chunk(count)))
    }
}
