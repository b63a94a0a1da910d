//! The text under construction, and names and strings in it.

use std::fmt::Write;

use crate::ast::{Ident, ObjectName};

/// A text that grows.
#[derive(Default)]
pub(super) struct Writer {
    out: String,
}

impl Writer {
    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(super) fn number(&mut self, number: u32) {
        let _ = write!(self.out, "{number}");
    }

    /// Writes each item, with `separator` between them.
    pub(super) fn list<T>(&mut self, items: &[T], separator: &str, mut write: impl FnMut(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            write(self, item);
        }
    }

    pub(super) fn ident(&mut self, ident: &Ident) {
        let quoted = quote_name(&ident.value);
        self.push(&quoted);
    }

    pub(super) fn idents(&mut self, idents: &[Ident]) {
        self.list(idents, ", ", Self::ident);
    }

    pub(super) fn compound(&mut self, parts: &[Ident]) {
        self.list(parts, ".", Self::ident);
    }

    pub(super) fn object_name(&mut self, name: &ObjectName) {
        self.compound(&name.0);
    }

    pub(super) fn text(&mut self, text: &str) {
        let quoted = quote_text(text);
        self.push(&quoted);
    }
}

/// A name in back-ticks.
#[must_use]
pub fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string literal: in single quotes, or as `u&'..'` if it is not plain ASCII.
#[must_use]
pub fn quote_text(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.is_ascii() {
        return format!("'{doubled}'");
    }
    let mut out = String::from("u&'");
    for unit in doubled.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'\\') => out.push_str("\\\\"),
            Ok(byte @ 0x20..=0x7f) => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\{unit:04x}");
            }
        }
    }
    out.push('\'');
    out
}
