//! Where the shell keeps its history: the XDG state folder.

use std::env;
use std::path::PathBuf;

/// The file, in a folder that exists; `None` where there is no place for it.
pub(super) fn file() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    let folder = folder.join("tidemill");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}
