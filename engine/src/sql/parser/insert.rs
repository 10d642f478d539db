//! INSERT, EXECUTE, statement sets and EXPLAIN.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{ParseResult, StatementParser};
use crate::sql::hints::{TableHint, take_hint};
use crate::sql::statement::{
    ConflictStrategy, Explain, Expr, Ident, Insert, ObjectPath, Statement,
};

const EXPLAIN_DETAILS: [&str; 4] = [
    "ESTIMATED_COST",
    "CHANGELOG_MODE",
    "JSON_EXECUTION_PLAN",
    "PLAN_ADVICE",
];

impl StatementParser<'_, '_> {
    /// `INSERT {INTO|OVERWRITE} table [PARTITION (…)] [(columns)] query [ON CONFLICT DO …]`.
    pub(super) fn insert(&mut self) -> ParseResult<Insert> {
        self.expect("INSERT")?;
        let overwrite = self.eat("OVERWRITE");
        if !overwrite {
            self.expect("INTO")?;
        }
        self.eat("TABLE");
        let target = self.path()?;
        let hints = self.target_hints(&target);
        let partition = if self.eat("PARTITION") {
            self.parenthesized(Self::partition_value)?
        } else {
            Vec::new()
        };
        let columns = if self.starts_column_list() {
            let columns = self.parenthesized(Self::path)?;
            self.refuse_repeated(&columns)?;
            columns
        } else {
            Vec::new()
        };
        let source = self.query()?;
        let on_conflict = self.on_conflict()?;
        Ok(Insert {
            target,
            columns,
            overwrite,
            partition,
            hints,
            source,
            on_conflict,
        })
    }

    fn refuse_repeated(&self, columns: &[ObjectPath]) -> ParseResult<()> {
        for (idx, column) in columns.iter().enumerate() {
            let earlier = columns.iter().take(idx);
            if earlier
                .into_iter()
                .any(|other| other.names() == column.names())
            {
                let message = format!("target column '{column}' is assigned more than once");
                return self.fail(&message, column.span().start);
            }
        }
        Ok(())
    }

    fn target_hints(&mut self, target: &ObjectPath) -> BTreeMap<String, String> {
        target
            .parts
            .last()
            .and_then(|part| take_hint(self.hints, part.span.start))
            .map(TableHint::into_options)
            .unwrap_or_default()
    }

    fn partition_value(&mut self) -> ParseResult<(Ident, Expr)> {
        let name = self.ident()?;
        self.expect_token(&Token::Eq)?;
        Ok((name, *self.expr()?.expr))
    }

    /// Whether a parenthesis opens a list of names and not a query.
    fn starts_column_list(&self) -> bool {
        self.parser.peek_token_ref().token == Token::LParen
            && matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_))
            && !["SELECT", "WITH", "VALUES"]
                .iter()
                .any(|word| self.peek_is(1, word))
    }

    fn on_conflict(&mut self) -> ParseResult<Option<ConflictStrategy>> {
        if !self.eat_all(&["ON", "CONFLICT"]) {
            return Ok(None);
        }
        self.expect("DO")?;
        let strategy = if self.eat("DEDUPLICATE") {
            ConflictStrategy::Deduplicate
        } else if self.eat("NOTHING") {
            ConflictStrategy::Nothing
        } else if self.eat("ERROR") {
            ConflictStrategy::Error
        } else {
            return self.expected("DEDUPLICATE, NOTHING or ERROR");
        };
        Ok(Some(strategy))
    }

    /// `EXECUTE {STATEMENT SET …|PLAN …|query|insert}`, `BEGIN STATEMENT SET`, `STATEMENT SET`.
    pub(super) fn execute(&mut self) -> ParseResult<Statement> {
        if self.eat_all(&["EXECUTE", "PLAN"]) {
            let (path, _) = self.string("the path of a plan in single quotes")?;
            return Ok(Statement::ExecutePlan { path });
        }
        if self.eat_all(&["BEGIN", "STATEMENT", "SET"]) {
            self.eat_token(&Token::SemiColon);
            return self.set_members();
        }
        if !self.eat("EXECUTE") {
            return self.fail(
                "incorrect syntax near 'STATEMENT': write EXECUTE STATEMENT SET BEGIN … END",
                self.here(),
            );
        }
        match self.peek_word(0).as_deref() {
            Some("STATEMENT") => self.statement_set(),
            Some("INSERT") => Ok(Statement::Insert(Box::new(self.insert()?))),
            Some("SELECT" | "WITH" | "VALUES") => Ok(Statement::Query(self.query()?)),
            _ => self.expected("STATEMENT SET, INSERT or SELECT"),
        }
    }

    /// `STATEMENT SET BEGIN insert; … END`.
    fn statement_set(&mut self) -> ParseResult<Statement> {
        self.expect_all(&["STATEMENT", "SET", "BEGIN"])?;
        self.set_members()
    }

    pub(super) fn set_members(&mut self) -> ParseResult<Statement> {
        let mut inserts = Vec::new();
        loop {
            if self.eat("END") {
                break;
            }
            if !self.peek_is(0, "INSERT") {
                return self.expected("INSERT or END");
            }
            inserts.push(self.insert()?);
            if !self.eat_token(&Token::SemiColon) && !self.peek_is(0, "END") {
                return self.expected("';' behind the INSERT");
            }
        }
        if inserts.is_empty() {
            self.parser.prev_token();
            return self.expected("at least one INSERT in the statement set");
        }
        Ok(Statement::StatementSet(inserts))
    }

    /// CREATE TABLE AS, of which there is something to explain.
    fn explained_table(&mut self) -> ParseResult<Statement> {
        let at = self.here();
        let statement = match self.peek_is(0, "REPLACE") {
            true => self.replace_table()?,
            false => self.create()?,
        };
        match &statement {
            Statement::CreateTable(create) if create.as_query.is_some() => Ok(statement),
            _ => self.fail("EXPLAIN of CREATE needs a query behind AS", at),
        }
    }

    /// `EXPLAIN [PLAN FOR | detail, …] {query|insert|STATEMENT SET …}`.
    pub(super) fn explain(&mut self) -> ParseResult<Statement> {
        self.expect("EXPLAIN")?;
        let mut details = Vec::new();
        if self.eat("PLAN") {
            self.expect("FOR")?;
        } else {
            while let Some(word) = self.peek_word(0)
                && EXPLAIN_DETAILS.contains(&word.as_str())
            {
                if details.contains(&word) {
                    let message = format!("duplicate EXPLAIN detail {word}");
                    return self.fail(&message, self.here());
                }
                self.parser.advance_token();
                details.push(word);
                if !self.eat_token(&Token::Comma) {
                    break;
                }
            }
        }
        let target = match self.peek_word(0).as_deref() {
            Some("INSERT") => Statement::Insert(Box::new(self.insert()?)),
            Some("STATEMENT") => self.statement_set()?,
            Some("EXECUTE" | "BEGIN") => self.execute()?,
            Some("SELECT" | "WITH" | "VALUES") => Statement::Query(self.query()?),
            None => Statement::Query(self.query()?),
            Some("CREATE" | "REPLACE") => self.explained_table()?,
            Some(_) => return self.expected("a query, an INSERT or a STATEMENT SET"),
        };
        Ok(Statement::Explain(Explain {
            details,
            target: Box::new(target),
        }))
    }
}
