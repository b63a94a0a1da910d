//! Group windows of old: `GROUP BY TUMBLE(ts, size)` and their auxiliaries `TUMBLE_START` ….
//!
//! Rule (Flink documentation, "Window Aggregation"): an auxiliary has the very arguments of the window in
//! GROUP BY; HOP takes the slide before the size, which need not be a multiple of it.

use super::literal::interval_ms;
use super::scope::Scope;
use super::{Binder, Bound};
use crate::ast::{self, ExprKind, FunctionCall};
use crate::diagnostic::Diagnostic;
use tidemill_plan::{Expr, WindowKind, WindowProperty, WindowSpec};
use tidemill_types::TimeAttribute;

/// Which column of which window function an auxiliary is.
pub(crate) fn auxiliary(name: &str) -> Option<(&'static str, WindowProperty, Option<TimeAttribute>)> {
    let (window, property) = name.split_once('_')?;
    let window = ["TUMBLE", "HOP", "SESSION"].into_iter().find(|candidate| *candidate == window)?;
    Some(match property {
        "START" => (window, WindowProperty::Start, None),
        "END" => (window, WindowProperty::End, None),
        "ROWTIME" => (window, WindowProperty::Time, Some(TimeAttribute::Rowtime)),
        "PROCTIME" => (window, WindowProperty::Time, Some(TimeAttribute::Proctime)),
        _ => return None,
    })
}

/// The call of a group window that an expression is, if it is one.
pub(crate) fn group_window(expr: &ast::Expr) -> Option<&FunctionCall> {
    match &*expr.kind {
        ExprKind::Call(call) => {
            let name = call.name.last().value.to_uppercase();
            matches!(name.as_str(), "TUMBLE" | "HOP" | "SESSION").then_some(call)
        }
        _ => None,
    }
}

impl Binder<'_> {
    /// The window of a group window call over the rows of a scope.
    pub(crate) fn legacy_window(&self, call: &FunctionCall, scope: Scope<'_>) -> Bound<WindowSpec> {
        let name = call.name.last().value.to_uppercase();
        let args: Vec<&ast::Expr> = call.args.iter().map(|arg| &arg.value).collect();
        let Some((time, spans)) = args.split_first() else {
            return Err(Diagnostic::new(call.span, format!("{name} takes a time attribute and intervals")));
        };
        let Expr::Column { index: time_column, .. } = self.bind_over(time, scope)? else {
            return Err(no_time_attribute(time, &name));
        };
        let field = &scope.columns[time_column].field;
        let time_kind = field.time.ok_or_else(|| no_time_attribute(time, &name))?;
        let zone = self.window_zone(&field.data_type.kind, time_kind);
        let mut spans_ms = Vec::with_capacity(spans.len());
        for span in spans {
            let bound = self.bind_over(span, scope)?;
            let ms = interval_ms(&bound).filter(|ms| *ms > 0);
            spans_ms.push(ms.ok_or_else(|| {
                Diagnostic::new(span.span, format!("{name} takes positive day-time intervals"))
                    .with_hint("write INTERVAL '10' SECOND")
            })?);
        }
        let kind = match (name.as_str(), spans_ms.as_slice()) {
            ("TUMBLE", [size]) => WindowKind::Tumble { size: *size, offset: 0 },
            ("TUMBLE", [size, offset]) => WindowKind::Tumble { size: *size, offset: *offset },
            ("HOP", [slide, size]) => WindowKind::Hop { slide: *slide, size: *size, offset: 0 },
            ("HOP", [slide, size, offset]) => WindowKind::Hop { slide: *slide, size: *size, offset: *offset },
            ("SESSION", [gap]) => WindowKind::Session { gap: *gap, partition: Vec::new() },
            _ => {
                let form = match name.as_str() {
                    "TUMBLE" => "TUMBLE(time, size)",
                    "HOP" => "HOP(time, slide, size)",
                    _ => "SESSION(time, gap)",
                };
                return Err(Diagnostic::new(call.span, format!("a group window is written as {form}")));
            }
        };
        Ok(WindowSpec { kind, time_column, time: time_kind, zone })
    }
}

fn no_time_attribute(expr: &ast::Expr, name: &str) -> Diagnostic {
    Diagnostic::new(expr.span, format!("{name} needs a time attribute"))
        .with_hint("declare WATERMARK FOR on the column, or use a column AS PROCTIME()")
}
