//! CREATE TABLE: columns with their types, time attributes, keys.
//!
//! Rules (Flink documentation, "CREATE TABLE"): one watermark, on a column of TIMESTAMP(p) or
//! TIMESTAMP_LTZ(p) with p <= 3; the primary key is NOT ENFORCED and its columns are NOT NULL; computed
//! columns name physical and metadata columns.

use super::like;
use crate::ast::{self, ColumnDef, CreateTable, ExprKind, KeyConstraint, WatermarkDef};
use crate::bind::{Binder, Bound, types};
use crate::catalog::{
    CatalogEntry, Column, ColumnKind, ObjectPath, Session, Table, WatermarkSpec, legacy_options,
};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_types::{DataType, Options, TimeAttribute, TypeKind};

impl Session {
    /// Declares a table. The answer may be a warning.
    pub(super) fn create_table(&mut self, create: &CreateTable) -> Bound<Option<String>> {
        if create.replace {
            return Err(Diagnostic::new(create.name.span(), "REPLACE TABLE needs AS and a query"));
        }
        let key = self.catalog.key(&create.name)?;
        if self.catalog.has(&key, create.temporary) {
            already_exists(create.if_not_exists, create.name.span(), "table", &key.name)?;
            return Ok(None);
        }
        let base = create.like.as_ref().map(|like| like::base(self, like)).transpose()?;
        let mut table = self.new_table(create, base, &key)?;
        let warning = legacy_options::rename(&mut table.options, create)?;
        self.catalog.insert(key, CatalogEntry::Table(table), create.temporary);
        Ok(warning)
    }

    /// The table that a CREATE TABLE declares on top of another.
    pub(super) fn new_table(
        &self,
        create: &CreateTable,
        base: Option<Table>,
        path: &ObjectPath,
    ) -> Bound<Table> {
        let mut table = base.unwrap_or_else(|| empty(path));
        table.name.clone_from(&path.name);
        table.home.clone_from(&path.home);
        table.temporary = create.temporary;
        table.comment = create.comment.as_ref().map(|text| text.value.clone());
        let overwrite = create.like.as_ref().is_none_or(like::overwrites_options);
        add_options(&mut table.options, create, overwrite)?;
        self.add_columns(&mut table, &create.schema.columns, create.like.as_ref())?;
        if !create.partitioned_by.is_empty() {
            table.partition_by = create.partitioned_by.iter().map(|column| column.value.clone()).collect();
        }
        for partition in &create.partitioned_by {
            column_of(&table, partition)?;
        }
        add_key(&mut table, &create.schema.columns, &create.schema.constraints)?;
        self.type_computed_columns(&mut table)?;
        self.add_watermark(&mut table, &create.schema.watermarks)?;
        Ok(table)
    }

    fn add_columns(
        &self,
        table: &mut Table,
        columns: &[ColumnDef],
        like: Option<&ast::TableLike>,
    ) -> Bound<()> {
        for def in columns {
            if let Some(known) = table.columns.iter().position(|column| column.name == def.name.value) {
                match like.is_some_and(|like| like::overwrites(like, &def.kind)) {
                    true => drop(table.columns.remove(known)),
                    false => {
                        return Err(Diagnostic::new(
                            def.name.span,
                            format!("a column named '{}' already exists in the table", def.name.value),
                        ));
                    }
                }
            }
            table.columns.push(column(def)?);
        }
        Ok(())
    }

    /// Gives computed columns the types of their expressions.
    pub(super) fn type_computed_columns(&self, table: &mut Table) -> Bound<()> {
        let binder = Binder::new(self);
        let stored = binder.stored_scope(table);
        for column in &mut table.columns {
            if let ColumnKind::Computed(expr) = &column.kind {
                column.data_type = binder.bind_over(expr, crate::bind::scope_of(&stored))?.data_type();
                column.time = is_proctime(expr).then_some(TimeAttribute::Proctime);
            }
        }
        Ok(())
    }

    /// Declares the watermark.
    pub(super) fn add_watermark(&self, table: &mut Table, watermarks: &[WatermarkDef]) -> Bound<()> {
        let [watermark] = watermarks else {
            return match watermarks.get(1) {
                Some(second) => Err(Diagnostic::new(second.span, "a table has at most one watermark")),
                None => Ok(()),
            };
        };
        if table.watermark.is_some() {
            return Err(Diagnostic::new(watermark.span, "the table already has a watermark from LIKE")
                .with_hint("add OVERWRITING WATERMARKS or EXCLUDING WATERMARKS to LIKE"));
        }
        let [name] = watermark.column.as_slice() else {
            return Err(Diagnostic::new(
                watermark.span,
                "the watermark's column must be a column of the table itself",
            ));
        };
        let column = table.columns.iter_mut().find(|column| column.name == name.value);
        let column = column.ok_or_else(|| {
            Diagnostic::new(
                name.span,
                format!("the watermark's column '{}' is not defined in the table", name.value),
            )
        })?;
        if !matches!(column.data_type.kind, TypeKind::Timestamp(0..=3) | TypeKind::TimestampLtz(0..=3)) {
            return Err(Diagnostic::new(
                name.span,
                format!("invalid data type of time field for watermark definition: '{}' is {}", name.value, column.data_type),
            )
            .with_hint("the field must be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3; TIMESTAMP alone is TIMESTAMP(6)"));
        }
        column.time = Some(TimeAttribute::Rowtime);
        self.check_watermark(table, watermark)?;
        table.watermark = Some(WatermarkSpec { column: name.value.clone(), expr: watermark.expr.clone() });
        Ok(())
    }

    fn check_watermark(&self, table: &Table, watermark: &WatermarkDef) -> Bound<()> {
        let binder = Binder::new(self);
        let columns = binder.table_scope(table);
        let expr = binder.bind_over(&watermark.expr, crate::bind::scope_of(&columns))?;
        if expr.data_type().kind.is_timestamp() || is_call(&watermark.expr, "SOURCE_WATERMARK") {
            return Ok(());
        }
        Err(Diagnostic::new(
            watermark.expr.span,
            format!("a watermark must be a timestamp, not {}", expr.data_type()),
        ))
    }
}

/// The error for a name that is taken, unless IF NOT EXISTS was written.
pub(super) fn already_exists(if_not_exists: bool, span: Span, kind: &str, name: &str) -> Bound<()> {
    match if_not_exists {
        true => Ok(()),
        false => Err(Diagnostic::new(span, format!("a {kind} named '{name}' already exists"))
            .with_hint("DROP it first, or write IF NOT EXISTS")),
    }
}

/// A table without columns.
pub(super) fn empty(path: &ObjectPath) -> Table {
    Table {
        name: path.name.clone(),
        home: path.home.clone(),
        columns: Vec::new(),
        watermark: None,
        primary_key: Vec::new(),
        primary_key_name: None,
        partition_by: Vec::new(),
        partitions: Vec::new(),
        options: Options::default(),
        comment: None,
        temporary: false,
    }
}

fn add_options(options: &mut Options, create: &CreateTable, overwrite: bool) -> Bound<()> {
    for property in &create.options {
        let former = options.0.insert(property.key.value.clone(), property.value.value.clone());
        if former.is_some() && !overwrite {
            return Err(Diagnostic::new(
                property.key.span,
                format!("the option '{}' comes from LIKE already", property.key.value),
            )
            .with_hint("write OVERWRITING OPTIONS"));
        }
    }
    Ok(())
}

/// The column that a definition declares; computed ones get their type later.
pub(super) fn column(def: &ColumnDef) -> Bound<Column> {
    let (kind, data_type) = match &def.kind {
        ast::ColumnKind::Physical(data_type) => (ColumnKind::Physical, types::data_type(data_type)?),
        ast::ColumnKind::Metadata { data_type, key, is_virtual } => {
            let key = key.as_ref().map_or_else(|| def.name.value.clone(), |key| key.value.clone());
            (ColumnKind::Metadata { key, is_virtual: *is_virtual }, types::data_type(data_type)?)
        }
        ast::ColumnKind::Computed(expr) => (ColumnKind::Computed(expr.clone()), TypeKind::Null.nullable()),
        ast::ColumnKind::Reference => {
            return Err(Diagnostic::new(def.span, format!("column '{}' has no type", def.name.value)));
        }
    };
    let comment = def.comment.as_ref().map(|text| text.value.clone());
    Ok(Column { name: def.name.value.clone(), kind, data_type, time: None, comment })
}

/// A column of the table by name.
pub(super) fn column_of<'t>(table: &'t Table, name: &ast::Ident) -> Bound<&'t Column> {
    table.columns.iter().find(|column| column.name == name.value).ok_or_else(|| {
        Diagnostic::new(name.span, format!("column '{}' is not defined in the table", name.value))
    })
}

/// Declares the primary key, if there is one.
pub(super) fn add_key(table: &mut Table, columns: &[ColumnDef], constraints: &[KeyConstraint]) -> Bound<()> {
    let of_columns = columns.iter().filter_map(|column| {
        column.constraint.as_ref().map(|constraint| (constraint, vec![column.name.clone()]))
    });
    let of_table = constraints.iter().map(|constraint| (constraint, constraint.columns.clone()));
    let keys: Vec<(&KeyConstraint, Vec<ast::Ident>)> = of_columns.chain(of_table).collect();
    let Some((constraint, columns)) = keys.first() else { return Ok(()) };
    if let Some((second, _)) = keys.get(1) {
        return Err(Diagnostic::new(second.span, "a table has at most one primary key"));
    }
    if constraint.unique {
        return Err(Diagnostic::new(constraint.span, "UNIQUE is not supported")
            .with_hint("write PRIMARY KEY (..) NOT ENFORCED"));
    }
    if constraint.enforced != Some(false) {
        return Err(Diagnostic::new(constraint.span, "a primary key must be declared as NOT ENFORCED")
            .with_hint(
                "rows live outside, so nothing here could enforce it: write PRIMARY KEY (..) NOT ENFORCED",
            ));
    }
    table.primary_key.clear();
    table.primary_key_name = constraint.name.as_ref().map(|name| name.value.clone());
    for name in columns {
        let column = table.columns.iter_mut().find(|column| column.name == name.value).ok_or_else(|| {
            Diagnostic::new(
                name.span,
                format!("the primary key names column '{}', which the table does not have", name.value),
            )
        })?;
        if !matches!(column.kind, ColumnKind::Physical) {
            return Err(Diagnostic::new(
                name.span,
                format!("column '{}' is not physical and can't be in a primary key", name.value),
            ));
        }
        column.data_type = DataType { nullable: false, ..column.data_type.clone() };
        table.primary_key.push(name.value.clone());
    }
    Ok(())
}

fn is_call(expr: &ast::Expr, name: &str) -> bool {
    matches!(&*expr.kind, ExprKind::Call(call) if call.name.last().value.eq_ignore_ascii_case(name))
}

fn is_proctime(expr: &ast::Expr) -> bool {
    is_call(expr, "PROCTIME")
}
