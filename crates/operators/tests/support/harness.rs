//! Operator scripts: rows, watermarks, processing time and restarts, with the changes they must give.
//!
//! A script is lines of
//! - `+I a 5 1000` (or `-U`, `+U`, `-D`): a row; values as the columns want them, `null` is NULL;
//! - `W 1000`, `W max`: the watermark after the rows before;
//! - `T 1000`: processing time;
//! - `late 2`: so many rows were late since the last such line;
//! - `=> +I a 1`: a change expected since the last row, watermark or time after an expectation;
//! - `restart`: a checkpoint of what changed, a new operator, restored from all checkpoints so far.
//!
//! Each script runs with all rows of a section in one chunk, where the changes must be these; and with small
//! chunks, with and without a restart after each chunk, with memory for everything and for next to nothing, where
//! their net effect must be the same.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tidemill_operators::{JobInfo, Operator, OperatorContext, Output, build, deliver, set_budget, tend};
use tidemill_plan::{
    Accumulator, AggregateCall, ChangelogMode, Exchange, Input, Node, Operator as Plan, UpdateBatch,
};
use tidemill_state::{MemoryBudget, SnapshotRows, StateTable};
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::{Int64Type, TimestampMillisecondType};
use tidemill_types::arrow::{Array, Int64Array, StringViewArray, TimestampMillisecondArray};
use tidemill_types::{
    ArrayRef, CellKind, Cells, Chunk, DataType, Field, Marks, Result, RowKind, Schema, TypeKind,
    WATERMARK_MAX, WATERMARK_NONE,
};

pub const GROUPS: u32 = 8;

pub fn job() -> JobInfo {
    JobInfo { zone: chrono_tz::UTC, key_groups: GROUPS, parallelism: 1, task: 0, keep_late: true }
}

/// `k STRING, v BIGINT, ts TIMESTAMP(3)`.
pub fn input() -> Schema {
    Schema::new(vec![
        Field::new("k", DataType::string()),
        Field::new("v", TypeKind::BigInt.nullable()),
        Field::new("ts", TypeKind::Timestamp(3).nullable()),
    ])
}

pub fn node(operator: Plan) -> Node {
    Node {
        id: 1,
        uid: "under-test".into(),
        operator,
        inputs: vec![Input { node: 0, exchange: Exchange::Forward }],
        schema: Schema::default(),
        changelog: ChangelogMode::RETRACT,
        upsert_key: None,
    }
}

/// COUNT, SUM and MAX over BIGINT, small enough to be seen through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tiny {
    Count,
    Sum,
    Max,
}

fn counts(cells: &mut Cells) -> &mut Vec<i64> {
    match cells {
        Cells::I64(values) => values,
        _ => panic!("tiny aggregates keep integers"),
    }
}

impl Tiny {
    fn add(self, cells: &mut [Cells], slot: u32, value: i64, count: i64) {
        let slot = slot as usize;
        let present = counts(&mut cells[1])[slot];
        counts(&mut cells[1])[slot] += count;
        let held = &mut counts(&mut cells[0])[slot];
        match self {
            Tiny::Count => *held += count,
            Tiny::Sum => *held += value,
            Tiny::Max if count > 0 => *held = if present > 0 { value.max(*held) } else { value },
            Tiny::Max => {}
        }
    }
}

impl Accumulator for Tiny {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::I64, CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        for (row, &slot) in batch.slots.iter().enumerate() {
            let skipped = batch.filter.is_some_and(|filter| !filter.value(row))
                || batch.args.first().is_some_and(|arg| arg.is_null(row));
            if skipped {
                continue;
            }
            let sign = batch.kinds.map_or(1, |kinds| kinds[row].sign());
            let value = batch.args.first().map_or(0, |arg| arg.as_primitive::<Int64Type>().value(row));
            self.add(cells, slot, sign * value, sign);
        }
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let (values, rows) = (partial[0].as_primitive::<Int64Type>(), partial[1].as_primitive::<Int64Type>());
        for (at, &slot) in slots.iter().enumerate() {
            if rows.value(at) != 0 {
                self.add(cells, slot, values.value(at), rows.value(at));
            }
        }
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let (values, rows) = (cells[0].to_array(slots), cells[1].to_array(slots));
        let (values, rows) = (values.as_primitive::<Int64Type>(), rows.as_primitive::<Int64Type>());
        let result = values.iter().zip(rows.iter());
        Ok(Arc::new(Int64Array::from_iter(
            result.map(|(value, rows)| value.filter(|_| *self == Tiny::Count || rows != Some(0))),
        )))
    }

    fn retracts(&self) -> bool {
        *self != Tiny::Max
    }

    fn invertible(&self) -> bool {
        *self != Tiny::Max
    }

    fn unmerge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let (values, rows) = (partial[0].as_primitive::<Int64Type>(), partial[1].as_primitive::<Int64Type>());
        for (at, &slot) in slots.iter().enumerate() {
            self.add(cells, slot, -values.value(at), -rows.value(at));
        }
        Ok(())
    }
}

pub fn call(tiny: Tiny, args: &[usize]) -> AggregateCall {
    AggregateCall {
        text: format!("{tiny:?}"),
        args: args.to_vec(),
        arg_types: args.iter().map(|_| TypeKind::BigInt.nullable()).collect(),
        filter: None,
        distinct: false,
        return_type: TypeKind::BigInt.nullable(),
        accumulator: Arc::new(tiny),
    }
}

/// One row of the input schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub kind: RowKind,
    pub values: Vec<Option<String>>,
}

fn kind(text: &str) -> Option<RowKind> {
    [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete]
        .into_iter()
        .find(|kind| kind.short() == text)
}

/// A chunk of rows and of marks after so many rows.
pub fn chunk(schema: &Schema, rows: &[Row], marks: &[(usize, i64)]) -> Chunk {
    let columns: Vec<ArrayRef> = (schema.types().enumerate())
        .map(|(i, ty)| {
            let number = |row: &Row| row.values[i].as_ref().map(|value| value.parse::<i64>().unwrap());
            match ty.kind {
                TypeKind::BigInt => Arc::new(Int64Array::from_iter(rows.iter().map(number))) as ArrayRef,
                TypeKind::Timestamp(_) => {
                    Arc::new(TimestampMillisecondArray::from_iter(rows.iter().map(number)))
                }
                TypeKind::TimestampLtz(_) => Arc::new(
                    TimestampMillisecondArray::from_iter(rows.iter().map(number)).with_timezone("UTC"),
                ),
                _ => Arc::new(StringViewArray::from_iter(rows.iter().map(|row| row.values[i].as_deref()))),
            }
        })
        .collect();
    let mut chunk = Chunk::new(columns, rows.len());
    if rows.iter().any(|row| row.kind != RowKind::Insert) {
        chunk.kinds = Some(rows.iter().map(|row| row.kind).collect());
    }
    let mut all = Marks::none();
    marks.iter().for_each(|&(row, watermark)| all.push(row as u32, watermark));
    chunk.marks = all;
    chunk
}

fn show(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".into();
    }
    if let Some(values) = array.as_primitive_opt::<Int64Type>() {
        return values.value(row).to_string();
    }
    if let Some(values) = array.as_primitive_opt::<TimestampMillisecondType>() {
        return values.value(row).to_string();
    }
    array.as_string_view().value(row).to_string()
}

/// The rows of a chunk as text.
pub fn rows_of(chunk: &Chunk) -> Vec<String> {
    let row = |row| {
        let values: Vec<String> = chunk.columns.iter().map(|column| show(column, row)).collect();
        format!("{} {}", chunk.kind(row).short(), values.join(" "))
    };
    (0..chunk.rows).map(row).collect()
}

/// An operator with what it gave.
pub struct Driver {
    make: Box<dyn Fn() -> Box<dyn Operator>>,
    operator: Box<dyn Operator>,
    pub out: Output,
    schema: Schema,
    watermark: i64,
    /// The last watermark that came out.
    pub given: i64,
    now_ms: i64,
    late_seen: u64,
    pub changes: Vec<String>,
    pub chunks: Vec<Chunk>,
    checkpoints: Checkpoints,
    budget: Option<MemoryBudget>,
}

/// The checkpoints of an operator, table by table; some key groups are written whole now and then.
#[derive(Default)]
pub struct Checkpoints {
    epochs: Vec<Vec<SnapshotRows>>,
}

impl Checkpoints {
    /// Takes one more.
    pub fn take(&mut self, operator: &mut dyn Operator) {
        let epoch = self.epochs.len() as u32;
        let whole = |group: u32| (group + epoch).is_multiple_of(3);
        let tables = operator.tables().into_iter();
        self.epochs.push(tables.map(|(_, table)| table.delta(0..GROUPS, &whole)).collect());
    }

    /// Restores an operator in two steps as if from two tasks.
    pub fn restore(&self, operator: &mut dyn Operator) {
        for (at, (_, table)) in operator.tables().into_iter().enumerate() {
            let epochs: Vec<SnapshotRows> = self
                .epochs
                .iter()
                .map(|tables| SnapshotRows::decode(&tables[at].encode()).unwrap())
                .collect();
            for groups in [0..GROUPS / 2, GROUPS / 2..GROUPS] {
                restore_table(table, &epochs, groups);
            }
        }
        operator.on_restored().unwrap();
    }
}

/// Restores the newest whole section of each key group, then the changes after it.
fn restore_table(table: &mut dyn StateTable, epochs: &[SnapshotRows], groups: Range<u32>) {
    let mut newest: BTreeMap<u32, usize> = BTreeMap::new();
    for (epoch, rows) in epochs.iter().enumerate() {
        newest.extend(rows.sections.iter().filter(|section| section.whole).map(|s| (s.group, epoch)));
    }
    let chosen = |whole: bool| {
        epochs.iter().enumerate().map(move |(epoch, rows)| (epoch, rows.clone(), whole)).collect::<Vec<_>>()
    };
    for (epoch, mut rows, whole) in chosen(true).into_iter().chain(chosen(false)) {
        rows.sections.retain(|section| {
            let base = newest.get(&section.group).copied();
            section.whole == whole && if whole { base == Some(epoch) } else { base < Some(epoch) }
        });
        match whole {
            true => table.restore(&rows, groups.clone()).unwrap(),
            false if rows.sections.is_empty() => {}
            false => table.apply(&rows, groups.clone()).unwrap(),
        }
    }
}

impl Driver {
    pub fn new(plan: Plan, schema: Schema) -> Self {
        let input = schema.clone();
        let make = move || build(&node(plan.clone()), &[&input], &job()).unwrap();
        Self::with(Box::new(make), schema)
    }

    pub fn with(make: Box<dyn Fn() -> Box<dyn Operator>>, schema: Schema) -> Self {
        Driver {
            operator: make(),
            make,
            out: Output::new(true),
            schema,
            watermark: WATERMARK_NONE,
            given: WATERMARK_NONE,
            now_ms: 0,
            late_seen: 0,
            changes: Vec::new(),
            chunks: Vec::new(),
            checkpoints: Checkpoints::default(),
            budget: None,
        }
    }

    /// The same with memory for next to nothing: what is not needed at once goes to disk.
    pub fn with_little_memory(mut self) -> Self {
        let budget = MemoryBudget::new(1, &std::env::temp_dir());
        set_budget(self.operator.as_mut(), &budget);
        self.budget = Some(budget);
        self
    }

    pub fn feed(&mut self, rows: &[Row], marks: &[(usize, i64)]) {
        self.feed_chunk(chunk(&self.schema, rows, marks));
    }

    pub fn feed_chunk(&mut self, chunk: Chunk) {
        self.feed_port(0, chunk);
    }

    pub fn feed_port(&mut self, port: usize, chunk: Chunk) {
        let after = chunk.marks.last();
        let ctx = OperatorContext { now_ms: self.now_ms, watermark: self.watermark };
        deliver(self.operator.as_mut(), port, chunk, &ctx, &mut self.out).unwrap();
        self.watermark = self.watermark.max(after.unwrap_or(WATERMARK_NONE));
        self.collect();
    }

    pub fn time(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        let ctx = OperatorContext { now_ms, watermark: self.watermark };
        if self.operator.next_time().is_some_and(|time| time <= now_ms) {
            self.operator.on_time(&ctx, &mut self.out).unwrap();
            tend(self.operator.as_mut()).unwrap();
        }
        self.collect();
    }

    fn collect(&mut self) {
        assert!(self.out.rows.balanced(), "{:?}", self.out.rows);
        for chunk in self.out.take_chunks() {
            for mark in chunk.marks.iter() {
                assert!(mark.row as usize <= chunk.rows && mark.watermark >= self.given, "marks rise");
                self.given = mark.watermark;
            }
            self.changes.extend(rows_of(&chunk));
            self.chunks.push(chunk);
        }
    }

    /// A checkpoint, a new operator, restored.
    pub fn restart(&mut self) {
        self.checkpoint();
        self.operator = (self.make)();
        self.budget.iter().for_each(|budget| set_budget(self.operator.as_mut(), budget));
        self.checkpoints.restore(self.operator.as_mut());
    }

    fn checkpoint(&mut self) {
        let ctx = OperatorContext { now_ms: self.now_ms, watermark: self.watermark };
        self.operator.on_settle(&ctx, &mut self.out).unwrap();
        self.collect();
        self.checkpoints.take(self.operator.as_mut());
        tend(self.operator.as_mut()).unwrap();
    }

    pub fn late(&mut self) -> u64 {
        let kept: usize = self.out.take_late().iter().map(|chunk| chunk.rows).sum();
        let late = self.out.rows.late - self.late_seen;
        self.late_seen = self.out.rows.late;
        assert_eq!(kept as u64, late, "late rows are kept");
        late
    }
}

/// The net effect of changes: rows with how often they were added.
pub fn net(changes: &[String]) -> BTreeMap<String, i64> {
    let mut net = BTreeMap::new();
    for change in changes {
        let (kind, row) = change.split_at(2);
        *net.entry(row.to_string()).or_insert(0) += if kind.starts_with('+') { 1 } else { -1 };
    }
    net.retain(|_, count| *count != 0);
    net
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Mode {
    chunk_rows: usize,
    restart: bool,
}

/// Runs a script in all ways.
pub fn run(plan: Plan, schema: Schema, script: &str) {
    for (chunk_rows, restart) in [(usize::MAX, false), (1, false), (2, false), (1, true), (3, true)] {
        run_once(Driver::new(plan.clone(), schema.clone()), script, Mode { chunk_rows, restart });
    }
    for (chunk_rows, restart) in [(1, false), (2, true)] {
        let driver = Driver::new(plan.clone(), schema.clone()).with_little_memory();
        run_once(driver, script, Mode { chunk_rows, restart });
    }
}

fn run_once(mut driver: Driver, script: &str, mode: Mode) {
    let (mut rows, mut marks): (Vec<Row>, Vec<(usize, i64)>) = (Vec::new(), Vec::new());
    let mut expected: Vec<String> = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "=>" {
            feed(&mut driver, &mut rows, &mut marks, mode);
            expected.push(words[1..].join(" "));
            continue;
        }
        if !expected.is_empty() {
            check(&mut driver, &mut expected, mode, line);
        }
        match (words[0], kind(words[0])) {
            (_, Some(kind)) => {
                let values =
                    words[1..].iter().map(|&word| (word != "null").then(|| word.to_string())).collect();
                rows.push(Row { kind, values });
            }
            ("W", _) => {
                let watermark = if words[1] == "max" { WATERMARK_MAX } else { words[1].parse().unwrap() };
                marks.push((rows.len(), watermark));
            }
            (other, _) => {
                feed(&mut driver, &mut rows, &mut marks, mode);
                match other {
                    "T" => driver.time(words[1].parse().unwrap()),
                    "restart" => driver.restart(),
                    "late" => assert_eq!(driver.late(), words[1].parse::<u64>().unwrap(), "{line} {mode:?}"),
                    other => panic!("`{other}` is no step of a script"),
                }
            }
        }
    }
    feed(&mut driver, &mut rows, &mut marks, mode);
    check(&mut driver, &mut expected, mode, "the end");
}

fn feed(driver: &mut Driver, rows: &mut Vec<Row>, marks: &mut Vec<(usize, i64)>, mode: Mode) {
    let (rows, marks) = (std::mem::take(rows), std::mem::take(marks));
    feed_in_chunks(driver, &rows, &marks, mode.chunk_rows, mode.restart);
}

/// Feeds rows in chunks of so many; a mark goes with the row before it.
pub fn feed_in_chunks(
    driver: &mut Driver,
    rows: &[Row],
    marks: &[(usize, i64)],
    chunk_rows: usize,
    restart: bool,
) {
    let mut start = 0_usize;
    loop {
        let end = start.saturating_add(chunk_rows).min(rows.len());
        let inside: Vec<(usize, i64)> = marks
            .iter()
            .filter(|(row, _)| (*row > start || start == 0) && *row <= end)
            .map(|&(row, watermark)| (row - start, watermark))
            .collect();
        driver.feed(&rows[start..end], &inside);
        match (restart, driver.checkpoints.epochs.len() % 3) {
            (true, 1) => driver.checkpoint(),
            (true, _) => driver.restart(),
            (false, _) => {}
        }
        start = end;
        if start >= rows.len() {
            return;
        }
    }
}

fn check(driver: &mut Driver, expected: &mut Vec<String>, mode: Mode, line: &str) {
    let mut given = std::mem::take(&mut driver.changes);
    let mut expected = std::mem::take(expected);
    if expected == ["nothing"] {
        expected.clear();
    }
    if mode.chunk_rows == usize::MAX {
        given.sort();
        expected.sort();
        assert_eq!(given, expected, "before `{line}`");
    } else {
        assert_eq!(net(&given), net(&expected), "before `{line}` in {mode:?}");
    }
}
