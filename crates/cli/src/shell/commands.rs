//! The shell's own commands, and where a statement ends.

/// What `help` says.
pub(super) const HELP: &str = "\
Statements end with ';' and may span lines:
  CREATE TABLE t (a INT, b STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '5');
  SELECT * FROM t;                      print the changes of a query; Ctrl-C stops it
  INSERT INTO sink SELECT * FROM t;     run a job; one without end runs in the background
  EXPLAIN SELECT * FROM t;              show the plan
  SHOW TABLES; DESCRIBE t; SHOW FUNCTIONS; SET 'key' = 'value';
Commands:
  jobs     show the jobs in the background        stop    stop them
  help     this text                              quit    leave, as do exit, \\q and Ctrl-D
Keys: Tab completes, Up and Ctrl-R search earlier statements, Ctrl-C drops the line.";

/// What was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// Leave the shell.
    Leave,
    /// Show help.
    Help,
    /// Show the jobs in the background.
    Jobs,
    /// Stop them.
    Stop,
    /// Statements.
    Sql,
}

impl Input {
    /// Tells commands from statements.
    pub(super) fn of(text: &str) -> Input {
        match text.trim().trim_end_matches(';').trim_end().to_ascii_lowercase().as_str() {
            "quit" | "exit" | "\\q" => Input::Leave,
            "help" | "\\h" | "\\?" | "?" => Input::Help,
            "jobs" => Input::Jobs,
            "stop" => Input::Stop,
            _ => Input::Sql,
        }
    }
}

/// Whether a text is all there: a command, or statements whose last one is ended.
pub(super) fn complete(text: &str) -> bool {
    let trimmed = text.trim();
    if trimmed.is_empty() || Input::of(text) != Input::Sql {
        return true;
    }
    let Some(code) = code(trimmed) else { return false };
    let words: Vec<String> = code
        .split(|c: char| c.is_whitespace() || c == ';')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase)
        .collect();
    code.trim_end().ends_with(';') && (!opens_set(&words) || words.last().is_some_and(|word| word == "END"))
}

/// The text without comments and with nothing in its quotes; `None` inside a quote or comment.
fn code(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' | '"' | '`' => 1 + rest[1..].find(first)? + 1,
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => 2 + rest[2..].find("*/")? + 2,
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[end..];
    }
    Some(out)
}

/// Whether a statement set is begun, whose statements have a `;` each.
fn opens_set(words: &[String]) -> bool {
    let starts = |with: &[&str]| words.len() >= with.len() && words.iter().zip(with).all(|(a, b)| a == b);
    starts(&["BEGIN", "STATEMENT", "SET"]) || starts(&["EXECUTE", "STATEMENT", "SET"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_at_its_semicolon() {
        let cases = [
            ("SELECT 1", false),
            ("SELECT 1;", true),
            ("SELECT 1; -- done", true),
            ("SELECT ';", false),
            ("SELECT ';'", false),
            ("SELECT 'it''s';", true),
            ("SELECT 1 /* ;", false),
            ("-- only this;", false),
            ("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;", false),
            ("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;", true),
            ("BEGIN STATEMENT SET;", false),
            ("", true),
            ("quit", true),
            ("\\q", true),
        ];
        for (text, expected) in cases {
            assert_eq!(complete(text), expected, "{text}");
        }
    }

    #[test]
    fn commands_are_told_from_statements() {
        assert_eq!(Input::of(" QUIT; "), Input::Leave);
        assert_eq!(Input::of("jobs"), Input::Jobs);
        assert_eq!(Input::of("SHOW JOBS;"), Input::Sql);
    }
}
