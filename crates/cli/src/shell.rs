//! The interactive shell: reads statements until their `;`, runs them, goes on after errors.

mod commands;
mod complete;
mod editor;
mod history;

use crate::failure::{broken_pipe, report};
use crate::report::say;
use crate::runner::Runner;
use anyhow::Result;
use commands::Input;
use rustyline::error::ReadlineError;
use tidemill_engine::{Script, Variables};

const PROMPT: &str = "tidemill> ";
const GREETING: &str = "Type SQL statements, each ended by ';'. help shows more, Ctrl-D leaves.";

/// Runs the shell until its user leaves.
pub(crate) fn run(runner: &mut Runner, variables: &Variables) -> Result<()> {
    let mut editor = editor::open()?;
    let history = history::file();
    if let Some(file) = &history {
        // There is none the first time.
        let _ = editor.load_history(file);
    }
    say(GREETING);
    let outcome = read(runner, variables, &mut editor);
    if let Some(Err(error)) = history.map(|file| editor.save_history(&file)) {
        crate::report::warn(&format!("the history was not saved: {error}"));
    }
    outcome
}

fn read(runner: &mut Runner, variables: &Variables, editor: &mut editor::Editor) -> Result<()> {
    loop {
        if let Some(completer) = editor.helper_mut() {
            completer.refresh(runner.engine());
        }
        let text = match editor.readline(PROMPT) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if text.trim().is_empty() {
            continue;
        }
        editor.add_history_entry(text.trim_end())?;
        match Input::of(&text) {
            Input::Leave => return Ok(()),
            Input::Help => say(commands::HELP),
            Input::Jobs => jobs(runner),
            Input::Stop => runner.stop_jobs(),
            Input::Sql => statements(runner, variables, &text)?,
        }
    }
}

/// Runs what was typed. Only output that nobody reads ends the shell.
fn statements(runner: &mut Runner, variables: &Variables, text: &str) -> Result<()> {
    runner.stops().forget();
    let outcome = Script::parse("input", text, variables)
        .map_err(anyhow::Error::from)
        .and_then(|script| runner.run(&script));
    match outcome {
        Err(error) if broken_pipe(&error) => Err(error),
        Err(error) => {
            report(&error);
            Ok(())
        }
        Ok(()) => {
            if runner.jobs().count() > 0 {
                say("jobs run in the background: 'jobs' shows them, 'stop' stops them");
            }
            Ok(())
        }
    }
}

fn jobs(runner: &Runner) {
    if runner.jobs().count() == 0 {
        say("no job runs in the background");
    }
    for (label, progress) in runner.jobs().list() {
        say(&format!("{label}\n  {}", crate::report::progress(&progress)));
    }
}
