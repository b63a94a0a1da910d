//! The files of a table, in a fixed order.
//!
//! Invariant: files come in path order, so that a bounded read is the same every time. Files and folders
//! whose name starts with `.` or `_` are hidden, but never the path that the table itself names.

use fancy_regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use tidemill_types::{Error, Result};

/// How deep folders may lie in one another; a cycle of links ends here.
const DEPTH_MAX: usize = 64;

/// The files under `root`, or `root` itself if it is no folder, whose absolute path matches the pattern.
pub(super) fn list(root: &Path, pattern: Option<&Regex>) -> Result<Vec<PathBuf>> {
    let kind = fs::metadata(root).map_err(|error| unreadable(root, &error))?;
    let mut files = Vec::new();
    if kind.is_dir() {
        walk(root, 0, &mut files)?;
        files.sort();
    } else {
        files.push(root.to_path_buf());
    }
    if let Some(pattern) = pattern {
        files.retain(|file| {
            absolute(file).to_str().is_some_and(|path| pattern.is_match(path).unwrap_or(false))
        });
    }
    Ok(files)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Error::user_hint(
            format!("folders under '{}' lie more than {DEPTH_MAX} deep", folder.display()),
            "a link may lead back to a folder above it",
        ));
    }
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if is_hidden(&path) {
            continue;
        }
        // A file that vanished since the folder was read is simply no longer part of the table.
        match fs::metadata(&path) {
            Ok(kind) if kind.is_dir() => walk(&path, depth + 1, files)?,
            Ok(_) => files.push(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(())
}

/// Whether tables skip a file or folder of this name.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_')))
}

/// The absolute form of a path; links are not followed.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The error for a path that can't be read.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::user_hint(
            format!("there is no file or folder '{}'", path.display()),
            format!("relative paths start at '{}'", absolute(Path::new(".")).display()),
        ),
        std::io::ErrorKind::PermissionDenied => {
            Error::user(format!("'{}' may not be read by this user", path.display()))
        }
        _ => Error::external_fatal(format!("can't read '{}': {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_skipped_and_the_order_is_fixed() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a/z.csv", "a/_x.csv", ".dot/y.csv", "_temporary/y.csv", "c.csv"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let names = |pattern: Option<&str>| -> Vec<String> {
            let pattern = pattern.map(|text| Regex::new(text).unwrap());
            let files = list(root.path(), pattern.as_ref()).unwrap();
            files.iter().map(|f| f.strip_prefix(root.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(names(None), ["a/z.csv", "b.csv", "c.csv"]);
        assert_eq!(names(Some(r"^(?:.*/[bc]\.csv)$")), ["b.csv", "c.csv"]);
    }

    #[test]
    fn a_missing_path_is_named() {
        let error = list(Path::new("/nowhere/at-all"), None).unwrap_err();
        assert_eq!(error.to_string(), "there is no file or folder '/nowhere/at-all'");
    }
}
