//! Reads the tables of a checkpoint with the plan that made them, for people who look into it.

use super::Restored;
use tidemill_operators::{JobInfo, build, build_global};
use tidemill_plan::{Exchange, Node, Operator, StreamPlan, stable_ids};
use tidemill_state::checkpoint::Loaded;
use tidemill_state::entries::Entry;
use tidemill_types::key::KEY_GROUPS;
use tidemill_types::{Result, Schema};

/// A table of a checkpoint with what the plan knows of it.
pub struct SavedTable<'a> {
    /// The operator's stable name, with that of its fragment if it runs in several.
    pub operator: &'a str,
    /// What the operator is.
    pub kind: &'static str,
    /// The name of the table.
    pub table: &'a str,
    /// The columns of its keys; none if the plan does not say.
    pub key: Option<Schema>,
    /// The columns of whole rows that it may hold.
    pub row: Option<Schema>,
}

/// Gives every entry of the tables of a checkpoint that the plan still has, in the order of their names; `wanted` says
/// which operators. Timers and other values without a key are entries too.
pub fn saved_entries(
    plan: &StreamPlan,
    loaded: &Loaded,
    zone: chrono_tz::Tz,
    wanted: &dyn Fn(&str) -> bool,
    each: &mut dyn FnMut(&SavedTable<'_>, &Entry<'_>),
) -> Result<()> {
    let ids = stable_ids(plan);
    let mut operators: Vec<&str> = loaded.tables.keys().map(|(operator, _)| operator.as_str()).collect();
    operators.dedup();
    for operator in operators.into_iter().filter(|operator| wanted(operator)) {
        let uid = operator.split('@').next().unwrap_or(operator);
        let Some(at) = ids.iter().position(|id| id == uid) else { continue };
        let node = &plan.nodes[at];
        for second_phase in [false, true] {
            let restored = Restored::new(loaded.clone())?;
            match read(plan, node, operator, second_phase, (&restored, zone), each) {
                // The two phases of a window aggregate keep different tables under names that do not tell.
                Err(_) if !second_phase && matches!(node.operator, Operator::WindowAggregate(_)) => {}
                result => {
                    result?;
                    break;
                }
            }
        }
    }
    Ok(())
}

fn read(
    plan: &StreamPlan,
    node: &Node,
    name: &str,
    second_phase: bool,
    (restored, zone): (&Restored, chrono_tz::Tz),
    each: &mut dyn FnMut(&SavedTable<'_>, &Entry<'_>),
) -> Result<()> {
    let inputs: Vec<&Schema> = node.inputs.iter().map(|input| &plan.nodes[input.node].schema).collect();
    let job = JobInfo { zone, key_groups: KEY_GROUPS, parallelism: 1, task: 0, keep_late: false };
    let mut operator = match &node.operator {
        Operator::WindowAggregate(window) if second_phase => build_global(window, inputs[0], &job)?,
        _ => build(node, &inputs, &job)?,
    };
    let mut tables = operator.tables();
    for (table, state) in &mut tables {
        restored.restore(name, table, &mut **state, 0..KEY_GROUPS)?;
    }
    for (table, state) in tables {
        let port = usize::from(table == "right");
        let saved = SavedTable {
            operator: name,
            kind: node.operator.name(),
            table,
            key: key_of(node, &inputs, port),
            row: matches!(node.operator, Operator::Join(_)).then(|| inputs[port].clone()),
        };
        state.each_entry(&mut |entry| each(&saved, &entry));
    }
    Ok(())
}

/// The key of an operator's tables: the columns its rows are divided by.
fn key_of(node: &Node, inputs: &[&Schema], port: usize) -> Option<Schema> {
    let columns = match (&node.operator, &node.inputs.get(port)?.exchange) {
        (Operator::GroupAggregate(plan), _) => &plan.keys,
        (Operator::WindowAggregate(plan), _) => &plan.keys,
        (_, Exchange::Hash(columns)) => columns,
        _ => return None,
    };
    let fields = columns.iter().map(|&column| inputs[port].fields[column].clone());
    Some(Schema::new(fields.collect()))
}
