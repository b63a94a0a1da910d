//! The combined watermark of many inputs: the minimum over those that are neither idle nor ended.
//!
//! Invariant: the combined watermark never falls, and the marks given out rise strictly over it. An input
//! that comes back from idleness behind the combined watermark holds it back only once it has caught up.
//! Source of the rule: Flink's `StatusWatermarkValve`.

use std::collections::BTreeMap;
use tidemill_types::{Marks, WATERMARK_MAX, WATERMARK_NONE};

/// The name of the combined watermark among those saved.
const COMBINED: &str = "combined";

#[derive(Debug, Clone, Copy)]
struct Input {
    watermark: i64,
    idle: bool,
    /// Whether it takes part in the minimum.
    aligned: bool,
}

/// The watermarks of a number of inputs.
#[derive(Debug, Clone)]
pub struct InputWatermarks {
    inputs: Vec<Input>,
    combined: i64,
}

impl InputWatermarks {
    /// So many inputs without a watermark yet.
    pub fn new(inputs: usize) -> Self {
        let mut watermarks = InputWatermarks { inputs: Vec::new(), combined: WATERMARK_NONE };
        (0..inputs).for_each(|_| {
            watermarks.add();
        });
        watermarks
    }

    /// One more input; the combined watermark stands still until it has caught up.
    pub fn add(&mut self) -> usize {
        self.inputs.push(Input { watermark: WATERMARK_NONE, idle: false, aligned: true });
        self.inputs.len() - 1
    }

    /// The combined watermark.
    pub fn combined(&self) -> i64 {
        self.combined
    }

    /// The watermark of an input.
    pub fn of(&self, input: usize) -> i64 {
        self.inputs[input].watermark
    }

    /// The watermark of an input, unless it has fallen silent.
    pub fn heard(&self, input: usize) -> Option<i64> {
        Some(self.inputs[input]).filter(|input| !input.idle).map(|input| input.watermark)
    }

    /// Sets an input to what it had reached before a restart.
    pub fn restore(&mut self, input: usize, watermark: i64) {
        self.inputs[input].watermark = watermark;
    }

    /// Sets the combined watermark to what it was; inputs behind it have to catch up, as those that were idle.
    pub fn restore_combined(&mut self, combined: i64) {
        self.combined = combined;
        self.inputs.iter_mut().for_each(|input| input.aligned = input.watermark >= combined);
    }

    /// The watermark of each input and the combined one, under names that begin with `name`.
    pub fn save(&self, name: &str) -> Vec<(String, i64)> {
        let inputs =
            self.inputs.iter().enumerate().map(|(at, input)| (format!("{name}/{at}"), input.watermark));
        inputs.chain([(format!("{name}/{COMBINED}"), self.combined)]).collect()
    }

    /// Goes on from what [`InputWatermarks::save`] gave.
    pub fn restore_named(&mut self, saved: &BTreeMap<String, i64>, name: &str) {
        for at in 0..self.inputs.len() {
            let watermark = saved.get(&format!("{name}/{at}")).copied();
            self.restore(at, watermark.unwrap_or(WATERMARK_NONE));
        }
        let combined = saved.get(&format!("{name}/{COMBINED}")).copied();
        self.restore_combined(combined.unwrap_or(WATERMARK_NONE));
    }

    /// Whether all inputs are idle (or ended, but not all ended).
    pub fn idle(&self) -> bool {
        self.inputs.iter().all(|input| input.idle || input.watermark == WATERMARK_MAX)
            && self.inputs.iter().any(|input| input.idle)
    }

    /// Rows and marks come in at an input; gives the marks of the combined watermark at the same rows.
    /// Marks that do not rise over the input's watermark are skipped: this is where the running maximum of
    /// a source that was decoded in parallel is completed.
    pub fn advance(&mut self, input: usize, marks: &Marks) -> Marks {
        self.wake(input);
        let others = self.minimum_without(input);
        let mut out = Marks::none();
        for mark in marks.iter() {
            let own = &mut self.inputs[input];
            if mark.watermark <= own.watermark {
                continue;
            }
            own.watermark = mark.watermark;
            own.aligned |= own.watermark >= self.combined;
            let combined = match others {
                _ if !own.aligned => continue,
                Some(others) => others.min(own.watermark),
                None if own.watermark < WATERMARK_MAX => own.watermark,
                None => self.target(),
            };
            if let Some(risen) = self.raise(combined) {
                out.push(mark.row, risen);
            }
        }
        out
    }

    /// The input falls silent; gives the combined watermark if it rises by that.
    pub fn set_idle(&mut self, input: usize) -> Option<i64> {
        self.inputs[input].idle = true;
        self.raise(self.target())
    }

    /// The input has been read to its end; gives the combined watermark if it rises by that.
    pub fn end(&mut self, input: usize) -> Option<i64> {
        self.inputs[input] = Input { watermark: WATERMARK_MAX, idle: false, aligned: true };
        self.raise(self.target())
    }

    fn wake(&mut self, input: usize) {
        let own = &mut self.inputs[input];
        if own.idle {
            own.idle = false;
            own.aligned = own.watermark >= self.combined;
        }
    }

    fn raise(&mut self, to: i64) -> Option<i64> {
        (to > self.combined).then(|| {
            self.combined = to;
            to
        })
    }

    /// What the combined watermark may rise to: the end if all have ended, else the minimum over the inputs
    /// that take part, else, if all are idle, the highest of them.
    fn target(&self) -> i64 {
        let open = || self.inputs.iter().filter(|input| input.watermark < WATERMARK_MAX);
        match self.minimum_without(usize::MAX) {
            Some(minimum) => minimum,
            None if open().next().is_none() => WATERMARK_MAX,
            None => {
                open().filter(|input| input.idle).map(|input| input.watermark).max().unwrap_or(WATERMARK_NONE)
            }
        }
    }

    /// The minimum over all inputs but one that take part and have not ended.
    fn minimum_without(&self, input: usize) -> Option<i64> {
        let takes_part = |other: &Input| !other.idle && other.aligned && other.watermark < WATERMARK_MAX;
        let others = self.inputs.iter().enumerate().filter(|(i, other)| *i != input && takes_part(other));
        others.map(|(_, other)| other.watermark).min()
    }
}

/// The combined watermark of a source whose splits have watermarks of their own.
#[derive(Debug, Clone)]
pub struct SplitWatermarks {
    watermarks: InputWatermarks,
    splits: Vec<(u32, usize)>,
}

impl SplitWatermarks {
    /// Without a split yet.
    pub fn new() -> Self {
        SplitWatermarks { watermarks: InputWatermarks::new(0), splits: Vec::new() }
    }

    /// The watermarks of all splits, under names that belong to this source.
    pub fn save(&self, source: &str) -> Vec<(String, i64)> {
        let splits = self.splits.iter().map(|&(split, input)| (Some(split), self.watermarks.of(input)));
        names_of_splits(source, splits.chain([(None, self.watermarks.combined())]))
    }

    /// Goes on from saved watermarks.
    pub fn restore(&mut self, saved: &BTreeMap<String, i64>, source: &str) {
        for (split, watermark) in splits_in(saved, source) {
            let input = self.input(split);
            self.watermarks.restore(input, watermark);
        }
        let combined = saved.get(&format!("{source}#")).copied();
        self.watermarks.restore_combined(combined.unwrap_or_else(|| self.watermarks.target()));
    }

    /// Marks raised by rows of a split; gives those of the minimum.
    pub fn advance(&mut self, split: u32, marks: &Marks) -> Marks {
        let input = self.input(split);
        self.watermarks.advance(input, marks)
    }

    /// The split takes part from here on.
    pub fn add(&mut self, split: u32) {
        self.input(split);
    }

    /// The split falls silent; gives the combined watermark if it rises by that.
    pub fn set_idle(&mut self, split: u32) -> Option<i64> {
        let input = self.input(split);
        self.watermarks.set_idle(input)
    }

    /// All splits have been read to their end.
    pub fn end(&mut self) -> Option<i64> {
        let inputs = self.splits.iter().map(|&(_, input)| input);
        inputs.filter_map(|input| self.watermarks.end(input)).last()
    }

    /// Whether all splits are idle.
    pub fn idle(&self) -> bool {
        self.watermarks.idle()
    }

    fn input(&mut self, split: u32) -> usize {
        if let Some(&(_, input)) = self.splits.iter().find(|(known, _)| *known == split) {
            return input;
        }
        let input = self.watermarks.add();
        self.splits.push((split, input));
        input
    }
}

/// Names for the watermarks of a source's splits (`None`: that of all) in a checkpoint.
pub fn names_of_splits(
    source: &str,
    splits: impl IntoIterator<Item = (Option<u32>, i64)>,
) -> Vec<(String, i64)> {
    let name = |split: Option<u32>| split.map_or_else(String::new, |split| split.to_string());
    splits.into_iter().map(|(split, watermark)| (format!("{source}#{}", name(split)), watermark)).collect()
}

/// The splits of a source with their watermarks, from those saved.
pub fn splits_in(saved: &BTreeMap<String, i64>, source: &str) -> Vec<(u32, i64)> {
    let prefix = format!("{source}#");
    let own = saved.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
    own.filter_map(|(name, &watermark)| Some((name[prefix.len()..].parse().ok()?, watermark))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(pairs: &[(u32, i64)]) -> Marks {
        let mut marks = Marks::none();
        pairs.iter().for_each(|&(row, watermark)| marks.push(row, watermark));
        marks
    }

    #[test]
    fn the_combined_watermark_is_the_minimum_and_stands_where_it_rises() {
        let mut w = InputWatermarks::new(2);
        assert_eq!(w.advance(0, &marks(&[(1, 10), (2, 30)])), Marks::none());
        assert_eq!(
            w.advance(1, &marks(&[(3, 5), (4, 20), (6, 40), (7, 50)])),
            marks(&[(3, 5), (4, 20), (6, 30)])
        );
        assert_eq!(w.combined(), 30);
    }

    #[test]
    fn lower_marks_are_skipped() {
        let mut w = InputWatermarks::new(1);
        assert_eq!(w.advance(0, &marks(&[(1, 10)])), marks(&[(1, 10)]));
        assert_eq!(w.advance(0, &marks(&[(1, 5), (2, 11)])), marks(&[(2, 11)]));
    }

    #[test]
    fn an_idle_or_ended_input_holds_nothing_back() {
        let mut w = InputWatermarks::new(2);
        w.advance(0, &marks(&[(1, 10)]));
        assert_eq!(w.set_idle(1), Some(10));
        assert_eq!(w.advance(0, &marks(&[(0, 20)])), marks(&[(0, 20)]));
        assert_eq!(w.advance(1, &marks(&[(1, 7)])), Marks::none());
        assert_eq!(w.advance(0, &marks(&[(0, 30)])), marks(&[(0, 30)]), "it has to catch up first");
        assert_eq!(w.advance(1, &marks(&[(1, 35)])), Marks::none());
        assert_eq!(w.advance(0, &marks(&[(0, 50)])), marks(&[(0, 35)]));
        assert_eq!(w.end(1), Some(50));
        assert_eq!(w.end(0), Some(WATERMARK_MAX));
    }

    #[test]
    fn an_ended_and_an_idle_input_are_not_the_end() {
        let mut w = InputWatermarks::new(2);
        w.advance(0, &marks(&[(1, 10)]));
        w.set_idle(0);
        assert!(!w.idle());
        assert_eq!(w.end(1), Some(10));
        assert!(w.idle());
    }
}
