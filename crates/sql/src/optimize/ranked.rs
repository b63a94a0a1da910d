//! Pruning of the operators that rank and sort: they pass rows through and need their keys besides; a rank
//! that nobody reads is not given.

use std::collections::BTreeSet;
use tidemill_plan::Operator;
use tidemill_plan::rank::{DeduplicatePlan, RankPlan, SortColumn, TimeSortPlan, TopNPlan, WindowTopNPlan};

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
        _ => {}
    }
    columns
}

fn of_ranks(plan: &RankPlan, columns: &mut BTreeSet<usize>) {
    columns.extend(plan.keys.iter().copied().chain(plan.end_column));
    columns.extend(plan.order.iter().map(|sort| sort.column));
}

/// The operator over the columns that are left, and where its columns stand.
pub(super) fn written(
    operator: &Operator,
    needed: &BTreeSet<usize>,
    below: &[Option<usize>],
) -> (Operator, Vec<Option<usize>>) {
    let at = |column: usize| below[column].expect("a needed column was kept");
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
            end_column: plan.end_column.map(at),
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
