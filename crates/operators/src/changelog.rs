//! TO_CHANGELOG and FROM_CHANGELOG: the kind of each row as a column, and a column as the kind of each row.
//!
//! Invariant: marks go with the rows. Nothing is kept.

use crate::{Operator, OperatorContext, Output};
use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use std::collections::HashMap;
use std::sync::Arc;
use tidemill_plan::{FromChangelogPlan, ToChangelogPlan};
use tidemill_types::{Chunk, Error, Result, RowKind};

/// The running TO_CHANGELOG: gives the code, then columns of the input; all rows are inserts.
#[derive(Debug)]
pub struct ToChangelog {
    plan: ToChangelogPlan,
}

impl ToChangelog {
    /// The operator of a plan node.
    pub fn new(plan: &ToChangelogPlan) -> Self {
        ToChangelog { plan: plan.clone() }
    }

    fn code(&self, kind: RowKind) -> Option<&str> {
        self.plan.codes.iter().rev().find(|(known, _)| *known == kind).map(|(_, code)| code.as_str())
    }
}

impl Operator for ToChangelog {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let rows = chunk.rows;
        let keep: BooleanArray = (0..rows).map(|row| Some(self.code(chunk.kind(row)).is_some())).collect();
        let kept = if keep.false_count() == 0 { chunk } else { chunk.filter(&keep) };
        let mut codes = StringViewBuilder::with_capacity(kept.rows);
        (0..kept.rows).for_each(|row| codes.append_option(self.code(kept.kind(row))));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(codes.finish())];
        if kept.rows > 0 {
            columns.extend(self.plan.kept.iter().map(|&column| kept.columns[column].clone()));
        }
        out.rows.forwarded += kept.rows as u64;
        out.rows.filtered += (rows - kept.rows) as u64;
        out.emit(Chunk { columns, kinds: None, ..kept });
        Ok(())
    }
}

/// The running FROM_CHANGELOG: gives columns of the input; the code of each row is its kind.
#[derive(Debug)]
pub struct FromChangelog {
    plan: FromChangelogPlan,
    kinds: HashMap<String, RowKind>,
}

impl FromChangelog {
    /// The operator of a plan node.
    pub fn new(plan: &FromChangelogPlan) -> Self {
        FromChangelog { plan: plan.clone(), kinds: plan.codes.iter().cloned().collect() }
    }

    fn kind(&self, code: Option<&str>) -> Result<Option<RowKind>> {
        let kind = code.and_then(|code| self.kinds.get(code)).copied();
        match (kind, code) {
            (Some(kind), _) => Ok(Some(kind)),
            (None, _) if self.plan.skip => Ok(None),
            (None, None) => Err(Error::data("a row of a changelog has no operation code")),
            (None, Some(code)) => {
                let mut known: Vec<&str> = self.kinds.keys().map(String::as_str).collect();
                known.sort_unstable();
                Err(Error::data(format!("'{code}' is no operation code; defined are {}", known.join(", "))))
            }
        }
    }
}

impl Operator for FromChangelog {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        if chunk.rows == 0 {
            out.emit(chunk);
            return Ok(());
        }
        let codes = chunk.columns[self.plan.op].as_string_view();
        let kinds = (0..chunk.rows)
            .map(|row| self.kind(codes.is_valid(row).then(|| codes.value(row))))
            .collect::<Result<Vec<_>>>()?;
        let rows = chunk.rows;
        let keep: BooleanArray = kinds.iter().map(|kind| Some(kind.is_some())).collect();
        let kept = if keep.false_count() == 0 { chunk } else { chunk.filter(&keep) };
        let columns = self.plan.kept.iter().map(|&column| kept.columns[column].clone()).collect();
        out.rows.forwarded += kept.rows as u64;
        out.rows.filtered += (rows - kept.rows) as u64;
        out.emit(Chunk { columns, kinds: Some(kinds.into_iter().flatten().collect()), ..kept });
        Ok(())
    }
}
