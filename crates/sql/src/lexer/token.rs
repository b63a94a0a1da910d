//! Tokens.

use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// A token and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its text.
    pub span: Span,
}

/// The kinds of token.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenKind {
    /// A keyword or an unquoted name; its text is that of its span.
    Word,
    /// A name in back-ticks, escapes resolved.
    Quoted(String),
    /// A character string of any form, escapes resolved.
    String(String),
    /// `X'..'`: the hexadecimal digits.
    Binary(String),
    /// An exact number; its text is that of its span.
    Number,
    /// A number with an exponent; its text is that of its span.
    Double,
    /// An operator or a punctuation mark.
    Symbol(Symbol),
    /// `/*+`, the start of hints.
    HintStart,
    /// `*/` behind hints.
    HintEnd,
    /// A malformed token.
    Invalid(Box<Diagnostic>),
    /// The end of the text.
    End,
}

macro_rules! symbols {
    ($($name:ident $text:literal),* $(,)?) => {
        /// Operators and punctuation marks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Symbol {
            $(
                #[doc = concat!("`", $text, "`")]
                $name,
            )*
        }

        impl Symbol {
            /// All symbols, a longer one before its prefixes.
            pub(crate) const ALL: &[Symbol] = &[$(Symbol::$name),*];

            /// The symbol as written.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

symbols! {
    Arrow "=>",
    LtEq "<=",
    NotEq "<>",
    BangEq "!=",
    GtEq ">=",
    Concat "||",
    LParen "(",
    RParen ")",
    LBracket "[",
    RBracket "]",
    LBrace "{",
    RBrace "}",
    Comma ",",
    Semicolon ";",
    Dot ".",
    Colon ":",
    Eq "=",
    Lt "<",
    Gt ">",
    Plus "+",
    Minus "-",
    Star "*",
    Slash "/",
    Percent "%",
    Pipe "|",
    Question "?",
    Caret "^",
    Dollar "$",
}
