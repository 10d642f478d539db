//! USE, SHOW, DESCRIBE, SET, RESET and STOP JOB.

use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use super::{ParseResult, StatementParser};
use crate::sql::statement::{
    Describe, LikeFilter, ModuleChange, ObjectKind, ObjectPath, OptionEntry, Show, ShowCreate,
    ShowWhat, Statement, UseTarget,
};

/// The words behind SHOW and what they show.
const SHOW_FORMS: &[(&[&str], ShowWhat)] = &[
    (&["CATALOGS"], ShowWhat::Catalogs),
    (&["CURRENT", "CATALOG"], ShowWhat::CurrentCatalog),
    (&["DATABASES"], ShowWhat::Databases),
    (&["CURRENT", "DATABASE"], ShowWhat::CurrentDatabase),
    (&["TABLES"], ShowWhat::Tables),
    (&["VIEWS"], ShowWhat::Views),
    (&["COLUMNS"], ShowWhat::Columns),
    (&["PARTITIONS"], ShowWhat::Partitions),
    (&["FUNCTIONS"], ShowWhat::Functions),
    (&["USER", "FUNCTIONS"], ShowWhat::UserFunctions),
    (&["PROCEDURES"], ShowWhat::Procedures),
    (&["MODULES"], ShowWhat::Modules),
    (&["FULL", "MODULES"], ShowWhat::FullModules),
    (&["JARS"], ShowWhat::Jars),
    (&["MODELS"], ShowWhat::Models),
    (&["MATERIALIZED", "TABLES"], ShowWhat::MaterializedTables),
    (&["JOBS"], ShowWhat::Jobs),
];

impl StatementParser<'_, '_> {
    pub(super) fn use_target(&mut self) -> ParseResult<Statement> {
        self.expect("USE")?;
        if self.peek_is(0, "MODULES") {
            self.expect("MODULES")?;
            let mut names = vec![self.ident()?];
            while self.parser.consume_token(&Token::Comma) {
                names.push(self.ident()?);
            }
            return Ok(Statement::Modules(ModuleChange::Use(names)));
        }
        if self.peek_is(0, "CATALOG")
            && matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_))
        {
            self.expect("CATALOG")?;
            return Ok(Statement::Use(UseTarget::Catalog(self.ident()?)));
        }
        Ok(Statement::Use(UseTarget::Database(self.path()?)))
    }

    /// `LOAD MODULE name [WITH (…)]` or `UNLOAD MODULE name`.
    pub(super) fn change_module(&mut self) -> ParseResult<Statement> {
        let from = self.here();
        let loads = self.eat("LOAD");
        if !loads {
            self.expect("UNLOAD")?;
        }
        self.expect("MODULE")?;
        let name = self.ident()?;
        if loads && !self.with_options()?.is_empty() {
            return self.unsupported("LOAD MODULE with options", from);
        }
        Ok(Statement::Modules(if loads {
            ModuleChange::Load(name)
        } else {
            ModuleChange::Unload(name)
        }))
    }

    pub(super) fn show(&mut self) -> ParseResult<Statement> {
        self.expect("SHOW")?;
        if self.eat("CREATE") {
            return self.show_create();
        }
        let form = SHOW_FORMS.iter().find(|(words, _)| self.peek_are(words));
        let Some((words, what)) = form else {
            return self.expected(
                "TABLES, VIEWS, COLUMNS, FUNCTIONS, DATABASES, CATALOGS, JOBS or CREATE TABLE",
            );
        };
        for _ in *words {
            self.parser.advance_token();
        }
        let takes_path = matches!(what, ShowWhat::Columns | ShowWhat::Partitions);
        let says_from = what.takes_from() && (self.eat("FROM") || self.eat("IN"));
        let within = if says_from || *what == ShowWhat::Partitions {
            Some(self.path()?)
        } else if takes_path {
            return self.expected("FROM or IN and the name of a table");
        } else {
            None
        };
        let partition = match *what == ShowWhat::Partitions && self.peek_is(0, "PARTITION") {
            true => self.partition_spec()?,
            false => Vec::new(),
        };
        let filter = match what.takes_like() {
            true => self.like_filter(what.takes_ilike())?,
            false => None,
        };
        Ok(Statement::Show(Show {
            what: *what,
            within,
            partition,
            filter,
        }))
    }

    fn show_create(&mut self) -> ParseResult<Statement> {
        let kind = match self.peek_word(0).as_deref() {
            Some("TABLE") => ObjectKind::Table,
            Some("VIEW") => ObjectKind::View,
            Some("CATALOG") => ObjectKind::Catalog,
            Some("MODEL") => ObjectKind::Model,
            Some("MATERIALIZED") => {
                self.expect("MATERIALIZED")?;
                ObjectKind::MaterializedTable
            }
            _ => return self.expected("TABLE, VIEW, CATALOG, MODEL or MATERIALIZED TABLE"),
        };
        if kind == ObjectKind::MaterializedTable {
            self.expect("TABLE")?;
        } else {
            self.parser.advance_token();
        }
        let name = match kind {
            ObjectKind::Catalog => ObjectPath {
                parts: vec![self.ident()?],
            },
            _ => self.path()?,
        };
        Ok(Statement::ShowCreate(ShowCreate { kind, name }))
    }

    fn like_filter(&mut self, takes_ilike: bool) -> ParseResult<Option<LikeFilter>> {
        let negated = self.eat("NOT");
        let ignore_case = takes_ilike && self.eat("ILIKE");
        if !ignore_case && !self.eat("LIKE") {
            return if negated {
                self.expected(if takes_ilike { "LIKE or ILIKE" } else { "LIKE" })
            } else {
                Ok(None)
            };
        }
        let (pattern, _) = self.string("a pattern in single quotes")?;
        Ok(Some(LikeFilter {
            negated,
            ignore_case,
            pattern,
        }))
    }

    pub(super) fn describe(&mut self) -> ParseResult<Statement> {
        if !self.eat("DESC") {
            self.expect("DESCRIBE")?;
        }
        // Each of the words may also be the name of a table, if nothing follows.
        let names_follow = matches!(
            self.parser.peek_nth_token_ref(1).token,
            Token::Word(_) | Token::SingleQuotedString(_)
        );
        let describe = match self.peek_word(0).as_deref() {
            Some("CATALOG") if names_follow => {
                self.expect("CATALOG")?;
                Describe::Catalog {
                    extended: self.eat("EXTENDED"),
                    name: self.ident()?,
                }
            }
            Some("FUNCTION") => {
                self.expect("FUNCTION")?;
                Describe::Function {
                    extended: self.eat("EXTENDED"),
                    name: self.path()?,
                }
            }
            Some("JOB") if names_follow => {
                self.expect("JOB")?;
                Describe::Job(self.string("the id of a job in single quotes")?.0)
            }
            Some("MODEL") if names_follow => {
                self.expect("MODEL")?;
                Describe::Model(self.path()?)
            }
            _ => {
                self.eat("EXTENDED");
                Describe::Table(self.path()?)
            }
        };
        Ok(Statement::Describe(describe))
    }

    /// `SET`, `SET 'key' = 'value'`, and the older `SET key = value`.
    pub(super) fn set(&mut self) -> ParseResult<Statement> {
        self.expect("SET")?;
        if self.parser.peek_token_ref().token == Token::EOF {
            return Ok(Statement::SetAll);
        }
        let (key, key_span) = self.setting_key()?;
        self.expect_token(&Token::Eq)?;
        let (value, value_span) = match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(_) => self.string("a value")?,
            Token::EOF => return self.expected("a value"),
            _ => self.raw_text(|_| false),
        };
        Ok(Statement::Set(OptionEntry {
            key,
            value,
            key_span,
            value_span,
        }))
    }

    pub(super) fn reset(&mut self) -> ParseResult<Statement> {
        self.expect("RESET")?;
        if self.parser.peek_token_ref().token == Token::EOF {
            return Ok(Statement::Reset { key: None });
        }
        let (key, _) = self.setting_key()?;
        Ok(Statement::Reset { key: Some(key) })
    }

    fn setting_key(&mut self) -> ParseResult<(String, Span)> {
        match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(_) => self.string("a key"),
            Token::Word(_) => Ok(self.raw_text(|token| *token == Token::Eq)),
            _ => self.expected("a key in single quotes"),
        }
    }

    /// The source's text up to a token or to the end, and where it stands.
    fn raw_text(&mut self, is_end: impl Fn(&Token) -> bool) -> (String, Span) {
        let start = self.here();
        let mut end = start;
        loop {
            let token = self.parser.peek_token_ref();
            if token.token == Token::EOF || is_end(&token.token) {
                break;
            }
            end = self.parser.next_token().span.end;
        }
        let span = Span::new(start, end);
        (self.source.slice(span).trim().to_owned(), span)
    }

    pub(super) fn stop_job(&mut self) -> ParseResult<Statement> {
        self.expect_all(&["STOP", "JOB"])?;
        let (job_id, _) = self.string("the id of a job in single quotes")?;
        let with_savepoint = self.eat_all(&["WITH", "SAVEPOINT"]);
        let with_drain = self.eat_all(&["WITH", "DRAIN"]);
        Ok(Statement::StopJob {
            job_id,
            with_savepoint,
            with_drain,
        })
    }
}
