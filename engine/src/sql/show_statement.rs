//! The syntax tree of statements that only look: SHOW, SHOW CREATE and DESCRIBE.

use super::statement::{Ident, ObjectKind, ObjectPath, PartitionSpec};

/// SHOW of a list or of a current thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Show {
    /// What is shown.
    pub what: ShowWhat,
    /// FROM | IN: the database (or the table, for columns and partitions).
    pub within: Option<ObjectPath>,
    /// PARTITION (…) of SHOW PARTITIONS.
    pub partition: PartitionSpec,
    /// LIKE or ILIKE.
    pub filter: Option<LikeFilter>,
}

/// What SHOW shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowWhat {
    /// SHOW CATALOGS.
    Catalogs,
    /// SHOW CURRENT CATALOG.
    CurrentCatalog,
    /// SHOW DATABASES.
    Databases,
    /// SHOW CURRENT DATABASE.
    CurrentDatabase,
    /// SHOW TABLES: views too.
    Tables,
    /// SHOW VIEWS.
    Views,
    /// SHOW COLUMNS.
    Columns,
    /// SHOW PARTITIONS.
    Partitions,
    /// SHOW FUNCTIONS.
    Functions,
    /// SHOW USER FUNCTIONS.
    UserFunctions,
    /// SHOW PROCEDURES.
    Procedures,
    /// SHOW MODULES.
    Modules,
    /// SHOW FULL MODULES.
    FullModules,
    /// SHOW JARS.
    Jars,
    /// SHOW MODELS.
    Models,
    /// SHOW MATERIALIZED TABLES.
    MaterializedTables,
    /// SHOW JOBS.
    Jobs,
}

impl ShowWhat {
    /// Whether FROM or IN may follow.
    #[must_use]
    pub const fn takes_from(self) -> bool {
        matches!(
            self,
            Self::Databases
                | Self::Tables
                | Self::Views
                | Self::Columns
                | Self::Functions
                | Self::UserFunctions
                | Self::Procedures
                | Self::Models
                | Self::MaterializedTables
        )
    }

    /// Whether `[NOT] LIKE` may follow.
    #[must_use]
    pub const fn takes_like(self) -> bool {
        self.takes_from() || matches!(self, Self::Catalogs)
    }

    /// Whether `[NOT] ILIKE` may follow.
    #[must_use]
    pub const fn takes_ilike(self) -> bool {
        matches!(
            self,
            Self::Catalogs
                | Self::Databases
                | Self::Functions
                | Self::UserFunctions
                | Self::Procedures
        )
    }
}

/// `[NOT] LIKE 'pattern'` or `[NOT] ILIKE 'pattern'` of SHOW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikeFilter {
    /// NOT.
    pub negated: bool,
    /// ILIKE.
    pub ignore_case: bool,
    /// The pattern with `%` and `_`.
    pub pattern: String,
}

/// SHOW CREATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowCreate {
    /// What: a table, a view or a catalog.
    pub kind: ObjectKind,
    /// Which.
    pub name: ObjectPath,
}

/// DESCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Describe {
    /// DESCRIBE table or view.
    Table(ObjectPath),
    /// DESCRIBE CATALOG c, with or without EXTENDED.
    Catalog {
        /// Which.
        name: Ident,
        /// EXTENDED.
        extended: bool,
    },
    /// DESCRIBE FUNCTION f, with or without EXTENDED.
    Function {
        /// Which.
        name: ObjectPath,
        /// EXTENDED.
        extended: bool,
    },
    /// DESCRIBE MODEL m.
    Model(ObjectPath),
    /// DESCRIBE JOB 'id'.
    Job(String),
}
