//! Names in scope: which column `a`, `t.a` or `t.row.field` means.
//!
//! Rule (Flink documentation, "Queries"; the nexmark views depend on it): a name is first tried as a column
//! or as table and column; what is left over are fields of a ROW.

use super::{Binder, Bound, Relation, RelationColumn};
use crate::ast::Ident;
use crate::diagnostic::Diagnostic;
use tidemill_plan::Expr;
use tidemill_types::TypeKind;
use tidemill_types::options::{near, quoted_or};

/// The columns an expression may name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) columns: &'s [RelationColumn],
}

impl<'s> Scope<'s> {
    pub(crate) fn of(relation: &'s Relation) -> Self {
        Scope { columns: &relation.columns }
    }

    /// A scope without columns.
    pub(crate) const EMPTY: Scope<'static> = Scope { columns: &[] };

    /// The column of this index as an expression.
    pub(crate) fn column(&self, index: usize) -> Expr {
        let field = &self.columns[index].field;
        Expr::column(index, field.name.clone(), field.data_type.clone())
    }

    /// The index of the column that the first parts of a name mean, and how many parts that took.
    pub(crate) fn resolve(&self, parts: &[Ident]) -> Bound<(usize, usize)> {
        if let [table, column, ..] = parts
            && let Some(index) = self.find(Some(&table.value), column)?
        {
            return Ok((index, 2));
        }
        match self.find(None, &parts[0])? {
            Some(index) => Ok((index, 1)),
            None => Err(self.not_found(parts)),
        }
    }

    fn find(&self, qualifier: Option<&str>, name: &Ident) -> Bound<Option<usize>> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| {
            column.field.name == name.value
                && match qualifier {
                    Some(_) => column.qualifier.as_deref() == qualifier,
                    None => !column.hidden,
                }
        });
        let first = found.next();
        match (first, found.next()) {
            (Some(_), Some(_)) => {
                Err(Diagnostic::new(name.span, format!("column '{}' is ambiguous", name.value))
                    .with_hint("put the alias of its table before it, as in t.column"))
            }
            (first, _) => Ok(first.map(|(index, _)| index)),
        }
    }

    fn not_found(&self, parts: &[Ident]) -> Diagnostic {
        let name = &parts[0];
        if let [table, column, ..] = parts
            && self.columns.iter().any(|c| c.qualifier.as_deref() == Some(table.value.as_str()))
        {
            let own = self.columns.iter().filter(|c| c.qualifier.as_deref() == Some(table.value.as_str()));
            let message = format!("table '{}' has no column '{}'", table.value, column.value);
            return self.with_near(Diagnostic::new(column.span, message), &column.value, own);
        }
        let message = format!("there is no column '{}' here", name.value);
        self.with_near(Diagnostic::new(name.span, message), &name.value, self.columns.iter())
    }

    fn with_near<'c>(
        &self,
        diagnostic: Diagnostic,
        name: &str,
        columns: impl Iterator<Item = &'c RelationColumn>,
    ) -> Diagnostic {
        let names: Vec<&str> = columns.map(|column| column.field.name.as_str()).collect();
        match near(name, names.iter().copied()).as_slice() {
            [] if names.is_empty() => diagnostic.with_hint("no table is in scope"),
            [] => diagnostic.with_hint(format!("the columns are: {}", names.join(", "))),
            near => {
                diagnostic.with_hint(format!("did you mean {}? names are case-sensitive", quoted_or(near)))
            }
        }
    }
}

impl Binder<'_> {
    /// The expression a dotted name means.
    pub(crate) fn bind_name(&self, parts: &[Ident], scope: Scope<'_>) -> Bound<Expr> {
        let (index, used) = scope.resolve(parts)?;
        let mut expr = scope.column(index);
        for part in &parts[used..] {
            expr = self.field_of(expr, part)?;
        }
        Ok(expr)
    }

    /// A field of a ROW.
    pub(crate) fn field_of(&self, base: Expr, field: &Ident) -> Bound<Expr> {
        let data_type = base.data_type();
        let TypeKind::Row(fields) = &data_type.kind else {
            let message = format!("'{base}' is {data_type} and has no field '{}'", field.value);
            return Err(Diagnostic::new(field.span, message).with_hint("only a ROW has fields"));
        };
        match fields.iter().position(|candidate| candidate.name == field.value) {
            Some(index) => {
                let index = super::literal::int(index as i32);
                self.call("FIELD", vec![base, index], field.span)
            }
            None => {
                let names = fields.iter().map(|candidate| candidate.name.as_str());
                let message = format!("'{base}' has no field '{}'", field.value);
                let all = names.clone().collect::<Vec<_>>().join(", ");
                let hint = match near(&field.value, names).as_slice() {
                    [] => format!("its fields are: {all}"),
                    near => format!("did you mean {}? its fields are: {all}", quoted_or(near)),
                };
                Err(Diagnostic::new(field.span, message).with_hint(hint))
            }
        }
    }
}
