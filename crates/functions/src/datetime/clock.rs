//! Processing time and the watermark. None of these is ever folded: time comes in with each chunk.

use super::times::column;
use super::unit::DAY_MS;
use crate::bind::{Form, Gives, Make, Want, declare};
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::zone::local_from_utc_ms;
use tidemill_types::{Result, TypeKind, WATERMARK_NONE};

pub(super) fn register(registry: &mut FunctionRegistry) {
    for name in ["CURRENT_TIMESTAMP", "NOW", "CURRENT_ROW_TIMESTAMP", "PROCTIME"] {
        now(registry, name, TypeKind::TimestampLtz(3), |_| Ok(Arc::new(Now(Shown::Instant, chrono_tz::UTC))));
    }
    now(registry, "LOCALTIMESTAMP", TypeKind::Timestamp(3), |b| {
        Ok(Arc::new(Now(Shown::Timestamp, b.session.zone)))
    });
    now(registry, "CURRENT_DATE", TypeKind::Date, |b| Ok(Arc::new(Now(Shown::Date, b.session.zone))));
    for name in ["CURRENT_TIME", "LOCALTIME"] {
        now(registry, name, TypeKind::Time(0), |b| Ok(Arc::new(Now(Shown::Time, b.session.zone))));
    }
    declare(
        registry,
        "CURRENT_WATERMARK",
        [
            Form::made(&[Want::Timestamp], Gives::Kind(TypeKind::Timestamp(3)), |_| {
                Ok(Arc::new(Watermark(TypeKind::Timestamp(3))))
            })
            .nullable(),
            Form::made(&[Want::TimestampLtz], Gives::Kind(TypeKind::TimestampLtz(3)), |_| {
                Ok(Arc::new(Watermark(TypeKind::TimestampLtz(3))))
            })
            .nullable(),
        ],
    );
}

fn now(registry: &mut FunctionRegistry, name: &str, kind: TypeKind, make: Make) {
    declare(registry, name, [Form::made(&[], kind, make).not_null()]);
}

#[derive(Clone, Copy)]
enum Shown {
    Instant,
    Timestamp,
    Date,
    Time,
}

/// Processing time on a zone's clock.
struct Now(Shown, chrono_tz::Tz);

impl Kernel for Now {
    fn eval(&self, _args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let local = local_from_utc_ms(self.1, ctx.now_ms);
        let (kind, value) = match self.0 {
            Shown::Instant => (TypeKind::TimestampLtz(3), ctx.now_ms),
            Shown::Timestamp => (TypeKind::Timestamp(3), local),
            Shown::Date => (TypeKind::Date, local.div_euclid(DAY_MS)),
            Shown::Time => (TypeKind::Time(0), local.rem_euclid(DAY_MS) / 1_000 * 1_000),
        };
        Ok(Datum::Scalar(column(&kind, vec![Some(value)])))
    }

    fn volatile(&self) -> bool {
        true
    }

    fn infallible(&self) -> bool {
        true
    }
}

/// The watermark that a row is judged against.
struct Watermark(TypeKind);

impl Kernel for Watermark {
    fn eval(&self, _args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let known = |watermark: i64| (watermark != WATERMARK_NONE).then_some(watermark);
        if ctx.marks.is_empty() {
            return Ok(Datum::Scalar(column(&self.0, vec![known(ctx.watermark)])));
        }
        let mut marks = ctx.marks.iter().peekable();
        let mut watermark = ctx.watermark;
        let rows = (0..ctx.rows as u32).map(|row| {
            while let Some(mark) = marks.next_if(|mark| mark.row <= row) {
                watermark = watermark.max(mark.watermark);
            }
            known(watermark)
        });
        Ok(Datum::Array(column(&self.0, rows.collect())))
    }

    fn volatile(&self) -> bool {
        true
    }

    fn infallible(&self) -> bool {
        true
    }
}
