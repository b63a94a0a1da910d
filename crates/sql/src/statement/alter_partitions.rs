//! ALTER TABLE .. ADD and DROP PARTITION: the list of partitions that SHOW PARTITIONS shows.
//!
//! A scan reads what lies in the table's folder, whether it is listed or not.

use crate::ast::{ExprKind, Literal, PartitionValue};
use crate::bind::Bound;
use crate::catalog::Table;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use std::collections::BTreeMap;

/// The values of a PARTITION clause by column.
pub(super) fn partition(table: &Table, values: &[PartitionValue]) -> Bound<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for value in values {
        let name = &value.name;
        if !table.partition_by.contains(&name.value) {
            let columns = table.partition_by.join(", ");
            return Err(Diagnostic::new(
                name.span,
                format!("'{}' is not partitioned by '{}'", table.name, name.value),
            )
            .with_hint(format!("its partition columns are: {columns}")));
        }
        let text = match value.value.as_ref().map(|expr| &*expr.kind) {
            Some(ExprKind::Literal(Literal::String(text) | Literal::Number(text) | Literal::Date(text))) => {
                text.clone()
            }
            Some(ExprKind::Literal(Literal::Boolean(value))) => value.to_string(),
            _ => return Err(Diagnostic::new(name.span, "a partition's value is a literal")),
        };
        out.insert(name.value.clone(), text);
    }
    Ok(out)
}

/// Adds partitions to a table's list.
pub(super) fn add(
    table: &mut Table,
    partitions: &[Vec<PartitionValue>],
    if_not_exists: bool,
    span: Span,
) -> Bound<()> {
    check_partitioned(table, span)?;
    for values in partitions {
        let partition = partition(table, values)?;
        if partition.len() != table.partition_by.len() {
            return Err(Diagnostic::new(span, "a partition needs a value for each partition column"));
        }
        match (table.partitions.contains(&partition), if_not_exists) {
            (false, _) => table.partitions.push(partition),
            (true, true) => {}
            (true, false) => {
                return Err(
                    Diagnostic::new(span, "the partition already exists").with_hint("write IF NOT EXISTS")
                );
            }
        }
    }
    Ok(())
}

/// Takes partitions out of a table's list.
pub(super) fn drop(
    table: &mut Table,
    partitions: &[Vec<PartitionValue>],
    if_exists: bool,
    span: Span,
) -> Bound<()> {
    check_partitioned(table, span)?;
    for values in partitions {
        let partition = partition(table, values)?;
        let before = table.partitions.len();
        table.partitions.retain(|known| *known != partition);
        if table.partitions.len() == before && !if_exists {
            return Err(Diagnostic::new(span, "there is no such partition").with_hint("write IF EXISTS"));
        }
    }
    Ok(())
}

fn check_partitioned(table: &Table, span: Span) -> Bound<()> {
    match table.partition_by.is_empty() {
        true => Err(Diagnostic::new(span, format!("'{}' is not partitioned", table.name))),
        false => Ok(()),
    }
}
