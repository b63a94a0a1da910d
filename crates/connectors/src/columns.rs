//! Arrow columns from plain vectors, in the layout that all crates share.

use arrow_array::{ArrayRef, StringViewArray, make_array};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use std::sync::Arc;
use tidemill_types::DataType;
use tidemill_types::arrow_type::arrow_type;

/// A column of a fixed-width type; `T` must be as wide as the type's values.
pub(crate) fn fixed<T: ArrowNativeType>(
    data_type: &DataType,
    values: Vec<T>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let data = ArrayData::builder(arrow_type(data_type))
        .len(values.len())
        .nulls(nulls)
        .add_buffer(Buffer::from_vec(values))
        .build()
        .expect("the values are as wide as the type");
    make_array(data)
}

/// A text column of views into these buffers.
pub(crate) fn text(views: Vec<u128>, buffers: Vec<Buffer>, nulls: Option<NullBuffer>) -> ArrayRef {
    let array = StringViewArray::try_new(ScalarBuffer::from(views), buffers, nulls);
    Arc::new(array.expect("views were made over UTF-8 inside their buffers"))
}
