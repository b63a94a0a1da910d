//! SHOW, DESCRIBE and EXPLAIN.

use super::stream::{Parse, Parser};
use crate::ast::{
    Describe, DescribeWhat, Explain, ExplainDetail, ObjectKind, Show, ShowLike, ShowWhat, Statement,
    StatementKind,
};
use crate::span::Span;

impl Parser<'_> {
    /// What follows SHOW.
    pub(super) fn show(&mut self) -> Parse<Show> {
        let what = self.show_what()?;
        let from = match self.eat_word("FROM") || self.eat_word("IN") {
            true => Some(self.object_name("a name")?),
            false if what == ShowWhat::Columns => return Err(self.expected("FROM or IN")),
            false => None,
        };
        let like = self.show_like()?;
        Ok(Show { what, from, like })
    }

    fn show_like(&mut self) -> Parse<Option<ShowLike>> {
        let negated = self.eat_word("NOT");
        let ignore_case = self.eat_word("ILIKE");
        if !ignore_case && !self.eat_word("LIKE") {
            return match negated {
                true => Err(self.expected("LIKE or ILIKE")),
                false => Ok(None),
            };
        }
        let pattern = self.text("the pattern as a string")?;
        Ok(Some(ShowLike { negated, ignore_case, pattern }))
    }

    fn show_what(&mut self) -> Parse<ShowWhat> {
        const SIMPLE: &[(&[&str], ShowWhat)] = &[
            (&["CATALOGS"], ShowWhat::Catalogs),
            (&["CURRENT", "CATALOG"], ShowWhat::CurrentCatalog),
            (&["DATABASES"], ShowWhat::Databases),
            (&["CURRENT", "DATABASE"], ShowWhat::CurrentDatabase),
            (&["TABLES"], ShowWhat::Tables),
            (&["VIEWS"], ShowWhat::Views),
            (&["MATERIALIZED", "TABLES"], ShowWhat::MaterializedTables),
            (&["COLUMNS"], ShowWhat::Columns),
            (&["FUNCTIONS"], ShowWhat::Functions { user: false }),
            (&["USER", "FUNCTIONS"], ShowWhat::Functions { user: true }),
            (&["PROCEDURES"], ShowWhat::Procedures),
            (&["MODELS"], ShowWhat::Models),
            (&["MODULES"], ShowWhat::Modules { full: false }),
            (&["FULL", "MODULES"], ShowWhat::Modules { full: true }),
            (&["JARS"], ShowWhat::Jars),
            (&["JOBS"], ShowWhat::Jobs),
        ];
        for (words, what) in SIMPLE {
            if self.eat_words(words) {
                return Ok(what.clone());
            }
        }
        if self.eat_word("PARTITIONS") {
            let table = self.object_name("a table's name")?;
            let partition = match self.eat_word("PARTITION") {
                true => self.partition_values()?,
                false => Vec::new(),
            };
            return Ok(ShowWhat::Partitions { table, partition });
        }
        if self.eat_word("CREATE") {
            self.eat_words(&["OR", "ALTER"]);
            let kind = self.object_kind()?;
            let name = self.object_name("a name")?;
            return Ok(ShowWhat::Create { kind, name });
        }
        Err(self.expected("TABLES, VIEWS, COLUMNS, FUNCTIONS, DATABASES, CATALOGS or CREATE"))
    }

    /// What follows DESCRIBE.
    pub(super) fn describe(&mut self) -> Parse<Describe> {
        if self.eat_word("JOB") {
            let job = self.text("a job's id as a string")?;
            return Ok(Describe { what: DescribeWhat::Job(job), extended: false });
        }
        let what = self.described_kind();
        let extended = self.eat_word("EXTENDED");
        let what = match what {
            None => DescribeWhat::Table(self.object_name("a table's name")?),
            Some(ObjectKind::Function) => DescribeWhat::Function(self.object_name("a function's name")?),
            Some(ObjectKind::Model) => DescribeWhat::Model(self.object_name("a model's name")?),
            Some(ObjectKind::Catalog) => DescribeWhat::Catalog(self.ident("a catalog's name")?),
            Some(_) => DescribeWhat::Database(self.object_name("a database's name")?),
        };
        Ok(Describe { what, extended })
    }

    /// The kind of object named behind DESCRIBE; these words are no keywords elsewhere, so they count
    /// only if something follows them.
    fn described_kind(&mut self) -> Option<ObjectKind> {
        const KINDS: &[(&str, ObjectKind)] = &[
            ("FUNCTION", ObjectKind::Function),
            ("MODEL", ObjectKind::Model),
            ("DATABASE", ObjectKind::Database),
            ("CATALOG", ObjectKind::Catalog),
        ];
        let followed = self.ident_at(1) || self.is_word(1, "EXTENDED");
        for (word, kind) in KINDS {
            if self.at_word(word) && followed {
                self.advance();
                return Some(*kind);
            }
        }
        None
    }

    /// What follows EXPLAIN.
    pub(super) fn explain(&mut self) -> Parse<Explain> {
        let (mut details, mut detail_spans) = (Vec::new(), Vec::new());
        if !self.eat_words(&["PLAN", "FOR"]) && self.at_explain_detail() {
            for (detail, span) in self.comma_list(Self::explain_detail)? {
                details.push(detail);
                detail_spans.push(span);
            }
        }
        let statement = Box::new(self.explained()?);
        Ok(Explain { details, detail_spans, statement })
    }

    fn at_explain_detail(&self) -> bool {
        self.at_any(&["ESTIMATED_COST", "CHANGELOG_MODE", "PLAN_ADVICE", "JSON_EXECUTION_PLAN"])
    }

    fn explain_detail(&mut self) -> Parse<(ExplainDetail, Span)> {
        let start = self.span();
        let detail = if self.eat_word("ESTIMATED_COST") {
            ExplainDetail::EstimatedCost
        } else if self.eat_word("CHANGELOG_MODE") {
            ExplainDetail::ChangelogMode
        } else if self.eat_word("PLAN_ADVICE") {
            ExplainDetail::PlanAdvice
        } else if self.eat_word("JSON_EXECUTION_PLAN") {
            ExplainDetail::JsonExecutionPlan
        } else {
            return Err(self.expected("ESTIMATED_COST, CHANGELOG_MODE, PLAN_ADVICE or JSON_EXECUTION_PLAN"));
        };
        Ok((detail, start))
    }

    fn explained(&mut self) -> Parse<Statement> {
        let start = self.span();
        if self.at_word("STATEMENT") {
            let kind = StatementKind::StatementSet(self.statement_set(start)?);
            return Ok(Statement { kind, span: self.since(start) });
        }
        let statement = self.statement()?;
        match statement.kind {
            StatementKind::Query(_) | StatementKind::Insert(_) | StatementKind::StatementSet(_) => {
                Ok(statement)
            }
            _ => Err(self.error(
                statement.span,
                "only a query, an INSERT or a statement set can be explained".to_owned(),
                "remove EXPLAIN to run the statement",
            )),
        }
    }
}
