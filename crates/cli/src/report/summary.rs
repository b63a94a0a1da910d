//! How a job ended: a line of totals, where records were set aside, and the row accounting of each operator.

use super::numbers::{bytes, duration, grouped, rate, short};
use std::fmt::Write;
use tidemill_engine::{JobSummary, OperatorRow};

const COLUMNS: [&str; 10] =
    ["operator", "in", "forwarded", "absorbed", "filtered", "late", "bad", "buffered", "emitted", "busy"];

/// The text; the table of operators is optional.
pub(crate) fn text(label: &str, ended: &JobSummary, accounting: bool) -> String {
    let totals = &ended.totals;
    let how = if ended.stopped { "stopped after" } else { "done in" };
    let read = match totals.bytes_in {
        0 => String::new(),
        n => format!(", {}/s", bytes(rate(n, totals.elapsed))),
    };
    let mut out = format!(
        "{label}: {how} {}: {} in ({}/s{}), {} out, {} late, {} bad, peak state {}\n",
        duration(totals.elapsed),
        super::count(totals.records_in as usize, "record"),
        short(rate(totals.records_in, totals.elapsed)),
        read,
        super::count(totals.rows_out as usize, "row"),
        grouped(totals.late),
        grouped(totals.bad),
        bytes(ended.state_bytes_peak as f64),
    );
    if let Some(file) = &ended.dead_letters {
        let _ = writeln!(
            out,
            "  set aside in {} as JSON lines, each with the record, its place and the reason",
            file.display()
        );
    }
    if accounting {
        table(&ended.operators, &mut out);
    }
    out
}

/// One line for each operator: `in` is the sum of the columns up to `buffered`.
fn table(operators: &[OperatorRow], out: &mut String) {
    let rows: Vec<[String; 10]> = operators.iter().map(row).collect();
    let mut widths = COLUMNS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(&COLUMNS.map(str::to_string), &widths, out);
    rows.iter().for_each(|row| line(row, &widths, out));
}

fn line(cells: &[String; 10], widths: &[usize; 10], out: &mut String) {
    let _ = write!(out, "  {:<1$}", cells[0], widths[0]);
    for (cell, width) in cells.iter().zip(widths).skip(1) {
        let _ = write!(out, "  {cell:>width$}");
    }
    out.push('\n');
}

fn row(operator: &OperatorRow) -> [String; 10] {
    [
        operator.operator.clone(),
        grouped(operator.input),
        grouped(operator.forwarded),
        grouped(operator.absorbed),
        grouped(operator.filtered),
        grouped(operator.late),
        grouped(operator.bad),
        grouped(operator.buffered),
        grouped(operator.emitted),
        duration(operator.busy),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tidemill_engine::JobProgress;

    fn ended() -> JobSummary {
        let operator = OperatorRow {
            operator: "filter-2".to_string(),
            input: 1000,
            forwarded: 990,
            absorbed: 0,
            filtered: 10,
            late: 0,
            bad: 0,
            buffered: 0,
            emitted: 990,
            busy: Duration::from_millis(7),
        };
        JobSummary {
            totals: JobProgress {
                elapsed: Duration::from_secs(2),
                records_in: 1000,
                bytes_in: 4000,
                rows_out: 1,
                ..JobProgress::default()
            },
            operators: vec![operator],
            state_bytes_peak: 1_500_000,
            stopped: false,
            dead_letters: Some("/tmp/d.jsonl".into()),
        }
    }

    #[test]
    fn totals_and_the_file_are_named() {
        let text = text("line 1: INSERT", &ended(), false);
        assert_eq!(
            text,
            "line 1: INSERT: done in 2.00 s: 1,000 records in (500/s, 2.00 kB/s), 1 row out, 0 late, 0 bad, peak \
             state 1.50 MB\n  set aside in /tmp/d.jsonl as JSON lines, each with the record, its place and the reason\n"
        );
    }

    #[test]
    fn the_accounting_is_aligned() {
        let text = text("x", &ended(), true);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert!(lines[0].starts_with("  operator     in  forwarded"), "{text}");
        assert!(lines[1].starts_with("  filter-2  1,000        990"), "{text}");
    }
}
