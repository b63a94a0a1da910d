//! An argument or result of a kernel: a column, or one value that stands for every row.

use arrow_array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow_select::take::take;

/// A column or a constant.
#[derive(Debug, Clone)]
pub enum Datum {
    /// One value for each row.
    Array(ArrayRef),
    /// An array of one value that holds for all rows.
    Scalar(ArrayRef),
}

impl Datum {
    /// The array behind it: as long as the chunk, or of length one.
    pub fn array(&self) -> &ArrayRef {
        match self {
            Datum::Array(array) | Datum::Scalar(array) => array,
        }
    }

    /// Where in [`Datum::array`] the value of `row` stands.
    #[inline]
    pub fn index(&self, row: usize) -> usize {
        match self {
            Datum::Array(_) => row,
            Datum::Scalar(_) => 0,
        }
    }

    /// 1 for a column, 0 for a constant: `row * stride` is the index of a row's value.
    #[inline]
    pub fn stride(&self) -> usize {
        match self {
            Datum::Array(_) => 1,
            Datum::Scalar(_) => 0,
        }
    }

    /// Whether the value of `row` is NULL.
    pub fn is_null(&self, row: usize) -> bool {
        self.array().is_null(self.index(row))
    }

    /// Whether it is a constant.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Datum::Scalar(_))
    }

    /// The column of `rows` values; a constant is repeated.
    pub fn into_array(self, rows: usize) -> ArrayRef {
        match self {
            Datum::Array(array) => array,
            Datum::Scalar(value) if rows == 1 => value,
            Datum::Scalar(value) if value.is_null(0) => new_null_array(value.data_type(), rows),
            Datum::Scalar(value) => {
                let zeros = UInt32Array::from(vec![0; rows]);
                take(&value, &zeros, None).expect("a constant holds one value")
            }
        }
    }
}
