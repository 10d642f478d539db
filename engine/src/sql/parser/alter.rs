//! ALTER.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{ParseResult, StatementParser};
use crate::sql::statement::{
    AlterTable, AlterTableChange, AlterView, AlterViewChange, ColumnPlace, SchemaChange, Statement,
};

impl StatementParser<'_, '_> {
    pub(super) fn alter(&mut self) -> ParseResult<Statement> {
        let from = self.here();
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
            Some("CATALOG") => self.unsupported("ALTER CATALOG", from),
            Some("FUNCTION" | "TEMPORARY") => self.unsupported("ALTER FUNCTION", from),
            Some("MODEL") => self.unsupported("ALTER MODEL", from),
            Some("MATERIALIZED") => self.unsupported("ALTER MATERIALIZED TABLE", from),
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
        let from = self.here();
        self.expect("TABLE")?;
        let if_exists = self.if_exists()?;
        let name = self.path()?;
        let Some(word) = self.peek_word(0) else {
            return self.expected("RENAME, SET, RESET, ADD, MODIFY or DROP");
        };
        if matches!(word.as_str(), "ADD" | "MODIFY" | "DROP") {
            match self.peek_word(1).as_deref() {
                Some("PARTITION" | "PARTITIONS" | "IF") => {
                    return self.unsupported(&format!("ALTER TABLE … {word} PARTITION"), from);
                }
                Some("DISTRIBUTION") => {
                    return self.unsupported(&format!("ALTER TABLE … {word} DISTRIBUTION"), from);
                }
                _ => {}
            }
        }
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
            "RESET" => AlterTableChange::ResetOptions(self.parenthesized(|parser| {
                Ok(parser.string("an option's key in single quotes")?.0)
            })?),
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
