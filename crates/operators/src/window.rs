//! What all window operators share: the grid of panes, the panes of rows, and how results leave.

pub mod emission;
pub mod grid;
pub mod panes;
pub mod properties;

pub use emission::{EMIT_ROWS, Emission};
pub use grid::Grid;
pub use panes::{Panes, Windows, time_values};
pub use properties::Properties;
