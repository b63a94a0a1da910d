//! What a datagen table makes: its fields, how many rows and how fast.
//!
//! Invariant: every option under `fields.` belongs to a column and fits its type; others are refused, as in
//! Flink.

use super::field::Field;
use super::shape::{Given, shape_of};
use super::{NUMBER_OF_ROWS, ROWS_PER_SECOND, SEED};
use tidemill_connector::TableRequest;
use tidemill_types::options::{near, quoted_or};
use tidemill_types::{Error, Options, Result};

/// A checked datagen table.
#[derive(Debug)]
pub(super) struct Plan {
    /// One for each column of the table.
    pub(super) fields: Vec<Field>,
    /// How many rows all tasks make together.
    pub(super) rows: Option<u64>,
    /// How many all tasks make in a second.
    pub(super) rows_per_second: f64,
    /// The seed, if the rows are to be the same each time.
    pub(super) seed: Option<u64>,
}

impl Plan {
    /// The plan of a table.
    pub(super) fn of(request: &TableRequest<'_>) -> Result<Self> {
        let mut given = Given::new(request.options);
        let fields = request.schema.fields.iter();
        let fields = fields.map(|field| shape_of(&mut given, &field.name, &field.data_type, true));
        let fields = fields.collect::<Result<Vec<_>>>()?;
        check_all_used(request, &given)?;
        let wanted = at_least(request.options, NUMBER_OF_ROWS, 0)?;
        let sequences = fields.iter().filter_map(Field::sequence_rows);
        Ok(Plan {
            rows: sequences.chain(wanted).min(),
            rows_per_second: at_least(request.options, ROWS_PER_SECOND, 1)?.unwrap_or(1) as f64,
            seed: request.options.integer(&SEED)?.map(|seed| seed as u64),
            fields,
        })
    }
}

fn at_least(options: &Options, spec: tidemill_types::OptionSpec, min: i64) -> Result<Option<u64>> {
    match options.integer(&spec)? {
        Some(value) if value < min => {
            Err(Error::user(format!("option '{}' is {value}, but must be at least {min}", spec.key)))
        }
        value => Ok(value.map(|value| value as u64)),
    }
}

fn check_all_used(request: &TableRequest<'_>, given: &Given<'_>) -> Result<()> {
    let Some(key) = given.unused() else { return Ok(()) };
    let hint = match near(key, given.offered()).as_slice() {
        [] => "it must name a column and fit the column's type and kind".to_string(),
        names => format!("did you mean {}?", quoted_or(names)),
    };
    Err(Error::user_hint(format!("table '{}': option '{key}' means nothing here", request.table), hint))
}
