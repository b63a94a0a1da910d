//! Names of operators that stay the same when other parts of a pipeline change.
//!
//! 1. A source is named after its table, a sink after the table it writes.
//! 2. Any other operator is named by what it does, the tables that reach it, the names of the columns by which its
//!    rows are divided, and its own text without column numbers; of that a short hash.
//! 3. Operators of which all that is the same are counted in plan order.
//!
//! So filters, computed columns, other outputs and renamed results leave the name of an aggregation alone, and a
//! changed key or function gives it a new one. Invariant: names are part of checkpoints; the rules are changed only
//! with a migration of those.

use crate::{Exchange, Node, Operator, SinkTarget, StreamPlan};
use std::collections::{BTreeMap, BTreeSet};
use tidemill_types::key::hash;

/// The stable names of all nodes of a plan, by id.
pub fn stable_ids(plan: &StreamPlan) -> Vec<String> {
    let mut tables: Vec<BTreeSet<String>> = Vec::with_capacity(plan.nodes.len());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let mut reached: BTreeSet<String> =
            node.inputs.iter().flat_map(|input| tables[input.node].iter().cloned()).collect();
        if let Operator::Source(source) = &node.operator {
            reached.insert(source.table.clone());
        }
        let name = name(plan, node, &reached);
        tables.push(reached);
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        names.push(if *count == 1 { name } else { format!("{name}.{count}") });
    }
    names
}

fn name(plan: &StreamPlan, node: &Node, tables: &BTreeSet<String>) -> String {
    match &node.operator {
        Operator::Source(source) => format!("source-{}", source.table),
        Operator::Sink(sink) => match &sink.target {
            SinkTarget::Table { table, .. } => format!("sink-{table}"),
            SinkTarget::Collect => "sink-query".to_string(),
        },
        operator => {
            let mut what = tables.iter().cloned().collect::<Vec<_>>().join(",");
            for input in &node.inputs {
                if let Exchange::Hash(keys) = &input.exchange {
                    let fields = &plan.nodes[input.node].schema.fields;
                    let keys = keys.iter().filter_map(|&key| fields.get(key));
                    keys.for_each(|field| what.push_str(&format!("|{}", field.name)));
                }
            }
            if keeps_state(operator) {
                what.push_str(&without_numbers(&operator.text()));
            }
            let name = operator.name().replace(' ', "-");
            format!("{name}-{:08x}", hash(what.as_bytes()) >> 32)
        }
    }
}

/// Whether its own text belongs to its name: what a filter or projection says does not.
fn keeps_state(operator: &Operator) -> bool {
    !matches!(operator, Operator::Calc { .. } | Operator::Watermark { .. } | Operator::Expand { .. })
}

/// The text without the numbers of columns, which change when a column is added in front.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_hash = false;
    for letter in text.chars() {
        after_hash = letter == '#' || (after_hash && letter.is_ascii_digit());
        if !after_hash || letter == '#' {
            out.push(letter);
        }
    }
    out
}
