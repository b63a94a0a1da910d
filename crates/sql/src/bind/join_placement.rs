//! Places a tree of joins in the plan: each condition goes as low as the kinds of the joins allow, equality
//! across the sides becomes the key, and the rest is evaluated over pairs.

use super::expr::junction;
use super::join::{JoinTree, Joined, moved};
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn};
use crate::ast;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::join::JoinSidePlan;
use tidemill_plan::{CastMode, ChangelogMode, Exchange, Expr, Input, JoinKind, JoinOn, JoinPlan, Operator};
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
    pairing: Vec<Expr>,
    above: Vec<Expr>,
}

/// A join whose inputs are placed.
pub(super) struct Pending {
    pub(super) kind: JoinKind,
    pub(super) left: Relation,
    pub(super) right: Relation,
    /// What pairs rows, over the columns of the left side and then the right side.
    pub(super) pairing: Vec<Expr>,
    pub(super) span: Span,
}

/// A join whose keys are columns of its inputs.
pub(super) struct Keyed {
    pub(super) on: JoinOn,
    pub(super) left: Relation,
    pub(super) right: Relation,
    pub(super) span: Span,
}

/// A join in the plan.
pub(super) struct Joining {
    pub(super) relation: Relation,
    /// How many columns of the left input come first, computed keys included.
    placed: usize,
}

impl Joining {
    /// A join over a left input with so many columns.
    pub(super) fn new(relation: Relation, placed: usize) -> Self {
        Joining { relation, placed }
    }

    /// Where a column stands that had this number when the left input had so many.
    fn place(&self, width: usize) -> impl Fn(usize) -> usize + Copy + use<> {
        let placed = self.placed;
        move |i| if i < width { i } else { i - width + placed }
    }
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
        let mut columns = columns;
        for (column, given) in columns.iter_mut().zip(&projected.columns) {
            column.field.time = given.field.time;
        }
        Relation { columns, ..projected }
    }

    fn place_join(&mut self, tree: JoinTree, terms: Vec<Expr>, hints: &[ast::Hint]) -> Bound<Relation> {
        let JoinTree { mut kind, left, right, on, shown, columns, span, system_time } = tree;
        let width = left.columns().len();
        let terms: Vec<Expr> =
            terms.iter().map(|term| term.map_columns(&|index, _, _| shown[index].clone())).collect();
        if system_time.is_none() {
            kind = narrowed(kind, width, &terms);
        }
        let sorted = sort_terms(kind, width, on, terms, system_time.is_some());
        let ttl = [self.side_ttl_ms(&left, hints)?, self.side_ttl_ms(&right, hints)?];
        let left = self.place_joins(left, sorted.to_left, hints)?;
        let to_right = sorted.to_right.iter().map(|term| moved(term, |i| i - width)).collect();
        let right = self.place_joins(right, to_right, hints)?;
        let pending = Pending { kind, left, right, pairing: sorted.pairing, span };
        let joined = match system_time {
            Some(time) => self.temporal_join(pending, &time, hints)?,
            None => self.timeless_join(pending, ttl)?,
        };
        let place = joined.place(width);
        let filter = (!sorted.above.is_empty()).then(|| moved(&junction(true, sorted.above), place));
        let exprs = shown.iter().map(|expr| moved(expr, place)).collect();
        Ok(self.shown(joined.relation, filter, exprs, columns))
    }

    /// An interval join, window join or regular join, as its inputs and conditions make it.
    fn timeless_join(&mut self, mut pending: Pending, ttl: [i64; 2]) -> Bound<Joining> {
        if let Some(bounds) = self.take_time_bounds(&mut pending)? {
            return self.interval_join(pending, bounds);
        }
        let keyed = self.keyed(pending)?;
        match self.common_window(&keyed) {
            Some(window) => self.window_join(keyed, window),
            None => Ok(self.regular_join(keyed, ttl)),
        }
    }

    /// Makes the equalities across the sides keys, and the other conditions the residual.
    pub(super) fn keyed(&mut self, pending: Pending) -> Bound<Keyed> {
        let Pending { kind, left, right, pairing, span } = pending;
        let width = left.columns.len();
        let (mut keys, mut residual) = (Vec::new(), Vec::new());
        for term in pairing {
            let key = if term.volatile() { None } else { self.key(&term, width, span)? };
            match key {
                Some(key) => keys.push(key),
                None => residual.push(term),
            }
        }
        let (left, left_keys) = self.with_keys(left, keys.iter().map(|key| key.left.clone()));
        let (right, right_keys) =
            self.with_keys(right, keys.iter().map(|key| moved(&key.right, |i| i - width)));
        let placed = left.columns.len();
        let place = |i: usize| if i < width { i } else { i - width + placed };
        let on = JoinOn {
            kind,
            left_keys,
            right_keys,
            null_safe: keys.iter().map(|key| key.null_safe).collect(),
            residual: (!residual.is_empty()).then(|| moved(&junction(true, residual), place)),
        };
        Ok(Keyed { on, left, right, span })
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

    /// Adds the node of a join; time attributes live on where `keep_time` says so.
    pub(super) fn push_join(
        &mut self,
        operator: Operator,
        keyed: Keyed,
        traits: NodeTraits,
        keep_time: [bool; 2],
    ) -> Joining {
        let Keyed { on, left, right, .. } = keyed;
        let kind = on.kind;
        let column = |column: &RelationColumn, padded: bool, keep_time: bool| {
            let mut column = column.clone();
            column.field.time = column.field.time.filter(|_| keep_time);
            let nullable = padded || column.field.data_type.nullable;
            column.field.data_type = column.field.data_type.with_nullable(nullable);
            column
        };
        let mut columns: Vec<RelationColumn> =
            left.columns.iter().map(|c| column(c, kind.keeps(false), keep_time[0])).collect();
        if !kind.left_only() {
            columns.extend(right.columns.iter().map(|c| column(c, kind.keeps(true), keep_time[1])));
        }
        let exchange = |keys: &[usize]| match keys {
            [] => Exchange::Single,
            keys => Exchange::Hash(keys.to_vec()),
        };
        let inputs = vec![
            Input { node: left.node, exchange: exchange(&on.left_keys) },
            Input { node: right.node, exchange: exchange(&on.right_keys) },
        ];
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect());
        let node = self.push(operator, inputs, schema, traits);
        Joining { relation: Relation { node, columns, windowing: None }, placed: left.columns.len() }
    }

    fn regular_join(&mut self, keyed: Keyed, ttl: [i64; 2]) -> Joining {
        let batch = self.session.info().batch;
        let unique =
            |relation: &Relation| self.plan.nodes[relation.node].upsert_key.clone().filter(|_| !batch);
        let inner = keyed.on.kind == JoinKind::Inner;
        let side = |relation: &Relation, ttl_ms| JoinSidePlan {
            unique: unique(relation),
            added_only: inner && ttl_ms == 0 && self.plan.nodes[relation.node].changelog.append_only(),
            ttl_ms,
        };
        let plan = JoinPlan {
            left: side(&keyed.left, ttl[0]),
            right: side(&keyed.right, ttl[1]),
            on: keyed.on.clone(),
            final_only: batch,
        };
        let traits = self.join_traits(&plan, &keyed.left, &keyed.right);
        self.push_join(Operator::Join(plan), keyed, traits, [false, false])
    }

    /// Pairs of appended rows are appended; everything else may be taken back.
    fn join_traits(&self, plan: &JoinPlan, left: &Relation, right: &Relation) -> NodeTraits {
        let (left, right) = (&self.plan.nodes[left.node], &self.plan.nodes[right.node]);
        let appended = left.changelog.append_only() && right.changelog.append_only();
        let changelog = match plan.on.kind {
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
        let upsert_key = match plan.on.kind {
            JoinKind::Semi | JoinKind::Anti => left.upsert_key.clone(),
            JoinKind::Inner | JoinKind::Left if once(&right.upsert_key, &plan.on.right_keys) => {
                left.upsert_key.clone()
            }
            JoinKind::Inner | JoinKind::Right if once(&left.upsert_key, &plan.on.left_keys) => right_key(),
            _ => None,
        };
        NodeTraits { changelog, upsert_key }
    }

    /// Refuses an input that takes rows back.
    pub(super) fn refuse_updating(&self, what: &str, relation: &Relation, span: Span) -> Bound<()> {
        if self.plan.nodes[relation.node].changelog.append_only() {
            return Ok(());
        }
        let producer = self.producer_of_updates(relation.node);
        let columns: Vec<&str> = producer.schema.fields.iter().map(|field| field.name.as_str()).collect();
        let message = format!(
            "{what} doesn't support consuming update and delete changes which is produced by node {}({})",
            producer.operator.name(),
            columns.join(", ")
        );
        Err(Diagnostic::new(span, message).with_hint(
            "join rows that are only appended: aggregate in windows, or keep the first row of each key by time",
        ))
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

/// Where conditions go: those of the join itself, and those of WHERE above it.
fn sort_terms(kind: JoinKind, width: usize, on: Vec<Expr>, terms: Vec<Expr>, temporal: bool) -> Sorted {
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
            _ if term.volatile() => sorted.pairing.push(term),
            (true, false) if matches!(kind, Inner | Right | Semi) => sorted.to_left.push(term),
            // A condition on versions holds for the version that is valid, it does not choose it.
            (false, true) if !temporal && matches!(kind, Inner | Left | Semi | Anti) => {
                sorted.to_right.push(term);
            }
            _ => sorted.pairing.push(term),
        }
    }
    sorted
}

/// An outer join whose padded rows WHERE drops anyway gives no padded rows.
fn narrowed(kind: JoinKind, width: usize, terms: &[Expr]) -> JoinKind {
    let drops = |left: bool| terms.iter().any(|term| rejects_null(term, &|column| (column < width) == left));
    match kind {
        JoinKind::Left if drops(false) => JoinKind::Inner,
        JoinKind::Right if drops(true) => JoinKind::Inner,
        JoinKind::Full => match (drops(true), drops(false)) {
            (true, true) => JoinKind::Inner,
            (true, false) => JoinKind::Left,
            (false, true) => JoinKind::Right,
            (false, false) => JoinKind::Full,
        },
        kind => kind,
    }
}

/// Whether a condition can't be TRUE if these columns are NULL.
fn rejects_null(term: &Expr, of_side: &impl Fn(usize) -> bool) -> bool {
    /// Whether it is NULL if the columns of the side are.
    fn strict(expr: &Expr, of_side: &impl Fn(usize) -> bool) -> bool {
        match expr {
            Expr::Column { index, .. } => of_side(*index),
            Expr::Call { name, args, .. } => {
                matches!(name.as_str(), "+" | "-" | "*" | "CAST")
                    && args.iter().any(|arg| strict(arg, of_side))
            }
            _ => false,
        }
    }
    match term {
        Expr::And(terms) => terms.iter().any(|term| rejects_null(term, of_side)),
        Expr::Call { name, args, .. } => {
            matches!(name.as_str(), "=" | "<>" | "<" | "<=" | ">" | ">=")
                && args.iter().any(|arg| strict(arg, of_side))
        }
        _ => false,
    }
}
