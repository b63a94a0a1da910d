//! Three processes share the partitions of a topic as members of one group: one of them is killed again and again, and
//! the others take over.

use crate::kafka::{Folder, broker, numbers, script, table};
use crate::run::{spawn, terminate, wait};
use crate::{Moments, generated, number};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const MEMBERS: usize = 3;
const ROWS_PER_SECOND: u32 = 5_000;
/// How long the group may take until all that was fed has come out.
const COMPLETE_MAX: Duration = Duration::from_secs(120);
/// How long a member may take to its end.
const END_MAX: Duration = Duration::from_secs(60);

/// The members of a group with what feeds them.
struct Group<'a> {
    place: &'a Path,
    out: String,
    members: Vec<Option<Child>>,
    feeder: Child,
    topic: String,
}

impl<'a> Group<'a> {
    fn new(place: &'a Path, name: &str) -> Self {
        let topic = |what: &str| format!("group-{name}-{what}-{}", std::process::id());
        for topic in [topic("in"), topic("out")] {
            script("topic", &[&topic, "6"]);
        }
        let options = format!(
            ", 'scan.startup.mode' = 'earliest-offset', 'scan.group-membership' = 'true', \
             'properties.group.id' = '{name}-{}', 'properties.session.timeout.ms' = '1500', \
             'properties.heartbeat.interval.ms' = '100'",
            std::process::id()
        );
        let copy = "SET 'execution.checkpointing.interval' = '100 ms';\n".to_string()
            + &table("t", &topic("in"), &options)
            + &table("o", &topic("out"), "")
            + "INSERT INTO o SELECT id, k FROM t;";
        let feed =
            generated(ROWS_PER_SECOND) + &table("t", &topic("in"), "") + "INSERT INTO t SELECT id, k FROM g;";
        std::fs::write(place.join("p.sql"), copy).unwrap();
        std::fs::write(place.join("feed.sql"), feed).unwrap();
        let members = (0..MEMBERS).map(|_| None).collect();
        let feeder = spawn(place, "feed.sql", &[]);
        Group { place, out: topic("out"), members, feeder, topic: topic("in") }
    }

    fn start(&mut self, at: usize) {
        let state = format!("state-{at}");
        self.members[at] = Some(spawn(self.place, "p.sql", &["--state", &state, "-p", "2"]));
    }

    fn kill(&mut self, at: usize) {
        if let Some(mut member) = self.members[at].take() {
            assert!(member.try_wait().unwrap().is_none(), "a member ended by itself");
            member.kill().unwrap();
            member.wait().unwrap();
        }
    }

    fn stop(&mut self, at: usize) {
        if let Some(mut member) = self.members[at].take() {
            terminate(&member);
            assert!(wait(&mut member, END_MAX).expect("it ends").success());
        }
    }

    /// Waits until at least so many rows have come out.
    fn grows_to(&self, rows: usize) {
        let begin = Instant::now();
        while numbers(self.place, &self.out, 0).len() < rows {
            assert!(begin.elapsed() < COMPLETE_MAX, "it does not go on");
        }
    }

    /// Ends the feeding and waits until all has come out: what was fed, and what came.
    fn complete(&mut self) -> (BTreeSet<i64>, Vec<i64>) {
        terminate(&self.feeder);
        assert!(wait(&mut self.feeder, END_MAX).expect("it ends").success());
        let fed: BTreeSet<i64> = numbers(self.place, &self.topic, 0).into_iter().collect();
        let begin = Instant::now();
        loop {
            let mut came = numbers(self.place, &self.out, 0);
            came.sort_unstable();
            if begin.elapsed() > COMPLETE_MAX || fed.iter().all(|id| came.binary_search(id).is_ok()) {
                return (fed, came);
            }
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        for child in self.members.iter_mut().flatten().chain([&mut self.feeder]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn members_take_over_from_one_that_is_killed() {
    let folder = Folder::new();
    let mut group = Group::new(&folder.place, "killed");
    let mut moments = Moments(number("TIDEMILL_SEED", 7));
    (0..MEMBERS).for_each(|at| group.start(at));
    let kills = (number("TIDEMILL_KILLS", 12) / 8).max(3);
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(500 + moments.next(2_500)));
        let at = moments.next(MEMBERS as u64) as usize;
        group.kill(at);
        std::thread::sleep(Duration::from_millis(moments.next(2_000)));
        group.start(at);
    }
    // The last one killed stays away.
    group.kill(0);
    let (fed, came) = group.complete();
    let distinct: BTreeSet<i64> = came.iter().copied().collect();
    assert!(!fed.is_empty() && distinct == fed, "{} of {} came", distinct.len(), fed.len());
    println!("group: {} rows, {} of them again, {kills} kills", fed.len(), came.len() - fed.len());
}

#[test]
fn partitions_move_without_loss_or_repetition_when_members_come_and_go() {
    let folder = Folder::new();
    let mut group = Group::new(&folder.place, "moved");
    group.start(0);
    group.grows_to(1_000);
    group.start(1);
    group.start(2);
    let before = numbers(&folder.place, &group.out, 0).len();
    group.grows_to(before + 10_000);
    group.stop(0);
    group.stop(2);
    let (fed, came) = group.complete();
    assert!(!fed.is_empty() && fed.iter().eq(&came), "{} came of {}", came.len(), fed.len());
    println!("group: {} rows moved", fed.len());
}

#[test]
fn what_can_not_be_shared_is_refused() {
    let folder = Folder::new();
    let place = folder.place.as_path();
    let shared = ", 'scan.startup.mode' = 'earliest-offset', 'scan.group-membership' = 'true'";
    let member = format!("{shared}, 'properties.group.id' = 'refused'");
    let exactly = ", 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'refused'";
    let copy = "INSERT INTO o SELECT id, k FROM t;";
    let counts = "INSERT INTO c SELECT k, COUNT(*) FROM t GROUP BY k;";
    for (source, sink, insert, state, said) in [
        (shared, "", copy, true, "properties.group.id"),
        (&member, exactly, copy, true, "at-least-once"),
        (&member, "", counts, true, "'group-aggregate' keeps rows"),
        (&member, "", copy, false, "--state"),
    ] {
        let sql = table("t", "refused", source)
            + &table("o", "refused", sink)
            + "CREATE TABLE c (k BIGINT, n BIGINT) WITH ('connector' = 'print');"
            + insert;
        std::fs::write(place.join("p.sql"), sql).unwrap();
        let mut run = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        run.args(["run", "p.sql"]).args(if state { &["--state", "state"][..] } else { &[] });
        let ended = run.current_dir(place).output().unwrap();
        let text = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && text.contains(said), "{said}: {text} ({})", broker());
    }
}
