//! The syntax tree of statements about models, materialized tables, partitions, rows and plans:
//! what Flink has beside tables, views and queries.

use super::statement::{
    ColumnDef, CreateTable, Expr, FunctionLanguage, Ident, Insert, ObjectPath, OptionEntry,
    QueryText, Span,
};

/// ALTER CATALOG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterCatalog {
    /// The catalog.
    pub name: Ident,
    /// The change.
    pub change: AlterCatalogChange,
}

/// A change of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterCatalogChange {
    /// SET (…); may be empty.
    Set(Vec<OptionEntry>),
    /// RESET (…); may be empty.
    Reset(Vec<String>),
    /// COMMENT.
    Comment(String),
}

/// ALTER FUNCTION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterFunction {
    /// The function.
    pub name: ObjectPath,
    /// TEMPORARY, which Flink reads and refuses.
    pub temporary: bool,
    /// SYSTEM.
    pub system: bool,
    /// IF EXISTS.
    pub if_exists: bool,
    /// The new implementation.
    pub class: String,
    /// Its language.
    pub language: FunctionLanguage,
}

/// CREATE MODEL.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateModel {
    /// Name.
    pub name: ObjectPath,
    /// TEMPORARY.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// INPUT (…).
    pub inputs: Vec<ColumnDef>,
    /// OUTPUT (…).
    pub outputs: Vec<ColumnDef>,
    /// COMMENT.
    pub comment: Option<String>,
    /// WITH.
    pub options: Vec<OptionEntry>,
}

/// ALTER MODEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterModel {
    /// The model.
    pub name: ObjectPath,
    /// IF EXISTS.
    pub if_exists: bool,
    /// The change.
    pub change: AlterModelChange,
}

/// A change of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterModelChange {
    /// RENAME TO.
    RenameTo(ObjectPath),
    /// SET (…); may be empty.
    Set(Vec<OptionEntry>),
    /// RESET (…); may be empty.
    Reset(Vec<String>),
}

/// CREATE MATERIALIZED TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateMaterializedTable {
    /// Name, columns, comment, partitions, options, and the query as CREATE TABLE AS has them.
    pub table: CreateTable,
    /// OR ALTER: one that exists gets the new query.
    pub or_alter: bool,
    /// FRESHNESS = INTERVAL 'n' unit.
    pub freshness: Option<Freshness>,
    /// REFRESH_MODE.
    pub refresh_mode: Option<RefreshMode>,
}

/// How old the content of a materialized table may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// The number, as written between the quotes.
    pub amount: String,
    /// The unit in upper case.
    pub unit: String,
    /// Where it stands.
    pub span: Span,
}

/// How a materialized table is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshMode {
    /// By a streaming job.
    Continuous,
    /// By batch jobs, one a period.
    Full,
}

/// ALTER MATERIALIZED TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterMaterializedTable {
    /// The table.
    pub name: ObjectPath,
    /// The change.
    pub change: AlterMaterializedTableChange,
}

/// A change of a materialized table.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterMaterializedTableChange {
    /// SUSPEND.
    Suspend,
    /// RESUME.
    Resume,
    /// REFRESH.
    Refresh,
    /// AS query.
    As(QueryText),
}

/// The change of one partition of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionChange {
    /// DROP instead of ADD.
    pub drops: bool,
    /// IF EXISTS or IF NOT EXISTS.
    pub if_exists: bool,
    /// The partitions: keys with their values.
    pub partitions: Vec<PartitionSpec>,
}

/// `PARTITION (k = v, k, …)`; a key without a value stands for all of its values.
pub type PartitionSpec = Vec<(Ident, Option<Expr>)>;

/// ANALYZE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct Analyze {
    /// The table.
    pub table: ObjectPath,
    /// PARTITION (…); empty without.
    pub partition: PartitionSpec,
    /// FOR COLUMNS a, b; none for FOR ALL COLUMNS or without.
    pub columns: Vec<Ident>,
}

/// A change of rows that are in a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRows {
    /// The table.
    pub table: ObjectPath,
    /// What is done.
    pub change: RowsChange,
}

/// What is done to rows that are in a table.
#[derive(Debug, Clone, PartialEq)]
pub enum RowsChange {
    /// TRUNCATE TABLE.
    Truncate,
    /// DELETE FROM … [WHERE …].
    Delete {
        /// The condition.
        condition: Option<Expr>,
    },
    /// UPDATE … SET c = e, … [WHERE …].
    Update {
        /// The columns with their new values.
        assignments: Vec<(Ident, Expr)>,
        /// The condition.
        condition: Option<Expr>,
    },
}

/// COMPILE PLAN and COMPILE AND EXECUTE PLAN.
#[derive(Debug, Clone, PartialEq)]
pub struct CompilePlan {
    /// The file.
    pub path: String,
    /// IF NOT EXISTS: a file that is there stays.
    pub if_not_exists: bool,
    /// AND EXECUTE.
    pub executes: bool,
    /// The inserts that the plan is for.
    pub inserts: Vec<Insert>,
    /// Where they stand.
    pub span: Span,
}
