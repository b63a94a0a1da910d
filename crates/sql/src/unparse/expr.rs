//! Expressions. A precedence is a number as in the parser; an operand that binds looser than its
//! place asks for gets parentheses.

use super::writer::Writer;
use crate::ast::{
    BinaryOp, CaseBranch, CollectionKind, Expr, ExprKind, IsTest, JsonKind, LikeKind, Literal, PeriodOp,
    QuantifiedSource, Quantifier, TableArg, TableArgSource, TrimSide, UnaryOp,
};

const NOT: u8 = 26;
const IS: u8 = 28;
const COMPARISON: u8 = 30;
const RANGE: u8 = 32;
const TIME_ZONE: u8 = 70;
const SIGN: u8 = 80;
const PRIMARY: u8 = 100;

impl Writer {
    pub(super) fn expr(&mut self, expr: &Expr) {
        self.operand(expr, 0);
    }

    pub(super) fn exprs(&mut self, exprs: &[Expr]) {
        self.list(exprs, ", ", Self::expr);
    }

    /// The expression, in parentheses if it binds looser than `min`.
    pub(super) fn operand(&mut self, expr: &Expr, min: u8) {
        let wrap = precedence(&expr.kind) < min;
        if wrap {
            self.push("(");
        }
        self.expr_kind(&expr.kind);
        if wrap {
            self.push(")");
        }
    }

    fn infix(&mut self, left: &Expr, words: &str, right: &Expr, precedence: u8) {
        self.operand(left, precedence);
        self.push(" ");
        self.push(words);
        self.push(" ");
        self.operand(right, precedence + 1);
    }

    fn expr_kind(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Name(parts) => self.compound(parts),
            ExprKind::Field { base, field } => {
                // `(row).field`: a plain name would swallow the field.
                let plain = matches!(*base.kind, ExprKind::Name(_));
                self.operand(base, if plain { PRIMARY + 1 } else { PRIMARY });
                self.push(".");
                self.ident(field);
            }
            ExprKind::Index { base, index } => {
                self.operand(base, PRIMARY);
                self.push("[");
                self.expr(index);
                self.push("]");
            }
            ExprKind::Unary { op, operand } => self.unary(*op, operand),
            ExprKind::Binary { op, left, right } => {
                let (words, precedence) = binary_words(*op);
                self.infix(left, words, right, precedence);
            }
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_ref(), branches, otherwise.as_ref())
            }
            ExprKind::TimeDifference { left, right, qualifier } => {
                self.push("(");
                self.infix(left, "-", right, 40);
                self.push(") ");
                self.qualifier(qualifier);
            }
            ExprKind::IntervalOf { value, qualifier } => {
                self.push("INTERVAL (");
                self.expr(value);
                self.push(") ");
                self.qualifier(qualifier);
            }
            ExprKind::Period { op, left, right } => {
                self.infix(left, period_words(*op), right, COMPARISON);
            }
            ExprKind::AtTimeZone { operand, zone } => {
                self.operand(operand, TIME_ZONE);
                self.push(if zone.is_some() { " AT TIME ZONE " } else { " AT LOCAL" });
                if let Some(zone) = zone {
                    self.operand(zone, TIME_ZONE + 1);
                }
            }
            ExprKind::MatchSemantics { last, operand } => {
                self.push(if *last { "FINAL " } else { "RUNNING " });
                self.operand(operand, RANGE + 1);
            }
            _ => self.predicate(kind),
        }
    }

    fn predicate(&mut self, kind: &ExprKind) {
        let not = |negated: &bool| if *negated { " NOT" } else { "" };
        match kind {
            ExprKind::Is { operand, negated, test } => {
                self.operand(operand, IS);
                self.push(" IS");
                self.push(not(negated));
                self.push(is_words(*test));
            }
            ExprKind::IsDistinctFrom { left, right, negated } => {
                self.operand(left, COMPARISON + 1);
                self.push(" IS");
                self.push(not(negated));
                self.push(" DISTINCT FROM ");
                self.operand(right, COMPARISON + 1);
            }
            ExprKind::Between { operand, negated, symmetric, low, high } => {
                self.operand(operand, RANGE + 1);
                self.push(not(negated));
                self.push(" BETWEEN ");
                self.push(if *symmetric { "SYMMETRIC " } else { "ASYMMETRIC " });
                self.operand(low, RANGE + 1);
                self.push(" AND ");
                self.operand(high, RANGE + 1);
            }
            ExprKind::Like { kind, operand, negated, pattern, escape } => {
                self.operand(operand, RANGE + 1);
                self.push(not(negated));
                self.push(match kind {
                    LikeKind::Like => " LIKE ",
                    LikeKind::SimilarTo => " SIMILAR TO ",
                });
                self.operand(pattern, RANGE + 1);
                if let Some(escape) = escape {
                    self.push(" ESCAPE ");
                    self.operand(escape, RANGE + 1);
                }
            }
            ExprKind::InList { operand, negated, list } => {
                self.operand(operand, RANGE + 1);
                self.push(not(negated));
                self.push(" IN (");
                self.exprs(list);
                self.push(")");
            }
            _ => self.query_expr(kind),
        }
    }

    fn query_expr(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::InQuery { operand, negated, query } => {
                self.operand(operand, RANGE + 1);
                self.push(if *negated { " NOT IN " } else { " IN " });
                self.parenthesized_query(query);
            }
            ExprKind::Exists(query) => {
                self.push("EXISTS ");
                self.parenthesized_query(query);
            }
            ExprKind::Subquery(query) => self.parenthesized_query(query),
            ExprKind::CollectionQuery { kind, query } => {
                self.push(match kind {
                    CollectionKind::Array => "ARRAY",
                    CollectionKind::Map => "MAP",
                    CollectionKind::Multiset => "MULTISET",
                });
                self.parenthesized_query(query);
            }
            ExprKind::Quantified { op, left, quantifier, right } => {
                self.operand(left, COMPARISON);
                self.push(" ");
                self.push(binary_words(*op).0);
                self.push(match quantifier {
                    Quantifier::Any => " SOME ",
                    Quantifier::All => " ALL ",
                });
                match right {
                    QuantifiedSource::Query(query) => self.parenthesized_query(query),
                    QuantifiedSource::List(list) => {
                        self.push("(");
                        self.exprs(list);
                        self.push(")");
                    }
                }
            }
            _ => self.collection(kind),
        }
    }

    fn collection(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Array(items) => self.wrapped("ARRAY[", items, "]"),
            ExprKind::Map(items) => self.wrapped("MAP[", items, "]"),
            ExprKind::Multiset(items) => self.wrapped("MULTISET[", items, "]"),
            ExprKind::Row { explicit, fields } => {
                self.wrapped(if *explicit { "ROW(" } else { "(" }, fields, ")");
            }
            ExprKind::Table(table) => self.table_arg(table),
            ExprKind::Model(name) => {
                self.push("MODEL ");
                self.object_name(name);
            }
            ExprKind::Descriptor(columns) => {
                self.push("DESCRIPTOR(");
                self.idents(columns);
                self.push(")");
            }
            ExprKind::Default => self.push("DEFAULT"),
            ExprKind::Call(call) => self.call(call),
            ExprKind::Json(json) => self.json(json),
            _ => self.special(kind),
        }
    }

    fn wrapped(&mut self, open: &str, items: &[Expr], close: &str) {
        self.push(open);
        self.exprs(items);
        self.push(close);
    }

    fn table_arg(&mut self, table: &TableArg) {
        self.push("TABLE ");
        match &table.source {
            TableArgSource::Name(name) => self.object_name(name),
            TableArgSource::Query(query) => self.parenthesized_query(query),
        }
        if !table.partition_by.is_empty() {
            self.wrapped(" PARTITION BY (", &table.partition_by, ")");
        }
        if !table.order_by.is_empty() {
            self.push(" ORDER BY (");
            self.list(&table.order_by, ", ", Self::order_item);
            self.push(")");
        }
    }

    fn unary(&mut self, op: UnaryOp, operand: &Expr) {
        let (words, precedence) = match op {
            UnaryOp::Plus => ("+ ", SIGN),
            UnaryOp::Minus => ("- ", SIGN),
            UnaryOp::Not => ("NOT ", NOT),
        };
        self.push(words);
        self.operand(operand, precedence);
    }

    fn case(&mut self, operand: Option<&Expr>, branches: &[CaseBranch], otherwise: Option<&Expr>) {
        self.push("CASE");
        if let Some(operand) = operand {
            self.push(" ");
            self.expr(operand);
        }
        for branch in branches {
            self.push(" WHEN ");
            self.exprs(&branch.when);
            self.push(" THEN ");
            self.expr(&branch.then);
        }
        self.push(" ELSE ");
        match otherwise {
            Some(otherwise) => self.expr(otherwise),
            None => self.push("NULL"),
        }
        self.push(" END");
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Number(text) | Literal::Double(text) => self.push(text),
            Literal::String(text) => self.text(text),
            Literal::Binary(digits) => {
                self.push("X'");
                self.push(&digits.to_ascii_uppercase());
                self.push("'");
            }
            Literal::Boolean(value) => self.push(if *value { "TRUE" } else { "FALSE" }),
            Literal::Null => self.push("NULL"),
            Literal::Unknown => self.push("UNKNOWN"),
            Literal::Date(text) => self.timed("DATE ", text),
            Literal::Time(text) => self.timed("TIME ", text),
            Literal::Timestamp(text) => self.timed("TIMESTAMP ", text),
            Literal::Interval(interval) => {
                self.push(if interval.negative { "INTERVAL -" } else { "INTERVAL " });
                self.text(&interval.value);
                self.push(" ");
                self.qualifier(&interval.qualifier);
            }
        }
    }

    fn timed(&mut self, keyword: &str, text: &str) {
        self.push(keyword);
        self.text(text);
    }

    /// Functions whose arguments are separated by words.
    fn special(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Cast { lenient, operand, target } => {
                self.push(if *lenient { "TRY_CAST(" } else { "CAST(" });
                self.expr(operand);
                self.push(" AS ");
                self.data_type(target);
            }
            ExprKind::Extract { unit, operand } => {
                self.push("EXTRACT(");
                self.push(unit.keyword());
                self.push(" FROM ");
                self.expr(operand);
            }
            ExprKind::RoundTime { up, operand, unit } => {
                self.push(if *up { "CEIL(" } else { "FLOOR(" });
                self.expr(operand);
                self.push(" TO ");
                self.push(unit.keyword());
            }
            ExprKind::Position { needle, haystack, start } => {
                self.push("POSITION(");
                self.operand(needle, RANGE + 1);
                self.push(" IN ");
                self.expr(haystack);
                self.option(" FROM ", start.as_ref());
            }
            ExprKind::Substring { operand, start, length } => {
                self.push("SUBSTRING(");
                self.expr(operand);
                self.push(" FROM ");
                self.expr(start);
                self.option(" FOR ", length.as_ref());
            }
            _ => self.more_special(kind),
        }
        self.push(")");
    }

    /// The rest of the special functions, without their closing parenthesis.
    fn more_special(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Overlay { operand, replacement, start, length } => {
                self.push("OVERLAY(");
                self.expr(operand);
                self.push(" PLACING ");
                self.expr(replacement);
                self.push(" FROM ");
                self.expr(start);
                self.option(" FOR ", length.as_ref());
            }
            ExprKind::Trim { side, characters, operand } => {
                self.push(match side {
                    TrimSide::Both => "TRIM(BOTH ",
                    TrimSide::Leading => "TRIM(LEADING ",
                    TrimSide::Trailing => "TRIM(TRAILING ",
                });
                match characters {
                    Some(characters) => self.expr(characters),
                    None => self.push("' '"),
                }
                self.push(" FROM ");
                self.expr(operand);
            }
            ExprKind::TimestampAdd { unit, count, operand } => {
                self.timestamp_call("TIMESTAMPADD(", unit.keyword(), [count, operand])
            }
            ExprKind::TimestampDiff { unit, start, end } => {
                self.timestamp_call("TIMESTAMPDIFF(", unit.keyword(), [start, end]);
            }
            // Every other kind was written by one of the functions above.
            _ => {}
        }
    }

    fn timestamp_call(&mut self, open: &str, unit: &str, operands: [&Expr; 2]) {
        self.push(open);
        self.push(unit);
        for operand in operands {
            self.push(", ");
            self.expr(operand);
        }
    }

    pub(super) fn option(&mut self, words: &str, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.push(words);
            self.expr(expr);
        }
    }
}

/// How tightly an expression binds.
fn precedence(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Binary { op, .. } => binary_words(*op).1,
        ExprKind::Unary { op: UnaryOp::Not, .. } => NOT,
        ExprKind::Unary { .. } => SIGN,
        ExprKind::Is { .. } | ExprKind::IsDistinctFrom { .. } => IS,
        ExprKind::Quantified { .. } | ExprKind::Period { .. } => COMPARISON,
        ExprKind::Between { .. }
        | ExprKind::Like { .. }
        | ExprKind::InList { .. }
        | ExprKind::InQuery { .. }
        | ExprKind::MatchSemantics { .. } => RANGE,
        ExprKind::AtTimeZone { .. } => TIME_ZONE,
        ExprKind::Name(_) => PRIMARY,
        _ => PRIMARY + 1,
    }
}

fn binary_words(op: BinaryOp) -> (&'static str, u8) {
    match op {
        BinaryOp::Or => ("OR", 22),
        BinaryOp::And => ("AND", 24),
        BinaryOp::Eq => ("=", COMPARISON),
        BinaryOp::NotEq => ("<>", COMPARISON),
        BinaryOp::Lt => ("<", COMPARISON),
        BinaryOp::LtEq => ("<=", COMPARISON),
        BinaryOp::Gt => (">", COMPARISON),
        BinaryOp::GtEq => (">=", COMPARISON),
        BinaryOp::MemberOf => ("MEMBER OF", COMPARISON),
        BinaryOp::SubmultisetOf => ("SUBMULTISET OF", COMPARISON),
        BinaryOp::Add => ("+", 40),
        BinaryOp::Sub => ("-", 40),
        BinaryOp::Mul => ("*", 60),
        BinaryOp::Div => ("/", 60),
        BinaryOp::Mod => ("%", 60),
        BinaryOp::Concat => ("||", 60),
        BinaryOp::MultisetUnion => ("MULTISET UNION DISTINCT", 12),
        BinaryOp::MultisetUnionAll => ("MULTISET UNION ALL", 12),
        BinaryOp::MultisetIntersect => ("MULTISET INTERSECT DISTINCT", 12),
        BinaryOp::MultisetIntersectAll => ("MULTISET INTERSECT ALL", 12),
        BinaryOp::MultisetExcept => ("MULTISET EXCEPT DISTINCT", 12),
        BinaryOp::MultisetExceptAll => ("MULTISET EXCEPT ALL", 12),
    }
}

fn is_words(test: IsTest) -> &'static str {
    match test {
        IsTest::Null => " NULL",
        IsTest::True => " TRUE",
        IsTest::False => " FALSE",
        IsTest::Unknown => " UNKNOWN",
        IsTest::ASet => " A SET",
        IsTest::Empty => " EMPTY",
        IsTest::Json(JsonKind::Value) => " JSON VALUE",
        IsTest::Json(JsonKind::Object) => " JSON OBJECT",
        IsTest::Json(JsonKind::Array) => " JSON ARRAY",
        IsTest::Json(JsonKind::Scalar) => " JSON SCALAR",
    }
}

fn period_words(op: PeriodOp) -> &'static str {
    match op {
        PeriodOp::Overlaps => "OVERLAPS",
        PeriodOp::Contains => "CONTAINS",
        PeriodOp::Equals => "EQUALS",
        PeriodOp::Precedes => "PRECEDES",
        PeriodOp::Succeeds => "SUCCEEDS",
        PeriodOp::ImmediatelyPrecedes => "IMMEDIATELY PRECEDES",
        PeriodOp::ImmediatelySucceeds => "IMMEDIATELY SUCCEEDS",
    }
}
