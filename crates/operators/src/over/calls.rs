//! The calls of a plan as running aggregates, over those columns only that they need.

use super::lag::{Lag, RowNumber};
use std::sync::Arc;
use tidemill_plan::AggregateCall;
use tidemill_plan::over::{OverCall, OverPlan, RankFunction};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// The input columns that the calls need, each once.
pub(super) fn argument_columns(plan: &OverPlan) -> Vec<usize> {
    let mut columns: Vec<usize> = plan.calls.iter().flat_map(OverCall::columns).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The calls over these columns.
pub(super) fn running(plan: &OverPlan, columns: &[usize]) -> Result<Vec<AggregateCall>> {
    let at = |column: usize| columns.iter().position(|known| *known == column).expect("all were gathered");
    plan.calls
        .iter()
        .map(|call| match call.map_columns(&at) {
            OverCall::Aggregate(call) => Ok(call),
            OverCall::Rank(RankFunction::RowNumber) => Ok(AggregateCall {
                text: call.to_string(),
                args: Vec::new(),
                arg_types: Vec::new(),
                filter: None,
                distinct: false,
                return_type: TypeKind::BigInt.not_null(),
                accumulator: Arc::new(RowNumber),
            }),
            OverCall::Shift { column, distance, default, data_type } if distance <= 0 => {
                Ok(lag(call.to_string(), column, distance.unsigned_abs() as usize, default, data_type))
            }
            other => Err(Error::internal(format!("{other} can't run over a stream"))),
        })
        .collect()
}

fn lag(
    text: String,
    column: usize,
    distance: usize,
    default: Option<usize>,
    data_type: DataType,
) -> AggregateCall {
    let args: Vec<usize> = [column].into_iter().chain(default).collect();
    AggregateCall {
        text,
        arg_types: vec![data_type.clone(); args.len()],
        args,
        filter: None,
        distinct: false,
        return_type: data_type.clone(),
        accumulator: Arc::new(Lag::new(distance, data_type)),
    }
}
