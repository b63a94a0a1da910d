//! Watermark marks: where inside a chunk the watermark advances.
//!
//! Invariant: rows and watermarks both rise strictly from mark to mark. A mark `(row, w)` says: after
//! `row` rows of the chunk have passed, the watermark is `w`. Row `r` is judged against the last mark
//! whose `row <= r`. Marks survive filters and exchanges; nothing is cut where nothing fires.

/// The watermark before any was seen.
pub const WATERMARK_NONE: i64 = i64::MIN;
/// The watermark at the end of a bounded input.
pub const WATERMARK_MAX: i64 = i64::MAX;

/// The watermark becomes `watermark` once `row` rows of the chunk have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// How many rows of the chunk go before it.
    pub row: u32,
    /// Milliseconds of event time; no further row is expected at or below it.
    pub watermark: i64,
}

/// The marks of one chunk, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(Vec<Mark>);

impl Marks {
    /// No mark at all.
    pub const fn none() -> Self {
        Marks(Vec::new())
    }

    /// One mark at the given row.
    pub fn at(row: usize, watermark: i64) -> Self {
        Marks(vec![Mark { row: row as u32, watermark }])
    }

    /// Adds a mark; a watermark that does not rise is dropped, one at the same row replaces the former.
    pub fn push(&mut self, row: u32, watermark: i64) {
        match self.0.last_mut() {
            Some(last) if watermark <= last.watermark => {}
            Some(last) if last.row == row => last.watermark = watermark,
            Some(last) => {
                debug_assert!(last.row < row, "marks come in row order");
                self.0.push(Mark { row, watermark });
            }
            None if watermark == WATERMARK_NONE => {}
            None => self.0.push(Mark { row, watermark }),
        }
    }

    /// The marks in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Mark> {
        self.0.iter()
    }

    /// The marks in order.
    pub fn as_slice(&self) -> &[Mark] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The watermark after the whole chunk, if the chunk holds a mark.
    pub fn last(&self) -> Option<i64> {
        self.0.last().map(|mark| mark.watermark)
    }

    /// The watermark before row `row`, if a mark stands before it.
    pub fn before(&self, row: usize) -> Option<i64> {
        let at = self.0.partition_point(|mark| mark.row as usize <= row);
        at.checked_sub(1).map(|last| self.0[last].watermark)
    }

    /// The marks of a chunk of which only the rows with `keep(row)` remain.
    pub fn filter(&self, mut keep: impl FnMut(usize) -> bool) -> Marks {
        let mut out = Marks::none();
        let (mut row, mut kept) = (0usize, 0u32);
        for mark in &self.0 {
            while row < mark.row as usize {
                kept += u32::from(keep(row));
                row += 1;
            }
            out.push(kept, mark.watermark);
        }
        out
    }

    /// The marks of the rows `start..start + len`; marks at the very start belong to the slice before it
    /// unless `start` is 0, those at its end belong to it.
    pub fn slice(&self, start: usize, len: usize) -> Marks {
        let mut out = Marks::none();
        for mark in &self.0 {
            let row = mark.row as usize;
            if (row > start || (start == 0 && row == 0)) && row <= start + len {
                out.push((row - start) as u32, mark.watermark);
            }
        }
        out
    }

    /// Appends the marks of a chunk that follows after `rows` rows.
    pub fn append(&mut self, rows: usize, next: &Marks) {
        for mark in &next.0 {
            self.push(rows as u32 + mark.row, mark.watermark);
        }
    }

    /// Raises every mark to at least `floor` and drops those that thereby do not rise.
    pub fn completed(&self, floor: i64) -> Marks {
        Marks(self.0.iter().copied().filter(|mark| mark.watermark > floor).collect())
    }
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
    fn only_rising_watermarks_are_kept() {
        assert_eq!(marks(&[(1, 10), (2, 5), (3, 20), (3, 30)]), marks(&[(1, 10), (3, 30)]));
    }

    #[test]
    fn a_row_sees_the_watermark_of_the_rows_before_it() {
        let m = marks(&[(1, 10), (3, 30)]);
        assert_eq!(
            (0..5).map(|r| m.before(r)).collect::<Vec<_>>(),
            [None, Some(10), Some(10), Some(30), Some(30)]
        );
    }

    #[test]
    fn marks_survive_a_filter() {
        let m = marks(&[(1, 10), (3, 30), (4, 40)]);
        assert_eq!(m.filter(|row| row == 2), marks(&[(0, 10), (1, 40)]));
        assert_eq!(m.filter(|_| false), marks(&[(0, 40)]));
    }

    #[test]
    fn slices_of_a_chunk_add_up_to_it() {
        let m = marks(&[(0, 1), (2, 10), (4, 30)]);
        let mut joined = m.slice(0, 2);
        joined.append(2, &m.slice(2, 2));
        assert_eq!(joined, m);
    }
}
