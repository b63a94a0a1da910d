//! The state of a pipeline's operators as its last checkpoint holds it, in text, for people.
//!
//! Reads only and takes no lock. Keys have the names and types that the plan knows; values are those that the
//! operators keep, which are not always those that a query gives.

use crate::engine::job_name;
use crate::{Engine, EngineError, Script};
use serde::Serialize;
use tidemill_format::write_display;
use tidemill_runtime::{SavedTable, saved_entries};
use tidemill_sql::{Job, Outcome};
use tidemill_state::SlotCells;
use tidemill_state::checkpoint::StateFolder;
use tidemill_state::entries::Entry;
use tidemill_types::key::{decode, is_key};
use tidemill_types::{Cells, Error, Schema};

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct StateQuery {
    /// Only of the operator with this name.
    pub operator: Option<String>,
    /// Only with these values (as text) in these columns of the key.
    pub key: Vec<(String, String)>,
    /// At most so many; further ones are counted.
    pub limit: usize,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct StateRows {
    /// The first entries.
    pub rows: Vec<StateRow>,
    /// How many there are.
    pub found: u64,
    /// What could not be shown, and newer checkpoints that were passed over.
    pub notices: Vec<String>,
}

/// One entry of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateRow {
    /// The job.
    pub job: String,
    /// The checkpoint it comes from.
    pub epoch: u64,
    /// The name of the operator.
    pub operator: String,
    /// What the operator is.
    pub kind: String,
    /// The name of the table.
    pub table: String,
    /// The columns of the key.
    pub key: Vec<StateValue>,
    /// What belongs to it.
    pub values: Vec<StateValue>,
}

/// A named value as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateValue {
    /// What it is.
    pub name: String,
    /// Its text.
    pub value: String,
}

impl Engine {
    /// The state that the jobs of a script have in their last checkpoints in a state folder; nothing is run.
    pub fn state_rows(
        &mut self,
        script: &Script,
        location: &str,
        query: &StateQuery,
    ) -> Result<StateRows, EngineError> {
        let folder = StateFolder::inspect(location)?;
        let waiting = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let waiting = waiting.map_err(|error| Error::external(format!("can't start threads: {error}")))?;
        let (mut out, mut names, mut operators) = (StateRows::default(), Vec::new(), Vec::new());
        for index in 0..script.len() {
            let Outcome::Job(job) = self.run(script, index)? else { continue };
            let base = job_name(&job);
            let name = match names.iter().filter(|name| **name == base).count() {
                0 => base.clone(),
                count => format!("{base}-{}", count + 1),
            };
            names.push(base);
            let Some(loaded) = waiting.block_on(folder.job(&name)?.load())? else {
                out.notices.push(format!("job '{name}' has no checkpoint"));
                continue;
            };
            operators.extend(loaded.manifest.tables.iter().map(|table| table.operator.clone()));
            let skipped = loaded.skipped.iter();
            out.notices.extend(skipped.map(|(epoch, why)| format!("checkpoint {epoch} of '{name}': {why}")));
            self.gather(&job, &name, &loaded, query, &mut out)?;
        }
        check_operator(query, operators)?;
        Ok(out)
    }

    fn gather(
        &self,
        job: &Job,
        name: &str,
        loaded: &tidemill_state::checkpoint::Loaded,
        query: &StateQuery,
        out: &mut StateRows,
    ) -> Result<(), EngineError> {
        let zone = self.zone();
        let wanted = |operator: &str| query.operator.as_ref().is_none_or(|only| only == operator);
        let each = &mut |table: &SavedTable<'_>, entry: &Entry<'_>| {
            let key = entry.key.map(|key| columns(table.key.as_ref(), "key", key, zone)).unwrap_or_default();
            let has = |(name, value): &(String, String)| {
                key.iter().any(|column| column.name == *name && column.value == *value)
            };
            if !query.key.iter().all(has) {
                return;
            }
            out.found += 1;
            if out.rows.len() < query.limit {
                out.rows.push(StateRow {
                    job: name.to_owned(),
                    epoch: loaded.manifest.epoch,
                    operator: table.operator.to_owned(),
                    kind: table.kind.to_owned(),
                    table: table.table.to_owned(),
                    key,
                    values: values(table, entry, zone),
                });
            }
        };
        Ok(saved_entries(&job.plan, loaded, zone, &wanted, each)?)
    }
}

fn check_operator(query: &StateQuery, mut operators: Vec<String>) -> Result<(), EngineError> {
    operators.sort();
    operators.dedup();
    match &query.operator {
        Some(only) if !operators.contains(only) => Err(Error::user_hint(
            format!("there is no state of an operator '{only}'"),
            format!("there is that of {}", operators.join(", ")),
        )
        .into()),
        _ => Ok(()),
    }
}

fn values(table: &SavedTable<'_>, entry: &Entry<'_>, zone: chrono_tz::Tz) -> Vec<StateValue> {
    let mut values = Vec::new();
    values.extend(entry.numbers.iter().map(|(name, number)| value(name, number.to_string())));
    values.extend(entry.sort_key.map(|bytes| value("sort key", bytes_text(bytes))));
    if let Some(row) = entry.row {
        values.extend(columns(table.row.as_ref(), "row", row, zone));
    }
    if let Some((cells, slot)) = entry.cells {
        values.extend(cell_values(cells, slot));
    }
    values
}

fn value(name: &str, value: String) -> StateValue {
    StateValue { name: name.to_owned(), value }
}

/// The columns of encoded bytes, or the bytes where the plan says nothing that fits them.
fn columns(schema: Option<&Schema>, otherwise: &str, bytes: &[u8], zone: chrono_tz::Tz) -> Vec<StateValue> {
    let fields = schema.map(|schema| schema.fields.as_slice()).unwrap_or_default();
    let types: Vec<_> = fields.iter().map(|field| field.data_type.clone()).collect();
    if schema.is_none() || !is_key(&types, bytes) {
        return vec![value(otherwise, bytes_text(bytes))];
    }
    let columns = decode(&types, [bytes]);
    let column = |(field, column): (&tidemill_types::Field, &tidemill_types::ArrayRef)| {
        let mut text = Vec::new();
        write_display(column.as_ref(), &field.data_type, 0, zone, &mut text);
        value(&field.name, String::from_utf8_lossy(&text).into_owned())
    };
    fields.iter().zip(&columns).map(column).collect()
}

fn cell_values(cells: &SlotCells, slot: u32) -> Vec<StateValue> {
    let values = cells.cells.iter().enumerate();
    let values =
        values.map(|(at, column)| value(&format!("cell {}", at + 1), cell_text(column, slot as usize)));
    let sets = cells.sets.iter().enumerate().map(|(at, set)| {
        let entries = set.entries(slot).count();
        value(&format!("distinct {}", at + 1), format!("{entries} values"))
    });
    values.chain(sets).collect()
}

fn cell_text(cells: &Cells, at: usize) -> String {
    match cells {
        Cells::I64(values) => values[at].to_string(),
        Cells::I128(values) => values[at].to_string(),
        Cells::F64(values) => values[at].to_string(),
        Cells::Bytes(values) => values[at].as_deref().map_or_else(|| "NULL".to_owned(), bytes_text),
        Cells::Multiset(values) => format!("{} values", values[at].len()),
    }
}

/// Bytes as hexadecimal digits.
fn bytes_text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}
