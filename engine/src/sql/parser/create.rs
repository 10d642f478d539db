//! CREATE and DROP.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{ParseResult, StatementParser};
use crate::data::types::{FlinkType, TypeRoot};
use crate::sql::statement::{
    ColumnDef, ColumnKind, CreateCatalog, CreateDatabase, CreateFunction, CreateTable, CreateView,
    Distribution, DropObject, FunctionLanguage, FunctionSignature, Ident, LikeClause, LikeMode,
    LikeRule, ObjectKind, ObjectPath, PrimaryKeyDef, Replacing, Statement, WatermarkDef,
};
use crate::sql::types;

/// What stands in the parentheses of CREATE TABLE and of ALTER TABLE ADD.
#[derive(Default)]
pub(super) struct TableElements {
    pub(super) columns: Vec<ColumnDef>,
    pub(super) watermark: Option<WatermarkDef>,
    pub(super) primary_key: Option<PrimaryKeyDef>,
}

const LIKE_FEATURES: [&str; 8] = [
    "ALL",
    "CONSTRAINTS",
    "DISTRIBUTION",
    "GENERATED",
    "METADATA",
    "OPTIONS",
    "PARTITIONS",
    "WATERMARKS",
];

impl StatementParser<'_, '_> {
    pub(super) fn create(&mut self) -> ParseResult<Statement> {
        let from = self.here();
        self.expect("CREATE")?;
        if self.peek_are(&["OR", "ALTER", "MATERIALIZED"]) {
            self.expect_all(&["OR", "ALTER"])?;
            return self.create_materialized_table(true);
        }
        let or_replace = self.eat_all(&["OR", "REPLACE"]);
        let temporary = self.eat("TEMPORARY");
        let system = temporary && self.eat("SYSTEM");
        let Some(word) = self.peek_word(0) else {
            return self.expected("TABLE, VIEW, FUNCTION, DATABASE or CATALOG");
        };
        match word.as_str() {
            "FUNCTION" => self.create_function(temporary, system),
            _ if system => self.expected("FUNCTION"),
            "TABLE" => {
                let replacing = match or_replace {
                    true => Replacing::IfExists,
                    false => Replacing::Never,
                };
                self.create_table(temporary, replacing)
            }
            "VIEW" => self.create_view(temporary, or_replace),
            "DATABASE" => self.create_database(),
            "CATALOG" => self.create_catalog(),
            "MODEL" => self.create_model(temporary),
            "MATERIALIZED" if temporary => {
                self.fail("CREATE TEMPORARY MATERIALIZED TABLE is not supported", from)
            }
            "MATERIALIZED" => self.create_materialized_table(false),
            "CONNECTION" => self.unsupported("CREATE CONNECTION", from),
            _ => self.expected("TABLE, VIEW, FUNCTION, DATABASE or CATALOG"),
        }
    }

    /// `REPLACE TABLE name … AS query`.
    pub(super) fn replace_table(&mut self) -> ParseResult<Statement> {
        self.expect("REPLACE")?;
        self.create_table(false, Replacing::Always)
    }

    fn create_table(&mut self, temporary: bool, replacing: Replacing) -> ParseResult<Statement> {
        self.expect("TABLE")?;
        let if_not_exists = self.if_not_exists()?;
        let mut table = self.table_head(if_not_exists)?;
        table.temporary = temporary;
        table.replacing = replacing;
        let at = self.here();
        table.like = self.like_clause()?;
        if self.peek_is(0, "AS") && table.like.is_none() {
            self.expect("AS")?;
            if temporary {
                return self.fail("CREATE TABLE AS cannot create a temporary table", at);
            }
            table.as_query = Some(self.query()?);
        } else if replacing == Replacing::Always || !table.column_order.is_empty() {
            return self.expected("AS and a query");
        }
        Ok(Statement::CreateTable(Box::new(table)))
    }

    /// `name [(…)] [COMMENT …] [DISTRIBUTED …] [PARTITIONED BY …] [WITH …]`.
    pub(super) fn table_head(&mut self, if_not_exists: bool) -> ParseResult<CreateTable> {
        let name = self.path()?;
        let column_order = if self.starts_bare_names() {
            self.parenthesized(Self::ident)?
        } else {
            Vec::new()
        };
        let elements = if self.parser.peek_token_ref().token == Token::LParen {
            self.table_elements()?
        } else {
            TableElements::default()
        };
        let comment = self.comment()?;
        let distributed = self.distributed()?;
        let partitioned_by = if self.eat("PARTITIONED") {
            self.expect("BY")?;
            self.parenthesized(Self::ident)?
        } else {
            Vec::new()
        };
        Ok(CreateTable {
            name,
            temporary: false,
            if_not_exists,
            replacing: Replacing::Never,
            columns: elements.columns,
            column_order,
            watermark: elements.watermark,
            primary_key: elements.primary_key,
            comment,
            partitioned_by,
            distributed,
            options: self.with_options()?,
            like: None,
            as_query: None,
        })
    }

    /// Whether a parenthesis opens a list of names without types.
    fn starts_bare_names(&self) -> bool {
        self.parser.peek_token_ref().token == Token::LParen
            && matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_))
            && matches!(
                self.parser.peek_nth_token_ref(2).token,
                Token::Comma | Token::RParen
            )
    }

    /// `( element, … )`.
    pub(super) fn table_elements(&mut self) -> ParseResult<TableElements> {
        let mut elements = TableElements::default();
        self.expect_token(&Token::LParen)?;
        loop {
            self.table_element(&mut elements)?;
            if !self.eat_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(elements)
    }

    fn table_element(&mut self, elements: &mut TableElements) -> ParseResult<()> {
        if self.peek_is(0, "WATERMARK") {
            let at = self.here();
            let watermark = self.watermark()?;
            if elements.watermark.replace(watermark).is_some() {
                return self.fail("a table has only one watermark", at);
            }
        } else if self.peek_is(0, "CONSTRAINT") || self.peek_is(0, "PRIMARY") {
            let at = self.here();
            let primary_key = self.primary_key()?;
            if elements.primary_key.replace(primary_key).is_some() {
                return self.fail("a table has only one primary key", at);
            }
        } else if self.peek_is(0, "UNIQUE") {
            return self.fail("UNIQUE constraints are not supported yet", self.here());
        } else {
            let column = self.column()?;
            elements.columns.push(column);
        }
        Ok(())
    }

    /// `WATERMARK FOR column AS expression`.
    pub(super) fn watermark(&mut self) -> ParseResult<WatermarkDef> {
        self.expect_all(&["WATERMARK", "FOR"])?;
        let column = self.compound()?;
        self.expect("AS")?;
        let expr = self.expr()?;
        Ok(WatermarkDef { column, expr })
    }

    /// `[CONSTRAINT name] PRIMARY KEY (columns) NOT ENFORCED`.
    pub(super) fn primary_key(&mut self) -> ParseResult<PrimaryKeyDef> {
        let name = if self.eat("CONSTRAINT") {
            Some(self.ident()?.value)
        } else {
            None
        };
        self.expect_all(&["PRIMARY", "KEY"])?;
        let columns = self.parenthesized(Self::ident)?;
        self.not_enforced()?;
        Ok(PrimaryKeyDef { name, columns })
    }

    /// `NOT ENFORCED` behind a primary key: Flink does not own the data.
    fn not_enforced(&mut self) -> ParseResult<()> {
        if self.eat_all(&["NOT", "ENFORCED"]) {
            return Ok(());
        }
        self.fail(
            "a primary key must say NOT ENFORCED, because Flink does not own the data",
            self.here(),
        )
    }

    /// `name AS expression | name type METADATA … | name type …`, each with a comment.
    pub(super) fn column(&mut self) -> ParseResult<ColumnDef> {
        let name = self.ident()?;
        if self.eat("AS") {
            let expr = self.expr()?;
            let comment = self.comment()?;
            return Ok(ColumnDef {
                name,
                kind: ColumnKind::Computed(expr),
                comment,
            });
        }
        let flink_type = self.column_type()?;
        let kind = if self.eat("METADATA") {
            self.metadata(flink_type)?
        } else {
            let primary_key = self.column_key()?;
            ColumnKind::Physical {
                flink_type,
                primary_key,
            }
        };
        let comment = self.comment()?;
        Ok(ColumnDef {
            name,
            kind,
            comment,
        })
    }

    /// The type of a column: none of those that only expressions have.
    fn column_type(&mut self) -> ParseResult<FlinkType> {
        let at = self.here();
        let flink_type = types::parse_type(&mut self.parser)?;
        match outside_of_columns(&flink_type) {
            None => Ok(flink_type),
            Some(word) => self.fail(
                &format!("incorrect syntax near '{word}': no column has this type"),
                at,
            ),
        }
    }

    fn metadata(&mut self, flink_type: FlinkType) -> ParseResult<ColumnKind> {
        let from = if self.eat("FROM") {
            Some(self.string("a metadata key in single quotes")?.0)
        } else {
            None
        };
        let is_virtual = self.eat("VIRTUAL");
        Ok(ColumnKind::Metadata {
            flink_type,
            from,
            is_virtual,
        })
    }

    /// `[CONSTRAINT name] PRIMARY KEY NOT ENFORCED` behind a column.
    fn column_key(&mut self) -> ParseResult<bool> {
        if self.eat("CONSTRAINT") {
            self.ident()?;
        }
        if !self.eat_all(&["PRIMARY", "KEY"]) {
            return Ok(false);
        }
        self.not_enforced()?;
        Ok(true)
    }

    /// `DISTRIBUTED [BY [HASH|RANGE] (columns)] [INTO n BUCKETS]`.
    fn distributed(&mut self) -> ParseResult<Option<Distribution>> {
        if !self.eat("DISTRIBUTED") {
            return Ok(None);
        }
        self.distribution().map(Some)
    }

    /// `[BY [HASH|RANGE] (columns)] [INTO n BUCKETS]`, at least one of the two.
    pub(super) fn distribution(&mut self) -> ParseResult<Distribution> {
        let mut distribution = Distribution {
            kind: None,
            columns: Vec::new(),
            n_buckets: None,
        };
        let has_columns = self.eat("BY");
        if has_columns {
            if self.eat("HASH") {
                distribution.kind = Some("HASH");
            } else if self.eat("RANGE") {
                distribution.kind = Some("RANGE");
            }
            distribution.columns = self.parenthesized(Self::ident)?;
        }
        if !has_columns || self.peek_is(0, "INTO") {
            self.expect("INTO")?;
            distribution.n_buckets = Some(self.parser.parse_literal_uint()?);
            self.expect("BUCKETS")?;
        }
        Ok(distribution)
    }

    /// `LIKE table [( {INCLUDING|EXCLUDING|OVERWRITING} feature … )]`.
    fn like_clause(&mut self) -> ParseResult<Option<LikeClause>> {
        if !self.eat("LIKE") {
            return Ok(None);
        }
        let source = self.path()?;
        let mut rules = Vec::new();
        if self.eat_token(&Token::LParen) {
            while !self.eat_token(&Token::RParen) {
                let mode = if self.eat("INCLUDING") {
                    LikeMode::Including
                } else if self.eat("EXCLUDING") {
                    LikeMode::Excluding
                } else if self.eat("OVERWRITING") {
                    LikeMode::Overwriting
                } else {
                    return self.expected("INCLUDING, EXCLUDING or OVERWRITING");
                };
                let feature = self.peek_word(0).unwrap_or_default();
                if !LIKE_FEATURES.contains(&feature.as_str()) {
                    return self.expected(&LIKE_FEATURES.join(", "));
                }
                self.check_like_rule(&rules, mode, &feature)?;
                self.parser.advance_token();
                rules.push(LikeRule { mode, feature });
            }
        }
        Ok(Some(LikeClause { source, rules }))
    }

    /// Features stand once, and only those of which a table has several can be overwritten.
    fn check_like_rule(
        &self,
        rules: &[LikeRule],
        mode: LikeMode,
        feature: &str,
    ) -> ParseResult<()> {
        if rules.iter().any(|rule| rule.feature == feature) {
            let message = format!("each feature of LIKE can be given only once, also '{feature}'");
            return self.fail(&message, self.here());
        }
        let can_be_overwritten = ["GENERATED", "METADATA", "OPTIONS", "WATERMARKS"];
        if mode == LikeMode::Overwriting && !can_be_overwritten.contains(&feature) {
            let message = format!("OVERWRITING is no way to merge '{feature}' of LIKE");
            return self.fail(&message, self.here());
        }
        Ok(())
    }

    fn create_view(&mut self, temporary: bool, or_replace: bool) -> ParseResult<Statement> {
        self.expect("VIEW")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.path()?;
        let columns = if self.parser.peek_token_ref().token == Token::LParen {
            self.parenthesized(|parser| Ok((parser.ident()?, parser.comment()?)))?
        } else {
            Vec::new()
        };
        let comment = self.comment()?;
        self.expect("AS")?;
        let query = self.query()?;
        Ok(Statement::CreateView(Box::new(CreateView {
            name,
            temporary,
            if_not_exists,
            or_replace,
            columns,
            comment,
            query,
        })))
    }

    fn create_function(&mut self, temporary: bool, system: bool) -> ParseResult<Statement> {
        self.expect("FUNCTION")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.path()?;
        let signature = self.function_signature()?;
        // Other databases write the language first.
        let stated = self.function_language()?;
        self.expect("AS")?;
        let (class, class_span) = self.string("the implementation in single quotes")?;
        let language = match stated {
            Some(language) => language,
            None => self.function_language()?.unwrap_or(FunctionLanguage::Java),
        };
        if signature.is_some() != (language == FunctionLanguage::Sql) {
            let message = if signature.is_some() {
                "only a function with LANGUAGE SQL declares parameters"
            } else {
                "a function with LANGUAGE SQL declares its parameters and result: \
                 f(a INT) RETURNS INT"
            };
            return self.fail(message, class_span.start);
        }
        let mut jars = Vec::new();
        if self.peek_is(0, "USING") {
            if language == FunctionLanguage::Python {
                return self.fail("USING JAR does not go with PYTHON", self.here());
            }
            self.expect("USING")?;
            loop {
                self.expect("JAR")?;
                jars.push(self.string("the path of a jar in single quotes")?.0);
                if !self.eat_token(&Token::Comma) {
                    break;
                }
            }
        }
        self.with_options()?;
        Ok(Statement::CreateFunction(CreateFunction {
            name,
            temporary,
            system,
            if_not_exists,
            signature,
            class,
            class_span,
            language,
            jars,
        }))
    }

    /// `([name type {, name type}]) RETURNS type`, if it is next.
    fn function_signature(&mut self) -> ParseResult<Option<FunctionSignature>> {
        if self.parser.peek_token_ref().token != Token::LParen {
            return Ok(None);
        }
        let parameter =
            |parser: &mut Self| Ok((parser.ident()?, types::parse_type(&mut parser.parser)?));
        let parameters = if self.parser.peek_nth_token_ref(1).token == Token::RParen {
            self.expect_token(&Token::LParen)?;
            self.expect_token(&Token::RParen)?;
            Vec::new()
        } else {
            self.parenthesized(parameter)?
        };
        for (idx, (name, _)) in parameters.iter().enumerate() {
            let earlier = parameters.iter().take(idx);
            if earlier
                .into_iter()
                .any(|(known, _)| known.value == name.value)
            {
                let message = format!("the parameter '{}' is declared twice", name.value);
                return self.fail(&message, name.span.start);
            }
        }
        self.expect("RETURNS")?;
        let result = types::parse_type(&mut self.parser)?;
        Ok(Some(FunctionSignature { parameters, result }))
    }

    /// `LANGUAGE name`, if it is next.
    pub(super) fn function_language(&mut self) -> ParseResult<Option<FunctionLanguage>> {
        if !self.eat("LANGUAGE") {
            return Ok(None);
        }
        let languages = [
            ("PYTHON", FunctionLanguage::Python),
            ("SQL", FunctionLanguage::Sql),
            ("SCALA", FunctionLanguage::Scala),
            ("JAVA", FunctionLanguage::Java),
        ];
        for (name, language) in languages {
            if self.eat(name) {
                return Ok(Some(language));
            }
        }
        self.expected("JAVA, SCALA, PYTHON or SQL")
    }

    fn create_database(&mut self) -> ParseResult<Statement> {
        self.expect("DATABASE")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.path()?;
        let comment = self.comment()?;
        let options = self.with_options()?;
        Ok(Statement::CreateDatabase(CreateDatabase {
            name,
            if_not_exists,
            comment,
            options,
        }))
    }

    fn create_catalog(&mut self) -> ParseResult<Statement> {
        self.expect("CATALOG")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.ident()?;
        let comment = self.comment()?;
        let options = self.with_options()?;
        Ok(Statement::CreateCatalog(CreateCatalog {
            name,
            if_not_exists,
            comment,
            options,
        }))
    }

    pub(super) fn drop_object(&mut self) -> ParseResult<Statement> {
        self.expect("DROP")?;
        let temporary = self.eat("TEMPORARY");
        let system = temporary && self.eat("SYSTEM");
        let kind = match self.peek_word(0).as_deref() {
            Some("FUNCTION") => ObjectKind::Function,
            _ if system => return self.expected("FUNCTION"),
            Some("TABLE") => ObjectKind::Table,
            Some("VIEW") => ObjectKind::View,
            Some("DATABASE") => ObjectKind::Database,
            Some("CATALOG") => ObjectKind::Catalog,
            Some("MODEL") => ObjectKind::Model,
            Some("MATERIALIZED") if !temporary => {
                self.expect("MATERIALIZED")?;
                ObjectKind::MaterializedTable
            }
            _ => return self.expected("TABLE, VIEW, FUNCTION, DATABASE or CATALOG"),
        };
        self.parser.advance_token();
        let if_exists = self.if_exists()?;
        let name: ObjectPath = self.path()?;
        let cascade = kind == ObjectKind::Database && self.eat("CASCADE");
        if kind == ObjectKind::Database && !cascade {
            self.eat("RESTRICT");
        }
        Ok(Statement::Drop(DropObject {
            kind,
            name,
            if_exists,
            temporary,
            system,
            cascade,
        }))
    }

    /// One name or several in parentheses.
    pub(super) fn one_or_more_idents(&mut self) -> ParseResult<Vec<Ident>> {
        if self.parser.peek_token_ref().token == Token::LParen {
            return self.parenthesized(Self::ident);
        }
        Ok(vec![self.ident()?])
    }
}

/// The word for a type that no column can have, wherever it stands in the type.
fn outside_of_columns(flink_type: &FlinkType) -> Option<&'static str> {
    match &flink_type.root {
        TypeRoot::IntervalYearMonth { .. } | TypeRoot::IntervalDayTime { .. } => Some("INTERVAL"),
        TypeRoot::Null => Some("NULL"),
        TypeRoot::Array(element) | TypeRoot::Multiset(element) => outside_of_columns(element),
        TypeRoot::Map(key, value) => outside_of_columns(key).or_else(|| outside_of_columns(value)),
        TypeRoot::Row(fields) | TypeRoot::Structured { fields, .. } => fields
            .iter()
            .find_map(|field| outside_of_columns(&field.flink_type)),
        _ => None,
    }
}
