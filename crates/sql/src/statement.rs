//! Statements run against a session: definitions change it, queries and INSERTs become jobs.
//!
//! Invariant: a statement that fails leaves the session as it was.

mod alter_columns;
mod alter_partitions;
mod alter_table;
mod create_as;
mod create_table;
mod create_view;
mod databases;
mod describe;
mod drop;
mod functions;
mod like;
mod others;
mod rows;
mod show;

pub use rows::Rows;

use crate::ast::{Explain, Insert, Property, Statement, StatementKind, StatementSet, Text};
use crate::bind::{Binder, Bound, at};
use crate::catalog::Session;
use crate::diagnostic::Diagnostic;
use crate::optimize::optimize;
use tidemill_plan::{Operator, StreamPlan};
use tidemill_types::Schema;

/// What running a statement gives.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing to show, but maybe a warning.
    Done(Option<String>),
    /// Rows to show.
    Rows(Rows),
    /// A job to run.
    Job(Job),
}

/// A job to run.
#[derive(Debug)]
pub struct Job {
    /// The plan.
    pub plan: StreamPlan,
    /// The columns that a bare SELECT shows; absent for INSERTs.
    pub collect: Option<Schema>,
    /// Whether all its sources end by themselves.
    pub bounded: bool,
}

impl Session {
    /// Runs a statement.
    pub fn run(&mut self, statement: &Statement) -> Result<Outcome, Diagnostic> {
        match &statement.kind {
            StatementKind::Query(query) => {
                let mut binder = Binder::new(self);
                let schema = binder.bind_collect(query)?;
                Ok(Outcome::Job(job(binder.plan, Some(schema))))
            }
            StatementKind::Insert(insert) => self.inserts(std::slice::from_ref(insert)),
            StatementKind::StatementSet(StatementSet { inserts, .. }) => self.inserts(inserts),
            StatementKind::CreateTable(create) => match &create.query {
                Some(query) => self.create_table_as(create, query, statement.span),
                None => self.create_table(create).map(Outcome::Done),
            },
            StatementKind::CreateView(create) => self.create_view(create).map(|()| Outcome::Done(None)),
            StatementKind::CreateFunction(create) => {
                self.create_function(create).map(|()| Outcome::Done(None))
            }
            StatementKind::Drop(drop) => self.drop_object(drop).map(|()| Outcome::Done(None)),
            StatementKind::Set(property) => self.set(property.as_ref()),
            StatementKind::Reset(key) => Ok(self.reset(key.as_ref())),
            StatementKind::Explain(explain) => self.explain(explain).map(Outcome::Rows),
            StatementKind::Describe(describe) => self.describe(describe, statement.span).map(Outcome::Rows),
            StatementKind::Show(show) => self.show(show, statement.span).map(Outcome::Rows),
            StatementKind::CreateCatalog(create) => self.create_catalog(create).map(|()| Outcome::Done(None)),
            StatementKind::CreateDatabase(create) => {
                self.create_database(create).map(|()| Outcome::Done(None))
            }
            StatementKind::AlterDatabase { name, options } => {
                self.alter_database(name, options).map(|()| Outcome::Done(None))
            }
            StatementKind::AlterTable(alter) => self.alter_table(alter).map(|()| Outcome::Done(None)),
            StatementKind::AlterView(alter) => self.alter_view(alter).map(|()| Outcome::Done(None)),
            StatementKind::UseCatalog(name) => self.use_catalog(name).map(|()| Outcome::Done(None)),
            StatementKind::UseDatabase(name) => self.use_database(name).map(|()| Outcome::Done(None)),
            StatementKind::Other { keyword, keyword_span } => self.other(keyword, *keyword_span),
        }
    }

    pub(crate) fn inserts(&self, inserts: &[impl std::borrow::Borrow<Insert>]) -> Bound<Outcome> {
        let mut binder = Binder::new(self);
        for insert in inserts {
            binder.bind_insert(insert.borrow())?;
        }
        Ok(Outcome::Job(job(binder.plan, None)))
    }

    fn set(&mut self, property: Option<&Property>) -> Bound<Outcome> {
        match property {
            Some(property) => self
                .settings
                .set(&property.key.value, &property.value.value)
                .map(Outcome::Done)
                .map_err(at(property.value.span)),
            None => {
                let mut rows = Rows::new(&["key", "value"]);
                for (key, value) in self.settings.all() {
                    rows.push(vec![Some(key.clone()), Some(value.clone())]);
                }
                Ok(Outcome::Rows(rows))
            }
        }
    }

    fn reset(&mut self, key: Option<&Text>) -> Outcome {
        self.settings.reset(key.map(|key| key.value.as_str()));
        Outcome::Done(None)
    }

    fn explain(&self, explain: &Explain) -> Bound<Rows> {
        let mut binder = Binder::new(self);
        match &explain.statement.kind {
            StatementKind::Query(query) => drop(binder.bind_collect(query)?),
            StatementKind::Insert(insert) => binder.bind_insert(insert)?,
            StatementKind::StatementSet(set) => {
                set.inserts.iter().try_for_each(|insert| binder.bind_insert(insert))?;
            }
            other => {
                let message = format!("{} can't be explained", keyword(other));
                return Err(Diagnostic::new(explain.statement.span, message)
                    .with_hint("EXPLAIN takes a query, an INSERT or a statement set"));
            }
        }
        let mut rows = Rows::new(&["result"]);
        rows.push(vec![Some(optimize(binder.plan).explain())]);
        Ok(rows)
    }
}

fn job(plan: StreamPlan, collect: Option<Schema>) -> Job {
    let plan = optimize(plan);
    let bounded = plan.nodes.iter().all(|node| match &node.operator {
        Operator::Source(source) => source.bounded,
        _ => true,
    });
    Job { plan, collect, bounded }
}

fn keyword(kind: &StatementKind) -> &str {
    match kind {
        StatementKind::CreateFunction(_) => "CREATE FUNCTION",
        StatementKind::Other { keyword, .. } => keyword,
        _ => "this statement",
    }
}
