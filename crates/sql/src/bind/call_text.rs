//! How EXPLAIN shows an aggregate.

use tidemill_plan::Expr;

/// `COUNT(DISTINCT x) FILTER (WHERE c)`.
pub(crate) fn call_text(name: &str, distinct: bool, args: &[Expr], filter: Option<&Expr>) -> String {
    let args = match args {
        [] => "*".to_string(),
        args => args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let distinct = if distinct { "DISTINCT " } else { "" };
    let filter = filter.map(|filter| format!(" FILTER (WHERE {filter})")).unwrap_or_default();
    format!("{name}({distinct}{args}){filter}")
}
