//! Data types and interval qualifiers.

use super::writer::Writer;
use crate::ast::{IntervalQualifier, RowField, TypeKind, TypeName};

impl Writer {
    pub(super) fn data_type(&mut self, data_type: &TypeName) {
        self.type_kind(&data_type.kind);
        if data_type.nullable == Some(false) {
            self.push(" NOT NULL");
        }
    }

    fn type_kind(&mut self, kind: &TypeKind) {
        match kind {
            TypeKind::Char(length) => self.sized("CHAR", *length),
            TypeKind::Varchar(length) => self.sized("VARCHAR", *length),
            TypeKind::Binary(length) => self.sized("BINARY", *length),
            TypeKind::Varbinary(length) => self.sized("VARBINARY", *length),
            TypeKind::Time(precision) => self.sized("TIME", *precision),
            TypeKind::Timestamp(precision) => self.sized("TIMESTAMP", *precision),
            TypeKind::TimestampLtz(precision) => self.sized("TIMESTAMP_LTZ", *precision),
            TypeKind::TimestampTz(precision) => {
                self.sized("TIMESTAMP", *precision);
                self.push(" WITH TIME ZONE");
            }
            TypeKind::Decimal(precision, scale) => self.decimal(*precision, *scale),
            TypeKind::Interval(qualifier) => {
                self.push("INTERVAL ");
                self.qualifier(qualifier);
            }
            TypeKind::Array(item) => self.of("ARRAY", &[item]),
            TypeKind::Multiset(item) => self.of("MULTISET", &[item]),
            TypeKind::Map(key, value) => self.of("MAP", &[key, value]),
            TypeKind::Row(fields) => {
                self.push("ROW<");
                self.list(fields, ", ", Self::row_field);
                self.push(">");
            }
            TypeKind::Raw(class, serializer) => {
                self.push("RAW(");
                self.text(&class.value);
                self.push(", ");
                self.text(&serializer.value);
                self.push(")");
            }
            TypeKind::Structured(class, fields) => {
                self.push("STRUCTURED<");
                self.text(&class.value);
                for field in fields {
                    self.push(", ");
                    self.row_field(field);
                }
                self.push(">");
            }
            TypeKind::Named(name) => self.object_name(name),
            simple => self.push(simple_name(simple)),
        }
    }

    fn sized(&mut self, name: &str, size: Option<u32>) {
        self.push(name);
        self.precision(size);
    }

    fn precision(&mut self, precision: Option<u32>) {
        if let Some(precision) = precision {
            self.push("(");
            self.number(precision);
            self.push(")");
        }
    }

    fn decimal(&mut self, precision: Option<u32>, scale: Option<u32>) {
        self.push("DECIMAL");
        let Some(precision) = precision else { return };
        self.push("(");
        self.number(precision);
        if let Some(scale) = scale {
            self.push(", ");
            self.number(scale);
        }
        self.push(")");
    }

    fn of(&mut self, name: &str, items: &[&TypeName]) {
        self.push(name);
        self.push("<");
        self.list(items, ", ", |w, item| w.data_type(item));
        self.push(">");
    }

    fn row_field(&mut self, field: &RowField) {
        self.ident(&field.name);
        self.push(" ");
        self.data_type(&field.data_type);
        if let Some(comment) = &field.comment {
            self.push(" ");
            self.text(&comment.value);
        }
    }

    pub(super) fn qualifier(&mut self, qualifier: &IntervalQualifier) {
        self.push(qualifier.start.keyword());
        match (qualifier.end, qualifier.fraction_precision) {
            (None, Some(fraction)) => {
                self.push("(");
                self.number(qualifier.start_precision.unwrap_or(2));
                self.push(", ");
                self.number(fraction);
                self.push(")");
            }
            (None, None) => self.precision(qualifier.start_precision),
            (Some(end), fraction) => {
                self.precision(qualifier.start_precision);
                self.push(" TO ");
                self.push(end.keyword());
                self.precision(fraction);
            }
        }
    }
}

/// Types that are one word.
fn simple_name(kind: &TypeKind) -> &'static str {
    match kind {
        TypeKind::String => "STRING",
        TypeKind::Bytes => "BYTES",
        TypeKind::Boolean => "BOOLEAN",
        TypeKind::TinyInt => "TINYINT",
        TypeKind::SmallInt => "SMALLINT",
        TypeKind::Int => "INT",
        TypeKind::BigInt => "BIGINT",
        TypeKind::Float => "FLOAT",
        TypeKind::Double => "DOUBLE",
        TypeKind::Date => "DATE",
        TypeKind::Variant => "VARIANT",
        TypeKind::Bitmap => "BITMAP",
        TypeKind::Descriptor => "DESCRIPTOR",
        _ => "NULL",
    }
}
