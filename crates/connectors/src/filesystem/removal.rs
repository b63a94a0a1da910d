//! Removing the files of a table that are meant, and no others.
//!
//! Invariant: hidden folders are not entered, and what several tasks remove at the same time is no error.

use super::listing::is_hidden;
use std::io;
use std::path::Path;
use tidemill_types::Disk;

/// How deep folders may lie in one another.
const DEPTH_MAX: usize = 64;

/// Removes the files under a folder that are meant, and folders that are then empty. Other tasks may do the same
/// at the same time, so what is already gone is fine.
pub(super) fn remove_files(
    disk: &dyn Disk,
    folder: &Path,
    is_meant: &impl Fn(&str) -> bool,
    depth: usize,
) -> io::Result<()> {
    let gone_is_fine = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    let entries = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = folder.join(&entry.name);
        if !entry.is_folder {
            if is_meant(&entry.name) {
                gone_is_fine(disk.remove(&path))?;
            }
        } else if depth < DEPTH_MAX && !is_hidden(&path) {
            gone_is_fine(remove_files(disk, &path, is_meant, depth + 1))?;
            // It stays if something in it is not ours to remove.
            let _ = disk.remove_folder(&path);
        }
    }
    Ok(())
}
