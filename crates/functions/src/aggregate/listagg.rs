//! LISTAGG(text[, separator]): texts joined in order of arrival, NULLs skipped.

use super::extreme::texts;
use super::log::{append, change, entries};
use super::rows::{for_values, foreign_cells, slots_only};
use super::{types_of, wrong_type};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, UpdateBatch};
use tidemill_types::{CellKind, Cells, DataType, Error, Result, TypeKind};

pub(super) fn bind(call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate> {
    let mut arg_types = types_of(call);
    let separator: Box<str> = match call.args {
        [_] => ",".into(),
        [_, separator] => separator
            .literal
            .and_then(|literal| literal.as_string_view_opt())
            .filter(|text| text.is_valid(0))
            .map(|text| text.value(0).into())
            .ok_or_else(|| Error::user("the separator of LISTAGG must be a text literal"))?,
        _ => return Err(Error::user("LISTAGG takes a text and, if wanted, a separator")),
    };
    match &arg_types[0].kind {
        TypeKind::Null => arg_types[0] = DataType::string(),
        kind if kind.is_text() => {}
        _ => {
            let error = wrong_type("LISTAGG", "text", &arg_types[0]);
            return Err(Error::user_hint(error.to_string(), "write CAST(… AS STRING) around the argument"));
        }
    }
    let accumulator: Arc<dyn Accumulator> = match retract {
        true => Arc::new(Logged { separator }),
        false => Arc::new(Joined { separator }),
    };
    Ok(BoundAggregate { arg_types, return_type: DataType::string(), accumulator })
}

/// Cell: the joined text.
struct Joined {
    separator: Box<str>,
}

impl Joined {
    fn add(&self, cell: &mut Option<Box<[u8]>>, text: &[u8]) {
        match cell {
            Some(_) => append(cell, &[self.separator.as_bytes(), text]),
            None => *cell = Some(text.into()),
        }
    }
}

impl Accumulator for Joined {
    fn ordered(&self) -> bool {
        true
    }

    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Bytes]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Bytes(held)] = cells else { foreign_cells(cells) };
        let values = batch.args[0].as_string_view();
        for_values(batch, values, |row, slot, _| self.add(&mut held[slot], values.value(row).as_bytes()));
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Bytes(held)] = cells else { foreign_cells(cells) };
        let more = partial[0].as_binary_view();
        for_values(&slots_only(slots), more, |row, slot, _| self.add(&mut held[slot], more.value(row)));
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Bytes(held)] = cells else { foreign_cells(cells) };
        Ok(Arc::new(texts(slots.iter().map(|&slot| held[slot as usize].as_deref()))))
    }

    fn retracts(&self) -> bool {
        false
    }
}

/// Cell: a log of the texts.
struct Logged {
    separator: Box<str>,
}

impl Logged {
    fn join(&self, log: &[u8]) -> String {
        let mut joined = String::with_capacity(log.len());
        for (i, text) in entries(log).enumerate() {
            if i > 0 {
                joined.push_str(&self.separator);
            }
            joined.push_str(std::str::from_utf8(text).expect("a kept text is UTF-8"));
        }
        joined
    }
}

impl Accumulator for Logged {
    fn ordered(&self) -> bool {
        true
    }

    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Bytes]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Bytes(logs)] = cells else { foreign_cells(cells) };
        let values = batch.args[0].as_string_view();
        for_values(batch, values, |row, slot, sign| {
            change(&mut logs[slot], values.value(row).as_bytes(), sign);
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
        let joined = slots.iter().map(|&slot| logs[slot as usize].as_deref().map(|log| self.join(log)));
        Ok(Arc::new(joined.collect::<StringViewArray>()))
    }

    fn retracts(&self) -> bool {
        true
    }
}
