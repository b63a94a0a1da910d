//! Writes columns: each row's cell goes to the output of its key group.

use super::WIDE;

/// Writes the columns of rows into several outputs, each in the order of its rows.
pub(crate) struct ColumnWriter<'a> {
    /// The output of each row.
    to: &'a [u16],
    outs: Vec<&'a mut Vec<u8>>,
    /// How many rows each output gets.
    rows: Vec<usize>,
}

impl<'a> ColumnWriter<'a> {
    /// A writer of rows of which each goes to one of the outputs.
    pub(crate) fn new(to: &'a [u16], outs: Vec<&'a mut Vec<u8>>, rows: Vec<usize>) -> Self {
        ColumnWriter { to, outs, rows }
    }

    /// A column of numbers.
    pub(crate) fn numbers(&mut self, value: impl Fn(usize) -> i64) {
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for row in 0..self.to.len() {
            let value = value(row);
            (low, high) = (low.min(value), high.max(value));
        }
        match high.wrapping_sub(low) as u64 {
            0 => self.heads(0, low),
            1..=0xFF => self.packed::<1>(low, value),
            0x100..=0xFFFF => self.packed::<2>(low, value),
            0x1_0000..=0xFFFF_FFFF => self.packed::<4>(low, value),
            _ => self.packed::<8>(low, value),
        }
    }

    /// A column of numbers, some of which may need more than 64 bits.
    pub(crate) fn wide_numbers(&mut self, value: impl Fn(usize) -> i128) {
        if (0..self.to.len()).all(|row| i64::try_from(value(row)).is_ok()) {
            return self.numbers(|row| value(row) as i64);
        }
        self.heads(WIDE, 0);
        self.scatter::<WIDE>(|row| value(row).to_le_bytes());
    }

    fn packed<const WIDTH: usize>(&mut self, base: i64, value: impl Fn(usize) -> i64) {
        self.heads(WIDTH, base);
        self.scatter::<WIDTH>(|row| {
            let bytes = value(row).wrapping_sub(base).to_le_bytes();
            *bytes.first_chunk::<WIDTH>().expect("no packed number is wider than eight bytes")
        });
    }

    fn heads(&mut self, width: usize, base: i64) {
        for (out, _) in self.outs.iter_mut().zip(&self.rows).filter(|(_, rows)| **rows > 0) {
            out.push(width as u8);
            out.extend_from_slice(&base.to_le_bytes());
        }
    }

    /// Appends a cell of `N` bytes for each row.
    fn scatter<const N: usize>(&mut self, value: impl Fn(usize) -> [u8; N]) {
        let sizes: Vec<usize> = self.rows.iter().map(|rows| rows * N).collect();
        let to = self.to;
        let mut tails = self.extend(&sizes);
        for (row, &to) in to.iter().enumerate() {
            let tail = &mut tails[usize::from(to)];
            if let Some((cell, rest)) = std::mem::take(tail).split_first_chunk_mut::<N>() {
                *cell = value(row);
                *tail = rest;
            }
        }
    }

    /// Makes each output longer by so many bytes, and gives those.
    fn extend(&mut self, sizes: &[usize]) -> Vec<&mut [u8]> {
        let extend = |(out, &size): (&mut &mut Vec<u8>, &usize)| {
            let from = out.len();
            out.resize(from + size, 0);
            from
        };
        let froms: Vec<usize> = self.outs.iter_mut().zip(sizes).map(extend).collect();
        self.outs.iter_mut().zip(froms).map(|(out, from)| &mut out[from..]).collect()
    }

    /// A column of bytes, or of none.
    pub(crate) fn bytes<'b>(&mut self, value: impl Fn(usize) -> Option<&'b [u8]>) {
        self.numbers(|row| value(row).map_or(0, |value| value.len() as i64 + 1));
        let mut sizes = vec![0; self.outs.len()];
        for (row, &to) in self.to.iter().enumerate() {
            sizes[usize::from(to)] += value(row).map_or(0, <[u8]>::len);
        }
        self.sizes(&sizes);
        let to = self.to;
        let mut tails = self.extend(&sizes);
        for (row, &to) in to.iter().enumerate() {
            let Some(value) = value(row) else { continue };
            let tail = &mut tails[usize::from(to)];
            let (cell, rest) = std::mem::take(tail).split_at_mut(value.len());
            cell.copy_from_slice(value);
            *tail = rest;
        }
    }

    fn sizes(&mut self, sizes: &[usize]) {
        for ((out, _), size) in
            self.outs.iter_mut().zip(&self.rows).zip(sizes).filter(|((_, rows), _)| **rows > 0)
        {
            out.extend_from_slice(&(*size as u64).to_le_bytes());
        }
    }

    /// A column of bytes of which all are `len` long.
    pub(crate) fn even_bytes<'b>(&mut self, len: usize, value: impl Fn(usize) -> &'b [u8]) {
        match len {
            5 => self.even::<5>(value),
            9 => self.even::<9>(value),
            10 => self.even::<10>(value),
            18 => self.even::<18>(value),
            _ => self.bytes(|row| Some(value(row))),
        }
    }

    fn even<'b, const N: usize>(&mut self, value: impl Fn(usize) -> &'b [u8]) {
        self.heads(0, N as i64 + 1);
        let sizes: Vec<usize> = self.rows.iter().map(|rows| rows * N).collect();
        self.sizes(&sizes);
        self.scatter::<N>(|row| *value(row).first_chunk::<N>().expect("all have this length"));
    }

    /// A column of bytes that are made on the way.
    pub(crate) fn made(&mut self, make: impl Fn(usize, &mut Vec<u8>)) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(self.to.len() + 1));
        ends.push(0);
        for row in 0..self.to.len() {
            make(row, &mut bytes);
            ends.push(bytes.len());
        }
        self.bytes(|row| Some(&bytes[ends[row]..ends[row + 1]]));
    }
}
