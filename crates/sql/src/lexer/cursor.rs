//! A position in the text that only moves forward.

/// The unread rest of a text.
pub(super) struct Cursor<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    /// The byte offset of the next character.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn set(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    /// The text from `start` to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.source[start..self.at]
    }

    pub(super) fn before(&self) -> &'a str {
        &self.source[..self.at]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Steps over `text` if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Steps over the characters that satisfy the condition.
    pub(super) fn eat_while(&mut self, mut condition: impl FnMut(char) -> bool) {
        while self.peek().is_some_and(&mut condition) {
            self.next();
        }
    }

    /// Moves to the start of the next `text`, or to the end if there is none.
    pub(super) fn seek(&mut self, text: &str) -> bool {
        match self.rest().find(text) {
            Some(offset) => {
                self.at += offset;
                true
            }
            None => {
                self.at = self.source.len();
                false
            }
        }
    }
}
