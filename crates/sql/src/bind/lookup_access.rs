//! How a lookup join gets at its table: from the table's `lookup.*` options, the LOOKUP hint and the session's
//! `table.exec.async-lookup.*`.
//!
//! Rules (Flink documentation, "Lookup Join" and "JDBC SQL Connector"): a hint goes before a setting. A connector that
//! can be asked by key is, unless the whole table is to be cached; other tables are read as a whole, if they end.

use super::lookup_hint::LookupHint;
use super::{Binder, Bound, at};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_connector::{
    Connector, FULL_PERIODIC_INTERVAL, FULL_PERIODIC_MODE, FULL_RELOAD_STRATEGY, FULL_TIMED_DAYS,
    FULL_TIMED_ISO_TIME, LOOKUP_ASYNC, LOOKUP_CACHE, LOOKUP_MAX_RETRIES, PARTIAL_CACHE_MISSING_KEY,
    PARTIAL_EXPIRE_AFTER_ACCESS, PARTIAL_EXPIRE_AFTER_WRITE, PARTIAL_MAX_ROWS,
};
use tidemill_plan::{AskPlan, AskedKey, CachePlan, Reload, SourcePlan};
use tidemill_types::{OptionSpec, Options};

/// What of a table is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    None,
    Partial,
    Full,
}

impl Binder<'_> {
    /// Whether a table is asked by key, else it is read as a whole.
    pub(super) fn is_asked(&self, table: &SourcePlan, connector: &Connector, span: Span) -> Bound<bool> {
        let cache = cache(&table.options, span)?;
        match (connector.lookups.open.is_some(), cache) {
            (true, cache) => Ok(cache != Some(Cache::Full)),
            (false, None | Some(Cache::Full)) => Ok(false),
            (false, Some(_)) => {
                let message = format!(
                    "table '{}' can't be asked for keys: connector '{}' only gives it as a whole",
                    table.table, connector.name
                );
                Err(Diagnostic::new(span, message).with_hint("leave 'lookup.cache' out, or set it to 'FULL'"))
            }
        }
    }

    /// How a table is asked for these keys.
    pub(super) fn ask_plan(
        &self,
        table: &SourcePlan,
        keys: Vec<AskedKey>,
        hint: &LookupHint,
        append_only: bool,
        span: Span,
    ) -> Bound<AskPlan> {
        let settings = &self.session.settings;
        let options = &table.options;
        let asynchronous = match (hint.asynchronous, options.get(LOOKUP_ASYNC.key)) {
            (Some(hinted), _) => hinted,
            (None, Some(_)) => options.boolean(&LOOKUP_ASYNC).map_err(at(span))?,
            (None, None) => true,
        };
        let unordered = hint
            .allow_unordered
            .unwrap_or_else(|| settings.is("table.exec.async-lookup.output-mode", "ALLOW_UNORDERED"));
        let capacity = settings.get("table.exec.async-lookup.buffer-capacity");
        let capacity = hint.capacity.or_else(|| capacity?.trim().parse().ok()).unwrap_or(1).max(1);
        let timeout_ms = hint
            .timeout_ms
            .unwrap_or_else(|| settings.duration_ms("table.exec.async-lookup.timeout").max(1) as u64);
        let retries = options.integer(&LOOKUP_MAX_RETRIES).map_err(at(span))?.unwrap_or_default();
        Ok(AskPlan {
            keys,
            // Changes of a row must not overtake each other.
            ordered: !(unordered && asynchronous && append_only),
            shuffled: hint.shuffled,
            capacity,
            one_call: !asynchronous,
            timeout_ms,
            retries_max: not_negative(&LOOKUP_MAX_RETRIES, retries, span)?.min(u64::from(u32::MAX)) as u32,
            on_miss: hint.on_miss,
            cache: match cache(options, span)? {
                Some(Cache::Partial) => Some(partial(options, span)?),
                _ => None,
            },
        })
    }

    /// When a table that is read as a whole is read again, and the table as it is then read.
    pub(super) fn whole(
        &self,
        table: &SourcePlan,
        connector: &Connector,
        span: Span,
    ) -> Bound<(SourcePlan, Reload)> {
        let mut table = table.clone();
        let scheduled = self.reload(&table.options, span)?;
        let looked_at = connector.lookups.version_interval.as_ref();
        let every = match looked_at {
            Some(spec) => table.options.duration(spec).map_err(at(span))?,
            None => None,
        };
        if let (Some(every), Some(spec)) = (every, looked_at) {
            table.options.0.remove(spec.key);
            table.bounded = (connector.bounded)(&table.options);
            let every_ms = (every.as_millis() as u64).max(1);
            return Ok((table, scheduled.unwrap_or(Reload::WhenChanged { every_ms })));
        }
        Ok((table, scheduled.unwrap_or(Reload::Never)))
    }

    fn reload(&self, options: &Options, span: Span) -> Bound<Option<Reload>> {
        let timed =
            options.text(&FULL_RELOAD_STRATEGY).is_some_and(|text| text.eq_ignore_ascii_case("TIMED"));
        let given = options.get(FULL_RELOAD_STRATEGY.key).is_some();
        if timed {
            let text = options.get(FULL_TIMED_ISO_TIME.key);
            let text = text.ok_or_else(|| missing(&FULL_TIMED_ISO_TIME, "timed", span))?;
            let (at_ms, zone) = time_of_day(text, self.session.info().zone).ok_or_else(|| {
                Diagnostic::new(
                    span,
                    format!("option '{}' is '{text}', which is no time", FULL_TIMED_ISO_TIME.key),
                )
                .with_hint("write '10:15', '10:15:30Z' or '10:15+08:00'")
            })?;
            let days = options.integer(&FULL_TIMED_DAYS).map_err(at(span))?.unwrap_or(1);
            let days = u32::try_from(days).ok().filter(|days| *days > 0).ok_or_else(|| {
                Diagnostic::new(span, format!("option '{}' must be at least 1", FULL_TIMED_DAYS.key))
            })?;
            return Ok(Some(Reload::Daily { at_ms, zone, days }));
        }
        match options.duration(&FULL_PERIODIC_INTERVAL).map_err(at(span))? {
            Some(interval) => {
                let rate = options.text(&FULL_PERIODIC_MODE);
                let fixed_rate = rate.is_some_and(|text| text.eq_ignore_ascii_case("FIXED_RATE"));
                Ok(Some(Reload::Periodic { interval_ms: (interval.as_millis() as u64).max(1), fixed_rate }))
            }
            None if given => Err(missing(&FULL_PERIODIC_INTERVAL, "periodic", span)),
            None => Ok(None),
        }
    }
}

fn cache(options: &Options, span: Span) -> Bound<Option<Cache>> {
    let Some(text) = options.get(LOOKUP_CACHE.key) else { return Ok(None) };
    match text.to_uppercase().as_str() {
        "NONE" => Ok(Some(Cache::None)),
        "PARTIAL" => Ok(Some(Cache::Partial)),
        "FULL" => Ok(Some(Cache::Full)),
        _ => Err(Diagnostic::new(span, format!("option '{}' is '{text}'", LOOKUP_CACHE.key))
            .with_hint("it is one of 'NONE', 'PARTIAL', 'FULL'")),
    }
}

fn partial(options: &Options, span: Span) -> Bound<CachePlan> {
    let duration = |spec: &OptionSpec| {
        let duration = options.duration(spec).map_err(at(span))?;
        Ok::<_, Diagnostic>(duration.map(|duration| duration.as_millis() as i64))
    };
    let rows = options.integer(&PARTIAL_MAX_ROWS).map_err(at(span))?;
    Ok(CachePlan {
        after_access_ms: duration(&PARTIAL_EXPIRE_AFTER_ACCESS)?,
        after_write_ms: duration(&PARTIAL_EXPIRE_AFTER_WRITE)?,
        rows_max: rows.map(|rows| not_negative(&PARTIAL_MAX_ROWS, rows, span)).transpose()?,
        misses: options.boolean(&PARTIAL_CACHE_MISSING_KEY).map_err(at(span))?,
    })
}

/// The time of day in ms, and the zone whose clock shows it.
fn time_of_day(text: &str, session: chrono_tz::Tz) -> Option<(i64, chrono_tz::Tz)> {
    let text = text.trim();
    let (clock, offset_ms) = match text.find(['+', '-', 'Z', 'z']) {
        None => (text, None),
        Some(at) => (&text[..at], Some(offset_ms(&text[at..])?)),
    };
    let mut parts = clock.split(':');
    let mut part = |max: i64| match parts.next() {
        None => Some(0),
        Some(text) => text.parse::<i64>().ok().filter(|value| (0..max).contains(value)),
    };
    let (hour, minute, second) = (part(24)?, part(60)?, part(60)?);
    if !clock.contains(':') || clock.split(':').count() > 3 {
        return None;
    }
    let ms = ((hour * 60 + minute) * 60 + second) * 1_000;
    Some(match offset_ms {
        None => (ms, session),
        Some(offset) => ((ms - offset).rem_euclid(86_400_000), chrono_tz::UTC),
    })
}

fn offset_ms(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("Z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text[1..].split_once(':').unwrap_or((&text[1..], "0"));
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60_000)
}

fn not_negative(spec: &OptionSpec, value: i64, span: Span) -> Bound<u64> {
    u64::try_from(value).map_err(|_| {
        Diagnostic::new(span, format!("option '{}' is {value}, but must not be negative", spec.key))
    })
}

fn missing(spec: &OptionSpec, strategy: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        span,
        format!("Missing '{}' in the configuration when using {strategy} reload strategy", spec.key),
    )
    .with_hint(spec.help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_may_have_an_offset() {
        const MINUTE: i64 = 60_000;
        let zone = chrono_tz::Asia::Shanghai;
        assert_eq!(time_of_day("10:15", zone), Some((615 * MINUTE, zone)));
        assert_eq!(time_of_day("10:15:30Z", zone), Some((615 * MINUTE + 30_000, chrono_tz::UTC)));
        assert_eq!(time_of_day("01:00+08:00", zone), Some((17 * 60 * MINUTE, chrono_tz::UTC)));
        for text in ["25:00", "10", "10:15:30:1", "ten", "10:15+x"] {
            assert_eq!(time_of_day(text, zone), None, "{text}");
        }
    }
}
