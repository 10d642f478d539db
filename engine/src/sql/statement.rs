//! What a statement says, before anything is looked up: the syntax tree of Flink's statements.
//!
//! Queries and expressions are sqlparser's trees; everything around them is ours, because Flink's
//! own statements (watermarks, metadata columns, statement sets, options) have no place in
//! sqlparser's. All spans count lines and columns of the whole script.

use std::collections::BTreeMap;
use std::fmt;

pub use datafusion::sql::sqlparser::ast::{Expr, Ident, Query};
pub use datafusion::sql::sqlparser::tokenizer::Span;

pub use super::catalog_statement::*;
pub use super::show_statement::*;

use crate::data::types::FlinkType;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// SELECT, VALUES, WITH, set operations; also EXECUTE of one.
    Query(QueryText),
    /// INSERT INTO | OVERWRITE; also EXECUTE of one.
    Insert(Box<Insert>),
    /// EXECUTE STATEMENT SET BEGIN … END: several inserts, one job.
    StatementSet(Vec<Insert>),
    /// CREATE TABLE, with all its ways to define columns.
    CreateTable(Box<CreateTable>),
    /// CREATE VIEW.
    CreateView(Box<CreateView>),
    /// CREATE FUNCTION.
    CreateFunction(CreateFunction),
    /// CREATE DATABASE.
    CreateDatabase(CreateDatabase),
    /// CREATE CATALOG.
    CreateCatalog(CreateCatalog),
    /// DROP of any object.
    Drop(DropObject),
    /// ALTER TABLE.
    AlterTable(Box<AlterTable>),
    /// ALTER VIEW.
    AlterView(AlterView),
    /// ALTER DATABASE … SET.
    AlterDatabase {
        /// The database.
        name: ObjectPath,
        /// The options to add or replace.
        options: Vec<OptionEntry>,
    },
    /// ALTER CATALOG.
    AlterCatalog(AlterCatalog),
    /// ALTER FUNCTION.
    AlterFunction(AlterFunction),
    /// CREATE MODEL.
    CreateModel(Box<CreateModel>),
    /// ALTER MODEL.
    AlterModel(AlterModel),
    /// CREATE [OR ALTER] MATERIALIZED TABLE.
    CreateMaterializedTable(Box<CreateMaterializedTable>),
    /// ALTER MATERIALIZED TABLE.
    AlterMaterializedTable(AlterMaterializedTable),
    /// ANALYZE TABLE.
    Analyze(Analyze),
    /// TRUNCATE TABLE, DELETE and UPDATE.
    ChangeRows(Box<ChangeRows>),
    /// CALL of a procedure, which no catalog here has.
    Call(ObjectPath),
    /// ADD JAR 'path'.
    AddJar(String),
    /// COMPILE [AND EXECUTE] PLAN.
    CompilePlan(CompilePlan),
    /// EXECUTE PLAN 'path'.
    ExecutePlan {
        /// The file that COMPILE PLAN has written.
        path: String,
    },
    /// USE and USE CATALOG.
    Use(UseTarget),
    /// LOAD MODULE, UNLOAD MODULE and USE MODULES.
    Modules(ModuleChange),
    /// SHOW of a list or of a current thing.
    Show(Show),
    /// SHOW CREATE.
    ShowCreate(ShowCreate),
    /// DESCRIBE or DESC.
    Describe(Describe),
    /// EXPLAIN.
    Explain(Explain),
    /// SET 'key' = 'value'.
    Set(OptionEntry),
    /// SET alone: lists the configuration.
    SetAll,
    /// RESET of one key, or of all without.
    Reset {
        /// The key.
        key: Option<String>,
    },
    /// STOP JOB 'id'.
    StopJob {
        /// Id of the job.
        job_id: String,
        /// WITH SAVEPOINT.
        with_savepoint: bool,
        /// WITH DRAIN.
        with_drain: bool,
    },
    /// HELP: lists the statements.
    Help,
    /// A statement of Flink's dialect that is read and does not run yet.
    Unsupported {
        /// The statement in the user's words, e.g. `CREATE MODEL`.
        feature: String,
        /// Its first words.
        span: Span,
    },
}

/// The path of an object as written: one to three names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectPath {
    /// The names, outermost first; never empty.
    pub parts: Vec<Ident>,
}

impl ObjectPath {
    /// The last name: the object's own.
    #[must_use]
    pub fn object_name(&self) -> &str {
        self.parts.last().map_or("", |part| part.value.as_str())
    }

    /// From the first name to the last.
    #[must_use]
    pub fn span(&self) -> Span {
        Span::union_iter(self.parts.iter().map(|part| part.span))
    }

    /// The names without their places.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.parts.iter().map(|part| part.value.as_str()).collect()
    }
}

impl fmt::Display for ObjectPath {
    /// The names joined by dots, without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join("."))
    }
}

/// A query with its text.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryText {
    /// The tree; hints of tables stand in their factors, see `sql::hints`.
    pub query: Box<Query>,
    /// The text it was read from.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// An expression with its text.
#[derive(Debug, Clone, PartialEq)]
pub struct ExprText {
    /// The tree; boxed, because few columns have one.
    pub expr: Box<Expr>,
    /// The text it was read from.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// `'key' = 'value'` of WITH, SET and of hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionEntry {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Where the value stands.
    pub value_span: Span,
}

/// INSERT.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The table.
    pub target: ObjectPath,
    /// The columns that the query fills, in the query's order; empty: all of them.
    pub columns: Vec<ObjectPath>,
    /// OVERWRITE instead of INTO.
    pub overwrite: bool,
    /// PARTITION (k = v, …): columns with fixed values.
    pub partition: Vec<(Ident, Expr)>,
    /// Options of a hint after the table.
    pub hints: BTreeMap<String, String>,
    /// The rows.
    pub source: QueryText,
    /// ON CONFLICT DO ….
    pub on_conflict: Option<ConflictStrategy>,
}

/// What an upsert sink does with rows of one key from several upsert keys of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictStrategy {
    /// The last one wins, kept in state.
    Deduplicate,
    /// The first one wins.
    Nothing,
    /// The job fails.
    Error,
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// Name.
    pub name: ObjectPath,
    /// TEMPORARY.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// What becomes of a table that has the name.
    pub replacing: Replacing,
    /// The columns in order; empty for AS and LIKE without a list.
    pub columns: Vec<ColumnDef>,
    /// `(a, b)` of CREATE TABLE AS: the query's columns in another order.
    pub column_order: Vec<Ident>,
    /// WATERMARK FOR … AS ….
    pub watermark: Option<WatermarkDef>,
    /// PRIMARY KEY … NOT ENFORCED.
    pub primary_key: Option<PrimaryKeyDef>,
    /// COMMENT.
    pub comment: Option<String>,
    /// PARTITIONED BY.
    pub partitioned_by: Vec<Ident>,
    /// DISTRIBUTED BY | INTO.
    pub distributed: Option<Distribution>,
    /// WITH, in the order written.
    pub options: Vec<OptionEntry>,
    /// LIKE.
    pub like: Option<LikeClause>,
    /// AS: the table is created and filled.
    pub as_query: Option<QueryText>,
}

/// DISTRIBUTED BY … INTO n BUCKETS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// HASH or RANGE if it is said.
    pub kind: Option<&'static str>,
    /// The columns; empty without BY.
    pub columns: Vec<Ident>,
    /// INTO n BUCKETS.
    pub n_buckets: Option<u64>,
}

/// What CREATE TABLE does with a table that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replacing {
    /// CREATE: nothing.
    #[default]
    Never,
    /// CREATE OR REPLACE: puts the new one in its place.
    IfExists,
    /// REPLACE: there must be one.
    Always,
}

/// One column of CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// Name.
    pub name: Ident,
    /// Where its values come from.
    pub kind: ColumnKind,
    /// COMMENT.
    pub comment: Option<String>,
}

/// Where a column's values come from.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    /// The connector's record.
    Physical {
        /// Declared type.
        flink_type: FlinkType,
        /// PRIMARY KEY NOT ENFORCED behind the column.
        primary_key: bool,
    },
    /// An expression over the other columns.
    Computed(ExprText),
    /// Something that the connector knows about the record.
    Metadata {
        /// Declared type.
        flink_type: FlinkType,
        /// Key of the metadata if it is not the column's name.
        from: Option<String>,
        /// Not written by INSERT.
        is_virtual: bool,
    },
}

/// WATERMARK FOR column AS expression.
#[derive(Debug, Clone, PartialEq)]
pub struct WatermarkDef {
    /// The column, or the path to a field inside of it.
    pub column: Vec<Ident>,
    /// The watermark of a row.
    pub expr: ExprText,
}

/// PRIMARY KEY (…) NOT ENFORCED.
#[derive(Debug, Clone, PartialEq)]
pub struct PrimaryKeyDef {
    /// Name of the constraint if one is given.
    pub name: Option<String>,
    /// The columns.
    pub columns: Vec<Ident>,
}

/// LIKE table (options).
#[derive(Debug, Clone, PartialEq)]
pub struct LikeClause {
    /// The table to take from.
    pub source: ObjectPath,
    /// What to take, as written: INCLUDING | EXCLUDING | OVERWRITING and the feature.
    pub rules: Vec<LikeRule>,
}

/// One rule of LIKE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikeRule {
    /// How.
    pub mode: LikeMode,
    /// ALL, CONSTRAINTS, DISTRIBUTION, GENERATED, METADATA, OPTIONS, PARTITIONS or WATERMARKS.
    pub feature: String,
}

/// How a rule of LIKE merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeMode {
    /// Taken; an error if both tables have it.
    Including,
    /// Left out.
    Excluding,
    /// Taken; the new table's own wins.
    Overwriting,
}

/// CREATE VIEW.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// Name.
    pub name: ObjectPath,
    /// TEMPORARY.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// CREATE OR REPLACE (an extension; Flink has ALTER VIEW).
    pub or_replace: bool,
    /// New names of the columns, with comments; empty: the query's.
    pub columns: Vec<(Ident, Option<String>)>,
    /// COMMENT.
    pub comment: Option<String>,
    /// What it shows.
    pub query: QueryText,
}

/// CREATE FUNCTION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFunction {
    /// Name.
    pub name: ObjectPath,
    /// TEMPORARY.
    pub temporary: bool,
    /// SYSTEM: no catalog around it.
    pub system: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Parameters and result; only functions in SQL have them (an extension).
    pub signature: Option<FunctionSignature>,
    /// The implementation: `module.function`, a Java class, or an expression.
    pub class: String,
    /// Where that stands, quotes included.
    pub class_span: Span,
    /// JAVA (default), SCALA, PYTHON or SQL.
    pub language: FunctionLanguage,
    /// USING JAR '…', ….
    pub jars: Vec<String>,
}

/// `(name type, …) RETURNS type` of a function in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSignature {
    /// Names and types of the parameters.
    pub parameters: Vec<(Ident, FlinkType)>,
    /// Type of the result.
    pub result: FlinkType,
}

/// The language of a function's implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionLanguage {
    /// `JAVA`.
    Java,
    /// `SCALA`.
    Scala,
    /// `PYTHON`.
    Python,
    /// `SQL` (an extension): an expression over parameters.
    Sql,
}

/// CREATE DATABASE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateDatabase {
    /// Name, with or without the catalog's.
    pub name: ObjectPath,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// COMMENT.
    pub comment: Option<String>,
    /// WITH.
    pub options: Vec<OptionEntry>,
}

/// CREATE CATALOG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateCatalog {
    /// Name.
    pub name: Ident,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// COMMENT.
    pub comment: Option<String>,
    /// WITH.
    pub options: Vec<OptionEntry>,
}

/// What kind of object a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A function.
    Function,
    /// A database.
    Database,
    /// A catalog.
    Catalog,
    /// A model.
    Model,
    /// A materialized table.
    MaterializedTable,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::Function => "FUNCTION",
            Self::Database => "DATABASE",
            Self::Catalog => "CATALOG",
            Self::Model => "MODEL",
            Self::MaterializedTable => "MATERIALIZED TABLE",
        })
    }
}

/// DROP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropObject {
    /// What.
    pub kind: ObjectKind,
    /// Which.
    pub name: ObjectPath,
    /// IF EXISTS.
    pub if_exists: bool,
    /// TEMPORARY.
    pub temporary: bool,
    /// TEMPORARY SYSTEM (functions).
    pub system: bool,
    /// CASCADE (databases): its tables go too.
    pub cascade: bool,
}

/// ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    /// The table.
    pub name: ObjectPath,
    /// IF EXISTS.
    pub if_exists: bool,
    /// The change.
    pub change: AlterTableChange,
}

/// A change of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterTableChange {
    /// RENAME TO.
    RenameTo(ObjectPath),
    /// RENAME column TO column.
    RenameColumn {
        /// Present name.
        from: Ident,
        /// New name.
        to: Ident,
    },
    /// SET (…).
    SetOptions(Vec<OptionEntry>),
    /// RESET (…); may be empty.
    ResetOptions(Vec<String>),
    /// ADD (…) or ADD of one part.
    Add(SchemaChange),
    /// MODIFY (…).
    Modify(SchemaChange),
    /// DROP column or (columns).
    DropColumns(Vec<Ident>),
    /// DROP WATERMARK.
    DropWatermark,
    /// DROP PRIMARY KEY or DROP CONSTRAINT name.
    DropPrimaryKey(Option<Ident>),
    /// DROP DISTRIBUTION.
    DropDistribution,
    /// ADD or DROP PARTITION.
    Partitions(PartitionChange),
}

/// Columns, watermark and key to add or to modify.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SchemaChange {
    /// Columns with their places.
    pub columns: Vec<(ColumnDef, ColumnPlace)>,
    /// Watermark.
    pub watermark: Option<WatermarkDef>,
    /// Primary key.
    pub primary_key: Option<PrimaryKeyDef>,
    /// Distribution.
    pub distributed: Option<Distribution>,
}

/// Where an added column goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ColumnPlace {
    /// Not said: last when added, unmoved when modified.
    #[default]
    Unsaid,
    /// FIRST.
    First,
    /// AFTER column.
    After(Ident),
}

/// ALTER VIEW.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterView {
    /// The view.
    pub name: ObjectPath,
    /// The change.
    pub change: AlterViewChange,
}

/// A change of a view.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterViewChange {
    /// RENAME TO.
    RenameTo(ObjectPath),
    /// AS query.
    As(QueryText),
}

/// USE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UseTarget {
    /// USE CATALOG c.
    Catalog(Ident),
    /// USE [c.]db.
    Database(ObjectPath),
}

/// What becomes of modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleChange {
    /// LOAD MODULE name.
    Load(Ident),
    /// UNLOAD MODULE name.
    Unload(Ident),
    /// USE MODULES name, …
    Use(Vec<Ident>),
}

/// EXPLAIN.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// The details asked for, as written in upper case: ESTIMATED_COST, CHANGELOG_MODE,
    /// JSON_EXECUTION_PLAN, PLAN_ADVICE; or PLAN FOR, which asks for none.
    pub details: Vec<String>,
    /// A query, an insert or a statement set.
    pub target: Box<Statement>,
}
