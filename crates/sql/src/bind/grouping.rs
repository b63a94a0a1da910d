//! What stands above a GROUP BY: expressions over keys, aggregates and window columns.
//!
//! While SELECT and HAVING are bound, columns of the aggregate's output get provisional indices (keys,
//! aggregates and window properties count from bases of their own); [`super::aggregate`] makes them final
//! once it knows how many of each there are.

use super::call_text::call_text;
use super::literal::bigint;
use super::scope::Scope;
use super::{Binder, Bound, RelationColumn, at, fingerprint, legacy_window};
use crate::ast::{self, FunctionCall, Ident, SetQuantifier};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{
    ArgumentInfo, BindCall, BoundAggregate, CastMode, Expr, WindowKind, WindowProperty, WindowSpec,
};
use tidemill_types::{DataType, TimeAttribute, TypeKind};

/// Provisional indices of aggregates start here.
pub(crate) const CALL_BASE: usize = 1 << 20;
/// Provisional indices of window properties start here.
pub(crate) const PROPERTY_BASE: usize = 2 << 20;
/// The provisional index of the number of the grouping set.
pub(crate) const SET_NUMBER: usize = 3 << 20;
/// Provisional indices of columns of subqueries start here.
pub(crate) const LIFTED_BASE: usize = 4 << 20;

/// A GROUP BY with the aggregates found above it.
pub(crate) struct Grouping<'s> {
    pub(crate) scope: Scope<'s>,
    /// The key expressions over the scope.
    pub(crate) keys: Vec<Expr>,
    /// The sets of keys of GROUPING SETS: which keys each holds.
    pub(crate) sets: Option<Vec<Vec<bool>>>,
    pub(crate) window: Option<GroupWindow>,
    /// Whether rows may be taken back.
    pub(crate) retract: bool,
    pub(crate) calls: Vec<Call>,
    pub(crate) properties: Vec<WindowProperty>,
    /// The columns of the queries above the grouping.
    pub(crate) lifted: Vec<RelationColumn>,
}

/// The windows that are grouped by.
pub(crate) struct GroupWindow {
    pub(crate) spec: WindowSpec,
    /// The function that gave the windows, also of rows that carried theirs.
    pub(crate) origin: WindowKind,
    /// The type of the window's time column.
    pub(crate) time_type: DataType,
    /// The columns of the scope that are window_start, window_end and window_time of a windowing function.
    pub(crate) columns: [Option<usize>; 3],
    /// The name and argument fingerprints of a legacy window.
    pub(crate) legacy: Option<(String, Vec<String>)>,
}

/// One aggregate.
pub(crate) struct Call {
    fingerprint: String,
    pub(crate) text: String,
    pub(crate) args: Vec<Expr>,
    pub(crate) filter: Option<Expr>,
    pub(crate) distinct: bool,
    pub(crate) bound: BoundAggregate,
}

impl Grouping<'_> {
    /// The output column that an expression is as a whole: a key or a window column.
    pub(crate) fn find(&mut self, binder: &Binder<'_>, expr: &ast::Expr) -> Bound<Option<Expr>> {
        let Ok(bound) = binder.bind_over(expr, self.scope) else { return Ok(None) };
        if bound.literal().is_some() {
            return Ok(None);
        }
        Ok(self.find_bound(&bound))
    }

    fn find_bound(&mut self, bound: &Expr) -> Option<Expr> {
        if let Expr::Column { index, .. } = bound
            && let Some(property) = self.window_property(*index)
        {
            return Some(self.property(property));
        }
        let wanted = fingerprint(bound);
        let key = self.keys.iter().position(|key| fingerprint(key) == wanted)?;
        Some(Expr::column(key, bound.to_string(), self.key_type(key)))
    }

    /// The type of a key above the grouping: NULL where a grouping set leaves it out.
    pub(crate) fn key_type(&self, key: usize) -> DataType {
        let data_type = self.keys[key].data_type();
        let left_out = self.sets.iter().flatten().any(|set| !set[key]);
        let nullable = data_type.nullable || left_out;
        data_type.with_nullable(nullable)
    }

    fn window_property(&self, column: usize) -> Option<WindowProperty> {
        let place = self.window.as_ref()?.columns.iter().position(|known| *known == Some(column))?;
        Some([WindowProperty::Start, WindowProperty::End, WindowProperty::Time][place])
    }

    /// The output column of a window property.
    pub(crate) fn property(&mut self, property: WindowProperty) -> Expr {
        let place = self.properties.iter().position(|known| *known == property).unwrap_or_else(|| {
            self.properties.push(property);
            self.properties.len() - 1
        });
        let (name, data_type) = self.property_type(property);
        Expr::column(PROPERTY_BASE + place, name, data_type)
    }

    /// The name and type of a window property.
    pub(crate) fn property_type(&self, property: WindowProperty) -> (&'static str, DataType) {
        let plain = TypeKind::Timestamp(3).not_null();
        match property {
            WindowProperty::Start => ("window_start", plain),
            WindowProperty::End => ("window_end", plain),
            WindowProperty::Time => {
                let time = self.window.as_ref().map_or(plain, |window| window.time_type.clone());
                ("window_time", time.with_nullable(false))
            }
        }
    }

    /// A name above the grouping that is no key by itself: fields of a grouped ROW, or an error.
    pub(crate) fn grouped_name(&mut self, binder: &Binder<'_>, parts: &[Ident], span: Span) -> Bound<Expr> {
        let is_lifted = |column: &RelationColumn| matches!(parts, [table, name] if column.qualifier.as_ref() == Some(&table.value) && column.field.name == name.value);
        if let Some(place) = self.lifted.iter().position(is_lifted) {
            let field = &self.lifted[place].field;
            return Ok(Expr::column(LIFTED_BASE + place, field.name.clone(), field.data_type.clone()));
        }
        for used in (1..parts.len()).rev() {
            let Ok(base) = binder.bind_name(&parts[..used], self.scope) else { continue };
            if let Some(mut column) = self.find_bound(&base) {
                for field in &parts[used..] {
                    column = binder.field_of(column, field)?;
                }
                return Ok(column);
            }
        }
        binder.bind_name(parts, self.scope)?;
        let name = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
        Err(Diagnostic::new(span, format!("expression '{name}' is not being grouped"))
            .with_hint("add it to GROUP BY, or put it into an aggregate such as LAST_VALUE"))
    }

    /// The output column of an aggregate; the same aggregate is computed once.
    pub(crate) fn aggregate(&mut self, binder: &Binder<'_>, call: &FunctionCall, name: &str) -> Bound<Expr> {
        let call = self.bind_aggregate(binder, call, name)?;
        let place = self.calls.iter().position(|known| known.fingerprint == call.fingerprint);
        let place = place.unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        let known = &self.calls[place];
        Ok(Expr::column(CALL_BASE + place, known.text.clone(), known.bound.return_type.clone()))
    }

    fn bind_aggregate(&self, binder: &Binder<'_>, call: &FunctionCall, name: &str) -> Bound<Call> {
        if !call.within_group.is_empty() || !call.order_by.is_empty() {
            return Err(super::unsupported(call.span, "ORDER BY inside an aggregate"));
        }
        if call.star && name != "COUNT" {
            return Err(Diagnostic::new(call.span, format!("{name} does not take '*'")));
        }
        let args = call
            .args
            .iter()
            .map(|arg| binder.bind_over(&arg.value, self.scope))
            .collect::<Bound<Vec<_>>>()?;
        let filter = call
            .filter
            .as_ref()
            .map(|filter| binder.bind_condition(filter, &mut super::expr::Env::rows(self.scope), "FILTER"))
            .transpose()?;
        let types: Vec<DataType> = args.iter().map(Expr::data_type).collect();
        let infos: Vec<_> = args
            .iter()
            .zip(&types)
            .map(|(arg, data_type)| ArgumentInfo { data_type, literal: arg.literal() })
            .collect();
        let function = binder.session.functions.aggregate(name).expect("the caller found the aggregate");
        let session = binder.session.info();
        let bound =
            function.bind(&BindCall { args: &infos, session }, self.retract).map_err(at(call.span))?;
        let args = args
            .into_iter()
            .zip(&bound.arg_types)
            .map(|(arg, wanted)| binder.cast(arg, wanted, CastMode::Implicit, call.span))
            .collect::<Bound<Vec<_>>>()?;
        let distinct = call.quantifier == Some(SetQuantifier::Distinct);
        let text = call_text(name, distinct, &args, filter.as_ref());
        let parts: Vec<String> = args.iter().chain(&filter).map(fingerprint).collect();
        let filtered = filter.is_some();
        let fingerprint = format!("{name}/{distinct}/{filtered}/{}", parts.join("/"));
        Ok(Call { fingerprint, text, args, filter, distinct, bound })
    }

    /// GROUPING and its kin, and the auxiliaries of a legacy window.
    pub(crate) fn grouping_function(
        &mut self,
        binder: &Binder<'_>,
        name: &str,
        call: &FunctionCall,
    ) -> Bound<Option<Expr>> {
        if let Some((window, property, kind)) = legacy_window::auxiliary(name) {
            return self.legacy_auxiliary(binder, (window, property, kind), name, call).map(Some);
        }
        match name {
            "GROUPING" | "GROUPING_ID" => self.grouping_id(binder, call).map(Some),
            "GROUP_ID" => Ok(Some(bigint(0))),
            _ => Ok(None),
        }
    }

    fn legacy_auxiliary(
        &mut self,
        binder: &Binder<'_>,
        (window, property, kind): (&str, WindowProperty, Option<TimeAttribute>),
        name: &str,
        call: &FunctionCall,
    ) -> Bound<Expr> {
        let args = call
            .args
            .iter()
            .map(|arg| Ok(fingerprint(&binder.bind_over(&arg.value, self.scope)?)))
            .collect::<Bound<Vec<_>>>()?;
        let group = self.window.as_ref().filter(|group| {
            group.legacy.as_ref().is_some_and(|(own, own_args)| own == window && *own_args == args)
        });
        let Some(group) = group else {
            return Err(Diagnostic::new(
                call.span,
                format!("{name} must have a matching call of {window} in GROUP BY"),
            )
            .with_hint(format!("give {name} the very arguments of {window}")));
        };
        if kind.is_some_and(|kind| kind != group.spec.time) {
            return Err(Diagnostic::new(
                call.span,
                format!("{name} does not fit the time attribute of the window"),
            ));
        }
        Ok(self.property(property))
    }

    fn grouping_id(&mut self, binder: &Binder<'_>, call: &FunctionCall) -> Bound<Expr> {
        let mut keys = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            let wanted = fingerprint(&binder.bind_over(&arg.value, self.scope)?);
            let key = self.keys.iter().position(|key| fingerprint(key) == wanted).ok_or_else(|| {
                Diagnostic::new(arg.value.span, "the argument of GROUPING must be an expression of GROUP BY")
            })?;
            keys.push(key);
        }
        let id = |set: &[bool]| keys.iter().fold(0i64, |id, key| id * 2 + i64::from(!set[*key]));
        let Some(sets) = &self.sets else { return Ok(bigint(0)) };
        let number = Expr::column(SET_NUMBER, "grouping set", TypeKind::BigInt.not_null());
        let branches = sets
            .iter()
            .enumerate()
            .map(|(i, set)| {
                let is_set = binder.call("=", vec![number.clone(), bigint(i as i64)], call.span)?;
                Ok((is_set, bigint(id(set))))
            })
            .collect::<Bound<Vec<_>>>()?;
        binder.case(branches, bigint(0), call.span)
    }
}
