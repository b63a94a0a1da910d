//! A segment: the rows that one task wrote of one table in one epoch, a stretch of a data file.

use super::GroupSet;
use crate::SnapshotRows;
use serde::{Deserialize, Serialize};

/// Where a segment lies and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// The name of the data file in the job's folder.
    pub file: String,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// The xxh3 at the end of the encoded rows.
    #[serde(with = "hex")]
    pub checksum: u64,
    /// The epoch that wrote it.
    pub epoch: u64,
    /// The key groups it says something about.
    pub groups: GroupSet,
    /// Those of them of which it holds all rows.
    pub whole: GroupSet,
    /// How many rows it holds, changes included.
    pub rows: u64,
}

impl SegmentRef {
    /// The segment of encoded rows at a place.
    pub(crate) fn new(
        file: &str,
        epoch: u64,
        offset: u64,
        len: u64,
        checksum: u64,
        rows: &SnapshotRows,
    ) -> Self {
        let whole = rows.sections.iter().filter(|section| section.whole);
        SegmentRef {
            file: file.to_owned(),
            offset,
            len,
            checksum,
            epoch,
            groups: rows.sections.iter().map(|section| section.group).collect(),
            whole: whole.map(|section| section.group).collect(),
            rows: rows.rows() as u64,
        }
    }

    /// Behind the last byte.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}

/// Numbers as text: a JSON number has no 64 bits everywhere.
pub(crate) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:016x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}
