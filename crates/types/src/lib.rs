//! The words every other crate speaks: Flink's data types, chunks of rows with their row kinds and
//! watermark marks, operator state cells, the clock, the disk, and errors sorted by who must act.
//!
//! Invariant: nothing here but the machine's own clock and disk does I/O; nothing knows async or SQL text.

pub mod arrow_type;
pub mod bitmap;
pub mod blob;
pub mod bytes;
pub mod cells;
pub mod chunk;
pub mod clock;
pub mod data_type;
pub mod disk;
pub mod error;
pub mod key;
pub mod map;
pub mod marks;
pub mod options;
pub mod row_kind;
pub mod schema;
pub mod text;
pub mod zone;

pub use blob::{Blob, Framing};
pub use cells::{CellKind, Cells};
pub use chunk::Chunk;
pub use clock::{Clock, SystemClock};
pub use data_type::{DataType, RowField, TypeKind};
pub use disk::{Disk, DiskFile, SystemDisk};
pub use error::{Error, Result};
pub use key::{EncodedKeys, KeyEncoder};
pub use marks::{Mark, Marks, WATERMARK_MAX, WATERMARK_NONE};
pub use options::{OptionKind, OptionSpec, Options};
pub use row_kind::RowKind;
pub use schema::{Field, Schema, TimeAttribute};

/// The arrays all crates share, so that they name one place.
pub use arrow_array as arrow;
pub use arrow_array::ArrayRef;
