//! Reading list arguments and building lists out of picked elements.

use crate::lane::{as_datum, row_count};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_select::interleave::interleave;
use std::ops::Range;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext};
use tidemill_types::arrow_type::element_field;
use tidemill_types::{DataType, Error, Result, TypeKind};

/// A list argument.
pub struct ListReader<'a> {
    datum: &'a Datum,
    array: &'a ListArray,
}

impl<'a> ListReader<'a> {
    /// Reads this argument.
    pub fn new(datum: &'a Datum) -> Self {
        ListReader { datum, array: datum.array().as_list::<i32>() }
    }

    /// Where a row's elements stand in [`ListReader::values`].
    pub fn range(&self, row: usize) -> Option<Range<usize>> {
        let index = self.datum.index(row);
        if self.array.is_null(index) {
            return None;
        }
        let offsets = self.array.value_offsets();
        Some(offsets[index] as usize..offsets[index + 1] as usize)
    }

    /// The elements of all rows.
    pub fn values(&self) -> &'a ArrayRef {
        self.array.values()
    }
}

/// An element: the number of a source and the index in it.
pub type Pick = (usize, usize);

/// Builds lists of `element` out of `sources`. `pick` appends a row's elements, and says whether it is a list
/// at all.
pub fn build(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    element: &DataType,
    sources: &[&ArrayRef],
    mut pick: impl FnMut(usize, &mut Vec<Pick>) -> bool,
) -> Result<Datum> {
    let rows = row_count(args, ctx);
    let mut picks = Vec::new();
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0i32);
    let mut valid = Vec::with_capacity(rows);
    for row in 0..rows {
        let start = picks.len();
        let some = pick(row, &mut picks);
        if !some {
            picks.truncate(start);
        }
        valid.push(some);
        let end = i32::try_from(picks.len()).map_err(|_| Error::data("a list is too long"))?;
        offsets.push(end);
    }
    let values = gather(sources, &picks)?;
    let list = ListArray::try_new(
        element_field(element),
        OffsetBuffer::new(offsets.into()),
        values,
        Some(NullBuffer::from(valid)),
    );
    let list = list.map_err(|error| Error::internal(format!("building lists: {error}")))?;
    Ok(as_datum(args, Arc::new(list)))
}

/// The picked elements as one column.
pub fn gather(sources: &[&ArrayRef], picks: &[Pick]) -> Result<ArrayRef> {
    let sources: Vec<&dyn Array> = sources.iter().map(|source| source.as_ref()).collect();
    interleave(&sources, picks).map_err(|error| Error::internal(format!("elements of one type: {error}")))
}

/// The type of a list's elements.
pub fn element_type(data_type: &DataType) -> Option<&DataType> {
    match &data_type.kind {
        TypeKind::Array(element) => Some(element),
        _ => None,
    }
}

/// A list type.
pub fn list_of(element: DataType, nullable: bool) -> DataType {
    DataType { kind: TypeKind::Array(Box::new(element)), nullable }
}
