//! Bound expressions with their vectorised evaluation, the traits of functions, and the stream plan as
//! plain data.
//!
//! Invariant: nothing here knows SQL text, a concrete function or how a job runs.

pub mod aggregate;
pub mod datum;
pub mod eval;
pub mod explain;
pub mod expr;
pub mod function;
pub mod join;
pub mod lookup;
pub mod over;
pub mod pattern;
pub mod rank;
mod stable_id;
pub mod stream;
pub mod window;

pub use aggregate::{
    Accumulator, AggregateCall, AggregateFunction, BoundAggregate, Step, Steps, UpdateBatch,
};
pub use datum::Datum;
pub use eval::EvalContext;
pub use expr::Expr;
pub use function::{
    ArgumentInfo, BindCall, BoundScalar, CastMode, FunctionRegistry, Kernel, ScalarFunction, SessionInfo,
};
pub use join::{IntervalJoinPlan, JoinKind, JoinOn, JoinPlan, TemporalJoinPlan, WindowJoinPlan};
pub use lookup::{AskPlan, AskedKey, CachePlan, LookupAccess, LookupJoinPlan, MissPlan, Reload};
pub use stable_id::stable_ids;
pub use stream::{
    ChangelogMode, Exchange, FromChangelogPlan, Input, Node, NodeId, Operator, SetOperationKind,
    SetOperationPlan, SinkCompactPlan, SinkPlan, SinkTarget, SourcePlan, StreamPlan, ToChangelogPlan,
    UnnestPlan,
};
pub use window::{WindowKind, WindowProperty, WindowSpec};
