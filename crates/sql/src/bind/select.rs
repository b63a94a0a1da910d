//! SELECT: FROM, WHERE, then either a projection or an aggregation with one above it.

use super::expr::Env;
use super::join::Joined;
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn, Windowing};
use crate::ast::{self, GroupItem, GroupItemKind, Ident, Select, SelectItem};
use crate::diagnostic::Diagnostic;
use tidemill_plan::{Expr, Operator};
use tidemill_types::{Field, TimeAttribute, TypeKind};

/// An output column: its name and the syntax it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) source: ItemSource,
}

/// What an output column is made of.
#[derive(Debug, Clone)]
pub(crate) enum ItemSource {
    /// An expression.
    Expr(ast::Expr),
    /// A column of the input, from `*`.
    Column(usize),
    /// A field of a ROW column, from `row.*`.
    Field(usize, Ident),
}

impl Item {
    /// The syntax of its expression, if it has any.
    pub(crate) fn expr(&self) -> Option<&ast::Expr> {
        match &self.source {
            ItemSource::Expr(expr) => Some(expr),
            _ => None,
        }
    }

    /// The same to be changed.
    pub(crate) fn expr_mut(&mut self) -> Option<&mut ast::Expr> {
        match &mut self.source {
            ItemSource::Expr(expr) => Some(expr),
            _ => None,
        }
    }
}

impl Binder<'_> {
    /// Binds a SELECT.
    pub(crate) fn bind_select(&mut self, select: &Select) -> Bound<Relation> {
        if let Some(relation) = self.bind_windowed(select)? {
            return Ok(relation);
        }
        self.refuse_unsupported(select)?;
        let (input, filter) = self.bind_source(select)?;
        let scope = Scope::of(&input);
        let mut items = self.expand_items(&select.items, scope)?;
        items.iter().filter_map(Item::expr).try_for_each(refuse_bare_null)?;
        let aggregated = select.group_by.is_some() || select.having.is_some() || self.has_aggregate(&items);
        if aggregated {
            let relation = self.bind_aggregation(select, &input, filter, &items)?;
            return if select.distinct { self.distinct(relation, select.span) } else { Ok(relation) };
        }
        let (input, filter) = self.lift_items(input, filter, &mut items)?;
        if select.distinct {
            return self.bind_distinct(select, &input, filter, &items);
        }
        self.bind_projection(input, filter, &items)
    }

    /// FROM and WHERE: the rows that a SELECT is over, and what of WHERE is still to be applied.
    pub(crate) fn bind_source(&mut self, select: &Select) -> Bound<(Relation, Option<Expr>)> {
        let (from, selection) = match self.bind_from(&select.from)? {
            Joined::Leaf(relation) => {
                let (relation, rest) = self.narrow_ranks(relation, select.selection.as_ref())?;
                (Joined::Leaf(relation), rest)
            }
            joined => (joined, select.selection.iter().cloned().collect()),
        };
        self.bind_where(from, &selection, &select.hints)
    }

    fn refuse_unsupported(&self, select: &Select) -> Bound<()> {
        match &select.qualify {
            Some(qualify) => Err(Diagnostic::new(qualify.span, "QUALIFY needs a call with an OVER clause")
                .with_hint("use WHERE or HAVING for conditions on rows or groups")),
            None => Ok(()),
        }
    }

    pub(crate) fn bind_projection(
        &mut self,
        input: Relation,
        filter: Option<Expr>,
        items: &[Item],
    ) -> Bound<Relation> {
        let input = self.assign_windows(input);
        let scope = Scope::of(&input);
        let exprs = items
            .iter()
            .map(|item| self.bind_item(item, &mut Env::rows(scope)))
            .collect::<Bound<Vec<_>>>()?;
        let names = items.iter().map(|item| item.name.clone()).collect();
        Ok(self.project(&input, filter, exprs, names))
    }

    /// Binds one output column.
    pub(crate) fn bind_item(&self, item: &Item, env: &mut Env<'_, '_>) -> Bound<Expr> {
        match &item.source {
            ItemSource::Expr(expr) => self.bind_expr(expr, env),
            ItemSource::Column(index) => Ok(env.scope.column(*index)),
            ItemSource::Field(index, field) => self.field_of(env.scope.column(*index), field),
        }
    }

    /// Rows of `input` that pass the filter, with these columns. Time attributes and windows go with the
    /// columns that are passed on unchanged; PROCTIME() makes a time attribute.
    pub(crate) fn project(
        &mut self,
        input: &Relation,
        filter: Option<Expr>,
        exprs: Vec<Expr>,
        names: Vec<String>,
    ) -> Relation {
        let columns: Vec<RelationColumn> = exprs
            .iter()
            .zip(names)
            .map(|(expr, name)| {
                let mut field = Field::new(name, expr.data_type());
                field.time = match expr {
                    Expr::Column { index, .. } => input.columns[*index].field.time,
                    Expr::Call { name, .. } if name == "PROCTIME" => Some(TimeAttribute::Proctime),
                    _ => None,
                };
                RelationColumn { qualifier: None, field, hidden: false }
            })
            .collect();
        let windowing = attached_after(input, &exprs);
        let upsert_key = key_after(self.plan.nodes[input.node].upsert_key.as_deref(), &exprs);
        let traits = NodeTraits { changelog: self.plan.nodes[input.node].changelog, upsert_key };
        let relation = Relation { node: input.node, columns, windowing };
        let identity = filter.is_none() && is_identity(&exprs, input.columns.len());
        if identity && relation.schema() == self.plan.nodes[input.node].schema {
            return relation;
        }
        let schema = relation.schema();
        let node = self.push_forward(Operator::Calc { filter, project: exprs }, input.node, schema, traits);
        Relation { node, ..relation }
    }

    /// Whether an aggregate stands in the output columns.
    pub(crate) fn has_aggregate(&self, items: &[Item]) -> bool {
        items.iter().any(|item| match &item.source {
            ItemSource::Expr(expr) => super::columns::any_call(expr, &|call| {
                let name = &call.name.last().value;
                call.over.is_none() && self.session.functions.aggregate(name).is_some()
            }),
            _ => false,
        })
    }

    /// The output columns with `*` replaced by what it stands for, and a name for each.
    pub(crate) fn expand_items(&self, items: &[SelectItem], scope: Scope<'_>) -> Bound<Vec<Item>> {
        let mut out = Vec::new();
        for item in items {
            match item {
                SelectItem::Expr { expr, alias } => {
                    let name = match (alias, &*expr.kind) {
                        (Some(alias), _) => alias.value.clone(),
                        (None, ast::ExprKind::Name(parts)) => {
                            parts.last().expect("a name has a part").value.clone()
                        }
                        (None, ast::ExprKind::Field { field, .. }) => field.value.clone(),
                        _ => format!("EXPR${}", out.len()),
                    };
                    out.push(Item { name, source: ItemSource::Expr(expr.clone()) });
                }
                SelectItem::Wildcard(span) => {
                    if scope.columns.is_empty() {
                        return Err(Diagnostic::new(*span, "'*' needs a FROM clause"));
                    }
                    let shown = (0..scope.columns.len()).filter(|index| !scope.columns[*index].hidden);
                    out.extend(shown.map(|index| column_item(scope, index)));
                }
                SelectItem::QualifiedWildcard { prefix, span } => {
                    out.extend(self.expand_qualified(prefix, *span, scope)?);
                }
            }
        }
        Ok(out)
    }

    fn expand_qualified(
        &self,
        prefix: &[Ident],
        span: crate::span::Span,
        scope: Scope<'_>,
    ) -> Bound<Vec<Item>> {
        let table = &prefix.last().expect("a prefix has a part").value;
        let of_table: Vec<Item> = scope
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.qualifier.as_ref() == Some(table))
            .map(|(index, _)| column_item(scope, index))
            .collect();
        if !of_table.is_empty() {
            return Ok(of_table);
        }
        let (index, used) = scope.resolve(prefix)?;
        match (&scope.columns[index].field.data_type.kind, used == prefix.len()) {
            (TypeKind::Row(fields), true) => Ok(fields
                .iter()
                .map(|field| {
                    let ident = Ident { value: field.name.clone(), quoted: true, span };
                    Item { name: field.name.clone(), source: ItemSource::Field(index, ident) }
                })
                .collect()),
            _ => Err(Diagnostic::new(span, format!("'{table}' is neither a table here nor a ROW column"))),
        }
    }

    /// DISTINCT over plain columns: the columns are grouped by.
    fn bind_distinct(
        &mut self,
        select: &Select,
        input: &Relation,
        filter: Option<Expr>,
        items: &[Item],
    ) -> Bound<Relation> {
        let grouped: Option<Vec<GroupItem>> = items
            .iter()
            .map(|item| match &item.source {
                ItemSource::Expr(expr) => {
                    Some(GroupItem { kind: GroupItemKind::Expr(expr.clone()), span: expr.span })
                }
                _ => None,
            })
            .collect();
        match grouped {
            Some(items_of_group) if matches!(input.windowing, Some(Windowing::Pending(_))) => {
                let group = ast::GroupBy { quantifier: None, items: items_of_group, span: select.span };
                let select = Select { group_by: Some(group), distinct: false, ..select.clone() };
                self.bind_aggregation(&select, input, filter, items)
            }
            _ => {
                let projected = self.bind_projection(input.clone(), filter, items)?;
                self.distinct(projected, select.span)
            }
        }
    }
}

/// Flink gives a bare NULL no type: it stands only where another value decides the type.
pub(crate) fn refuse_bare_null(expr: &ast::Expr) -> Bound<()> {
    match &*expr.kind {
        ast::ExprKind::Literal(ast::Literal::Null) => {
            Err(Diagnostic::new(expr.span, "illegal use of 'NULL'")
                .with_hint("give it a type: CAST(NULL AS STRING)"))
        }
        _ => Ok(()),
    }
}

fn column_item(scope: Scope<'_>, index: usize) -> Item {
    Item { name: scope.columns[index].field.name.clone(), source: ItemSource::Column(index) }
}

fn is_identity(exprs: &[Expr], width: usize) -> bool {
    exprs.len() == width
        && exprs.iter().enumerate().all(|(i, expr)| matches!(expr, Expr::Column { index, .. } if *index == i))
}

/// Where a column stands after a projection that passes it on unchanged.
fn place_after(column: usize, exprs: &[Expr]) -> Option<usize> {
    exprs.iter().position(|expr| matches!(expr, Expr::Column { index, .. } if *index == column))
}

pub(crate) fn attached_after(input: &Relation, exprs: &[Expr]) -> Option<Windowing> {
    match &input.windowing {
        Some(Windowing::Attached { start, end, time, kind, window }) => Some(Windowing::Attached {
            start: place_after(*start, exprs)?,
            end: place_after(*end, exprs)?,
            time: time.and_then(|time| place_after(time, exprs)),
            kind: *kind,
            window: window.clone(),
        }),
        _ => None,
    }
}

/// The key of a changelog after a projection, if all its columns are passed on.
pub(crate) fn key_after(key: Option<&[usize]>, exprs: &[Expr]) -> Option<Vec<usize>> {
    key?.iter().map(|column| place_after(*column, exprs)).collect()
}
