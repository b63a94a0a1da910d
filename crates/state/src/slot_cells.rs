//! The values behind slots: typed columns of cells and counted sets, grown and cleared together.
//!
//! Invariant: a slot that nobody holds is neutral in every column.

use crate::CountedSets;
use crate::columns::{ColumnReader, ColumnWriter};
use crate::room::room_for;
use crate::snapshot::{Reader, write_prefixed};
use tidemill_types::cells::{decode_multiset, encode_multiset};
use tidemill_types::key::hash as hash_key;
use tidemill_types::{CellKind, Cells, Result};

/// All value columns of a table.
#[derive(Debug, Clone, Default)]
pub struct SlotCells {
    /// The typed columns.
    pub cells: Vec<Cells>,
    /// The counted sets, one column for each DISTINCT argument.
    pub sets: Vec<CountedSets>,
    len: usize,
    /// How many slots there is room for.
    room: usize,
    schema: u64,
}

impl SlotCells {
    /// Columns of these kinds and so many columns of counted sets.
    pub fn new(kinds: &[CellKind], sets: usize) -> Self {
        let mut layout: Vec<u8> = kinds.iter().map(|&kind| kind as u8).collect();
        layout.extend(std::iter::repeat_n(u8::MAX, sets));
        SlotCells {
            cells: kinds.iter().map(|&kind| Cells::new(kind)).collect(),
            sets: vec![CountedSets::default(); sets],
            len: 0,
            room: 0,
            schema: hash_key(&layout),
        }
    }

    /// Which columns there are, as a number.
    pub fn schema_id(&self) -> u64 {
        self.schema
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Grows to `len` slots.
    pub fn grow(&mut self, len: usize) {
        if len > self.len {
            if len > self.room {
                self.room = room_for(self.len, len - self.len);
                let more = self.room - self.len;
                self.cells.iter_mut().for_each(|column| column.reserve(more));
            }
            self.cells.iter_mut().for_each(|column| column.resize(len));
            self.sets.iter_mut().for_each(|sets| sets.resize(len));
            self.len = len;
        }
    }

    /// Makes these slots neutral.
    pub fn clear(&mut self, slots: &[u32]) {
        for column in &mut self.cells {
            match column {
                Cells::I64(values) => slots.iter().for_each(|&slot| values[slot as usize] = 0),
                other => slots.iter().for_each(|&slot| other.clear(slot)),
            }
        }
        for sets in &mut self.sets {
            slots.iter().for_each(|&slot| sets.clear(slot));
        }
    }

    /// Appends the values of a slot to a saved row.
    pub fn write(&self, slot: u32, out: &mut Vec<u8>) {
        let at = slot as usize;
        for column in &self.cells {
            match column {
                Cells::I64(values) => out.extend_from_slice(&values[at].to_le_bytes()),
                Cells::I128(values) => out.extend_from_slice(&values[at].to_le_bytes()),
                Cells::F64(values) => out.extend_from_slice(&values[at].to_le_bytes()),
                Cells::Bytes(values) => {
                    out.push(u8::from(values[at].is_some()));
                    values[at].iter().for_each(|value| write_prefixed(out, value));
                }
                Cells::Multiset(values) => write_prefixed(out, &encode_multiset(&values[at])),
            }
        }
        self.sets.iter().for_each(|sets| sets.write(slot, out));
    }

    /// The reverse of [`SlotCells::write`].
    pub fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<()> {
        let at = slot as usize;
        for column in &mut self.cells {
            match column {
                Cells::I64(values) => values[at] = from.i64()?,
                Cells::I128(values) => values[at] = from.i128()?,
                Cells::F64(values) => values[at] = f64::from_bits(from.u64()?),
                Cells::Bytes(values) => {
                    values[at] = match from.u8()? {
                        0 => None,
                        _ => Some(from.prefixed()?.into()),
                    }
                }
                Cells::Multiset(values) => values[at] = decode_multiset(from.prefixed()?),
            }
        }
        self.sets.iter_mut().try_for_each(|sets| sets.read(slot, from))
    }

    /// About how many bytes a row takes in columns, without what has no fixed size.
    pub(crate) fn row_bytes(&self) -> usize {
        self.cells.len() * 8 + self.sets.len() * 4
    }

    /// Writes the values of these slots column by column.
    pub(crate) fn write_columns(&self, slots: &[u32], out: &mut ColumnWriter<'_>) {
        let at = |row: usize| slots[row] as usize;
        for column in &self.cells {
            match column {
                Cells::I64(values) => out.numbers(|row| values[at(row)]),
                Cells::I128(values) => out.wide_numbers(|row| values[at(row)]),
                Cells::F64(values) => out.numbers(|row| values[at(row)].to_bits() as i64),
                Cells::Bytes(values) => out.bytes(|row| values[at(row)].as_deref()),
                Cells::Multiset(values) => {
                    out.made(|row, bytes| bytes.extend_from_slice(&encode_multiset(&values[at(row)])));
                }
            }
        }
        self.sets.iter().for_each(|sets| out.made(|row, bytes| sets.write(slots[row], bytes)));
    }

    /// The reverse of [`SlotCells::write_columns`].
    pub(crate) fn read_columns(&mut self, slots: &[u32], from: &mut ColumnReader<'_>) -> Result<()> {
        let at = |row: usize| slots[row] as usize;
        for column in &mut self.cells {
            match column {
                Cells::I64(values) => from.numbers()?.for_each(|row, value| values[at(row)] = value),
                Cells::I128(values) => from.numbers()?.for_each_wide(|row, value| values[at(row)] = value),
                Cells::F64(values) => {
                    from.numbers()?.for_each(|row, bits| values[at(row)] = f64::from_bits(bits as u64));
                }
                Cells::Bytes(values) => {
                    from.bytes()?.for_each(|row, value| values[at(row)] = value.map(Into::into))?;
                }
                Cells::Multiset(values) => {
                    let set = |row, value: Option<&[u8]>| {
                        values[at(row)] = decode_multiset(value.unwrap_or_default())
                    };
                    from.bytes()?.for_each(set)?;
                }
            }
        }
        self.sets.iter_mut().try_for_each(|sets| read_sets(sets, slots, from))
    }

    /// Forgets all slots.
    pub fn reset(&mut self) {
        let kinds: Vec<CellKind> = self.cells.iter().map(Cells::kind).collect();
        *self = SlotCells::new(&kinds, self.sets.len());
    }

    /// The memory it takes, roughly.
    pub fn bytes(&self) -> usize {
        self.cells.iter().map(Cells::bytes).sum::<usize>()
            + self.sets.iter().map(CountedSets::bytes).sum::<usize>()
    }
}

fn read_sets(sets: &mut CountedSets, slots: &[u32], from: &mut ColumnReader<'_>) -> Result<()> {
    let mut read = Ok(());
    from.bytes()?.for_each(|row, value| {
        let mut reader = Reader::new(value.unwrap_or_default());
        sets.clear(slots[row]);
        if read.is_ok() {
            read = sets.read(slots[row], &mut reader);
        }
    })?;
    read
}
