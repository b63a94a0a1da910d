//! Keyed state behind one interface: what operators keep between chunks, addressed by key and slot, and
//! how it gets into a snapshot and back by key group.
//!
//! Five kinds: value tables ([`GroupTable`], with panes [`PanedTable`], with one value per task
//! [`SharedValue`]), the [`OrderedTable`], the [`TimedTable`], the [`JoinTable`] and [`Timers`]; besides them the
//! [`MatchTable`] of partial matches, the [`FrameTable`] and [`WaitingRows`] of whole rows in columns.
//! Where snapshots of a whole job live is [`checkpoint`]'s business.
//! Keys that do not fit into memory are moved to disk by their table; see [`spill`].
//! Invariant: nothing here knows an operator; only `checkpoint` and `spill` do I/O, only `checkpoint` is handed a
//! clock. A table restored from its snapshot answers like the table that was snapshotted, and so does one whose keys
//! are on disk.

mod agenda;
mod arena;
pub mod checkpoint;
mod columns;
pub mod counted_sets;
pub mod entries;
pub mod frame_table;
pub mod group_table;
pub mod join_table;
pub mod key_index;
mod keyed;
pub mod match_table;
pub mod ordered_table;
pub mod paned_table;
mod room;
mod row_arena;
mod sections;
pub mod session_table;
pub mod shared_value;
pub mod slot_cells;
pub mod snapshot;
pub mod spill;
pub mod table;
pub mod timed_table;
pub mod timers;
mod tracking;
pub mod waiting_rows;

pub use counted_sets::CountedSets;
pub use frame_table::FrameTable;
pub use group_table::GroupTable;
pub use join_table::{JoinRows, JoinTable};
pub use key_index::KeyIndex;
pub use match_table::{MatchTable, PartialMatch, Partition, Run};
pub use ordered_table::OrderedTable;
pub use paned_table::{DERIVED_PANE, PaneId, PanedTable, UNUSED_KEYS, derived_pane};
pub use session_table::{Session, SessionTable};
pub use shared_value::SharedValue;
pub use slot_cells::SlotCells;
pub use snapshot::SnapshotRows;
#[cfg(feature = "spill-store")]
pub use spill::SpillStore;
pub use spill::{MemoryBudget, Pressure, WeakBudget};
pub use table::StateTable;
pub use timed_table::TimedTable;
pub use timers::Timers;
pub use waiting_rows::WaitingRows;
