//! Names, texts with a place, and hints.

use crate::span::Span;

/// One identifier as written, without its back-ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Ident {
    /// The name with its case kept and doubled back-ticks resolved.
    pub value: String,
    /// Whether it was written in back-ticks.
    pub quoted: bool,
    /// Where it was written, back-ticks included.
    pub span: Span,
}

/// A possibly qualified name of an object: `[catalog.][database.]name`.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectName(pub Vec<Ident>);

impl ObjectName {
    /// The range from the first to the last part.
    #[must_use]
    pub fn span(&self) -> Span {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => Span::default(),
        }
    }

    /// The last part, which is the object's own name.
    ///
    /// # Panics
    /// Never for a name made by the parser: it has at least one part.
    #[must_use]
    pub fn last(&self) -> &Ident {
        self.0.last().expect("invariant: an object name has a part")
    }
}

/// A string literal where the grammar asks for one (option keys and values, comments, paths).
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The string with its escapes resolved.
    pub value: String,
    /// Where it was written, quotes included.
    pub span: Span,
}

/// `'key' = 'value'` of a WITH clause, an OPTIONS hint or a SET.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// The key.
    pub key: Text,
    /// The value.
    pub value: Text,
}

/// One hint of `/*+ NAME(..), NAME(..) */`.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// The hint's name, such as `OPTIONS` or `STATE_TTL`.
    pub name: Ident,
    /// What stands between its parentheses, in order.
    pub args: Vec<HintArg>,
    /// The whole hint.
    pub span: Span,
}

/// One argument of a hint.
#[derive(Debug, Clone, PartialEq)]
pub enum HintArg {
    /// `'key' = 'value'`, also written `key = 'value'`.
    Pair(Property),
    /// A bare name, string or number, such as a table alias.
    Item(Text),
}
