//! A pipeline that is killed: its lives, its load of accidents, its end.
//!
//! A life is killed 60 to 200 ms after its first checkpoint, every fourth one at any moment before that, so that
//! a slow machine makes progress too and starting up is interrupted as well.

use crate::{Moments, number};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a run is killed unless told otherwise.
const KILLS_DEFAULT: u64 = 12;
/// How long a life may take to its first checkpoint, whatever has just been wrong around it.
const PROGRESS_MAX: Duration = Duration::from_secs(120);
/// How long a run may take to its end.
const END_MAX: Duration = Duration::from_secs(300);

/// Something that goes wrong around a run, and is mended.
pub trait Accident {
    fn begin(&mut self);
    fn end(&mut self);
}

/// A pipeline in a folder of its own.
pub struct Run<'a> {
    pub place: &'a Path,
    pub file: &'a str,
    pub moments: Moments,
}

impl<'a> Run<'a> {
    pub fn new(place: &'a Path, file: &'a str) -> Self {
        Run { place, file, moments: Moments(number("TIDEMILL_SEED", 7)) }
    }

    /// Kills the pipeline as often as asked, and lets the accident happen a few times in between.
    pub fn kill_again_and_again(&mut self, accident: &mut dyn Accident) -> u64 {
        let kills = number("TIDEMILL_KILLS", KILLS_DEFAULT);
        let pause = (kills / 4).max(2);
        let mut done = 0;
        while done < kills {
            if done % pause == pause - 1 {
                done += self.with_accident(accident);
            } else {
                self.life();
                done += 1;
            }
        }
        done
    }

    fn life(&mut self) {
        let mut child = self.start();
        if self.moments.next(4) == 0 {
            let lives = Duration::from_millis(self.moments.next(250));
            self.lives(&mut child, lives);
        } else {
            self.progress(&mut child);
            let lives = Duration::from_millis(60 + self.moments.next(140));
            self.lives(&mut child, lives);
        }
        kill(child);
    }

    /// The accident happens to one life, which is killed; the next one starts in the middle of it, and goes on by
    /// itself when all is well again.
    fn with_accident(&mut self, accident: &mut dyn Accident) -> u64 {
        let mut child = self.start();
        self.progress(&mut child);
        accident.begin();
        let lives = Duration::from_millis(200 + self.moments.next(800));
        self.lives(&mut child, lives);
        kill(child);
        let mut child = self.start();
        let lives = Duration::from_millis(100 + self.moments.next(500));
        self.lives(&mut child, lives);
        accident.end();
        self.progress(&mut child);
        kill(child);
        2
    }

    /// Starts the pipeline once more and ends it in order after some progress.
    pub fn stop(&mut self) {
        let mut child = self.start();
        self.progress(&mut child);
        terminate(&child);
        self.ends(child);
    }

    /// Waits for the end of a run.
    pub fn ends(&self, mut child: Child) {
        let status = wait(&mut child, END_MAX).unwrap_or_else(|| {
            let _ = child.kill();
            panic!("the last run does not end: {}", self.log())
        });
        assert!(status.success(), "it failed: {}", self.log());
    }

    pub fn start(&mut self) -> Child {
        let parallelism = 1 + self.moments.next(3);
        spawn(self.place, self.file, &["--state", "state", "-p", &parallelism.to_string()])
    }

    fn lives(&self, child: &mut Child, at_most: Duration) {
        if let Some(status) = wait(child, at_most) {
            panic!("it ended by itself with {status}: {}", self.log());
        }
    }

    /// Waits until a checkpoint of this life is complete.
    fn progress(&self, child: &mut Child) {
        let before = self.newest_checkpoint();
        let begin = Instant::now();
        while self.newest_checkpoint() <= before {
            self.lives(child, Duration::from_millis(5));
            if begin.elapsed() > PROGRESS_MAX {
                let _ = child.kill();
                panic!("no checkpoint within {} s: {}", PROGRESS_MAX.as_secs(), self.log());
            }
        }
    }

    /// The name of the newest checkpoint's file; names grow with their epochs.
    fn newest_checkpoint(&self) -> Option<String> {
        let jobs = std::fs::read_dir(self.place.join("state/checkpoints")).ok()?.flatten();
        let files = jobs.flat_map(|job| std::fs::read_dir(job.path()).into_iter().flatten().flatten());
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        names.filter(|name| name.ends_with(".manifest")).max()
    }

    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(log_of(self.place, self.file)).unwrap_or_default();
        text.lines().rev().take(12).map(|line| format!("{line}\n")).collect()
    }
}

fn log_of(place: &Path, file: &str) -> PathBuf {
    // Beside the folder, which may be full.
    let name = format!("{}-{file}.log", place.file_name().unwrap().to_string_lossy());
    place.parent().unwrap().join(name)
}

/// Starts the binary on a file.
pub fn spawn(place: &Path, file: &str, arguments: &[&str]) -> Child {
    let binary = std::env::var("TIDEMILL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_tidemill").to_string());
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log_of(place, file)).unwrap();
    Command::new(binary)
        .args(["run", file])
        .args(arguments)
        .current_dir(place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Asks a run to end in order.
pub fn terminate(child: &Child) {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

pub fn wait(child: &mut Child, at_most: Duration) -> Option<ExitStatus> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if begin.elapsed() >= at_most {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
