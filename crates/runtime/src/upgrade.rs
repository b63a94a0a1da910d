//! What becomes of saved state when the pipeline has changed: a comparison by operator and table, without I/O.
//!
//! Invariant: state is kept only where the table's layout is the same; nothing is given up without being told.

use std::collections::{BTreeMap, BTreeSet};
use tidemill_operators::JobInfo;
use tidemill_plan::{Operator, StreamPlan, stable_ids};
use tidemill_state::checkpoint::{Loaded, Manifest};
use tidemill_types::key::KEY_GROUPS;
use tidemill_types::{Result, Schema};

/// What happens to the state of one operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes on with what it had.
    Keep,
    /// It is there in both, but keeps other values now: it starts empty.
    Rebuild,
    /// It is new: it starts empty.
    New,
    /// A new output, which has nothing to start with.
    NewSink,
    /// The pipeline no longer has it.
    Drop,
}

impl Fate {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Fate::Keep => "keep",
            Fate::Rebuild => "rebuild",
            Fate::New | Fate::NewSink => "new",
            Fate::Drop => "drop",
        }
    }
}

/// One operator in the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorFate {
    /// Its stable name.
    pub operator: String,
    /// What happens to it.
    pub fate: Fate,
    /// The rows it holds in the checkpoint.
    pub rows: u64,
}

/// Compares a checkpoint with a plan: sources, sinks and operators with state.
pub fn compare(plan: &StreamPlan, manifest: &Manifest) -> Result<Vec<OperatorFate>> {
    let (saved, wanted) = (saved(manifest), wanted(plan)?);
    let sinks = sinks(plan);
    let names: BTreeSet<&String> = saved.keys().chain(wanted.keys()).collect();
    let fates = names.into_iter().map(|name| {
        let fate = match (saved.get(name), wanted.get(name)) {
            (Some(saved), Some(wanted)) if saved.fits(wanted) => Fate::Keep,
            (Some(_), Some(_)) => Fate::Rebuild,
            (None, _) if sinks.contains(name) => Fate::NewSink,
            (None, _) => Fate::New,
            (_, None) => Fate::Drop,
        };
        OperatorFate { operator: name.clone(), fate, rows: saved.get(name).map_or(0, |saved| saved.rows) }
    });
    Ok(fates.collect())
}

/// Takes out of a checkpoint what is not kept.
pub fn give_up(loaded: &mut Loaded, fates: &[OperatorFate]) {
    let kept = |name: &str| {
        let name = base_name(name);
        fates.iter().any(|fate| fate.operator == name && fate.fate == Fate::Keep)
    };
    loaded.tables.retain(|(operator, _), _| kept(operator));
    loaded.manifest.tables.retain(|table| kept(&table.operator));
    loaded.manifest.sources.retain(|name, _| kept(name));
}

/// The tables of an operator with their layouts.
#[derive(Debug, Default)]
struct Layout {
    tables: BTreeMap<String, u64>,
    rows: u64,
}

impl Layout {
    /// Whether rows saved in this layout are what the other one wants. A table that had no rows is not saved.
    fn fits(&self, wanted: &Layout) -> bool {
        self.tables.iter().all(|(name, schema)| wanted.tables.get(name) == Some(schema))
    }
}

fn saved(manifest: &Manifest) -> BTreeMap<String, Layout> {
    let mut operators: BTreeMap<String, Layout> = BTreeMap::new();
    for table in &manifest.tables {
        let operator = operators.entry(base_name(&table.operator).to_string()).or_default();
        operator.tables.insert(table_name(&table.table).to_string(), table.schema);
        operator.rows += table.rows;
    }
    let others = manifest.sources.keys().chain(manifest.sinks.keys());
    for name in others {
        operators.entry(name.clone()).or_default();
    }
    operators
}

fn sinks(plan: &StreamPlan) -> BTreeSet<String> {
    let nodes = plan.nodes.iter().zip(stable_ids(plan));
    nodes.filter(|(node, _)| matches!(node.operator, Operator::Sink(_))).map(|(_, name)| name).collect()
}

/// Operators without tables keep nothing and are left out.
fn wanted(plan: &StreamPlan) -> Result<BTreeMap<String, Layout>> {
    let job =
        JobInfo { zone: chrono_tz::UTC, key_groups: KEY_GROUPS, parallelism: 1, task: 0, keep_late: false };
    let mut operators = BTreeMap::new();
    for (node, name) in plan.nodes.iter().zip(stable_ids(plan)) {
        let mut layout = Layout::default();
        match &node.operator {
            Operator::Source(_) | Operator::Sink(_) => {}
            Operator::Values { .. } | Operator::Union => continue,
            _ => {
                let inputs: Vec<&Schema> = node.inputs.iter().map(|i| &plan.nodes[i.node].schema).collect();
                let mut operator = tidemill_operators::build(node, &inputs, &job)?;
                let tables = operator.tables();
                if tables.is_empty() {
                    continue;
                }
                layout.tables.extend(tables.into_iter().map(|(name, t)| (name.to_string(), t.schema_id())));
            }
        }
        operators.insert(name, layout);
    }
    Ok(operators)
}

/// The name without the fragment that a node in several fragments is told apart by.
fn base_name(operator: &str) -> &str {
    operator.split_once('@').map_or(operator, |(name, _)| name)
}

/// The name of a table without the split it belongs to.
fn table_name(table: &str) -> &str {
    table.split_once('#').map_or(table, |(name, _)| name)
}
