//! Pruning of lookup joins, down to the columns that are read of the table or asked for.

use super::prune::packed;
use std::collections::BTreeSet;
use tidemill_plan::{Expr, JoinOn, LookupJoinPlan, Operator};
use tidemill_types::Schema;

/// New indices by old ones; `None` where the column is gone.
type Places = Vec<Option<usize>>;

/// The columns of the input that a lookup join needs.
pub(super) fn needed(plan: &LookupJoinPlan, needed: &BTreeSet<usize>, left_width: usize) -> BTreeSet<usize> {
    let both = needed.iter().copied().chain(plan.on.residual.iter().flat_map(Expr::columns));
    both.filter(|i| *i < left_width).chain(plan.on.left_keys.iter().copied()).collect()
}

/// The join over the columns that are left of both sides, and where its columns stand.
pub(super) fn written(
    plan: &LookupJoinPlan,
    needed: &BTreeSet<usize>,
    below: &[Option<usize>],
) -> (Operator, Places) {
    let left_width = below.len();
    let both = needed.iter().copied().chain(plan.on.residual.iter().flat_map(Expr::columns));
    let right: BTreeSet<usize> =
        both.filter_map(|i| i.checked_sub(left_width)).chain(plan.on.right_keys.iter().copied()).collect();
    let kept = below.iter().flatten().count();
    let right_places = packed(&right, plan.schema.len());
    let places: Places = below
        .iter()
        .copied()
        .chain(right_places.iter().map(|place| place.map(|place| place + kept)))
        .collect();
    let at = |column: usize| places[column].expect("a needed column was kept");
    let residual = |expr: &Expr| expr.map_columns(&|i, name, t| Expr::column(at(i), name, t.clone()));
    let on = JoinOn {
        left_keys: plan.on.left_keys.iter().map(|key| at(*key)).collect(),
        right_keys: plan.on.right_keys.iter().map(|key| at(key + left_width) - kept).collect(),
        residual: plan.on.residual.as_ref().map(residual),
        ..plan.on.clone()
    };
    let mut plan = LookupJoinPlan { on, ..plan.clone() };
    plan.schema = Schema::new(right.iter().map(|column| plan.schema.fields[*column].clone()).collect());
    prune_steps(&mut plan, right);
    (Operator::LookupJoin(Box::new(plan)), places)
}

/// Leaves of the steps over the table, and of the table itself, what these columns behind them need.
fn prune_steps(plan: &mut LookupJoinPlan, mut needed: BTreeSet<usize>) {
    for step in (0..plan.steps.len()).rev() {
        let (filter, project) = &mut plan.steps[step];
        *project = needed.iter().map(|column| project[*column].clone()).collect();
        let read: BTreeSet<usize> = filter.iter().chain(&*project).flat_map(Expr::columns).collect();
        let width = match step {
            0 => plan.table.wanted.len() + plan.table.metadata.len(),
            step => plan.steps[step - 1].1.len(),
        };
        let places = packed(&read, width);
        let moved = |expr: &Expr| {
            expr.map_columns(&|i, name, t| {
                Expr::column(places[i].expect("a needed column was kept"), name, t.clone())
            })
        };
        let (filter, project) = &mut plan.steps[step];
        *filter = filter.as_ref().map(moved);
        project.iter_mut().for_each(|expr| *expr = moved(expr));
        needed = read;
    }
    let physical = plan.table.wanted.len();
    let (wanted, metadata) = (plan.table.wanted.clone(), plan.table.metadata.clone());
    plan.table.wanted = needed.iter().filter(|i| **i < physical).map(|i| wanted[*i]).collect();
    plan.table.metadata =
        needed.iter().filter_map(|i| Some(metadata[i.checked_sub(physical)?].clone())).collect();
}
