//! Avro schemas: the text of one as a tree that knows its named types.
//!
//! Nodes lie in one list and refer to each other by number, so that types may contain themselves. Source of the
//! rules: the Avro specification, "Schema Declaration" and "Logical Types". An unknown logical type leaves the type
//! below it. Deliberately not here: fingerprints, sort orders and comments.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// The number of a node.
pub(crate) type NodeId = usize;

/// A schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schema {
    nodes: Vec<Node>,
    /// The node of the whole.
    pub root: NodeId,
}

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// How values are written.
    pub kind: Kind,
    /// What they stand for.
    pub logical: Option<Logical>,
}

/// How values are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    List(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record(Vec<Field>),
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub name: String,
    /// Former names.
    pub aliases: Vec<String>,
    pub node: NodeId,
    /// What stands for it where a writer has no such field.
    pub default: Option<Value>,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// How many nanoseconds it has.
    pub fn nanos(self) -> i64 {
        match self {
            Unit::Millis => 1_000_000,
            Unit::Micros => 1_000,
            Unit::Nanos => 1,
        }
    }
}

/// What values stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logical {
    /// With its scale.
    Decimal(u32),
    Date,
    Time(Unit),
    /// An instant or a wall-clock time.
    Timestamp(Unit),
    Uuid,
}

impl Schema {
    /// Reads a schema; the error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).or_else(|error| {
            // Registries may hand out a bare name without quotes.
            let bare = text.trim();
            let is_name = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
            if is_name { Ok(Value::String(bare.into())) } else { Err(format!("it is no JSON: {error}")) }
        })?;
        let mut parser = Parser { nodes: Vec::new(), names: HashMap::new() };
        let root = parser.node(&value, "")?;
        Ok(Schema { nodes: parser.nodes, root })
    }

    /// A node by its number.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The fields of the record that the schema describes, alone or beside null.
    pub fn record(&self) -> Option<&[Field]> {
        match &self.node(self.root).kind {
            Kind::Record(fields) => Some(fields),
            Kind::Union(branches) => branches.iter().find_map(|&branch| match &self.node(branch).kind {
                Kind::Record(fields) => Some(fields.as_slice()),
                _ => None,
            }),
            _ => None,
        }
    }

    /// What a type is called in messages.
    pub fn name(&self, id: NodeId) -> &'static str {
        match &self.node(id).kind {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::Text => "string",
            Kind::Fixed(_) => "fixed",
            Kind::Enum(_) => "enum",
            Kind::List(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
            Kind::Record(_) => "record",
        }
    }
}

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::Text,
        _ => return None,
    })
}

struct Parser {
    nodes: Vec<Node>,
    names: HashMap<String, NodeId>,
}

impl Parser {
    fn push(&mut self, kind: Kind, logical: Option<Logical>) -> NodeId {
        self.nodes.push(Node { kind, logical });
        self.nodes.len() - 1
    }

    fn node(&mut self, value: &Value, namespace: &str) -> Result<NodeId, String> {
        match value {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.node(branch, namespace));
                let branches = branches.collect::<Result<Vec<_>, _>>()?;
                Ok(self.push(Kind::Union(branches), None))
            }
            Value::Object(object) => self.object(object, namespace),
            other => Err(format!("{other} is no type")),
        }
    }

    fn named(&mut self, name: &str, namespace: &str) -> Result<NodeId, String> {
        if let Some(kind) = primitive(name) {
            return Ok(self.push(kind, None));
        }
        let known = self.names.get(&full_name(name, namespace)).or_else(|| self.names.get(name));
        known.copied().ok_or_else(|| format!("there is no type '{name}'"))
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<NodeId, String> {
        let inner = object.get("type").ok_or("an object without 'type' is no type")?;
        let Value::String(name) = inner else { return self.node(inner, namespace) };
        match name.as_str() {
            "array" | "map" => {
                let key = if name == "array" { "items" } else { "values" };
                let items = object.get(key).ok_or_else(|| format!("a type '{name}' has no '{key}'"))?;
                let items = self.node(items, namespace)?;
                let kind = if name == "array" { Kind::List(items) } else { Kind::Map(items) };
                Ok(self.push(kind, None))
            }
            "record" | "error" | "enum" | "fixed" => self.define(name, object, namespace),
            _ => {
                let id = self.named(name, namespace)?;
                if primitive(name).is_some() {
                    self.nodes[id].logical = logical(object, &self.nodes[id].kind);
                }
                Ok(id)
            }
        }
    }

    fn define(&mut self, what: &str, object: &Map<String, Value>, outer: &str) -> Result<NodeId, String> {
        let name = object.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("a type '{what}' has no 'name'"))?;
        let declared = object.get("namespace").and_then(Value::as_str).unwrap_or(outer);
        let full = full_name(name, declared);
        let namespace = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_string();
        // Known before its fields, which may refer to it.
        let id = self.push(Kind::Null, None);
        self.names.insert(full, id);
        let kind = match what {
            "enum" => Kind::Enum(texts(object.get("symbols")).ok_or("an enum has no 'symbols'")?),
            "fixed" => {
                let size = object.get("size").and_then(Value::as_u64).ok_or("a fixed has no 'size'")?;
                Kind::Fixed(size as usize)
            }
            _ => Kind::Record(self.fields(object, &namespace)?),
        };
        let logical = logical(object, &kind);
        self.nodes[id] = Node { kind, logical };
        Ok(id)
    }

    fn fields(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<Vec<Field>, String> {
        let fields = object.get("fields").and_then(Value::as_array).ok_or("a record has no 'fields'")?;
        let mut out = Vec::with_capacity(fields.len());
        for field in fields {
            let name = field.get("name").and_then(Value::as_str).ok_or("a field has no 'name'")?;
            let inner = field.get("type").ok_or_else(|| format!("the field '{name}' has no 'type'"))?;
            let node = self.node(inner, namespace).map_err(|error| format!("field '{name}': {error}"))?;
            out.push(Field {
                name: name.to_string(),
                aliases: texts(field.get("aliases")).unwrap_or_default(),
                node,
                default: field.get("default").cloned(),
            });
        }
        Ok(out)
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    match name.contains('.') || namespace.is_empty() {
        true => name.to_string(),
        false => format!("{namespace}.{name}"),
    }
}

fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    value?.as_array()?.iter().map(|text| text.as_str().map(str::to_string)).collect()
}

fn logical(object: &Map<String, Value>, kind: &Kind) -> Option<Logical> {
    let name = object.get("logicalType")?.as_str()?;
    let number = |key| object.get(key).and_then(Value::as_u64);
    Some(match (name, kind) {
        ("decimal", Kind::Bytes | Kind::Fixed(_)) => Logical::Decimal(number("scale").unwrap_or(0) as u32),
        ("date", Kind::Int) => Logical::Date,
        ("time-millis", Kind::Int) => Logical::Time(Unit::Millis),
        ("time-micros", Kind::Long) => Logical::Time(Unit::Micros),
        ("timestamp-millis" | "local-timestamp-millis", Kind::Long) => Logical::Timestamp(Unit::Millis),
        ("timestamp-micros" | "local-timestamp-micros", Kind::Long) => Logical::Timestamp(Unit::Micros),
        ("timestamp-nanos" | "local-timestamp-nanos", Kind::Long) => Logical::Timestamp(Unit::Nanos),
        ("uuid", Kind::Text | Kind::Fixed(16)) => Logical::Uuid,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_their_namespaces_and_in_themselves() {
        let schema = Schema::parse(
            r#"{"type":"record","name":"a.b.Tree","fields":[
                {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["X","Y"]}},
                {"name":"other","type":["null","a.b.Kind"],"default":null},
                {"name":"below","type":{"type":"array","items":"Tree"}}]}"#,
        )
        .unwrap();
        let fields = schema.record().unwrap();
        let Kind::List(items) = schema.node(fields[2].node).kind else { panic!() };
        assert_eq!(items, schema.root);
        let Kind::Union(branches) = &schema.node(fields[1].node).kind else { panic!() };
        assert_eq!(branches[1], fields[0].node);
        assert_eq!(fields[1].default, Some(Value::Null));
    }

    #[test]
    fn what_is_no_schema_is_refused_with_the_reason() {
        for (text, reason) in [
            ("{", "it is no JSON"),
            ("[1]", "1 is no type"),
            (r#"{"type":"record","name":"r"}"#, "a record has no 'fields'"),
            (r#"{"type":"array"}"#, "a type 'array' has no 'items'"),
            (
                r#"{"type":"record","name":"r","fields":[{"name":"x","type":"Lost"}]}"#,
                "field 'x': there is no type 'Lost'",
            ),
        ] {
            let error = Schema::parse(text).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn logical_types_fit_what_they_stand_on() {
        let logical = |text: &str| {
            let schema = Schema::parse(text).unwrap();
            schema.node(schema.root).logical
        };
        assert_eq!(logical(r#"{"type":"int","logicalType":"date"}"#), Some(Logical::Date));
        assert_eq!(logical(r#"{"type":"long","logicalType":"date"}"#), None);
        assert_eq!(
            logical(r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#),
            Some(Logical::Decimal(2))
        );
        assert_eq!(Schema::parse("string").unwrap().node(0).kind, Kind::Text);
    }
}
