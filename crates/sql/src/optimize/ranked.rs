//! Pruning of the operators that rank, sort or look around: they pass rows through and need their keys besides; a
//! rank or result that nobody reads is not given.

use std::collections::BTreeSet;
use tidemill_plan::Operator;
use tidemill_plan::over::OverPlan;
use tidemill_plan::rank::{
    DeduplicatePlan, RankEnd, RankPlan, SortColumn, TimeSortPlan, TopNPlan, WindowTopNPlan,
};

/// The columns of the input that the operator and its consumers need.
pub(super) fn needed(operator: &Operator, needed: &BTreeSet<usize>, width: usize) -> BTreeSet<usize> {
    let mut columns: BTreeSet<usize> = needed.iter().copied().filter(|column| *column < width).collect();
    match operator {
        Operator::TopN(plan) => of_ranks(&plan.ranks, &mut columns),
        Operator::WindowTopN(plan) => {
            of_ranks(&plan.ranks, &mut columns);
            columns.insert(plan.window_end);
        }
        Operator::Deduplicate(plan) => columns.extend(plan.keys.iter().copied().chain([plan.time_column])),
        Operator::TimeSort(plan) => {
            columns.insert(plan.time_column);
            columns.extend(plan.order.iter().map(|sort| sort.column));
        }
        Operator::Over(plan) => columns.extend(wanted_calls(plan, needed, width).columns()),
        _ => {}
    }
    columns
}

/// The plan with the calls only whose results are needed.
fn wanted_calls(plan: &OverPlan, needed: &BTreeSet<usize>, width: usize) -> OverPlan {
    let wanted = (width..).zip(&plan.calls).filter(|(column, _)| needed.contains(column));
    OverPlan { calls: wanted.map(|(_, call)| call.clone()).collect(), ..plan.clone() }
}

fn written_over(
    plan: &OverPlan,
    needed: &BTreeSet<usize>,
    below: &[Option<usize>],
) -> (Operator, Vec<Option<usize>>) {
    let at = |column: usize| below[column].expect("a needed column was kept");
    let mut next = below.iter().flatten().count()..;
    let mut places = below.to_vec();
    places.extend(
        (below.len()..).zip(&plan.calls).map(
            |(column, _)| {
                if needed.contains(&column) { next.next() } else { None }
            },
        ),
    );
    let wanted = wanted_calls(plan, needed, below.len());
    let plan = OverPlan {
        keys: wanted.keys.iter().map(|key| at(*key)).collect(),
        order: wanted.order.iter().map(|sort| SortColumn { column: at(sort.column), ..*sort }).collect(),
        calls: wanted.calls.iter().map(|call| call.map_columns(&at)).collect(),
        ..wanted
    };
    (Operator::Over(plan), places)
}

fn of_ranks(plan: &RankPlan, columns: &mut BTreeSet<usize>) {
    columns.extend(plan.keys.iter().copied().chain(plan.end_column.as_ref().map(|end| end.column)));
    columns.extend(plan.order.iter().map(|sort| sort.column));
}

/// The operator over the columns that are left, and where its columns stand.
pub(super) fn written(
    operator: &Operator,
    needed: &BTreeSet<usize>,
    below: &[Option<usize>],
) -> (Operator, Vec<Option<usize>>) {
    if let Operator::Over(plan) = operator {
        return written_over(plan, needed, below);
    }
    let at = |column: usize| below[column].expect("a needed column was kept");
    // Where no column is at the place of the one that holds the last rank, none decides.
    let decided = |end: &RankEnd| {
        let left: Vec<usize> = (0..below.len()).filter(|&column| below[column].is_some()).collect();
        let column = end.decided_by(&left).map_or(usize::MAX, at);
        RankEnd { column, places: Vec::new() }
    };
    let order = |order: &[SortColumn]| {
        order.iter().map(|sort| SortColumn { column: at(sort.column), ..*sort }).collect::<Vec<_>>()
    };
    let mut places = below.to_vec();
    let mut ranks = |plan: &RankPlan| {
        let rank = plan.rank && needed.contains(&below.len());
        if plan.rank {
            places.push(rank.then(|| below.iter().flatten().count()));
        }
        RankPlan {
            keys: plan.keys.iter().map(|key| at(*key)).collect(),
            order: order(&plan.order),
            end_column: plan.end_column.as_ref().map(decided),
            rank,
            ..plan.clone()
        }
    };
    let operator = match operator {
        Operator::TopN(plan) => Operator::TopN(TopNPlan { ranks: ranks(&plan.ranks), ..plan.clone() }),
        Operator::WindowTopN(plan) => Operator::WindowTopN(WindowTopNPlan {
            ranks: ranks(&plan.ranks),
            window_end: at(plan.window_end),
            ..plan.clone()
        }),
        Operator::Deduplicate(plan) => Operator::Deduplicate(DeduplicatePlan {
            keys: plan.keys.iter().map(|key| at(*key)).collect(),
            time_column: at(plan.time_column),
            ..plan.clone()
        }),
        Operator::TimeSort(plan) => {
            Operator::TimeSort(TimeSortPlan { time_column: at(plan.time_column), order: order(&plan.order) })
        }
        other => other.clone(),
    };
    (operator, places)
}
