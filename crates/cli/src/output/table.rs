//! Rows as a table with lines around the cells.
//!
//! The answer of a bounded query is held back, up to a limit, so that its widths fit and the column of
//! changes is left out where all rows are insertions. The rows of an endless one are printed as they come:
//! the first ones decide the widths, a longer value widens its column from there on, and the header comes again
//! after a screenful.

use super::width::{pad, visible, width};
use std::io::{self, Write};
use tidemill_engine::{ResultBatch, ResultColumn};

/// Rows that are held back at most.
const HELD_ROWS_MAX: usize = 10_000;
/// After so many rows of an endless result its header comes again.
const HEADER_EVERY: usize = 40;

/// Prints rows as a table.
pub(crate) struct TablePrinter<W> {
    out: W,
    columns: Vec<ResultColumn>,
    widths: Vec<usize>,
    held: Option<Vec<Vec<String>>>,
    endless: bool,
    /// Whether the changes are shown in a column.
    ops: bool,
    rows: usize,
    rows_since_header: usize,
}

impl<W: Write> TablePrinter<W> {
    /// A table whose rows all come at once.
    pub(crate) fn held(out: W, columns: Vec<ResultColumn>) -> Self {
        TablePrinter { held: Some(Vec::new()), endless: false, ..TablePrinter::live(out, columns) }
    }

    /// A table whose rows come as they are made.
    pub(crate) fn live(out: W, columns: Vec<ResultColumn>) -> Self {
        let widths = std::iter::once(2).chain(columns.iter().map(|column| width(&column.name))).collect();
        TablePrinter {
            out,
            columns,
            widths,
            held: None,
            endless: true,
            ops: true,
            rows: 0,
            rows_since_header: 0,
        }
    }

    /// Prints some rows.
    pub(crate) fn print(&mut self, batch: &ResultBatch) -> io::Result<()> {
        self.rows(cells(batch))
    }

    /// Prints rows of text that are no changes.
    pub(crate) fn print_text(&mut self, rows: Vec<Vec<String>>) -> io::Result<()> {
        let row = |row: Vec<String>| {
            std::iter::once("+I".to_owned()).chain(row.into_iter().map(visible)).collect::<Vec<_>>()
        };
        self.rows(rows.into_iter().map(row).collect())
    }

    fn rows(&mut self, rows: Vec<Vec<String>>) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.rows += rows.len();
        match &mut self.held {
            Some(held) => {
                held.extend(rows);
                if held.len() > HELD_ROWS_MAX { self.release() } else { Ok(()) }
            }
            None => self.write(&rows),
        }
    }

    /// Prints what ends the table.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if let Some(held) = &self.held {
            self.ops = held.iter().any(|row| row[0] != "+I");
            self.release()?;
        }
        let mut text = String::new();
        if self.rows_since_header > 0 || !self.endless {
            self.rule(&mut text, ['└', '┴', '┘']);
        }
        let what = if self.ops { "change" } else { "row" };
        text.push_str(&crate::report::count(self.rows, what));
        text.push('\n');
        self.flush(&text)
    }

    fn release(&mut self) -> io::Result<()> {
        let held = self.held.take().unwrap_or_default();
        self.write(&held)?;
        if held.is_empty() {
            let mut text = String::new();
            self.header(&mut text);
            self.flush(&text)?;
        }
        Ok(())
    }

    fn write(&mut self, rows: &[Vec<String>]) -> io::Result<()> {
        let mut text = String::new();
        let grown = self.widen(rows);
        if grown && self.rows_since_header > 0 {
            self.rule(&mut text, ['└', '┴', '┘']);
            self.rows_since_header = 0;
        }
        for row in rows {
            if self.rows_since_header == 0 {
                self.header(&mut text);
            } else if self.endless && self.rows_since_header.is_multiple_of(HEADER_EVERY) {
                self.names(&mut text, '├', '┤');
            }
            self.row(&mut text, row);
            self.rows_since_header += 1;
        }
        self.flush(&text)
    }

    fn flush(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Makes room for these rows; true if a column grew.
    fn widen(&mut self, rows: &[Vec<String>]) -> bool {
        let before = self.widths.clone();
        for row in rows {
            for (columns, cell) in self.widths.iter_mut().zip(row) {
                *columns = (*columns).max(width(cell));
            }
        }
        before != self.widths
    }

    fn header(&self, text: &mut String) {
        self.names(text, '┌', '┐');
    }

    fn names(&self, text: &mut String, left: char, right: char) {
        let middle = if left == '┌' { '┬' } else { '┼' };
        self.rule(text, [left, middle, right]);
        let names = std::iter::once("op").chain(self.columns.iter().map(|column| column.name.as_str()));
        self.line(text, names);
        self.rule(text, ['├', '┼', '┤']);
    }

    fn row(&self, text: &mut String, row: &[String]) {
        self.line(text, row.iter().map(String::as_str));
    }

    fn line<'a>(&self, text: &mut String, cells: impl Iterator<Item = &'a str>) {
        for (index, cell) in cells.enumerate().skip(self.first()) {
            text.push_str("│ ");
            let right = index > 0 && self.columns[index - 1].numeric;
            pad(text, cell, self.widths[index], right);
            text.push(' ');
        }
        text.push_str("│\n");
    }

    fn rule(&self, text: &mut String, [left, middle, right]: [char; 3]) {
        for (index, columns) in self.widths.iter().enumerate().skip(self.first()) {
            text.push(if index == self.first() { left } else { middle });
            text.extend(std::iter::repeat_n('─', columns + 2));
        }
        text.push(right);
        text.push('\n');
    }

    /// The first column that is shown; 0 is that of the changes.
    fn first(&self) -> usize {
        usize::from(!self.ops)
    }
}

/// The change and the values of each row as text.
fn cells(batch: &ResultBatch) -> Vec<Vec<String>> {
    if batch.rows() == 0 {
        return Vec::new();
    }
    let columns = batch.columns().len();
    let row = |row: usize| {
        let values = (0..columns).map(|column| visible(batch.cell(row, column)));
        std::iter::once(batch.op(row).to_string()).chain(values).collect()
    };
    (0..batch.rows()).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<ResultColumn> {
        let column =
            |name: &str, numeric| ResultColumn { name: name.to_string(), data_type: String::new(), numeric };
        vec![column("k", false), column("n", true)]
    }

    fn row(op: &str, k: &str, n: &str) -> Vec<String> {
        [op, k, n].map(str::to_string).to_vec()
    }

    fn text(printer: TablePrinter<Vec<u8>>) -> String {
        String::from_utf8(printer.out).unwrap()
    }

    #[test]
    fn insertions_are_shown_without_their_op() {
        let mut printer = TablePrinter::held(Vec::new(), columns());
        printer.rows(vec![row("+I", "apple", "1")]).unwrap();
        printer.rows(vec![row("+I", "b", "20")]).unwrap();
        printer.finish().unwrap();
        let expected = "\
┌───────┬────┐
│ k     │  n │
├───────┼────┤
│ apple │  1 │
│ b     │ 20 │
└───────┴────┘
2 rows
";
        assert_eq!(text(printer), expected);
    }

    #[test]
    fn updates_are_shown_with_their_op() {
        let mut printer = TablePrinter::held(Vec::new(), columns());
        printer.rows(vec![row("+I", "a", "1"), row("+U", "a", "2")]).unwrap();
        printer.finish().unwrap();
        let text = text(printer);
        assert!(text.contains("│ op │ k │ n │\n"), "{text}");
        assert!(text.ends_with("2 changes\n"), "{text}");
    }

    #[test]
    fn an_empty_answer_has_its_header() {
        let mut printer = TablePrinter::held(Vec::new(), columns());
        printer.finish().unwrap();
        assert_eq!(text(printer), "┌───┬───┐\n│ k │ n │\n├───┼───┤\n└───┴───┘\n0 rows\n");
    }

    #[test]
    fn an_endless_answer_repeats_its_header_and_widens() {
        let mut printer = TablePrinter::live(Vec::new(), columns());
        printer.rows(vec![row("+I", "a", "1"); HEADER_EVERY + 1]).unwrap();
        printer.rows(vec![row("+I", "a", "1000")]).unwrap();
        let text = text(printer);
        assert_eq!(text.matches("│ op │ k │").count(), 3, "{text}");
        assert!(text.ends_with("│ +I │ a │ 1000 │\n"), "{text}");
    }
}
