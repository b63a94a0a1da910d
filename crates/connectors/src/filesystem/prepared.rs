//! What a checkpoint must know of a file sink to make its rows visible, as JSON.
//!
//! Invariant: it names everything that is durable and not yet visible, whenever that was written; so the newest one is
//! enough, and doing what an older one says as well changes nothing.

use serde_json::{Value, json};
use tidemill_types::{Error, Result};

/// A part file: where it lies, its names, and how many bytes of it count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartFile {
    /// The partition's folder under that of the table.
    pub(super) partition: String,
    /// Its name once it is visible.
    pub(super) name: String,
    /// Its name before.
    pub(super) hidden: String,
    pub(super) bytes: u64,
}

/// What `prepare` gives and `commit` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Prepared {
    /// To be made visible.
    pub(super) sealed: Vec<PartFile>,
    /// To be gone on with; a run that is resumed makes their bytes visible instead.
    pub(super) growing: Vec<PartFile>,
    /// Partitions to be marked as complete.
    pub(super) marks: Vec<String>,
    /// Partitions that are not complete, each with when it was written first.
    pub(super) pending: Vec<(String, i64)>,
    pub(super) watermark: Option<i64>,
    /// Whether the input has ended.
    pub(super) ended: bool,
}

impl Prepared {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let parts = |parts: &[PartFile]| {
            let part = |part: &PartFile| json!([part.partition, part.name, part.hidden, part.bytes]);
            parts.iter().map(part).collect::<Value>()
        };
        let value = json!({
            "sealed": parts(&self.sealed),
            "growing": parts(&self.growing),
            "marks": self.marks,
            "pending": self.pending,
            "watermark": self.watermark,
            "ended": self.ended,
        });
        value.to_string().into_bytes()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let value: Option<Value> = serde_json::from_slice(bytes).ok();
        value.as_ref().and_then(Self::read).ok_or_else(|| {
            let text = String::from_utf8_lossy(bytes);
            Error::internal(format!("a checkpoint holds what no file sink has prepared: {text}"))
        })
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Prepared {
            sealed: list(&value["sealed"], part)?,
            growing: list(&value["growing"], part)?,
            marks: list(&value["marks"], text)?,
            pending: list(&value["pending"], |pair| Some((text(&pair[0])?, pair[1].as_i64()?)))?,
            watermark: value["watermark"].as_i64(),
            ended: value["ended"].as_bool()?,
        })
    }
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(read).collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_string)
}

fn part(value: &Value) -> Option<PartFile> {
    let [partition, name, hidden, bytes] = value.as_array()?.as_slice() else { return None };
    Some(PartFile {
        partition: text(partition)?,
        name: text(name)?,
        hidden: text(hidden)?,
        bytes: bytes.as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_its_text() {
        let part = PartFile { partition: "k=\"ü\"".into(), name: "p".into(), hidden: ".p".into(), bytes: 7 };
        let prepared = Prepared {
            sealed: vec![part.clone()],
            growing: vec![part],
            marks: vec!["k=1".into()],
            pending: vec![("k=2".into(), -5)],
            watermark: Some(i64::MAX),
            ended: true,
        };
        assert_eq!(Prepared::parse(&prepared.to_bytes()).unwrap(), prepared);
        assert_eq!(Prepared::parse(&Prepared::default().to_bytes()).unwrap(), Prepared::default());
        assert!(Prepared::parse(b"{}").is_err());
    }
}
