//! The schema of a table's columns, as Flink derives it: names, namespaces and defaults are its own.
//!
//! Source of the rules: Flink documentation, "Avro Format", and Flink 2.3's behaviour.

use serde_json::{Value, json};
use tidemill_types::{DataType, Error, Result, Schema as Columns, TypeKind};

/// What Flink calls the record of a table; records inside of it stand in the same namespace.
const NAMESPACE: &str = "org.apache.flink.avro.generated";
const RECORD: &str = "record";

/// The schema of a record with these columns. `legacy` maps TIMESTAMP to instants and refuses TIMESTAMP_LTZ.
pub(crate) fn derive(columns: &Columns, legacy: bool) -> Result<Value> {
    let fields = columns.fields.iter().map(|field| (field.name.as_str(), &field.data_type));
    let mut schema = record(RECORD, fields, legacy)?;
    schema["namespace"] = NAMESPACE.into();
    Ok(schema)
}

fn record<'a>(
    name: &str,
    fields: impl Iterator<Item = (&'a str, &'a DataType)>,
    legacy: bool,
) -> Result<Value> {
    let fields = fields.map(|(field, data_type)| {
        check_name(field)?;
        let inner = nullable(&format!("{name}_{field}"), data_type, legacy);
        let inner = inner.map_err(|error| in_column(field, error))?;
        Ok(match data_type.nullable {
            true => json!({"name": field, "type": inner, "default": null}),
            false => json!({"name": field, "type": inner}),
        })
    });
    let fields = fields.collect::<Result<Vec<Value>>>()?;
    Ok(json!({"type": "record", "name": name, "fields": fields}))
}

/// The field that an error of an inner type is told of.
fn in_column(field: &str, error: Error) -> Error {
    match error {
        Error::User { message, hint } if !message.starts_with("column ") => {
            Error::User { message: format!("column '{field}': {message}"), hint }
        }
        error => error,
    }
}

fn check_name(name: &str) -> Result<()> {
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    let is_name = name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_alphanumeric());
    match is_name {
        true => Ok(()),
        false => Err(Error::user_hint(
            format!("column '{name}' has a name that Avro does not allow"),
            "names of Avro fields are letters, digits and '_', and begin with no digit",
        )),
    }
}

fn nullable(name: &str, data_type: &DataType, legacy: bool) -> Result<Value> {
    let inner = of_kind(name, &data_type.kind, legacy)?;
    match data_type.nullable && inner != json!("null") {
        true => Ok(json!(["null", inner])),
        false => Ok(inner),
    }
}

fn of_kind(name: &str, kind: &TypeKind, legacy: bool) -> Result<Value> {
    Ok(match kind {
        TypeKind::Null => json!("null"),
        TypeKind::Boolean => json!("boolean"),
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int => json!("int"),
        TypeKind::BigInt => json!("long"),
        TypeKind::Float => json!("float"),
        TypeKind::Double => json!("double"),
        TypeKind::Char(_) | TypeKind::Varchar(_) => json!("string"),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => json!("bytes"),
        TypeKind::Date => json!({"type": "int", "logicalType": "date"}),
        TypeKind::Time(precision) => match precision {
            0..=3 => json!({"type": "int", "logicalType": "time-millis"}),
            _ => return Err(too_precise(kind, "TIME(3)")),
        },
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
            json!({"type": "long", "logicalType": timestamp(kind, legacy)?})
        }
        TypeKind::Decimal { precision, scale } => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
        }
        TypeKind::Array(element) => json!({"type": "array", "items": nullable(name, element, legacy)?}),
        TypeKind::Map(key, value) => {
            text_key(kind, key)?;
            json!({"type": "map", "values": nullable(name, value, legacy)?})
        }
        TypeKind::Multiset(element) => {
            text_key(kind, element)?;
            json!({"type": "map", "values": "int"})
        }
        TypeKind::Row(fields) => {
            record(name, fields.iter().map(|field| (field.name.as_str(), &field.data_type)), legacy)?
        }
        TypeKind::IntervalMonth | TypeKind::IntervalDay | TypeKind::Variant | TypeKind::Bitmap => {
            return Err(Error::user(format!("the format 'avro' can't carry {kind}")));
        }
    })
}

fn timestamp(kind: &TypeKind, legacy: bool) -> Result<&'static str> {
    match (kind, legacy) {
        (TypeKind::Timestamp(0..=3), true) => Ok("timestamp-millis"),
        (TypeKind::Timestamp(_), true) => Err(Error::user_hint(
            format!("the format 'avro' carries TIMESTAMP(3) at most, not {kind}"),
            "cast it to TIMESTAMP(3), or set 'avro.timestamp_mapping.legacy' = 'false' for up to TIMESTAMP(6)",
        )),
        (TypeKind::TimestampLtz(_), true) => Err(Error::user_hint(
            format!("the format 'avro' carries {kind} only without its legacy mapping of timestamps"),
            "set 'avro.timestamp_mapping.legacy' = 'false' (or the same under 'avro-confluent.')",
        )),
        (TypeKind::Timestamp(0..=3), false) => Ok("local-timestamp-millis"),
        (TypeKind::Timestamp(4..=6), false) => Ok("local-timestamp-micros"),
        (TypeKind::TimestampLtz(0..=3), false) => Ok("timestamp-millis"),
        (TypeKind::TimestampLtz(4..=6), false) => Ok("timestamp-micros"),
        _ => Err(too_precise(kind, "a precision of 6")),
    }
}

fn too_precise(kind: &TypeKind, most: &str) -> Error {
    Error::user_hint(format!("the format 'avro' carries {most} at most, not {kind}"), "cast it")
}

fn text_key(kind: &TypeKind, key: &DataType) -> Result<()> {
    match key.kind.is_text() {
        true => Ok(()),
        false => Err(Error::user(format!("the format 'avro' has maps with STRING keys only, not {kind}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_types::{Field, RowField};

    #[test]
    fn records_are_called_as_flink_calls_them() {
        let inner = TypeKind::Row(vec![RowField { name: "x".into(), data_type: TypeKind::Int.not_null() }]);
        let columns = Columns::new(vec![
            Field::new("r", inner.nullable()),
            Field::new("ts", TypeKind::Timestamp(3).not_null()),
        ]);
        let schema = derive(&columns, true).unwrap();
        assert_eq!(schema["fields"][0]["type"][1]["name"], "record_r");
        assert_eq!(schema["namespace"], "org.apache.flink.avro.generated");
        assert_eq!(schema["fields"][1]["type"]["logicalType"], "timestamp-millis");
        assert_eq!(
            derive(&columns, false).unwrap()["fields"][1]["type"]["logicalType"],
            "local-timestamp-millis"
        );
    }

    #[test]
    fn what_avro_can_not_carry_is_refused_with_its_column() {
        let refusal = |kind: TypeKind, legacy| {
            derive(&Columns::new(vec![Field::new("c", kind.nullable())]), legacy).unwrap_err().to_string()
        };
        let message = "column 'c': the format 'avro' carries TIMESTAMP(3) at most, not TIMESTAMP(6)";
        assert_eq!(refusal(TypeKind::Timestamp(6), true), message);
        assert!(refusal(TypeKind::TimestampLtz(3), true).contains("only without its legacy mapping"));
        assert!(refusal(TypeKind::Timestamp(9), false).contains("a precision of 6 at most"));
        assert!(refusal(TypeKind::Time(6), false).contains("TIME(3) at most"));
        let ints = TypeKind::Map(Box::new(TypeKind::Int.not_null()), Box::new(TypeKind::Int.nullable()));
        assert!(refusal(ints, false).contains("maps with STRING keys only"));
    }
}
