//! What tests of the whole engine share: a source that cuts its input at random, a runner that folds
//! changelogs, random queries, and SQLite as the batch engine that says what their answer is; and the suites that
//! hold connectors to what they promise about crashes.
//!
//! Invariant: never shipped; the answers of the oracle come from an engine that is not ours.

pub mod cut_file;
pub mod faulty_store;
pub mod ledger;
pub mod lookup_suite;
pub mod oracle;
mod over;
pub mod pattern;
pub mod query;
pub mod random;
mod ranked;
pub mod run;
mod sets;
pub mod simulated_disk;
pub mod simulation;
pub mod sink_suite;
pub mod slow_table;
pub mod source_suite;
pub mod table;
mod timed_joins;
