//! Aggregate functions: stateless objects over state cells that somebody else owns.
//!
//! Protocol: an [`Accumulator`] says which cells it keeps for each group. Rows come with the slots of their
//! groups; the accumulator changes the cells at those slots. Since all it knows lies in the cells, panes can
//! be merged, partial results exchanged, and state snapshotted without it.

use crate::function::BindCall;
use arrow_array::{ArrayRef, BooleanArray};
use std::fmt;
use std::sync::Arc;
use tidemill_types::{CellKind, Cells, DataType, Result, RowKind};

/// The rows of one chunk for one accumulator.
#[derive(Debug, Clone, Copy)]
pub struct UpdateBatch<'a> {
    /// The slot of each row's group.
    pub slots: &'a [u32],
    /// The arguments, one value a row.
    pub args: &'a [ArrayRef],
    /// The kind of each row; `-U` and `-D` take back. Absent: all add.
    pub kinds: Option<&'a [RowKind]>,
    /// Rows that count; absent: all. Never holds NULLs.
    pub filter: Option<&'a BooleanArray>,
}

/// One change of a group, or a look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// This row of the arguments is added.
    Add(u32),
    /// This row of the arguments is taken back.
    Take(u32),
    /// The result is wanted.
    Give,
    /// The group starts anew.
    Clear,
}

/// Changes of groups with looks at them in between, for one accumulator.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'a> {
    /// The group of each step.
    pub slots: &'a [u32],
    /// The steps in order.
    pub steps: &'a [Step],
    /// The arguments by row.
    pub args: &'a [ArrayRef],
    /// Rows that count; absent: all. Never holds NULLs.
    pub filter: Option<&'a BooleanArray>,
}

/// How one bound aggregate keeps and changes its cells.
pub trait Accumulator: Send + Sync {
    /// The cells of one group, in order. All start neutral.
    fn cells(&self) -> Vec<CellKind>;

    /// Adds (or takes back) the rows.
    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()>;

    /// Adds partial results: `partial` holds what [`Cells::to_array`] gave for each of [`Accumulator::cells`],
    /// row `i` goes to `slots[i]`. Partials come in the order of their rows (FIRST_VALUE, LISTAGG).
    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()>;

    /// The results of these groups, in the return type.
    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef>;

    /// Does the steps in order and gives the result of each [`Step::Give`]; `None` if it can do no better than
    /// [`Accumulator::update`] and [`Accumulator::finish`] row by row.
    fn run(&self, _cells: &mut [Cells], _steps: &Steps<'_>) -> Result<Option<ArrayRef>> {
        Ok(None)
    }

    /// Whether rows may be taken back.
    fn retracts(&self) -> bool;

    /// Whether the result depends on the order of the rows.
    fn ordered(&self) -> bool {
        false
    }

    /// Whether a merged partial can be taken away again exactly by [`Accumulator::unmerge`].
    fn invertible(&self) -> bool {
        false
    }

    /// The reverse of [`Accumulator::merge`]; only called if [`Accumulator::invertible`].
    fn unmerge(&self, _cells: &mut [Cells], _slots: &[u32], _partial: &[ArrayRef]) -> Result<()> {
        Err(tidemill_types::Error::internal("an aggregate without an inverse was asked to unmerge"))
    }
}

/// What binding an aggregate gave.
#[derive(Clone)]
pub struct BoundAggregate {
    /// The types the accumulator wants.
    pub arg_types: Vec<DataType>,
    /// The type of the result.
    pub return_type: DataType,
    /// What keeps it.
    pub accumulator: Arc<dyn Accumulator>,
}

/// An aggregate function by name.
pub trait AggregateFunction: Send + Sync {
    /// Chooses accumulator and types. `retract` asks for one that takes rows back (it may keep more).
    fn bind(&self, call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate>;
}

/// One aggregate of a plan node.
#[derive(Clone)]
pub struct AggregateCall {
    /// How EXPLAIN shows it.
    pub text: String,
    /// The input columns that are its arguments.
    pub args: Vec<usize>,
    /// The types of the arguments.
    pub arg_types: Vec<DataType>,
    /// The boolean input column of its FILTER.
    pub filter: Option<usize>,
    /// Whether each value counts once.
    pub distinct: bool,
    /// The type of the result.
    pub return_type: DataType,
    /// What keeps it; for `distinct` it sees each value once.
    pub accumulator: Arc<dyn Accumulator>,
}

impl fmt::Debug for AggregateCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
