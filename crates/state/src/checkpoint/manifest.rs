//! The manifest of an epoch: everything a job needs to go on, as JSON behind a line with its checksum.
//!
//! The file is the line `tidemill checkpoint manifest <version> <length> <xxh3>` and then the JSON of
//! [`Manifest`], `length` bytes of it. The checksum (16 hexadecimal digits) covers the version and the JSON. So
//! `tail -n +2 epoch-0000000012.manifest | jq` shows it to people.
//!
//! Version 1: the fields as they stand here; fields that are added later must have a default. Version 2: the same, with rows
//! in columns in the data files.
//! Invariant: a file of which one bit changed, or that was cut, is refused; so is one of a later version.

use super::SegmentRef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidemill_types::{Error, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The version that is written; older ones stay readable.
pub const MANIFEST_VERSION: u32 = 2;

const TITLE: &str = "tidemill checkpoint manifest";

/// A job at one epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name of the job.
    pub job: String,
    /// The number of the checkpoint; later ones are larger.
    pub epoch: u64,
    /// When it was taken, in milliseconds since 1970.
    pub created_ms: i64,
    /// Whether the job had read all its input: there is nothing to go on with.
    pub finished: bool,
    /// How many tasks each fragment had.
    pub parallelism: u32,
    /// How many key groups the job has.
    pub key_groups: u32,
    /// How far each source had read, by its uid.
    pub sources: BTreeMap<String, SourceState>,
    /// The watermarks reached, by place in the plan.
    pub watermarks: BTreeMap<String, i64>,
    /// The tables of operators.
    pub tables: Vec<TableState>,
    /// Rows that stood between tasks when the barrier overtook them: by receiving fragment and task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<TableState>,
    /// What it took to take it.
    #[serde(default, skip_serializing_if = "CheckpointCost::is_unknown")]
    pub cost: CheckpointCost,
    /// What each sink prepared, by its uid; it commits once the manifest is there.
    #[serde(with = "prepared")]
    pub sinks: BTreeMap<String, Vec<Vec<u8>>>,
    /// The plan, as an upgrade compares it.
    pub plan: serde_json::Value,
    /// The settings the job ran with that its results depend on.
    pub settings: BTreeMap<String, String>,
}

/// What a checkpoint took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointCost {
    /// From the first barrier until everybody had reported, in milliseconds.
    pub duration_ms: u64,
    /// How long the task that waited longest had some inputs at the barrier and others not, in milliseconds.
    pub alignment_ms: u64,
    /// The bytes of state that were written.
    pub state_bytes: u64,
    /// The bytes of rows that the barrier overtook.
    pub in_flight_bytes: u64,
}

impl CheckpointCost {
    fn is_unknown(&self) -> bool {
        *self == CheckpointCost::default()
    }
}

/// How far a source had read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// Whether it had given everything.
    pub ended: bool,
    /// The position of each split, in the connector's own form.
    pub positions: BTreeMap<String, String>,
}

/// A table of an operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    /// The uid of the operator.
    pub operator: String,
    /// The name of the table within the operator.
    pub table: String,
    /// The layout of its rows; see [`crate::StateTable::schema_id`].
    #[serde(with = "super::segment::hex")]
    pub schema: u64,
    /// How many rows it has, over all tasks.
    pub rows: u64,
    /// Where its rows lie, in the order they apply.
    pub segments: Vec<SegmentRef>,
}

/// Why a manifest can't be used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unreadable {
    /// It is not what was written.
    Damaged(String),
    /// It is, but by a program that knows more.
    Later(u32),
}

impl Manifest {
    /// The bytes of its file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let body = serde_json::to_vec(self)
            .map_err(|error| Error::internal(format!("a manifest that is no JSON: {error}")))?;
        let mut out = head(MANIFEST_VERSION, &body).into_bytes();
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// The reverse of [`Manifest::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        read(bytes).map_err(|unreadable| match unreadable {
            Unreadable::Damaged(reason) => {
                Error::external_fatal(format!("the manifest is damaged: {reason}"))
            }
            Unreadable::Later(version) => later(version),
        })
    }

    /// All segments that it names.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentRef> {
        self.all_tables().flat_map(|table| &table.segments)
    }

    /// The tables of operators, and behind them the rows between tasks.
    pub fn all_tables(&self) -> impl Iterator<Item = &TableState> {
        self.tables.iter().chain(&self.in_flight)
    }
}

/// The refusal of a manifest from a later program.
pub(crate) fn later(version: u32) -> Error {
    Error::user_hint(
        format!("the checkpoint has version {version}, this program reads versions up to {MANIFEST_VERSION}"),
        "start it with the tidemill that wrote it or a later one",
    )
}

fn head(version: u32, body: &[u8]) -> String {
    let checksum = xxh3_64_with_seed(body, u64::from(version));
    format!("{TITLE} {version} {} {checksum:016x}\n", body.len())
}

/// Reads the bytes of a manifest's file.
pub(crate) fn read(bytes: &[u8]) -> Result<Manifest, Unreadable> {
    let damaged = |reason: &str| Unreadable::Damaged(reason.to_owned());
    let at = bytes.iter().position(|&byte| byte == b'\n').ok_or_else(|| damaged("it has no first line"))?;
    let (line, body) = bytes.split_at(at + 1);
    let version = std::str::from_utf8(line)
        .ok()
        .and_then(|line| line.strip_prefix(TITLE)?.strip_prefix(' ')?.split(' ').next()?.parse::<u32>().ok());
    let version = version.ok_or_else(|| damaged("its first line is not that of a manifest"))?;
    if head(version, body).as_bytes() != line {
        return Err(damaged("it does not match its checksum"));
    }
    if version > MANIFEST_VERSION {
        return Err(Unreadable::Later(version));
    }
    serde_json::from_slice(body).map_err(|error| Unreadable::Damaged(error.to_string()))
}

/// Bytes of sinks as base64.
mod prepared {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
    use std::collections::BTreeMap;

    type Sinks<T> = BTreeMap<String, Vec<T>>;

    pub(super) fn serialize<S: Serializer>(sinks: &Sinks<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |(uid, all): (&String, &Vec<Vec<u8>>)| {
            (uid.clone(), all.iter().map(|bytes| BASE64_STANDARD.encode(bytes)).collect())
        };
        sinks.iter().map(text).collect::<Sinks<String>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Sinks<Vec<u8>>, D::Error> {
        let bytes = |text: String| BASE64_STANDARD.decode(text).map_err(D::Error::custom);
        let all = Sinks::<String>::deserialize(deserializer)?.into_iter();
        all.map(|(uid, all)| Ok((uid, all.into_iter().map(bytes).collect::<Result<_, _>>()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        Manifest {
            job: "wörter".into(),
            epoch: 12,
            created_ms: 1_700_000_000_000,
            sources: BTreeMap::from([(
                "source-1".into(),
                SourceState { ended: false, positions: BTreeMap::from([("a.csv".into(), "17:2".into())]) },
            )]),
            sinks: BTreeMap::from([("sink-1".into(), vec![vec![0, 255], Vec::new()])]),
            ..Manifest::default()
        }
    }

    #[test]
    fn it_comes_back_and_every_changed_bit_is_seen() {
        let bytes = sample().encode().unwrap();
        assert_eq!(Manifest::decode(&bytes), Ok(sample()));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut wrong = bytes.clone();
                wrong[at] ^= 1 << bit;
                assert!(matches!(read(&wrong), Err(Unreadable::Damaged(_))), "byte {at} bit {bit}");
            }
            assert!(matches!(read(&bytes[..at]), Err(Unreadable::Damaged(_))), "cut at {at}");
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let body = br#"{"unknown":true}"#;
        let bytes = [head(MANIFEST_VERSION + 1, body).as_bytes(), body].concat();
        assert_eq!(read(&bytes), Err(Unreadable::Later(MANIFEST_VERSION + 1)));
        assert!(Manifest::decode(&bytes).unwrap_err().hint().is_some());
    }
}
