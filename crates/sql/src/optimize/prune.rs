//! Drops columns that nobody needs, down to the decoder, and nodes that reach no sink.
//!
//! 1. From the sinks up: which columns of each node its consumers need.
//! 2. From the sources down: each node is written anew with the columns that are left; a map from old to new
//!    indices goes with it. Operators that pass rows through keep what their input kept.

use super::{joins, lookup};
use std::collections::BTreeSet;
use tidemill_plan::stream::{EmittingWindowPlan, GroupAggregatePlan, WindowAggregatePlan};
use tidemill_plan::{
    AggregateCall, ChangelogMode, Exchange, Expr, FromChangelogPlan, Input, Node, NodeId, Operator,
    SourcePlan, StreamPlan, ToChangelogPlan, UnnestPlan, WindowKind, WindowSpec,
};
use tidemill_types::Schema;

/// New indices by old ones; `None` where the column is gone.
type Places = Vec<Option<usize>>;

pub(super) fn prune(plan: &StreamPlan) -> StreamPlan {
    let needed = needed_columns(plan);
    let mut out = StreamPlan::default();
    let mut written: Vec<Option<(NodeId, Places)>> = vec![None; plan.nodes.len()];
    for node in &plan.nodes {
        if let Some(needed) = &needed[node.id] {
            written[node.id] = Some(write_node(node, needed, &written, &mut out));
        }
    }
    out
}

/// The columns of each node that its consumers need; `None` for nodes that reach no sink.
fn needed_columns(plan: &StreamPlan) -> Vec<Option<BTreeSet<usize>>> {
    let mut needed: Vec<Option<BTreeSet<usize>>> = vec![None; plan.nodes.len()];
    for node in plan.nodes.iter().rev() {
        if matches!(node.operator, Operator::Sink(_)) {
            needed[node.id] = Some((0..node.schema.len()).collect());
        }
        let Some(of_node) = needed[node.id].clone() else { continue };
        for (port, input) in node.inputs.iter().enumerate() {
            let width = plan.nodes[input.node].schema.len();
            let mut of_input = match &node.operator {
                operator if joins::is_join(operator) => {
                    joins::needed(operator, &of_node, port, plan.nodes[node.inputs[0].node].schema.len())
                }
                _ => inputs_needed(node, &of_node, width),
            };
            if let Exchange::Hash(keys) = &input.exchange {
                of_input.extend(keys);
            }
            needed[input.node].get_or_insert_default().extend(of_input);
        }
    }
    needed
}

fn inputs_needed(node: &Node, needed: &BTreeSet<usize>, width: usize) -> BTreeSet<usize> {
    let of_exprs = |exprs: &mut dyn Iterator<Item = &Expr>| exprs.flat_map(|expr| expr.columns()).collect();
    match &node.operator {
        Operator::Source(_) | Operator::Values { .. } => BTreeSet::new(),
        Operator::Calc { filter, project } => {
            of_exprs(&mut needed.iter().map(|i| &project[*i]).chain(filter))
        }
        Operator::Expand { projections } => of_exprs(
            &mut projections.iter().flat_map(|projection| needed.iter().map(move |i| &projection[*i])),
        ),
        Operator::Watermark { watermark, time_column } => {
            needed.iter().copied().chain(watermark.columns()).chain([*time_column]).collect()
        }
        Operator::WindowAssign(window) => {
            needed.iter().copied().filter(|i| *i < width).chain(window_columns(window)).collect()
        }
        Operator::WindowAggregate(plan) | Operator::EmittingWindow(EmittingWindowPlan { base: plan, .. }) => {
            plan.keys
                .iter()
                .copied()
                .chain(call_columns(&plan.aggregates))
                .chain(window_columns(&plan.window))
                .collect()
        }
        Operator::GroupAggregate(plan) => {
            plan.keys.iter().copied().chain(call_columns(&plan.aggregates)).collect()
        }
        Operator::Union | Operator::DropUpdateBefore | Operator::Limit { .. } => needed.clone(),
        Operator::ChangelogNormalize { keys } => needed.iter().chain(keys).copied().collect(),
        Operator::TopN(_)
        | Operator::WindowTopN(_)
        | Operator::Deduplicate(_)
        | Operator::TimeSort(_)
        | Operator::Over(_) => super::ranked::needed(&node.operator, needed, width),
        Operator::MatchRecognize(plan) => plan.columns().collect(),
        Operator::Join(_)
        | Operator::IntervalJoin(_)
        | Operator::WindowJoin(_)
        | Operator::TemporalJoin(_) => unreachable!("a join's inputs are told apart before"),
        Operator::LookupJoin(plan) => lookup::needed(plan, needed, width),
        Operator::Unnest(plan) => {
            let kept = needed.iter().filter_map(|i| plan.kept.get(*i));
            kept.copied().chain([plan.collection]).collect()
        }
        Operator::ToChangelog(plan) => {
            needed.iter().filter_map(|i| i.checked_sub(1)).map(|i| plan.kept[i]).collect()
        }
        Operator::FromChangelog(plan) => needed.iter().map(|i| plan.kept[*i]).chain([plan.op]).collect(),
        Operator::SetOperation(_)
        | Operator::SinkMaterialize { .. }
        | Operator::SinkCompact(_)
        | Operator::Sink(_) => (0..width).collect(),
    }
}

fn call_columns(calls: &[AggregateCall]) -> impl Iterator<Item = usize> {
    calls.iter().flat_map(|call| call.args.iter().copied().chain(call.filter))
}

fn window_columns(window: &WindowSpec) -> Vec<usize> {
    let mut columns = vec![window.time_column];
    match &window.kind {
        WindowKind::Session { partition, .. } => columns.extend(partition),
        WindowKind::Attached { start, end } => columns.extend([*start, *end]),
        _ => {}
    }
    columns
}

fn write_node(
    node: &Node,
    needed: &BTreeSet<usize>,
    written: &[Option<(NodeId, Places)>],
    out: &mut StreamPlan,
) -> (NodeId, Places) {
    let below: Vec<&(NodeId, Places)> = node
        .inputs
        .iter()
        .map(|input| written[input.node].as_ref().expect("inputs of a needed node are needed"))
        .collect();
    if matches!(node.operator, Operator::Union) {
        return write_union(node, needed, &below, out);
    }
    if joins::is_join(&node.operator) {
        return write_join(node, &below, out);
    }
    let of_input = below.first().map_or(&[][..], |(_, places)| places.as_slice());
    let (operator, places) = write_operator(&node.operator, needed, of_input, node.schema.len());
    let inputs = node
        .inputs
        .iter()
        .zip(&below)
        .map(|(input, (id, places))| Input { node: *id, exchange: write_exchange(&input.exchange, places) })
        .collect();
    (out.push(renewed(node, operator, inputs, &places)), places)
}

fn renewed(node: &Node, operator: Operator, inputs: Vec<Input>, places: &Places) -> Node {
    let kept = node.schema.fields.iter().zip(places).filter(|(_, place)| place.is_some());
    let schema = Schema::new(kept.map(|(field, _)| field.clone()).collect());
    let upsert_key = node
        .upsert_key
        .as_ref()
        .and_then(|key| key.iter().map(|column| places[*column]).collect::<Option<Vec<_>>>());
    Node { id: 0, uid: String::new(), operator, inputs, schema, changelog: node.changelog, upsert_key }
}

fn write_exchange(exchange: &Exchange, places: &Places) -> Exchange {
    match exchange {
        Exchange::Hash(keys) => Exchange::Hash(keys.iter().map(|key| at(places, *key)).collect()),
        other => other.clone(),
    }
}

fn at(places: &[Option<usize>], column: usize) -> usize {
    places[column].expect("a needed column was kept")
}

/// The places of exactly the needed columns.
pub(super) fn packed(needed: &BTreeSet<usize>, width: usize) -> Places {
    let mut places = vec![None; width];
    needed.iter().enumerate().for_each(|(place, column)| places[*column] = Some(place));
    places
}

fn write_operator(
    operator: &Operator,
    needed: &BTreeSet<usize>,
    below: &[Option<usize>],
    width: usize,
) -> (Operator, Places) {
    let expr =
        |expr: &Expr| expr.map_columns(&|index, name, t| Expr::column(at(below, index), name, t.clone()));
    let identity = |width: usize| (0..width).map(Some).collect::<Places>();
    match operator {
        Operator::Source(source) => (Operator::Source(write_source(source, needed)), packed(needed, width)),
        Operator::Values { columns, rows } => {
            let columns = needed.iter().map(|i| columns[*i].clone()).collect();
            (Operator::Values { columns, rows: *rows }, packed(needed, width))
        }
        Operator::Calc { filter, project } => {
            let project = needed.iter().map(|i| expr(&project[*i])).collect();
            (Operator::Calc { filter: filter.as_ref().map(expr), project }, packed(needed, width))
        }
        Operator::Expand { projections } => {
            let projections =
                projections.iter().map(|list| needed.iter().map(|i| expr(&list[*i])).collect()).collect();
            (Operator::Expand { projections }, packed(needed, width))
        }
        Operator::Watermark { watermark, time_column } => {
            let operator =
                Operator::Watermark { watermark: expr(watermark), time_column: at(below, *time_column) };
            (operator, below.to_vec())
        }
        Operator::WindowAssign(window) => {
            let kept = below.iter().flatten().count();
            let places = below.iter().copied().chain((kept..kept + 3).map(Some)).collect();
            (Operator::WindowAssign(write_window(window, below)), places)
        }
        Operator::WindowAggregate(plan) => {
            (Operator::WindowAggregate(write_window_aggregate(plan, below)), identity(width))
        }
        Operator::EmittingWindow(plan) => {
            let base = write_window_aggregate(&plan.base, below);
            (Operator::EmittingWindow(EmittingWindowPlan { base, ..plan.clone() }), identity(width))
        }
        Operator::GroupAggregate(plan) => {
            let plan = GroupAggregatePlan {
                keys: plan.keys.iter().map(|key| at(below, *key)).collect(),
                aggregates: write_calls(&plan.aggregates, below),
                ..plan.clone()
            };
            (Operator::GroupAggregate(plan), identity(width))
        }
        Operator::TopN(_)
        | Operator::WindowTopN(_)
        | Operator::Deduplicate(_)
        | Operator::TimeSort(_)
        | Operator::Over(_) => super::ranked::written(operator, needed, below),
        Operator::ToChangelog(plan) => write_to_changelog(plan, needed, below, width),
        Operator::FromChangelog(plan) => {
            let kept = needed.iter().map(|i| at(below, plan.kept[*i])).collect();
            let plan = FromChangelogPlan { op: at(below, plan.op), kept, ..plan.clone() };
            (Operator::FromChangelog(plan), packed(needed, width))
        }
        Operator::LookupJoin(plan) => lookup::written(plan, needed, below),
        Operator::Unnest(plan) => write_unnest(plan, needed, below, width),
        Operator::ChangelogNormalize { keys } => {
            let keys = keys.iter().map(|key| at(below, *key)).collect();
            (Operator::ChangelogNormalize { keys }, below.to_vec())
        }
        Operator::Union
        | Operator::DropUpdateBefore
        | Operator::Limit { .. }
        | Operator::SetOperation(_)
        | Operator::SinkMaterialize { .. }
        | Operator::SinkCompact(_)
        | Operator::Sink(_) => (operator.clone(), below.to_vec()),
        Operator::MatchRecognize(plan) => {
            let plan = plan.with_columns(|column| at(below, column));
            (Operator::MatchRecognize(Box::new(plan)), identity(width))
        }
        Operator::Join(_)
        | Operator::IntervalJoin(_)
        | Operator::WindowJoin(_)
        | Operator::TemporalJoin(_) => unreachable!("a join is written with both its inputs"),
    }
}

fn write_source(source: &SourcePlan, needed: &BTreeSet<usize>) -> SourcePlan {
    let mut source = source.clone();
    let physical = source.wanted.len();
    let metadata = std::mem::take(&mut source.metadata);
    source.wanted = needed.iter().filter(|i| **i < physical).map(|i| source.wanted[*i]).collect();
    source.metadata =
        needed.iter().filter(|i| **i >= physical).map(|i| metadata[*i - physical].clone()).collect();
    source
}

/// The operation's column is always given.
fn write_to_changelog(
    plan: &ToChangelogPlan,
    needed: &BTreeSet<usize>,
    below: &[Option<usize>],
    width: usize,
) -> (Operator, Places) {
    let mut needed = needed.clone();
    needed.insert(0);
    let kept = needed.iter().filter_map(|i| i.checked_sub(1)).map(|i| at(below, plan.kept[i])).collect();
    let plan = ToChangelogPlan { kept, ..plan.clone() };
    (Operator::ToChangelog(plan), packed(&needed, width))
}

/// The columns of the elements are always given.
fn write_unnest(
    plan: &UnnestPlan,
    needed: &BTreeSet<usize>,
    below: &[Option<usize>],
    width: usize,
) -> (Operator, Places) {
    let columns = (0..plan.kept.len()).filter(|i| needed.contains(i)).collect::<Vec<_>>();
    let elements = plan.kept.len()..width;
    let mut places: Places = vec![None; width];
    let given = columns.iter().copied().chain(elements).enumerate();
    given.for_each(|(place, column)| places[column] = Some(place));
    let kept = columns.iter().map(|i| at(below, plan.kept[*i])).collect();
    let plan = UnnestPlan { collection: at(below, plan.collection), kept, ..plan.clone() };
    (Operator::Unnest(plan), places)
}

fn write_window_aggregate(plan: &WindowAggregatePlan, below: &[Option<usize>]) -> WindowAggregatePlan {
    WindowAggregatePlan {
        window: write_window(&plan.window, below),
        keys: plan.keys.iter().map(|key| at(below, *key)).collect(),
        aggregates: write_calls(&plan.aggregates, below),
        ..plan.clone()
    }
}

fn write_window(window: &WindowSpec, below: &[Option<usize>]) -> WindowSpec {
    let kind = match &window.kind {
        WindowKind::Session { gap, partition } => WindowKind::Session {
            gap: *gap,
            partition: partition.iter().map(|column| at(below, *column)).collect(),
        },
        WindowKind::Attached { start, end } => {
            WindowKind::Attached { start: at(below, *start), end: at(below, *end) }
        }
        other => other.clone(),
    };
    WindowSpec { kind, time_column: at(below, window.time_column), ..window.clone() }
}

fn write_calls(calls: &[AggregateCall], below: &[Option<usize>]) -> Vec<AggregateCall> {
    calls
        .iter()
        .map(|call| AggregateCall {
            args: call.args.iter().map(|arg| at(below, *arg)).collect(),
            filter: call.filter.map(|filter| at(below, filter)),
            ..call.clone()
        })
        .collect()
}

/// A join gives what its inputs kept, the right columns behind the left ones.
fn write_join(node: &Node, below: &[&(NodeId, Places)], out: &mut StreamPlan) -> (NodeId, Places) {
    let (operator, places) = joins::written(&node.operator, [&below[0].1, &below[1].1]);
    let inputs = node
        .inputs
        .iter()
        .zip(below)
        .map(|(input, (id, places))| Input { node: *id, exchange: write_exchange(&input.exchange, places) })
        .collect();
    (out.push(renewed(node, operator, inputs, &places)), places)
}

/// A union's inputs must have the very same columns: those that kept more are projected.
fn write_union(
    node: &Node,
    needed: &BTreeSet<usize>,
    below: &[&(NodeId, Places)],
    out: &mut StreamPlan,
) -> (NodeId, Places) {
    let places = packed(needed, node.schema.len());
    let mut inputs = Vec::with_capacity(below.len());
    for (id, kept) in below {
        let same = **kept == places;
        let id = if same { *id } else { project_to(*id, kept, needed, node, out) };
        inputs.push(Input { node: id, exchange: Exchange::Forward });
    }
    (out.push(renewed(node, Operator::Union, inputs, &places)), places)
}

fn project_to(
    id: NodeId,
    kept: &Places,
    needed: &BTreeSet<usize>,
    union: &Node,
    out: &mut StreamPlan,
) -> NodeId {
    let project = needed
        .iter()
        .map(|column| {
            let place = at(kept, *column);
            let field = &out.nodes[id].schema.fields[place];
            Expr::column(place, field.name.clone(), field.data_type.clone())
        })
        .collect();
    let schema = Schema::new(needed.iter().map(|column| union.schema.fields[*column].clone()).collect());
    let changelog: ChangelogMode = out.nodes[id].changelog;
    out.push(Node {
        id: 0,
        uid: String::new(),
        operator: Operator::Calc { filter: None, project },
        inputs: vec![Input { node: id, exchange: Exchange::Forward }],
        schema,
        changelog,
        upsert_key: None,
    })
}
