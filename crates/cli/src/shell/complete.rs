//! What Tab offers: keywords, and the tables, functions and settings of the session.

use tidemill_engine::Engine;

const KEYWORDS: &[&str] = &[
    "AND",
    "AS",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CREATE TABLE",
    "CREATE TEMPORARY VIEW",
    "CREATE VIEW",
    "CUMULATE",
    "DESCRIBE",
    "DESCRIPTOR",
    "DISTINCT",
    "DROP TABLE",
    "DROP VIEW",
    "ELSE",
    "END",
    "EXECUTE STATEMENT SET",
    "EXISTS",
    "EXPLAIN",
    "FILTER",
    "FROM",
    "GROUP BY",
    "GROUPING SETS",
    "HAVING",
    "HOP",
    "INSERT INTO",
    "INTERVAL",
    "IS NOT NULL",
    "IS NULL",
    "LIKE",
    "METADATA FROM",
    "NOT",
    "NULL",
    "OR",
    "PARTITIONED BY",
    "PRIMARY KEY",
    "RESET",
    "SELECT",
    "SESSION",
    "SET",
    "SHOW CREATE TABLE",
    "SHOW FUNCTIONS",
    "SHOW TABLES",
    "SHOW VIEWS",
    "THEN",
    "TIMESTAMP",
    "TRY_CAST",
    "TUMBLE",
    "UNION ALL",
    "VALUES",
    "WATERMARK FOR",
    "WHEN",
    "WHERE",
    "WITH",
];

/// The names of a session.
#[derive(Debug, Default)]
pub(super) struct Names {
    tables: Vec<String>,
    functions: Vec<String>,
    settings: Vec<String>,
}

impl Names {
    /// Those of a session as it is now.
    pub(super) fn of(engine: &Engine) -> Names {
        Names {
            tables: engine.table_names(),
            functions: engine.function_names(),
            settings: engine.setting_names(),
        }
    }

    /// What the word before the cursor may become, and where it begins.
    pub(super) fn candidates(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let before = &line[..cursor];
        let in_quotes = before.matches('\'').count() % 2 == 1;
        let in_word = |c: char| c.is_alphanumeric() || c == '_' || (in_quotes && matches!(c, '.' | '-'));
        let start =
            before.char_indices().rev().take_while(|(_, c)| in_word(*c)).last().map_or(cursor, |(at, _)| at);
        let word = &before[start..];
        let found = match word {
            "" => Vec::new(),
            _ if in_quotes => starting(&self.settings, word),
            _ => self.names(word),
        };
        (start, found)
    }

    fn names(&self, word: &str) -> Vec<String> {
        let lower = word.chars().all(|c| !c.is_uppercase());
        let keyword = |text: &&str| if lower { text.to_lowercase() } else { (*text).to_string() };
        let keywords: Vec<String> = KEYWORDS.iter().map(keyword).collect();
        let functions: Vec<String> = self
            .functions
            .iter()
            .filter(|name| name.starts_with(|c: char| c.is_alphabetic()))
            .map(|name| if lower { name.clone() } else { name.to_uppercase() })
            .collect();
        let mut found = starting(&self.tables, word);
        found.extend(starting(&keywords, word));
        found.extend(starting(&functions, word));
        found.dedup();
        found
    }
}

fn starting(names: &[String], word: &str) -> Vec<String> {
    let begins =
        |name: &&String| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    names.iter().filter(begins).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            tables: vec!["clicks".to_string()],
            functions: vec!["char_length".to_string(), "+".to_string()],
            settings: vec!["table.exec.state.ttl".to_string()],
        }
    }

    fn candidates(line: &str) -> (usize, Vec<String>) {
        names().candidates(line, line.len())
    }

    #[test]
    fn words_become_names_in_their_case() {
        assert_eq!(candidates("SELECT * FROM cl"), (14, vec!["clicks".to_string()]));
        assert_eq!(candidates("sel"), (0, vec!["select".to_string()]));
        assert_eq!(candidates("SELECT CHAR"), (7, vec!["CHAR_LENGTH".to_string()]));
        assert_eq!(candidates("SELECT "), (7, vec![]));
    }

    #[test]
    fn settings_are_offered_in_quotes() {
        assert_eq!(candidates("SET 'table.exec.st"), (5, vec!["table.exec.state.ttl".to_string()]));
    }
}
