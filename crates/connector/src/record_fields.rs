//! Which columns of a table stand in the key of its records and which in the value.
//!
//! Source of the rules: Flink documentation, "Apache Kafka SQL Connector", key and value formats. The options
//! are `key.format`, `key.fields`, `key.fields-prefix` and `value.fields-include`.

use tidemill_types::options::near;
use tidemill_types::{Error, Field, OptionKind, OptionSpec, Options, Result, Schema};

/// `key.format`
pub const KEY_FORMAT: OptionSpec =
    OptionSpec::new("key.format", OptionKind::Text, "how keys are written: json, csv, raw …");
/// `value.format`
pub const VALUE_FORMAT: OptionSpec = OptionSpec::new(
    "value.format",
    OptionKind::Text,
    "how values are written; the same as 'format', but its options begin with 'value.'",
);
/// `key.fields`
pub const KEY_FIELDS: OptionSpec =
    OptionSpec::new("key.fields", OptionKind::Text, "the columns in the key, such as 'a;b'");
/// `key.fields-prefix`
pub const KEY_PREFIX: OptionSpec = OptionSpec::new(
    "key.fields-prefix",
    OptionKind::Text,
    "what the names of key columns begin with in the table and not in the record",
);
/// `value.fields-include`
pub const VALUE_INCLUDE: OptionSpec = OptionSpec::new(
    "value.fields-include",
    OptionKind::Choice(&["ALL", "EXCEPT_KEY"]),
    "whether key columns stand in the value too",
)
.default("ALL");

/// The columns of a record's two parts, by index among the physical columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordFields {
    /// The columns of the key.
    pub key: Vec<usize>,
    /// What the names of key columns begin with in the table only.
    pub prefix: String,
    /// The columns of the value.
    pub value: Vec<usize>,
}

impl RecordFields {
    /// From a table's options; with a primary key, that is the key unless `key.fields` names another.
    pub fn of(options: &Options, physical: &Schema, primary_key: &[usize]) -> Result<Self> {
        let prefix = options.get(KEY_PREFIX.key).unwrap_or_default();
        let all: Vec<usize> = (0..physical.len()).collect();
        let key = key_columns(options, physical, primary_key)?;
        if let Some(&column) = key.iter().find(|&&column| !physical.fields[column].name.starts_with(prefix)) {
            return Err(Error::user_hint(
                format!(
                    "the key field '{}' does not begin with '{prefix}', which 'key.fields-prefix' asks for",
                    physical.fields[column].name
                ),
                "all fields of the key must begin with the prefix; it is taken off in the record",
            ));
        }
        let except = options.text(&VALUE_INCLUDE).is_some_and(|text| text.eq_ignore_ascii_case("EXCEPT_KEY"));
        if !prefix.is_empty() && !except {
            return Err(Error::user_hint(
                "a key prefix is not allowed when 'value.fields-include' is 'ALL'",
                "set 'value.fields-include' = 'EXCEPT_KEY', so that fields do not overlap",
            ));
        }
        let value = all.into_iter().filter(|column| !(except && key.contains(column))).collect();
        Ok(RecordFields { key, prefix: prefix.to_string(), value })
    }

    /// The columns of the key as they are called in the record.
    pub fn key_schema(&self, physical: &Schema) -> Schema {
        let field = |&column: &usize| {
            let field = &physical.fields[column];
            let name = field.name.strip_prefix(&self.prefix).unwrap_or(&field.name);
            Field::new(name, field.data_type.clone())
        };
        Schema::new(self.key.iter().map(field).collect())
    }

    /// The columns of the value.
    pub fn value_schema(&self, physical: &Schema) -> Schema {
        Schema::new(self.value.iter().map(|&column| physical.fields[column].clone()).collect())
    }
}

fn key_columns(options: &Options, physical: &Schema, primary_key: &[usize]) -> Result<Vec<usize>> {
    let fields = options.get(KEY_FIELDS.key).unwrap_or_default();
    let named: Vec<&str> = fields.split(';').map(str::trim).filter(|name| !name.is_empty()).collect();
    match (options.get(KEY_FORMAT.key), named.is_empty()) {
        (None, true) => return Ok(Vec::new()),
        (None, false) => {
            return Err(Error::user_hint(
                "'key.fields' can only be given with a key format",
                "add 'key.format' = 'json' (or csv, raw …)",
            ));
        }
        (Some(_), true) if primary_key.is_empty() => {
            return Err(Error::user_hint(
                "'key.format' needs at least one column in 'key.fields'",
                "name the columns that stand in the key: 'key.fields' = 'a;b'",
            ));
        }
        (Some(_), true) => return Ok(primary_key.to_vec()),
        (Some(_), false) => {}
    }
    let column = |name: &str| {
        physical.index_of(name).ok_or_else(|| {
            let known: Vec<&str> = physical.fields.iter().map(|field| field.name.as_str()).collect();
            let hint = match near(name, known.iter().copied()).first() {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("the columns are: {}", known.join(", ")),
            };
            Error::user_hint(format!("'key.fields' names '{name}', which is no physical column"), hint)
        })
    };
    named.into_iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_types::DataType;

    fn fields(options: &[(&str, &str)], primary_key: &[usize]) -> Result<RecordFields> {
        let names = ["k_id", "name", "k_zone"];
        let physical = Schema::new(names.iter().map(|name| Field::new(*name, DataType::string())).collect());
        RecordFields::of(&Options::new(options.iter().copied()), &physical, primary_key)
    }

    #[test]
    fn keys_come_from_options_or_the_primary_key() {
        assert_eq!(fields(&[], &[]).unwrap().value, [0, 1, 2]);
        let named = [("key.format", "json"), ("key.fields", "k_zone; k_id")];
        assert_eq!(fields(&named, &[]).unwrap().key, [2, 0]);
        assert_eq!(fields(&named, &[]).unwrap().value, [0, 1, 2]);
        let upsert = fields(&[("key.format", "json"), ("value.fields-include", "EXCEPT_KEY")], &[1]).unwrap();
        assert_eq!((upsert.key, upsert.value), (vec![1], vec![0, 2]));
        let prefixed = [
            ("key.format", "json"),
            ("key.fields", "k_id"),
            ("key.fields-prefix", "k_"),
            ("value.fields-include", "EXCEPT_KEY"),
        ];
        assert_eq!(fields(&prefixed, &[]).unwrap().prefix, "k_");
    }

    #[test]
    fn wrong_combinations_are_refused() {
        for wrong in [
            &[("key.fields", "name")][..],
            &[("key.format", "json")],
            &[("key.format", "json"), ("key.fields", "nam")],
            &[("key.format", "json"), ("key.fields", "k_id"), ("key.fields-prefix", "k_")],
            &[
                ("key.format", "json"),
                ("key.fields", "name"),
                ("key.fields-prefix", "k_"),
                ("value.fields-include", "EXCEPT_KEY"),
            ],
        ] {
            assert!(fields(wrong, &[]).is_err(), "{wrong:?}");
        }
    }
}
