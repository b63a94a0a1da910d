//! Function calls: conditional functions become CASE, aggregates go to the grouping, the rest to the registry.

use super::expr::Env;
use super::fold::null;
use super::{Binder, Bound, unsupported};
use crate::ast::{self, FunctionCall};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{CastMode, Expr};
use tidemill_types::{DataType, TypeKind};

impl Binder<'_> {
    /// Binds a function call.
    pub(crate) fn bind_call(&self, call: &FunctionCall, env: &mut Env<'_, '_>) -> Bound<Expr> {
        let name = call.name.last().value.to_uppercase();
        if call.over.is_some() {
            return Err(unsupported(call.span, "an OVER window"));
        }
        if call.args.iter().any(|arg| arg.name.is_some()) {
            return Err(unsupported(call.span, "a named argument of this function"));
        }
        if env.matched.is_some()
            && let Some(read) = self.match_call(call, &name, env)?
        {
            return Ok(read);
        }
        if self.session.functions.aggregate(&name).is_some() {
            return match env.grouping.as_deref_mut() {
                Some(grouping) => grouping.aggregate(self, call, &name),
                None => Err(Diagnostic::new(call.span, format!("the aggregate {name} can't stand here"))
                    .with_hint("aggregates stand in SELECT and HAVING; filter their results with HAVING")),
            };
        }
        if call.star || call.quantifier.is_some() || call.filter.is_some() || !call.within_group.is_empty() {
            return Err(Diagnostic::new(call.span, format!("{name} is no aggregate function"))
                .with_hint("'*', DISTINCT, FILTER and WITHIN GROUP belong to aggregates"));
        }
        if let Some(grouping) = env.grouping.as_deref_mut()
            && let Some(column) = grouping.grouping_function(self, &name, call)?
        {
            return Ok(column);
        }
        if super::legacy_window::auxiliary(&name).is_some() {
            return Err(Diagnostic::new(
                call.span,
                format!("{name} must have a matching call of its window function in GROUP BY"),
            ));
        }
        let args: Vec<&ast::Expr> = call.args.iter().map(|arg| &arg.value).collect();
        let args = args.iter().map(|arg| self.bind_expr(arg, env)).collect::<Bound<Vec<_>>>()?;
        self.conditional(&name, args, call.span)
    }

    fn conditional(&self, name: &str, args: Vec<Expr>, span: Span) -> Bound<Expr> {
        match (name, args.len()) {
            ("JSON", _) => Err(Diagnostic::new(span, "JSON(..) can't stand here")
                .with_hint("it is a value of JSON_OBJECT or JSON_ARRAY")),
            ("CURRENT_DATABASE", 0) => {
                let name = super::literal::string(&self.session.catalog.current().database);
                self.cast(name, &DataType::string().with_nullable(false), CastMode::Implicit, span)
            }
            ("IF", 3) => self.bind_if(take(args), span),
            ("NULLIF", 2) => {
                let [left, right] = take(args);
                let nothing = null(&left.data_type());
                let equal = self.call("=", vec![left.clone(), right], span)?;
                self.case(vec![(equal, nothing)], left, span)
            }
            ("IFNULL", 2) => {
                let first = args[0].data_type();
                if first.kind.is_text() && !first.nullable {
                    let [first, second] = take(args);
                    self.merged_type(&[first.data_type(), second.data_type()], span, name)?;
                    return Ok(first);
                }
                self.coalesce(name, args, span)
            }
            ("COALESCE", 1..) => self.coalesce(name, args, span),
            _ => self.call(name, args, span),
        }
    }

    /// IF takes numbers, texts, and dates and times; the latter as the type of the second argument. A condition
    /// that may be NULL makes a result that may.
    fn bind_if(&self, [condition, yes, no]: [Expr; 3], span: Span) -> Bound<Expr> {
        if condition.data_type().kind != TypeKind::Boolean {
            return Err(Diagnostic::new(
                span,
                format!("the condition of IF is {}", condition.data_type().kind),
            )
            .with_hint("IF takes a BOOLEAN first"));
        }
        let (kind, other) = (yes.data_type().kind, no.data_type().kind);
        if kind == TypeKind::Null || other == TypeKind::Null {
            return Err(Diagnostic::new(span, "IF takes no bare NULL")
                .with_hint("write CAST(NULL AS …) with the type of the other value, or CASE"));
        }
        let simple = |kind: &TypeKind| {
            kind.is_numeric()
                || kind.is_text()
                || kind.is_bytes()
                || kind.is_datetime()
                || *kind == TypeKind::Boolean
        };
        if !simple(&kind) || !simple(&other) {
            return Err(Diagnostic::new(span, format!("IF can't choose between {kind} and {other}"))
                .with_hint("CASE takes values of every type"));
        }
        let nullable = condition.data_type().nullable;
        let no = match kind.is_datetime()
            && self.common_type(&[yes.data_type(), no.data_type()], span, "").is_ok()
        {
            true => {
                let to = DataType { kind, nullable: no.data_type().nullable };
                self.cast(no, &to, CastMode::Implicit, span)?
            }
            false => no,
        };
        Ok(match self.case(vec![(condition, yes)], no, span)? {
            Expr::Case { branches, otherwise, data_type } => {
                let nullable = nullable || data_type.nullable;
                Expr::Case { branches, otherwise, data_type: data_type.with_nullable(nullable) }
            }
            folded => folded,
        })
    }

    fn merged_type(&self, types: &[DataType], span: Span, name: &str) -> Bound<DataType> {
        if types.iter().all(|data_type| data_type.kind == TypeKind::Null) {
            return Err(Diagnostic::new(span, format!("{name} takes no bare NULL alone"))
                .with_hint("write CAST(NULL AS …) with the type you want"));
        }
        self.session.functions.merged_type(types).ok_or_else(|| {
            let list = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Diagnostic::new(span, format!("the arguments of {name} have no common type: {list}"))
                .with_hint("CAST them to one type")
        })
    }

    fn coalesce(&self, name: &str, args: Vec<Expr>, span: Span) -> Bound<Expr> {
        let types: Vec<DataType> = args.iter().map(Expr::data_type).collect();
        let nullable = types.iter().all(|data_type| data_type.nullable);
        let data_type = self.merged_type(&types, span, name)?.with_nullable(nullable);
        let args = args
            .into_iter()
            .map(|arg| self.cast(arg, &data_type, CastMode::Implicit, span))
            .collect::<Bound<Vec<_>>>()?;
        Ok(self.fold(Expr::Coalesce { args, data_type }))
    }
}

fn take<const N: usize>(args: Vec<Expr>) -> [Expr; N] {
    args.try_into().expect("the number of arguments was matched")
}
