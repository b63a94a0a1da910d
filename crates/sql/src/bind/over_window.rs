//! The windows of OVER: names resolved, frames as numbers.
//!
//! Rule (SQL standard, as Calcite has it): without a frame a window goes from the first row to the current one and
//! its peers, without an ORDER BY over the whole partition; functions that number or shift rows take no frame.

use super::over_call::WindowCall;
use super::{Binder, Bound, unsupported};
use crate::ast::{self, FrameBound, FrameUnit, FunctionCall, Over, Select, WindowSpec};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::over::OverFrame;
use tidemill_types::TypeKind;
use tidemill_types::arrow::cast::AsArray;
use tidemill_types::arrow::types::{Decimal128Type, DurationMillisecondType};

/// How many windows may build on each other.
const BASES_MAX: usize = 32;

/// How many digits behind the decimal point the distance of a frame may have.
const SCALE_MAX: u8 = 18;

impl Binder<'_> {
    /// The window of a call, with what it takes from named ones.
    pub(super) fn resolve_window(&self, call: &FunctionCall, select: &Select) -> Bound<WindowSpec> {
        match &call.over {
            Some(Over::Spec(window)) => based(window, select, 0),
            Some(Over::Named(name)) => named_window(name, select, 0),
            None => Err(Diagnostic::new(call.span, "this function needs an OVER clause")),
        }
    }

    /// The frame of a call.
    pub(super) fn frame(&self, call: &WindowCall, name: &str) -> Bound<OverFrame> {
        let framed = !matches!(
            name,
            "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "PERCENT_RANK" | "CUME_DIST" | "NTILE" | "LAG" | "LEAD"
        );
        let Some(frame) = &call.window.frame else {
            return Ok(match framed && call.order.is_empty() {
                true => OverFrame { end: None, ..OverFrame::up_to_current(false) },
                false => OverFrame::up_to_current(name == "ROW_NUMBER"),
            });
        };
        if !framed {
            return Err(Diagnostic::new(
                frame.span,
                "ROW/RANGE not allowed with RANK, DENSE_RANK, ROW_NUMBER, PERCENT_RANK, CUME_DIST, NTILE or LAG/LEAD functions",
            ));
        }
        let rows = frame.unit == FrameUnit::Rows;
        if call.order.is_empty() {
            return Ok(OverFrame { end: None, ..OverFrame::up_to_current(rows) });
        }
        if frame.start == FrameBound::CurrentRow && !self.session.info().batch {
            return Err(Diagnostic::new(frame.span, "OVER RANGE FOLLOWING windows are not supported yet.")
                .with_hint("in streaming a frame starts with rows that precede the current one"));
        }
        let start = self.edge(&frame.start, rows, frame.span)?;
        let end =
            frame.end.as_ref().map_or(Ok(Edge::At(Decimal::ZERO)), |end| self.edge(end, rows, frame.span))?;
        let start = match start {
            Edge::First => None,
            Edge::At(distance) => Some(distance),
            Edge::Last => {
                return Err(Diagnostic::new(frame.span, "UNBOUNDED FOLLOWING cannot start a frame"));
            }
        };
        let end = match end {
            Edge::Last => None,
            Edge::At(distance) => Some(distance),
            Edge::First => return Err(Diagnostic::new(frame.span, "UNBOUNDED PRECEDING cannot end a frame")),
        };
        let scale = start.iter().chain(&end).map(|distance| distance.scale).max().unwrap_or(0);
        let at_scale = |distance: Option<Decimal>| match distance {
            None => Ok(None),
            Some(distance) => match distance.units(scale) {
                Some(units) => Ok(Some(units)),
                None => Err(Diagnostic::new(frame.span, "the frame is too large")),
            },
        };
        let (start, end) = (at_scale(start)?, at_scale(end)?);
        if let (Some(start), Some(end)) = (start, end)
            && (start > 0 && end <= 0 || start == 0 && end < 0)
        {
            return Err(Diagnostic::new(frame.span, "a frame can't start behind the row where it ends"));
        }
        Ok(OverFrame { rows, start, end, scale })
    }

    fn edge(&self, bound: &FrameBound, rows: bool, span: Span) -> Bound<Edge> {
        Ok(match bound {
            FrameBound::UnboundedPreceding => Edge::First,
            FrameBound::UnboundedFollowing => Edge::Last,
            FrameBound::CurrentRow => Edge::At(Decimal::ZERO),
            FrameBound::Preceding(distance) => {
                let Decimal { digits, scale } = self.distance(distance, rows, span)?;
                Edge::At(Decimal { digits: -digits, scale })
            }
            FrameBound::Following(distance) => Edge::At(self.distance(distance, rows, span)?),
        })
    }

    /// A number of rows, a number, or the ms of an interval.
    fn distance(&self, distance: &ast::Expr, rows: bool, span: Span) -> Bound<Decimal> {
        let too_large = || Diagnostic::new(span, "the frame is too large");
        if let Some(number) = super::rank::whole(distance) {
            return i64::try_from(number).map(Decimal::whole).map_err(|_| too_large());
        }
        let bound = self.bind_over(distance, super::scope_of(&[]))?;
        match (bound.data_type().kind, bound.literal()) {
            (TypeKind::IntervalDay, Some(value)) if !rows => {
                Ok(Decimal::whole(value.as_primitive::<DurationMillisecondType>().value(0)))
            }
            (TypeKind::Decimal { scale, .. }, Some(value)) if !rows && self.session.info().batch => {
                let digits = value.as_primitive::<Decimal128Type>().value(0);
                match i64::try_from(digits) {
                    Ok(digits) if digits >= 0 && scale <= SCALE_MAX => Ok(Decimal { digits, scale }),
                    _ => Err(too_large()),
                }
            }
            (TypeKind::IntervalMonth, _) if !rows => Err(unsupported(distance.span, "a frame of months")),
            _ => Err(Diagnostic::new(distance.span, "the distance of a frame must be a constant")
                .with_hint("write ROWS 10 PRECEDING or RANGE INTERVAL '10' SECOND PRECEDING")),
        }
    }
}

/// A distance with digits behind the decimal point.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i64,
    scale: u8,
}

impl Decimal {
    const ZERO: Decimal = Decimal::whole(0);

    const fn whole(digits: i64) -> Self {
        Decimal { digits, scale: 0 }
    }

    /// The distance as a whole number of units of this scale, which is not smaller than its own.
    fn units(self, scale: u8) -> Option<i64> {
        10i64.checked_pow(u32::from(scale - self.scale))?.checked_mul(self.digits)
    }
}

/// One end of a frame.
enum Edge {
    First,
    At(Decimal),
    Last,
}

fn named_window(name: &ast::Ident, select: &Select, depth: usize) -> Bound<WindowSpec> {
    let named = select.windows.iter().find(|window| window.name.value == name.value);
    match named {
        Some(window) => based(&window.spec, select, depth),
        None => Err(Diagnostic::new(name.span, format!("there is no window '{}'", name.value))
            .with_hint("name it in the WINDOW clause")),
    }
}

/// A window with what it takes from the one it refines.
fn based(window: &WindowSpec, select: &Select, depth: usize) -> Bound<WindowSpec> {
    let Some(base) = &window.base else { return Ok(window.clone()) };
    if depth > BASES_MAX {
        return Err(Diagnostic::new(base.span, format!("the window '{}' refines itself", base.value)));
    }
    let mut out = named_window(base, select, depth + 1)?;
    if !window.partition_by.is_empty() {
        return Err(Diagnostic::new(window.span, "PARTITION BY not allowed with existing window reference"));
    }
    if !window.order_by.is_empty() {
        if !out.order_by.is_empty() {
            return Err(Diagnostic::new(
                window.span,
                "ORDER BY not allowed in both base and referenced windows",
            ));
        }
        out.order_by = window.order_by.clone();
    }
    if out.frame.is_some() {
        return Err(Diagnostic::new(window.span, "Referenced window cannot have framing declarations"));
    }
    out.frame = window.frame.clone();
    out.base = None;
    out.span = window.span;
    Ok(out)
}
