//! Pruning of joins: each input gives its keys, what the condition reads, the columns that bound how long rows
//! are kept, and what is given on.

use std::collections::BTreeSet;
use tidemill_plan::join::JoinSidePlan;
use tidemill_plan::{Expr, IntervalJoinPlan, JoinOn, JoinPlan, Operator, TemporalJoinPlan, WindowJoinPlan};

/// New indices by old ones; `None` where the column is gone.
type Places = Vec<Option<usize>>;

/// Whether the operator pairs rows of two inputs.
pub(super) fn is_join(operator: &Operator) -> bool {
    on(operator).is_some()
}

fn on(operator: &Operator) -> Option<&JoinOn> {
    match operator {
        Operator::Join(join) => Some(&join.on),
        Operator::IntervalJoin(join) => Some(&join.on),
        Operator::WindowJoin(join) => Some(&join.on),
        Operator::TemporalJoin(join) => Some(&join.on),
        _ => None,
    }
}

/// The columns of a port that the join reads besides its keys and its condition.
fn own_columns(operator: &Operator, port: usize) -> Vec<usize> {
    let of_port = |left: usize, right: usize| vec![if port == 0 { left } else { right }];
    match operator {
        Operator::Join(join) => {
            let side = if port == 0 { &join.left } else { &join.right };
            side.unique.clone().unwrap_or_default()
        }
        Operator::IntervalJoin(join) => of_port(join.left_time, join.right_time),
        Operator::WindowJoin(join) => of_port(join.left_end, join.right_end),
        Operator::TemporalJoin(join) => of_port(join.left_time, join.right_time),
        _ => Vec::new(),
    }
}

/// The columns of one input that a join needs.
pub(super) fn needed(
    operator: &Operator,
    needed: &BTreeSet<usize>,
    port: usize,
    left_width: usize,
) -> BTreeSet<usize> {
    let on = on(operator).expect("the operator is a join");
    let both = needed.iter().copied().chain(on.residual.iter().flat_map(Expr::columns));
    let own = on.keys(port).iter().copied().chain(own_columns(operator, port));
    match port {
        0 => both.filter(|i| *i < left_width).chain(own).collect(),
        _ => both.filter_map(|i| i.checked_sub(left_width)).chain(own).collect(),
    }
}

/// The join over the columns that are left, and where its columns stand.
pub(super) fn written(operator: &Operator, below: [&Places; 2]) -> (Operator, Places) {
    let old = on(operator).expect("the operator is a join");
    let at = |port: usize, column: usize| below[port][column].expect("a needed column was kept");
    let kept = below[0].iter().flatten().count();
    let right_behind = below[1].iter().map(|place| place.map(|place| place + kept));
    let both: Places = below[0].iter().copied().chain(right_behind).collect();
    let residual = |expr: &Expr| {
        expr.map_columns(&|i, name, t| {
            Expr::column(both[i].expect("a needed column was kept"), name, t.clone())
        })
    };
    let on = JoinOn {
        left_keys: old.left_keys.iter().map(|key| at(0, *key)).collect(),
        right_keys: old.right_keys.iter().map(|key| at(1, *key)).collect(),
        residual: old.residual.as_ref().map(residual),
        ..old.clone()
    };
    let places = if on.kind.left_only() { below[0].clone() } else { both };
    let operator = match operator {
        Operator::Join(join) => {
            let side = |side: &JoinSidePlan, port: usize| JoinSidePlan {
                unique: side.unique.as_ref().map(|key| key.iter().map(|column| at(port, *column)).collect()),
                ..side.clone()
            };
            Operator::Join(JoinPlan {
                on,
                left: side(&join.left, 0),
                right: side(&join.right, 1),
                final_only: join.final_only,
            })
        }
        Operator::IntervalJoin(join) => Operator::IntervalJoin(IntervalJoinPlan {
            on,
            left_time: at(0, join.left_time),
            right_time: at(1, join.right_time),
            ..join.clone()
        }),
        Operator::WindowJoin(join) => Operator::WindowJoin(WindowJoinPlan {
            on,
            left_end: at(0, join.left_end),
            right_end: at(1, join.right_end),
            ..join.clone()
        }),
        Operator::TemporalJoin(join) => Operator::TemporalJoin(TemporalJoinPlan {
            on,
            left_time: at(0, join.left_time),
            right_time: at(1, join.right_time),
            ..join.clone()
        }),
        other => other.clone(),
    };
    (operator, places)
}
