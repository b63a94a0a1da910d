//! Statements: which one it is, and the short ones.

use super::stream::{Parse, Parser};
use crate::ast::{Insert, Property, Statement, StatementKind, StatementSet, Text};
use crate::diagnostic::Diagnostic;
use crate::lexer::{Symbol, TokenKind};
use crate::span::Span;

/// The statements that are told by their keywords and refused later by name.
const OTHERS: &[&[&str]] = &[
    &["ADD", "JAR"],
    &["REMOVE", "JAR"],
    &["ANALYZE", "TABLE"],
    &["CALL"],
    &["CLEAR"],
    &["COMPILE", "AND", "EXECUTE", "PLAN"],
    &["COMPILE", "PLAN"],
    &["DELETE", "FROM"],
    &["EXECUTE", "PLAN"],
    &["EXIT"],
    &["HELP"],
    &["LOAD", "MODULE"],
    &["MERGE", "INTO"],
    &["QUIT"],
    &["STOP", "JOB"],
    &["TRUNCATE", "TABLE"],
    &["UNLOAD", "MODULE"],
    &["UPDATE"],
    &["UPSERT", "INTO"],
    &["USE", "MODULES"],
];

/// What a statement may start with, for the error.
const WHAT: &str = "a statement such as CREATE, INSERT, SELECT or SET";

impl Parser<'_> {
    /// All statements; those with errors are left out and their errors reported.
    pub(super) fn script(&mut self) -> Vec<Statement> {
        let mut statements = Vec::new();
        loop {
            while self.eat_symbol(Symbol::Semicolon) {}
            if self.at_end() {
                return statements;
            }
            match self.terminated_statement() {
                Ok(statement) => statements.push(statement),
                Err(diagnostic) => {
                    self.report(*diagnostic);
                    self.skip_statement();
                }
            }
        }
    }

    fn terminated_statement(&mut self) -> Parse<Statement> {
        let statement = self.statement()?;
        if self.at_end() || self.at_symbol(Symbol::Semicolon) {
            return Ok(statement);
        }
        Err(self.expected("`;` or the end of the statement"))
    }

    pub(super) fn statement(&mut self) -> Parse<Statement> {
        let start = self.span();
        let kind = self.statement_kind()?;
        Ok(Statement { kind, span: self.since(start) })
    }

    fn statement_kind(&mut self) -> Parse<StatementKind> {
        if self.at_query() || self.at_symbol(Symbol::LParen) {
            let query = self.query()?;
            return Ok(StatementKind::Query(Box::new(query)));
        }
        if let Some(other) = self.other(OTHERS) {
            return Ok(other);
        }
        if self.at_word("CREATE") || self.at_word("REPLACE") {
            return self.create();
        }
        if self.at_word("INSERT") {
            let insert = self.insert()?;
            return Ok(StatementKind::Insert(Box::new(insert)));
        }
        if self.at_word("EXECUTE") {
            return self.execute();
        }
        if self.at_word("BEGIN") {
            return self.begin();
        }
        if self.eat_word("DROP") {
            return self.drop_object();
        }
        if self.eat_word("ALTER") {
            return self.alter();
        }
        if self.eat_word("USE") {
            return self.use_object();
        }
        if self.eat_word("EXPLAIN") {
            return self.explain().map(StatementKind::Explain);
        }
        if self.eat_word("DESCRIBE") || self.eat_word("DESC") {
            return self.describe().map(StatementKind::Describe);
        }
        if self.eat_word("SHOW") {
            return self.show().map(StatementKind::Show);
        }
        if self.eat_word("SET") {
            return self.set_option().map(StatementKind::Set);
        }
        if self.eat_word("RESET") {
            return self.reset_option().map(StatementKind::Reset);
        }
        Err(self.unknown_statement())
    }

    fn unknown_statement(&self) -> Box<Diagnostic> {
        let mut diagnostic = self.expected(WHAT);
        if self.at_word("END") {
            diagnostic.hint = Some("a statement set starts with EXECUTE STATEMENT SET BEGIN".to_owned());
        }
        diagnostic
    }

    /// A statement that starts with one of these keyword lists; its rest is skipped.
    pub(super) fn other(&mut self, lists: &[&'static [&'static str]]) -> Option<StatementKind> {
        let start = self.span();
        let keywords = lists.iter().find(|keywords| self.at_words(keywords))?;
        self.eat_words(keywords);
        Some(self.skipped(keywords.join(" "), start))
    }

    /// A statement known by its keywords, whose rest is skipped now. A statement set in it ends with
    /// END and not at the first semicolon.
    pub(super) fn skipped(&mut self, keyword: String, start: Span) -> StatementKind {
        let keyword_span = self.since(start);
        let mut in_set = false;
        while !self.at_end() && (in_set || !self.at_symbol(Symbol::Semicolon)) {
            in_set = (in_set || self.is_word(0, "BEGIN")) && !self.is_word(0, "END");
            self.advance();
        }
        StatementKind::Other { keyword, keyword_span }
    }

    fn use_object(&mut self) -> Parse<StatementKind> {
        if self.eat_word("CATALOG") {
            return self.ident("a catalog's name").map(StatementKind::UseCatalog);
        }
        self.object_name("a database's name").map(StatementKind::UseDatabase)
    }

    /// `EXECUTE INSERT ..` or `EXECUTE STATEMENT SET BEGIN .. END`.
    fn execute(&mut self) -> Parse<StatementKind> {
        let start = self.expect_word("EXECUTE")?;
        if self.at_word("INSERT") {
            let insert = self.insert()?;
            return Ok(StatementKind::Insert(Box::new(insert)));
        }
        if self.at_word("STATEMENT") {
            return self.statement_set(start).map(StatementKind::StatementSet);
        }
        Err(self.expected("INSERT or STATEMENT SET"))
    }

    /// `STATEMENT SET BEGIN insert; .. END`.
    pub(super) fn statement_set(&mut self, start: Span) -> Parse<StatementSet> {
        self.expect_words(&["STATEMENT", "SET", "BEGIN"])?;
        self.set_members(start)
    }

    /// `BEGIN STATEMENT SET; insert; .. END`.
    fn begin(&mut self) -> Parse<StatementKind> {
        let start = self.expect_word("BEGIN")?;
        self.expect_words(&["STATEMENT", "SET"])?;
        self.expect_symbol(Symbol::Semicolon)?;
        self.set_members(start).map(StatementKind::StatementSet)
    }

    /// The INSERTs of a set and its END. An error in one is reported at once, so that the others are
    /// still seen as members of the set.
    fn set_members(&mut self, start: Span) -> Parse<StatementSet> {
        let mut inserts = Vec::new();
        let mut failed = false;
        while !self.at_word("END") {
            if self.at_end() {
                let mut diagnostic = self.expected("INSERT or END");
                diagnostic.notes.push("the statement set is not closed".to_owned());
                return Err(diagnostic);
            }
            match self.set_member() {
                Ok(insert) => inserts.push(insert),
                Err(diagnostic) => {
                    failed = true;
                    self.report(*diagnostic);
                    self.skip_statement();
                    self.eat_symbol(Symbol::Semicolon);
                }
            }
        }
        let end = self.expect_word("END")?;
        if inserts.is_empty() && !failed {
            return Err(self.error(
                end,
                "the statement set is empty".to_owned(),
                "put at least one INSERT between BEGIN and END",
            ));
        }
        Ok(StatementSet { inserts, span: self.since(start) })
    }

    fn set_member(&mut self) -> Parse<Insert> {
        if !self.at_word("INSERT") {
            return Err(self.expected("INSERT or END"));
        }
        let insert = self.insert()?;
        if !self.eat_symbol(Symbol::Semicolon) {
            return Err(self.expected("`;` behind an INSERT of a statement set"));
        }
        Ok(insert)
    }

    /// `'key' = 'value'`, or the old form `key = value`, whose parts are taken as they are.
    fn set_option(&mut self) -> Parse<Option<Property>> {
        if self.at_end() || self.at_symbol(Symbol::Semicolon) {
            return Ok(None);
        }
        if matches!(self.peek(), TokenKind::String(_)) {
            return self.property().map(Some);
        }
        let key = self.raw_text("an option as 'key' = 'value'", |p| p.at_symbol(Symbol::Eq))?;
        self.expect_symbol(Symbol::Eq)?;
        let value = match self.peek() {
            TokenKind::String(_) => self.text("the option's value")?,
            _ => self.raw_text("the option's value", |_| false)?,
        };
        Ok(Some(Property { key, value }))
    }

    fn reset_option(&mut self) -> Parse<Option<Text>> {
        if self.at_end() || self.at_symbol(Symbol::Semicolon) {
            return Ok(None);
        }
        if matches!(self.peek(), TokenKind::String(_)) {
            return self.text("an option's key").map(Some);
        }
        self.raw_text("an option's key", |_| false).map(Some)
    }

    /// The text up to where `stop` holds or the statement ends, as it stands in the source; it may
    /// hold no white space.
    fn raw_text(&mut self, what: &str, stop: impl Fn(&Self) -> bool) -> Parse<Text> {
        let start = self.span();
        let mut end = start;
        while !self.at_end() && !self.at_symbol(Symbol::Semicolon) && !stop(self) {
            if let TokenKind::Invalid(_) = self.peek() {
                return Err(self.expected(what));
            }
            if self.span() != start && self.span().start != self.previous_span().end {
                let mut diagnostic = self.expected("`;`");
                diagnostic.hint = Some("put key and value in single quotes".to_owned());
                return Err(diagnostic);
            }
            end = self.advance().span;
        }
        let span = start.to(end);
        let value = span.text(self.source).to_owned();
        if self.previous_span().end <= start.start {
            return Err(self.expected(what));
        }
        Ok(Text { value, span })
    }
}
