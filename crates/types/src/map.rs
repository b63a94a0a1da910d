//! Columns of maps and multisets.
//!
//! Arrow's maps can't have NULL as a key, Flink's can. So each key lies in a row of one nullable field that is
//! never NULL itself; only this module knows, and hands out the keys without it.

use crate::arrow_type::entries_field;
use crate::{ArrayRef, DataType};
use arrow_array::cast::AsArray;
use arrow_array::{MapArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType as Arrow;
use std::sync::Arc;

/// A column of maps from `types.0` to `types.1`: the entries of all, and where those of each map end.
///
/// # Panics
/// If the keys and values are not of these types or not as many as the offsets say.
pub fn map_array(
    types: (&DataType, &DataType),
    offsets: OffsetBuffer<i32>,
    (keys, values): (ArrayRef, ArrayRef),
    nulls: Option<NullBuffer>,
) -> MapArray {
    let field = entries_field(types.0, types.1);
    let Arrow::Struct(fields) = field.data_type() else { unreachable!("entries are rows") };
    let Arrow::Struct(key) = fields[0].data_type() else { unreachable!("keys lie in rows") };
    let keys: ArrayRef = Arc::new(StructArray::new(key.clone(), vec![keys], None));
    let entries = StructArray::new(fields.clone(), vec![keys, values], None);
    MapArray::new(field, offsets, entries, nulls, false)
}

/// The keys of all entries of a column of maps.
pub fn map_keys(map: &MapArray) -> &ArrayRef {
    map.keys().as_struct().column(0)
}

/// The keys and values of one map.
pub fn map_entries(map: &MapArray, row: usize) -> (ArrayRef, ArrayRef) {
    let offsets = map.value_offsets();
    let (start, length) = (offsets[row] as usize, (offsets[row + 1] - offsets[row]) as usize);
    (map_keys(map).slice(start, length), map.values().slice(start, length))
}
