//! From the syntax tree to the stream plan: names resolved, Flink's types derived, every cast explicit.
//!
//! Nodes are pushed bottom-up while a query is bound; a [`Relation`] says which node gives a query's rows
//! and what its columns are called. Table scans and views are bound once per job and shared.
//! Invariant: binding does no I/O; the same text under the same session gives the same plan.

mod aggregate;
mod call;
mod call_text;
mod changelog_function;
mod columns;
mod conflict;
mod correlation;
mod emit;
mod expr;
mod fingerprint;
mod fold;
mod from;
mod group_keys;
mod grouping;
mod insert;
mod interval_join;
mod join;
mod join_placement;
mod json;
mod lateral;
mod legacy_window;
mod lengths;
mod literal;
mod lookup_access;
mod lookup_hint;
mod lookup_join;
mod match_pattern;
mod match_recognize;
mod match_scope;
mod order;
mod over;
mod over_call;
mod over_window;
mod query;
mod rank;
mod relation;
mod scan;
mod scope;
mod select;
mod setop;
mod subquery;
mod table_function;
mod temporal_join;
pub(crate) mod types;
mod unnest;
mod values;
mod window_join;

pub(crate) use columns::names_in;
pub(crate) use fingerprint::fingerprint;
pub(crate) use literal::int as literal_int;
pub use relation::{Relation, RelationColumn, Windowing};

use crate::catalog::{DatabasePath, Session};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use std::collections::HashMap;
use tidemill_plan::{ChangelogMode, Exchange, Input, Node, NodeId, Operator, StreamPlan};
use tidemill_types::Schema;

/// What binding gives, or where and why it stops.
pub(crate) type Bound<T> = Result<T, Diagnostic>;

/// How deep views and queries may nest.
const VIEW_DEPTH_MAX: usize = 64;

/// Binds the statements of one job.
pub(crate) struct Binder<'a> {
    pub(crate) session: &'a Session,
    pub(crate) plan: StreamPlan,
    /// The database in which names without one are looked up.
    home: DatabasePath,
    scans: HashMap<String, Relation>,
    common_tables: Vec<(String, Relation)>,
    view_depth: usize,
    /// How deep the query at hand is nested in others.
    query_depth: usize,
    /// The projections whose ranks may be narrowed.
    ranks: HashMap<NodeId, rank::Ranked>,
    /// How many queries were taken out of expressions; they are named by number.
    lifted_count: usize,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        Binder {
            session,
            plan: StreamPlan::default(),
            home: session.catalog.current().clone(),
            scans: HashMap::new(),
            common_tables: Vec::new(),
            view_depth: 0,
            query_depth: 0,
            ranks: HashMap::new(),
            lifted_count: 0,
        }
    }

    /// A binder for what was written where another database was the current one.
    pub(crate) fn in_database(session: &'a Session, home: &DatabasePath) -> Self {
        Binder { home: home.clone(), ..Binder::new(session) }
    }

    /// Adds a node over inputs; the changelog mode and key are the caller's to know.
    fn push(&mut self, operator: Operator, inputs: Vec<Input>, schema: Schema, traits: NodeTraits) -> NodeId {
        self.plan.push(Node {
            id: 0,
            uid: String::new(),
            operator,
            inputs,
            schema,
            changelog: traits.changelog,
            upsert_key: traits.upsert_key,
        })
    }

    /// Adds a node that gets its one input's rows in the same task.
    fn push_forward(
        &mut self,
        operator: Operator,
        input: NodeId,
        schema: Schema,
        traits: NodeTraits,
    ) -> NodeId {
        self.push(operator, vec![Input { node: input, exchange: Exchange::Forward }], schema, traits)
    }
}

/// The scope of these columns.
pub(crate) fn scope_of(columns: &[RelationColumn]) -> scope::Scope<'_> {
    scope::Scope { columns }
}

/// What a node promises of its changelog.
#[derive(Debug, Clone)]
pub(crate) struct NodeTraits {
    pub(crate) changelog: ChangelogMode,
    pub(crate) upsert_key: Option<Vec<usize>>,
}

impl NodeTraits {
    pub(crate) fn append() -> Self {
        NodeTraits { changelog: ChangelogMode::APPEND, upsert_key: None }
    }
}

/// An error of a lower layer, placed at what was bound.
pub(crate) fn at(span: Span) -> impl Fn(tidemill_types::Error) -> Diagnostic {
    move |error| {
        let diagnostic = Diagnostic::new(span, error.to_string());
        match error.hint() {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }
    }
}

/// The refusal of a construct that Flink has and this version has not.
pub(crate) fn unsupported(span: Span, what: &str) -> Diagnostic {
    Diagnostic::new(span, format!("{what} is not supported by this version of tidemill"))
        .with_hint("docs/flink-compatibility.md lists what is supported; the same file runs on Apache Flink")
}
