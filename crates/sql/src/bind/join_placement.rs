//! Places a tree of joins in the plan: each condition goes as low as the kinds of the joins allow, equality
//! across the sides becomes the key, and the rest is evaluated over pairs.

use super::expr::junction;
use super::join::{JoinTree, Joined, moved};
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn, unsupported};
use crate::ast;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{CastMode, ChangelogMode, Exchange, Expr, Input, JoinKind, JoinPlan, Operator};
use tidemill_types::Schema;
use tidemill_types::arrow_type::arrow_type;

/// One column of a join's key: an expression over each side, and whether NULL matches NULL.
struct Key {
    left: Expr,
    right: Expr,
    null_safe: bool,
}

/// Where the conditions of a join go.
#[derive(Default)]
struct Sorted {
    to_left: Vec<Expr>,
    to_right: Vec<Expr>,
    keys: Vec<Key>,
    residual: Vec<Expr>,
    above: Vec<Expr>,
}

impl Binder<'_> {
    /// The rows of a tree of joins for which these conditions hold too.
    pub(crate) fn place_joins(
        &mut self,
        joined: Joined,
        terms: Vec<Expr>,
        hints: &[ast::Hint],
    ) -> Bound<Relation> {
        match joined {
            Joined::Leaf(relation) => {
                let relation = self.assign_windows(relation);
                Ok(if terms.is_empty() { relation } else { self.filtered(relation, terms) })
            }
            Joined::Join(tree) => self.place_join(*tree, terms, hints),
            Joined::Unnested(tree) => self.place_unnest(*tree, terms, hints),
        }
    }

    /// The rows for which these conditions hold.
    pub(crate) fn filtered(&mut self, relation: Relation, terms: Vec<Expr>) -> Relation {
        let scope = Scope::of(&relation);
        let exprs: Vec<Expr> = (0..relation.columns.len()).map(|index| scope.column(index)).collect();
        let filter = self.fold(junction(true, terms));
        self.shown(relation.clone(), Some(filter), exprs, relation.columns)
    }

    /// A projection that keeps the tables of its columns.
    pub(crate) fn shown(
        &mut self,
        input: Relation,
        filter: Option<Expr>,
        exprs: Vec<Expr>,
        columns: Vec<RelationColumn>,
    ) -> Relation {
        let names = columns.iter().map(|column| column.field.name.clone()).collect();
        let projected = self.project(&input, filter, exprs, names);
        Relation { columns, ..projected }
    }

    fn place_join(&mut self, tree: JoinTree, terms: Vec<Expr>, hints: &[ast::Hint]) -> Bound<Relation> {
        let JoinTree { kind, left, right, on, shown, columns, span } = tree;
        let width = left.columns().len();
        let terms = terms.iter().map(|term| term.map_columns(&|index, _, _| shown[index].clone())).collect();
        let sorted = self.sort_terms(kind, width, on, terms, span)?;
        if is_interval_join(&left, &right, &sorted) && !kind.left_only() {
            return Err(unsupported(span, "an interval join"));
        }
        let ttl = [self.side_ttl_ms(&left, hints)?, self.side_ttl_ms(&right, hints)?];
        let left = self.place_joins(left, sorted.to_left, hints)?;
        let to_right = sorted.to_right.iter().map(|term| moved(term, |i| i - width)).collect();
        let right = self.place_joins(right, to_right, hints)?;
        let (left, left_keys) = self.with_keys(left, sorted.keys.iter().map(|key| key.left.clone()));
        let (right, right_keys) =
            self.with_keys(right, sorted.keys.iter().map(|key| moved(&key.right, |i| i - width)));
        let placed = left.columns.len();
        let place = |i: usize| if i < width { i } else { i - width + placed };
        let plan = JoinPlan {
            kind,
            left_keys,
            right_keys,
            null_safe: sorted.keys.iter().map(|key| key.null_safe).collect(),
            residual: (!sorted.residual.is_empty()).then(|| moved(&junction(true, sorted.residual), place)),
            left_ttl_ms: ttl[0],
            right_ttl_ms: ttl[1],
            final_only: self.session.info().batch,
        };
        let joined = self.push_join(plan, &left, &right);
        let filter = (!sorted.above.is_empty()).then(|| moved(&junction(true, sorted.above), place));
        let exprs = shown.iter().map(|expr| moved(expr, place)).collect();
        Ok(self.shown(joined, filter, exprs, columns))
    }

    fn sort_terms(
        &self,
        kind: JoinKind,
        width: usize,
        on: Vec<Expr>,
        terms: Vec<Expr>,
        span: Span,
    ) -> Bound<Sorted> {
        use JoinKind::{Anti, Inner, Left, Right, Semi};
        let mut sorted = Sorted::default();
        let side = |term: &Expr| {
            let columns = term.columns();
            (columns.iter().any(|i| *i < width), columns.iter().any(|i| *i >= width))
        };
        let mut pairing = on;
        for term in terms {
            match side(&term) {
                _ if kind == Inner => pairing.push(term),
                _ if term.volatile() => sorted.above.push(term),
                (_, false) if matches!(kind, Left | Semi | Anti) => sorted.to_left.push(term),
                (false, true) if kind == Right => sorted.to_right.push(term),
                _ => sorted.above.push(term),
            }
        }
        for term in pairing {
            match side(&term) {
                _ if term.volatile() => sorted.residual.push(term),
                (true, false) if matches!(kind, Inner | Right | Semi) => sorted.to_left.push(term),
                (false, true) if matches!(kind, Inner | Left | Semi | Anti) => sorted.to_right.push(term),
                (true, true) => match self.key(&term, width, span)? {
                    Some(key) => sorted.keys.push(key),
                    None => sorted.residual.push(term),
                },
                _ => sorted.residual.push(term),
            }
        }
        Ok(sorted)
    }

    /// The key that an equality across the sides is.
    fn key(&self, term: &Expr, width: usize, span: Span) -> Bound<Option<Key>> {
        let Expr::Call { name, args, .. } = term else { return Ok(None) };
        let null_safe = match name.as_str() {
            "=" => false,
            "IS NOT DISTINCT FROM" => true,
            _ => return Ok(None),
        };
        let [first, second] = args.as_slice() else { return Ok(None) };
        let of_left = |expr: &Expr| !expr.columns().is_empty() && expr.columns().iter().all(|i| *i < width);
        let of_right = |expr: &Expr| !expr.columns().is_empty() && expr.columns().iter().all(|i| *i >= width);
        let (left, right) = match () {
            () if of_left(first) && of_right(second) => (first.clone(), second.clone()),
            () if of_right(first) && of_left(second) => (second.clone(), first.clone()),
            () => return Ok(None),
        };
        if arrow_type(&left.data_type()) == arrow_type(&right.data_type()) {
            return Ok(Some(Key { left, right, null_safe }));
        }
        let Some(common) = self.session.functions.common_type(&[left.data_type(), right.data_type()]) else {
            return Ok(None);
        };
        let left = self.cast(left, &common, CastMode::Implicit, span)?;
        let right = self.cast(right, &common, CastMode::Implicit, span)?;
        let same = arrow_type(&left.data_type()) == arrow_type(&right.data_type());
        Ok(same.then_some(Key { left, right, null_safe }))
    }

    /// The relation with its keys as columns; computed ones come behind the others.
    pub(crate) fn with_keys(
        &mut self,
        relation: Relation,
        keys: impl Iterator<Item = Expr>,
    ) -> (Relation, Vec<usize>) {
        let scope = Scope::of(&relation);
        let mut exprs: Vec<Expr> = (0..relation.columns.len()).map(|index| scope.column(index)).collect();
        let mut columns = relation.columns.clone();
        let mut places = Vec::new();
        for key in keys {
            if let Expr::Column { index, .. } = key {
                places.push(index);
                continue;
            }
            places.push(exprs.len());
            columns.push(RelationColumn::new(key.to_string(), key.data_type()));
            exprs.push(key);
        }
        if exprs.len() == relation.columns.len() {
            return (relation, places);
        }
        (self.shown(relation, None, exprs, columns), places)
    }

    fn push_join(&mut self, plan: JoinPlan, left: &Relation, right: &Relation) -> Relation {
        let kind = plan.kind;
        let column = |column: &RelationColumn, padded: bool| {
            let mut column = column.clone();
            column.field.time = None;
            let nullable = padded || column.field.data_type.nullable;
            column.field.data_type = column.field.data_type.with_nullable(nullable);
            column
        };
        let mut columns: Vec<RelationColumn> =
            left.columns.iter().map(|c| column(c, kind.keeps(false))).collect();
        if !kind.left_only() {
            columns.extend(right.columns.iter().map(|c| column(c, kind.keeps(true))));
        }
        let traits = self.join_traits(&plan, left, right);
        let exchange = |keys: &[usize]| match keys {
            [] => Exchange::Single,
            keys => Exchange::Hash(keys.to_vec()),
        };
        let inputs = vec![
            Input { node: left.node, exchange: exchange(&plan.left_keys) },
            Input { node: right.node, exchange: exchange(&plan.right_keys) },
        ];
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect());
        let node = self.push(Operator::Join(plan), inputs, schema, traits);
        Relation { node, columns, windowing: None }
    }

    /// Pairs of appended rows are appended; everything else may be taken back.
    fn join_traits(&self, plan: &JoinPlan, left: &Relation, right: &Relation) -> NodeTraits {
        let (left, right) = (&self.plan.nodes[left.node], &self.plan.nodes[right.node]);
        let appended = left.changelog.append_only() && right.changelog.append_only();
        let changelog = match plan.kind {
            _ if plan.final_only => ChangelogMode::APPEND,
            JoinKind::Inner | JoinKind::Semi if appended => ChangelogMode::APPEND,
            _ => ChangelogMode::RETRACT,
        };
        let once = |key: &Option<Vec<usize>>, by: &[usize]| {
            key.as_ref().is_some_and(|key| key.iter().all(|column| by.contains(column)))
        };
        let width = left.schema.len();
        let right_key =
            || right.upsert_key.as_ref().map(|key| key.iter().map(|column| column + width).collect());
        let upsert_key = match plan.kind {
            JoinKind::Semi | JoinKind::Anti => left.upsert_key.clone(),
            JoinKind::Inner | JoinKind::Left if once(&right.upsert_key, &plan.right_keys) => {
                left.upsert_key.clone()
            }
            JoinKind::Inner | JoinKind::Right if once(&left.upsert_key, &plan.left_keys) => right_key(),
            _ => None,
        };
        NodeTraits { changelog, upsert_key }
    }

    /// What a STATE_TTL hint says for the table of this side, else `table.exec.state.ttl`.
    fn side_ttl_ms(&self, side: &Joined, hints: &[ast::Hint]) -> Bound<i64> {
        let default = self.session.settings.duration_ms("table.exec.state.ttl");
        let Joined::Leaf(relation) = side else { return Ok(default) };
        let alias = relation.columns.first().and_then(|column| column.qualifier.as_deref());
        let hints = hints.iter().filter(|hint| hint.name.value.eq_ignore_ascii_case("STATE_TTL"));
        let pairs = hints.flat_map(|hint| &hint.args).filter_map(|arg| match arg {
            ast::HintArg::Pair(pair) => Some(pair),
            ast::HintArg::Item(_) => None,
        });
        let Some(pair) = pairs.into_iter().find(|pair| Some(pair.key.value.as_str()) == alias) else {
            return Ok(default);
        };
        tidemill_types::options::parse_duration(&pair.value.value)
            .map(|time| time.as_millis() as i64)
            .ok_or_else(|| {
                Diagnostic::new(pair.value.span, format!("'{}' is no duration", pair.value.value))
                    .with_hint("write '1d', '12 h' or '30 min'")
            })
    }
}

/// Whether Flink runs the join as an interval join: two time attributes are equal, or bound each other from
/// both sides.
fn is_interval_join(left: &Joined, right: &Joined, terms: &Sorted) -> bool {
    let width = left.columns().len();
    let timed = |exprs: &[&Expr]| {
        let columns: Vec<usize> = exprs.iter().flat_map(|expr| expr.columns()).collect();
        let (own, other): (Vec<usize>, Vec<usize>) = columns.into_iter().partition(|column| *column < width);
        own.iter().any(|column| left.columns()[*column].field.time.is_some())
            && other.iter().any(|column| right.columns()[*column - width].field.time.is_some())
    };
    terms.keys.iter().any(|key| timed(&[&key.left, &key.right]))
        || terms.residual.iter().filter(|term| timed(&[term])).count() > 1
}
