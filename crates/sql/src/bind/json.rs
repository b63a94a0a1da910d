//! The SQL/JSON functions: their clauses become constant arguments of registered functions.
//!
//! JSON_OBJECTAGG and JSON_ARRAYAGG become calls of aggregates.

use super::expr::Env;
use super::literal::{boolean, string};
use super::{Binder, Bound, types};
use crate::ast::{
    self, ExprKind, FunctionCall, JsonBehavior, JsonExistsOnError, JsonExpr, JsonKind, JsonMember,
    JsonOnNull, JsonWrapper, TypeName,
};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{CastMode, Expr};
use tidemill_types::{DataType, TypeKind};

impl Binder<'_> {
    /// Binds a SQL/JSON function.
    pub(crate) fn bind_json(&self, json: &JsonExpr, span: Span, env: &mut Env<'_, '_>) -> Bound<Expr> {
        match json {
            JsonExpr::Exists { input, path, on_error } => {
                let mut args = self.json_input(input, path, env)?;
                args.push(string(match on_error {
                    Some(JsonExistsOnError::True) => "TRUE",
                    Some(JsonExistsOnError::Unknown) => "UNKNOWN",
                    Some(JsonExistsOnError::Error) => "ERROR",
                    Some(JsonExistsOnError::False) | None => "FALSE",
                }));
                self.call("JSON_EXISTS", args, span)
            }
            JsonExpr::Value { input, path, returning, on_empty, on_error } => {
                let target = returning.as_ref().map(value_type).transpose()?;
                let mut args = self.json_input(input, path, env)?;
                args.extend([behavior(on_empty.as_ref()), behavior(on_error.as_ref())]);
                args.push(string(target.as_ref().map_or("STRING", |(word, _)| word)));
                args.extend(self.json_defaults(on_empty.as_ref(), on_error.as_ref(), env)?);
                let value = self.call("JSON_VALUE", args, span)?;
                match target {
                    Some((_, data_type)) => self.cast(value, &data_type, CastMode::Cast, span),
                    None => Ok(value),
                }
            }
            JsonExpr::Query { input, path, returning, wrapper, on_empty, on_error } => {
                let mut args = self.json_input(input, path, env)?;
                args.push(string(match wrapper {
                    Some(JsonWrapper::Conditional) => "CONDITIONAL",
                    Some(JsonWrapper::Unconditional) => "UNCONDITIONAL",
                    Some(JsonWrapper::Without) | None => "WITHOUT",
                }));
                args.extend([behavior(on_empty.as_ref()), behavior(on_error.as_ref())]);
                let value = self.call("JSON_QUERY", args, span)?;
                self.query_returning(value, returning.as_ref(), span)
            }
            JsonExpr::Object { members, on_null } => {
                let mut args = vec![on_null_text(*on_null, JsonOnNull::Null)];
                for JsonMember { key, value } in members {
                    args.push(self.bind_expr(key, env)?);
                    args.extend(self.json_item(value, env)?);
                }
                self.call("JSON_OBJECT", args, span)
            }
            JsonExpr::Array { items, on_null } => {
                let mut args = vec![on_null_text(*on_null, JsonOnNull::Absent)];
                for item in items {
                    args.extend(self.json_item(item, env)?);
                }
                self.call("JSON_ARRAY", args, span)
            }
            JsonExpr::ObjectAgg { .. } | JsonExpr::ArrayAgg { .. } => {
                let call = aggregate(json, span).expect("these are the aggregates");
                self.bind_call(&call, env)
            }
        }
    }

    fn json_input(&self, input: &ast::Expr, path: &ast::Expr, env: &mut Env<'_, '_>) -> Bound<Vec<Expr>> {
        Ok(vec![self.bind_expr(input, env)?, self.bind_expr(path, env)?])
    }

    /// The values of DEFAULT clauses; one for ON ERROR alone has an empty text before it.
    fn json_defaults(
        &self,
        on_empty: Option<&JsonBehavior>,
        on_error: Option<&JsonBehavior>,
        env: &mut Env<'_, '_>,
    ) -> Bound<Vec<Expr>> {
        let mut bind = |behavior: Option<&JsonBehavior>| match behavior {
            Some(JsonBehavior::Default(value)) => {
                let bound = self.bind_expr(value, env)?;
                self.cast(bound, &DataType::string(), CastMode::Cast, value.span).map(Some)
            }
            _ => Ok(None),
        };
        let (empty, error) = (bind(on_empty)?, bind(on_error)?);
        Ok(match (empty, error) {
            (None, None) => Vec::new(),
            (Some(empty), None) => vec![empty],
            (empty, Some(error)) => vec![empty.unwrap_or_else(|| string("")), error],
        })
    }

    /// JSON_QUERY gives text, or the elements of an array as texts.
    fn query_returning(&self, value: Expr, returning: Option<&TypeName>, span: Span) -> Bound<Expr> {
        let Some(name) = returning else { return Ok(value) };
        let target = types::data_type(name)?.with_nullable(true);
        match &target.kind {
            TypeKind::Array(element) if element.kind.is_text() => {
                let texts = self.call("$JSON_TEXTS", vec![value], span)?;
                self.cast(texts, &target, CastMode::Cast, span)
            }
            kind if kind.is_text() => self.cast(value, &target, CastMode::Cast, span),
            kind => Err(Diagnostic::new(name.span, format!("JSON_QUERY can't return {kind}"))
                .with_hint("it returns STRING or ARRAY<STRING>")),
        }
    }

    /// A value of a constructor, and before it whether it is JSON already.
    fn json_item(&self, value: &ast::Expr, env: &mut Env<'_, '_>) -> Bound<[Expr; 2]> {
        if let ExprKind::Call(call) = &*value.kind
            && is_json(value)
        {
            let args =
                call.args.iter().map(|arg| self.bind_expr(&arg.value, env)).collect::<Bound<Vec<_>>>()?;
            return Ok([boolean(true), self.call("JSON", args, value.span)?]);
        }
        Ok([boolean(is_json(value)), self.bind_expr(value, env)?])
    }
}

/// JSON_OBJECTAGG and JSON_ARRAYAGG as calls of aggregates: whether nulls stay comes behind the other arguments.
pub(crate) fn aggregate(json: &JsonExpr, span: Span) -> Option<FunctionCall> {
    let (name, values, on_null, filter) = match json {
        JsonExpr::ObjectAgg { member, on_null, filter } => {
            let on_null = on_null.unwrap_or(JsonOnNull::Null);
            ("JSON_OBJECTAGG", vec![member.key.clone(), member.value.clone()], on_null, filter)
        }
        JsonExpr::ArrayAgg { item, on_null, filter } => {
            ("JSON_ARRAYAGG", vec![item.clone()], on_null.unwrap_or(JsonOnNull::Absent), filter)
        }
        _ => return None,
    };
    let keeps = ExprKind::Literal(ast::Literal::Boolean(on_null == JsonOnNull::Null));
    let args = values.into_iter().chain([ast::Expr::new(keeps, span)]);
    let args: Vec<_> = args.map(|value| ast::FunctionArg { name: None, value }).collect();
    let name = ast::ObjectName(vec![ast::Ident { value: name.into(), quoted: false, span }]);
    Some(FunctionCall { args, filter: filter.clone(), ..FunctionCall::plain(name, span) })
}

/// The types that JSON_VALUE returns, each with its word in the calling convention.
fn value_type(name: &TypeName) -> Bound<(&'static str, DataType)> {
    let target = types::data_type(name)?.with_nullable(true);
    let word = match &target.kind {
        kind if kind.is_text() => "STRING",
        TypeKind::Boolean => "BOOLEAN",
        TypeKind::Int => "INTEGER",
        TypeKind::Double => "DOUBLE",
        kind => {
            return Err(Diagnostic::new(name.span, format!("JSON_VALUE can't return {kind}"))
                .with_hint("it returns STRING, BOOLEAN, INTEGER or DOUBLE; CAST its text to other types"));
        }
    };
    Ok((word, target))
}

/// Whether a value of a constructor is JSON text that goes in as it is.
fn is_json(value: &ast::Expr) -> bool {
    match &*value.kind {
        ExprKind::Json(json) => !matches!(json, JsonExpr::Exists { .. } | JsonExpr::Value { .. }),
        ExprKind::Call(call) => call.name.last().value.eq_ignore_ascii_case("JSON"),
        _ => false,
    }
}

/// The name of the predicate `IS [NOT] JSON ..`.
pub(crate) fn predicate(kind: JsonKind, negated: bool) -> String {
    let kind = match kind {
        JsonKind::Value => "VALUE",
        JsonKind::Object => "OBJECT",
        JsonKind::Array => "ARRAY",
        JsonKind::Scalar => "SCALAR",
    };
    format!("IS {}JSON {kind}", if negated { "NOT " } else { "" })
}

fn behavior(behavior: Option<&JsonBehavior>) -> Expr {
    string(match behavior {
        Some(JsonBehavior::Error) => "ERROR",
        Some(JsonBehavior::Default(_)) => "DEFAULT",
        Some(JsonBehavior::EmptyArray) => "EMPTY ARRAY",
        Some(JsonBehavior::EmptyObject) => "EMPTY OBJECT",
        Some(JsonBehavior::Null) | None => "NULL",
    })
}

fn on_null_text(given: Option<JsonOnNull>, default: JsonOnNull) -> Expr {
    string(match given.unwrap_or(default) {
        JsonOnNull::Null => "NULL",
        JsonOnNull::Absent => "ABSENT",
    })
}
