//! `LIKE` and `SIMILAR TO`.
//!
//! `%` stands for any text, `_` for one character. There is no escape character unless ESCAPE names one.
//! A constant pattern is compiled once; patterns from a column are compiled when they change.

use crate::bind::{Binding, Closure, Form, Want, declare};
use crate::lane::{Flag, Reader, Text, map_rows};
use crate::regex::Compiled;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::{Error, Result, TypeKind};

/// Adds the pattern predicates.
pub fn register(registry: &mut FunctionRegistry) {
    let forms = |make| {
        [
            Form::made(&[Want::Text, Want::Text], TypeKind::Boolean, make),
            Form::made(&[Want::Text, Want::Text, Want::Text], TypeKind::Boolean, make),
        ]
    };
    declare(registry, "LIKE", forms(like));
    declare(registry, "SIMILAR TO", forms(similar));
}

fn like(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    make(binding, Like::compile, |like, text| Ok(like.matches(text)))
}

fn similar(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let compile = |pattern: &str, escape| {
        let regex = similar_to_regex(pattern, escape)?;
        Compiled::new(&format!("(?s)\\A(?:{regex})\\z"))
            .map_err(|_| Error::user(format!("'{pattern}' is no valid SIMILAR TO pattern")))
    };
    make(binding, compile, |regex, text| regex.is_match(text))
}

/// A kernel that compiles its pattern at once, if it is constant, and otherwise whenever it changes.
fn make<P: Send + Sync + 'static>(
    binding: &Binding<'_>,
    compile: fn(&str, Option<char>) -> Result<P>,
    matches: fn(&P, &str) -> Result<bool>,
) -> Result<Arc<dyn Kernel>> {
    let constant_escape = binding.args.len() < 3 || binding.text(2).is_some();
    if let (Some(pattern), true) = (binding.text(1), constant_escape) {
        let pattern = compile(pattern, escape_char(binding.text(2))?)?;
        return Ok(Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
            let text = Reader::<Text>::new(&args[0]);
            map_rows::<Flag>(args, ctx, |row| match text.get(row) {
                Some(text) => matches(&pattern, text).map(Some),
                None => Ok(None),
            })
        }));
    }
    Ok(Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let (text, pattern) = (Reader::<Text>::new(&args[0]), Reader::<Text>::new(&args[1]));
        let escape = args.get(2).map(Reader::<Text>::new);
        let mut last: Option<(String, Option<char>, P)> = None;
        map_rows::<Flag>(args, ctx, |row| {
            let (Some(text), Some(pattern)) = (text.get(row), pattern.get(row)) else { return Ok(None) };
            let escape = match &escape {
                Some(escape) => match escape.get(row) {
                    Some(escape) => escape_char(Some(escape))?,
                    None => return Ok(None),
                },
                None => None,
            };
            if !matches!(&last, Some((p, e, _)) if p == pattern && *e == escape) {
                last = Some((pattern.into(), escape, compile(pattern, escape)?));
            }
            let (_, _, compiled) = last.as_ref().expect("it was compiled just now");
            matches(compiled, text).map(Some)
        })
    }))
}

fn escape_char(escape: Option<&str>) -> Result<Option<char>> {
    let Some(escape) = escape else { return Ok(None) };
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (Some(escape), None) => Ok(Some(escape)),
        _ => Err(Error::user(format!("ESCAPE takes one character, not '{escape}'"))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Many,
}

fn tokens(pattern: &str, escape: Option<char>) -> Result<Vec<Token>> {
    let mut chars = pattern.chars();
    let mut tokens = Vec::with_capacity(pattern.len());
    while let Some(c) = chars.next() {
        tokens.push(match c {
            c if Some(c) == escape => match chars.next() {
                Some(next) if next == '%' || next == '_' || Some(next) == escape => Token::Literal(next),
                _ => return Err(Error::user(format!("invalid escape sequence in the pattern '{pattern}'"))),
            },
            '%' => Token::Many,
            '_' => Token::One,
            c => Token::Literal(c),
        });
    }
    Ok(tokens)
}

/// A compiled LIKE pattern: pieces between the `%`, the first and last of which are anchored.
enum Like {
    /// No `%`.
    Whole(Piece),
    /// Text that starts with one piece, ends with another, and has the others in order between.
    Pieces { first: Piece, middle: Vec<Piece>, last: Piece },
}

/// A run of characters without `%`.
enum Piece {
    Plain(String),
    /// `None` is `_`.
    Wild(Vec<Option<char>>),
}

impl Like {
    fn compile(pattern: &str, escape: Option<char>) -> Result<Like> {
        let tokens = tokens(pattern, escape)?;
        let mut pieces: Vec<Piece> = tokens.split(|token| *token == Token::Many).map(Piece::new).collect();
        let last = pieces.pop().expect("splitting gives at least one piece");
        if pieces.is_empty() {
            return Ok(Like::Whole(last));
        }
        let first = pieces.remove(0);
        pieces.retain(|piece| !piece.is_empty());
        Ok(Like::Pieces { first, middle: pieces, last })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Like::Whole(piece) => piece.at_start(text) == Some(text.len()),
            Like::Pieces { first, middle, last } => {
                let Some(start) = first.at_start(text) else { return false };
                let mut rest = &text[start..];
                for piece in middle {
                    match piece.find(rest) {
                        Some(end) => rest = &rest[end..],
                        None => return false,
                    }
                }
                last.at_end(rest)
            }
        }
    }
}

impl Piece {
    fn new(tokens: &[Token]) -> Piece {
        let chars = tokens.iter().map(|token| match token {
            Token::Literal(c) => Some(*c),
            _ => None,
        });
        match chars.clone().collect::<Option<String>>() {
            Some(plain) => Piece::Plain(plain),
            None => Piece::Wild(chars.collect()),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Piece::Plain(plain) if plain.is_empty())
    }

    /// How long the match at the start of the text is.
    fn at_start(&self, text: &str) -> Option<usize> {
        match self {
            Piece::Plain(plain) => text.starts_with(plain.as_str()).then_some(plain.len()),
            Piece::Wild(wild) => {
                let mut chars = text.chars();
                let fits = wild.iter().all(|want| match (want, chars.next()) {
                    (None, Some(_)) => true,
                    (Some(want), Some(c)) => *want == c,
                    (_, None) => false,
                });
                fits.then(|| text.len() - chars.as_str().len())
            }
        }
    }

    fn at_end(&self, text: &str) -> bool {
        match self {
            Piece::Plain(plain) => text.ends_with(plain.as_str()),
            Piece::Wild(wild) => {
                let mut chars = text.chars().rev();
                wild.iter().rev().all(|want| match (want, chars.next()) {
                    (None, Some(_)) => true,
                    (Some(want), Some(c)) => *want == c,
                    (_, None) => false,
                })
            }
        }
    }

    /// Where the first match ends.
    fn find(&self, text: &str) -> Option<usize> {
        match self {
            Piece::Plain(plain) => text.find(plain.as_str()).map(|at| at + plain.len()),
            Piece::Wild(_) => {
                text.char_indices().find_map(|(at, _)| self.at_start(&text[at..]).map(|length| at + length))
            }
        }
    }
}

/// SQL's pattern as a regular expression; what is special only there is passed on, as Calcite does.
fn similar_to_regex(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut regex = String::new();
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => match chars.next() {
                Some(next) => {
                    regex.push('\\');
                    regex.push(next);
                }
                None => {
                    return Err(Error::user(format!("the pattern '{pattern}' ends in its escape character")));
                }
            },
            '[' if !in_class => {
                in_class = true;
                regex.push('[');
            }
            ']' if in_class => {
                in_class = false;
                regex.push(']');
            }
            '%' if !in_class => regex.push_str(".*"),
            '_' if !in_class => regex.push('.'),
            '\\' => regex.push_str("\\\\"),
            c => regex.push(c),
        }
    }
    Ok(regex)
}
