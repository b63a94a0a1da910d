//! Which formats a connector can carry, told when a table is planned.
//!
//! Source of the rules: Flink's factories of the connectors. Keys that a format does not know are refused but for files,
//! whose formats may have properties of their writers.
//! Invariant: what is let through can be told apart again: records of any bytes by their frames, others by line ends.

use tidemill_connector::{KEY_FORMAT, TableRequest, VALUE_FORMAT};
use tidemill_format::{Format, format};
use tidemill_types::{Error, Options, Result};

/// What a connector puts the bytes of a table into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Files: lines, or wholes.
    Files,
    /// A stream of lines.
    Lines,
    /// Records of any bytes, with keys of their own.
    Records,
}

/// Refuses formats that the connector can't carry, and options that these do not have.
pub(crate) fn check(request: &TableRequest<'_>, connector: &str, carrier: Carrier) -> Result<()> {
    let options = request.options;
    let mut formats = vec![match (options.get("format"), options.get(VALUE_FORMAT.key)) {
        (None, name @ Some(_)) if carrier == Carrier::Records => (name, "value."),
        (name, _) => (name, ""),
    }];
    if carrier == Carrier::Records {
        formats.push((options.get(KEY_FORMAT.key), "key."));
    }
    for (name, prefix) in formats {
        let Some(name) = name else { continue };
        let format = format(name)?;
        check_framing(format, request.table, connector, carrier)?;
        if carrier != Carrier::Files {
            check_options(format, request.table, &options.under(&format!("{prefix}{name}.")))?;
        }
    }
    Ok(())
}

fn check_framing(format: &Format, table: &str, connector: &str, carrier: Carrier) -> Result<()> {
    let refuse = |why: &str, hint: &str| {
        let name = format.name;
        let message =
            format!("table '{table}': the connector '{connector}' can't carry the format '{name}', {why}");
        Err(Error::user_hint(message, hint.to_string()))
    };
    let of_any_bytes = "whose records may hold the end of a line";
    match (carrier, &format.files) {
        (Carrier::Records | Carrier::Lines, Some(files)) if files.only => {
            refuse("which has files and no records", "use it with the connector 'filesystem'")
        }
        (Carrier::Files, None) if format.binary => {
            refuse(of_any_bytes, "write files as 'avro' or 'parquet', or use it with the connector 'kafka'")
        }
        (Carrier::Lines, _) if format.binary => {
            refuse(of_any_bytes, "send lines, such as 'json' or 'csv', or use it with the connector 'kafka'")
        }
        _ => Ok(()),
    }
}

fn check_options(format: &Format, table: &str, options: &Options) -> Result<()> {
    options.check(&format!("format '{}' of table '{table}'", format.name), &[format.options])
}
