//! OVER: functions over the rows around each row.
//!
//! - [`timed`]: by event or processing time, one row out for each row in;
//! - [`updating`]: by any other column, with results that are kept up to date;
//! - [`batch`]: any order and frame, at the end of input.

mod batch;
mod calls;
mod lag;
mod progress;
mod timed;
mod updating;

use crate::build::JobInfo;
use crate::operator::Operator;
use tidemill_plan::over::{OverMode, OverPlan};
use tidemill_types::{Result, Schema};

/// The running operator of a plan.
pub fn over(plan: &OverPlan, input: &Schema, job: &JobInfo) -> Result<Box<dyn Operator>> {
    Ok(match plan.mode {
        OverMode::Rowtime | OverMode::Proctime => Box::new(timed::OverTime::new(plan, input, job)?),
        OverMode::Updating => Box::new(updating::OverAny::new(plan, input, job)?),
        OverMode::Batch => Box::new(batch::OverBatch::new(plan, input, job)?),
    })
}
