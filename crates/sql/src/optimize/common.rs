//! Calls of functions on text that a projection or filter repeats are computed once, by a projection below it.
//!
//! 1. A call is taken out if it stands there at least twice, at least once where every row computes it: not in a later
//!    condition of CASE, not behind the first term of AND or OR; with a filter, in the filter.
//! 2. It must give the same each time and can't fail, so that it may be computed for rows that did without it.
//! 3. Larger calls go first; what is left is looked at again.

use crate::bind::fingerprint;
use std::collections::BTreeMap;
use tidemill_plan::{Exchange, Expr, Input, Node, NodeId, Operator, StreamPlan};
use tidemill_types::{Field, Schema, TypeKind};

/// So many calls of one projection are taken out.
const TAKEN_OUT_MAX: usize = 16;

/// How often a call stands somewhere.
struct Seen<'e> {
    expr: &'e Expr,
    count: usize,
    /// Whether all rows compute it anyway.
    always: bool,
}

pub(super) fn take_out(plan: &StreamPlan) -> StreamPlan {
    let (mut out, mut places): (StreamPlan, Vec<NodeId>) = (StreamPlan::default(), Vec::new());
    for node in &plan.nodes {
        let mut node = node.clone();
        node.inputs.iter_mut().for_each(|input| input.node = places[input.node]);
        if let Some(lower) = split(&mut node, &out) {
            let lower = out.push(lower);
            node.inputs = vec![Input { node: lower, exchange: Exchange::Forward }];
        }
        places.push(out.push(node));
    }
    out
}

/// The node below that computes what the node repeats, which then reads it.
fn split(node: &mut Node, plan: &StreamPlan) -> Option<Node> {
    let Operator::Calc { filter, project } = &mut node.operator else { return None };
    let input = &plan.nodes[node.inputs.first()?.node];
    let width = input.schema.len();
    let mut taken: Vec<Expr> = Vec::new();
    while taken.len() < TAKEN_OUT_MAX
        && let Some(call) = repeated(filter.as_ref(), project)
    {
        let print = fingerprint(&call);
        let column = Expr::column(width + taken.len(), call.to_string(), call.data_type());
        filter.iter_mut().chain(project.iter_mut()).for_each(|expr| replace(expr, &print, &column));
        taken.push(call);
    }
    if taken.is_empty() {
        return None;
    }
    let mut fields = input.schema.fields.clone();
    fields.extend(taken.iter().map(|call| Field::new(call.to_string(), call.data_type())));
    let columns = input.schema.fields.iter().enumerate();
    let mut all: Vec<Expr> =
        columns.map(|(i, field)| Expr::column(i, &field.name, field.data_type.clone())).collect();
    all.extend(taken);
    Some(Node {
        id: 0,
        uid: String::new(),
        operator: Operator::Calc { filter: None, project: all },
        inputs: node.inputs.clone(),
        schema: Schema::new(fields),
        changelog: input.changelog,
        upsert_key: input.upsert_key.clone(),
    })
}

/// The largest call that is worth to be taken out.
fn repeated(filter: Option<&Expr>, project: &[Expr]) -> Option<Expr> {
    let mut seen = BTreeMap::new();
    filter.into_iter().for_each(|filter| see(filter, true, &mut seen));
    let filtered = filter.is_some();
    project.iter().for_each(|expr| see(expr, !filtered, &mut seen));
    let repeated = seen.into_iter().filter(|(_, seen)| seen.count > 1 && seen.always);
    repeated.max_by_key(|(print, _)| print.len()).map(|(_, seen)| seen.expr.clone())
}

fn see<'e>(expr: &'e Expr, always: bool, seen: &mut BTreeMap<String, Seen<'e>>) {
    if is_costly(expr) && is_safe(expr) {
        let entry = seen.entry(fingerprint(expr)).or_insert(Seen { expr, count: 0, always: false });
        entry.count += 1;
        entry.always |= always;
    }
    let all_parts = matches!(expr, Expr::Call { .. });
    for (at, part) in expr.children().into_iter().enumerate() {
        see(part, always && (all_parts || at == 0), seen);
    }
}

/// Whether it is a function, not an operator, that takes or gives text.
fn is_costly(expr: &Expr) -> bool {
    let Expr::Call { name, args, data_type, .. } = expr else { return false };
    let text = |kind: &TypeKind| matches!(kind, TypeKind::Char(_) | TypeKind::Varchar(_));
    name.starts_with(char::is_alphabetic)
        && name != "FIELD"
        && (text(&data_type.kind) || args.iter().any(|arg| text(&arg.data_type().kind)))
}

/// Whether it gives the same each time and can't fail, with all its parts.
fn is_safe(expr: &Expr) -> bool {
    let own = match expr {
        Expr::Call { kernel, .. } => kernel.infallible() && !kernel.volatile(),
        _ => true,
    };
    own && expr.children().into_iter().all(is_safe)
}

fn replace(expr: &mut Expr, print: &str, column: &Expr) {
    if matches!(expr, Expr::Call { .. }) && fingerprint(expr) == print {
        *expr = column.clone();
        return;
    }
    match expr {
        Expr::Column { .. } | Expr::Literal { .. } => {}
        Expr::Call { args, .. } | Expr::And(args) | Expr::Or(args) | Expr::Coalesce { args, .. } => {
            args.iter_mut().for_each(|arg| replace(arg, print, column));
        }
        Expr::Case { branches, otherwise, .. } => {
            for (condition, result) in branches {
                replace(condition, print, column);
                replace(result, print, column);
            }
            replace(otherwise, print, column);
        }
    }
}
