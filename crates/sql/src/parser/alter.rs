//! ALTER.

use super::stream::{Parse, Parser};
use super::table_schema::SchemaPart;
use crate::ast::{
    AlterTable, AlterTableAction, AlterView, AlterViewAction, ColumnPlace, PlacedColumn, SchemaChange,
    StatementKind,
};
use crate::lexer::Symbol;
use crate::span::Span;

impl Parser<'_> {
    /// What follows ALTER.
    pub(super) fn alter(&mut self) -> Parse<StatementKind> {
        let start = self.previous_span();
        if self.eat_word("TABLE") {
            let table = self.alter_table()?;
            return Ok(StatementKind::AlterTable(Box::new(table)));
        }
        if self.eat_word("VIEW") {
            let view = self.alter_view()?;
            return Ok(StatementKind::AlterView(Box::new(view)));
        }
        if self.eat_word("DATABASE") {
            let name = self.object_name("a database's name")?;
            self.expect_word("SET")?;
            let options = self.properties()?;
            return Ok(StatementKind::AlterDatabase { name, options });
        }
        self.alter_other(start)
    }

    fn alter_other(&mut self, start: Span) -> Parse<StatementKind> {
        const KINDS: &[&[&str]] = &[
            &["CATALOG"],
            &["FUNCTION"],
            &["TEMPORARY", "SYSTEM", "FUNCTION"],
            &["TEMPORARY", "FUNCTION"],
            &["MODEL"],
            &["CONNECTION"],
            &["MATERIALIZED", "TABLE"],
        ];
        let Some(words) = KINDS.iter().find(|words| self.at_words(words)) else {
            return Err(self.expected("TABLE, VIEW or DATABASE"));
        };
        self.eat_words(words);
        Ok(self.skipped(format!("ALTER {}", words.join(" ")), start))
    }

    fn alter_view(&mut self) -> Parse<AlterView> {
        let name = self.object_name("a view's name")?;
        let action = if self.eat_word("RENAME") {
            self.expect_word("TO")?;
            AlterViewAction::Rename(self.object_name("the new name")?)
        } else if self.eat_word("AS") {
            AlterViewAction::Query(self.query()?)
        } else {
            return Err(self.expected("RENAME TO or AS"));
        };
        Ok(AlterView { name, action })
    }

    fn alter_table(&mut self) -> Parse<AlterTable> {
        let if_exists = self.if_exists()?;
        let name = self.object_name("a table's name")?;
        let action = self.alter_table_action()?;
        Ok(AlterTable { if_exists, name, action })
    }

    fn alter_table_action(&mut self) -> Parse<AlterTableAction> {
        if self.eat_word("ADD") {
            return self.alter_add();
        }
        if self.eat_word("MODIFY") {
            return self.schema_change().map(AlterTableAction::Modify);
        }
        if self.eat_word("DROP") {
            return self.alter_drop();
        }
        if self.eat_word("RENAME") {
            return self.alter_rename();
        }
        if self.eat_word("SET") {
            return self.properties().map(AlterTableAction::SetOptions);
        }
        if self.eat_word("RESET") {
            return self
                .parenthesized_list(|p| p.text("an option's key as a string"))
                .map(AlterTableAction::ResetOptions);
        }
        Err(self.expected("ADD, MODIFY, DROP, RENAME, SET or RESET"))
    }

    fn alter_add(&mut self) -> Parse<AlterTableAction> {
        let if_not_exists = self.at_words(&["IF", "NOT", "EXISTS"]) && self.if_not_exists()?;
        if !if_not_exists && !self.at_word("PARTITION") {
            return self.schema_change().map(AlterTableAction::Add);
        }
        let mut partitions = Vec::new();
        self.expect_word("PARTITION")?;
        loop {
            let values = self.partition_values()?;
            let options = self.with_properties()?;
            partitions.push((values, options));
            if !self.eat_word("PARTITION") {
                break;
            }
        }
        Ok(AlterTableAction::AddPartitions { if_not_exists, partitions })
    }

    /// What follows ADD or MODIFY: one part of a schema, or several in parentheses.
    fn schema_change(&mut self) -> Parse<SchemaChange> {
        let mut change = SchemaChange::default();
        let start = self.span();
        if self.eat_word("DISTRIBUTION") {
            change.distribution = Some(self.distribution(start)?);
            return Ok(change);
        }
        if self.at_symbol(Symbol::LParen) {
            self.parenthesized_list(|p| p.changed_part(&mut change))?;
        } else {
            self.changed_part(&mut change)?;
        }
        Ok(change)
    }

    fn changed_part(&mut self, change: &mut SchemaChange) -> Parse<()> {
        match self.schema_part()? {
            SchemaPart::Watermark(watermark) => change.watermarks.push(watermark),
            SchemaPart::Constraint(constraint) => change.constraints.push(constraint),
            SchemaPart::Column(column) => {
                let place = if self.eat_word("FIRST") {
                    Some(ColumnPlace::First)
                } else if self.eat_word("AFTER") {
                    Some(ColumnPlace::After(self.ident("a column name")?))
                } else {
                    None
                };
                let column = *column;
                change.columns.push(PlacedColumn { column, place });
            }
        }
        Ok(())
    }

    fn alter_drop(&mut self) -> Parse<AlterTableAction> {
        if self.eat_words(&["PRIMARY", "KEY"]) {
            return Ok(AlterTableAction::DropPrimaryKey);
        }
        if self.eat_word("WATERMARK") {
            return Ok(AlterTableAction::DropWatermark);
        }
        if self.eat_word("DISTRIBUTION") {
            return Ok(AlterTableAction::DropDistribution);
        }
        if self.eat_word("CONSTRAINT") {
            return self.ident("the constraint's name").map(AlterTableAction::DropConstraint);
        }
        if self.at_word("PARTITION") || self.at_words(&["IF", "EXISTS"]) {
            return self.drop_partitions();
        }
        let columns = match self.at_symbol(Symbol::LParen) {
            true => self.column_list()?,
            false => vec![self.ident("a column name")?],
        };
        Ok(AlterTableAction::DropColumns(columns))
    }

    fn drop_partitions(&mut self) -> Parse<AlterTableAction> {
        let if_exists = self.if_exists()?;
        let partitions = self.comma_list(|p| {
            p.expect_word("PARTITION")?;
            p.partition_values()
        })?;
        Ok(AlterTableAction::DropPartitions { if_exists, partitions })
    }

    fn alter_rename(&mut self) -> Parse<AlterTableAction> {
        if self.eat_word("TO") {
            return self.object_name("the new name").map(AlterTableAction::Rename);
        }
        let from = self.compound_ident("a column name or TO")?;
        self.expect_word("TO")?;
        let to = self.ident("the column's new name")?;
        Ok(AlterTableAction::RenameColumn { from, to })
    }
}
