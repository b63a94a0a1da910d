//! VALUES: constant rows; rows that hold a clock or a random number are computed when they are read.

use super::scope::Scope;
use super::select::refuse_bare_null;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn};
use crate::ast::{self, ExprKind, Values};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use arrow_array::{Array, ArrayRef};
use tidemill_plan::{CastMode, Exchange, Expr, Input, Operator};
use tidemill_types::{DataType, Schema};

impl Binder<'_> {
    /// Binds VALUES.
    pub(crate) fn bind_values(&mut self, values: &Values) -> Bound<Relation> {
        let rows = values.rows.iter().map(|row| self.bind_row(row)).collect::<Bound<Vec<_>>>()?;
        let width = rows.first().map_or(0, Vec::len);
        if let Some(at) = rows.iter().position(|row| row.len() != width) {
            let message = format!("the rows of VALUES have {width} and {} columns", rows[at].len());
            return Err(Diagnostic::new(values.rows[at].span, message));
        }
        let types = (0..width)
            .map(|i| {
                let types: Vec<DataType> = rows.iter().map(|row| row[i].data_type()).collect();
                self.common_type(&types, values.span, &format!("the values of column {}", i + 1))
            })
            .collect::<Bound<Vec<_>>>()?;
        let rows =
            rows.into_iter().map(|row| self.cast_row(row, &types, values.span)).collect::<Bound<Vec<_>>>()?;
        let columns = types
            .iter()
            .enumerate()
            .map(|(i, t)| RelationColumn::new(format!("EXPR${i}"), t.clone()))
            .collect();
        let relation = Relation { node: 0, columns, windowing: None };
        let schema = relation.schema();
        let constant = rows.iter().flatten().all(|value| value.literal().is_some());
        let node =
            if constant { self.constant_rows(&rows, schema)? } else { self.computed_rows(rows, schema) };
        Ok(Relation { node, ..relation })
    }

    fn bind_row(&self, row: &ast::Expr) -> Bound<Vec<Expr>> {
        match &*row.kind {
            ExprKind::Row { fields, .. } => {
                fields.iter().try_for_each(refuse_bare_null)?;
                fields.iter().map(|field| self.bind_over(field, Scope::EMPTY)).collect()
            }
            _ => {
                refuse_bare_null(row)?;
                Ok(vec![self.bind_over(row, Scope::EMPTY)?])
            }
        }
    }

    fn cast_row(&self, row: Vec<Expr>, types: &[DataType], span: Span) -> Bound<Vec<Expr>> {
        row.into_iter()
            .zip(types)
            .map(|(value, data_type)| self.cast(value, data_type, CastMode::Implicit, span))
            .collect()
    }

    fn constant_rows(&mut self, rows: &[Vec<Expr>], schema: Schema) -> Bound<usize> {
        let columns = (0..schema.len())
            .map(|i| {
                let values: Vec<&dyn Array> =
                    rows.iter().filter_map(|row| row[i].literal()).map(|value| value.as_ref()).collect();
                arrow_select::concat::concat(&values)
                    .map_err(|error| Diagnostic::new(Span::default(), format!("internal error: {error}")))
            })
            .collect::<Bound<Vec<ArrayRef>>>()?;
        let values = Operator::Values { columns, rows: rows.len() };
        Ok(self.push(values, Vec::new(), schema, NodeTraits::append()))
    }

    fn computed_rows(&mut self, rows: Vec<Vec<Expr>>, schema: Schema) -> usize {
        let inputs: Vec<Input> = rows
            .into_iter()
            .map(|project| {
                let one = Operator::Values { columns: Vec::new(), rows: 1 };
                let one = self.push(one, Vec::new(), Schema::default(), NodeTraits::append());
                let calc = Operator::Calc { filter: None, project };
                let node = self.push_forward(calc, one, schema.clone(), NodeTraits::append());
                Input { node, exchange: Exchange::Forward }
            })
            .collect();
        match inputs.as_slice() {
            [only] => only.node,
            _ => self.push(Operator::Union, inputs, schema, NodeTraits::append()),
        }
    }
}
