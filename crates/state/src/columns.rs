//! Saved rows column by column: numbers packed as narrow as their range allows, bytes with their lengths apart.
//!
//! Little-endian. A column of numbers is `width u8 · base i64`, and for each row the number less `base` in so many bytes
//! (0, 1, 2, 4 or 8); where the width is 16, the number itself. A column of bytes is a column of numbers (0: there are none,
//! else their length and 1), `length of all u64` and the bytes.
//! Invariant: nothing depends on the kind of a row but its key group, so writing a cell is a copy from a list to a
//! list, without a decision.

mod reader;
mod writer;

pub(crate) use reader::{ColumnReader, Numbers};
pub(crate) use writer::ColumnWriter;

/// The width of numbers in full.
const WIDE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of two outputs come back as what was written.
    fn round_trip(write: impl Fn(&mut ColumnWriter<'_>), read: impl Fn(usize, ColumnReader<'_>)) {
        let to: Vec<u16> = (0..1000).map(|row| u16::from(row % 3 == 0)).collect();
        let mut outs = [Vec::new(), Vec::new()];
        write(&mut ColumnWriter::new(&to, outs.iter_mut().collect(), vec![666, 334]));
        for (at, bytes) in outs.iter().enumerate() {
            read(at, ColumnReader::new([666, 334][at], bytes));
            for cut in (0..bytes.len()).step_by(97) {
                let mut columns = ColumnReader::new([666, 334][at], &bytes[..cut]);
                assert!(columns.numbers().is_err() || columns.bytes().is_err(), "cut at {cut}");
            }
        }
    }

    /// The number of the `at`th row of an output.
    fn row_of(out: usize, at: usize) -> usize {
        if out == 1 { at * 3 } else { at / 2 * 3 + at % 2 + 1 }
    }

    #[test]
    fn numbers_of_all_widths_and_bytes_come_back() {
        let text = "x".repeat(1000);
        for factor in [0, 1, 50, 1 << 20, 1 << 40, i64::MAX / 1000] {
            let number = |row: usize| -77 + row as i64 * factor;
            let bytes = |row: usize| (!row.is_multiple_of(5)).then(|| &text.as_bytes()[..row % 7]);
            round_trip(
                |out| {
                    out.numbers(number);
                    out.bytes(bytes);
                },
                |out, mut columns| {
                    let mut seen = 0;
                    let numbers = columns.numbers().unwrap();
                    numbers.for_each(|at, value| {
                        assert_eq!(value, number(row_of(out, at)));
                        seen += 1;
                    });
                    let column = columns.bytes().unwrap();
                    let each = |at, value| {
                        assert_eq!(value, bytes(row_of(out, at)));
                        seen += 1;
                    };
                    column.for_each(each).unwrap();
                    assert_eq!(seen, columns.rows() * 2);
                },
            );
        }
    }

    #[test]
    fn wide_numbers_come_back_and_are_narrow_where_they_can_be() {
        for factor in [1, i128::MAX / 1000] {
            let number = |row: usize| i128::from(row as u64) * factor;
            round_trip(
                |out| {
                    out.wide_numbers(number);
                    out.numbers(|_| 1);
                },
                |out, mut columns| {
                    let numbers = columns.numbers().unwrap();
                    assert_eq!(numbers.width(), if factor == 1 { 2 } else { WIDE });
                    numbers.for_each_wide(|at, value| assert_eq!(value, number(row_of(out, at))));
                    assert_eq!(columns.numbers().unwrap().width(), 0);
                },
            );
        }
    }

    #[test]
    fn the_ends_of_the_range_come_back() {
        let ends = [i64::MIN, i64::MAX, 0, -1];
        round_trip(
            |out| {
                out.numbers(|row| ends[row % 4]);
                out.wide_numbers(|row| if row == 0 { i128::MIN } else { i128::MAX });
            },
            |out, mut columns| {
                let numbers = columns.numbers().unwrap();
                numbers.for_each(|at, value| assert_eq!(value, ends[row_of(out, at) % 4]));
                let wide = columns.numbers().unwrap();
                wide.for_each_wide(|at, value| {
                    assert_eq!(value == i128::MIN, row_of(out, at) == 0);
                });
            },
        );
    }
}
