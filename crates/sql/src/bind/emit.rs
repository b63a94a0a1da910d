//! `table.exec.emit.*`: results of group windows before and after their end.
//!
//! Rules (Flink, `WindowEmitStrategy`): only the group windows of old take them, windowing functions refuse early
//! and late fires; a fire that is switched on needs a delay, late fires need an allowed lateness, which is
//! `table.exec.emit.allow-lateness` or else the time to live of state.
//! Not here: sessions and processing time.

use super::grouping::Grouping;
use super::{Binder, Bound, NodeTraits, unsupported};
use crate::ast::Select;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::stream::{EmittingWindowPlan, WindowAggregatePlan};
use tidemill_plan::{ChangelogMode, Operator, WindowKind};
use tidemill_types::TimeAttribute;
use tidemill_types::options::parse_duration;

const EARLY: &str = "table.exec.emit.early-fire";
const LATE: &str = "table.exec.emit.late-fire";
const LATENESS: &str = "table.exec.emit.allow-lateness";

impl Binder<'_> {
    /// The operator of a window aggregate, and what its changelog is.
    pub(crate) fn window_operator(
        &self,
        plan: WindowAggregatePlan,
        grouping: &Grouping<'_>,
        select: &Select,
    ) -> Bound<(Operator, NodeTraits)> {
        let span = select.group_by.as_ref().map_or(select.span, |group| group.span);
        let legacy = grouping.window.as_ref().is_some_and(|window| window.legacy.is_some());
        let plain = |plan| Ok((Operator::WindowAggregate(plan), NodeTraits::append()));
        if !legacy {
            self.refuse_fires(span)?;
            return plain(plan);
        }
        let (early_ms, late_ms) = (self.fire_delay(EARLY, span)?, self.fire_delay(LATE, span)?);
        let lateness_ms = self.lateness_ms(late_ms.is_some(), span)?;
        if self.session.info().batch || (early_ms.is_none() && lateness_ms == 0) {
            return plain(plan);
        }
        if matches!(plan.window.kind, WindowKind::Session { .. }) {
            return Err(unsupported(span, "early and late results of SESSION"));
        }
        if plan.window.time == TimeAttribute::Proctime {
            return Err(unsupported(span, "early results of windows of processing time"));
        }
        let changelog = ChangelogMode { update: true, update_before: true, delete: plan.retract };
        let emitting = EmittingWindowPlan { base: plan, early_ms, late_ms, lateness_ms };
        Ok((Operator::EmittingWindow(emitting), NodeTraits { changelog, upsert_key: None }))
    }

    fn refuse_fires(&self, span: Span) -> Bound<()> {
        let keys = [EARLY, LATE].map(|fire| format!("{fire}.enabled"));
        match keys.into_iter().find(|key| self.session.settings.is(key, "true")) {
            None => Ok(()),
            Some(key) => Err(Diagnostic::new(span, format!("a window table function based aggregate doesn't support early-fire and late-fire: '{key}' is set"))
                .with_hint(format!("RESET '{key}'"))),
        }
    }

    /// The delay of a fire that is switched on.
    fn fire_delay(&self, fire: &str, span: Span) -> Bound<Option<i64>> {
        if !self.session.settings.is(&format!("{fire}.enabled"), "true") {
            return Ok(None);
        }
        let key = format!("{fire}.delay");
        let delay = self.session.settings.get(&key).and_then(parse_duration);
        delay.map(|delay| Some(delay.as_millis() as i64)).ok_or_else(|| {
            Diagnostic::new(span, format!("'{fire}.enabled' needs a duration in '{key}'"))
                .with_hint(format!("SET '{key}' = '1 s'"))
        })
    }

    fn lateness_ms(&self, late_fires: bool, span: Span) -> Bound<i64> {
        let set = self.session.settings.get(LATENESS).and_then(parse_duration);
        let lateness = match set {
            Some(lateness) => lateness.as_millis() as i64,
            None if late_fires => self.session.settings.duration_ms("table.exec.state.ttl"),
            None => 0,
        };
        match late_fires && lateness == 0 {
            true => Err(Diagnostic::new(span, format!("'{LATE}.enabled' needs '{LATENESS}'"))
                .with_hint(format!("SET '{LATENESS}' = '1 min'"))),
            false => Ok(lateness),
        }
    }
}
