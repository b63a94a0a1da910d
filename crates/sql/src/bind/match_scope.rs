//! Names and functions inside of DEFINE and MEASURES: what is read of a match.
//!
//! Rules (Flink documentation, "Pattern Recognition", and measured): `A.x` is the last row of A, the row at hand
//! included in the condition of A; `x` is that of all rows. FIRST and LAST count rows of one variable and leave out
//! as many as their second argument says; their first argument may combine columns of that variable. An aggregate goes over
//! the rows of one variable, or of all. A row that is not there gives NULL.

use super::expr::Env;
use super::match_pattern::extension;
use super::rank::whole;
use super::scope::Scope;
use super::{Binder, Bound, RelationColumn, at, fingerprint};
use crate::ast::{self, FunctionCall, Ident, SetQuantifier};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::pattern::{MatchAggregate, Navigation, Read, ReadKind};
use tidemill_plan::{AggregateCall, ArgumentInfo, BindCall, CastMode, Expr};
use tidemill_types::{DataType, TimeAttribute, TypeKind};

/// Columns from here on are aggregates until all reads are known.
const AGGREGATE_BASE: usize = 1 << 32;

/// How columns are read where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Of a row of the match.
    Match { first: bool, offset: u32, back: u32, inside: Inside },
    /// Of each row that an aggregate goes over.
    Rows,
}

/// Which functions are around an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Previous,
    FirstOrLast,
}

const LAST: Reading = Reading::Match { first: false, offset: 0, back: 0, inside: Inside::Nothing };

/// What DEFINE and MEASURES may name, and what they were found to read.
pub(crate) struct MatchScope {
    columns: Vec<RelationColumn>,
    pub(crate) variables: Vec<String>,
    extensions: bool,
    rowtime: bool,
    reading: Reading,
    /// The variables of the columns read inside of the function at hand.
    named: Vec<Option<usize>>,
    /// Expressions over the input, one for each column that the search works on.
    pub(crate) below: Vec<Expr>,
    pub(crate) reads: Vec<Read>,
    pub(crate) aggregates: Vec<MatchAggregate>,
    fingerprints: Vec<String>,
    pub(crate) timed_out: bool,
}

impl MatchScope {
    pub(crate) fn new(
        columns: &[RelationColumn],
        variables: Vec<String>,
        extensions: bool,
        rowtime: bool,
    ) -> Self {
        let mut columns = columns.to_vec();
        columns.iter_mut().for_each(|column| column.qualifier = None);
        MatchScope {
            columns,
            variables,
            extensions,
            rowtime,
            reading: LAST,
            named: Vec::new(),
            below: Vec::new(),
            reads: Vec::new(),
            aggregates: Vec::new(),
            fingerprints: Vec::new(),
            timed_out: false,
        }
    }

    /// The place of an expression over the input among the columns below.
    pub(crate) fn add_below(&mut self, expr: Expr) -> usize {
        let wanted = fingerprint(&expr);
        let known = self.below.iter().position(|own| fingerprint(own) == wanted && !own.volatile());
        known.unwrap_or_else(|| {
            self.below.push(expr);
            self.below.len() - 1
        })
    }

    fn add_read(&mut self, read: Read) -> usize {
        self.reads.iter().position(|known| *known == read).unwrap_or_else(|| {
            self.reads.push(read);
            self.reads.len() - 1
        })
    }

    /// The expression with the final places of aggregates behind the reads.
    pub(crate) fn settle(&self, expr: &Expr) -> Expr {
        let reads = self.reads.len();
        expr.map_columns(&|index, name, data_type| {
            let index = index.checked_sub(AGGREGATE_BASE).map_or(index, |at| reads + at);
            Expr::column(index, name, data_type.clone())
        })
    }

    fn unknown(&self, parts: &[Ident], error: Diagnostic) -> Diagnostic {
        match parts {
            [_, _, ..] => Diagnostic::new(
                parts[0].span,
                format!("there is no pattern variable or column '{}' here", parts[0].value),
            )
            .with_hint(format!("the variables of PATTERN are: {}", self.variables.join(", "))),
            _ => error,
        }
    }
}

impl Binder<'_> {
    /// A name inside of DEFINE and MEASURES.
    pub(crate) fn match_name(&self, parts: &[Ident], matched: &mut MatchScope) -> Bound<Expr> {
        let variable = match parts {
            [first, _, ..] => matched.variables.iter().position(|name| *name == first.value),
            _ => None,
        };
        let column = if variable.is_some() { &parts[1..] } else { parts };
        let scope = Scope { columns: &matched.columns };
        let (index, used) = scope.resolve(column).map_err(|error| matched.unknown(column, error))?;
        let own = scope.column(index);
        matched.named.push(variable);
        let mut expr = match matched.reading {
            Reading::Rows => own,
            Reading::Match { first, offset, back, .. } => {
                let data_type = own.data_type().with_nullable(true);
                let name = read_text(parts, used + usize::from(variable.is_some()), matched.reading);
                let column = matched.add_below(own);
                let kind = ReadKind::Row(Navigation { variable, first, offset, back, column });
                let place = matched.add_read(Read { kind, data_type: data_type.clone() });
                Expr::column(place, name, data_type)
            }
        };
        for part in &column[used..] {
            expr = self.field_of(expr, part)?;
        }
        Ok(expr)
    }

    /// A function that has a meaning of its own inside of DEFINE and MEASURES.
    pub(crate) fn match_call(
        &self,
        call: &FunctionCall,
        name: &str,
        env: &mut Env<'_, '_>,
    ) -> Bound<Option<Expr>> {
        match name {
            "FIRST" | "LAST" | "PREV" => self.match_navigation(call, name, env).map(Some),
            "NEXT" => {
                Err(Diagnostic::new(call.span, "NEXT is not supported: it reads rows that have not come")
                    .with_hint("put a variable behind and look back from it with LAST"))
            }
            "MATCH_ROWTIME" => self.match_rowtime(call, env).map(Some),
            "MATCH_PROCTIME" => self.call("PROCTIME", Vec::new(), call.span).map(Some),
            "MATCH_TIMED_OUT" => self.match_timed_out(call, env).map(Some),
            "CLASSIFIER" | "MATCH_NUMBER" => {
                Err(Diagnostic::new(call.span, format!("{name} is not supported, as in Flink")))
            }
            _ if self.session.functions.aggregate(name).is_some() => {
                self.match_aggregate(call, name, env).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn match_navigation(&self, call: &FunctionCall, name: &str, env: &mut Env<'_, '_>) -> Bound<Expr> {
        let matched = env.matched.as_deref_mut().expect("the caller looked");
        let (arg, count) = match call.args.as_slice() {
            [arg] => (&arg.value, None),
            [arg, count] => (&arg.value, Some(&count.value)),
            _ => {
                return Err(Diagnostic::new(
                    call.span,
                    format!("{name} takes a column and a number of rows"),
                ));
            }
        };
        let count = match count {
            None => u32::from(name == "PREV"),
            Some(count) => whole(count).and_then(|count| u32::try_from(count).ok()).ok_or_else(|| {
                Diagnostic::new(count.span, format!("the second argument of {name} is a whole number"))
            })?,
        };
        let reading = within(name, count, matched, call.span)?;
        let (before, named) = (matched.reading, std::mem::take(&mut matched.named));
        matched.reading = reading;
        let bound = self.bind_expr(arg, env)?;
        let matched = env.matched.as_deref_mut().expect("the caller looked");
        matched.reading = before;
        let inner = std::mem::replace(&mut matched.named, named);
        matched.named.extend(&inner);
        one_variable(&inner, name, call.span, true)?;
        Ok(bound)
    }

    fn match_rowtime(&self, call: &FunctionCall, env: &mut Env<'_, '_>) -> Bound<Expr> {
        let matched = env.matched.as_deref_mut().expect("the caller looked");
        if !matched.rowtime {
            return Err(Diagnostic::new(
                call.span,
                "MATCH_ROWTIME needs an ORDER BY that starts with event time",
            )
            .with_hint("order by a column with a WATERMARK, or use MATCH_PROCTIME()"));
        }
        let kind = match call.args.as_slice() {
            [] => TypeKind::Timestamp(3),
            [arg] => {
                let ast::ExprKind::Name(parts) = &*arg.value.kind else {
                    return Err(Diagnostic::new(arg.value.span, "MATCH_ROWTIME takes a rowtime column"));
                };
                let scope = Scope { columns: &matched.columns };
                let (index, used) = scope.resolve(parts)?;
                let field = &scope.columns[index].field;
                if field.time != Some(TimeAttribute::Rowtime) || used != parts.len() {
                    return Err(Diagnostic::new(arg.value.span, "MATCH_ROWTIME takes a rowtime column"));
                }
                field.data_type.kind.clone()
            }
            _ => return Err(Diagnostic::new(call.span, "MATCH_ROWTIME takes one rowtime column at most")),
        };
        let data_type = kind.not_null();
        let place = matched.add_read(Read { kind: ReadKind::Time, data_type: data_type.clone() });
        Ok(Expr::column(place, "MATCH_ROWTIME()", data_type))
    }

    fn match_timed_out(&self, call: &FunctionCall, env: &mut Env<'_, '_>) -> Bound<Expr> {
        let matched = env.matched.as_deref_mut().expect("the caller looked");
        if !matched.extensions {
            return Err(extension(call.span, "MATCH_TIMED_OUT()"));
        }
        matched.timed_out = true;
        let data_type = TypeKind::Boolean.not_null();
        let place = matched.add_read(Read { kind: ReadKind::TimedOut, data_type: data_type.clone() });
        Ok(Expr::column(place, "MATCH_TIMED_OUT()", data_type))
    }

    fn match_aggregate(&self, call: &FunctionCall, name: &str, env: &mut Env<'_, '_>) -> Bound<Expr> {
        let matched = env.matched.as_deref_mut().expect("the caller looked");
        refuse_clauses(call, name)?;
        if matched.reading != LAST {
            let message =
                format!("the aggregate {name} can't stand inside of FIRST, LAST, PREV or an aggregate");
            return Err(Diagnostic::new(call.span, message));
        }
        matched.reading = Reading::Rows;
        let named = std::mem::take(&mut matched.named);
        let args = call.args.iter().map(|arg| self.bind_expr(&arg.value, env)).collect::<Bound<Vec<_>>>()?;
        let matched = env.matched.as_deref_mut().expect("the caller looked");
        matched.reading = LAST;
        let inner = std::mem::replace(&mut matched.named, named);
        let variable = one_variable(&inner, name, call.span, name != "COUNT")?;
        let types: Vec<DataType> = args.iter().map(Expr::data_type).collect();
        let infos: Vec<_> = (args.iter().zip(&types))
            .map(|(arg, data_type)| ArgumentInfo { data_type, literal: arg.literal() })
            .collect();
        let function = self.session.functions.aggregate(name).expect("the caller looked");
        let session = self.session.info();
        let bound = function.bind(&BindCall { args: &infos, session }, false).map_err(at(call.span))?;
        let args = (args.into_iter().zip(&bound.arg_types))
            .map(|(arg, wanted)| self.cast(arg, wanted, CastMode::Implicit, call.span))
            .collect::<Bound<Vec<_>>>()?;
        let of = variable.map(|variable| format!("{}: ", matched.variables[variable])).unwrap_or_default();
        let text = format!("{of}{}", super::call_text::call_text(name, false, &args, None));
        let parts: Vec<String> = args.iter().map(fingerprint).collect();
        let print = format!("{variable:?}/{name}/{}", parts.join("/"));
        let data_type = bound.return_type.clone();
        let known = matched.fingerprints.iter().position(|known| *known == print);
        let place = known.unwrap_or_else(|| {
            let call = AggregateCall {
                text: text.clone(),
                args: args.into_iter().map(|arg| matched.add_below(arg)).collect(),
                arg_types: bound.arg_types,
                filter: None,
                distinct: false,
                return_type: bound.return_type,
                accumulator: bound.accumulator,
            };
            matched.aggregates.push(MatchAggregate { variable, call });
            matched.fingerprints.push(print);
            matched.aggregates.len() - 1
        });
        Ok(Expr::column(AGGREGATE_BASE + place, text, data_type))
    }
}

/// How columns are read inside of a FIRST, LAST or PREV.
fn within(name: &str, count: u32, matched: &MatchScope, span: Span) -> Bound<Reading> {
    let Reading::Match { back, inside, .. } = matched.reading else {
        return Err(Diagnostic::new(span, format!("{name} can't stand inside of an aggregate")));
    };
    match (name, inside) {
        ("PREV", _) if count == 0 => Ok(matched.reading),
        ("PREV", _) if !matched.extensions => Err(extension(span, "PREV (a physical offset)")),
        ("PREV", Inside::Nothing) => {
            Ok(Reading::Match { first: false, offset: 0, back: count, inside: Inside::Previous })
        }
        ("FIRST" | "LAST", Inside::Nothing | Inside::Previous) => {
            Ok(Reading::Match { first: name == "FIRST", offset: count, back, inside: Inside::FirstOrLast })
        }
        _ => Err(Diagnostic::new(span, format!("{name} can't stand inside of FIRST, LAST or PREV"))
            .with_hint("FIRST and LAST take columns; PREV takes columns, FIRST or LAST")),
    }
}

/// The one variable that is named; absent: all rows.
fn one_variable(named: &[Option<usize>], name: &str, span: Span, needs_column: bool) -> Bound<Option<usize>> {
    match named {
        [] if needs_column => {
            Err(Diagnostic::new(span, format!("{name} in MATCH_RECOGNIZE needs a column to read")))
        }
        [] => Ok(None),
        [first, rest @ ..] if rest.iter().all(|other| other == first) => Ok(*first),
        _ => Err(Diagnostic::new(
            span,
            format!("{name} must be applied to columns of a single pattern variable"),
        )
        .with_hint("write the same variable before each column, or none")),
    }
}

fn refuse_clauses(call: &FunctionCall, name: &str) -> Bound<()> {
    let refused = match (call.quantifier, call.filter.is_some()) {
        (Some(SetQuantifier::Distinct), _) => "DISTINCT",
        (Some(SetQuantifier::All), _) => "ALL",
        (None, true) => "FILTER",
        (None, false) if !call.within_group.is_empty() || !call.order_by.is_empty() => "ORDER BY",
        _ if call.star && name != "COUNT" => {
            return Err(Diagnostic::new(call.span, format!("{name} does not take '*'")));
        }
        _ => return Ok(()),
    };
    let message = format!("{refused} is not allowed with {name} in MATCH_RECOGNIZE");
    Err(Diagnostic::new(call.span, message))
}

/// `LAST(A.x, 1)` as EXPLAIN shows it.
fn read_text(parts: &[Ident], used: usize, reading: Reading) -> String {
    let name = parts[..used].iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
    let Reading::Match { first, offset, back, .. } = reading else { return name };
    let function = if first { "FIRST" } else { "LAST" };
    let read = match (first, offset) {
        (false, 0) => name,
        (true, 0) => format!("{function}({name})"),
        _ => format!("{function}({name}, {offset})"),
    };
    if back == 0 { read } else { format!("PREV({read}, {back})") }
}
