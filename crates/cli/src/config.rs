//! `tidemill.toml`: defaults of a project. Everything in it can also be said by a flag or a SET.
//!
//! ```toml
//! state = "state"                     # as --state
//! [settings]                          # as SET
//! parallelism.default = 4
//! "table.local-time-zone" = "Europe/Berlin"
//! ```

use crate::failure::Refused;
use anyhow::Result;
use std::path::Path;
use toml::{Table, Value};

const FILE_DEFAULT: &str = "tidemill.toml";

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// The folder for what a run leaves behind.
    pub(crate) state: Option<String>,
    /// Settings in the order of their keys.
    pub(crate) settings: Vec<(String, String)>,
}

impl Config {
    /// Reads this file, or the default one if it exists.
    pub(crate) fn load(file: Option<&Path>) -> Result<Config> {
        let default = Path::new(FILE_DEFAULT);
        match file.or_else(|| default.exists().then_some(default)) {
            None => Ok(Config::default()),
            Some(file) => {
                let text = crate::session::read(file)?;
                Config::parse(&text)
                    .map_err(|message| Refused(format!("{}: {message}", file.display())).into())
            }
        }
    }

    fn parse(text: &str) -> Result<Config, String> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let mut config = Config::default();
        for (key, value) in table {
            match (key.as_str(), value) {
                ("state", Value::String(folder)) => config.state = Some(folder),
                ("settings", Value::Table(settings)) => flatten("", settings, &mut config.settings)?,
                (key, _) => {
                    return Err(format!("unknown key '{key}'; there are 'state' (a text) and [settings]"));
                }
            }
        }
        Ok(config)
    }
}

/// Dotted keys are nested tables to TOML and one name to a setting.
fn flatten(prefix: &str, table: Table, out: &mut Vec<(String, String)>) -> Result<(), String> {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => flatten(&format!("{key}."), inner, out)?,
            Value::String(text) => out.push((key, text)),
            Value::Integer(number) => out.push((key, number.to_string())),
            Value::Float(number) => out.push((key, number.to_string())),
            Value::Boolean(truth) => out.push((key, truth.to_string())),
            Value::Array(_) | Value::Datetime(_) => {
                return Err(format!("the setting '{key}' must be a text, a number or a boolean"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_and_quoted_keys_are_the_same() {
        let config = Config::parse("state = 's'\n[settings]\na.b-c = 1\n'a.d' = true\n").unwrap();
        assert_eq!(config.state, Some("s".into()));
        assert_eq!(config.settings, [("a.b-c".into(), "1".into()), ("a.d".into(), "true".into())]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(Config::parse("stat = 's'").unwrap_err().contains("unknown key 'stat'"));
        assert!(Config::parse("[settings]\na = [1]").unwrap_err().contains("'a' must be a text"));
    }
}
