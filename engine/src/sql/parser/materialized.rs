//! CREATE and ALTER MATERIALIZED TABLE.

use super::{ParseResult, StatementParser};
use crate::sql::statement::{
    AlterMaterializedTable, AlterMaterializedTableChange, CreateMaterializedTable, Freshness,
    RefreshMode, Statement,
};

impl StatementParser<'_, '_> {
    /// `MATERIALIZED TABLE name […] [FRESHNESS = INTERVAL 'n' unit] [REFRESH_MODE = …] AS query`.
    pub(super) fn create_materialized_table(&mut self, or_alter: bool) -> ParseResult<Statement> {
        self.expect_all(&["MATERIALIZED", "TABLE"])?;
        let mut table = self.table_head(false)?;
        let freshness = self.freshness()?;
        let refresh_mode = self.refresh_mode()?;
        self.expect("AS")?;
        table.as_query = Some(self.query()?);
        Ok(Statement::CreateMaterializedTable(Box::new(
            CreateMaterializedTable {
                table,
                or_alter,
                freshness,
                refresh_mode,
            },
        )))
    }

    fn freshness(&mut self) -> ParseResult<Option<Freshness>> {
        if !self.eat("FRESHNESS") {
            return Ok(None);
        }
        self.expect_token(&datafusion::sql::sqlparser::tokenizer::Token::Eq)?;
        let from = self.here();
        self.expect("INTERVAL")?;
        let (amount, _) = self.string("a number in single quotes")?;
        let Some(unit) = self.peek_word(0) else {
            return self.expected("SECOND, MINUTE, HOUR or DAY");
        };
        self.parser.advance_token();
        Ok(Some(Freshness {
            amount,
            unit,
            span: self.span_from(from),
        }))
    }

    fn refresh_mode(&mut self) -> ParseResult<Option<RefreshMode>> {
        if !self.eat("REFRESH_MODE") {
            return Ok(None);
        }
        self.expect_token(&datafusion::sql::sqlparser::tokenizer::Token::Eq)?;
        if self.eat("CONTINUOUS") {
            Ok(Some(RefreshMode::Continuous))
        } else if self.eat("FULL") {
            Ok(Some(RefreshMode::Full))
        } else {
            self.expected("CONTINUOUS or FULL")
        }
    }

    pub(super) fn alter_materialized_table(&mut self) -> ParseResult<Statement> {
        self.expect_all(&["MATERIALIZED", "TABLE"])?;
        let name = self.path()?;
        let change = if self.eat("SUSPEND") {
            AlterMaterializedTableChange::Suspend
        } else if self.eat("RESUME") {
            self.with_options()?;
            AlterMaterializedTableChange::Resume
        } else if self.eat("REFRESH") {
            if self.peek_is(0, "PARTITION") {
                self.partition_spec()?;
            }
            AlterMaterializedTableChange::Refresh
        } else if self.eat("AS") {
            AlterMaterializedTableChange::As(self.query()?)
        } else {
            return self.expected("SUSPEND, RESUME, REFRESH or AS");
        };
        Ok(Statement::AlterMaterializedTable(AlterMaterializedTable {
            name,
            change,
        }))
    }
}
