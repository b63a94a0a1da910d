//! What happened to the rows of a chunk, in order: which pairs are candidates, which rows left the state, where
//! the marks stand. It is decided before the residual condition is known.

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A row of the chunk has met its candidates: the pairs up to this number.
    Row {
        /// The row.
        row: u32,
        /// Where its pairs end.
        pairs_end: u32,
        /// Its number in its side's table if it was kept.
        kept: Option<u32>,
    },
    /// A row left the table of a side.
    Leave {
        /// The side.
        port: u8,
        /// Its number in the table, still readable.
        id: u32,
    },
    /// The watermark of the output reaches this.
    Mark(i64),
}

/// All that happened.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// In order. Rows that leave while a row looks at them stand behind that row.
    pub(super) list: Vec<Step>,
    /// For each candidate pair the row of the chunk.
    pub(super) own: Vec<u32>,
    /// For each candidate pair the number of the other row in its side's table.
    pub(super) ids: Vec<u32>,
    row: u32,
    /// Rows that left while the row at hand looked at them.
    left: Vec<Step>,
    in_row: bool,
}

impl Steps {
    pub(super) fn begin_row(&mut self, row: u32) {
        (self.row, self.in_row) = (row, true);
    }

    /// The row at hand and this one are a candidate pair.
    #[inline]
    pub(super) fn pair(&mut self, id: u32) {
        self.own.push(self.row);
        self.ids.push(id);
    }

    pub(super) fn leave(&mut self, port: usize, id: u32) {
        let step = Step::Leave { port: port as u8, id };
        if self.in_row { self.left.push(step) } else { self.list.push(step) }
    }

    pub(super) fn end_row(&mut self, kept: Option<u32>) {
        self.list.push(Step::Row { row: self.row, pairs_end: self.ids.len() as u32, kept });
        self.list.append(&mut self.left);
        self.in_row = false;
    }

    pub(super) fn mark(&mut self, watermark: i64) {
        self.list.push(Step::Mark(watermark));
    }
}
