//! Rows on standard output: JSON lines for programs, tables for people.

mod json;
mod plain;
mod table;
mod width;

use crate::cli;
use anyhow::Result;
use std::io::{self, IsTerminal};
use tidemill_engine::{ResultBatch, ResultColumn};

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A JSON line for each change.
    Json,
    /// A table with lines around its cells.
    Table,
}

impl Format {
    /// What the flag says, else what suits standard output.
    pub(crate) fn from(flag: Option<cli::Output>) -> Format {
        match flag {
            Some(cli::Output::Json) => Format::Json,
            Some(cli::Output::Table) => Format::Table,
            None if io::stdout().is_terminal() => Format::Table,
            None => Format::Json,
        }
    }
}

/// Prints the rows of one result.
pub(crate) enum Printer {
    Json(json::JsonPrinter),
    Table(table::TablePrinter<io::Stdout>),
}

impl Printer {
    /// For the changes of a query. A bounded one may be held back until its widths are known.
    pub(crate) fn changes(format: Format, columns: Vec<ResultColumn>, bounded: bool) -> Printer {
        match format {
            Format::Json => Printer::Json(json::JsonPrinter::default()),
            Format::Table if bounded => Printer::Table(table::TablePrinter::held(io::stdout(), columns)),
            Format::Table => Printer::Table(table::TablePrinter::live(io::stdout(), columns)),
        }
    }

    /// Prints some rows.
    pub(crate) fn print(&mut self, batch: &ResultBatch) -> Result<()> {
        match self {
            Printer::Json(printer) => printer.print(batch),
            Printer::Table(printer) => Ok(printer.print(batch)?),
        }
    }

    /// Prints what ends the result.
    pub(crate) fn finish(&mut self) -> Result<()> {
        match self {
            Printer::Json(_) => Ok(()),
            Printer::Table(printer) => Ok(printer.finish()?),
        }
    }
}

/// Prints the answer of SHOW, DESCRIBE or EXPLAIN.
pub(crate) fn answer(format: Format, batch: &ResultBatch) -> Result<()> {
    if format == Format::Table && plain::suits(batch) {
        return plain::print(batch);
    }
    let mut printer = Printer::changes(format, batch.columns(), true);
    printer.print(batch)?;
    printer.finish()
}

/// Prints a table of texts; each column has a name and may be aligned to the right.
pub(crate) fn table(columns: &[(&str, bool)], rows: Vec<Vec<String>>) -> Result<()> {
    let column = |&(name, numeric): &(&str, bool)| ResultColumn {
        name: name.to_owned(),
        data_type: String::new(),
        numeric,
    };
    let mut printer = table::TablePrinter::held(io::stdout(), columns.iter().map(column).collect());
    printer.print_text(rows)?;
    Ok(printer.finish()?)
}
