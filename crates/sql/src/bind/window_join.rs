//! Window joins: inputs whose rows carry windows of the same function, joined on start and end.
//!
//! Rule (Flink's `WindowJoinUtil`): both inputs have windows of the same function, sizes and time, and both the
//! starts and the ends are among the keys. Windows of different functions make a regular join.

use super::join_placement::{Joining, Keyed};
use super::{Binder, Bound, NodeTraits, Windowing};
use tidemill_plan::{JoinKind, Operator, WindowJoinPlan, WindowKind};
use tidemill_types::TimeAttribute;

/// The windows that both inputs of a join carry.
pub(super) struct CommonWindow {
    left_end: usize,
    right_end: usize,
    kind: TimeAttribute,
    zone: Option<chrono_tz::Tz>,
}

impl Binder<'_> {
    /// The windows that the inputs are joined on.
    pub(super) fn common_window(&self, keyed: &Keyed) -> Option<CommonWindow> {
        if self.session.info().batch {
            return None;
        }
        let Some(Windowing::Attached { start, end, time, kind, window }) = &keyed.left.windowing else {
            return None;
        };
        let Some(Windowing::Attached {
            start: right_start,
            end: right_end,
            kind: right_kind,
            window: other,
            ..
        }) = &keyed.right.windowing
        else {
            return None;
        };
        let pairs = || keyed.on.left_keys.iter().zip(&keyed.on.right_keys);
        let joined = |left: &usize, right: &usize| pairs().any(|(l, r)| l == left && r == right);
        let same = kind == right_kind && same_windows(window, other);
        if !same || !joined(start, right_start) || !joined(end, right_end) {
            return None;
        }
        let zone =
            time.and_then(|time| self.window_zone(&keyed.left.columns[time].field.data_type.kind, *kind));
        Some(CommonWindow { left_end: *end, right_end: *right_end, kind: *kind, zone })
    }

    pub(super) fn window_join(&mut self, keyed: Keyed, window: CommonWindow) -> Bound<Joining> {
        for side in [&keyed.left, &keyed.right] {
            self.refuse_updating("a window join", side, keyed.span)?;
        }
        let windowing = match keyed.on.kind {
            JoinKind::Right => behind(keyed.right.windowing.clone(), keyed.left.columns.len()),
            _ => keyed.left.windowing.clone(),
        };
        let plan = WindowJoinPlan {
            on: keyed.on.clone(),
            left_end: window.left_end,
            right_end: window.right_end,
            time: window.kind,
            zone: window.zone,
        };
        let mut joining =
            self.push_join(Operator::WindowJoin(plan), keyed, NodeTraits::append(), [true, true]);
        joining.relation.windowing = windowing;
        Ok(joining)
    }
}

/// Whether the same function gave both windows. What sessions are kept apart by may differ in place.
fn same_windows(left: &WindowKind, right: &WindowKind) -> bool {
    match (left, right) {
        (WindowKind::Session { gap, .. }, WindowKind::Session { gap: other, .. }) => gap == other,
        (left, right) => left == right,
    }
}

/// Windows of columns that stand behind others.
fn behind(windowing: Option<Windowing>, width: usize) -> Option<Windowing> {
    match windowing {
        Some(Windowing::Attached { start, end, time, kind, window }) => Some(Windowing::Attached {
            start: start + width,
            end: end + width,
            time: time.map(|time| time + width),
            kind,
            window,
        }),
        other => other,
    }
}
