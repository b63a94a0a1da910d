//! MATCH_RECOGNIZE: matches, skips, WITHIN, late rows, aggregates, processing time, limits; with restarts.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{Tiny, call, chunk, input, job, node, run};
use std::sync::Arc;
use tidemill_operators::{OperatorContext, Output, build, deliver};
use tidemill_plan::pattern::{
    AfterMatch, MatchAggregate, MatchRecognizePlan, Navigation, PatternVariable, Read, ReadKind, RowPattern,
};
use tidemill_plan::rank::SortColumn;
use tidemill_plan::{Datum, EvalContext, Expr, Kernel, Operator as Plan};
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::Int64Type;
use tidemill_types::arrow::{BooleanArray, Int64Array};
use tidemill_types::{DataType, Result, TimeAttribute, TypeKind, WATERMARK_NONE};

/// A condition over numbers; NULL if one of them is.
struct Test(fn(&[i64]) -> bool);

impl Kernel for Test {
    fn eval(&self, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let row = |row: usize| -> Option<bool> {
            let value = |arg: &Datum| {
                let array = arg.array().as_primitive::<Int64Type>();
                (!arg.is_null(row)).then(|| array.value(arg.index(row)))
            };
            let values: Option<Vec<i64>> = args.iter().map(value).collect();
            values.map(|values| (self.0)(&values))
        };
        Ok(Datum::Array(Arc::new((0..ctx.rows).map(row).collect::<BooleanArray>())))
    }
}

/// A number for a truth value, so that the scripts can show it.
struct Number;

impl Kernel for Number {
    fn eval(&self, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let array = args[0].array().as_boolean();
        let number = |row| Some(i64::from(array.value(args[0].index(row))));
        Ok(Datum::Array(Arc::new((0..ctx.rows).map(number).collect::<Int64Array>())))
    }
}

fn bigint() -> DataType {
    TypeKind::BigInt.nullable()
}

/// Builds a plan over `k, v, ts`.
struct Search {
    plan: MatchRecognizePlan,
}

impl Search {
    fn new(variables: &[&str], pattern: RowPattern) -> Self {
        let variable = |name: &&str| PatternVariable { name: name.to_string(), condition: None };
        Search {
            plan: MatchRecognizePlan {
                keys: vec![0],
                time_column: 2,
                time: TimeAttribute::Rowtime,
                order: Vec::new(),
                variables: variables.iter().map(variable).collect(),
                pattern,
                skip: AfterMatch::NextRow,
                within_ms: None,
                reads: Vec::new(),
                aggregates: Vec::new(),
                measures: Vec::new(),
                give_timed_out: false,
                partial_matches_max: 100,
            },
        }
    }

    /// The column `v` of a row of the match.
    fn read(&mut self, variable: Option<usize>, first: bool, offset: u32, back: u32) -> Expr {
        let kind = ReadKind::Row(Navigation { variable, first, offset, back, column: 1 });
        self.add(kind, bigint())
    }

    fn add(&mut self, kind: ReadKind, data_type: DataType) -> Expr {
        self.plan.reads.push(Read { kind, data_type: data_type.clone() });
        Expr::column(self.plan.reads.len() - 1, "read", data_type)
    }

    fn last(&mut self, variable: usize) -> Expr {
        self.read(Some(variable), false, 0, 0)
    }

    /// All reads must have been added before.
    fn aggregate(&mut self, tiny: Tiny, variable: Option<usize>) -> Expr {
        self.plan.aggregates.push(MatchAggregate { variable, call: call(tiny, &[1]) });
        Expr::column(self.plan.reads.len() + self.plan.aggregates.len() - 1, "aggregate", bigint())
    }

    fn define(&mut self, variable: usize, args: Vec<Expr>, test: fn(&[i64]) -> bool) {
        let data_type = TypeKind::Boolean.nullable();
        let kernel = Arc::new(Test(test));
        let condition = Expr::Call { name: "test".into(), kernel, args, data_type };
        self.plan.variables[variable].condition = Some(condition);
    }

    fn plan(self) -> Plan {
        Plan::MatchRecognize(Box::new(self.plan))
    }
}

fn one(variable: usize) -> RowPattern {
    RowPattern::Variable(variable)
}

fn many(variable: usize, min: u32, max: Option<u32>, reluctant: bool) -> RowPattern {
    RowPattern::Repeat { inner: Box::new(one(variable)), min, max, reluctant }
}

/// `A B` with B above A.
fn rise() -> Search {
    let mut search = Search::new(&["A", "B"], RowPattern::Sequence(vec![one(0), one(1)]));
    let (a, b) = (search.last(0), search.last(1));
    search.define(1, vec![b.clone(), a.clone()], |v| v[0] > v[1]);
    search.plan.measures = vec![a, b];
    search
}

#[test]
fn rows_are_searched_in_the_order_of_their_times_and_late_ones_dropped() {
    run(
        rise().plan(),
        input(),
        "
        +I a 3 30
        +I a 1 10
        +I b 9 10
        +I a 2 20
        W 15
        => nothing
        restart
        +I a 7 15
        late 1
        W 20
        => +I a 1 2
        +I a 5 25
        W 30
        => +I a 2 5
        +I a 4 40
        +I b 10 35
        W max
        => +I a 3 4
        => +I b 9 10
        ",
    );
}

#[test]
fn rows_of_equal_time_are_ordered_by_more_columns() {
    let mut search = rise();
    search.plan.order = vec![SortColumn { column: 1, descending: false, nulls_first: true }];
    search.plan.skip = AfterMatch::PastLastRow;
    run(
        search.plan(),
        input(),
        "
        +I a 3 10
        +I a 1 10
        +I a 2 10
        +I a 9 11
        W 11
        => +I a 1 2
        => +I a 3 9
        ",
    );
}

#[test]
fn a_greedy_loop_ends_at_the_first_row_it_does_not_take() {
    let pattern = RowPattern::Sequence(vec![many(0, 1, None, false), one(1)]);
    let mut search = Search::new(&["A", "B"], pattern);
    let a = search.last(0);
    let (first, end) = (search.read(None, true, 0, 0), search.read(None, false, 0, 0));
    let sum = search.aggregate(Tiny::Sum, Some(0));
    let count = search.aggregate(Tiny::Count, None);
    search.define(0, vec![a], |v| v[0] > 5);
    search.plan.measures = vec![first, end, sum, count];
    search.plan.skip = AfterMatch::PastLastRow;
    run(
        search.plan(),
        input(),
        "
        +I a 6 1
        +I a 7 2
        W 2
        => nothing
        restart
        +I b 9 3
        +I a 1 3
        +I a 8 4
        W 4
        => +I a 6 1 13 3
        +I a null 5
        +I b 2 5
        W 5
        => +I a 8 null 8 1
        => +I b 9 2 9 2
        ",
    );
}

#[test]
fn aggregates_of_conditions_go_with_each_match() {
    let pattern = RowPattern::Sequence(vec![many(0, 1, None, false), one(1)]);
    let mut search = Search::new(&["A", "B"], pattern);
    let b = search.last(1);
    let sum = search.aggregate(Tiny::Sum, Some(0));
    search.define(0, vec![sum.clone()], |v| v[0] < 10);
    search.plan.measures = vec![sum, b];
    run(
        search.plan(),
        input(),
        "
        +I a 4 1
        +I a 5 2
        W 2
        => nothing
        restart
        +I a 3 3
        W 3
        => +I a 9 3
        +I a 8 4
        W 4
        => +I a 8 8
        => +I a 3 8
        ",
    );
}

#[test]
fn old_matches_end_and_free_those_that_waited() {
    let pattern = RowPattern::Sequence(vec![one(0), many(1, 0, None, true), one(2)]);
    let mut search = Search::new(&["A", "B", "C"], pattern);
    let (a, c) = (search.last(0), search.last(2));
    let time = search.add(ReadKind::Time, TypeKind::Timestamp(3).not_null());
    search.define(2, vec![c.clone(), a.clone()], |v| v[0] == v[1]);
    search.plan.measures = vec![a, c, time];
    search.plan.within_ms = Some(10);
    run(
        search.plan(),
        input(),
        "
        +I a 1 100
        +I a 2 101
        +I a 2 102
        W 102
        => nothing
        restart
        W 109
        => nothing
        W 115
        => +I a 2 2 115
        +I a 3 120
        +I a 4 121
        +I a 4 122
        +I a 3 129
        W 129
        => +I a 3 3 129
        => +I a 4 4 129
        +I a 5 200
        +I a 5 210
        W max
        => nothing
        ",
    );
}

#[test]
fn matches_that_ran_out_of_time_are_given_if_asked_for() {
    let mut search = rise();
    let timed_out = search.add(ReadKind::TimedOut, TypeKind::Boolean.not_null());
    let kernel = Arc::new(Number);
    let args = vec![timed_out];
    search.plan.measures.push(Expr::Call { name: "n".into(), kernel, args, data_type: bigint() });
    search.plan.within_ms = Some(10);
    search.plan.give_timed_out = true;
    run(
        search.plan(),
        input(),
        "
        +I a 1 100
        W 105
        => nothing
        restart
        W 110
        => +I a 1 null 1
        +I a 2 120
        +I a 3 125
        W 125
        => +I a 2 3 0
        +I a 4 140
        W 140
        => +I a 3 null 1
        ",
    );
}

#[test]
fn skips_to_a_variable_keep_what_began_behind_it() {
    let pattern = RowPattern::Sequence(vec![one(0), many(1, 1, None, false), one(2)]);
    let make = |skip| {
        let mut search = Search::new(&["A", "B", "C"], pattern.clone());
        let (a, b, c) = (search.last(0), search.last(1), search.last(2));
        search.define(1, vec![b.clone()], |v| v[0] > 5);
        search.plan.measures = vec![a, b, c];
        search.plan.skip = skip;
        search.plan()
    };
    let rows = "
        +I a 6 1
        +I a 7 2
        +I a 8 3
        W 3
        => nothing
        restart
        +I a 1 4
        W 4
        ";
    run(make(AfterMatch::First(1)), input(), &format!("{rows} => +I a 6 8 1\n => +I a 7 8 1"));
    run(make(AfterMatch::Last(1)), input(), &format!("{rows} => +I a 6 8 1"));
}

#[test]
fn earlier_rows_of_the_partition_can_be_read() {
    let mut search = Search::new(&["A"], one(0));
    let before = search.read(Some(0), false, 0, 2);
    let a = search.last(0);
    search.define(0, vec![a.clone(), before.clone()], |v| v[0] > v[1]);
    search.plan.measures = vec![before, a];
    run(
        search.plan(),
        input(),
        "
        +I a 1 1
        +I b 7 1
        +I a 2 2
        W 2
        => nothing
        restart
        +I a 3 3
        +I a 1 4
        W 4
        => +I a 1 3
        +I a 4 5
        W 5
        => +I a 3 4
        ",
    );
}

#[test]
fn processing_time_takes_rows_as_they_come() {
    let mut search = rise();
    search.plan.time = TimeAttribute::Proctime;
    search.plan.within_ms = Some(10);
    run(
        search.plan(),
        input(),
        "
        T 100
        +I a 1 0
        +I a 2 0
        => +I a 1 2
        restart
        T 105
        +I a 3 0
        => +I a 2 3
        T 120
        +I a 4 0
        => nothing
        ",
    );
}

#[test]
fn alternatives_and_groups_follow_all_ways() {
    let group = RowPattern::Repeat {
        inner: Box::new(RowPattern::Sequence(vec![one(0), one(1)])),
        min: 1,
        max: None,
        reluctant: false,
    };
    let pattern = RowPattern::Sequence(vec![group, RowPattern::Alternation(vec![one(2), one(3)])]);
    let mut search = Search::new(&["A", "B", "C", "D"], pattern);
    let [a, b, c, d] = [0, 1, 2, 3].map(|variable| search.last(variable));
    let first = search.read(Some(0), true, 0, 0);
    search.define(0, vec![a], |v| v[0] == 1);
    search.define(1, vec![b.clone()], |v| v[0] == 2);
    search.define(2, vec![c.clone()], |v| v[0] == 3);
    search.define(3, vec![d.clone()], |v| v[0] == 4);
    search.plan.measures = vec![first, b, c, d];
    search.plan.skip = AfterMatch::PastLastRow;
    run(
        search.plan(),
        input(),
        "
        +I a 1 1
        +I a 2 2
        +I a 1 3
        W 3
        => nothing
        restart
        +I a 2 4
        +I a 4 5
        +I a 2 6
        +I b 1 6
        +I b 2 7
        +I b 3 8
        W 8
        => +I a 1 2 null 4
        => +I b 1 2 3 null
        ",
    );
}

/// The error that rows end in.
fn failure(search: Search, rows: &[(&str, i64, i64)]) -> String {
    let schema = input();
    let mut operator = build(&node(search.plan()), &[&schema], &job()).unwrap();
    let rows: Vec<harness::Row> = (rows.iter())
        .map(|(k, v, ts)| harness::Row {
            kind: tidemill_types::RowKind::Insert,
            values: vec![Some(k.to_string()), Some(v.to_string()), Some(ts.to_string())],
        })
        .collect();
    let chunk = chunk(&schema, &rows, &[(rows.len(), i64::MAX)]);
    let ctx = OperatorContext { now_ms: 0, watermark: WATERMARK_NONE };
    let result = deliver(operator.as_mut(), 0, chunk, &ctx, &mut Output::new(false));
    result.unwrap_err().to_string()
}

#[test]
fn a_skip_that_goes_nowhere_and_too_many_matches_end_the_run() {
    let mut same = rise();
    same.plan.skip = AfterMatch::First(0);
    let error = failure(same, &[("a", 1, 1), ("a", 2, 2)]);
    assert!(error.contains("could not skip to the first row of a match"), "{error}");

    let pattern = RowPattern::Sequence(vec![one(0), many(1, 0, None, false), one(2)]);
    let mut missing = Search::new(&["A", "B", "C"], pattern.clone());
    let b = missing.last(1);
    missing.define(1, vec![b], |v| v[0] > 5);
    missing.plan.skip = AfterMatch::Last(1);
    let error = failure(missing, &[("a", 1, 1), ("a", 2, 2)]);
    assert!(error.contains("the match has no row of B"), "{error}");

    let mut many = Search::new(&["A", "B", "C"], pattern);
    many.plan.partial_matches_max = 2;
    let error = failure(many, &[("a", 1, 1), ("x", 1, 1), ("a", 2, 2), ("a", 3, 3)]);
    assert!(error.contains("more than 2 partial matches for the key ('a')"), "{error}");
}

/// Searches of all kinds for rows of random numbers.
fn searches() -> Vec<Search> {
    let loops = |reluctant| RowPattern::Sequence(vec![one(0), many(1, 0, None, reluctant), one(2)]);
    let make = |pattern: RowPattern, within_ms, skip| {
        let mut search = Search::new(&["A", "B", "C"], pattern);
        let (a, b, c) = (search.last(0), search.last(1), search.last(2));
        let before = search.read(Some(1), false, 1, 0);
        let (sum, count) = (search.aggregate(Tiny::Sum, Some(1)), search.aggregate(Tiny::Count, None));
        search.define(0, vec![a.clone()], |v| v[0] > 1);
        search.define(1, vec![sum.clone(), b], |v| v[0] < 9 && v[1] < 5);
        search.define(2, vec![c.clone(), a.clone()], |v| v[0] > v[1]);
        search.plan.measures = vec![a, before, c, sum, count];
        search.plan.within_ms = within_ms;
        search.plan.skip = skip;
        search
    };
    let pairs = RowPattern::Sequence(vec![many(0, 1, Some(3), true), many(1, 0, Some(2), true), one(2)]);
    let mut timed_out = make(loops(true), Some(6), AfterMatch::PastLastRow);
    timed_out.plan.give_timed_out = true;
    let mut back = rise();
    let before = back.read(Some(1), false, 0, 3);
    back.plan.measures.push(before);
    vec![
        make(loops(false), None, AfterMatch::NextRow),
        make(loops(true), Some(9), AfterMatch::NextRow),
        make(loops(true), None, AfterMatch::Last(2)),
        make(pairs, Some(12), AfterMatch::PastLastRow),
        timed_out,
        back,
    ]
}

fn random_rows(seed: u64) -> (Vec<harness::Row>, Vec<(usize, i64)>) {
    let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = move |limit: u64| {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        (bits % limit) as i64
    };
    let (mut rows, mut marks) = (Vec::new(), Vec::new());
    for at in 0..60_i64 {
        let key = ["a", "b", "c"][below(3) as usize].to_string();
        let value = (below(12) > 0).then(|| below(7).to_string());
        let time = (at + below(8)).to_string();
        rows.push(harness::Row {
            kind: tidemill_types::RowKind::Insert,
            values: vec![Some(key), value, Some(time)],
        });
        if below(3) == 0 {
            marks.push((rows.len(), at));
        }
    }
    marks.push((rows.len(), i64::MAX));
    (rows, marks)
}

#[test]
fn cuts_restarts_and_little_memory_change_nothing() {
    for (number, search) in searches().into_iter().enumerate() {
        let plan = search.plan();
        for seed in 0..4 {
            let (rows, marks) = random_rows(seed);
            let given = |chunk_rows, restart, little_memory| {
                let mut driver = harness::Driver::new(plan.clone(), input());
                if little_memory {
                    driver = driver.with_little_memory();
                }
                harness::feed_in_chunks(&mut driver, &rows, &marks, chunk_rows, restart);
                driver.changes.sort();
                driver.changes
            };
            let whole = given(usize::MAX, false, false);
            assert!(!whole.is_empty(), "search {number}, seed {seed} finds something");
            for (chunk_rows, restart, little_memory) in [
                (1, false, false),
                (7, false, false),
                (4, true, false),
                (11, true, false),
                (3, false, true),
                (5, true, true),
            ] {
                assert_eq!(
                    given(chunk_rows, restart, little_memory),
                    whole,
                    "search {number}, seed {seed}, chunks of {chunk_rows}, little memory: {little_memory}"
                );
            }
        }
    }
}
