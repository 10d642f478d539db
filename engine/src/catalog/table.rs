//! What the catalog knows about a table: resolved columns, watermark, key, options.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{DataType, Expr, Ident, ObjectName, VisitMut, VisitorMut};

use super::Attachment;
use super::materialized::Materialized;
use super::{quoted, show};
use crate::data::types::{FlinkType, TIME_ATTRIBUTE_KEY, TypeRoot};
use crate::sql::statement::{Distribution, ExprText};
use crate::sql::types::flink_type_of;

/// A table.
#[derive(Debug, Clone, Default)]
pub struct CatalogTable {
    /// The columns in order, with their types.
    pub columns: Vec<Column>,
    /// The watermark.
    pub watermark: Option<Watermark>,
    /// The primary key, never enforced.
    pub primary_key: Option<PrimaryKey>,
    /// Comment.
    pub comment: Option<String>,
    /// Columns by which the table is partitioned.
    pub partition_keys: Vec<String>,
    /// The partitions that ADD PARTITION has made known: keys and values as they were given.
    pub partitions: Vec<Vec<(String, String)>>,
    /// DISTRIBUTED ….
    pub distributed: Option<Distribution>,
    /// What makes it a materialized table.
    pub materialized: Option<Materialized>,
    /// WITH, in the order written.
    pub options: Vec<(String, String)>,
    /// What the session has put at the table.
    pub attachment: Option<Attachment>,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type; of a computed column what its expression gives.
    pub flink_type: FlinkType,
    /// Where its values come from.
    pub source: ColumnSource,
    /// Comment.
    pub comment: Option<String>,
}

/// Where a column's values come from.
#[derive(Debug, Clone)]
pub enum ColumnSource {
    /// The connector's record.
    Physical,
    /// An expression over the physical and metadata columns.
    Computed(ExprText),
    /// Something that the connector knows about the record.
    Metadata {
        /// Key of the metadata if it is not the column's name.
        from: Option<String>,
        /// Not written by INSERT.
        is_virtual: bool,
    },
}

/// A watermark.
#[derive(Debug, Clone)]
pub struct Watermark {
    /// The rowtime column: its name, or the path to a field inside of it.
    pub column: Vec<String>,
    /// The watermark of a row.
    pub expr: ExprText,
}

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryKey {
    /// Name of the constraint, `PK_…` if none was given.
    pub name: String,
    /// The columns.
    pub columns: Vec<String>,
}

/// What a column means for time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeAttribute {
    /// The table has a watermark for the column.
    Rowtime,
    /// The column is `PROCTIME()`.
    Proctime,
}

impl TimeAttribute {
    /// Flink's text: `*ROWTIME*` without the stars.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Rowtime => "ROWTIME",
            Self::Proctime => "PROCTIME",
        }
    }
}

impl CatalogTable {
    /// A table with just the columns of a schema, as CREATE TABLE AS makes it.
    #[must_use]
    pub fn of_schema(schema: &Schema) -> Self {
        let columns = schema.fields().iter().map(|field| Column {
            name: field.name().clone(),
            flink_type: FlinkType::from_field(field),
            source: ColumnSource::Physical,
            comment: None,
        });
        Self {
            columns: columns.collect(),
            ..Self::default()
        }
    }

    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The value of an option.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        let option = self.options.iter().find(|(other, _)| other == key);
        option.map(|(_, value)| value.as_str())
    }

    /// The options by key.
    #[must_use]
    pub fn options_map(&self) -> BTreeMap<String, String> {
        self.options.iter().cloned().collect()
    }

    /// The identifier of the connector.
    #[must_use]
    pub fn connector(&self) -> Option<&str> {
        self.option("connector")
    }

    /// What the column at `idx` means for time.
    #[must_use]
    pub fn time_attribute(&self, column: &Column) -> Option<TimeAttribute> {
        if let Some(watermark) = &self.watermark
            && watermark.column.as_slice() == [column.name.as_str()]
        {
            return Some(TimeAttribute::Rowtime);
        }
        match &column.source {
            ColumnSource::Computed(expr) if is_proctime(&expr.expr) => {
                Some(TimeAttribute::Proctime)
            }
            _ => None,
        }
    }

    /// All columns, as reading the table gives them; time attributes are marked in the fields'
    /// metadata.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|column| {
                let mut field = column.to_field();
                if let Some(attribute) = self.time_attribute(column) {
                    field
                        .metadata_mut()
                        .insert(TIME_ATTRIBUTE_KEY.to_owned(), attribute.text().to_owned());
                }
                field
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// The physical columns: what the connector reads and writes.
    #[must_use]
    pub fn physical_schema(&self) -> SchemaRef {
        self.schema_of(|column| matches!(column.source, ColumnSource::Physical))
    }

    /// The columns that INSERT fills: physical ones, and metadata that is not virtual.
    #[must_use]
    pub fn sink_schema(&self) -> SchemaRef {
        self.schema_of(|column| match column.source {
            ColumnSource::Physical => true,
            ColumnSource::Computed(_) => false,
            ColumnSource::Metadata { is_virtual, .. } => !is_virtual,
        })
    }

    fn schema_of(&self, is_wanted: impl Fn(&Column) -> bool) -> SchemaRef {
        let columns = self.columns.iter().filter(|column| is_wanted(column));
        Arc::new(Schema::new(
            columns.map(Column::to_field).collect::<Vec<_>>(),
        ))
    }

    /// Whether reading gives exactly the connector's columns.
    #[must_use]
    pub fn is_all_physical(&self) -> bool {
        self.columns
            .iter()
            .all(|column| matches!(column.source, ColumnSource::Physical))
    }
}

impl Column {
    /// The column as an Arrow field.
    #[must_use]
    pub fn to_field(&self) -> Field {
        self.flink_type.to_arrow_field(&self.name)
    }
}

/// Physical columns as a statement lists them, separated by commas.
pub(super) fn physical_columns(columns: &[Column]) -> String {
    let texts: Vec<String> = columns
        .iter()
        .map(|column| {
            let type_text = column.flink_type.as_serializable_string();
            let comment = column.comment.as_ref().map_or_else(String::new, |comment| {
                format!(" COMMENT {}", show::string(comment))
            });
            format!("{} {type_text}{comment}", quoted(&column.name))
        })
        .collect();
    texts.join(", ")
}

/// Whether an expression is `PROCTIME()`.
#[must_use]
pub fn is_proctime(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("PROCTIME"))
}

/// Whether a type can carry a watermark: `TIMESTAMP(p)` or `TIMESTAMP_LTZ(p)` with p ≤ 3.
#[must_use]
pub fn is_rowtime_type(flink_type: &FlinkType) -> bool {
    matches!(
        flink_type.root,
        TypeRoot::Timestamp(0..=3) | TypeRoot::TimestampLtz(0..=3)
    )
}

/// The text of an expression as Flink shows it: names in backticks, types as in Flink.
#[must_use]
pub fn expression_text(expr: &Expr) -> String {
    struct Quoter;

    impl VisitorMut for Quoter {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> std::ops::ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => ident.quote_style = Some('`'),
                Expr::CompoundIdentifier(parts) => {
                    for part in parts {
                        part.quote_style = Some('`');
                    }
                }
                Expr::Cast { data_type, .. } => {
                    if let Ok(flink_type) = flink_type_of(data_type) {
                        let text = Ident::new(flink_type.as_serializable_string());
                        *data_type = DataType::Custom(ObjectName::from(vec![text]), Vec::new());
                    }
                }
                _ => {}
            }
            std::ops::ControlFlow::Continue(())
        }
    }

    let mut expr = expr.clone();
    let _: std::ops::ControlFlow<()> = expr.visit(&mut Quoter);
    expr.to_string()
}
