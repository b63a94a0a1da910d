//! Paths as tables give them, and the escaping of partition folders.
//!
//! Source of the escaping: Flink's `PartitionPathUtils`, which follows Hive. Invariant: unescaping what
//! was escaped gives the text back.

use std::path::PathBuf;
use tidemill_types::{Error, Result};

/// Where a table lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// `-`: standard input or standard output.
    Standard,
    /// A file or folder of this machine.
    Path(PathBuf),
}

/// Reads the option `path`: a plain path, a `file:` URI or `-`.
pub(super) fn location(text: &str) -> Result<Location> {
    if text == "-" {
        return Ok(Location::Standard);
    }
    let path = match text.strip_prefix("file:") {
        Some(rest) => match rest.strip_prefix("//") {
            Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
            None => rest,
        },
        None if text.contains("://") => {
            return Err(Error::user_hint(
                format!("the path '{text}' is not on this machine"),
                "the connector 'filesystem' takes local paths and 'file://' addresses",
            ));
        }
        None => text,
    };
    match path {
        "" => Err(Error::user_hint("the option 'path' is empty", "give a file, a folder or '-'")),
        path => Ok(Location::Path(PathBuf::from(path))),
    }
}

/// A partition column or value as part of a folder's name.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_special(c) { out.push_str(&format!("%{:02X}", c as u32)) } else { out.push(c) }
    }
    out
}

fn is_special(c: char) -> bool {
    matches!(c, '\u{1}'..='\u{1f}' | '\u{7f}' | '"' | '#' | '%' | '\'' | '*' | '/' | ':' | '=' | '?')
        || matches!(c, '\\' | '{' | '[' | ']' | '^')
}

/// The reverse of [`escape`]; a `%` without two hex digits stays as it is.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        match rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(code) => {
                out.push(char::from(code));
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The unescaped column and value of each folder `k=v` in a path, outermost first.
pub(super) fn partition_folders(path: &str) -> impl DoubleEndedIterator<Item = (String, String)> {
    path.split('/').filter_map(|folder| {
        let (column, value) = folder.split_once('=')?;
        (!column.is_empty() && !value.is_empty()).then(|| (unescape(column), unescape(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_files_are_paths() {
        for text in ["/a/b", "file:/a/b", "file:///a/b", "file://localhost/a/b"] {
            assert_eq!(location(text).unwrap(), Location::Path("/a/b".into()), "{text}");
        }
        assert_eq!(location("-").unwrap(), Location::Standard);
        assert!(location("s3://bucket/x").unwrap_err().hint().is_some());
        assert!(location("").is_err());
    }

    #[test]
    fn escaping_follows_hive_and_is_reversible() {
        assert_eq!(escape("a b/c"), "a b%2Fc");
        assert_eq!(escape("10:30=x\n"), "10%3A30%3Dx%0A");
        for text in ["", "a b/c", "100%", "中文", "x[1]{^}\\?*#\"'", "\u{1}\u{7f}"] {
            assert_eq!(unescape(&escape(text)), text);
        }
        assert_eq!(unescape("50%zz%4"), "50%zz%4");
    }

    #[test]
    fn folders_name_partitions() {
        let folders: Vec<_> = partition_folders("/data/dt=2024-01-01/hm=10%3A30/x/=1/f.csv").collect();
        assert_eq!(folders, [("dt".into(), "2024-01-01".into()), ("hm".into(), "10:30".into())]);
    }
}
