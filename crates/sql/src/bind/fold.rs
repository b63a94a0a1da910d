//! Constant folding and the casts that binding inserts.

use super::{Binder, Bound, at};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use arrow_array::{Array, ArrayRef, new_null_array};
use tidemill_plan::{CastMode, EvalContext, Expr};
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::{Chunk, DataType, TypeKind};

impl Binder<'_> {
    /// The constant that an expression without columns is, or the expression itself. One that fails stays:
    /// it ends the run if a row needs it.
    pub(crate) fn fold(&self, expr: Expr) -> Expr {
        let constant = !matches!(expr, Expr::Literal { .. } | Expr::Column { .. })
            && !expr.volatile()
            && expr.children().iter().all(|child| child.literal().is_some());
        if !constant {
            return expr;
        }
        let ctx = EvalContext::constant(0);
        match expr.eval_array(&Chunk::new(Vec::new(), 1), &ctx) {
            Ok(value) => {
                let data_type = expr.data_type();
                Expr::Literal { text: expr.to_string(), value, data_type }
            }
            Err(_) => expr,
        }
    }

    /// The expression in another type. Types that differ only in nullability need no cast.
    pub(crate) fn cast(&self, expr: Expr, target: &DataType, mode: CastMode, span: Span) -> Bound<Expr> {
        let from = expr.data_type();
        let may_turn_null = mode == CastMode::TryCast && !from.nullable;
        if from.kind == target.kind && !may_turn_null {
            return Ok(expr);
        }
        if from.kind == TypeKind::Null {
            return Ok(null(target));
        }
        let kernel = self
            .session
            .functions
            .cast(&from, target, mode, self.session.info())
            .ok_or_else(|| Diagnostic::new(span, format!("{from} can't be cast to {target}")))?;
        let nullable = from.nullable || mode == CastMode::TryCast || self.session.info().legacy_cast;
        let name = if mode == CastMode::TryCast { "TRY_CAST" } else { "CAST" }.to_string();
        let data_type = target.clone().with_nullable(nullable);
        Ok(self.fold(Expr::Call { name, kernel, args: vec![expr], data_type }))
    }

    /// A call of a registered function with bound arguments.
    pub(crate) fn call(&self, name: &str, args: Vec<Expr>, span: Span) -> Bound<Expr> {
        let function =
            self.session.functions.scalar(name).ok_or_else(|| self.unknown_function(name, span))?;
        let types: Vec<DataType> = args.iter().map(Expr::data_type).collect();
        let infos: Vec<_> = args
            .iter()
            .zip(&types)
            .map(|(arg, data_type)| tidemill_plan::ArgumentInfo { data_type, literal: arg.literal() })
            .collect();
        let bound = function
            .bind(&tidemill_plan::BindCall { args: &infos, session: self.session.info() })
            .map_err(at(span))?;
        let args = args
            .into_iter()
            .zip(&bound.arg_types)
            .map(|(arg, wanted)| self.cast(arg, wanted, CastMode::Implicit, span))
            .collect::<Bound<Vec<_>>>()?;
        let call = Expr::Call {
            name: name.to_uppercase(),
            kernel: bound.kernel,
            args,
            data_type: bound.return_type,
        };
        Ok(self.fold(call))
    }

    fn unknown_function(&self, name: &str, span: Span) -> Diagnostic {
        let functions = &self.session.functions;
        let known = functions.scalars.keys().chain(functions.aggregates.keys()).map(String::as_str);
        let words = known.filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()));
        let diagnostic = Diagnostic::new(span, format!("there is no function '{name}'"));
        match tidemill_types::options::near(name, words).as_slice() {
            [] => diagnostic.with_hint("SHOW FUNCTIONS lists the functions"),
            near => {
                diagnostic.with_hint(format!("did you mean {}?", tidemill_types::options::quoted_or(near)))
            }
        }
    }
}

/// The typed NULL.
pub(crate) fn null(data_type: &DataType) -> Expr {
    let value: ArrayRef = new_null_array(&arrow_type(data_type), 1);
    debug_assert_eq!(value.len(), 1, "a constant is one value");
    Expr::Literal { value, data_type: data_type.clone().with_nullable(true), text: "NULL".into() }
}
