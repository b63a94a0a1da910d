//! Windows on a grid: which panes they are made of.
//!
//! All times are wall-clock ms. A pane is the largest span that lies wholly inside or outside every window:
//! the window for TUMBLE, the greatest common divisor of slide and size for HOP, the step for CUMULATE.
//! Invariant: starts are floored, so nothing changes before 1970.

use tidemill_plan::WindowKind;

/// A family of windows on a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// The length of a pane.
    pub pane: i64,
    /// Where panes start, modulo `pane`.
    offset: i64,
    /// The (largest) length of a window.
    pub size: i64,
    /// The distance between the ends of windows.
    pub stride: i64,
    growing: bool,
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[inline]
fn floor(at: i64, length: i64, offset: i64) -> i64 {
    at - (at - offset).rem_euclid(length)
}

impl Grid {
    /// The grid of these windows, if they have one.
    pub fn new(kind: &WindowKind) -> Option<Self> {
        let grid = |pane, offset, size, stride, growing| Some(Grid { pane, offset, size, stride, growing });
        match *kind {
            WindowKind::Tumble { size, offset } => grid(size, offset, size, size, false),
            WindowKind::Hop { slide, size, offset } => grid(gcd(size, slide), offset, size, slide, false),
            WindowKind::Cumulate { step, size, offset } => grid(step, offset, size, step, true),
            WindowKind::Session { .. } | WindowKind::Attached { .. } => None,
        }
    }

    /// Whether each window is one pane.
    pub fn single(&self) -> bool {
        self.pane == self.size
    }

    /// Whether windows with one start follow each other (CUMULATE).
    pub fn growing(&self) -> bool {
        self.growing
    }

    /// The start of the pane that holds a time.
    #[inline]
    pub fn pane_start(&self, at: i64) -> i64 {
        floor(at, self.pane, self.offset)
    }

    /// The number of the pane that starts there.
    pub fn index(&self, start: i64) -> i64 {
        (start - self.offset).div_euclid(self.pane)
    }

    /// Where the pane with this number starts.
    pub fn time(&self, index: i64) -> i64 {
        index * self.pane + self.offset
    }

    /// The start of the window that ends there.
    pub fn window_start(&self, end: i64) -> i64 {
        if self.growing { floor(end - 1, self.size, self.offset) } else { end - self.size }
    }

    /// The end of the first window that holds the pane.
    pub fn first_end(&self, pane_start: i64) -> i64 {
        if self.growing {
            return pane_start + self.pane;
        }
        // The least window start at or after `pane_end - size`.
        let least = pane_start + self.pane - self.size;
        floor(least + self.stride - 1, self.stride, self.offset) + self.size
    }

    /// The end of the last window that holds the pane.
    pub fn last_end(&self, pane_start: i64) -> i64 {
        let length = if self.growing { self.size } else { self.stride };
        floor(pane_start, length, self.offset) + self.size
    }

    /// The end of the first window that ends after `end`.
    pub fn next_end(&self, end: i64) -> i64 {
        let phase = if self.growing { self.offset } else { self.offset + self.size };
        floor(end, self.stride, phase) + self.stride
    }

    /// The starts of all windows that hold the pane, with their ends, ascending by end.
    pub fn windows(&self, pane_start: i64) -> impl Iterator<Item = (i64, i64)> {
        let grid = *self;
        let last = self.last_end(pane_start);
        let mut end = self.first_end(pane_start);
        std::iter::from_fn(move || {
            let window = (grid.window_start(end), end);
            end += grid.stride;
            (window.1 <= last).then_some(window)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(kind: WindowKind) -> Grid {
        Grid::new(&kind).unwrap()
    }

    fn windows(grid: Grid, at: i64) -> Vec<(i64, i64)> {
        grid.windows(grid.pane_start(at)).collect()
    }

    #[test]
    fn tumbling_windows_hold_before_1970_and_with_offsets() {
        let tumble = grid(WindowKind::Tumble { size: 10, offset: 0 });
        assert_eq!(windows(tumble, 9), [(0, 10)]);
        assert_eq!(windows(tumble, -1), [(-10, 0)]);
        let shifted = grid(WindowKind::Tumble { size: 10, offset: -3 });
        assert_eq!(windows(shifted, -4), [(-13, -3)]);
        assert_eq!(windows(shifted, 7), [(7, 17)]);
    }

    #[test]
    fn hopping_windows_may_overlap_or_leave_gaps() {
        let hop = grid(WindowKind::Hop { slide: 5, size: 15, offset: 0 });
        assert_eq!(windows(hop, 7), [(-5, 10), (0, 15), (5, 20)]);
        assert_eq!((hop.next_end(10), hop.next_end(9), hop.next_end(-1)), (15, 10, 0));
        let odd = grid(WindowKind::Hop { slide: 4, size: 10, offset: 1 });
        assert_eq!((odd.pane, windows(odd, 1)), (2, vec![(-7, 3), (-3, 7), (1, 11)]));
        let gaps = grid(WindowKind::Hop { slide: 10, size: 4, offset: 0 });
        assert_eq!((windows(gaps, 3), windows(gaps, 5)), (vec![(0, 4)], vec![]));
    }

    #[test]
    fn cumulating_windows_grow_to_their_size() {
        let cumulate = grid(WindowKind::Cumulate { step: 5, size: 15, offset: 0 });
        assert_eq!(windows(cumulate, 7), [(0, 10), (0, 15)]);
        assert_eq!(windows(cumulate, -1), [(-15, 0)]);
        assert_eq!(cumulate.next_end(10), 15);
    }
}
