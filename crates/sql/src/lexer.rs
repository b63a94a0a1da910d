//! Text to tokens.
//!
//! Invariant: the tokens cover the text in order, the last one is [`TokenKind::End`], and every
//! token's span lies on character boundaries. A malformed token becomes [`TokenKind::Invalid`] with
//! its diagnostic, so the lexer never fails and the parser reports the error where it meets it.
//! Keywords are plain words here: which word means what depends on the place, so the parser decides.

mod cursor;
mod reserved;
mod scan;
mod text;
mod token;

pub use reserved::{is_niladic_function, is_reserved, is_reserved_function};
pub use scan::tokenize;
pub use token::{Symbol, Token, TokenKind};
