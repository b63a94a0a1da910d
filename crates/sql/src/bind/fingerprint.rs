//! Whether two bound expressions are the same: GROUP BY expressions are found again in SELECT by it.

use std::fmt::Write;
use tidemill_plan::Expr;

/// A text that two expressions share exactly if they compute the same from the same columns.
pub(crate) fn fingerprint(expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(expr, &mut out);
    out
}

fn write_expr(expr: &Expr, out: &mut String) {
    let head = match expr {
        Expr::Column { index, .. } => format!("#{index}"),
        Expr::Literal { text, data_type, .. } => format!("{text}:{}", data_type.kind),
        Expr::Call { name, data_type, .. } => format!("{name}:{}", data_type.kind),
        Expr::Case { .. } => "case".into(),
        Expr::And(_) => "and".into(),
        Expr::Or(_) => "or".into(),
        Expr::Coalesce { .. } => "coalesce".into(),
    };
    write!(out, "{head}(").expect("strings take everything");
    for child in expr.children() {
        write_expr(child, out);
        out.push(',');
    }
    out.push(')');
}
