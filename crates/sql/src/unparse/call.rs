//! Function calls, their windows, and the SQL/JSON functions.

use super::writer::Writer;
use crate::ast::{
    Expr, FrameBound, FrameUnit, FunctionArg, FunctionCall, JsonBehavior, JsonExistsOnError, JsonExpr,
    JsonMember, JsonOnNull, JsonWrapper, NullTreatment, OrderItem, Over, SetQuantifier, WindowFrame,
    WindowSpec,
};

impl Writer {
    pub(super) fn call(&mut self, call: &FunctionCall) {
        match &call.name.0[..] {
            [name] if !name.quoted => self.push(&name.value.to_ascii_uppercase()),
            _ => self.object_name(&call.name),
        }
        if call.niladic {
            return;
        }
        self.push("(");
        match call.quantifier {
            Some(SetQuantifier::Distinct) => self.push("DISTINCT "),
            Some(SetQuantifier::All) => self.push("ALL "),
            None => {}
        }
        if call.star {
            self.push("*");
        }
        self.list(&call.args, ", ", Self::function_arg);
        if !call.order_by.is_empty() {
            self.push(" ");
            self.order_by(&call.order_by);
        }
        self.push(")");
        self.call_clauses(call);
    }

    fn call_clauses(&mut self, call: &FunctionCall) {
        match call.nulls {
            Some(NullTreatment::Respect) => self.push(" RESPECT NULLS"),
            Some(NullTreatment::Ignore) => self.push(" IGNORE NULLS"),
            None => {}
        }
        if !call.within_group.is_empty() {
            self.push(" WITHIN GROUP (");
            self.order_by(&call.within_group);
            self.push(")");
        }
        self.filter(call.filter.as_ref());
        match &call.over {
            Some(Over::Named(name)) => {
                self.push(" OVER ");
                self.ident(name);
            }
            Some(Over::Spec(spec)) => {
                self.push(" OVER ");
                self.window_spec(spec);
            }
            None => {}
        }
    }

    fn filter(&mut self, filter: Option<&Expr>) {
        if let Some(filter) = filter {
            self.push(" FILTER (WHERE ");
            self.expr(filter);
            self.push(")");
        }
    }

    fn function_arg(&mut self, arg: &FunctionArg) {
        if let Some(name) = &arg.name {
            self.ident(name);
            self.push(" => ");
        }
        self.expr(&arg.value);
    }

    pub(super) fn order_by(&mut self, items: &[OrderItem]) {
        self.push("ORDER BY ");
        self.list(items, ", ", Self::order_item);
    }

    pub(super) fn order_item(&mut self, item: &OrderItem) {
        self.expr(&item.expr);
        if item.descending {
            self.push(" DESC");
        }
        match item.nulls_first {
            Some(true) => self.push(" NULLS FIRST"),
            Some(false) => self.push(" NULLS LAST"),
            None => {}
        }
    }

    pub(super) fn window_spec(&mut self, spec: &WindowSpec) {
        self.push("(");
        let mut gap = "";
        if let Some(base) = &spec.base {
            self.ident(base);
            gap = " ";
        }
        if !spec.partition_by.is_empty() {
            self.push(gap);
            self.push("PARTITION BY ");
            self.exprs(&spec.partition_by);
            gap = " ";
        }
        if !spec.order_by.is_empty() {
            self.push(gap);
            self.order_by(&spec.order_by);
            gap = " ";
        }
        if let Some(frame) = &spec.frame {
            self.push(gap);
            self.frame(frame);
        }
        self.push(")");
    }

    fn frame(&mut self, frame: &WindowFrame) {
        self.push(match frame.unit {
            FrameUnit::Rows => "ROWS ",
            FrameUnit::Range => "RANGE ",
        });
        let Some(end) = &frame.end else {
            return self.frame_bound(&frame.start);
        };
        self.push("BETWEEN ");
        self.frame_bound(&frame.start);
        self.push(" AND ");
        self.frame_bound(end);
    }

    fn frame_bound(&mut self, bound: &FrameBound) {
        match bound {
            FrameBound::UnboundedPreceding => self.push("UNBOUNDED PRECEDING"),
            FrameBound::CurrentRow => self.push("CURRENT ROW"),
            FrameBound::UnboundedFollowing => self.push("UNBOUNDED FOLLOWING"),
            FrameBound::Preceding(distance) => {
                self.operand(distance, 33);
                self.push(" PRECEDING");
            }
            FrameBound::Following(distance) => {
                self.operand(distance, 33);
                self.push(" FOLLOWING");
            }
        }
    }

    pub(super) fn json(&mut self, json: &JsonExpr) {
        match json {
            JsonExpr::Exists { input, path, on_error } => {
                self.json_open("JSON_EXISTS(", input, path);
                self.push(on_error.map_or("", exists_words));
            }
            JsonExpr::Value { input, path, returning, on_empty, on_error } => {
                self.json_open("JSON_VALUE(", input, path);
                if let Some(returning) = returning {
                    self.push(" RETURNING ");
                    self.data_type(returning);
                }
                self.behavior(on_empty.as_ref(), " ON EMPTY");
                self.behavior(on_error.as_ref(), " ON ERROR");
            }
            JsonExpr::Query { input, path, returning, wrapper, on_empty, on_error } => {
                self.json_open("JSON_QUERY(", input, path);
                if let Some(returning) = returning {
                    self.push(" RETURNING ");
                    self.data_type(returning);
                }
                self.push(wrapper.map_or("", wrapper_words));
                self.behavior(on_empty.as_ref(), " ON EMPTY");
                self.behavior(on_error.as_ref(), " ON ERROR");
            }
            _ => return self.json_constructor(json),
        }
        self.push(")");
    }

    fn json_open(&mut self, open: &str, input: &Expr, path: &Expr) {
        self.push(open);
        self.expr(input);
        self.push(", ");
        self.expr(path);
    }

    fn behavior(&mut self, behavior: Option<&JsonBehavior>, words: &str) {
        let Some(behavior) = behavior else { return };
        match behavior {
            JsonBehavior::Error => self.push(" ERROR"),
            JsonBehavior::Null => self.push(" NULL"),
            JsonBehavior::EmptyArray => self.push(" EMPTY ARRAY"),
            JsonBehavior::EmptyObject => self.push(" EMPTY OBJECT"),
            JsonBehavior::Default(value) => {
                self.push(" DEFAULT ");
                self.expr(value);
            }
        }
        self.push(words);
    }

    fn json_constructor(&mut self, json: &JsonExpr) {
        let (on_null, filter) = match json {
            JsonExpr::Object { members, on_null } => {
                self.push("JSON_OBJECT(");
                self.list(members, ", ", Self::json_member);
                (on_null, None)
            }
            JsonExpr::Array { items, on_null } => {
                self.push("JSON_ARRAY(");
                self.exprs(items);
                (on_null, None)
            }
            JsonExpr::ObjectAgg { member, on_null, filter } => {
                self.push("JSON_OBJECTAGG(");
                self.json_member(member);
                (on_null, filter.as_ref())
            }
            JsonExpr::ArrayAgg { item, on_null, filter } => {
                self.push("JSON_ARRAYAGG(");
                self.expr(item);
                (on_null, filter.as_ref())
            }
            // The other JSON functions are written by the caller.
            _ => return,
        };
        self.push(match on_null {
            Some(JsonOnNull::Null) => " NULL ON NULL",
            Some(JsonOnNull::Absent) => " ABSENT ON NULL",
            None => "",
        });
        self.push(")");
        self.filter(filter);
    }

    fn json_member(&mut self, member: &JsonMember) {
        self.push("KEY ");
        self.expr(&member.key);
        self.push(" VALUE ");
        self.expr(&member.value);
    }
}

fn exists_words(outcome: JsonExistsOnError) -> &'static str {
    match outcome {
        JsonExistsOnError::True => " TRUE ON ERROR",
        JsonExistsOnError::False => " FALSE ON ERROR",
        JsonExistsOnError::Unknown => " UNKNOWN ON ERROR",
        JsonExistsOnError::Error => " ERROR ON ERROR",
    }
}

fn wrapper_words(wrapper: JsonWrapper) -> &'static str {
    match wrapper {
        JsonWrapper::Without => " WITHOUT ARRAY WRAPPER",
        JsonWrapper::Conditional => " WITH CONDITIONAL ARRAY WRAPPER",
        JsonWrapper::Unconditional => " WITH UNCONDITIONAL ARRAY WRAPPER",
    }
}
