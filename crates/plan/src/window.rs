//! Windows as the plan describes them.
//!
//! Invariant: all spans are whole milliseconds. Windows are half-open `[start, end)` on the wall clock: for
//! TIMESTAMP that of UTC, for TIMESTAMP_LTZ and processing time that of the session zone.

use std::fmt;
use tidemill_types::TimeAttribute;

/// How rows are put into windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowKind {
    /// `[n * size + offset, (n + 1) * size + offset)`.
    Tumble {
        /// Length in ms.
        size: i64,
        /// Shift in ms.
        offset: i64,
    },
    /// Windows of `size` that start every `slide`.
    Hop {
        /// Distance of starts in ms.
        slide: i64,
        /// Length in ms.
        size: i64,
        /// Shift in ms.
        offset: i64,
    },
    /// `[start, start + n * step)` up to `size`.
    Cumulate {
        /// Growth in ms.
        step: i64,
        /// Largest length in ms.
        size: i64,
        /// Shift in ms.
        offset: i64,
    },
    /// Rows no more than `gap` apart.
    Session {
        /// Largest distance in ms.
        gap: i64,
        /// Key columns of the input by which sessions are kept apart.
        partition: Vec<usize>,
    },
    /// The input's rows already carry their window.
    Attached {
        /// The input column `window_start`.
        start: usize,
        /// The input column `window_end`.
        end: usize,
    },
}

/// Windows over a time attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowSpec {
    /// How rows are put into windows.
    pub kind: WindowKind,
    /// The input column that is the time attribute (TIMESTAMP(3) or TIMESTAMP_LTZ(3)).
    pub time_column: usize,
    /// Event or processing time.
    pub time: TimeAttribute,
    /// The zone whose wall clock windows follow; absent for plain TIMESTAMP (and equal to UTC then).
    pub zone: Option<chrono_tz::Tz>,
}

/// A column that a window operator adds behind keys and aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowProperty {
    /// `window_start`: TIMESTAMP(3), wall clock.
    Start,
    /// `window_end`: TIMESTAMP(3), wall clock, exclusive.
    End,
    /// `window_time`: end - 1 ms in the type of the input's time attribute.
    Time,
}

impl fmt::Display for WindowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WindowKind::Tumble { size, offset } => write!(f, "TUMBLE(size={size} ms, offset={offset} ms)"),
            WindowKind::Hop { slide, size, offset } => {
                write!(f, "HOP(slide={slide} ms, size={size} ms, offset={offset} ms)")
            }
            WindowKind::Cumulate { step, size, offset } => {
                write!(f, "CUMULATE(step={step} ms, max_size={size} ms, offset={offset} ms)")
            }
            WindowKind::Session { gap, partition } => {
                write!(f, "SESSION(gap={gap} ms, partition={partition:?})")
            }
            WindowKind::Attached { .. } => f.write_str("ATTACHED(window_start, window_end)"),
        }
    }
}
