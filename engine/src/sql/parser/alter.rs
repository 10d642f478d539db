//! ALTER.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{ParseResult, StatementParser};
use crate::sql::statement::{
    AlterTable, AlterTableChange, AlterView, AlterViewChange, ColumnPlace, SchemaChange, Statement,
};

impl StatementParser<'_, '_> {
    pub(super) fn alter(&mut self) -> ParseResult<Statement> {
        self.expect("ALTER")?;
        match self.peek_word(0).as_deref() {
            Some("TABLE") => self.alter_table(),
            Some("VIEW") => self.alter_view(),
            Some("DATABASE") => {
                self.expect("DATABASE")?;
                let name = self.path()?;
                self.expect("SET")?;
                let options = self.options()?;
                Ok(Statement::AlterDatabase { name, options })
            }
            Some("CATALOG") => self.alter_catalog(),
            Some("FUNCTION" | "TEMPORARY") => self.alter_function(),
            Some("MODEL") => self.alter_model(),
            Some("MATERIALIZED") => self.alter_materialized_table(),
            _ => self.expected("TABLE, VIEW, DATABASE, CATALOG or FUNCTION"),
        }
    }

    fn alter_view(&mut self) -> ParseResult<Statement> {
        self.expect("VIEW")?;
        let name = self.path()?;
        let change = if self.eat("RENAME") {
            self.expect("TO")?;
            AlterViewChange::RenameTo(self.path()?)
        } else {
            self.expect("AS")?;
            AlterViewChange::As(self.query()?)
        };
        Ok(Statement::AlterView(AlterView { name, change }))
    }

    fn alter_table(&mut self) -> ParseResult<Statement> {
        self.expect("TABLE")?;
        let if_exists = self.if_exists()?;
        let name = self.path()?;
        let Some(word) = self.peek_word(0) else {
            return self.expected("RENAME, SET, RESET, ADD, MODIFY or DROP");
        };
        self.parser.advance_token();
        let change = match word.as_str() {
            "RENAME" if self.eat("TO") => AlterTableChange::RenameTo(self.path()?),
            "RENAME" => {
                let from = self.ident()?;
                self.expect("TO")?;
                let to = self.ident()?;
                AlterTableChange::RenameColumn { from, to }
            }
            "SET" => AlterTableChange::SetOptions(self.options()?),
            "RESET" => AlterTableChange::ResetOptions(self.option_keys()?),
            "ADD" | "DROP" if self.starts_partition() => {
                AlterTableChange::Partitions(self.partition_change(word == "DROP")?)
            }
            "DROP" if self.eat("DISTRIBUTION") => AlterTableChange::DropDistribution,
            "ADD" => AlterTableChange::Add(self.schema_change()?),
            "MODIFY" => AlterTableChange::Modify(self.schema_change()?),
            "DROP" if self.eat("WATERMARK") => AlterTableChange::DropWatermark,
            "DROP" if self.eat("PRIMARY") => {
                self.expect("KEY")?;
                AlterTableChange::DropPrimaryKey(None)
            }
            "DROP" if self.eat("CONSTRAINT") => {
                AlterTableChange::DropPrimaryKey(Some(self.ident()?))
            }
            "DROP" => AlterTableChange::DropColumns(self.one_or_more_idents()?),
            _ => {
                self.parser.prev_token();
                return self.expected("RENAME, SET, RESET, ADD, MODIFY or DROP");
            }
        };
        Ok(Statement::AlterTable(Box::new(AlterTable {
            name,
            if_exists,
            change,
        })))
    }

    /// One part of a schema, or several in parentheses.
    fn schema_change(&mut self) -> ParseResult<SchemaChange> {
        let mut change = SchemaChange::default();
        if self.eat_token(&Token::LParen) {
            loop {
                self.schema_part(&mut change)?;
                if !self.eat_token(&Token::Comma) {
                    break;
                }
            }
            self.expect_token(&Token::RParen)?;
        } else {
            self.schema_part(&mut change)?;
        }
        Ok(change)
    }

    fn schema_part(&mut self, change: &mut SchemaChange) -> ParseResult<()> {
        if self.peek_is(0, "WATERMARK") {
            change.watermark = Some(self.watermark()?);
        } else if self.eat("DISTRIBUTION") {
            change.distributed = Some(self.distribution()?);
        } else if self.peek_is(0, "CONSTRAINT") || self.peek_is(0, "PRIMARY") {
            change.primary_key = Some(self.primary_key()?);
        } else {
            let column = self.column()?;
            let place = if self.eat("FIRST") {
                ColumnPlace::First
            } else if self.eat("AFTER") {
                ColumnPlace::After(self.ident()?)
            } else {
                ColumnPlace::Unsaid
            };
            change.columns.push((column, place));
        }
        Ok(())
    }
}
