//! Session aggregate: one row per key and session.
//!
//! 1. A row opens the span `[time, time + gap)`.
//! 2. It joins every open session of its key that the span overlaps or touches; several become one.
//! 3. A row that joins none and whose own span has fired already is late.
//! 4. A session goes out when a mark reaches its end, in the order of ends.
//!
//! Sessions are kept apart by the partition columns; those that are not in GROUP BY are just not shown.
//! Invariant: rows waiting for aggregation hold slots of open sessions; they are aggregated before sessions
//! merge or fire.

use crate::aggregates::{Aggregates, Batch};
use crate::build::JobInfo;
use crate::keys::Keys;
use crate::wall_clock::WallClock;
use crate::window::{EMIT_ROWS, Emission, Properties, time_values};
use crate::{Operator, OperatorContext, Output};
use arrow_array::ArrayRef;
use tidemill_plan::WindowSpec;
use tidemill_plan::stream::WindowAggregatePlan;
use tidemill_state::{SessionTable, SharedValue, StateTable, UNUSED_KEYS};
use tidemill_types::{Chunk, Error, Result, Schema, TimeAttribute, WATERMARK_NONE};

/// The running aggregation.
pub struct SessionAggregate {
    keys: Keys,
    /// Which of the partition columns are given.
    shown: Vec<usize>,
    aggregates: Aggregates,
    table: SessionTable,
    reached: SharedValue,
    gap: i64,
    time_column: usize,
    proctime: bool,
    clock: WallClock,
    properties: Properties,
    retract: bool,
    ids: Vec<u32>,
    /// Rows that have a session but are not aggregated yet, with their slots.
    rows: Vec<u32>,
    slots: Vec<u32>,
}

impl SessionAggregate {
    /// The operator of a plan node whose keys are among the partition columns.
    pub fn new(
        plan: &WindowAggregatePlan,
        gap: i64,
        partition: &[usize],
        input: &Schema,
        job: &JobInfo,
    ) -> Result<Self> {
        let WindowSpec { time_column, time, zone, .. } = plan.window;
        let shown = plan
            .keys
            .iter()
            .map(|key| partition.iter().position(|column| column == key))
            .collect::<Option<Vec<usize>>>()
            .ok_or_else(|| Error::internal("a session is grouped by a column it is not kept apart by"))?;
        let aggregates = Aggregates::new(&plan.aggregates, plan.retract);
        Ok(SessionAggregate {
            keys: Keys::new(partition, input),
            shown,
            table: SessionTable::new(aggregates.kinds(), aggregates.sets(), job.key_groups),
            aggregates,
            reached: SharedValue::new(WATERMARK_NONE),
            gap,
            time_column,
            proctime: time == TimeAttribute::Proctime,
            clock: WallClock::new(zone),
            properties: Properties::new(&plan.properties, &input.fields[time_column].data_type),
            retract: plan.retract,
            ids: Vec::new(),
            rows: Vec::new(),
            slots: Vec::new(),
        })
    }

    /// Aggregates the rows that wait.
    fn aggregate(&mut self, chunk: &Chunk) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let taken;
        let chunk = match rows.len() == chunk.rows {
            true => chunk,
            false => {
                taken = chunk.take(&rows.into());
                &taken
            }
        };
        let batch = Batch { columns: &chunk.columns, kinds: chunk.kinds.as_deref(), slots: &self.slots };
        self.aggregates.update(&mut self.table.values, &batch)?;
        self.slots.clear();
        Ok(())
    }

    /// The slot of the session that a row joins or opens; none if the row is late.
    fn place(&mut self, chunk: &Chunk, row: usize, time: i64, watermark: i64) -> Result<Option<u32>> {
        let key = self.ids[row];
        let start = self.clock.wall(time);
        let end = start + self.gap;
        let touching = self.table.touching(key, start, end);
        if touching.is_empty() {
            let late = self.clock.fires_at(end) <= watermark;
            return Ok((!late).then(|| self.table.open(key, start, end)));
        }
        let (first, others) = (touching.start, touching.len() - 1);
        let slot = self.table.grow(key, first, start, end);
        if others > 0 {
            self.aggregate(chunk)?;
            for _ in 0..others {
                let other = self.table.remove(key, first + 1);
                self.table.grow(key, first, other.start, other.end);
                self.aggregates.merge(&mut self.table.values, &[other.slot], &[slot])?;
                self.table.release(&[other.slot]);
            }
        }
        Ok(Some(slot))
    }

    fn on_rows(
        &mut self,
        chunk: &Chunk,
        times: &[i64],
        mut watermark: i64,
        emission: &mut Emission,
        out: &mut Output,
    ) -> Result<()> {
        self.keys.encode(chunk);
        self.table.sweep(UNUSED_KEYS);
        self.table.intern(&self.keys.encoded, &self.keys.hashes, &mut self.ids);
        let (marks, mut at, mut late) = (chunk.marks.as_slice(), 0, Vec::new());
        // No session ends before this; looked up only when a mark gets there.
        let mut quiet_until = i64::MIN;
        for (row, &time) in times.iter().enumerate() {
            while at < marks.len() && marks[at].row as usize <= row {
                watermark = watermark.max(marks[at].watermark);
                at += 1;
                if watermark >= quiet_until {
                    quiet_until = self.next_fire().unwrap_or(i64::MAX);
                }
                if watermark >= quiet_until {
                    self.aggregate(chunk)?;
                    self.fire_until(watermark, emission, out)?;
                    emission.mark(watermark);
                    quiet_until = i64::MIN;
                }
            }
            match self.place(chunk, row, time, watermark)? {
                Some(slot) => {
                    self.rows.push(row as u32);
                    self.slots.push(slot);
                    // Its session ends no earlier than its own span.
                    let span = if self.clock.is_utc() { self.gap - 1 } else { 0 };
                    quiet_until = quiet_until.min(time + span);
                }
                None => late.push(row as u32),
            }
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
        self.aggregate(chunk)
    }

    /// The watermark at which the next session goes out.
    fn next_fire(&mut self) -> Option<i64> {
        let end = self.table.next_end()?;
        Some(self.clock.fires_at(end))
    }

    fn fire_until(&mut self, watermark: i64, emission: &mut Emission, out: &mut Output) -> Result<()> {
        let (mut keys, mut slots, mut windows) = (Vec::new(), Vec::new(), Vec::new());
        while self.next_fire().is_some_and(|fires| fires <= watermark) {
            let Some((key, session)) = self.table.pop_next() else { break };
            keys.push(key);
            slots.push(session.slot);
            windows.push((session.start, session.end));
            if slots.len() == EMIT_ROWS {
                self.emit(&mut keys, &mut slots, &mut windows, emission, out)?;
            }
        }
        self.emit(&mut keys, &mut slots, &mut windows, emission, out)
    }

    fn emit(
        &mut self,
        keys: &mut Vec<u32>,
        slots: &mut Vec<u32>,
        windows: &mut Vec<(i64, i64)>,
        emission: &mut Emission,
        out: &mut Output,
    ) -> Result<()> {
        let released = slots.clone();
        if self.retract {
            let values = &self.table.values;
            let keep: Vec<bool> =
                slots.iter().map(|&slot| self.aggregates.row_count(values, slot) != 0).collect();
            let mut kept = keep.iter();
            keys.retain(|_| kept.next() == Some(&true));
            kept = keep.iter();
            windows.retain(|_| kept.next() == Some(&true));
            kept = keep.iter();
            slots.retain(|_| kept.next() == Some(&true));
        }
        if !slots.is_empty() {
            let all = self.keys.decode(keys.iter().map(|&key| self.table.key(key)));
            let mut columns: Vec<ArrayRef> = self.shown.iter().map(|&i| all[i].clone()).collect();
            columns.extend(self.aggregates.finish(&self.table.values, slots)?);
            columns.extend(self.properties.each(&self.clock, windows));
            emission.rows(columns, slots.len(), out);
        }
        self.table.release(&released);
        keys.clear();
        slots.clear();
        windows.clear();
        Ok(())
    }
}

impl Operator for SessionAggregate {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let mut emission = Emission::default();
        let mark = chunk.marks.last();
        if self.proctime {
            self.fire_until(ctx.now_ms - 1, &mut emission, out)?;
            let times = vec![ctx.now_ms; chunk.rows];
            let rows = Chunk { marks: Default::default(), ..chunk };
            self.on_rows(&rows, &times, ctx.now_ms - 1, &mut emission, out)?;
            mark.into_iter().for_each(|watermark| emission.mark(watermark));
        } else {
            let before = self.reached.get().max(ctx.watermark);
            let after = mark.map_or(before, |mark| mark.max(before));
            if chunk.rows > 0 {
                let times = time_values(&chunk, self.time_column)?;
                self.on_rows(&chunk, times, before, &mut emission, out)?;
            }
            self.fire_until(after, &mut emission, out)?;
            self.reached.raise(after);
            mark.into_iter().for_each(|_| emission.mark(after));
        }
        emission.flush(out);
        Ok(())
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        if self.proctime {
            let mut emission = Emission::default();
            self.fire_until(ctx.now_ms - 1, &mut emission, out)?;
            emission.flush(out);
        }
        Ok(())
    }

    fn next_time(&self) -> Option<i64> {
        match self.proctime {
            true => self.table.earliest_end().map(|end| self.clock.instant(end)),
            false => None,
        }
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("sessions", &mut self.table), ("watermark", &mut self.reached)]
    }
}
