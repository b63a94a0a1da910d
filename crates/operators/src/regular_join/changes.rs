//! What a join gives for each row: pairs, padded rows, and rows of semi and anti joins, in Flink's order.

use crate::join_rows::NONE;
use std::sync::Arc;
use tidemill_plan::JoinKind;
use tidemill_state::JoinTable;
use tidemill_types::RowKind;

/// A row of the chunk at hand.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// Its index.
    pub(super) row: u32,
    /// Its kind.
    pub(super) kind: RowKind,
}

/// The changes so far, as places of rows.
pub(super) struct Changes {
    join: JoinKind,
    /// Whether the chunk is of the left side.
    left: bool,
    final_only: bool,
    own: Vec<u32>,
    other: Vec<u32>,
    kinds: Vec<RowKind>,
}

/// Some of the changes, ready to be taken.
pub(super) struct Part<'c> {
    /// Rows of the chunk; [`NONE`] for padding.
    pub(super) own: &'c [u32],
    /// Places among the rows of the other side; [`NONE`] for padding.
    pub(super) other: &'c [u32],
    /// Absent if all are inserts.
    pub(super) kinds: Option<Arc<[RowKind]>>,
}

impl Changes {
    pub(super) fn new(join: JoinKind, left: bool, final_only: bool) -> Self {
        Changes { join, left, final_only, own: Vec::new(), other: Vec::new(), kinds: Vec::new() }
    }

    fn push(&mut self, own: u32, other: u32, kind: RowKind, times: i64) {
        for _ in 0..times {
            self.own.push(own);
            self.other.push(other);
            self.kinds.push(kind);
        }
    }

    /// A row that can't match. Whether it comes out.
    pub(super) fn unmatchable(&mut self, row: Row) -> bool {
        let kind = match (self.join, self.left) {
            (JoinKind::Anti, true) => row.kind,
            (join, left) if join.keeps(left) => outer_kind(row.kind.adds()),
            _ => return false,
        };
        self.push(row.row, NONE, kind, 1);
        true
    }

    /// A row with the kept rows that match it; `place` tells where those are.
    pub(super) fn matchable(
        &mut self,
        row: Row,
        matched: &[u32],
        table: &mut JoinTable,
        place: &impl Fn(u32) -> u32,
        now_ms: i64,
    ) {
        match (self.join.left_only(), self.left) {
            (true, true) => self.left_row(row, !matched.is_empty()),
            (true, false) => self.right_row(row, matched, table, place, now_ms),
            (false, _) => self.pairs(row, matched, table, place, now_ms),
        }
    }

    /// A left row of a semi or anti join.
    fn left_row(&mut self, row: Row, has_match: bool) {
        let wanted = has_match == (self.join == JoinKind::Semi);
        // At the end of a batch job it is known for sure that nothing matches.
        if wanted && (has_match || !self.final_only) {
            self.push(row.row, NONE, row.kind, 1);
        }
    }

    /// A right row of a semi or anti join: left rows whose first match comes or whose last match goes.
    fn right_row(
        &mut self,
        row: Row,
        matched: &[u32],
        table: &mut JoinTable,
        place: &impl Fn(u32) -> u32,
        now_ms: i64,
    ) {
        let semi = self.join == JoinKind::Semi;
        for &id in matched {
            let before = table.change_matches(id, row.kind.sign(), now_ms);
            let turns = before == i64::from(!row.kind.adds());
            let kind = if semi { row.kind } else { outer_kind(!row.kind.adds()) };
            if turns && (semi || !self.final_only) {
                self.push(NONE, place(id), kind, table.count(id));
            }
        }
    }

    /// A row of an inner or outer join.
    fn pairs(
        &mut self,
        row: Row,
        matched: &[u32],
        table: &mut JoinTable,
        place: &impl Fn(u32) -> u32,
        now_ms: i64,
    ) {
        let (own_outer, other_outer) = (self.join.keeps(self.left), self.join.keeps(!self.left));
        let adds = row.kind.adds();
        let kind = if own_outer || other_outer { outer_kind(adds) } else { row.kind };
        if matched.is_empty() && own_outer && !self.final_only {
            self.push(row.row, NONE, kind, 1);
        }
        if other_outer && adds {
            self.padding(matched, RowKind::Delete, 0, table, place, now_ms);
        }
        for &id in matched {
            self.push(row.row, place(id), kind, table.count(id));
        }
        if other_outer && !adds {
            self.padding(matched, RowKind::Insert, 1, table, place, now_ms);
        }
    }

    /// Takes back or gives again the padded rows of the other side whose number of matches was `turn`.
    fn padding(
        &mut self,
        matched: &[u32],
        kind: RowKind,
        turn: i64,
        table: &mut JoinTable,
        place: &impl Fn(u32) -> u32,
        now_ms: i64,
    ) {
        for &id in matched {
            let before = table.change_matches(id, -kind.sign(), now_ms);
            if before == turn && !self.final_only {
                self.push(NONE, place(id), kind, table.count(id));
            }
        }
    }

    /// The changes in parts of at most so many.
    pub(super) fn parts(&self, rows: usize) -> impl Iterator<Item = Part<'_>> {
        let parts = self.own.chunks(rows).zip(self.other.chunks(rows)).zip(self.kinds.chunks(rows));
        parts.map(|((own, other), kinds)| Part {
            own,
            other,
            kinds: kinds.iter().any(|kind| *kind != RowKind::Insert).then(|| kinds.into()),
        })
    }
}

/// Outer joins know no updates: what they give is new or taken back.
fn outer_kind(adds: bool) -> RowKind {
    if adds { RowKind::Insert } else { RowKind::Delete }
}
