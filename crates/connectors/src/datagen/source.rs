//! The source of one task: paced chunks of made-up rows.
//!
//! The rows of all tasks together are numbered; task `t` of `n` makes rows `t`, `t + n`, `t + 2n`… Its position is
//! the number of its next row, with the seed, because a table that names none has another one each run. Columns
//! that show the clock show it as it is when their row is made, in a resumed run too.

use super::field::{Field, Rows, part_seed};
use super::plan::Plan;
use crate::pace::Pace;
use tidemill_connector::{Fetched, Positions, Source, TableRequest};
use tidemill_types::{Chunk, Clock, Error, Result, SystemClock};

/// How many rows a chunk holds at most.
const CHUNK_ROWS: usize = 4_096;

/// Makes the rows of one task.
pub(super) struct Generator {
    /// The wanted columns, each with its index in the table.
    fields: Vec<(usize, Field)>,
    pace: Pace,
    /// What positions call it: the task and how many there are.
    split: String,
    seed: u64,
    /// Whether the table names the seed.
    seed_is_given: bool,
    next: u64,
    step: u64,
    rows: Option<u64>,
}

impl Generator {
    pub(super) fn open(request: &TableRequest<'_>) -> Result<Self> {
        let plan = Plan::of(request)?;
        let tasks = request.parallelism.max(1);
        let any_seed = || SystemClock.now_ms() as u64 ^ u64::from(std::process::id()) << 40;
        Ok(Generator {
            fields: request.wanted.iter().map(|&index| (index, plan.fields[index].clone())).collect(),
            pace: Pace::new(plan.rows_per_second / tasks as f64),
            split: format!("rows {}/{tasks}", request.task),
            seed: plan.seed.unwrap_or_else(any_seed),
            seed_is_given: plan.seed.is_some(),
            next: request.task as u64,
            step: tasks as u64,
            rows: plan.rows,
        })
    }

    fn left(&self) -> u64 {
        self.rows.map_or(u64::MAX, |rows| rows.saturating_sub(self.next).div_ceil(self.step))
    }

    fn chunk(&mut self, count: usize) -> Chunk {
        let rows = Rows { first: self.next, step: self.step, group: 1, count, now_ms: SystemClock.now_ms() };
        let column = |(index, field): &(usize, Field)| field.values(rows, part_seed(self.seed, *index));
        let columns = self.fields.iter().map(column).collect();
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

    fn positions(&self) -> Positions {
        Positions::from([(self.split.clone(), format!("{}:{}", self.next, self.seed))])
    }

    async fn restore(&mut self, positions: &Positions) -> Result<()> {
        let Some(position) = positions.get(&self.split) else { return Ok(()) };
        let (next, seed) = position
            .split_once(':')
            .and_then(|(next, seed)| Some((next.parse().ok()?, seed.parse().ok()?)))
            .ok_or_else(|| Error::internal(format!("'{position}' is no position of datagen")))?;
        self.next = next;
        if !self.seed_is_given {
            self.seed = seed;
        }
        Ok(())
    }
}
