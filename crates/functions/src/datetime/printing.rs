//! Moments as text: DATE_FORMAT, FROM_UNIXTIME, CONVERT_TZ.

use super::java_zone::JavaZone;
use super::pattern::{Moment, Pattern, Style};
use super::pattern_argument::PatternArgument;
use super::times::{Times, shift_of};
use crate::bind::{Binding, Closure, Form, STRING, Want, declare};
use crate::lane::{I64, Reader, Text, text_rows};
use std::sync::Arc;
use tidemill_plan::{FunctionRegistry, Kernel};
use tidemill_types::{Result, TypeKind};

/// How Flink shows and reads moments unless told otherwise.
pub(super) const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

pub(super) fn register(registry: &mut FunctionRegistry) {
    let moment = |want| Form::made(&[want, Want::Text], STRING, format_moments).nullable();
    declare(
        registry,
        "DATE_FORMAT",
        [
            moment(Want::Timestamp),
            moment(Want::TimestampLtz),
            Form::made(&[Want::Text, Want::Text], STRING, format_texts).nullable(),
        ],
    );
    declare(
        registry,
        "FROM_UNIXTIME",
        [
            Form::made(&[Want::BigInt], STRING, from_unixtime).nullable(),
            Form::made(&[Want::BigInt, Want::Text], STRING, from_unixtime).nullable(),
        ],
    );
    declare(
        registry,
        "CONVERT_TZ",
        [Form::made(&[Want::Text, Want::Text, Want::Text], STRING, convert_tz).nullable()],
    );
}

fn format_moments(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let pattern = PatternArgument::bind(binding, 1, Style::Formatter, DEFAULT_PATTERN)?;
    let kind = binding.args[0].kind.clone();
    let zone = match kind {
        TypeKind::TimestampLtz(_) => binding.session.zone,
        _ => chrono_tz::UTC,
    };
    Ok(Closure::kernel(move |args, ctx| {
        let times = Times::new(&args[0]);
        let mut patterns = pattern.reader(args);
        let mut shift = shift_of(&kind, zone);
        text_rows(args, ctx, |row, out| {
            let Some((ms, nanos)) = times.ms_and_nanos(row) else { return Ok(false) };
            let Some(pattern) = patterns.at(row)? else { return Ok(false) };
            let local_ms = shift.local_from_utc_ms(ms);
            pattern.write(&Moment { local_ms, nanos, offset_ms: local_ms - ms, zone }, out);
            Ok(true)
        })
    }))
}

/// Text in Flink's usual layout; other text gives NULL.
fn format_texts(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let pattern = PatternArgument::bind(binding, 1, Style::Simple, DEFAULT_PATTERN)?;
    let usual = Pattern::compile(DEFAULT_PATTERN, Style::Simple)?;
    Ok(Closure::kernel(move |args, ctx| {
        let texts = Reader::<Text>::new(&args[0]);
        let mut patterns = pattern.reader(args);
        text_rows(args, ctx, |row, out| {
            let (Some(text), Some(pattern)) = (texts.get(row), patterns.at(row)?) else { return Ok(false) };
            let Some(read) = usual.read(text) else { return Ok(false) };
            let local_ms = read.local_ms;
            pattern.write(&Moment { local_ms, nanos: 0, offset_ms: 0, zone: chrono_tz::UTC }, out);
            Ok(true)
        })
    }))
}

fn from_unixtime(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let pattern = PatternArgument::bind(binding, 1, Style::Simple, DEFAULT_PATTERN)?;
    let zone = JavaZone::Region(binding.session.zone);
    Ok(Closure::kernel(move |args, ctx| {
        let seconds = Reader::<I64>::new(&args[0]);
        let mut patterns = pattern.reader(args);
        text_rows(args, ctx, |row, out| {
            let (Some(seconds), Some(pattern)) = (seconds.get(row), patterns.at(row)?) else {
                return Ok(false);
            };
            pattern.write(&zone.moment(seconds.wrapping_mul(1_000)), out);
            Ok(true)
        })
    }))
}

fn convert_tz(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let usual = Pattern::compile(DEFAULT_PATTERN, Style::Simple)?;
    let fixed = [1, 2].map(|arg| binding.text(arg).map(JavaZone::named));
    Ok(Closure::kernel(move |args, ctx| {
        let readers = [0, 1, 2].map(|arg| Reader::<Text>::new(&args[arg]));
        let zone =
            |at: usize, row: usize| fixed[at - 1].or_else(|| readers[at].get(row).map(JavaZone::named));
        text_rows(args, ctx, |row, out| {
            let (Some(text), Some(from), Some(to)) = (readers[0].get(row), zone(1, row), zone(2, row)) else {
                return Ok(false);
            };
            let Some(read) = usual.read(text) else { return Ok(false) };
            usual.write(&to.moment(from.calendar_utc_ms(read.local_ms)), out);
            Ok(true)
        })
    }))
}
