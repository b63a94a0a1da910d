//! UNNEST in FROM: the rows to its left, each once for each element of a collection in it.
//!
//! Rules (Flink documentation, "Joins", "Array, Multiset and Map Expansion"): an ARRAY gives one column, or the
//! fields of its ROWs; a MAP gives its keys and values; WITH ORDINALITY adds the place from 1. A left join keeps
//! rows without elements and takes ON TRUE only. Time attributes of the left side stay.

use super::join::{Joined, conjuncts};
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn, unsupported};
use crate::ast::{self, JoinCondition, TableAlias, TableRef, TableRefKind};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{Expr, Operator, UnnestPlan};
use tidemill_types::{DataType, Schema, TypeKind};

/// Rows with a collection, whose inputs are not placed yet.
#[derive(Debug)]
pub(crate) struct Unnested {
    pub(crate) left: Joined,
    /// The collection, over the columns of the left side.
    collection: Expr,
    /// The columns: those of the left side, then those of the elements.
    pub(crate) columns: Vec<RelationColumn>,
    multiset: bool,
    flatten: bool,
    outer: bool,
    ordinality: bool,
    /// What else must hold, over the columns.
    on: Vec<Expr>,
}

/// The columns of a collection's elements.
struct Shape {
    columns: Vec<(String, DataType)>,
    multiset: bool,
    flatten: bool,
}

impl Binder<'_> {
    /// Unnests a collection beside the rows to the left of it.
    pub(crate) fn bind_unnest(&mut self, left: Joined, table: &TableRef, outer: bool) -> Bound<Joined> {
        let TableRefKind::Unnest { operands, ordinality } = &table.kind else {
            return Err(Diagnostic::new(table.span, "UNNEST is expected here"));
        };
        let [operand] = operands.as_slice() else {
            return Err(unsupported(table.span, "UNNEST of several collections"));
        };
        let left = self.with_windows(left);
        let collection = self.bind_over(operand, Scope { columns: left.columns() })?;
        let mut shape = shape(&collection.data_type(), operand.span)?;
        if *ordinality {
            shape.columns.push(("ORDINALITY".into(), TypeKind::Int.not_null()));
        }
        let single = shape.columns.len() - usize::from(*ordinality) == 1;
        name_columns(&mut shape.columns, table.alias.as_ref(), single)?;
        let mut columns = left.columns().to_vec();
        for (name, data_type) in shape.columns {
            let nullable = outer || data_type.nullable;
            let column = RelationColumn::new(name, data_type.with_nullable(nullable));
            let qualifier = table.alias.as_ref().map(|alias| alias.name.value.clone());
            columns.push(RelationColumn { qualifier, ..column });
        }
        let Shape { multiset, flatten, .. } = shape;
        let ordinality = *ordinality;
        let on = Vec::new();
        let tree = Unnested { left, collection, columns, multiset, flatten, outer, ordinality, on };
        Ok(Joined::Unnested(Box::new(tree)))
    }

    /// UNNEST as the right side of a join.
    pub(crate) fn join_unnest(&mut self, join: &ast::Join) -> Bound<Joined> {
        let left = self.bind_joined(&join.left)?;
        let outer = match join.kind {
            ast::JoinKind::Inner | ast::JoinKind::Cross => false,
            ast::JoinKind::Left => true,
            ast::JoinKind::Right | ast::JoinKind::Full => {
                return Err(Diagnostic::new(join.op_span, "UNNEST can't be the kept side of a join")
                    .with_hint("write CROSS JOIN UNNEST or LEFT JOIN UNNEST .. ON TRUE"));
            }
        };
        let mut joined = self.bind_unnest(left, &join.right, outer)?;
        let condition = match &join.condition {
            JoinCondition::On(condition) => condition,
            JoinCondition::None => return Ok(joined),
            _ => return Err(Diagnostic::new(join.op_span, "USING and NATURAL don't take an UNNEST")),
        };
        let scope = Scope { columns: joined.columns() };
        let terms = conjuncts(self.bind_condition(condition, &mut super::expr::Env::rows(scope), "ON")?);
        if outer && !terms.is_empty() {
            return Err(Diagnostic::new(condition.span, "a left join with UNNEST takes only ON TRUE")
                .with_hint("put the condition into WHERE"));
        }
        if let Joined::Unnested(tree) = &mut joined {
            tree.on = terms;
        }
        Ok(joined)
    }

    /// Places an unnest: what WHERE says of the left side goes below it.
    pub(crate) fn place_unnest(
        &mut self,
        tree: Unnested,
        terms: Vec<Expr>,
        hints: &[ast::Hint],
    ) -> Bound<Relation> {
        let width = tree.left.columns().len();
        let (below, above): (Vec<Expr>, Vec<Expr>) = terms
            .into_iter()
            .chain(tree.on)
            .partition(|term| !term.volatile() && term.columns().iter().all(|index| *index < width));
        let left = self.place_joins(tree.left, below, hints)?;
        let windowing = left.windowing.clone();
        let (left, places) = self.with_keys(left, std::iter::once(tree.collection));
        let plan = UnnestPlan {
            collection: places[0],
            kept: (0..width).collect(),
            multiset: tree.multiset,
            flatten: tree.flatten,
            outer: tree.outer,
            ordinality: tree.ordinality,
        };
        let mut columns = tree.columns;
        for (column, own) in columns.iter_mut().zip(&left.columns[..width]) {
            column.field.time = own.field.time;
        }
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect());
        let traits = NodeTraits { changelog: self.plan.nodes[left.node].changelog, upsert_key: None };
        let node = self.push_forward(Operator::Unnest(plan), left.node, schema, traits);
        let relation = Relation { node, columns, windowing };
        Ok(if above.is_empty() { relation } else { self.filtered(relation, above) })
    }
}

fn shape(collection: &DataType, span: Span) -> Bound<Shape> {
    let element = |element: &DataType, multiset| match &element.kind {
        TypeKind::Row(fields) => Shape {
            columns: fields.iter().map(|field| (field.name.clone(), field.data_type.clone())).collect(),
            multiset,
            flatten: true,
        },
        _ => Shape { columns: vec![("EXPR$0".into(), element.clone())], multiset, flatten: false },
    };
    match &collection.kind {
        TypeKind::Array(inner) => Ok(element(inner, false)),
        TypeKind::Multiset(inner) => Ok(element(inner, true)),
        TypeKind::Map(key, value) => Ok(Shape {
            columns: vec![("KEY".into(), (**key).clone()), ("VALUE".into(), (**value).clone())],
            multiset: false,
            flatten: false,
        }),
        other => Err(Diagnostic::new(span, format!("UNNEST takes an ARRAY, MAP or MULTISET, not {other}"))),
    }
}

/// The names that the alias gives; one without a list names a single column itself.
fn name_columns(columns: &mut [(String, DataType)], alias: Option<&TableAlias>, single: bool) -> Bound<()> {
    let Some(alias) = alias else { return Ok(()) };
    match alias.columns.len() {
        0 if single => columns[0].0.clone_from(&alias.name.value),
        0 => {}
        given if given == columns.len() => {
            let names = alias.columns.iter().map(|column| column.value.clone());
            columns.iter_mut().zip(names).for_each(|(column, name)| column.0 = name);
        }
        given => {
            let name = &alias.name;
            return Err(super::from::column_count(name.span, &name.value, columns.len(), given));
        }
    }
    Ok(())
}
