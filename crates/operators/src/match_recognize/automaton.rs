//! From a pattern to the transitions of its partial matches.
//!
//! A partial match stands at a *position*: what may come behind its last row. The transitions of a position are its
//! ways through the states that take no row, in the order in which they are tried.
//!
//! Rules (Flink's CEP library, measured against Flink 2.3): all ways are followed side by side. A loop over a variable
//! first takes one more row, then goes on. A greedy loop (`*`, `+`, `{n,}`, `{n,m}`) is left only with a row that its
//! variable would not take, even when it has all its rows; `{n}` and `?` are not greedy. Loops over groups and
//! alternatives, which Flink has not, follow all ways in the order of preference.
//! Invariant: position 0 is the start of the pattern; a position without transitions is not kept.

use tidemill_plan::pattern::RowPattern;

/// A pattern ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Automaton {
    /// The transitions of each position.
    pub positions: Vec<Position>,
}

/// What may follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// In the order in which they are tried.
    pub edges: Vec<Edge>,
    /// The variables whose conditions its transitions look at.
    pub asks: Vec<u16>,
}

/// A row is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    /// Variables whose conditions the row must not satisfy.
    pub unless: Vec<u16>,
    /// The variable whose condition it must satisfy.
    pub variable: u16,
    /// Where the match stands then.
    pub target: u16,
    /// The match is complete if the row satisfies none of the conditions of one of these.
    pub completes: Vec<Vec<u16>>,
}

/// A state of the pattern; all but `Take` take no row.
#[derive(Debug, Clone)]
enum State {
    Take { variable: u16, next: usize },
    Either { first: usize, second: usize },
    Unless { variable: u16, next: usize },
    Final,
}

struct Builder {
    states: Vec<State>,
}

impl Automaton {
    /// Compiles a pattern.
    pub(super) fn new(pattern: &RowPattern) -> Self {
        let mut builder = Builder { states: vec![State::Final] };
        let start = builder.build(pattern, 0);
        let mut positions: Vec<Position> = Vec::new();
        let mut of_state: Vec<usize> = vec![start];
        let mut at = 0;
        while at < of_state.len() {
            let edges = builder.edges(of_state[at], &mut of_state);
            positions.push(Position { asks: asks(&edges), edges });
            at += 1;
        }
        Automaton { positions }
    }
}

/// The variables that edges look at, each once.
fn asks(edges: &[Edge]) -> Vec<u16> {
    let mut asks: Vec<u16> = Vec::new();
    for edge in edges {
        let own = edge.unless.iter().chain([&edge.variable]).chain(edge.completes.iter().flatten());
        for variable in own {
            if !asks.contains(variable) {
                asks.push(*variable);
            }
        }
    }
    asks
}

impl Builder {
    fn push(&mut self, state: State) -> usize {
        self.states.push(state);
        self.states.len() - 1
    }

    /// The states of a pattern in front of `next`; gives the first of them.
    fn build(&mut self, pattern: &RowPattern, next: usize) -> usize {
        match pattern {
            RowPattern::Variable(variable) => self.push(State::Take { variable: *variable as u16, next }),
            RowPattern::Sequence(parts) => parts.iter().rev().fold(next, |next, part| self.build(part, next)),
            RowPattern::Alternation(parts) => {
                let firsts: Vec<usize> = parts.iter().map(|part| self.build(part, next)).collect();
                let mut firsts = firsts.into_iter().rev();
                let last = firsts.next().unwrap_or(next);
                firsts.fold(last, |second, first| self.push(State::Either { first, second }))
            }
            RowPattern::Repeat { inner, min, max, reluctant } => {
                let (exit, more_first) = match &**inner {
                    RowPattern::Variable(variable) => {
                        let greedy = !reluctant && *max != Some(*min) && (*min, *max) != (0, Some(1));
                        let variable = *variable as u16;
                        let exit = if greedy { self.push(State::Unless { variable, next }) } else { next };
                        (exit, true)
                    }
                    _ => (next, !reluctant),
                };
                self.repeat(inner, (*min, *max), exit, more_first)
            }
        }
    }

    fn repeat(
        &mut self,
        inner: &RowPattern,
        (min, max): (u32, Option<u32>),
        exit: usize,
        more_first: bool,
    ) -> usize {
        let mut first = match max {
            None => {
                let choice = self.push(State::Final);
                let again = self.build(inner, choice);
                self.states[choice] = either(again, exit, more_first);
                choice
            }
            Some(max) => (min..max).fold(exit, |next, _| {
                let more = self.build(inner, next);
                self.push(either(more, exit, more_first))
            }),
        };
        for _ in 0..min {
            first = self.build(inner, first);
        }
        first
    }

    /// The transitions from a state; places of targets not met before are added to `known`.
    fn edges(&self, from: usize, known: &mut Vec<usize>) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (state, unless) in self.ways(from) {
            let State::Take { variable, next } = self.states[state] else { continue };
            let is_final = |(state, unless)| matches!(self.states[state], State::Final).then_some(unless);
            let completes = self.ways(next).into_iter().filter_map(is_final).collect();
            let target = known.iter().position(|place| *place == next).unwrap_or_else(|| {
                known.push(next);
                known.len() - 1
            });
            edges.push(Edge { unless, variable, target: target as u16, completes });
        }
        edges
    }

    /// The states that take a row, or end the match, behind states that take none; and on which condition.
    fn ways(&self, from: usize) -> Vec<(usize, Vec<u16>)> {
        let (mut found, mut seen) = (Vec::new(), Vec::new());
        let mut open = vec![(from, Vec::new())];
        while let Some((at, unless)) = open.pop() {
            if seen.contains(&(at, unless.clone())) {
                continue;
            }
            seen.push((at, unless.clone()));
            match self.states[at] {
                State::Take { .. } | State::Final => found.push((at, unless)),
                State::Either { first, second } => {
                    open.push((second, unless.clone()));
                    open.push((first, unless));
                }
                State::Unless { variable, next } => {
                    let mut unless = unless;
                    if !unless.contains(&variable) {
                        unless.push(variable);
                    }
                    open.push((next, unless));
                }
            }
        }
        found
    }
}

fn either(more: usize, exit: usize, more_first: bool) -> State {
    match more_first {
        true => State::Either { first: more, second: exit },
        false => State::Either { first: exit, second: more },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeat(variable: usize, min: u32, max: Option<u32>, reluctant: bool) -> RowPattern {
        RowPattern::Repeat { inner: Box::new(RowPattern::Variable(variable)), min, max, reluctant }
    }

    fn edges(pattern: &[RowPattern]) -> Vec<Vec<String>> {
        let automaton = Automaton::new(&RowPattern::Sequence(pattern.to_vec()));
        let show = |edge: &Edge| {
            let unless: String = edge.unless.iter().map(|v| format!("!{v}")).collect();
            let ends: Vec<String> = (edge.completes.iter())
                .map(|unless| format!("end{}", unless.iter().map(|v| format!("!{v}")).collect::<String>()))
                .collect();
            format!("{unless}{}>{} {}", edge.variable, edge.target, ends.join(""))
        };
        automaton.positions.iter().map(|position| position.edges.iter().map(show).collect()).collect()
    }

    #[test]
    fn a_greedy_loop_is_left_only_with_a_row_it_would_not_take() {
        let pattern = [repeat(0, 1, None, false), RowPattern::Variable(1)];
        assert_eq!(edges(&pattern), [vec!["0>1 "], vec!["0>1 ", "!01>2 end"], vec![]]);
        let pattern = [repeat(0, 2, Some(3), false), RowPattern::Variable(1)];
        let all = edges(&pattern);
        assert_eq!(all[..2], [vec!["0>1 "], vec!["0>2 "]]);
        assert_eq!(all[2], ["0>3 ", "!01>4 end"]);
        assert_eq!(all[3], ["!01>4 end"]);
    }

    #[test]
    fn reluctant_and_optional_rows_leave_both_ways_open() {
        let pattern = [RowPattern::Variable(0), repeat(1, 0, None, true), RowPattern::Variable(2)];
        assert_eq!(edges(&pattern), [vec!["0>1 "], vec!["1>1 ", "2>2 end"], vec![]]);
        let pattern = [RowPattern::Variable(0), repeat(1, 1, None, true)];
        assert_eq!(edges(&pattern), [vec!["0>1 "], vec!["1>2 end"], vec!["1>2 end"]]);
        let pattern = [RowPattern::Variable(0), repeat(1, 0, Some(1), false)];
        assert_eq!(edges(&pattern)[0], ["0>1 end"]);
    }

    #[test]
    fn loops_over_what_may_be_empty_end() {
        let empty = RowPattern::Repeat {
            inner: Box::new(repeat(0, 0, None, true)),
            min: 1,
            max: None,
            reluctant: true,
        };
        assert!(!edges(&[empty, RowPattern::Variable(1)]).is_empty());
    }
}
