//! TO_CHANGELOG and FROM_CHANGELOG: kinds of change as a column, and the reverse.
//!
//! Rules (Flink 2.3, the type strategies of the two functions): the op column comes first, or behind the columns
//! of PARTITION BY; codes and kinds are given by a constant MAP whose keys may list several, with commas;
//! TO_CHANGELOG drops kinds without a code, FROM_CHANGELOG fails on codes without a kind unless told to skip
//! them. Updates without UPDATE_BEFORE need PARTITION BY, whose columns are then the key.

use super::scope::Scope;
use super::table_function::ordered;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn};
use crate::ast::{self, ExprKind, FunctionCall, Literal};
use crate::diagnostic::Diagnostic;
use tidemill_plan::{ChangelogMode, Exchange, Expr, FromChangelogPlan, Input, Operator, ToChangelogPlan};
use tidemill_types::{DataType, RowKind};

/// The kinds of change by their names in mappings.
const KINDS: [(&str, RowKind); 4] = [
    ("INSERT", RowKind::Insert),
    ("UPDATE_BEFORE", RowKind::UpdateBefore),
    ("UPDATE_AFTER", RowKind::UpdateAfter),
    ("DELETE", RowKind::Delete),
];

/// The column of codes unless another is named.
const OP_COLUMN: &str = "op";

impl Binder<'_> {
    /// Binds one of the two, `None` for another function.
    pub(crate) fn bind_changelog_function(&mut self, call: &FunctionCall) -> Bound<Option<Relation>> {
        match call.name.last().value.to_uppercase().as_str() {
            "TO_CHANGELOG" => self.bind_to_changelog(call).map(Some),
            "FROM_CHANGELOG" => self.bind_from_changelog(call).map(Some),
            _ => Ok(None),
        }
    }

    fn bind_to_changelog(&mut self, call: &FunctionCall) -> Bound<Relation> {
        let args = ordered(call, "TO_CHANGELOG", &["INPUT", "OP", "OP_MAPPING"])?;
        let (input, partition) = self.changelog_input(call, &args, "TO_CHANGELOG")?;
        let op = op_column(args.get(1).copied().flatten())?;
        let mut codes: Vec<(RowKind, String)> =
            KINDS.iter().map(|(name, kind)| (*kind, (*name).to_string())).collect();
        if let Some(mapping) = args.get(2).copied().flatten() {
            codes.clear();
            for (names, code) in mapping_of(mapping)? {
                for name in names.split(',') {
                    codes.push((kind_of(name, mapping)?, code.clone()));
                }
            }
        }
        let width = input.columns.len();
        let plan = ToChangelogPlan { codes, kept: (0..width).collect() };
        let mut columns = vec![RelationColumn::new(op, DataType::string())];
        columns.extend(input.columns.iter().cloned());
        columns.iter_mut().for_each(|column| column.qualifier = None);
        let relation = Relation { node: input.node, columns, windowing: None };
        let operator = Operator::ToChangelog(plan);
        let node = self.push_forward(operator, input.node, relation.schema(), NodeTraits::append());
        let order: Vec<usize> = partition
            .iter()
            .map(|column| column + 1)
            .chain([0])
            .chain((0..width).filter(|column| !partition.contains(column)).map(|column| column + 1))
            .collect();
        Ok(self.reordered(&Relation { node, ..relation }, &order))
    }

    fn bind_from_changelog(&mut self, call: &FunctionCall) -> Bound<Relation> {
        const NAMES: [&str; 4] = ["INPUT", "OP", "OP_MAPPING", "INVALID_OP_HANDLING"];
        let args = ordered(call, "FROM_CHANGELOG", &NAMES)?;
        let (input, partition) = self.changelog_input(call, &args, "FROM_CHANGELOG")?;
        if !self.plan.nodes[input.node].changelog.append_only() {
            return Err(Diagnostic::new(
                call.span,
                "FROM_CHANGELOG doesn't support consuming update and delete changes",
            ));
        }
        let op = self.op_place(&input, args.get(1).copied().flatten(), call)?;
        let mut codes: Vec<(String, RowKind)> =
            KINDS.iter().map(|(name, kind)| ((*name).to_string(), *kind)).collect();
        if let Some(mapping) = args.get(2).copied().flatten() {
            codes = codes_of(mapping)?;
        }
        let skip = args.get(3).copied().flatten().map(skips).transpose()?.unwrap_or(false);
        let has = |kind| codes.iter().any(|(_, known)| *known == kind);
        let upsert = has(RowKind::UpdateAfter) && !has(RowKind::UpdateBefore);
        if upsert && partition.is_empty() {
            return Err(Diagnostic::new(
                call.span,
                "an op_mapping with UPDATE_AFTER but without UPDATE_BEFORE needs a key",
            )
            .with_hint("add PARTITION BY to the input, or map a code to UPDATE_BEFORE"));
        }
        let width = input.columns.len();
        let kept: Vec<usize> = (0..width).filter(|column| *column != op).collect();
        let mut columns: Vec<RelationColumn> = kept.iter().map(|i| input.columns[*i].clone()).collect();
        columns.iter_mut().for_each(|column| (column.qualifier, column.field.time) = (None, None));
        let keys: Vec<usize> = partition.iter().filter_map(|i| kept.iter().position(|k| k == i)).collect();
        let plan = FromChangelogPlan { op, codes, skip, kept };
        let relation = Relation { node: input.node, columns, windowing: None };
        let changelog = if upsert { ChangelogMode::UPSERT } else { ChangelogMode::RETRACT };
        let traits = NodeTraits { changelog, upsert_key: upsert.then(|| keys.clone()) };
        let node = self.push_forward(Operator::FromChangelog(plan), input.node, relation.schema(), traits);
        let mut relation = Relation { node, ..relation };
        if upsert {
            let traits = NodeTraits { changelog: ChangelogMode::RETRACT, upsert_key: Some(keys.clone()) };
            let inputs = vec![Input { node, exchange: Exchange::Hash(keys.clone()) }];
            let operator = Operator::ChangelogNormalize { keys: keys.clone() };
            relation.node = self.push(operator, inputs, relation.schema(), traits);
        }
        let others = (0..relation.columns.len()).filter(|column| !keys.contains(column));
        let order: Vec<usize> = keys.iter().copied().chain(others).collect();
        Ok(self.reordered(&relation, &order))
    }

    /// The table argument with the columns of its PARTITION BY.
    fn changelog_input(
        &mut self,
        call: &FunctionCall,
        args: &[Option<&ast::Expr>],
        name: &str,
    ) -> Bound<(Relation, Vec<usize>)> {
        let Some(Some(data)) = args.first() else {
            return Err(Diagnostic::new(call.span, format!("{name} needs a table"))
                .with_hint(format!("write {name}(input => TABLE t)")));
        };
        let (input, partition) = self.table_argument(data, name)?;
        let input = self.assign_windows(input);
        let scope = Scope::of(&input);
        let partition = partition
            .iter()
            .map(|expr| match self.bind_over(expr, scope)? {
                Expr::Column { index, .. } => Ok(index),
                _ => Err(Diagnostic::new(expr.span, format!("PARTITION BY of {name} takes columns"))),
            })
            .collect::<Bound<Vec<_>>>()?;
        Ok((input, partition))
    }

    fn op_place(
        &self,
        input: &Relation,
        descriptor: Option<&ast::Expr>,
        call: &FunctionCall,
    ) -> Bound<usize> {
        let name = op_column(descriptor)?;
        let span = descriptor.map_or(call.span, |descriptor| descriptor.span);
        let place = input.columns.iter().position(|column| column.field.name == name);
        let place = place.ok_or_else(|| {
            Diagnostic::new(span, format!("the op column '{name}' does not exist in the input"))
                .with_hint("name it with op => DESCRIPTOR(column)")
        })?;
        let data_type = &input.columns[place].field.data_type;
        match data_type.kind.is_text() {
            true => Ok(place),
            false => Err(Diagnostic::new(
                span,
                format!("the op column '{name}' must be a STRING, not {data_type}"),
            )),
        }
    }

    fn reordered(&mut self, input: &Relation, order: &[usize]) -> Relation {
        let scope = Scope::of(input);
        let exprs = order.iter().map(|column| scope.column(*column)).collect();
        let names = order.iter().map(|column| input.columns[*column].field.name.clone()).collect();
        self.project(input, None, exprs, names)
    }
}

fn op_column(descriptor: Option<&ast::Expr>) -> Bound<String> {
    let Some(expr) = descriptor else { return Ok(OP_COLUMN.to_string()) };
    match &*expr.kind {
        ExprKind::Descriptor(columns) if columns.len() == 1 => Ok(columns[0].value.clone()),
        _ => Err(Diagnostic::new(expr.span, "the argument 'op' is DESCRIPTOR(one column)")),
    }
}

/// The pairs of a constant MAP of texts.
fn mapping_of(expr: &ast::Expr) -> Bound<Vec<(String, String)>> {
    let text = |expr: &ast::Expr| match &*expr.kind {
        ExprKind::Literal(Literal::String(text)) => Some(text.clone()),
        _ => None,
    };
    let pairs = match &*expr.kind {
        ExprKind::Map(items) => {
            items.chunks(2).map(|pair| Some((text(pair.first()?)?, text(pair.get(1)?)?))).collect()
        }
        _ => None,
    };
    pairs.ok_or_else(|| {
        Diagnostic::new(expr.span, "the argument 'op_mapping' must be a constant MAP of texts")
            .with_hint("write MAP['INSERT', 'I', 'DELETE', 'D']")
    })
}

fn kind_of(name: &str, at: &ast::Expr) -> Bound<RowKind> {
    let found = KINDS.iter().find(|(known, _)| *known == name.trim());
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        Diagnostic::new(at.span, format!("there is no change operation '{}'", name.trim()))
            .with_hint("use INSERT, UPDATE_BEFORE, UPDATE_AFTER or DELETE")
    })
}

fn codes_of(mapping: &ast::Expr) -> Bound<Vec<(String, RowKind)>> {
    let (mut codes, mut seen) = (Vec::new(), Vec::new());
    for (list, name) in mapping_of(mapping)? {
        let kind = kind_of(&name, mapping)?;
        if seen.contains(&kind) {
            return Err(Diagnostic::new(mapping.span, format!("the change operation '{name}' comes twice"))
                .with_hint("list several codes in one key: MAP['c, r', 'INSERT']"));
        }
        seen.push(kind);
        codes.extend(list.split(',').map(|code| (code.trim().to_string(), kind)));
    }
    Ok(codes)
}

fn skips(expr: &ast::Expr) -> Bound<bool> {
    match &*expr.kind {
        ExprKind::Literal(Literal::String(mode)) if mode.eq_ignore_ascii_case("SKIP") => Ok(true),
        ExprKind::Literal(Literal::String(mode)) if mode.eq_ignore_ascii_case("FAIL") => Ok(false),
        _ => Err(Diagnostic::new(expr.span, "the argument 'invalid_op_handling' is 'FAIL' or 'SKIP'")),
    }
}
