//! How many rows a second one core searches for a pattern: 2 M rows in chunks of 4,096, nearly in order, 100 rows a
//! millisecond of event time, a mark after every row, 50 ms behind.
//!
//! - `idle`: `A B C`, a row in a thousand begins a match; conditions look at the row only; 10,000 keys;
//! - `rows`: `A B+ C`, a row in ten begins a match; conditions look at the row only; 10,000 keys;
//! - `shape`, `shape-10`, `shape-1`: `S DOWN+ UP`, a condition compares a row with the row before it, every row begins
//!   a match; 10,000 keys, 10 keys, 1 key.
//!
//! Run with `cargo run --release -p tidemill-operators --example match_rate CASE`.

use std::sync::Arc;
use std::time::Instant;
use tidemill_operators::{JobInfo, OperatorContext, Output, build, deliver};
use tidemill_plan::pattern::{
    AfterMatch, MatchRecognizePlan, Navigation, PatternVariable, Read, ReadKind, RowPattern,
};
use tidemill_plan::{ChangelogMode, Datum, EvalContext, Expr, Kernel, Node, Operator as Plan};
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::Int64Type;
use tidemill_types::arrow::{Array, BooleanArray, Int64Array, StringViewArray, TimestampMillisecondArray};
use tidemill_types::{
    ArrayRef, Chunk, DataType, Field, Marks, Result, Schema, TimeAttribute, TypeKind, WATERMARK_NONE,
};

const ROWS: usize = 2_000_000;
const CHUNK_ROWS: usize = 4_096;
const ROWS_PER_MS: usize = 100;
const DELAY_MS: i64 = 50;

/// A comparison of two numbers.
struct Compare(fn(i64, i64) -> bool);

impl Kernel for Compare {
    fn eval(&self, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let [left, right] = [&args[0], &args[1]].map(|arg| (arg, arg.array().as_primitive::<Int64Type>()));
        let value = |(datum, array): (&Datum, &Int64Array), row: usize| {
            let at = datum.index(row);
            array.is_valid(at).then(|| array.value(at))
        };
        let row = |row| Some((self.0)(value(left, row)?, value(right, row)?));
        Ok(Datum::Array(Arc::new((0..ctx.rows).map(row).collect::<BooleanArray>())))
    }
}

fn bigint() -> DataType {
    TypeKind::BigInt.nullable()
}

fn compare(left: Expr, right: Expr, test: fn(i64, i64) -> bool) -> Expr {
    let data_type = TypeKind::Boolean.nullable();
    Expr::Call { name: "compare".into(), kernel: Arc::new(Compare(test)), args: vec![left, right], data_type }
}

fn number(value: i64) -> Expr {
    let text = value.to_string();
    Expr::Literal { value: Arc::new(Int64Array::from(vec![value])), data_type: bigint(), text }
}

/// The reads `last row of variable 0, 1, 2`, then `last row but one of all rows`.
fn reads() -> Vec<Read> {
    let read = |variable, offset| {
        let own = Navigation { variable, first: false, offset, back: 0, column: 1 };
        Read { kind: ReadKind::Row(own), data_type: bigint() }
    };
    vec![read(Some(0), 0), read(Some(1), 0), read(Some(2), 0), read(None, 1)]
}

fn plan(case: &str) -> MatchRecognizePlan {
    let read = |at| Expr::column(at, "v", bigint());
    let against = |at, value, test| Some(compare(read(at), number(value), test));
    let one = RowPattern::Variable;
    let many = RowPattern::Repeat { inner: Box::new(one(1)), min: 1, max: None, reluctant: false };
    let (pattern, conditions) = match case {
        "idle" => (
            vec![one(0), one(1), one(2)],
            [against(0, 0, |v, n| v == n), against(1, 500, |v, n| v < n), against(2, 500, |v, n| v >= n)],
        ),
        "rows" => (
            vec![one(0), many, one(2)],
            [against(0, 100, |v, n| v < n), against(1, 500, |v, n| v < n), against(2, 500, |v, n| v >= n)],
        ),
        _ => {
            let down = compare(read(1), read(3), |v, before| v < before);
            let up = compare(read(2), read(3), |v, before| v > before);
            (vec![one(0), many, one(2)], [None, Some(down), Some(up)])
        }
    };
    let names = ["A", "B", "C"];
    MatchRecognizePlan {
        keys: vec![0],
        time_column: 2,
        time: TimeAttribute::Rowtime,
        order: Vec::new(),
        variables: (names.into_iter().zip(conditions))
            .map(|(name, condition)| PatternVariable { name: name.into(), condition })
            .collect(),
        pattern: RowPattern::Sequence(pattern),
        skip: AfterMatch::PastLastRow,
        within_ms: Some(10_000),
        reads: reads(),
        aggregates: Vec::new(),
        measures: vec![read(0), read(1), read(2)],
        give_timed_out: false,
        partial_matches_max: 1_000,
    }
}

fn chunks(keys: usize) -> Vec<Chunk> {
    let mut seed = 1_u64;
    let mut random = move |limit: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    (0..ROWS.div_ceil(CHUNK_ROWS))
        .map(|chunk| {
            let rows = CHUNK_ROWS.min(ROWS - chunk * CHUNK_ROWS);
            let key: StringViewArray =
                (0..rows).map(|_| Some(format!("symbol-{:05}", random(keys as u64)))).collect();
            let value = Int64Array::from_iter_values((0..rows).map(|_| random(1_000) as i64));
            let times: Vec<i64> = (0..rows)
                .map(|row| ((chunk * CHUNK_ROWS + row) / ROWS_PER_MS) as i64 + random(20) as i64)
                .collect();
            let mut marks = Marks::none();
            for (row, time) in times.iter().enumerate() {
                marks.push(row as u32 + 1, time - DELAY_MS);
            }
            let columns: Vec<ArrayRef> =
                vec![Arc::new(key), Arc::new(value), Arc::new(TimestampMillisecondArray::from(times))];
            Chunk { marks, ..Chunk::new(columns, rows) }
        })
        .collect()
}

fn main() -> Result<()> {
    let case = std::env::args().nth(1).unwrap_or_else(|| "rows".into());
    let keys = match case.as_str() {
        "shape-10" => 10,
        "shape-1" => 1,
        _ => 10_000,
    };
    let schema = Schema::new(vec![
        Field::new("symbol", DataType::string()),
        Field::new("v", bigint()),
        Field::new("ts", TypeKind::Timestamp(3).nullable()),
    ]);
    let node = Node {
        id: 1,
        uid: case.clone(),
        operator: Plan::MatchRecognize(Box::new(plan(&case))),
        inputs: Vec::new(),
        schema: Schema::default(),
        changelog: ChangelogMode::APPEND,
        upsert_key: None,
    };
    let job = JobInfo { zone: chrono_tz::UTC, key_groups: 128, parallelism: 1, task: 0, keep_late: false };
    let mut operator = build(&node, &[&schema], &job)?;
    let chunks = chunks(keys);
    let mut out = Output::new(false);
    let (mut watermark, mut matches) = (WATERMARK_NONE, 0);
    let start = Instant::now();
    for chunk in chunks {
        let after = chunk.marks.last();
        deliver(operator.as_mut(), 0, chunk, &OperatorContext { now_ms: 0, watermark }, &mut out)?;
        watermark = after.map_or(watermark, |after| after.max(watermark));
        matches += out.take_chunks().iter().map(|chunk| chunk.rows).sum::<usize>();
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = ROWS as f64 / seconds / 1e6;
    println!("{case}: {rate:.2} M rows/s, {matches} matches, {} late", out.rows.late);
    Ok(())
}
