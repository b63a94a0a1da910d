//! How a job ended: a line of totals, one for each table looked up, where records were set aside, and the row accounting of each operator.

use super::numbers::{bytes, duration, grouped, rate, short};
use std::fmt::Write;
use tidemill_engine::{JobSummary, LookupRow, OperatorRow};

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
    ended.lookups.iter().for_each(|row| lookup(row, &mut out));
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

/// One line for a table that was looked up: as a whole, or asked for keys.
fn lookup(row: &LookupRow, out: &mut String) {
    let counted = |n: u64, what: &str| super::count(n as usize, what);
    let mut parts = Vec::new();
    if row.loads > 0 {
        parts.push(format!("read as a whole {}", counted(row.loads, "time")));
    }
    if row.calls > 0 {
        parts.push(format!("{} in {}", counted(row.keys, "key"), counted(row.calls, "call")));
    }
    if row.hits + row.misses > 0 {
        parts.push(format!("cache {} hit, {} missed", grouped(row.hits), grouped(row.misses)));
    }
    if row.cached_rows > 0 {
        parts.push(format!("{} held", counted(row.cached_rows, "row")));
    }
    parts.push(format!("{} tried again", grouped(row.retries)));
    let _ = writeln!(out, "  looked up {}: {}", row.table, parts.join(", "));
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
            lookups: Vec::new(),
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
    fn each_table_looked_up_has_a_line() {
        let row = LookupRow {
            table: "d".into(),
            hits: 990,
            misses: 10,
            cached_rows: 1_200,
            calls: 1,
            keys: 10,
            retries: 2,
            loads: 0,
        };
        let mut out = String::new();
        lookup(&row, &mut out);
        let whole = LookupRow { hits: 0, misses: 0, calls: 0, keys: 0, retries: 0, loads: 3, ..row };
        lookup(&whole, &mut out);
        assert_eq!(
            out,
            "  looked up d: 10 keys in 1 call, cache 990 hit, 10 missed, 1,200 rows held, 2 tried again\n  \
             looked up d: read as a whole 3 times, 1,200 rows held, 0 tried again\n"
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
