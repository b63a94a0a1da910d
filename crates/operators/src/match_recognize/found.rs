//! Matches on their way out: the columns of the partition, then the measures.
//!
//! Keys go through the search side by side, so matches are noted with the moment at which they were found and put in
//! that order at the end of a chunk. The rows they read stay where they are until then.

use super::conditions::{dense, evaluate, time_column};
use super::navigation::{Source, resolve};
use super::rows::{NO_ROW, RowStore};
use crate::Output;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray};
use std::sync::Arc;
use tidemill_plan::pattern::{MatchAggregate, MatchRecognizePlan, Read, ReadKind};
use tidemill_plan::{Expr, UpdateBatch};
use tidemill_state::{MatchTable, PartialMatch, Partition};
use tidemill_types::key::decode;
use tidemill_types::{Cells, Chunk, DataType, Mark, Marks, Result, Schema};

/// When a match was found: in front of a mark, by a row or, behind all rows that the mark lets through, by the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub mark: u32,
    pub after: bool,
    pub row: u32,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    key: u32,
    time: i64,
    moment: Moment,
    timed_out: bool,
}

/// The matches found in a chunk.
pub(super) struct Found {
    key_types: Vec<DataType>,
    reads: Vec<Read>,
    aggregates: Vec<MatchAggregate>,
    /// Over the reads and then the aggregates.
    measures: Vec<Expr>,
    records: Vec<Record>,
    /// The kept rows of the reads, match by match.
    slots: Vec<u32>,
    /// For each aggregate the kept rows and the match they belong to.
    members: Vec<(Vec<u32>, Vec<u32>)>,
}

impl Found {
    pub(super) fn new(plan: &MatchRecognizePlan, input: &Schema) -> Self {
        let mut used: Vec<usize> = plan.measures.iter().flat_map(Expr::columns).collect();
        used.sort_unstable();
        used.dedup();
        let reads: Vec<Read> = used.iter().filter_map(|&at| plan.reads.get(at).cloned()).collect();
        let aggregates: Vec<MatchAggregate> = (used.iter().filter_map(|at| at.checked_sub(plan.reads.len())))
            .map(|at| plan.aggregates[at].clone())
            .collect();
        Found {
            key_types: plan.keys.iter().map(|&key| input.fields[key].data_type.clone()).collect(),
            measures: plan.measures.iter().map(|measure| dense(measure, &used)).collect(),
            members: vec![(Vec::new(), Vec::new()); aggregates.len()],
            reads,
            aggregates,
            records: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// The input columns that measures read.
    pub(super) fn kept_columns(&self) -> impl Iterator<Item = usize> {
        let reads = self.reads.iter().filter_map(|read| match read.kind {
            ReadKind::Row(own) => Some(own.column),
            _ => None,
        });
        reads.chain(self.aggregates.iter().flat_map(|aggregate| aggregate.call.args.iter().copied()))
    }

    /// Notes a match.
    pub(super) fn add(
        &mut self,
        key: u32,
        found: &PartialMatch,
        partition: &Partition,
        time: i64,
        moment: Moment,
        timed_out: bool,
    ) {
        for read in &self.reads {
            self.slots.push(match read.kind {
                ReadKind::Row(own) => match resolve(&own, found, partition, None) {
                    Source::Kept(slot) => slot,
                    Source::Tried => unreachable!("no row is tried on a match that is given"),
                },
                _ => NO_ROW,
            });
        }
        let number = self.records.len() as u32;
        for (aggregate, (slots, matches)) in self.aggregates.iter().zip(&mut self.members) {
            let mut row = found.start;
            for run in &found.runs {
                let end = row + u64::from(run.rows);
                if aggregate.variable.is_none_or(|own| own == usize::from(run.variable)) {
                    slots.extend((row..end).map(|row| partition.row(row).unwrap_or(NO_ROW)));
                    matches.resize(slots.len(), number);
                }
                row = end;
            }
        }
        self.records.push(Record { key, time, moment, timed_out });
    }

    /// Whether no match waits to come out.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Gives the matches out, each in front of the mark that its moment names, and all marks.
    pub(super) fn flush(
        &mut self,
        marks: &[Mark],
        table: &MatchTable,
        store: &RowStore,
        now_ms: i64,
        out: &mut Output,
    ) -> Result<()> {
        let mut order: Vec<u32> = (0..self.records.len() as u32).collect();
        order.sort_by_key(|&at| self.records[at as usize].moment);
        let mut chunk = match order.is_empty() {
            true => Chunk::default(),
            false => Chunk::new(self.columns(&order, table, store, now_ms)?, order.len()),
        };
        let mut placed = Marks::none();
        for (at, mark) in marks.iter().enumerate() {
            let before =
                order.partition_point(|&record| self.records[record as usize].moment.mark as usize <= at);
            placed.push(before as u32, mark.watermark);
        }
        chunk.marks = placed;
        self.records.clear();
        self.slots.clear();
        for (slots, matches) in &mut self.members {
            slots.clear();
            matches.clear();
        }
        out.emit(chunk);
        Ok(())
    }

    fn columns(
        &self,
        order: &[u32],
        table: &MatchTable,
        store: &RowStore,
        now_ms: i64,
    ) -> Result<Vec<ArrayRef>> {
        let record = |at: &u32| &self.records[*at as usize];
        let mut columns = decode(&self.key_types, order.iter().map(|at| table.key(record(at).key)));
        let mut values: Vec<ArrayRef> = Vec::with_capacity(self.reads.len() + self.aggregates.len());
        for (place, read) in self.reads.iter().enumerate() {
            values.push(match read.kind {
                ReadKind::Row(own) => {
                    let slot = |at: &u32| self.slots[*at as usize * self.reads.len() + place];
                    store.column(own.column, &order.iter().map(slot).collect::<Vec<_>>(), &table.rows)
                }
                ReadKind::Time => time_column(read, order.iter().map(|at| record(at).time)),
                ReadKind::TimedOut => {
                    Arc::new(BooleanArray::from_iter(order.iter().map(|at| Some(record(at).timed_out))))
                }
            });
        }
        for (aggregate, (slots, matches)) in self.aggregates.iter().zip(&self.members) {
            values.push(self.aggregate(aggregate, slots, matches, order, (table, store))?);
        }
        for measure in &self.measures {
            columns.push(evaluate(measure, values.clone(), order.len(), now_ms)?);
        }
        Ok(columns)
    }

    fn aggregate(
        &self,
        aggregate: &MatchAggregate,
        slots: &[u32],
        matches: &[u32],
        order: &[u32],
        (table, store): (&MatchTable, &RowStore),
    ) -> Result<ArrayRef> {
        let call = &aggregate.call;
        let mut cells: Vec<Cells> = call.accumulator.cells().into_iter().map(Cells::new).collect();
        cells.iter_mut().for_each(|column| column.resize(self.records.len()));
        let args: Vec<ArrayRef> =
            call.args.iter().map(|&arg| store.column(arg, slots, &table.rows)).collect();
        let batch = UpdateBatch { slots: matches, args: &args, kinds: None, filter: None };
        call.accumulator.update(&mut cells, &batch)?;
        call.accumulator.finish(&cells, order)
    }

    /// A key as it is shown in messages.
    pub(super) fn key_text(&self, key: &[u8]) -> String {
        let values: Vec<String> = decode(&self.key_types, [key]).iter().map(value_text).collect();
        format!("({})", values.join(", "))
    }
}

fn value_text(value: &ArrayRef) -> String {
    if value.is_null(0) {
        return "NULL".into();
    }
    if let Some(text) = value.as_string_view_opt() {
        return format!("'{}'", text.value(0));
    }
    if let Some(number) = value.as_primitive_opt::<Int64Type>() {
        return number.value(0).to_string();
    }
    match value.as_primitive_opt::<Int32Type>() {
        Some(number) => number.value(0).to_string(),
        None => format!("{value:?}"),
    }
}
