//! Tables declared with the keys of Flink before 1.11 (`'connector.type' = 'filesystem'`): their options in
//! today's words.
//!
//! Flink 2.x refuses these keys; published texts (Nexmark's q13 among them) still hold them. Source of the rules:
//! Flink 1.10 documentation, "Connect to External Systems". Only files of csv and json are known here: a key
//! without a counterpart is refused, not dropped.

use crate::ast::CreateTable;
use crate::bind::Bound;
use crate::diagnostic::Diagnostic;
use tidemill_types::Options;

/// What tells a table with old keys.
const MARK: &str = "connector.type";
/// What each old key is called today.
const RENAMED: &[(&str, &str)] = &[
    (MARK, "connector"),
    ("connector.path", "path"),
    ("format.type", "format"),
    ("format.field-delimiter", "csv.field-delimiter"),
    ("format.quote-character", "csv.quote-character"),
    ("format.allow-comments", "csv.allow-comments"),
    ("format.array-element-delimiter", "csv.array-element-delimiter"),
    ("format.escape-character", "csv.escape-character"),
    ("format.null-literal", "csv.null-literal"),
    ("format.fail-on-missing-field", "json.fail-on-missing-field"),
];
/// Keys that say today's only way, with the values that do.
const IMPLIED: &[(&str, &[&str])] = &[
    ("connector.property-version", &["1"]),
    ("format.property-version", &["1"]),
    ("format.derive-schema", &["true"]),
    ("format.line-delimiter", &["\n", "\r\n"]),
    ("update-mode", &["append"]),
];

/// Renames the old keys of a table. The answer is a warning if it has any.
pub(crate) fn rename(options: &mut Options, create: &CreateTable) -> Bound<Option<String>> {
    let Some(connector) = options.get(MARK) else { return Ok(None) };
    let place = |key: &str| {
        let own = create.options.iter().find(|property| property.key.value == key);
        own.map_or(create.name.span(), |property| property.key.span)
    };
    if connector != "filesystem" {
        let message = format!("'{MARK}' = '{connector}' is an option of Flink before 1.11");
        return Err(Diagnostic::new(place(MARK), message)
            .with_hint(format!("write 'connector' = '{connector}' with the keys of that connector")));
    }
    let mut current = Options::default();
    for (key, value) in &options.0 {
        match (renamed(key), implied(key, value)) {
            (Some(name), _) => drop(current.0.insert(name.to_string(), value.clone())),
            (None, true) => {}
            (None, false) => {
                let message = format!("'{key}' = '{value}' can't be told in the options of today");
                return Err(Diagnostic::new(place(key), message).with_hint(
                    "write 'connector' = 'filesystem', 'path' = '…', 'format' = 'csv' and what else it needs",
                ));
            }
        }
    }
    let now = current.0.iter().map(|(key, value)| format!("'{key}' = '{value}'"));
    let warning = format!(
        "table '{}' is declared with '{MARK}', which Flink 2 refuses; it is taken as: {}",
        create.name.last().value,
        now.collect::<Vec<_>>().join(", ")
    );
    *options = current;
    Ok(Some(warning))
}

fn renamed(key: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(old, _)| *old == key).map(|(_, new)| *new)
}

fn implied(key: &str, value: &str) -> bool {
    IMPLIED.iter().any(|(known, values)| *known == key && values.contains(&value))
}
