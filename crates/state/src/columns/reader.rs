//! Reads columns.

use super::WIDE;
use crate::snapshot::{Reader, damaged};
use tidemill_types::Result;
use tidemill_types::key::EncodedKeys;

/// So many keys are looked for together.
const BATCH: usize = 4_096;

/// Reads the columns of rows one after another.
#[derive(Debug)]
pub(crate) struct ColumnReader<'a> {
    rows: usize,
    reader: Reader<'a>,
}

impl<'a> ColumnReader<'a> {
    /// Starts at the first column.
    pub(crate) fn new(rows: usize, bytes: &'a [u8]) -> Self {
        ColumnReader { rows, reader: Reader::new(bytes) }
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The next column, of numbers.
    pub(crate) fn numbers(&mut self) -> Result<Numbers<'a>> {
        let (width, base) = (usize::from(self.reader.u8()?), self.reader.i64()?);
        if ![0, 1, 2, 4, 8, WIDE].contains(&width) {
            return Err(damaged());
        }
        let bytes = self.reader.bytes(self.rows.checked_mul(width).ok_or_else(damaged)?)?;
        Ok(Numbers { rows: self.rows, width, base, bytes })
    }

    /// The next column, of bytes.
    pub(crate) fn bytes(&mut self) -> Result<Bytes<'a>> {
        let lens = self.numbers()?;
        let size = usize::try_from(self.reader.u64()?).map_err(|_| damaged())?;
        Ok(Bytes { lens, bytes: self.reader.bytes(size)? })
    }
}

/// A column of numbers.
#[derive(Debug)]
pub(crate) struct Numbers<'a> {
    rows: usize,
    width: usize,
    base: i64,
    bytes: &'a [u8],
}

impl Numbers<'_> {
    /// How many bytes each takes.
    #[cfg(test)]
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Shows the number of each row; one that is too wide is cut.
    pub(crate) fn for_each(&self, mut each: impl FnMut(usize, i64)) {
        let base = self.base;
        match self.width {
            0 => (0..self.rows).for_each(|row| each(row, base)),
            1 => self.cells::<1>(|row, cell| each(row, base.wrapping_add(i64::from(cell[0])))),
            2 => self.cells(|row, cell| each(row, base.wrapping_add(i64::from(u16::from_le_bytes(cell))))),
            4 => self.cells(|row, cell| each(row, base.wrapping_add(i64::from(u32::from_le_bytes(cell))))),
            8 => self.cells(|row, cell| each(row, base.wrapping_add(i64::from_le_bytes(cell)))),
            _ => self.cells(|row, cell| each(row, i128::from_le_bytes(cell) as i64)),
        }
    }

    /// Shows the number of each row.
    pub(crate) fn for_each_wide(&self, mut each: impl FnMut(usize, i128)) {
        match self.width {
            WIDE => self.cells(|row, cell| each(row, i128::from_le_bytes(cell))),
            _ => self.for_each(|row, value| each(row, i128::from(value))),
        }
    }

    #[inline]
    fn cells<const N: usize>(&self, mut each: impl FnMut(usize, [u8; N])) {
        let (cells, _) = self.bytes.as_chunks::<N>();
        cells.iter().enumerate().for_each(|(row, cell)| each(row, *cell));
    }
}

/// A column of bytes.
#[derive(Debug)]
pub(crate) struct Bytes<'a> {
    lens: Numbers<'a>,
    bytes: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// Shows the bytes of each row, or that there are none.
    pub(crate) fn for_each(&self, mut each: impl FnMut(usize, Option<&'a [u8]>)) -> Result<()> {
        let (mut left, mut whole) = (self.bytes, true);
        self.lens.for_each(|row, len| {
            let len_of = usize::try_from(len.wrapping_sub(1)).ok();
            let split = len_of.and_then(|len| left.split_at_checked(len));
            match split {
                Some((value, rest)) => {
                    left = rest;
                    each(row, Some(value));
                }
                None => {
                    whole &= len == 0;
                    each(row, None);
                }
            }
        });
        match whole && left.is_empty() {
            true => Ok(()),
            false => Err(damaged()),
        }
    }

    /// Gives the bytes of all rows as keys, some at a time.
    pub(crate) fn for_each_batch(&self, mut take: impl FnMut(&EncodedKeys)) -> Result<()> {
        let mut keys = EncodedKeys::default();
        self.for_each(|_, key| {
            keys.bytes.extend_from_slice(key.unwrap_or_default());
            keys.ends.push(keys.bytes.len() as u32);
            if keys.ends.len() == BATCH {
                take(&keys);
                keys.bytes.clear();
                keys.ends.clear();
            }
        })?;
        take(&keys);
        Ok(())
    }
}
