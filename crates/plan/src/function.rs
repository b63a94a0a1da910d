//! Scalar functions: how they are found, bound to argument types, and run over columns.
//!
//! Protocol: the binder looks a name up in the [`FunctionRegistry`], calls [`ScalarFunction::bind`] with the
//! types (and constant values) of the arguments, inserts the casts that the answer asks for, and keeps the
//! [`Kernel`]. A kernel is called once per chunk.

use crate::aggregate::AggregateFunction;
use crate::{Datum, EvalContext};
use arrow_array::ArrayRef;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tidemill_types::{DataType, Result};

/// What of the session a function may depend on; fixed when the statement is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionInfo {
    /// `table.local-time-zone`.
    pub zone: chrono_tz::Tz,
    /// `table.exec.legacy-cast-behaviour`: failing casts give NULL.
    pub legacy_cast: bool,
    /// Whether the statement runs in batch mode.
    pub batch: bool,
}

/// One argument as the binder sees it.
#[derive(Debug, Clone, Copy)]
pub struct ArgumentInfo<'a> {
    /// Its type.
    pub data_type: &'a DataType,
    /// Its value (an array of length one), if it is a constant.
    pub literal: Option<&'a ArrayRef>,
}

/// A call to be bound.
#[derive(Debug, Clone, Copy)]
pub struct BindCall<'a> {
    /// The arguments.
    pub args: &'a [ArgumentInfo<'a>],
    /// The session.
    pub session: SessionInfo,
}

/// A bound scalar function.
#[derive(Clone)]
pub struct BoundScalar {
    /// The types the kernel wants; the binder casts arguments whose kind differs.
    pub arg_types: Vec<DataType>,
    /// The type of the result.
    pub return_type: DataType,
    /// What computes it.
    pub kernel: Arc<dyn Kernel>,
}

/// A function by name, for all its argument types.
pub trait ScalarFunction: Send + Sync {
    /// Chooses kernel and types, or says which forms there are. The message names no place; the binder adds it.
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar>;
}

/// Computes a bound function over a chunk.
pub trait Kernel: Send + Sync {
    /// One result for each of `ctx.rows` rows, or a constant. The arguments have the bound types. NULL in
    /// means what the function says. An error ends the run, so a kernel fails only where Flink does.
    fn eval(&self, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum>;

    /// Whether two calls with the same arguments may differ (RAND, UUID, clocks, CURRENT_WATERMARK): such
    /// a call is never folded or shared.
    fn volatile(&self) -> bool {
        false
    }

    /// Whether no value of the arguments can make it fail, so that it may be computed for rows that a
    /// CASE or AND leaves out.
    fn infallible(&self) -> bool {
        false
    }
}

/// How a cast is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CastMode {
    /// `CAST`: a value that can't be cast fails the run.
    Cast,
    /// `TRY_CAST`: such a value becomes NULL.
    TryCast,
    /// Inserted by the binder; only widening or as an INSERT allows.
    Implicit,
}

/// Finds the kernel of a cast, `None` if there is no such cast.
pub type CastLookup = fn(&DataType, &DataType, CastMode, SessionInfo) -> Option<Arc<dyn Kernel>>;

/// All functions a session may call, by upper-case name.
#[derive(Default, Clone)]
pub struct FunctionRegistry {
    /// Scalar functions and operators (`+`, `=`, `LIKE` … under their own sign).
    pub scalars: BTreeMap<String, Arc<dyn ScalarFunction>>,
    /// Scalar functions by the Java class that they stand for, until CREATE FUNCTION gives them a name.
    pub classes: BTreeMap<String, Arc<dyn ScalarFunction>>,
    /// Aggregate functions.
    pub aggregates: BTreeMap<String, Arc<dyn AggregateFunction>>,
    /// Casts.
    pub cast: Option<CastLookup>,
    /// The least type that can hold values of all the given ones.
    pub common_type: Option<fn(&[DataType]) -> Option<DataType>>,
    /// The type of functions that give one of several values, such as COALESCE.
    pub merged_type: Option<fn(&[DataType]) -> Option<DataType>>,
    /// Whether a value of the first type may stand where the second is wanted, without a CAST.
    pub implicit_cast: Option<fn(&DataType, &DataType) -> bool>,
}

impl FunctionRegistry {
    /// The scalar function of this name, in any case.
    pub fn scalar(&self, name: &str) -> Option<&Arc<dyn ScalarFunction>> {
        self.scalars.get(&name.to_uppercase())
    }

    /// The aggregate function of this name, in any case.
    pub fn aggregate(&self, name: &str) -> Option<&Arc<dyn AggregateFunction>> {
        self.aggregates.get(&name.to_uppercase())
    }

    /// The kernel of a cast.
    pub fn cast(
        &self,
        from: &DataType,
        to: &DataType,
        mode: CastMode,
        session: SessionInfo,
    ) -> Option<Arc<dyn Kernel>> {
        self.cast.and_then(|lookup| lookup(from, to, mode, session))
    }

    /// The type of COALESCE, IFNULL, GREATEST and LEAST over values of these types, if any.
    pub fn merged_type(&self, types: &[DataType]) -> Option<DataType> {
        self.merged_type.and_then(|merged| merged(types))
    }

    /// The least type that values of all of `types` can take (CASE, UNION, VALUES, IN), if any.
    pub fn common_type(&self, types: &[DataType]) -> Option<DataType> {
        self.common_type.and_then(|common| common(types))
    }

    /// Whether an INSERT may put a value of `from` into a column of `to`.
    pub fn can_implicitly_cast(&self, from: &DataType, to: &DataType) -> bool {
        self.implicit_cast.is_some_and(|allowed| allowed(from, to))
    }
}

impl fmt::Debug for FunctionRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} scalar and {} aggregate functions", self.scalars.len(), self.aggregates.len())
    }
}
