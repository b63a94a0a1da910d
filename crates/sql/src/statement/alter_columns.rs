//! ALTER TABLE's changes of the schema: columns, watermark, primary key.
//!
//! Rules (Flink documentation, "ALTER TABLE"): ADD takes what is not there yet, MODIFY what is; a column goes
//! where FIRST or AFTER says; one that a computed column, the watermark, the key or the partitions name is neither
//! dropped nor (but for the last two) renamed.

use super::create_table::{add_key, column, column_of};
use crate::ast::{ColumnPlace, Expr, Ident, PlacedColumn, SchemaChange, WatermarkDef};
use crate::bind::{Bound, names_in};
use crate::catalog::{ColumnKind, Session, Table};
use crate::diagnostic::Diagnostic;
use crate::span::Span;

impl Session {
    /// ADD or, if `modify`, MODIFY.
    pub(super) fn change_schema(
        &self,
        table: &mut Table,
        change: &SchemaChange,
        modify: bool,
        span: Span,
    ) -> Bound<()> {
        if let Some(distribution) = &change.distribution {
            return Err(crate::bind::unsupported(distribution.span, "a distribution"));
        }
        for placed in &change.columns {
            match modify {
                true => modify_column(table, placed)?,
                false => add_column(table, placed)?,
            }
        }
        let defs: Vec<_> = change.columns.iter().map(|placed| placed.column.clone()).collect();
        let has_key = !change.constraints.is_empty() || defs.iter().any(|def| def.constraint.is_some());
        check_presence(has_key, !table.primary_key.is_empty(), modify, "primary key", span)?;
        add_key(table, &defs, &change.constraints)?;
        let has_watermark = !change.watermarks.is_empty();
        check_presence(has_watermark, table.watermark.is_some(), modify, "watermark", span)?;
        if has_watermark {
            table.watermark = None;
        }
        self.type_again(table)?;
        self.add_watermark(table, &change.watermarks)
    }

    /// Types and time attributes anew, after something below them changed.
    pub(super) fn type_again(&self, table: &mut Table) -> Bound<()> {
        table.columns.iter_mut().for_each(|column| column.time = None);
        self.type_computed_columns(table)?;
        let Some(watermark) = table.watermark.take() else { return Ok(()) };
        let span = watermark.expr.span;
        let column = vec![Ident { value: watermark.column, quoted: true, span }];
        self.add_watermark(table, &[WatermarkDef { column, expr: watermark.expr, span }])
    }
}

fn check_presence(given: bool, there: bool, modify: bool, what: &str, span: Span) -> Bound<()> {
    match (given, there, modify) {
        (true, true, false) => Err(Diagnostic::new(span, format!("the table already has a {what}"))
            .with_hint("write MODIFY, or DROP it first")),
        (true, false, true) => {
            Err(Diagnostic::new(span, format!("the table has no {what}")).with_hint("write ADD"))
        }
        _ => Ok(()),
    }
}

fn add_column(table: &mut Table, placed: &PlacedColumn) -> Bound<()> {
    let name = &placed.column.name;
    if table.columns.iter().any(|column| column.name == name.value) {
        return Err(Diagnostic::new(name.span, format!("the table already has a column '{}'", name.value))
            .with_hint("write MODIFY"));
    }
    let place = place(table, placed.place.as_ref())?.unwrap_or(table.columns.len());
    table.columns.insert(place, column(&placed.column)?);
    Ok(())
}

fn modify_column(table: &mut Table, placed: &PlacedColumn) -> Bound<()> {
    let name = &placed.column.name;
    let at = position(table, name)?;
    let mut changed = column(&placed.column)?;
    let former = table.columns.remove(at);
    if changed.comment.is_none() {
        changed.comment = former.comment;
    }
    if table.primary_key.contains(&name.value) {
        changed.data_type.nullable = false;
    }
    let place = place(table, placed.place.as_ref())?.unwrap_or(at);
    table.columns.insert(place, changed);
    Ok(())
}

fn place(table: &Table, place: Option<&ColumnPlace>) -> Bound<Option<usize>> {
    match place {
        None => Ok(None),
        Some(ColumnPlace::First) => Ok(Some(0)),
        Some(ColumnPlace::After(name)) => Ok(Some(position(table, name)? + 1)),
    }
}

fn position(table: &Table, name: &Ident) -> Bound<usize> {
    column_of(table, name)?;
    let place = table.columns.iter().position(|column| column.name == name.value);
    Ok(place.expect("the column was just found"))
}

/// Drops columns.
pub(super) fn drop_columns(table: &mut Table, names: &[Ident]) -> Bound<()> {
    for name in names {
        position(table, name)?;
        let others = |column: &str| names.iter().all(|dropped| dropped.value != column);
        refuse_referenced(table, name, &others)?;
        let used = match () {
            () if table.primary_key.contains(&name.value) => Some("the primary key"),
            () if table.partition_by.contains(&name.value) => Some("PARTITIONED BY"),
            () => None,
        };
        if let Some(used) = used {
            return Err(Diagnostic::new(name.span, format!("column '{}' is used by {used}", name.value)));
        }
    }
    table.columns.retain(|column| names.iter().all(|name| name.value != column.name));
    Ok(())
}

/// Gives a column another name, also in the key and the partitions.
pub(super) fn rename_column(table: &mut Table, from: &[Ident], to: &Ident) -> Bound<()> {
    let [from] = from else {
        return Err(Diagnostic::new(to.span, "fields of a ROW can't be renamed"));
    };
    let at = position(table, from)?;
    if table.columns.iter().any(|column| column.name == to.value) {
        return Err(Diagnostic::new(to.span, format!("the table already has a column '{}'", to.value)));
    }
    refuse_referenced(table, from, &|_| true)?;
    table.columns[at].name.clone_from(&to.value);
    let names = table.primary_key.iter_mut().chain(&mut table.partition_by);
    names.filter(|name| **name == from.value).for_each(|name| name.clone_from(&to.value));
    Ok(())
}

/// An error if a computed column that stays or the watermark names the column.
fn refuse_referenced(table: &Table, name: &Ident, stays: &dyn Fn(&str) -> bool) -> Bound<()> {
    let names = |expr: &Expr| names_in(expr).contains(&name.value);
    let computed = table.columns.iter().find(|column| match &column.kind {
        ColumnKind::Computed(expr) => stays(&column.name) && names(expr),
        _ => false,
    });
    if let Some(computed) = computed {
        let message = format!("column '{}' is used by the computed column '{}'", name.value, computed.name);
        return Err(Diagnostic::new(name.span, message));
    }
    let watermark = table.watermark.as_ref();
    if watermark.is_some_and(|watermark| watermark.column == name.value || names(&watermark.expr)) {
        return Err(Diagnostic::new(name.span, format!("column '{}' is used by the watermark", name.value)));
    }
    Ok(())
}
