//! The engine: open a session, run the statements of a script, watch and stop its jobs.
//!
//! API boundary: command line and server see only this crate. What goes in and out is text and plain data.
//! Invariant: knows no concrete connector or function; the composition root hands them in.

mod checkpoints;
mod engine;
mod error;
mod job;
mod memory;
mod pipeline_state;
mod restart;
mod result;
mod script;
mod state_rows;
mod supervisor;
mod variables;

pub use checkpoints::{
    CheckpointCheck, CheckpointDetails, CheckpointRow, Checkpoints, PreparedDetails, SourceDetails,
    TableDetails,
};
pub use engine::{Engine, EngineOptions, OnBadRecord, Started, Upgrade};
pub use error::EngineError;
pub use job::{JobProgress, JobSummary, LookupRow, OperatorRow, RunningJob, StopHandle};
pub use result::{ResultBatch, ResultColumn};
pub use script::{Script, StatementInfo};
pub use state_rows::{StateQuery, StateRow, StateRows, StateValue};
pub use variables::Variables;

/// What the composition root hands in: the connectors and functions of a session.
pub use tidemill_connector::ConnectorRegistry;
pub use tidemill_plan::FunctionRegistry;
