//! A disk that is full at times: a small file system in memory, if the machine lets us mount one.

use crate::run::Accident;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const SIZE_MB: usize = 512;
const BALLAST: &str = "ballast";

/// A folder on a file system of its own.
pub struct SmallDisk {
    folder: tempfile::TempDir,
    mounted: bool,
}

impl SmallDisk {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("disk");
        std::fs::create_dir(&place).unwrap();
        let size = format!("size={SIZE_MB}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&place).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        if !mounted {
            println!(
                "no file system can be mounted here (that takes root): the disk is never full in this run"
            );
        }
        SmallDisk { folder, mounted }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(self.path()).status();
        }
    }
}

impl Accident for SmallDisk {
    fn begin(&mut self) {
        if self.mounted {
            fill(&self.path().join(BALLAST));
        }
    }

    fn end(&mut self) {
        if self.mounted {
            std::fs::remove_file(self.path().join(BALLAST)).unwrap();
        }
    }
}

/// Writes until not one more byte fits.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        let zeros = vec![0; size];
        while file.write_all(&zeros).is_ok() {}
    }
}
