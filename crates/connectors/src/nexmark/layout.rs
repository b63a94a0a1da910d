//! Which columns a table may have: those of the benchmark, by name; a ROW may list fewer fields.

use tidemill_types::{DataType, Error, Field, Result, TypeKind};

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    /// 0 for persons, 1 for auctions, 2 for bids.
    EventType,
    /// One kind of event: its type as declared, and which of its fields the table has.
    Event { kind: Kind, data_type: DataType, fields: Vec<usize> },
}

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Person = 0,
    Auction = 1,
    Bid = 2,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Long,
    Text,
    Time,
}

use Value::{Long, Text, Time};

const PERSON: &[(&str, Value)] = &[
    ("id", Long),
    ("name", Text),
    ("emailAddress", Text),
    ("creditCard", Text),
    ("city", Text),
    ("state", Text),
    ("dateTime", Time),
    ("extra", Text),
];
const AUCTION: &[(&str, Value)] = &[
    ("id", Long),
    ("itemName", Text),
    ("description", Text),
    ("initialBid", Long),
    ("reserve", Long),
    ("dateTime", Time),
    ("expires", Time),
    ("seller", Long),
    ("category", Long),
    ("extra", Text),
];
const BID: &[(&str, Value)] = &[
    ("auction", Long),
    ("bidder", Long),
    ("price", Long),
    ("channel", Text),
    ("url", Text),
    ("dateTime", Time),
    ("extra", Text),
];

/// What a declared column stands for.
pub(super) fn column(field: &Field) -> Result<Column> {
    let (kind, known) = match field.name.as_str() {
        "event_type" if field.data_type.kind == TypeKind::Int => return Ok(Column::EventType),
        "event_type" => return Err(refused("event_type", "INT", &field.data_type)),
        "person" => (Kind::Person, PERSON),
        "auction" => (Kind::Auction, AUCTION),
        "bid" => (Kind::Bid, BID),
        other => {
            return Err(Error::user_hint(
                format!("the connector 'nexmark' has no column '{other}'"),
                "its columns are: event_type INT, person ROW<…>, auction ROW<…>, bid ROW<…>",
            ));
        }
    };
    let TypeKind::Row(fields) = &field.data_type.kind else {
        return Err(refused(&field.name, "a ROW", &field.data_type));
    };
    let fields = fields.iter().map(|part| {
        let found = known.iter().position(|(name, _)| *name == part.name);
        let at = found.ok_or_else(|| unknown_field(&field.name, &part.name, known))?;
        check(&format!("{}.{}", field.name, part.name), known[at].1, &part.data_type)?;
        Ok(at)
    });
    let fields = fields.collect::<Result<Vec<_>>>()?;
    Ok(Column::Event { kind, data_type: field.data_type.clone(), fields })
}

fn check(name: &str, value: Value, declared: &DataType) -> Result<()> {
    let (fits, wanted) = match value {
        Long => (declared.kind == TypeKind::BigInt, "BIGINT"),
        Text => (matches!(declared.kind, TypeKind::Varchar(_)), "VARCHAR"),
        Time => (declared.kind == TypeKind::Timestamp(3), "TIMESTAMP(3)"),
    };
    if fits { Ok(()) } else { Err(refused(name, wanted, declared)) }
}

fn refused(name: &str, wanted: &str, declared: &DataType) -> Error {
    Error::user(format!("the column '{name}' of the connector 'nexmark' is {wanted}, not {declared}"))
}

fn unknown_field(column: &str, field: &str, known: &[(&str, Value)]) -> Error {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Error::user_hint(
        format!("the column '{column}' of the connector 'nexmark' has no field '{field}'"),
        format!("its fields are: {}", names.join(", ")),
    )
}
