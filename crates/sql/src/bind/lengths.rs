//! `table.exec.sink.type-length-enforcer`: values cut and filled to the length of their column, or refused.
//!
//! Only a value of the column's own type can have another length here; an INSERT's casts did the rest.

use super::literal::string;
use super::{Binder, Bound};
use crate::catalog::Column;
use crate::span::Span;
use tidemill_plan::{CastMode, Expr};
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::{DataType, TypeKind};

const KEY: &str = "table.exec.sink.type-length-enforcer";

impl Binder<'_> {
    /// The values of a sink's columns with their lengths enforced as the session asks for it.
    pub(crate) fn enforce_lengths(
        &self,
        exprs: Vec<Expr>,
        columns: &[&Column],
        span: Span,
    ) -> Bound<Vec<Expr>> {
        let settings = &self.session.settings;
        let (trim, refuse) = (settings.is(KEY, "trim_pad"), settings.is(KEY, "error"));
        let enforced = |(expr, column): (Expr, &&Column)| match without_length(&column.data_type.kind) {
            Some(_) if refuse => self.call("CHECK_LENGTH$", vec![expr, string(&column.name)], span),
            Some(unlimited) if trim => Ok(self.resized(expr, &unlimited, &column.data_type)),
            _ => Ok(expr),
        };
        exprs.into_iter().zip(columns).map(enforced).collect()
    }

    /// The cast that a value of no certain length takes; the types alone would say that none is needed.
    fn resized(&self, expr: Expr, unlimited: &DataType, target: &DataType) -> Expr {
        let info = self.session.info();
        let kernel = self.session.functions.cast(unlimited, target, CastMode::Cast, info);
        let kernel = kernel.expect("text is cast to text and bytes to bytes");
        let data_type = target.clone().with_nullable(expr.data_type().nullable);
        self.fold(Expr::Call { name: "CAST".into(), kernel, args: vec![expr], data_type })
    }
}

/// The type without its length; `None` if it has none.
fn without_length(kind: &TypeKind) -> Option<DataType> {
    match kind {
        TypeKind::Char(_) | TypeKind::Varchar(0..LENGTH_MAX) => Some(DataType::string()),
        TypeKind::Binary(_) | TypeKind::Varbinary(0..LENGTH_MAX) => Some(DataType::bytes()),
        _ => None,
    }
}
