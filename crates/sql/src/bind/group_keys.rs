//! The keys of GROUP BY: expressions, grouping sets, and the windows among them.
//!
//! A group window of old leaves no key; if the keys hold both `window_start` and `window_end` of windowed
//! rows, these windows are grouped by and leave the keys.

use super::grouping::{GroupWindow, Grouping};
use super::scope::Scope;
use super::{Binder, Bound, Relation, Windowing, fingerprint, legacy_window};
use crate::ast::{self, GroupItemKind, Select};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{Expr, WindowKind, WindowSpec};
use tidemill_types::TypeKind;

impl Binder<'_> {
    /// Binds GROUP BY over the rows of a SELECT.
    pub(crate) fn grouping<'s>(
        &self,
        select: &Select,
        input: &Relation,
        scope: Scope<'s>,
    ) -> Bound<Grouping<'s>> {
        let mut grouping = Grouping {
            scope,
            keys: Vec::new(),
            sets: None,
            window: None,
            retract: !self.plan.nodes[input.node].changelog.append_only(),
            calls: Vec::new(),
            properties: Vec::new(),
            lifted: Vec::new(),
        };
        let Some(group_by) = &select.group_by else { return Ok(grouping) };
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        for item in &group_by.items {
            let of_item = self.sets_of(item, &mut grouping)?;
            sets = sets
                .iter()
                .flat_map(|set| of_item.iter().map(|more| [set.clone(), more.clone()].concat()))
                .collect();
        }
        self.take_window_keys(&mut grouping, input, &mut sets)?;
        if sets.len() > 1 {
            let width = grouping.keys.len();
            grouping.sets =
                Some(sets.iter().map(|set| (0..width).map(|key| set.contains(&key)).collect()).collect());
        }
        Ok(grouping)
    }

    /// The grouping sets of one item, as indices of keys.
    fn sets_of(&self, item: &ast::GroupItem, grouping: &mut Grouping<'_>) -> Bound<Vec<Vec<usize>>> {
        match &item.kind {
            GroupItemKind::Expr(expr) => match legacy_window::group_window(expr) {
                Some(call) => {
                    self.take_legacy_window(call, grouping)?;
                    Ok(vec![Vec::new()])
                }
                None => Ok(vec![vec![self.group_key(expr, grouping)?]]),
            },
            GroupItemKind::Set(exprs) => {
                let set =
                    exprs.iter().map(|expr| self.group_key(expr, grouping)).collect::<Bound<Vec<_>>>()?;
                Ok(vec![set])
            }
            GroupItemKind::GroupingSets(items) => {
                let mut sets = Vec::new();
                for item in items {
                    sets.extend(self.sets_of(item, grouping)?);
                }
                Ok(sets)
            }
            GroupItemKind::Rollup(items) => {
                let parts = self.parts_of(items, grouping)?;
                Ok((0..=parts.len()).rev().map(|n| parts[..n].concat()).collect())
            }
            GroupItemKind::Cube(items) => {
                let parts = self.parts_of(items, grouping)?;
                if parts.len() > 12 {
                    return Err(Diagnostic::new(item.span, "a CUBE takes at most 12 expressions"));
                }
                let chosen = |mask: usize| {
                    parts
                        .iter()
                        .enumerate()
                        .filter(|(i, _)| mask >> (parts.len() - 1 - i) & 1 == 1)
                        .flat_map(|(_, part)| part.clone())
                        .collect()
                };
                Ok((0..1usize << parts.len()).rev().map(chosen).collect())
            }
        }
    }

    fn parts_of(&self, items: &[ast::GroupItem], grouping: &mut Grouping<'_>) -> Bound<Vec<Vec<usize>>> {
        items
            .iter()
            .map(|item| {
                self.sets_of(item, grouping)?.into_iter().next().ok_or_else(|| {
                    Diagnostic::new(item.span, "an expression or a set of expressions is expected here")
                })
            })
            .collect()
    }

    fn group_key(&self, expr: &ast::Expr, grouping: &mut Grouping<'_>) -> Bound<usize> {
        let key = self.bind_over(expr, grouping.scope)?;
        let wanted = fingerprint(&key);
        Ok(grouping.keys.iter().position(|known| fingerprint(known) == wanted).unwrap_or_else(|| {
            grouping.keys.push(key);
            grouping.keys.len() - 1
        }))
    }

    fn take_legacy_window(&self, call: &ast::FunctionCall, grouping: &mut Grouping<'_>) -> Bound<()> {
        if grouping.window.is_some() {
            return Err(Diagnostic::new(call.span, "GROUP BY holds more than one window"));
        }
        let spec = self.legacy_window(call, grouping.scope)?;
        let args = call
            .args
            .iter()
            .map(|arg| Ok(fingerprint(&self.bind_over(&arg.value, grouping.scope)?)))
            .collect::<Bound<Vec<_>>>()?;
        let name = call.name.last().value.to_uppercase();
        let time_type = grouping.scope.columns[spec.time_column].field.data_type.clone();
        grouping.window = Some(GroupWindow {
            origin: spec.kind.clone(),
            spec,
            time_type,
            columns: [None; 3],
            legacy: Some((name, args)),
        });
        Ok(())
    }

    /// If the keys hold both window_start and window_end, the windows are grouped by: they leave the keys.
    fn take_window_keys(
        &self,
        grouping: &mut Grouping<'_>,
        input: &Relation,
        sets: &mut [Vec<usize>],
    ) -> Bound<()> {
        let Some(windowing) = &input.windowing else { return Ok(()) };
        let width = input.columns.len();
        let (columns, spec, origin) = match windowing {
            Windowing::Pending(spec) => {
                ([Some(width - 3), Some(width - 2), Some(width - 1)], spec.clone(), spec.kind.clone())
            }
            Windowing::Attached { start, end, time, kind, window } => {
                let spec = WindowSpec {
                    kind: WindowKind::Attached { start: *start, end: *end },
                    time_column: time.unwrap_or(*end),
                    time: *kind,
                    zone: time
                        .and_then(|time| self.window_zone(&input.columns[time].field.data_type.kind, *kind)),
                };
                ([Some(*start), Some(*end), *time], spec, window.clone())
            }
        };
        let key_of = |column: Option<usize>| {
            grouping
                .keys
                .iter()
                .position(|key| matches!(key, Expr::Column { index, .. } if Some(*index) == column))
        };
        let places = columns.map(key_of);
        let [Some(start), Some(end), _] = places else { return Ok(()) };
        if !sets.iter().all(|set| set.contains(&start) && set.contains(&end)) {
            return Err(Diagnostic::new(
                Span::default(),
                "window_start and window_end must stand in every grouping set",
            ));
        }
        let gone: Vec<usize> = places.into_iter().flatten().collect();
        let kept: Vec<usize> = (0..grouping.keys.len()).filter(|key| !gone.contains(key)).collect();
        for set in sets.iter_mut() {
            *set = set.iter().filter_map(|key| kept.iter().position(|k| k == key)).collect();
        }
        grouping.keys = kept.iter().map(|key| grouping.keys[*key].clone()).collect();
        let time_type = match columns[2] {
            Some(time) => input.columns[time].field.data_type.clone(),
            None => TypeKind::Timestamp(3).not_null(),
        };
        grouping.window = Some(GroupWindow { spec, origin, time_type, columns, legacy: None });
        Ok(())
    }
}
