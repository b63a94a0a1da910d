//! Scripts of operators with two inputs: `L +I a 1 1000` is a row of the left input, `R ..` one of the right;
//! `W 1000` the combined watermark, `T 1000` the time, `late 1` and `=> ..` as in the scripts of one input.
//!
//! Each script runs with all rows of one input that follow each other in one chunk, and row by row, with and
//! without a restart after each chunk.

use super::harness::{self, Driver, Row, chunk, input, job, net};
use tidemill_operators::build;
use tidemill_plan::{Exchange, Input, JoinKind, JoinOn, Operator as Plan};
use tidemill_types::{RowKind, WATERMARK_MAX};

/// Rows are paired by their column `k`.
pub fn on_key(kind: JoinKind) -> JoinOn {
    JoinOn { kind, left_keys: vec![0], right_keys: vec![0], null_safe: vec![false], residual: None }
}

pub fn driver(plan: &Plan) -> Driver {
    let plan = plan.clone();
    let make = move || {
        let mut node = harness::node(plan.clone());
        node.inputs.push(Input { node: 1, exchange: Exchange::Forward });
        build(&node, &[&input(), &input()], &job()).unwrap()
    };
    Driver::with(Box::new(make), input())
}

/// Something that happens to an operator.
#[derive(Debug, Clone)]
pub enum Event {
    Row(usize, Row),
    Watermark(i64),
}

/// Feeds events: runs of one input as chunks of at most so many rows.
pub fn feed(driver: &mut Driver, events: &[Event], chunk_rows: usize, restart: &mut dyn FnMut() -> bool) {
    let (mut port, mut rows, mut marks): (usize, Vec<Row>, Vec<(usize, i64)>) = (0, Vec::new(), Vec::new());
    let mut flush = |port: usize, rows: &mut Vec<Row>, marks: &mut Vec<(usize, i64)>| {
        if !rows.is_empty() || !marks.is_empty() {
            driver.feed_port(port, chunk(&input(), &std::mem::take(rows), &std::mem::take(marks)));
            if restart() {
                driver.restart();
            }
        }
    };
    for event in events {
        match event {
            Event::Row(of, row) => {
                if *of != port || rows.len() >= chunk_rows {
                    flush(port, &mut rows, &mut marks);
                }
                port = *of;
                rows.push(row.clone());
            }
            Event::Watermark(watermark) => marks.push((rows.len(), *watermark)),
        }
    }
    flush(port, &mut rows, &mut marks);
}

fn event(words: &[&str]) -> Option<Event> {
    let port = match words[0] {
        "L" => 0,
        "R" => 1,
        "W" if words[1] == "max" => return Some(Event::Watermark(WATERMARK_MAX)),
        "W" => return Some(Event::Watermark(words[1].parse().unwrap())),
        _ => return None,
    };
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let kind = kinds.into_iter().find(|kind| kind.short() == words[1]).unwrap();
    let values = words[2..].iter().map(|&word| (word != "null").then(|| word.to_string())).collect();
    Some(Event::Row(port, Row { kind, values }))
}

/// Runs a script in all ways.
pub fn run(plan: &Plan, script: &str) {
    for (chunk_rows, restart) in [(usize::MAX, false), (1, false), (2, true), (1, true)] {
        run_once(driver(plan), script, chunk_rows, restart);
    }
    for (chunk_rows, restart) in [(1, false), (2, true)] {
        run_once(driver(plan).with_little_memory(), script, chunk_rows, restart);
    }
}

fn run_once(mut driver: Driver, script: &str, chunk_rows: usize, restart: bool) {
    let (mut events, mut expected): (Vec<Event>, Vec<String>) = (Vec::new(), Vec::new());
    let check = |driver: &mut Driver, expected: &mut Vec<String>, place: &str| {
        let given = net(&std::mem::take(&mut driver.changes));
        let wanted: Vec<String> =
            std::mem::take(expected).into_iter().filter(|row| row != "nothing").collect();
        assert_eq!(given, net(&wanted), "before `{place}`, chunks of {chunk_rows}, restart: {restart}");
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some(event) = event(&words) {
            if !expected.is_empty() {
                check(&mut driver, &mut expected, line);
            }
            events.push(event);
            continue;
        }
        feed(&mut driver, &std::mem::take(&mut events), chunk_rows, &mut || restart);
        match words[0] {
            "=>" => expected.push(words[1..].join(" ")),
            "T" => {
                if !expected.is_empty() {
                    check(&mut driver, &mut expected, line);
                }
                driver.time(words[1].parse().unwrap());
            }
            "late" => assert_eq!(driver.late(), words[1].parse::<u64>().unwrap(), "{line}"),
            other => panic!("`{other}` is no step of a script"),
        }
    }
    feed(&mut driver, &events, chunk_rows, &mut || restart);
    check(&mut driver, &mut expected, "the end");
}
