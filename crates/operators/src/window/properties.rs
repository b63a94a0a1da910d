//! The columns `window_start`, `window_end` and `window_time`.

use crate::wall_clock::WallClock;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, PrimitiveArray};
use std::sync::Arc;
use tidemill_plan::WindowProperty;
use tidemill_types::{DataType, TypeKind};

/// The window columns an operator gives.
#[derive(Debug, Clone)]
pub struct Properties {
    wanted: Vec<WindowProperty>,
    /// Whether `window_time` is an instant.
    instant: bool,
}

impl Properties {
    /// The wanted columns for windows over a time attribute of this type.
    pub fn new(wanted: &[WindowProperty], time: &DataType) -> Self {
        Properties { wanted: wanted.to_vec(), instant: matches!(time.kind, TypeKind::TimestampLtz(_)) }
    }

    /// The columns for one window of so many rows.
    pub fn same(&self, clock: &WallClock, window: (i64, i64), rows: usize) -> Vec<ArrayRef> {
        self.columns(clock, rows, std::iter::repeat_n(window, rows))
    }

    /// The columns for rows with windows `(start, end)`.
    pub fn each(&self, clock: &WallClock, windows: &[(i64, i64)]) -> Vec<ArrayRef> {
        self.columns(clock, windows.len(), windows.iter().copied())
    }

    fn columns(
        &self,
        clock: &WallClock,
        rows: usize,
        windows: impl Iterator<Item = (i64, i64)> + Clone,
    ) -> Vec<ArrayRef> {
        self.wanted
            .iter()
            .map(|property| {
                let mut values: Vec<i64> = Vec::with_capacity(rows);
                match property {
                    WindowProperty::Start => values.extend(windows.clone().map(|window| window.0)),
                    WindowProperty::End => values.extend(windows.clone().map(|window| window.1)),
                    WindowProperty::Time => {
                        values.extend(windows.clone().map(|window| clock.instant(window.1 - 1)));
                    }
                }
                let array = PrimitiveArray::<TimestampMillisecondType>::from(values);
                match property {
                    WindowProperty::Time if self.instant => Arc::new(array.with_timezone("UTC")) as ArrayRef,
                    _ => Arc::new(array) as ArrayRef,
                }
            })
            .collect()
    }
}
