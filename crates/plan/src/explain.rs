//! The plan as text: each operator with its changelog mode, upsert key, time attribute and the state it keeps.

use crate::{Exchange, Node, NodeId, Operator, SinkTarget, StreamPlan, WindowKind};
use std::fmt::Write;
use tidemill_types::{Schema, TimeAttribute};

impl StreamPlan {
    /// The plan as a tree for each sink, inputs indented below their consumers; a node that several
    /// consumers share is written once and referred to after that.
    pub fn explain(&self) -> String {
        let mut out = String::new();
        let mut written = vec![false; self.nodes.len()];
        for node in self.nodes.iter().filter(|node| matches!(node.operator, Operator::Sink(_))) {
            self.write_tree(node.id, 0, &mut written, &mut out);
        }
        out
    }

    fn write_tree(&self, id: NodeId, depth: usize, written: &mut [bool], out: &mut String) {
        let node = &self.nodes[id];
        let indent = "  ".repeat(depth);
        if written[id] {
            writeln!(out, "{indent}{} (shared, see above)", node.uid).expect("strings take everything");
            return;
        }
        written[id] = true;
        writeln!(out, "{indent}{}", node.line()).expect("strings take everything");
        for input in &node.inputs {
            let below = match &input.exchange {
                Exchange::Forward => 1,
                exchange => {
                    let from = &self.nodes[input.node].schema;
                    writeln!(out, "{indent}  {}", exchange.line(from)).expect("strings take everything");
                    2
                }
            };
            self.write_tree(input.node, depth + below, written, out);
        }
    }
}

impl Exchange {
    fn line(&self, schema: &Schema) -> String {
        match self {
            Exchange::Forward => "forward".into(),
            Exchange::Hash(keys) => format!("exchange hash[{}]", names(schema, keys)),
            Exchange::Single => "exchange single".into(),
        }
    }
}

impl Node {
    fn line(&self) -> String {
        let mut line = format!("{}: {} columns=[{}]", self.uid, self.operator.text(), columns(&self.schema));
        line.push_str(&format!(", changelog={}", self.changelog));
        if let Some(key) = &self.upsert_key {
            line.push_str(&format!(", upsert key=[{}]", names(&self.schema, key)));
        }
        line.push_str(&format!(", state={}", self.operator.state()));
        line
    }
}

impl Operator {
    pub(crate) fn text(&self) -> String {
        match self {
            Operator::Source(source) => format!("table={}, connector={},", source.table, source.connector),
            Operator::Values { rows, .. } => format!("rows={rows},"),
            Operator::Calc { filter, project } => {
                let filter = filter.as_ref().map(|f| format!("where={f}, ")).unwrap_or_default();
                format!("{filter}select=[{}],", list(project))
            }
            Operator::Watermark { watermark, .. } => format!("watermark={watermark},"),
            Operator::WindowAssign(window) => format!("{},", window.kind),
            Operator::WindowAggregate(plan) => {
                format!("{}, aggregates={:?},", plan.window.kind, plan.aggregates)
            }
            Operator::EmittingWindow(plan) => format!(
                "{}, early={:?} ms, late={:?} ms, lateness={} ms, aggregates={:?},",
                plan.base.window.kind, plan.early_ms, plan.late_ms, plan.lateness_ms, plan.base.aggregates
            ),
            Operator::GroupAggregate(plan) => format!("aggregates={:?},", plan.aggregates),
            Operator::Expand { projections } => format!("projections={},", projections.len()),
            Operator::Join(join) => join.on.text(),
            Operator::IntervalJoin(join) => join.text(),
            Operator::WindowJoin(join) => join.on.text(),
            Operator::TemporalJoin(join) => join.on.text(),
            Operator::LookupJoin(join) => join.text(),
            Operator::Union | Operator::DropUpdateBefore | Operator::ChangelogNormalize { .. } => {
                String::new()
            }
            Operator::SetOperation(plan) => format!("{},", plan.name()),
            Operator::SinkMaterialize { keys, .. } => format!("keys={},", keys.len()),
            Operator::SinkCompact(plan) => {
                format!(
                    "keys={}, conflict={},",
                    plan.keys.len(),
                    if plan.fails { "error" } else { "nothing" }
                )
            }
            Operator::ToChangelog(plan) => {
                let code =
                    |(kind, code): &(tidemill_types::RowKind, String)| format!("{} as {code}", kind.short());
                format!("codes=[{}],", plan.codes.iter().map(code).collect::<Vec<_>>().join(", "))
            }
            Operator::FromChangelog(plan) => {
                let code =
                    |(code, kind): &(String, tidemill_types::RowKind)| format!("{code} as {}", kind.short());
                format!("codes=[{}],", plan.codes.iter().map(code).collect::<Vec<_>>().join(", "))
            }
            Operator::Unnest(plan) => {
                let outer = if plan.outer { "left, " } else { "" };
                let ordinality = if plan.ordinality { " with ordinality" } else { "" };
                format!("{outer}collection=#{}{ordinality},", plan.collection)
            }
            Operator::TopN(plan) => format!("{}, order=[{}],", plan.ranks.text(), order(&plan.ranks.order)),
            Operator::WindowTopN(plan) => {
                format!("{}, order=[{}],", plan.ranks.text(), order(&plan.ranks.order))
            }
            Operator::Deduplicate(plan) => format!("keep={},", if plan.keep_last { "last" } else { "first" }),
            Operator::TimeSort(plan) => format!("time=#{}, then=[{}],", plan.time_column, order(&plan.order)),
            Operator::MatchRecognize(plan) => format!("{plan},"),
            Operator::Over(plan) => format!(
                "{}, partition=[{}], order=[{}], {}, calls=[{}],",
                plan.mode,
                plan.keys.iter().map(|key| format!("#{key}")).collect::<Vec<_>>().join(", "),
                order(&plan.order),
                plan.frame,
                plan.calls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
            Operator::Limit { offset, count } => format!("offset={offset}, count={count},"),
            Operator::Sink(sink) => match &sink.target {
                SinkTarget::Table { table, connector, .. } => {
                    format!("table={table}, connector={connector},")
                }
                SinkTarget::Collect => "collect,".into(),
            },
        }
    }

    /// What the operator keeps, and when it lets go of it.
    pub fn state(&self) -> String {
        match self {
            Operator::WindowAggregate(plan) => match &plan.window.kind {
                WindowKind::Session { gap, .. } => {
                    format!("open sessions, until the watermark passes their last row by {gap} ms")
                }
                _ => "one cell row per key and pane, until the watermark passes the last window of the pane"
                    .into(),
            },
            Operator::EmittingWindow(plan) => format!(
                "one cell row per key and window with its last result, until the watermark passes the end by {} ms",
                plan.lateness_ms
            ),
            Operator::GroupAggregate(plan) if plan.ttl_ms == 0 => "one cell row per key, for ever".into(),
            Operator::GroupAggregate(plan) => {
                format!("one cell row per key, {} ms after its last change", plan.ttl_ms)
            }
            Operator::TopN(plan) if plan.final_only => "all rows, until the end of input".into(),
            Operator::TopN(plan) if plan.retract => {
                format!("all rows of each key, until they are taken back{}", or_after(plan.ttl_ms))
            }
            Operator::TopN(plan) => {
                format!("the rows up to the last rank of each key, {}", lifetime(plan.ttl_ms))
            }
            Operator::WindowTopN(_) => {
                "the rows up to the last rank of each window and key, until the watermark passes its end"
                    .into()
            }
            Operator::ChangelogNormalize { .. } => "the last row of each key, until it is deleted".into(),
            Operator::Deduplicate(plan) if plan.keep_last => {
                format!("the last row of each key, {}", lifetime(plan.ttl_ms))
            }
            Operator::Deduplicate(plan) => format!("each key, {}", lifetime(plan.ttl_ms)),
            Operator::TimeSort(_) => "rows that the watermark has not passed".into(),
            Operator::MatchRecognize(plan) => plan.state_text(),
            Operator::Over(plan) => plan.state(),
            Operator::Limit { .. } => "the number of rows seen".into(),
            Operator::SinkMaterialize { ttl_ms: 0, .. } => {
                "all rows of each primary key, until they are taken back".into()
            }
            Operator::SinkMaterialize { ttl_ms, .. } => {
                format!("all rows of each primary key, {ttl_ms} ms after their last change")
            }
            Operator::SinkCompact(plan) => {
                let row = "rows since the last watermark; the row given last of each primary key";
                match plan.ttl_ms {
                    0 => format!("{row}, until it is taken back"),
                    ttl_ms => format!("{row}, {ttl_ms} ms after its last change"),
                }
            }
            Operator::SetOperation(plan) if plan.final_only => {
                "each row with how often both inputs have it, until the end of input".into()
            }
            Operator::SetOperation(plan) if plan.ttl_ms == 0 => {
                "each row with how often both inputs have it, for ever".into()
            }
            Operator::SetOperation(plan) => format!(
                "each row with how often both inputs have it, {} ms after its last change",
                plan.ttl_ms
            ),
            Operator::Join(join) => join.state(),
            Operator::IntervalJoin(join) => join.state(),
            Operator::WindowJoin(_) => "both sides' rows, until the watermark passes their window's end".into(),
            Operator::LookupJoin(join) => join.state(),
            Operator::TemporalJoin(_) => {
                "left rows, until the watermark passes their time; of each key the right versions from the one \
                 valid at the watermark on"
                    .into()
            }
            _ => "none".into(),
        }
    }
}

fn lifetime(ttl_ms: i64) -> String {
    match ttl_ms {
        0 => "for ever".into(),
        ttl_ms => format!("{ttl_ms} ms after it was written"),
    }
}

fn or_after(ttl_ms: i64) -> String {
    match ttl_ms {
        0 => String::new(),
        ttl_ms => format!(" or {ttl_ms} ms after they were written"),
    }
}

fn order(columns: &[crate::rank::SortColumn]) -> String {
    columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn list(exprs: &[crate::Expr]) -> String {
    exprs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn names(schema: &Schema, columns: &[usize]) -> String {
    columns.iter().map(|&i| schema.fields[i].name.as_str()).collect::<Vec<_>>().join(", ")
}

fn columns(schema: &Schema) -> String {
    let column = |field: &tidemill_types::Field| match field.time {
        Some(TimeAttribute::Rowtime) => format!("{} *ROWTIME*", field.name),
        Some(TimeAttribute::Proctime) => format!("{} *PROCTIME*", field.name),
        None => field.name.clone(),
    };
    schema.fields.iter().map(column).collect::<Vec<_>>().join(", ")
}
