//! JSON_OBJECTAGG and JSON_ARRAYAGG: documents made of one member or element for each row.
//!
//! Rules (Flink, `WrapJsonAggFunctionArgumentsRule` and the two functions): each value goes in as JSON_STRING
//! writes it, so text that is JSON already becomes a JSON string; a key that comes twice fails the run. The last
//! argument is the constant that says whether nulls stay (NULL ON NULL) or are left out.

use super::log::{append, change, entries};
use super::rows::{for_rows, for_values, foreign_cells, slots_only};
use super::types_of;
use crate::json::write::{write_json, write_string};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use chrono_tz::Tz;
use std::ops::Bound;
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, UpdateBatch};
use tidemill_types::cells::{Multiset, multiset_entries};
use tidemill_types::{CellKind, Cells, DataType, Error, Result, TypeKind};

/// The type that Flink gives to both.
const RESULT: TypeKind = TypeKind::Varchar(2_000);

pub(super) fn bind_array(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    let arg_types = types_of(call);
    let [value, TypeKind::Boolean] = kinds(&arg_types)[..] else {
        return Err(Error::user("JSON_ARRAYAGG takes one value"));
    };
    check_value("JSON_ARRAYAGG", value)?;
    let values = Values { data_type: arg_types[0].clone(), zone: call.session.zone, keep: keeps_nulls(call) };
    Ok(BoundAggregate {
        arg_types,
        return_type: RESULT.not_null(),
        accumulator: Arc::new(Elements { values }),
    })
}

pub(super) fn bind_object(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    let arg_types = types_of(call);
    let [key, value, TypeKind::Boolean] = kinds(&arg_types)[..] else {
        return Err(Error::user("JSON_OBJECTAGG takes a key and a value"));
    };
    if !key.is_text() {
        return Err(Error::user_hint(
            format!("a key of JSON_OBJECTAGG is a text, not {key}"),
            "write CAST(… AS STRING) around the key",
        ));
    }
    check_value("JSON_OBJECTAGG", value)?;
    let values = Values { data_type: arg_types[1].clone(), zone: call.session.zone, keep: keeps_nulls(call) };
    Ok(BoundAggregate {
        arg_types,
        return_type: RESULT.not_null(),
        accumulator: Arc::new(Members { values }),
    })
}

fn kinds(types: &[DataType]) -> Vec<&TypeKind> {
    types.iter().map(|data_type| &data_type.kind).collect()
}

fn keeps_nulls(call: &BindCall<'_>) -> bool {
    let flag = call.args.last().and_then(|arg| arg.literal).and_then(|value| value.as_boolean_opt());
    flag.is_some_and(|flag| flag.is_valid(0) && flag.value(0))
}

fn check_value(name: &str, kind: &TypeKind) -> Result<()> {
    if kind.is_datetime() || kind.is_interval() {
        return Err(Error::user_hint(format!("{kind} is no JSON value for {name}"), "CAST it to STRING"));
    }
    Ok(())
}

/// How a row's value becomes JSON.
struct Values {
    data_type: DataType,
    zone: Tz,
    /// Whether NULL becomes the JSON null; else the row is left out.
    keep: bool,
}

impl Values {
    /// The text of a value; `None` if the row is left out.
    fn json(&self, values: &dyn Array, row: usize) -> Option<String> {
        let missing = values.is_null(row) || self.data_type.kind == TypeKind::Null;
        let mut out = String::new();
        match missing {
            true if !self.keep => return None,
            true => out.push_str("null"),
            false => write_json(&self.data_type, values, row, self.zone, &mut out),
        }
        Some(out)
    }
}

/// Cell: a log of the elements.
struct Elements {
    values: Values,
}

impl Accumulator for Elements {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Bytes]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Bytes(logs)] = cells else { foreign_cells(cells) };
        for_rows(batch, None, |row, slot, sign| {
            if let Some(text) = self.values.json(batch.args[0].as_ref(), row) {
                change(&mut logs[slot], text.as_bytes(), sign);
            }
        });
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Bytes(logs)] = cells else { foreign_cells(cells) };
        let more = partial[0].as_binary_view();
        for_values(&slots_only(slots), more, |row, slot, _| append(&mut logs[slot], &[more.value(row)]));
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Bytes(logs)] = cells else { foreign_cells(cells) };
        let document = |slot: &u32| {
            let log = logs[*slot as usize].as_deref().unwrap_or_default();
            let texts = entries(log).map(|text| String::from_utf8_lossy(text).into_owned());
            Some(format!("[{}]", texts.collect::<Vec<_>>().join(",")))
        };
        Ok(Arc::new(slots.iter().map(document).collect::<StringViewArray>()))
    }

    fn retracts(&self) -> bool {
        true
    }

    fn ordered(&self) -> bool {
        true
    }
}

/// Cell: the members as counted texts, each the key's length (u32, big-endian), the key, and the value.
struct Members {
    values: Values,
}

fn member(key: &str, value: &str) -> Box<[u8]> {
    [&(key.len() as u32).to_be_bytes(), key.as_bytes(), value.as_bytes()].concat().into()
}

fn parts(member: &[u8]) -> (&str, &str) {
    let (length, rest) = member.split_first_chunk::<4>().expect("a member starts with a length");
    let (key, value) = rest.split_at(u32::from_be_bytes(*length) as usize);
    let text = |bytes| std::str::from_utf8(bytes).expect("a kept text is UTF-8");
    (text(key), text(value))
}

/// Adds to the count of a member; a second value of a key is an error.
fn add(held: &mut Multiset, member: &[u8], count: i64) -> Result<()> {
    if count > 0 {
        let (key, _) = parts(member);
        let prefix = [&(key.len() as u32).to_be_bytes(), key.as_bytes()].concat();
        let own = held.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
        let taken = own.take_while(|(known, _)| known.starts_with(&prefix)).any(|(_, count)| *count > 0);
        if taken {
            return Err(Error::data(format!(
                "key '{key}' is already present: duplicate keys are not allowed in JSON_OBJECTAGG"
            )));
        }
    }
    let held_count = held.entry(member.into()).or_default();
    *held_count += count;
    if *held_count == 0 {
        held.remove(member);
    }
    Ok(())
}

impl Accumulator for Members {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Multiset]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        let keys = batch.args[0].as_string_view();
        let mut outcome = Ok(());
        for_rows(batch, None, |row, slot, sign| {
            if outcome.is_err() {
                return;
            }
            if keys.is_null(row) {
                outcome = Err(Error::data("a key of JSON_OBJECTAGG is NULL"));
            } else if let Some(value) = self.values.json(batch.args[1].as_ref(), row) {
                outcome = add(&mut held[slot], &member(keys.value(row), &value), sign);
            }
        });
        outcome
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        let more = partial[0].as_binary_view();
        for (row, &slot) in slots.iter().enumerate().filter(|(row, _)| more.is_valid(*row)) {
            for (member, count) in multiset_entries(more.value(row)) {
                add(&mut held[slot as usize], member, count)?;
            }
        }
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        Ok(Arc::new(
            slots.iter().map(|slot| Some(document(&held[*slot as usize]))).collect::<StringViewArray>(),
        ))
    }

    fn retracts(&self) -> bool {
        true
    }
}

fn document(held: &Multiset) -> String {
    let mut members: Vec<(&str, &str)> =
        held.iter().filter(|(_, count)| **count > 0).map(|(member, _)| parts(member)).collect();
    members.sort_unstable();
    let mut out = String::from("{");
    for (index, (key, value)) in members.into_iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        write_string(key, &mut out);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    out
}
