//! MATCH_RECOGNIZE in FROM: the columns the search works on, the search itself.
//!
//! Rules (Flink documentation, "Pattern Recognition"): the input is inserts only and ordered by an ascending time
//! attribute first; the output is the columns of PARTITION BY, then the measures; without AFTER MATCH the search goes on
//! at the next row. What Flink refuses is refused here.

use super::expr::Env;
use super::literal::interval_ms;
use super::match_pattern::{EXTENSIONS, bind_pattern};
use super::match_scope::MatchScope;
use super::rank::sort_column;
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn};
use crate::ast::{self, AfterMatch as Skip, ExprKind, MatchRecognize, RowsPerMatch};
use crate::diagnostic::Diagnostic;
use tidemill_plan::pattern::{AfterMatch, MatchRecognizePlan, PatternVariable, RowPattern};
use tidemill_plan::rank::SortColumn;
use tidemill_plan::{Exchange, Expr, Input, Operator};
use tidemill_types::{Field, Schema, TimeAttribute};

/// The setting that bounds the partial matches of a key.
const PARTIAL_MATCHES_MAX: &str = "tidemill.match-recognize.partial-matches-max";

/// The clauses that name columns of the input.
struct Order {
    keys: Vec<usize>,
    time_column: usize,
    time: TimeAttribute,
    order: Vec<SortColumn>,
}

/// The clauses that look at matches.
struct Looks {
    variables: Vec<PatternVariable>,
    measures: Vec<(Expr, Field)>,
}

impl Binder<'_> {
    /// Binds MATCH_RECOGNIZE with its input.
    pub(crate) fn bind_match_recognize(&mut self, clause: &MatchRecognize) -> Bound<Relation> {
        let input = self.bind_table_ref(&clause.input)?;
        let input = self.assign_windows(input);
        if !self.plan.nodes[input.node].changelog.append_only() {
            let message = "MATCH_RECOGNIZE doesn't support consuming update and delete changes of its input";
            return Err(Diagnostic::new(clause.input.span, message)
                .with_hint("search the rows before they are aggregated, joined or ranked"));
        }
        let extensions = self.session.settings.is(EXTENSIONS, "true");
        refuse_clauses(clause)?;
        let (pattern, names) = bind_pattern(&clause.pattern, extensions)?;
        let order = self.match_order(clause, Scope::of(&input))?;
        let rowtime = order.time == TimeAttribute::Rowtime;
        let mut matched = MatchScope::new(&input.columns, names, extensions, rowtime);
        let order = place_order(order, &mut matched, Scope::of(&input));
        let looks = self.match_looks(clause, &mut matched, &input)?;
        let within_ms = self.match_within(clause)?;
        if matched.timed_out && within_ms.is_none() {
            let message = "MATCH_TIMED_OUT() needs a WITHIN: nothing else ends a partial match by time";
            return Err(Diagnostic::new(clause.span, message));
        }
        let skip = skip(clause, &matched.variables)?;
        self.push_match(&input, matched, order, (pattern, skip, within_ms), looks)
    }

    /// PARTITION BY and ORDER BY.
    fn match_order(&self, clause: &MatchRecognize, scope: Scope<'_>) -> Bound<Order> {
        let column = |expr: &ast::Expr, clause: &str| match self.bind_over(expr, scope)? {
            Expr::Column { index, .. } => Ok(index),
            _ => {
                let message = format!("{clause} of MATCH_RECOGNIZE takes columns");
                Err(Diagnostic::new(expr.span, message).with_hint("compute the column in a subquery or view"))
            }
        };
        let keys = clause.partition_by.iter().map(|expr| column(expr, "PARTITION BY"));
        let keys = keys.collect::<Bound<Vec<_>>>()?;
        let Some((first, rest)) = clause.order_by.split_first() else {
            let message = "MATCH_RECOGNIZE needs an ORDER BY that starts with a time attribute";
            return Err(Diagnostic::new(clause.span, message));
        };
        let time_column = column(&first.expr, "ORDER BY")?;
        let Some(time) = scope.columns[time_column].field.time else {
            let message =
                "ORDER BY of MATCH_RECOGNIZE must start with a time attribute (rowtime or proctime)";
            return Err(Diagnostic::new(first.span, message)
                .with_hint("declare WATERMARK FOR on the column; functions and joins end a time attribute"));
        };
        if first.descending {
            let message = "the primary sort order of MATCH_RECOGNIZE must be ascending on time";
            return Err(Diagnostic::new(first.span, message).with_hint("leave out DESC"));
        }
        let order = rest.iter().map(|item| Ok(sort_column(column(&item.expr, "ORDER BY")?, item)));
        Ok(Order { keys, time_column, time, order: order.collect::<Bound<Vec<_>>>()? })
    }

    /// DEFINE and MEASURES.
    fn match_looks(
        &self,
        clause: &MatchRecognize,
        matched: &mut MatchScope,
        input: &Relation,
    ) -> Bound<Looks> {
        let plain = |name: &String| PatternVariable { name: name.clone(), condition: None };
        let mut variables: Vec<PatternVariable> = matched.variables.iter().map(plain).collect();
        for (at, define) in clause.define.iter().enumerate() {
            let name = &define.variable;
            if clause.define[..at].iter().any(|other| other.variable.value == name.value) {
                let message = format!("the pattern variable '{}' is defined twice", name.value);
                return Err(Diagnostic::new(name.span, message));
            }
            // A variable that is not in the pattern has no effect, as in Flink.
            if let Some(place) = matched.variables.iter().position(|own| *own == name.value) {
                let mut env = Env { matched: Some(matched), ..Env::rows(Scope::of(input)) };
                let condition = self.bind_condition(&define.condition, &mut env, "DEFINE")?;
                variables[place].condition = Some(condition);
            }
        }
        let mut measures = Vec::with_capacity(clause.measures.len());
        for measure in &clause.measures {
            let mut env = Env { matched: Some(matched), ..Env::rows(Scope::of(input)) };
            let expr = self.bind_expr(&measure.expr, &mut env)?;
            let mut field = Field::new(measure.alias.value.clone(), expr.data_type());
            field.time = time_of(&measure.expr);
            measures.push((expr, field));
        }
        Ok(Looks { variables, measures })
    }

    fn match_within(&self, clause: &MatchRecognize) -> Bound<Option<i64>> {
        let Some(within) = &clause.within else { return Ok(None) };
        let bound = self.bind_over(within, Scope::EMPTY)?;
        let span = interval_ms(&bound).filter(|span| *span > 0);
        let span = span.ok_or_else(|| {
            Diagnostic::new(
                within.span,
                "WITHIN of MATCH_RECOGNIZE takes a positive, constant day-time interval",
            )
            .with_hint("write WITHIN INTERVAL '10' SECOND; MONTH and YEAR have no fixed length")
        })?;
        Ok(Some(span))
    }

    fn push_match(
        &mut self,
        input: &Relation,
        matched: MatchScope,
        order: Order,
        (pattern, skip, within_ms): (RowPattern, AfterMatch, Option<i64>),
        looks: Looks,
    ) -> Bound<Relation> {
        let settle = |variable: PatternVariable| PatternVariable {
            condition: variable.condition.map(|condition| matched.settle(&condition)),
            ..variable
        };
        let variables: Vec<PatternVariable> = looks.variables.into_iter().map(settle).collect();
        let measures = looks.measures.iter().map(|(measure, _)| matched.settle(measure)).collect();
        let names = matched.below.iter().map(ToString::to_string).collect();
        let below = self.project(input, None, matched.below, names);
        let mut columns: Vec<RelationColumn> = (order.keys.iter())
            .map(|&key| {
                let field = Field { time: None, ..below.columns[key].field.clone() };
                RelationColumn { qualifier: None, field, hidden: false }
            })
            .collect();
        columns.extend(looks.measures.into_iter().map(|(_, field)| RelationColumn {
            qualifier: None,
            field,
            hidden: false,
        }));
        let exchange =
            if order.keys.is_empty() { Exchange::Single } else { Exchange::Hash(order.keys.clone()) };
        let max = self.session.settings.get(PARTIAL_MATCHES_MAX).and_then(|text| text.trim().parse().ok());
        let plan = MatchRecognizePlan {
            keys: order.keys,
            time_column: order.time_column,
            time: order.time,
            order: order.order,
            variables,
            pattern,
            skip,
            within_ms,
            reads: matched.reads,
            aggregates: matched.aggregates,
            measures,
            give_timed_out: matched.timed_out,
            partial_matches_max: max.unwrap_or(usize::MAX),
        };
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect());
        let operator = Operator::MatchRecognize(Box::new(plan));
        let node =
            self.push(operator, vec![Input { node: below.node, exchange }], schema, NodeTraits::append());
        Ok(Relation { node, columns, windowing: None })
    }
}

/// The columns of the clauses among those the search works on.
fn place_order(order: Order, matched: &mut MatchScope, scope: Scope<'_>) -> Order {
    let mut place = |column: usize| matched.add_below(scope.column(column));
    Order {
        keys: order.keys.iter().map(|&key| place(key)).collect(),
        time_column: place(order.time_column),
        time: order.time,
        order: order.order.iter().map(|sort| SortColumn { column: place(sort.column), ..*sort }).collect(),
    }
}

/// Which time attribute a measure is.
fn time_of(measure: &ast::Expr) -> Option<TimeAttribute> {
    let ExprKind::Call(call) = &*measure.kind else { return None };
    match call.name.last().value.to_uppercase().as_str() {
        "MATCH_ROWTIME" => Some(TimeAttribute::Rowtime),
        "MATCH_PROCTIME" => Some(TimeAttribute::Proctime),
        _ => None,
    }
}

fn refuse_clauses(clause: &MatchRecognize) -> Bound<()> {
    if let Some((RowsPerMatch::All, span)) = clause.rows_per_match {
        return Err(Diagnostic::new(span, "ALL ROWS PER MATCH is not supported, as in Flink")
            .with_hint("use ONE ROW PER MATCH, with FIRST, LAST and aggregates in MEASURES"));
    }
    if let Some(subset) = clause.subsets.first() {
        return Err(Diagnostic::new(subset.name.span, "SUBSET is not supported, as in Flink"));
    }
    if clause.start_anchor || clause.end_anchor {
        let anchor = if clause.start_anchor { "^" } else { "$" };
        let message =
            format!("the anchor {anchor} in PATTERN is not supported: a stream has no first or last row");
        return Err(Diagnostic::new(clause.pattern.span, message));
    }
    Ok(())
}

fn skip(clause: &MatchRecognize, variables: &[String]) -> Bound<AfterMatch> {
    let variable = |name: &ast::Ident| {
        variables.iter().position(|known| *known == name.value).ok_or_else(|| {
            let message = format!("AFTER MATCH SKIP TO names '{}', which is not in PATTERN", name.value);
            Diagnostic::new(name.span, message)
                .with_hint(format!("the variables of PATTERN are: {}", variables.join(", ")))
        })
    };
    Ok(match &clause.after_match {
        None | Some((Skip::NextRow, _)) => AfterMatch::NextRow,
        Some((Skip::PastLastRow, _)) => AfterMatch::PastLastRow,
        Some((Skip::First(name), _)) => AfterMatch::First(variable(name)?),
        Some((Skip::Last(name), _)) => AfterMatch::Last(variable(name)?),
    })
}
