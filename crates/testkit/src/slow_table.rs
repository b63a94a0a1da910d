//! The connectors `slow-table` and `slow-records`: a table in memory that is asked by key. A seed decides how long each
//! answer takes and which calls fail; the same seed gives the same run, in a simulation too.
//!
//! `slow-table` answers with rows, `slow-records` with records for the table's format (csv, in the order of the
//! table's columns). Tests can change what a table holds and see what it was asked.

use crate::random::Random;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemill_connector::{
    Connector, FetchedBlob, Found, Lookup, LookupRequest, Lookups, OpenLookup, Place, TableRequest,
};
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::{Int32Type, Int64Type};
use tidemill_types::arrow::{ArrayRef, Int32Array, Int64Array, StringViewArray};
use tidemill_types::{Blob, Chunk, DataType, Error, OptionKind, OptionSpec, Result, TypeKind};

const NAME: OptionSpec = OptionSpec::new("name", OptionKind::Text, "which table").required();
const SEED: OptionSpec =
    OptionSpec::new("seed", OptionKind::Integer, "decides delays and failures").default("0");
const DELAY: OptionSpec =
    OptionSpec::new("delay-ms-max", OptionKind::Integer, "the longest delay").default("0");
const FAIL: OptionSpec =
    OptionSpec::new("fail-one-in", OptionKind::Integer, "which calls fail; 0: none").default("0");
const KEYS: OptionSpec = OptionSpec::new("keys-max", OptionKind::Integer, "keys in a call").default("8");
const CALLS: OptionSpec = OptionSpec::new("calls-max", OptionKind::Integer, "calls at a time").default("4");
const ONLY: OptionSpec = OptionSpec::new("only-key", OptionKind::Text, "the one column that may be a key");

/// The connector that answers with rows.
pub const SLOW_TABLE: Connector = Connector {
    name: "slow-table",
    summary: "a table in memory that is asked by key",
    options: &[NAME, SEED, DELAY, FAIL, KEYS, CALLS, ONLY],
    formatted: false,
    finds_fields_by_name: false,
    metadata: &[],
    sink_takes_changes: false,
    sink_skips_update_before: false,
    upserts: false,
    bounded: |_| false,
    check: |_| Ok(()),
    source: None,
    sink: None,
    lookups: Lookups { keys, open: Some(|request| open(request, false)), ..Lookups::NONE },
    single_task_sink: false,
};

/// The connector that answers with records.
pub const SLOW_RECORDS: Connector = Connector {
    name: "slow-records",
    formatted: true,
    lookups: Lookups { keys, open: Some(|request| open(request, true)), ..Lookups::NONE },
    ..SLOW_TABLE
};

/// A row: the text of each column, `None` for NULL.
pub type Row = Vec<Option<String>>;

#[derive(Debug, Default)]
struct Contents {
    rows: Vec<Row>,
    /// The keys that were asked for, in the order of the calls.
    asked: Vec<Vec<String>>,
    calls: u64,
}

static TABLES: Mutex<BTreeMap<String, Contents>> = Mutex::new(BTreeMap::new());

fn tables() -> MutexGuard<'static, BTreeMap<String, Contents>> {
    TABLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a table hold these rows: columns parted by commas, `-` for NULL.
pub fn fill<'a>(name: &str, rows: impl IntoIterator<Item = &'a str>) {
    let field = |text: &str| (text != "-").then(|| text.to_string());
    let rows = rows.into_iter().map(|row| row.split(',').map(field).collect()).collect();
    tables().entry(name.to_string()).or_default().rows = rows;
}

/// The keys that a table was asked for so far, columns parted by commas.
pub fn asked(name: &str) -> Vec<String> {
    tables().get(name).map_or_else(Vec::new, |table| table.asked.iter().map(|key| key.join(",")).collect())
}

/// Forgets a table.
pub fn forget(name: &str) {
    tables().remove(name);
}

/// Only one column may be a key, if an option says so.
fn keys(request: &LookupRequest<'_>) -> Result<Vec<usize>> {
    let name = |column: &usize| request.table.schema.fields[*column].name.as_str();
    let Some(only) = request.table.options.text(&ONLY) else { return Ok((0..request.keys.len()).collect()) };
    let found: Vec<usize> = (0..request.keys.len()).filter(|at| name(&request.keys[*at]) == only).collect();
    match found.is_empty() {
        true => Err(Error::user(format!("table '{}' can only be asked by '{only}'", request.table.table))),
        false => Ok(found),
    }
}

fn open(request: &LookupRequest<'_>, records: bool) -> Result<OpenLookup> {
    let number = |spec: &OptionSpec| -> Result<u64> {
        let value = request.table.options.integer(spec)?.unwrap_or_default();
        u64::try_from(value).map_err(|_| Error::user(format!("option '{}' must not be negative", spec.key)))
    };
    let TableRequest { options, schema, wanted, .. } = &request.table;
    let table = SlowTable {
        name: options.text(&NAME).unwrap_or_default().to_string(),
        seed: number(&SEED)?,
        delay_ms_max: number(&DELAY)?,
        fail_one_in: number(&FAIL)?,
        keys: request.keys.to_vec(),
        wanted: wanted.to_vec(),
        types: schema.types().cloned().collect(),
        records,
    };
    let keys_max = (number(&KEYS)? as usize).max(1);
    Ok(OpenLookup { lookup: Arc::new(table), keys_max, calls_max: (number(&CALLS)? as usize).max(1) })
}

struct SlowTable {
    name: String,
    seed: u64,
    delay_ms_max: u64,
    fail_one_in: u64,
    keys: Vec<usize>,
    wanted: Vec<usize>,
    types: Vec<DataType>,
    records: bool,
}

#[async_trait::async_trait]
impl Lookup for SlowTable {
    async fn lookup(&self, keys: &Chunk) -> Result<Found> {
        let asked: Vec<Vec<String>> =
            (0..keys.rows).map(|row| keys.columns.iter().map(|column| text(column, row)).collect()).collect();
        let mut random = self.begin(&asked);
        let delay_ms = random.below(self.delay_ms_max + 1);
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        if self.fail_one_in > 0 && random.below(self.fail_one_in) == 0 {
            return Err(Error::External { message: "the table is out for lunch".into(), retryable: true });
        }
        let (mut rows, mut of) = (Vec::new(), Vec::new());
        for (number, key) in asked.iter().enumerate() {
            for row in self.under(key) {
                rows.push(row);
                of.push(number as u32);
            }
        }
        match self.records {
            true => {
                Ok(Found::Blobs(of.into_iter().zip(&rows).map(|(of, row)| (of, self.record(row))).collect()))
            }
            false => Ok(Found::Rows { rows: self.chunk(&rows)?, of }),
        }
    }
}

impl SlowTable {
    /// Notes what was asked; gives what decides this call.
    fn begin(&self, asked: &[Vec<String>]) -> Random {
        let mut tables = tables();
        let table = tables.entry(self.name.clone()).or_default();
        table.asked.extend(asked.iter().cloned());
        table.calls += 1;
        Random::new(self.seed ^ table.calls << 20)
    }

    /// The rows under a key, as they are now.
    fn under(&self, key: &[String]) -> Vec<Row> {
        let matches = |row: &&Row| {
            self.keys.iter().zip(key).all(|(column, wanted)| row[*column].as_ref() == Some(wanted))
        };
        tables()
            .get(&self.name)
            .map_or_else(Vec::new, |table| table.rows.iter().filter(matches).cloned().collect())
    }

    fn record(&self, row: &Row) -> FetchedBlob {
        let fields: Vec<&str> = row.iter().map(|field| field.as_deref().unwrap_or("-")).collect();
        let place = Place { split: self.name.as_str().into(), split_index: 0, offset: 0, line: 0 };
        FetchedBlob::new(Blob::lines(format!("{}\n", fields.join(",")).into_bytes()), place)
    }

    fn chunk(&self, rows: &[Row]) -> Result<Chunk> {
        let column = |column: &usize| {
            let texts = rows.iter().map(|row| row[*column].as_deref());
            array(&self.types[*column], texts)
        };
        let columns = self.wanted.iter().map(column).collect::<Result<Vec<_>>>()?;
        Ok(Chunk::new(columns, rows.len()))
    }
}

/// A key's value as the table holds it.
fn text(column: &ArrayRef, row: usize) -> String {
    if let Some(column) = column.as_primitive_opt::<Int32Type>() {
        return column.value(row).to_string();
    }
    if let Some(column) = column.as_primitive_opt::<Int64Type>() {
        return column.value(row).to_string();
    }
    column.as_string_view_opt().map_or_else(String::new, |column| column.value(row).to_string())
}

/// A column of these texts.
fn array<'a>(data_type: &DataType, texts: impl Iterator<Item = Option<&'a str>>) -> Result<ArrayRef> {
    Ok(match data_type.kind {
        TypeKind::Int => Arc::new(texts.map(|text| text?.parse().ok()).collect::<Int32Array>()),
        TypeKind::BigInt => Arc::new(texts.map(|text| text?.parse().ok()).collect::<Int64Array>()),
        TypeKind::Varchar(_) => Arc::new(texts.collect::<StringViewArray>()),
        _ => return Err(Error::user("a slow table has columns of INT, BIGINT and STRING")),
    })
}
