//! How many rows a second one core aggregates: COUNT(*) by two strings (10,000 users, 5 types), 10 M rows in
//! chunks of 4,096, in order, 100,000 rows a second of event time, a mark after every row.
//!
//! Run with `cargo run --release -p tidemill-operators --example agg_rate CASE` with one of tumble, hop60,
//! hop600, hop60-max, hop600-max (no inverse), local, group.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemill_operators::keys::Keys;
use tidemill_operators::{
    JobInfo, Operator, OperatorContext, Output, build, build_local, deliver, local_phase,
};
use tidemill_plan::stream::{GroupAggregatePlan, WindowAggregatePlan};
use tidemill_plan::{
    Accumulator, AggregateCall, ChangelogMode, Node, Operator as Plan, UpdateBatch, WindowKind,
    WindowProperty, WindowSpec,
};
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::Int64Type;
use tidemill_types::arrow::{StringViewArray, TimestampMillisecondArray};
use tidemill_types::{
    ArrayRef, CellKind, Cells, Chunk, DataType, Field, Marks, Result, Schema, TimeAttribute, TypeKind,
    WATERMARK_NONE,
};

const ROWS: usize = 10_000_000;
const CHUNK_ROWS: usize = 4_096;
const ROWS_PER_MS: usize = 100;

/// COUNT(*); with `false` it hides that it has an inverse, like MIN and MAX.
struct CountRows(bool);

fn counts(cells: &mut [Cells]) -> &mut Vec<i64> {
    match &mut cells[0] {
        Cells::I64(values) => values,
        _ => unreachable!("counts are integers"),
    }
}

impl Accumulator for CountRows {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let counts = counts(cells);
        batch.slots.iter().for_each(|&slot| counts[slot as usize] += 1);
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let added = partial[0].as_primitive::<Int64Type>().values();
        let counts = counts(cells);
        slots.iter().zip(added).for_each(|(&slot, added)| counts[slot as usize] += added);
        Ok(())
    }

    fn unmerge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let gone = partial[0].as_primitive::<Int64Type>().values();
        let counts = counts(cells);
        slots.iter().zip(gone).for_each(|(&slot, gone)| counts[slot as usize] -= gone);
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        Ok(cells[0].to_array(slots))
    }

    fn retracts(&self) -> bool {
        true
    }

    fn invertible(&self) -> bool {
        self.0
    }
}

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("user", DataType::string()),
        Field::new("type", DataType::string()),
        Field::new("ts", TypeKind::Timestamp(3).nullable()),
    ])
}

fn count(invertible: bool) -> AggregateCall {
    AggregateCall {
        text: "COUNT(*)".into(),
        args: Vec::new(),
        arg_types: Vec::new(),
        filter: None,
        distinct: false,
        return_type: TypeKind::BigInt.not_null(),
        accumulator: Arc::new(CountRows(invertible)),
    }
}

fn window(kind: WindowKind, invertible: bool) -> WindowAggregatePlan {
    WindowAggregatePlan {
        window: WindowSpec { kind, time_column: 2, time: TimeAttribute::Rowtime, zone: None },
        keys: vec![0, 1],
        aggregates: vec![count(invertible)],
        properties: vec![WindowProperty::Start, WindowProperty::End],
        retract: false,
    }
}

fn operator(case: &str) -> Box<dyn Operator> {
    let hop = |size, invertible| {
        Plan::WindowAggregate(window(WindowKind::Hop { slide: 1_000, size, offset: 0 }, invertible))
    };
    let tumble = window(WindowKind::Tumble { size: 10_000, offset: 0 }, true);
    let operator = match case {
        "local" => {
            let phase = local_phase(&tumble, &schema()).expect("a tumbling count");
            return build_local(&phase.plan, &schema()).expect("a valid plan");
        }
        "hop60" => hop(60_000, true),
        "hop600" => hop(600_000, true),
        "hop60-max" => hop(60_000, false),
        "hop600-max" => hop(600_000, false),
        "group" => Plan::GroupAggregate(GroupAggregatePlan {
            keys: vec![0, 1],
            aggregates: vec![count(true)],
            retract: false,
            update_before: false,
            ttl_ms: 0,
            net_changes: true,
            mini_batch: None,
            final_only: false,
            row_without_input: false,
        }),
        _ => Plan::WindowAggregate(tumble),
    };
    let node = Node {
        id: 0,
        uid: String::new(),
        operator,
        inputs: Vec::new(),
        schema: Schema::default(),
        changelog: ChangelogMode::APPEND,
        upsert_key: None,
    };
    let job = JobInfo { zone: chrono_tz::UTC, key_groups: 128, parallelism: 1, task: 0, keep_late: false };
    build(&node, &[&schema()], &job).expect("a valid plan")
}

/// Key columns of some chunks, used over and over.
fn key_columns() -> Vec<(ArrayRef, ArrayRef)> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) % below
    };
    let types = ["view", "click", "purchase", "add-to-cart", "a longer event type"];
    (0..256)
        .map(|_| {
            let users: Vec<String> = (0..CHUNK_ROWS).map(|_| format!("user-{:05}", random(10_000))).collect();
            let kinds: Vec<&str> = (0..CHUNK_ROWS).map(|_| types[random(5) as usize]).collect();
            let users: ArrayRef = Arc::new(StringViewArray::from_iter_values(users));
            (users, Arc::new(StringViewArray::from_iter_values(kinds)) as ArrayRef)
        })
        .collect()
}

fn main() {
    let case = std::env::args().nth(1).unwrap_or_else(|| "tumble".into());
    let keys = key_columns();
    let mut operator = operator(&case);
    let mut encoder = Keys::new(&[0, 1], &schema());
    let (mut out, mut watermark) = (Output::new(false), WATERMARK_NONE);
    let (mut took, mut encoding) = (Duration::ZERO, Duration::ZERO);
    for at in 0..ROWS / CHUNK_ROWS {
        let (users, types) = keys[at % keys.len()].clone();
        let time = |row: usize| ((at * CHUNK_ROWS + row) / ROWS_PER_MS) as i64 + 1;
        let times = TimestampMillisecondArray::from_iter_values((0..CHUNK_ROWS).map(time));
        let mut chunk = Chunk::new(vec![users, types, Arc::new(times)], CHUNK_ROWS);
        let mut marks = Marks::none();
        (0..CHUNK_ROWS).for_each(|row| marks.push(row as u32 + 1, time(row) - 1));
        chunk.marks = marks;
        let start = Instant::now();
        encoder.encode(&chunk);
        encoding += start.elapsed();
        let ctx = OperatorContext { now_ms: 0, watermark };
        watermark = chunk.marks.last().unwrap_or(watermark);
        let start = Instant::now();
        deliver(operator.as_mut(), 0, chunk, &ctx, &mut out).expect("counting does not fail");
        took += start.elapsed();
        out.take_chunks();
    }
    let rate = |took: Duration| ROWS as f64 / took.as_secs_f64() / 1e6;
    println!(
        "{case}: {:.1} M rows/s; without encoding keys {:.1} (encoding alone {:.1}); {} rows out",
        rate(took),
        rate(took.saturating_sub(encoding)),
        rate(encoding),
        out.rows.emitted
    );
}
