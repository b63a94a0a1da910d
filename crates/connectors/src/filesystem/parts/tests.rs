//! How parts roll, are shown, share a folder and replace former files.

use super::*;
use std::fs;
use std::time::Duration;
use tidemill_types::SystemDisk;

fn owner(task: usize) -> Owner {
    Owner { run: "r1".into(), result: "r1".into(), task, pipeline: None }
}

fn parts(root: &Path, file_bytes: u64, age: Duration, overwrite: bool) -> Parts {
    let rolling = Rolling { file_bytes, age, silence: Duration::MAX, check: Duration::ZERO };
    Parts::new(Arc::new(SystemDisk), root.to_path_buf(), owner(0), (rolling, None), overwrite)
}

fn finish(mut parts: Parts) {
    parts.seal_all().unwrap();
    parts.publish_sealed().unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn parts_are_hidden_until_published_and_roll_by_size() {
    let root = tempfile::tempdir().unwrap();
    let mut parts = parts(root.path(), 4, Duration::MAX, false);
    parts.append("", b"a\n").unwrap();
    assert_eq!(names(root.path()), [".part-r1-0-0.inprogress"]);
    parts.append("", b"b\n").unwrap();
    parts.append("", b"c\n").unwrap();
    parts.publish_sealed().unwrap();
    assert_eq!(names(root.path()), [".part-r1-0-1.inprogress", "part-r1-0-0"]);
    finish(parts);
    assert_eq!(fs::read(root.path().join("part-r1-0-0")).unwrap(), b"a\nb\n");
    assert_eq!(fs::read(root.path().join("part-r1-0-1")).unwrap(), b"c\n");
}

#[test]
fn sinks_of_a_run_share_a_folder() {
    let root = tempfile::tempdir().unwrap();
    let rolling =
        Rolling { file_bytes: u64::MAX, age: Duration::MAX, silence: Duration::MAX, check: Duration::ZERO };
    let sink = |task| {
        Parts::new(Arc::new(SystemDisk), root.path().to_path_buf(), owner(task), (rolling, None), true)
    };
    let (mut first, mut second) = (sink(0), sink(1));
    first.append("", b"a\n").unwrap();
    second.append("", b"b\n").unwrap();
    finish(first);
    finish(second);
    assert_eq!(names(root.path()), ["part-r1-0-0", "part-r1-1-0"]);
}

#[test]
fn parts_roll_by_age() {
    let root = tempfile::tempdir().unwrap();
    let mut parts = parts(root.path(), u64::MAX, Duration::ZERO, false);
    parts.append("k=1", b"a\n").unwrap();
    assert!(parts.seal_old().unwrap());
    parts.publish_sealed().unwrap();
    assert_eq!(names(&root.path().join("k=1")), ["part-r1-0-0"]);
}

#[test]
fn more_partitions_than_open_files_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut parts = parts(root.path(), u64::MAX, Duration::MAX, false);
    for round in 0..2 {
        for k in 0..OPEN_FILES_MAX + 10 {
            parts.append(&format!("k={k}"), format!("{round}\n").as_bytes()).unwrap();
            assert!(parts.growing.values().filter(|part| part.file.is_some()).count() <= OPEN_FILES_MAX);
        }
    }
    finish(parts);
    for k in 0..OPEN_FILES_MAX + 10 {
        let part = root.path().join(format!("k={k}/part-r1-0-{k}"));
        assert_eq!(fs::read(part).unwrap(), b"0\n1\n");
    }
}

#[test]
fn overwriting_removes_only_what_the_run_replaces() {
    let root = tempfile::tempdir().unwrap();
    for file in ["k=1/old", "k=1/_SUCCESS", "k=1/.part-x.inprogress", "k=2/old"] {
        fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
        fs::write(root.path().join(file), "x").unwrap();
    }
    let mut partitioned = parts(root.path(), 1, Duration::MAX, true);
    partitioned.append("k=1", b"a\n").unwrap();
    partitioned.append("k=1", b"b\n").unwrap();
    finish(partitioned);
    let left = names(&root.path().join("k=1"));
    assert_eq!(left, [".part-x.inprogress", "part-r1-0-0", "part-r1-0-1"]);
    assert_eq!(names(&root.path().join("k=2")), ["old"]);
    parts(root.path(), 1, Duration::MAX, true).empty_root().unwrap();
    assert_eq!(names(root.path()), ["k=1"], "an empty result empties a table without partitions");
}

#[test]
fn only_leftovers_of_the_same_pipeline_and_not_of_living_sinks_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let mut parts = parts(root.path(), u64::MAX, Duration::MAX, false);
    parts.owner.pipeline = Some("abc".into());
    parts.append("k=1", b"a\n").unwrap();
    let kept = [
        ".part-r1-1-0.abc.inprogress",
        ".part-r0-0-0.xyz.inprogress",
        ".part-r0-0-0.inprogress",
        "part-r0-0-1",
    ];
    let leftovers =
        [".part-r0-0-0.abc.inprogress", ".part-r1-0-7.abc.inprogress", ".part-r1-0-1-1.abc.inprogress"];
    for name in kept.iter().chain(&leftovers) {
        fs::write(root.path().join("k=1").join(name), "x").unwrap();
    }
    parts.remove_leftovers().unwrap();
    let mut left = kept.to_vec();
    left.push(".part-r1-0-0.abc.inprogress");
    left.sort();
    assert_eq!(names(&root.path().join("k=1")), left);
}
