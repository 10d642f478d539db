//! TRUNCATE, DELETE, UPDATE, ANALYZE, CALL, ADD JAR, COMPILE PLAN, and partitions of tables.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{ParseResult, StatementParser};
use crate::sql::statement::{
    Analyze, ChangeRows, CompilePlan, Expr, Ident, PartitionChange, PartitionSpec, RowsChange,
    Statement,
};

impl StatementParser<'_, '_> {
    pub(super) fn truncate(&mut self) -> ParseResult<Statement> {
        self.expect_all(&["TRUNCATE", "TABLE"])?;
        let table = self.path()?;
        Ok(Statement::ChangeRows(Box::new(ChangeRows {
            table,
            change: RowsChange::Truncate,
        })))
    }

    pub(super) fn delete(&mut self) -> ParseResult<Statement> {
        self.expect_all(&["DELETE", "FROM"])?;
        let table = self.path()?;
        let condition = self.condition()?;
        Ok(Statement::ChangeRows(Box::new(ChangeRows {
            table,
            change: RowsChange::Delete { condition },
        })))
    }

    pub(super) fn update(&mut self) -> ParseResult<Statement> {
        self.expect("UPDATE")?;
        let table = self.path()?;
        self.expect("SET")?;
        let mut assignments: Vec<(Ident, Expr)> = Vec::new();
        loop {
            let at = self.here();
            let column = self.ident()?;
            if assignments
                .iter()
                .any(|(known, _)| known.value == column.value)
            {
                let message = format!(
                    "target column '{}' is assigned more than once",
                    column.value
                );
                return self.fail(&message, at);
            }
            self.expect_token(&Token::Eq)?;
            assignments.push((column, *self.expr()?.expr));
            if !self.eat_token(&Token::Comma) {
                break;
            }
        }
        let condition = self.condition()?;
        Ok(Statement::ChangeRows(Box::new(ChangeRows {
            table,
            change: RowsChange::Update {
                assignments,
                condition,
            },
        })))
    }

    fn condition(&mut self) -> ParseResult<Option<Expr>> {
        if !self.eat("WHERE") {
            return Ok(None);
        }
        Ok(Some(*self.expr()?.expr))
    }

    /// `ANALYZE TABLE t [PARTITION (…)] COMPUTE STATISTICS [FOR ALL COLUMNS|FOR COLUMNS a, …]`.
    pub(super) fn analyze(&mut self) -> ParseResult<Statement> {
        self.expect_all(&["ANALYZE", "TABLE"])?;
        let table = self.path()?;
        let partition = match self.peek_is(0, "PARTITION") {
            true => self.partition_spec()?,
            false => Vec::new(),
        };
        self.expect_all(&["COMPUTE", "STATISTICS"])?;
        let mut columns = Vec::new();
        if self.eat("FOR") && !self.eat_all(&["ALL", "COLUMNS"]) {
            self.expect("COLUMNS")?;
            columns.push(self.ident()?);
            while self.eat_token(&Token::Comma) {
                columns.push(self.ident()?);
            }
        }
        Ok(Statement::Analyze(Analyze {
            table,
            partition,
            columns,
        }))
    }

    /// `CALL [catalog.[database.]]procedure(argument, …)`.
    pub(super) fn call(&mut self) -> ParseResult<Statement> {
        self.expect("CALL")?;
        let path = self.path()?;
        self.expect_token(&Token::LParen)?;
        if !self.eat_token(&Token::RParen) {
            loop {
                self.expr()?;
                if !self.eat_token(&Token::Comma) {
                    break;
                }
            }
            self.expect_token(&Token::RParen)?;
        }
        Ok(Statement::Call(path))
    }

    pub(super) fn add_jar(&mut self) -> ParseResult<Statement> {
        self.expect_all(&["ADD", "JAR"])?;
        let (path, _) = self.string("the path of a jar in single quotes")?;
        Ok(Statement::AddJar(path))
    }

    /// `COMPILE [AND EXECUTE] PLAN 'path' [IF NOT EXISTS] FOR {insert|STATEMENT SET …}`.
    pub(super) fn compile_plan(&mut self) -> ParseResult<Statement> {
        self.expect("COMPILE")?;
        let executes = self.eat_all(&["AND", "EXECUTE"]);
        self.expect("PLAN")?;
        let (path, _) = self.string("the path of a plan in single quotes")?;
        let if_not_exists = self.if_not_exists()?;
        self.expect("FOR")?;
        let from = self.here();
        let inserts = match self.peek_word(0).as_deref() {
            Some("INSERT") => vec![self.insert()?],
            Some("STATEMENT") => {
                self.expect_all(&["STATEMENT", "SET", "BEGIN"])?;
                match self.set_members()? {
                    Statement::StatementSet(inserts) => inserts,
                    _ => Vec::new(),
                }
            }
            _ => return self.expected("INSERT or STATEMENT SET"),
        };
        Ok(Statement::CompilePlan(CompilePlan {
            path,
            if_not_exists,
            executes,
            inserts,
            span: self.span_from(from),
        }))
    }

    /// Whether `PARTITION (` or `IF [NOT] EXISTS PARTITION (` is next.
    pub(super) fn starts_partition(&self) -> bool {
        self.peek_is(0, "PARTITION") || self.peek_is(0, "IF")
    }

    /// What follows `ALTER TABLE t ADD | DROP`: `[IF [NOT] EXISTS] PARTITION (…) [WITH (…)], …`.
    pub(super) fn partition_change(&mut self, drops: bool) -> ParseResult<PartitionChange> {
        let if_exists = if drops {
            self.if_exists()?
        } else {
            self.if_not_exists()?
        };
        let mut partitions = vec![self.partition_spec()?];
        self.with_options()?;
        loop {
            let goes_on = match drops {
                true => self.eat_token(&Token::Comma),
                false => self.peek_is(0, "PARTITION"),
            };
            if !goes_on {
                break;
            }
            partitions.push(self.partition_spec()?);
            self.with_options()?;
        }
        Ok(PartitionChange {
            drops,
            if_exists,
            partitions,
        })
    }

    /// `PARTITION (k [= value], …)`.
    pub(super) fn partition_spec(&mut self) -> ParseResult<PartitionSpec> {
        self.expect("PARTITION")?;
        self.parenthesized(|parser| {
            let name = parser.ident()?;
            let value = match parser.eat_token(&Token::Eq) {
                true => Some(*parser.expr()?.expr),
                false => None,
            };
            Ok((name, value))
        })
    }
}
