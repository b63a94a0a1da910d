//! What a table holds, one entry after another, for people who look into a checkpoint. Not for operators.

use crate::SlotCells;

/// One entry of a table, as far as the table itself understands it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entry<'a> {
    /// The encoded key.
    pub key: Option<&'a [u8]>,
    /// A row in the form its operator gave it.
    pub row: Option<&'a [u8]>,
    /// What the rows of a key are ordered by.
    pub sort_key: Option<&'a [u8]>,
    /// Numbers with what they mean.
    pub numbers: &'a [(&'static str, i64)],
    /// Values with their slot.
    pub cells: Option<(&'a SlotCells, u32)>,
}
