//! A folder in which the binary runs, and what came of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// A CREATE TABLE statement.
pub fn table(name: &str, columns: &str, options: &str) -> String {
    format!("CREATE TABLE {name} ({columns}) WITH ({options});\n")
}

/// A folder of its own for a test.
pub struct Place(TempDir);

/// How the binary ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The binary while it runs.
pub struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Place {
    pub fn new() -> Place {
        Place(TempDir::new().expect("there is room for a folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the folder can be written to");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The lines of all files in a folder; none if there is no folder.
    pub fn lines_below(&self, folder: &str) -> usize {
        let Ok(entries) = std::fs::read_dir(self.path(folder)) else { return 0 };
        let lines = |path: PathBuf| std::fs::read_to_string(path).map_or(0, |text| text.lines().count());
        entries.map(|entry| lines(entry.expect("the folder can be read").path())).sum()
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        self.start(args).end()
    }

    pub fn run_with_input(&self, args: &[&str], input: &str) -> Ended {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("standard input is piped");
        // A run that was refused before it read its input has closed it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Running::of(child).end()
    }

    pub fn start(&self, args: &[&str]) -> Running {
        Running::of(self.command(args).stdin(Stdio::null()).spawn().expect("the binary starts"))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(args).current_dir(self.0.path()).env("XDG_STATE_HOME", self.0.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Running {
    fn of(mut child: Child) -> Running {
        let stdout = child.stdout.take().map(BufReader::new);
        Running { child, stdout }
    }

    /// The next line of standard output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().expect("standard output is open");
        stdout.read_line(&mut line).expect("standard output can be read");
        line
    }

    pub fn close_output(&mut self) {
        self.stdout = None;
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("there is a kill command");
        assert!(sent.success());
    }

    pub fn end(mut self) -> Ended {
        let mut stdout = String::new();
        if let Some(mut rest) = self.stdout.take() {
            rest.read_to_string(&mut stdout).expect("standard output is text");
        }
        let ended = self.child.wait_with_output().expect("the binary can be waited for");
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        Ended { code: ended.status.code().unwrap_or(-1), stdout, stderr }
    }
}
