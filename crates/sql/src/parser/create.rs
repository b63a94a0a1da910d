//! CREATE and DROP.

use super::stream::{Parse, Parser};
use crate::ast::{
    CreateCatalog, CreateDatabase, CreateFunction, CreateTable, CreateView, Drop, FunctionResource,
    LikeFeature, LikeStrategy, ObjectKind, ObjectName, StatementKind, TableLike, TableLikeOption,
    TableSchema,
};
use crate::lexer::Symbol;
use crate::span::Span;

/// The words before the kind of object.
#[derive(Default)]
struct Modifiers {
    replace: bool,
    temporary: bool,
    system: bool,
}

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Parse<StatementKind> {
        let start = self.span();
        let modifiers = self.create_modifiers()?;
        if let Some(other) = self.create_other(start) {
            return Ok(other);
        }
        if self.eat_word("TABLE") {
            let table = self.create_table(&modifiers)?;
            return Ok(StatementKind::CreateTable(Box::new(table)));
        }
        if self.eat_word("VIEW") {
            let view = self.create_view(&modifiers)?;
            return Ok(StatementKind::CreateView(Box::new(view)));
        }
        if self.eat_word("FUNCTION") {
            let function = self.create_function(&modifiers)?;
            return Ok(StatementKind::CreateFunction(Box::new(function)));
        }
        if self.eat_word("DATABASE") {
            return self.create_database().map(StatementKind::CreateDatabase);
        }
        if self.eat_word("CATALOG") {
            return self.create_catalog().map(StatementKind::CreateCatalog);
        }
        Err(self.expected("TABLE, VIEW, FUNCTION, DATABASE or CATALOG"))
    }

    fn create_modifiers(&mut self) -> Parse<Modifiers> {
        let mut modifiers = Modifiers::default();
        if self.eat_word("REPLACE") {
            modifiers.replace = true;
        } else {
            self.expect_word("CREATE")?;
            if self.eat_word("OR") {
                modifiers.replace = self.eat_word("REPLACE");
                if !modifiers.replace {
                    self.expect_word("ALTER")?;
                }
            }
        }
        modifiers.temporary = self.eat_word("TEMPORARY");
        modifiers.system = modifiers.temporary && self.eat_word("SYSTEM");
        Ok(modifiers)
    }

    fn create_other(&mut self, start: Span) -> Option<StatementKind> {
        const KINDS: &[&[&str]] = &[&["MATERIALIZED", "TABLE"], &["MODEL"], &["CONNECTION"]];
        let words = KINDS.iter().find(|words| self.at_words(words))?;
        self.eat_words(words);
        Some(self.skipped(format!("CREATE {}", words.join(" ")), start))
    }

    fn create_table(&mut self, modifiers: &Modifiers) -> Parse<CreateTable> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name("the table's name")?;
        let schema = match self.at_symbol(Symbol::LParen) {
            true => self.table_schema()?,
            false => TableSchema::default(),
        };
        let comment = self.comment()?;
        let distributed = self.span();
        let distribution = match self.eat_word("DISTRIBUTED") {
            true => Some(self.distribution(distributed)?),
            false => None,
        };
        let partitioned_by = match self.eat_word("PARTITIONED") {
            true => {
                self.expect_word("BY")?;
                self.column_list()?
            }
            false => Vec::new(),
        };
        let options = self.with_properties()?;
        let like = self.table_like()?;
        let query = match self.eat_word("AS") {
            true => Some(self.query()?),
            false => None,
        };
        Ok(CreateTable {
            replace: modifiers.replace,
            temporary: modifiers.temporary,
            if_not_exists,
            name,
            schema,
            comment,
            distribution,
            partitioned_by,
            options,
            like,
            query,
        })
    }

    fn table_like(&mut self) -> Parse<Option<TableLike>> {
        let start = self.span();
        if !self.eat_word("LIKE") {
            return Ok(None);
        }
        let source = self.object_name("the table that is copied")?;
        let mut options = Vec::new();
        if self.eat_symbol(Symbol::LParen) {
            while !self.at_symbol(Symbol::RParen) {
                options.push(self.table_like_option()?);
            }
            self.advance();
        }
        Ok(Some(TableLike { source, options, span: self.since(start) }))
    }

    fn table_like_option(&mut self) -> Parse<TableLikeOption> {
        let start = self.span();
        let strategy = if self.eat_word("INCLUDING") {
            LikeStrategy::Including
        } else if self.eat_word("EXCLUDING") {
            LikeStrategy::Excluding
        } else if self.eat_word("OVERWRITING") {
            LikeStrategy::Overwriting
        } else {
            return Err(self.expected("INCLUDING, EXCLUDING, OVERWRITING or `)`"));
        };
        let feature = self.like_feature(strategy)?;
        Ok(TableLikeOption { strategy, feature, span: self.since(start) })
    }

    fn like_feature(&mut self, strategy: LikeStrategy) -> Parse<LikeFeature> {
        const OVERWRITABLE: &[(&str, LikeFeature)] = &[
            ("GENERATED", LikeFeature::Generated),
            ("METADATA", LikeFeature::Metadata),
            ("OPTIONS", LikeFeature::Options),
            ("WATERMARKS", LikeFeature::Watermarks),
        ];
        const OTHERS: &[(&str, LikeFeature)] = &[
            ("ALL", LikeFeature::All),
            ("CONSTRAINTS", LikeFeature::Constraints),
            ("DISTRIBUTION", LikeFeature::Distribution),
            ("PARTITIONS", LikeFeature::Partitions),
        ];
        let overwriting = strategy == LikeStrategy::Overwriting;
        let others = if overwriting { &[] } else { OTHERS };
        for (word, feature) in OVERWRITABLE.iter().chain(others) {
            if self.eat_word(word) {
                return Ok(*feature);
            }
        }
        Err(self.expected(if overwriting {
            "GENERATED, METADATA, OPTIONS or WATERMARKS"
        } else {
            "ALL, CONSTRAINTS, DISTRIBUTION, PARTITIONS, GENERATED, METADATA, OPTIONS or WATERMARKS"
        }))
    }

    fn create_view(&mut self, modifiers: &Modifiers) -> Parse<CreateView> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name("the view's name")?;
        let columns = match self.at_symbol(Symbol::LParen) {
            true => self.column_list()?,
            false => Vec::new(),
        };
        let comment = self.comment()?;
        self.expect_word("AS")?;
        let query = self.query()?;
        Ok(CreateView {
            or_replace: modifiers.replace,
            temporary: modifiers.temporary,
            if_not_exists,
            name,
            columns,
            comment,
            query,
        })
    }

    fn create_function(&mut self, modifiers: &Modifiers) -> Parse<CreateFunction> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name("the function's name")?;
        self.expect_word("AS")?;
        let implementation = self.text("the implementation as a string")?;
        let language = match self.eat_word("LANGUAGE") {
            true => {
                // SCALA is reserved and stands here all the same.
                if !self.at_any(&["JAVA", "SCALA", "PYTHON", "SQL"]) && !self.at_ident() {
                    return Err(self.expected("JAVA, SCALA or PYTHON"));
                }
                Some(self.any_ident())
            }
            false => None,
        };
        let resources = match self.eat_word("USING") {
            true => self.comma_list(Self::function_resource)?,
            false => Vec::new(),
        };
        Ok(CreateFunction {
            temporary: modifiers.temporary,
            system: modifiers.system,
            if_not_exists,
            name,
            implementation,
            language,
            resources,
            options: self.with_properties()?,
        })
    }

    fn function_resource(&mut self) -> Parse<FunctionResource> {
        if !self.at_any(&["JAR", "ARTIFACT"]) {
            return Err(self.expected("JAR or ARTIFACT"));
        }
        let kind = self.any_ident();
        let path = self.text("the path as a string")?;
        Ok(FunctionResource { kind, path })
    }

    fn create_database(&mut self) -> Parse<CreateDatabase> {
        Ok(CreateDatabase {
            if_not_exists: self.if_not_exists()?,
            name: self.object_name("the database's name")?,
            comment: self.comment()?,
            options: self.with_properties()?,
        })
    }

    fn create_catalog(&mut self) -> Parse<CreateCatalog> {
        Ok(CreateCatalog {
            if_not_exists: self.if_not_exists()?,
            name: self.ident("the catalog's name")?,
            comment: self.comment()?,
            options: self.with_properties()?,
        })
    }

    /// What follows DROP.
    pub(super) fn drop_object(&mut self) -> Parse<StatementKind> {
        let temporary = self.eat_word("TEMPORARY");
        let system = temporary && self.eat_word("SYSTEM");
        let start = self.span();
        if self.eat_word("CONNECTION") {
            return Ok(self.skipped("DROP CONNECTION".to_owned(), start));
        }
        let kind = self.object_kind()?;
        let if_exists = self.if_exists()?;
        let name = match kind {
            ObjectKind::Catalog => ObjectName(vec![self.ident("the catalog's name")?]),
            _ => self.object_name("the name of what is dropped")?,
        };
        let cascade =
            if self.eat_word("CASCADE") { Some(true) } else { self.eat_word("RESTRICT").then_some(false) };
        Ok(StatementKind::Drop(Drop { kind, temporary, system, if_exists, name, cascade }))
    }

    /// The keywords of a kind of object.
    pub(super) fn object_kind(&mut self) -> Parse<ObjectKind> {
        const KINDS: &[(&str, ObjectKind)] = &[
            ("TABLE", ObjectKind::Table),
            ("VIEW", ObjectKind::View),
            ("FUNCTION", ObjectKind::Function),
            ("MODEL", ObjectKind::Model),
            ("DATABASE", ObjectKind::Database),
            ("CATALOG", ObjectKind::Catalog),
        ];
        if self.eat_word("MATERIALIZED") {
            self.expect_word("TABLE")?;
            return Ok(ObjectKind::MaterializedTable);
        }
        for (word, kind) in KINDS {
            if self.eat_word(word) {
                return Ok(*kind);
            }
        }
        Err(self.expected("TABLE, VIEW, FUNCTION, MODEL, DATABASE or CATALOG"))
    }
}
