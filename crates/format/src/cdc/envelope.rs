//! What the envelopes are: which fields hold the rows, and which word means which change.

/// A change as an envelope's word says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Insert,
    Update,
    Delete,
    /// A change of the table's definition; gives no row.
    Definition,
}

/// How the rows lie in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Old and new row, both whole.
    Whole,
    /// New row, and of the old row the changed fields only.
    Partial,
    /// The same as arrays of rows.
    PartialArrays,
}

/// An envelope.
#[derive(Debug)]
pub(super) struct Envelope {
    /// The format's name, for messages.
    pub name: &'static str,
    /// The field of the old row.
    pub old: &'static str,
    /// The field of the new row, and of the deleted row where rows are partial.
    pub new: &'static str,
    /// The field of the change's word.
    pub operation: &'static str,
    /// The words.
    pub words: &'static [(&'static str, Change)],
    pub rows: Rows,
    /// Whether the options of Debezium's schema and Canal's filters are offered.
    pub schema_include: bool,
    pub filters: bool,
}

impl Envelope {
    /// What the word means.
    pub fn change(&self, word: &str) -> Option<Change> {
        self.words.iter().find(|(known, _)| *known == word).map(|(_, change)| *change)
    }
}

pub(super) const DEBEZIUM: Envelope = Envelope {
    name: "debezium-json",
    old: "before",
    new: "after",
    operation: "op",
    words: &[("c", Change::Insert), ("r", Change::Insert), ("u", Change::Update), ("d", Change::Delete)],
    rows: Rows::Whole,
    schema_include: true,
    filters: false,
};

pub(super) const OGG: Envelope = Envelope {
    name: "ogg-json",
    old: "before",
    new: "after",
    operation: "op_type",
    words: &[("I", Change::Insert), ("U", Change::Update), ("D", Change::Delete)],
    rows: Rows::Whole,
    schema_include: false,
    filters: false,
};

pub(super) const CANAL: Envelope = Envelope {
    name: "canal-json",
    old: "old",
    new: "data",
    operation: "type",
    words: &[
        ("INSERT", Change::Insert),
        ("UPDATE", Change::Update),
        ("DELETE", Change::Delete),
        ("CREATE", Change::Definition),
    ],
    rows: Rows::PartialArrays,
    schema_include: false,
    filters: true,
};

pub(super) const MAXWELL: Envelope = Envelope {
    name: "maxwell-json",
    old: "old",
    new: "data",
    operation: "type",
    words: &[("insert", Change::Insert), ("update", Change::Update), ("delete", Change::Delete)],
    rows: Rows::Partial,
    schema_include: false,
    filters: false,
};
