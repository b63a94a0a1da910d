//! Queries and table references.

use super::writer::Writer;
use crate::ast::{
    Cte, GroupBy, GroupItem, GroupItemKind, Hint, HintArg, Join, JoinCondition, JoinKind, NamedWindow, Query,
    QueryBody, Select, SelectItem, SetOp, SetQuantifier, TableRef, TableRefKind,
};

impl Writer {
    pub(super) fn query(&mut self, query: &Query) {
        if let Some(with) = &query.with {
            self.push(if with.recursive { "WITH RECURSIVE " } else { "WITH " });
            self.list(&with.ctes, ", ", Self::cte);
            self.push("\n");
        }
        self.body(&query.body);
        if !query.order_by.is_empty() {
            self.push("\n");
            self.order_by(&query.order_by);
        }
        if let Some(offset) = &query.offset {
            self.push("\nOFFSET ");
            self.expr(offset);
            self.push(" ROWS");
        }
        if let Some(limit) = &query.limit {
            self.push("\nFETCH NEXT ");
            self.expr(limit);
            self.push(" ROWS ONLY");
        }
    }

    pub(super) fn parenthesized_query(&mut self, query: &Query) {
        self.push("(");
        self.query(query);
        self.push(")");
    }

    fn cte(&mut self, cte: &Cte) {
        self.ident(&cte.name);
        if !cte.columns.is_empty() {
            self.push(" (");
            self.idents(&cte.columns);
            self.push(")");
        }
        self.push(" AS ");
        self.parenthesized_query(&cte.query);
    }

    fn body(&mut self, body: &QueryBody) {
        match body {
            QueryBody::Select(select) => self.select(select),
            QueryBody::Values(values) => {
                self.push("VALUES ");
                self.exprs(&values.rows);
            }
            QueryBody::Table(name) => {
                self.push("TABLE ");
                self.object_name(name);
            }
            QueryBody::Nested(query) => self.parenthesized_query(query),
            QueryBody::SetOperation(operation) => {
                self.body(&operation.left);
                self.push(match operation.op {
                    SetOp::Union => "\nUNION",
                    SetOp::Intersect => "\nINTERSECT",
                    SetOp::Except => "\nEXCEPT",
                });
                self.push(if operation.all { " ALL\n" } else { "\n" });
                self.body(&operation.right);
            }
        }
    }

    fn select(&mut self, select: &Select) {
        self.push("SELECT ");
        self.hints(&select.hints, "", " ");
        if select.distinct {
            self.push("DISTINCT ");
        }
        self.list(&select.items, ", ", Self::select_item);
        if !select.from.is_empty() {
            self.push("\nFROM ");
            self.list(&select.from, ", ", Self::table_ref);
        }
        self.option("\nWHERE ", select.selection.as_ref());
        if let Some(group_by) = &select.group_by {
            self.group_by(group_by);
        }
        self.option("\nHAVING ", select.having.as_ref());
        if !select.windows.is_empty() {
            self.push("\nWINDOW ");
            self.list(&select.windows, ", ", Self::named_window);
        }
        self.option("\nQUALIFY ", select.qualify.as_ref());
    }

    fn named_window(&mut self, window: &NamedWindow) {
        self.ident(&window.name);
        self.push(" AS ");
        self.window_spec(&window.spec);
    }

    fn select_item(&mut self, item: &SelectItem) {
        match item {
            SelectItem::Wildcard(_) => self.push("*"),
            SelectItem::QualifiedWildcard { prefix, .. } => {
                self.compound(prefix);
                self.push(".*");
            }
            SelectItem::Expr { expr, alias } => {
                self.expr(expr);
                if let Some(alias) = alias {
                    self.push(" AS ");
                    self.ident(alias);
                }
            }
        }
    }

    fn group_by(&mut self, group_by: &GroupBy) {
        self.push("\nGROUP BY ");
        match group_by.quantifier {
            Some(SetQuantifier::Distinct) => self.push("DISTINCT "),
            Some(SetQuantifier::All) => self.push("ALL "),
            None => {}
        }
        self.list(&group_by.items, ", ", Self::group_item);
    }

    fn group_item(&mut self, item: &GroupItem) {
        let (open, items) = match &item.kind {
            GroupItemKind::Expr(expr) => return self.expr(expr),
            GroupItemKind::Set(exprs) => {
                self.push("(");
                self.exprs(exprs);
                return self.push(")");
            }
            GroupItemKind::GroupingSets(items) => ("GROUPING SETS(", items),
            GroupItemKind::Rollup(items) => ("ROLLUP(", items),
            GroupItemKind::Cube(items) => ("CUBE(", items),
        };
        self.push(open);
        self.list(items, ", ", Self::group_item);
        self.push(")");
    }

    fn hints(&mut self, hints: &[Hint], before: &str, after: &str) {
        if hints.is_empty() {
            return;
        }
        self.push(before);
        self.push("/*+ ");
        self.list(hints, ", ", Self::hint);
        self.push(" */");
        self.push(after);
    }

    fn hint(&mut self, hint: &Hint) {
        self.ident(&hint.name);
        if hint.args.is_empty() {
            return;
        }
        self.push("(");
        self.list(&hint.args, ", ", |w, arg| match arg {
            HintArg::Pair(pair) => {
                w.text(&pair.key.value);
                w.push(" = ");
                w.text(&pair.value.value);
            }
            HintArg::Item(item) => w.text(&item.value),
        });
        self.push(")");
    }

    pub(super) fn table_ref(&mut self, table: &TableRef) {
        match &table.kind {
            TableRefKind::Join(join) => return self.join(join),
            TableRefKind::Table { name, hints, system_time } => {
                self.object_name(name);
                self.hints(hints, " ", "");
                self.option(" FOR SYSTEM_TIME AS OF ", system_time.as_ref());
            }
            TableRefKind::Query { lateral, query, system_time } => {
                self.push(if *lateral { "LATERAL " } else { "" });
                self.parenthesized_query(query);
                self.option(" FOR SYSTEM_TIME AS OF ", system_time.as_ref());
            }
            TableRefKind::Function { lateral, call } => {
                self.push(if *lateral { "LATERAL TABLE(" } else { "TABLE(" });
                self.call(call);
                self.push(")");
            }
            TableRefKind::Unnest { operands, ordinality } => {
                self.push("UNNEST(");
                self.exprs(operands);
                self.push(if *ordinality { ") WITH ORDINALITY" } else { ")" });
            }
            TableRefKind::MatchRecognize(clause) => self.match_recognize(clause),
        }
        if let Some(alias) = &table.alias {
            self.push(" AS ");
            self.ident(&alias.name);
            if !alias.columns.is_empty() {
                self.push(" (");
                self.idents(&alias.columns);
                self.push(")");
            }
        }
    }

    fn join(&mut self, join: &Join) {
        self.table_ref(&join.left);
        let natural = join.condition == JoinCondition::Natural;
        self.push(if natural { "\nNATURAL " } else { "\n" });
        self.push(match join.kind {
            JoinKind::Inner => "INNER JOIN ",
            JoinKind::Left => "LEFT JOIN ",
            JoinKind::Right => "RIGHT JOIN ",
            JoinKind::Full => "FULL JOIN ",
            JoinKind::Cross => "CROSS JOIN ",
        });
        // A join on the right was in parentheses.
        let nested = matches!(join.right.kind, TableRefKind::Join(_));
        self.push(if nested { "(" } else { "" });
        self.table_ref(&join.right);
        self.push(if nested { ")" } else { "" });
        match &join.condition {
            JoinCondition::None | JoinCondition::Natural => {}
            JoinCondition::On(condition) => self.option(" ON ", Some(condition)),
            JoinCondition::Using(columns) => {
                self.push(" USING (");
                self.idents(columns);
                self.push(")");
            }
        }
    }
}
