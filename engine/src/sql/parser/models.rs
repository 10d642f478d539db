//! CREATE and ALTER MODEL, ALTER CATALOG, ALTER FUNCTION.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{ParseResult, StatementParser};
use crate::sql::statement::{
    AlterCatalog, AlterCatalogChange, AlterFunction, AlterModel, AlterModelChange, ColumnDef,
    ColumnKind, CreateModel, FunctionLanguage, Statement,
};

impl StatementParser<'_, '_> {
    /// `MODEL [IF NOT EXISTS] name [INPUT (…) OUTPUT (…)] [COMMENT …] WITH (…)`.
    pub(super) fn create_model(&mut self, temporary: bool) -> ParseResult<Statement> {
        self.expect("MODEL")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.path()?;
        let inputs = self.model_columns("INPUT")?;
        let at = self.here();
        let outputs = self.model_columns("OUTPUT")?;
        if inputs.is_empty() != outputs.is_empty() {
            return self.fail("a model has both INPUT and OUTPUT columns, or neither", at);
        }
        let comment = self.comment()?;
        let at = self.here();
        let options = self.with_options()?;
        if self.peek_is(0, "AS") {
            let from = self.here();
            return self.unsupported("CREATE MODEL AS", from);
        }
        if options.is_empty() {
            return self.fail("the options of a model cannot be empty", at);
        }
        Ok(Statement::CreateModel(Box::new(CreateModel {
            name,
            temporary,
            if_not_exists,
            inputs,
            outputs,
            comment,
            options,
        })))
    }

    /// `INPUT (name type [COMMENT …], …)`, if it is next.
    fn model_columns(&mut self, word: &str) -> ParseResult<Vec<ColumnDef>> {
        if !self.eat(word) {
            return Ok(Vec::new());
        }
        let at = self.here();
        let columns = self.parenthesized(Self::column)?;
        let physical = columns
            .iter()
            .all(|column| matches!(column.kind, ColumnKind::Physical { .. }));
        if !physical {
            return self.fail("columns of models are physical columns", at);
        }
        Ok(columns)
    }

    pub(super) fn alter_model(&mut self) -> ParseResult<Statement> {
        self.expect("MODEL")?;
        let if_exists = self.if_exists()?;
        let name = self.path()?;
        let change = if self.eat("RENAME") {
            self.expect("TO")?;
            AlterModelChange::RenameTo(self.path()?)
        } else if self.eat("SET") {
            AlterModelChange::Set(self.options()?)
        } else if self.eat("RESET") {
            AlterModelChange::Reset(self.option_keys()?)
        } else {
            return self.expected("RENAME, SET or RESET");
        };
        Ok(Statement::AlterModel(AlterModel {
            name,
            if_exists,
            change,
        }))
    }

    pub(super) fn alter_catalog(&mut self) -> ParseResult<Statement> {
        self.expect("CATALOG")?;
        let name = self.ident()?;
        let change = if self.eat("SET") {
            AlterCatalogChange::Set(self.options()?)
        } else if self.eat("RESET") {
            AlterCatalogChange::Reset(self.option_keys()?)
        } else if self.peek_is(0, "COMMENT")
            && matches!(
                self.parser.peek_nth_token_ref(1).token,
                Token::SingleQuotedString(_)
            )
        {
            AlterCatalogChange::Comment(self.comment()?.unwrap_or_default())
        } else {
            return self.expected("SET, RESET or COMMENT");
        };
        Ok(Statement::AlterCatalog(AlterCatalog { name, change }))
    }

    /// `[TEMPORARY [SYSTEM]] FUNCTION [IF EXISTS] name AS 'class' [LANGUAGE …]`.
    pub(super) fn alter_function(&mut self) -> ParseResult<Statement> {
        let temporary = self.eat("TEMPORARY");
        let system = temporary && self.eat("SYSTEM");
        self.expect("FUNCTION")?;
        let if_exists = self.if_exists()?;
        let name = self.path()?;
        self.expect("AS")?;
        let (class, _) = self.string("the implementation in single quotes")?;
        let language = self.function_language()?.unwrap_or(FunctionLanguage::Java);
        Ok(Statement::AlterFunction(AlterFunction {
            name,
            temporary,
            system,
            if_exists,
            class,
            language,
        }))
    }
}
