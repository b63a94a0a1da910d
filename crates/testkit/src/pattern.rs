//! Random MATCH_RECOGNIZE queries, and a naive matcher that says what their matches are.
//!
//! The matcher knows nothing of automata: for each first row it tries every division of the rows behind it into the
//! variables of the pattern, deepest first, and looks for the one that is complete first. Rows are searched one first row
//! after the other; a first row whose outcome is still open when the rows end holds back all that come after it.
//!
//! Which of several divisions is given that are complete at the same row, or while an earlier first row is still open,
//! depends on ties inside of the reference, so all of them are allowed; what was given decides where the search goes on.

use crate::random::Random;
use std::fmt::Write;

/// One row of the table `t`.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its place in the file, from 0.
    pub seq: i64,
    /// The partition.
    pub key: i64,
    /// What conditions look at.
    pub v: Option<i64>,
    /// When it happened, in ms.
    pub ts: i64,
}

/// A condition of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Not defined: always true.
    None,
    /// `v < n`.
    Below(i64),
    /// `v >= n`.
    AtLeast(i64),
    /// `v > LAST(v, 1)` over all rows, or there is no row before.
    Rises,
    /// `v > FIRST(own.v)`, the first row of the variable itself included.
    AboveFirst,
    /// `v <> the last v of another variable`.
    UnlikeLast(usize),
    /// `SUM(own.v) < n`.
    SumBelow(i64),
    /// `v >= AVG(v) of another variable`.
    AboveAverage(usize),
    /// `COUNT(*) <= n` over all rows.
    CountAtMost(i64),
}

/// A variable with its quantifier.
#[derive(Debug, Clone)]
pub struct Factor {
    /// Its condition.
    pub condition: Condition,
    /// At least so many rows.
    pub min: u32,
    /// At most so many rows.
    pub max: Option<u32>,
    /// Whether `?` stands behind the quantifier.
    pub reluctant: bool,
}

/// Where the search goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// PAST LAST ROW.
    PastLast,
    /// TO NEXT ROW.
    Next,
    /// TO FIRST of a variable.
    First(usize),
    /// TO LAST of a variable.
    Last(usize),
}

/// A random query.
#[derive(Debug, Clone)]
pub struct Question {
    /// The variables in order; `A`, `B`, ….
    pub factors: Vec<Factor>,
    /// Where the search goes on.
    pub skip: Skip,
    /// WITHIN, in ms.
    pub within_ms: Option<i64>,
}

impl Factor {
    fn greedy(&self) -> bool {
        !self.reluctant && self.max != Some(self.min) && (self.min, self.max) != (0, Some(1))
    }

    fn text(&self) -> String {
        let quantifier = match (self.min, self.max) {
            (1, Some(1)) => String::new(),
            (0, None) => "*".into(),
            (1, None) => "+".into(),
            (0, Some(1)) => "?".into(),
            (min, None) => format!("{{{min},}}"),
            (min, Some(max)) if min == max => format!("{{{min}}}"),
            (min, Some(max)) => format!("{{{min},{max}}}"),
        };
        quantifier + if self.reluctant { "?" } else { "" }
    }
}

/// Random rows of a few partitions with timestamps out of order.
pub fn rows(random: &mut Random, count: usize) -> Vec<Row> {
    let keys = 1 + random.below(4);
    (0..count as i64)
        .map(|seq| Row {
            seq,
            key: random.below(keys) as i64,
            v: (!random.one_in(12)).then(|| random.below(7) as i64),
            ts: (seq * 400 + random.below(3_000) as i64 - 1_500).max(0),
        })
        .collect()
}

/// The rows as JSON lines.
pub fn json_lines(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        let v = row.v.map_or("null".to_string(), |v| v.to_string());
        let (second, ms) = (row.ts / 1_000, row.ts % 1_000);
        let ts =
            format!("1970-01-01 {:02}:{:02}:{:02}.{ms:03}", second / 3_600, second / 60 % 60, second % 60);
        writeln!(out, r#"{{"seq":{},"k":{},"v":{v},"ts":"{ts}"}}"#, row.seq, row.key)
            .expect("strings take everything");
    }
    out
}

/// A random query that is not refused.
pub fn question(random: &mut Random) -> Question {
    loop {
        let count = 1 + random.below(4) as usize;
        let factors: Vec<Factor> = (0..count).map(|at| factor(random, at, count)).collect();
        let skip = match random.below(5) {
            0 => Skip::PastLast,
            1 | 2 => Skip::Next,
            3 if count > 1 => Skip::First(1 + random.below(count as u64 - 1) as usize),
            _ if count > 1 => Skip::Last(1 + random.below(count as u64 - 1) as usize),
            _ => Skip::PastLast,
        };
        let within_ms = (!random.one_in(3)).then(|| 500 + random.below(4_000) as i64);
        let question = Question { factors, skip, within_ms };
        if question.allowed() {
            return question;
        }
    }
}

fn factor(random: &mut Random, at: usize, count: usize) -> Factor {
    let other = |random: &mut Random| random.below(count as u64) as usize;
    let condition = match random.below(10) {
        0 => Condition::None,
        1 | 2 => Condition::Below(1 + random.below(6) as i64),
        3 | 4 => Condition::AtLeast(random.below(6) as i64),
        5 => Condition::Rises,
        6 => Condition::AboveFirst,
        7 if at > 0 => Condition::UnlikeLast(random.below(at as u64) as usize),
        8 => Condition::SumBelow(4 + random.below(8) as i64),
        9 if at > 0 => Condition::AboveAverage(other(random)),
        _ => Condition::CountAtMost(1 + random.below(4) as i64),
    };
    let (min, max) = *random.pick(&[
        (1, Some(1)),
        (1, Some(1)),
        (1, None),
        (0, None),
        (0, Some(1)),
        (2, Some(2)),
        (2, None),
        (1, Some(3)),
        (0, Some(2)),
    ]);
    let reluctant = (min, max) != (1, Some(1)) && (min, max) != (0, Some(1)) && random.one_in(2);
    Factor { condition, min, max, reluctant }
}

impl Question {
    /// Whether it is none of those that are refused, nor fails at run time.
    fn allowed(&self) -> bool {
        let factors = &self.factors;
        let optional = |factor: &Factor| factor.min == 0 && matches!(factor.max, None | Some(1));
        let fits = factors.windows(2).all(|pair| !(pair[0].greedy() && optional(&pair[1])));
        let certain = |variable: usize| {
            factors[variable].min > 0 && factors[..variable].iter().any(|factor| factor.min > 0)
        };
        let skips = match self.skip {
            Skip::First(variable) | Skip::Last(variable) => certain(variable),
            _ => true,
        };
        fits && skips
            && factors.iter().any(|factor| factor.min > 0)
            && factors.last().is_some_and(|factor| !factor.greedy())
    }

    fn name(variable: usize) -> char {
        (b'A' + variable as u8) as char
    }

    /// The query over the table `t`: for each match its key, first and last row, and for each variable its rows.
    pub fn flink(&self) -> String {
        let variables = 0..self.factors.len();
        let pattern: Vec<String> =
            variables.clone().map(|at| format!("{}{}", Self::name(at), self.factors[at].text())).collect();
        let define: Vec<String> = variables.clone().filter_map(|at| self.define(at)).collect();
        let define = if define.is_empty() { "Z AS TRUE".to_string() } else { define.join(", ") };
        let measures: Vec<String> = variables
            .map(|at| {
                let name = Self::name(at);
                format!(
                    "CAST(COUNT({name}.seq) AS STRING) AS n{at}, CAST(SUM({name}.seq) AS STRING) AS s{at}"
                )
            })
            .collect();
        let skip = match self.skip {
            Skip::PastLast => "PAST LAST ROW".to_string(),
            Skip::Next => "TO NEXT ROW".to_string(),
            Skip::First(variable) => format!("TO FIRST {}", Self::name(variable)),
            Skip::Last(variable) => format!("TO LAST {}", Self::name(variable)),
        };
        let within = self
            .within_ms
            .map_or(String::new(), |ms| format!("WITHIN INTERVAL '{}.{:03}' SECOND", ms / 1_000, ms % 1_000));
        format!(
            "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, v DESC MEASURES FIRST(seq) AS a, LAST(seq) AS z, {} \
             ONE ROW PER MATCH AFTER MATCH SKIP {skip} PATTERN ({}) {within} DEFINE {define}) AS m",
            measures.join(", "),
            pattern.join(" "),
        )
    }

    fn define(&self, variable: usize) -> Option<String> {
        let name = Self::name(variable);
        let text = match self.factors[variable].condition {
            Condition::None => return None,
            Condition::Below(n) => format!("{name}.v < {n}"),
            Condition::AtLeast(n) => format!("v >= {n}"),
            Condition::Rises => "v > LAST(v, 1) OR LAST(seq, 1) IS NULL".to_string(),
            Condition::AboveFirst => format!("{name}.v > FIRST({name}.v) OR LAST({name}.seq, 1) IS NULL"),
            Condition::UnlikeLast(other) => format!("{name}.v <> {}.v", Self::name(other)),
            Condition::SumBelow(n) => format!("SUM({name}.v) < {n}"),
            Condition::AboveAverage(other) => format!("{name}.v >= AVG({}.v)", Self::name(other)),
            Condition::CountAtMost(n) => format!("COUNT(*) <= {n}"),
        };
        Some(format!("{name} AS {text}"))
    }
}

/// A match: the first row by its place in the partition, and the variable of each row from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The place of its first row.
    pub start: usize,
    /// The variable of each row.
    pub variables: Vec<usize>,
}

/// The outcome of one first row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No match begins here.
    Nothing,
    /// All divisions that are complete first.
    Complete(Vec<Found>),
    /// Some division waits for more rows.
    Open,
}

/// The naive matcher over the sorted rows of one partition.
#[derive(Debug)]
pub struct Matcher<'a> {
    question: &'a Question,
    rows: &'a [Row],
}

/// A division while it is made.
#[derive(Debug, Clone)]
struct Division {
    variables: Vec<usize>,
    /// The variable at hand and how many rows it has.
    variable: usize,
    count: u32,
}

impl<'a> Matcher<'a> {
    /// A matcher over rows in the order of the search.
    pub fn new(question: &'a Question, rows: &'a [Row]) -> Self {
        Matcher { question, rows }
    }

    /// What begins at a row, and how many rows were seen when that was settled. A match waits until the first `settled`
    /// rows were seen, because what began before it was open so long; until then more divisions may become complete.
    pub fn outcome(&self, start: usize, settled: usize) -> (Outcome, usize) {
        let mut open = vec![Division { variables: Vec::new(), variable: 0, count: 0 }];
        let mut complete = Vec::new();
        for row in start..self.rows.len() {
            let too_old = |within| self.rows[row].ts - self.rows[start].ts >= within;
            if open.is_empty() || self.question.within_ms.is_some_and(too_old) {
                return (Self::closed(complete), settled.max(row));
            }
            let mut next = Vec::new();
            for division in &open {
                for longer in self.longer(division, start, row) {
                    if self.ends(&longer, division, start, row) {
                        complete.push(Found { start, variables: longer.variables.clone() });
                    }
                    next.push(longer);
                }
            }
            if !complete.is_empty() && row + 1 >= settled {
                return (Outcome::Complete(complete), row + 1);
            }
            open = next;
        }
        // At the end of input all time has passed, so that nothing with a WITHIN stays open.
        if open.is_empty() || self.question.within_ms.is_some() {
            return (Self::closed(complete), self.rows.len());
        }
        (Outcome::Open, self.rows.len())
    }

    fn closed(complete: Vec<Found>) -> Outcome {
        if complete.is_empty() { Outcome::Nothing } else { Outcome::Complete(complete) }
    }

    /// The divisions with one more row.
    fn longer(&self, division: &Division, start: usize, row: usize) -> Vec<Division> {
        let mut found = Vec::new();
        let mut variable = division.variable;
        let mut count = division.count;
        while let Some(factor) = self.question.factors.get(variable) {
            let may_take = factor.max.is_none_or(|max| count < max);
            if may_take && self.holds(variable, &division.variables, start, row) {
                let mut longer = division.clone();
                longer.variables.push(variable);
                (longer.variable, longer.count) = (variable, count + 1);
                found.push(longer);
            }
            if count < factor.min
                || (factor.greedy() && self.holds(variable, &division.variables, start, row))
            {
                break;
            }
            (variable, count) = (variable + 1, 0);
        }
        found
    }

    /// Whether a division is whole without more rows; greedy variables that may still come look at its last row.
    fn ends(&self, division: &Division, before: &Division, start: usize, row: usize) -> bool {
        let (mut variable, mut count) = (division.variable, division.count);
        while let Some(factor) = self.question.factors.get(variable) {
            if count < factor.min {
                return false;
            }
            if factor.greedy() && self.holds(variable, &before.variables, start, row) {
                return false;
            }
            (variable, count) = (variable + 1, 0);
        }
        true
    }

    fn holds(&self, variable: usize, before: &[usize], start: usize, row: usize) -> bool {
        let v = self.rows[row].v;
        let of = |wanted: Option<usize>, with_row: bool| -> Vec<Option<i64>> {
            let own = before.iter().enumerate().filter(|(_, mapped)| wanted.is_none_or(|w| w == **mapped));
            own.map(|(at, _)| self.rows[start + at].v).chain(with_row.then_some(v)).collect()
        };
        let own = || of(Some(variable), true);
        match self.question.factors[variable].condition {
            Condition::None => true,
            Condition::Below(n) => v.is_some_and(|v| v < n),
            Condition::AtLeast(n) => v.is_some_and(|v| v >= n),
            Condition::Rises => match of(None, false).last() {
                None => true,
                Some(last) => matches!((v, last), (Some(v), Some(last)) if v > *last),
            },
            Condition::AboveFirst => match own().as_slice() {
                [_] => true,
                all => matches!((v, all[0]), (Some(v), Some(first)) if v > first),
            },
            Condition::UnlikeLast(other) => {
                matches!((v, of(Some(other), false).last()), (Some(v), Some(Some(last))) if v != *last)
            }
            Condition::SumBelow(n) => {
                let values: Vec<i64> = own().into_iter().flatten().collect();
                !values.is_empty() && values.iter().sum::<i64>() < n
            }
            Condition::AboveAverage(other) => {
                let values: Vec<i64> = of(Some(other), other == variable).into_iter().flatten().collect();
                let average = values.iter().sum::<i64>().checked_div(values.len() as i64);
                matches!((v, average), (Some(v), Some(average)) if v >= average)
            }
            Condition::CountAtMost(n) => of(None, true).len() as i64 <= n,
        }
    }

    /// The first row at which the search goes on after a match.
    pub fn next_start(&self, found: &Found) -> usize {
        let row_of = |mut mapped: Box<dyn Iterator<Item = (usize, &usize)> + '_>, wanted: usize| {
            let place = mapped.find(|(_, variable)| **variable == wanted);
            found.start + place.expect("the variable has a row in every match").0
        };
        match self.question.skip {
            Skip::PastLast => found.start + found.variables.len(),
            Skip::Next => found.start + 1,
            Skip::First(wanted) => row_of(Box::new(found.variables.iter().enumerate()), wanted),
            Skip::Last(wanted) => row_of(Box::new(found.variables.iter().enumerate().rev()), wanted),
        }
    }
}
