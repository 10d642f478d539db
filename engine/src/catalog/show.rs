//! The rows of SHOW and DESCRIBE, as Flink gives them.
//!
//! Source: Flink 2.3's `ShowOperation`s, `DescribeTableOperation` and `ShowCreateUtil`, for the
//! names of columns, the order of rows, and the texts.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use regex::RegexBuilder;

use super::table::{CatalogTable, Column, ColumnSource, TimeAttribute, expression_text};
use super::{
    CatalogManager, CatalogObject, CatalogView, ObjectIdentifier, Resolved, as_kind, distribution,
    fail, quoted, secrets,
};
use crate::data::types::{FlinkType, TIME_ATTRIBUTE_KEY};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::{SqlErrorKind, did_you_mean};
use crate::sql::statement::{LikeFilter, ObjectKind, ObjectPath, Show, ShowCreate, ShowWhat};

/// The rows of a SHOW that the catalog can answer by itself; none for what the session knows
/// (functions, jobs, modules).
///
/// # Errors
/// If what FROM names does not exist, or the table of SHOW COLUMNS.
pub fn show(manager: &CatalogManager, show: &Show, is_batch: bool) -> Option<Result<RecordBatch>> {
    let filter = show.filter.as_ref();
    let names = |column: &str, names: Result<Vec<String>>| {
        Some(names.and_then(|names| one_column(column, keep(names, filter)?)))
    };
    match show.what {
        ShowWhat::Catalogs => names("catalog name", Ok(manager.list_catalogs())),
        ShowWhat::CurrentCatalog => names(
            "current catalog name",
            Ok(vec![manager.current_catalog().to_owned()]),
        ),
        ShowWhat::CurrentDatabase => names(
            "current database name",
            Ok(vec![manager.current_database().to_owned()]),
        ),
        ShowWhat::Databases => names("database name", databases(manager, show)),
        ShowWhat::Tables => {
            let list =
                |(catalog, database): (String, String)| manager.list_tables(&catalog, &database);
            names("table name", database_of(manager, show).map(list))
        }
        ShowWhat::Views => {
            let list =
                |(catalog, database): (String, String)| manager.list_views(&catalog, &database);
            names("view name", database_of(manager, show).map(list))
        }
        ShowWhat::MaterializedTables => {
            let list = |(catalog, database): (String, String)| {
                manager.list_materialized_tables(&catalog, &database)
            };
            names("materialized table", database_of(manager, show).map(list))
        }
        ShowWhat::Models => {
            let list =
                |(catalog, database): (String, String)| manager.list_models(&catalog, &database);
            names("model name", database_of(manager, show).and_then(list))
        }
        ShowWhat::Procedures => Some(Err(EngineError::unsupported(
            "listing procedures of a catalog in memory",
        ))),
        ShowWhat::Modules => names("module name", Ok(manager.modules.used().to_vec())),
        ShowWhat::FullModules => Some(full_modules(manager)),
        ShowWhat::Jars => names("jars", Ok(Vec::new())),
        ShowWhat::Columns => Some(show_columns(manager, show, is_batch)),
        ShowWhat::Partitions => Some(show_partitions(manager, show)),
        ShowWhat::Functions | ShowWhat::UserFunctions | ShowWhat::Jobs => None,
    }
}

/// A table of one column of texts; nullable, as all results of SHOW.
///
/// # Errors
/// Never in practice: the schema is made for the values.
pub fn one_column(name: &str, values: Vec<String>) -> Result<RecordBatch> {
    text_table(&[name], &[values.into_iter().map(Some).collect()])
}

/// A table of columns of texts.
///
/// # Errors
/// If the columns are not equally long.
pub fn text_table(names: &[&str], columns: &[Vec<Option<String>>]) -> Result<RecordBatch> {
    let fields: Vec<Field> = names
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true))
        .collect();
    let columns = columns
        .iter()
        .map(|values| Arc::new(StringArray::from_iter(values)) as ArrayRef);
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.collect(),
    )?)
}

/// Those names that a LIKE of SHOW keeps.
///
/// # Errors
/// If the pattern cannot be used.
pub fn keep(names: Vec<String>, filter: Option<&LikeFilter>) -> Result<Vec<String>> {
    let Some(filter) = filter else {
        return Ok(names);
    };
    let mut pattern = String::from("^");
    for c in filter.pattern.chars() {
        match c {
            '%' => pattern.push_str(".*"),
            '_' => pattern.push('.'),
            c => pattern.push_str(&regex::escape(&c.to_string())),
        }
    }
    pattern.push('$');
    let regex = RegexBuilder::new(&pattern)
        .case_insensitive(filter.ignore_case)
        .dot_matches_new_line(true)
        .build()
        .map_err(|_| {
            fail(
                format!("the pattern '{}' is too long", filter.pattern),
                None,
            )
        })?;
    Ok(names
        .into_iter()
        .filter(|name| regex.is_match(name) != filter.negated)
        .collect())
}

fn databases(manager: &CatalogManager, show: &Show) -> Result<Vec<String>> {
    let catalog = match show.within.as_ref().map(ObjectPath::names).as_deref() {
        None => manager.current_catalog(),
        Some([catalog]) => catalog,
        Some(_) => return Err(fail("a catalog has one name".to_owned(), None)),
    };
    if manager.catalog(catalog).is_none() {
        let known = manager.list_catalogs();
        return Err(fail(
            format!("a catalog with name '{catalog}' does not exist"),
            did_you_mean(catalog, known.iter().map(String::as_str)),
        ));
    }
    Ok(manager.list_databases(catalog))
}

/// The catalog and the database that FROM names, or the current ones.
fn database_of(manager: &CatalogManager, show: &Show) -> Result<(String, String)> {
    let Some(within) = &show.within else {
        return Ok((
            manager.current_catalog().to_owned(),
            manager.current_database().to_owned(),
        ));
    };
    let (catalog, database) = match within.names().as_slice() {
        [database] => (manager.current_catalog(), *database),
        [catalog, database] => (*catalog, *database),
        _ => return Err(fail(format!("'{within}' is no path of a database"), None)),
    };
    if manager.database(catalog, database).is_none() {
        let known = manager.list_databases(catalog);
        return Err(fail(
            format!("database '{database}' does not exist in catalog '{catalog}'"),
            did_you_mean(database, known.iter().map(String::as_str)),
        ));
    }
    Ok((catalog.to_owned(), database.to_owned()))
}

// --- DESCRIBE and SHOW COLUMNS --------------------------------------------------------------

/// One row of DESCRIBE.
struct Description {
    name: String,
    type_text: String,
    nullable: bool,
    key: Option<String>,
    extras: Option<String>,
    watermark: Option<String>,
    comment: Option<String>,
}

/// The rows of DESCRIBE for a path: name, type, null, key, extras, watermark, and comment if there
/// is any. In batch mode no column is a rowtime.
///
/// # Errors
/// If there is no such table or view.
pub fn describe(
    manager: &CatalogManager,
    path: &ObjectPath,
    is_batch: bool,
) -> Result<RecordBatch> {
    let rows = descriptions(&find_described(manager, path)?, is_batch);
    let has_comments = has_comments(&rows);
    descriptions_table(rows, has_comments)
}

fn find_described(manager: &CatalogManager, path: &ObjectPath) -> Result<Resolved> {
    let identifier = manager.qualify(&path.names());
    manager.find(&identifier).ok_or_else(|| {
        let known = manager.list_tables(&identifier.catalog, &identifier.database);
        fail(
            format!(
                "tables or views with the identifier '{}' don't exist",
                identifier.summary()
            ),
            did_you_mean(&identifier.object, known.iter().map(String::as_str)),
        )
    })
}

fn full_modules(manager: &CatalogManager) -> Result<RecordBatch> {
    let (names, used): (Vec<String>, Vec<bool>) = manager.modules.all().into_iter().unzip();
    let fields = vec![
        Field::new("module name", DataType::Utf8, true),
        Field::new("used", DataType::Boolean, true),
    ];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(names)),
        Arc::new(BooleanArray::from(used)),
    ];
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

/// The partitions that ALTER TABLE has added, sorted.
fn show_partitions(manager: &CatalogManager, show: &Show) -> Result<RecordBatch> {
    let Some(path) = &show.within else {
        return Err(EngineError::internal("SHOW PARTITIONS without a table"));
    };
    let found = find_described(manager, path)?;
    match &found.object {
        CatalogObject::Table(table) if !table.partition_keys.is_empty() => {
            let names = distribution::partition_names(table, &show.partition);
            one_column("partition name", names)
        }
        _ => {
            let message = format!("table '{}' is not partitioned", found.identifier.summary());
            Err(as_kind(fail(message, None), SqlErrorKind::Table))
        }
    }
}

fn show_columns(manager: &CatalogManager, show: &Show, is_batch: bool) -> Result<RecordBatch> {
    let Some(path) = &show.within else {
        return Err(EngineError::internal("SHOW COLUMNS without a table"));
    };
    let mut rows = descriptions(&find_described(manager, path)?, is_batch);
    let has_comments = has_comments(&rows);
    let names = rows.iter().map(|row| row.name.clone()).collect();
    let kept = keep(names, show.filter.as_ref())?;
    rows.retain(|row| kept.contains(&row.name));
    descriptions_table(rows, has_comments)
}

fn descriptions(resolved: &Resolved, is_batch: bool) -> Vec<Description> {
    match &resolved.object {
        CatalogObject::Table(table) => table
            .columns
            .iter()
            .map(|column| describe_column(table, column, is_batch))
            .collect(),
        CatalogObject::View(view) => describe_view(view, is_batch),
    }
}

/// A column's type with what it means for time.
fn type_text(flink_type: &FlinkType, attribute: Option<&str>, is_batch: bool) -> String {
    let is_shown = |it: &&str| !is_batch || *it != TimeAttribute::Rowtime.text();
    match attribute.filter(is_shown) {
        Some(attribute) => format!("{} *{attribute}*", flink_type.root_text()),
        None => flink_type.root_text(),
    }
}

fn describe_column(table: &CatalogTable, column: &Column, is_batch: bool) -> Description {
    let attribute = table.time_attribute(column).map(TimeAttribute::text);
    let key = table
        .primary_key
        .as_ref()
        .filter(|key| key.columns.contains(&column.name));
    let watermark = table
        .watermark
        .as_ref()
        .filter(|watermark| watermark.column.first() == Some(&column.name));
    Description {
        name: column.name.clone(),
        type_text: type_text(&column.flink_type, attribute, is_batch),
        nullable: column.flink_type.nullable,
        key: key.map(|key| format!("PRI({})", key.columns.join(", "))),
        extras: extras(column),
        watermark: watermark.map(|watermark| expression_text(&watermark.expr.expr)),
        comment: column.comment.clone(),
    }
}

fn extras(column: &Column) -> Option<String> {
    match &column.source {
        ColumnSource::Physical => None,
        ColumnSource::Computed(expr) => Some(format!("AS {}", expression_text(&expr.expr))),
        ColumnSource::Metadata { from, is_virtual } => {
            let mut text = String::from("METADATA");
            if let Some(from) = from {
                text.push_str(&format!(" FROM '{}'", from.replace('\'', "''")));
            }
            if *is_virtual {
                text.push_str(" VIRTUAL");
            }
            Some(text)
        }
    }
}

fn describe_view(view: &CatalogView, is_batch: bool) -> Vec<Description> {
    let comments = view.column_comments.iter().cloned();
    let comments = comments.chain(std::iter::repeat(None));
    view.schema
        .fields()
        .iter()
        .zip(comments)
        .map(|(field, comment)| {
            let flink_type = FlinkType::from_field(field);
            let attribute = field.metadata().get(TIME_ATTRIBUTE_KEY);
            Description {
                name: field.name().clone(),
                type_text: type_text(&flink_type, attribute.map(String::as_str), is_batch),
                nullable: flink_type.nullable,
                key: None,
                extras: None,
                watermark: None,
                comment,
            }
        })
        .collect()
}

fn has_comments(rows: &[Description]) -> bool {
    rows.iter().any(|row| row.comment.is_some())
}

fn descriptions_table(rows: Vec<Description>, has_comments: bool) -> Result<RecordBatch> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![
        text("name"),
        text("type"),
        Field::new("null", DataType::Boolean, true),
        text("key"),
        text("extras"),
        text("watermark"),
    ];
    let column = |value: &dyn Fn(&Description) -> Option<String>| {
        Arc::new(StringArray::from_iter(rows.iter().map(value))) as ArrayRef
    };
    let nullable = BooleanArray::from_iter(rows.iter().map(|row| Some(row.nullable)));
    let mut columns = vec![
        column(&|row| Some(row.name.clone())),
        column(&|row| Some(row.type_text.clone())),
        Arc::new(nullable) as ArrayRef,
        column(&|row| row.key.clone()),
        column(&|row| row.extras.clone()),
        column(&|row| row.watermark.clone()),
    ];
    if has_comments {
        fields.push(text("comment"));
        columns.push(column(&|row| row.comment.clone()));
    }
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

// --- SHOW CREATE ----------------------------------------------------------------------------

/// The rows of DESCRIBE MODEL.
pub(super) fn model_columns(inputs: &[Column], outputs: &[Column]) -> Result<RecordBatch> {
    let columns: Vec<(&Column, bool)> = inputs
        .iter()
        .map(|column| (column, true))
        .chain(outputs.iter().map(|column| (column, false)))
        .collect();
    let texts = |value: &dyn Fn(&Column) -> Option<String>| {
        let values = columns.iter().map(|(column, _)| value(column));
        Arc::new(StringArray::from_iter(values)) as ArrayRef
    };
    let booleans = |value: &dyn Fn(&(&Column, bool)) -> bool| {
        let values = columns.iter().map(|column| Some(value(column)));
        Arc::new(BooleanArray::from_iter(values)) as ArrayRef
    };
    let mut fields = vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("type", DataType::Utf8, true),
        Field::new("null", DataType::Boolean, true),
        Field::new("is input", DataType::Boolean, true),
    ];
    let mut arrays = vec![
        texts(&|column| Some(column.name.clone())),
        texts(&|column| Some(column.flink_type.root_text())),
        booleans(&|(column, _)| column.flink_type.nullable),
        booleans(&|(_, is_input)| *is_input),
    ];
    if columns.iter().any(|(column, _)| column.comment.is_some()) {
        fields.push(Field::new("comment", DataType::Utf8, true));
        arrays.push(texts(&|column| column.comment.clone()));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

/// The row of SHOW CREATE TABLE | VIEW | CATALOG.
///
/// # Errors
/// If there is no such object, or it is of the other kind.
pub fn show_create(manager: &CatalogManager, show: &ShowCreate) -> Result<RecordBatch> {
    let text = match show.kind {
        ObjectKind::Catalog => create_catalog_text(manager, show.name.object_name())?,
        ObjectKind::Model => {
            let identifier = manager.qualify(&show.name.names());
            manager.create_model_text(&identifier)?
        }
        kind => {
            let identifier = manager.qualify(&show.name.names());
            let Some(resolved) = manager.find(&identifier) else {
                let known = manager.list_tables(&identifier.catalog, &identifier.database);
                return Err(fail(
                    format!(
                        "could not execute SHOW CREATE {kind}: {} with identifier '{identifier}' \
                         does not exist",
                        kind.to_string().to_lowercase()
                    ),
                    did_you_mean(&identifier.object, known.iter().map(String::as_str)),
                ));
            };
            create_object_text(kind, &resolved)?
        }
    };
    one_column("result", vec![text])
}

fn create_object_text(kind: ObjectKind, resolved: &Resolved) -> Result<String> {
    let identifier = &resolved.identifier;
    let (is, statement) = match (&resolved.object, kind) {
        (CatalogObject::Table(table), _) if table.materialized.is_some() => {
            if kind == ObjectKind::MaterializedTable {
                return Ok(create_table_text(identifier, table, resolved.temporary));
            }
            ("a materialized table", "SHOW CREATE MATERIALIZED TABLE")
        }
        (CatalogObject::Table(table), ObjectKind::Table) => {
            return Ok(create_table_text(identifier, table, resolved.temporary));
        }
        (CatalogObject::View(view), ObjectKind::View) => {
            return Ok(create_view_text(identifier, view, resolved.temporary));
        }
        (CatalogObject::View(_), _) => ("a view", "SHOW CREATE VIEW"),
        (CatalogObject::Table(_), _) => ("a table", "SHOW CREATE TABLE"),
    };
    let message = format!(
        "SHOW CREATE {kind} is only for {}s, but '{identifier}' is {is}",
        kind.to_string().to_lowercase()
    );
    let hint = Some(format!("write {statement}"));
    Err(as_kind(fail(message, hint), SqlErrorKind::Table))
}

fn create_table_text(
    identifier: &ObjectIdentifier,
    table: &CatalogTable,
    temporary: bool,
) -> String {
    let mut elements: Vec<String> = table.columns.iter().map(column_text).collect();
    if let Some(watermark) = &table.watermark {
        let column: Vec<String> = watermark.column.iter().map(|name| quoted(name)).collect();
        elements.push(format!(
            "WATERMARK FOR {} AS {}",
            column.join("."),
            expression_text(&watermark.expr.expr)
        ));
    }
    if let Some(key) = &table.primary_key {
        elements.push(format!(
            "CONSTRAINT {} PRIMARY KEY ({}) NOT ENFORCED",
            quoted(&key.name),
            quoted_list(&key.columns)
        ));
    }
    let kind = match (&table.materialized, temporary) {
        (Some(_), _) => "MATERIALIZED TABLE",
        (None, true) => "TEMPORARY TABLE",
        (None, false) => "TABLE",
    };
    let mut text = format!(
        "CREATE {kind} {identifier} (\n  {}\n)",
        elements.join(",\n  ")
    );
    if let Some(comment) = &table.comment {
        text.push_str(&format!("\nCOMMENT {}", string(comment)));
    }
    if let Some(distributed) = &table.distributed {
        text.push_str(&format!("\n{distributed}"));
    }
    if !table.partition_keys.is_empty() {
        let keys = quoted_list(&table.partition_keys);
        text.push_str(&format!("\nPARTITIONED BY ({keys})"));
    }
    if !table.options.is_empty() {
        let options = table.options.iter();
        let options = options_text(options.map(|(key, value)| (key, secrets::shown(key, value))));
        text.push_str(&format!("\n{options}"));
    }
    text.push('\n');
    if let Some(materialized) = &table.materialized {
        text.push_str(&materialized.to_string());
    }
    text
}

fn column_text(column: &Column) -> String {
    let mut text = match &column.source {
        ColumnSource::Computed(_) => quoted(&column.name),
        _ => format!(
            "{} {}",
            quoted(&column.name),
            column.flink_type.as_serializable_string()
        ),
    };
    if let Some(extras) = extras(column) {
        text.push_str(&format!(" {extras}"));
    }
    if let Some(comment) = &column.comment {
        text.push_str(&format!(" COMMENT {}", string(comment)));
    }
    text
}

fn create_view_text(identifier: &ObjectIdentifier, view: &CatalogView, temporary: bool) -> String {
    let names: Vec<String> = view
        .schema
        .fields()
        .iter()
        .map(|field| quoted(field.name()))
        .collect();
    let kind = if temporary { "TEMPORARY VIEW" } else { "VIEW" };
    let mut text = format!("CREATE {kind} {identifier} (\n  {}\n)", names.join(",\n  "));
    if let Some(comment) = &view.comment {
        text.push_str(&format!("\nCOMMENT {}", string(comment)));
    }
    text.push_str(&format!("\nAS {}\n", view.query.text));
    text
}

fn create_catalog_text(manager: &CatalogManager, name: &str) -> Result<String> {
    let Some(catalog) = manager.catalog(name).filter(|catalog| catalog.is_stored) else {
        let known = manager.list_catalogs();
        return Err(fail(
            format!("catalog '{name}' does not exist"),
            did_you_mean(name, known.iter().map(String::as_str)),
        ));
    };
    let options = catalog.options.iter();
    let options = options_text(options.map(|(key, value)| (key, secrets::shown(key, value))));
    let mut text = format!("CREATE CATALOG {}\n", quoted(name));
    if let Some(comment) = &catalog.comment {
        text.push_str(&format!("COMMENT {}\n", string(comment)));
    }
    text.push_str(&format!("{options}\n"));
    Ok(text)
}

/// `WITH (…)`, by key.
pub(super) fn options_text(
    options: impl Iterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) -> String {
    let mut options: Vec<String> = options
        .map(|(key, value)| format!("{} = {}", string(key.as_ref()), string(value.as_ref())))
        .collect();
    options.sort();
    format!("WITH (\n  {}\n)", options.join(",\n  "))
}

pub(super) fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quoted_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    names.join(", ")
}

/// The rows of DESCRIBE CATALOG: info name, info value.
///
/// # Errors
/// If there is no such catalog.
pub fn describe_catalog(
    manager: &CatalogManager,
    name: &str,
    extended: bool,
) -> Result<RecordBatch> {
    let Some(catalog) = manager.catalog(name).filter(|catalog| catalog.is_stored) else {
        let known = manager.list_catalogs();
        return Err(fail(
            format!("cannot obtain metadata information from catalog '{name}': it does not exist"),
            did_you_mean(name, known.iter().map(String::as_str)),
        ));
    };
    let kind = catalog.options.get("type").cloned();
    let mut rows = vec![
        ("name".to_owned(), Some(name.to_owned())),
        ("type".to_owned(), kind),
        ("comment".to_owned(), catalog.comment.clone()),
    ];
    if extended {
        for (key, value) in &catalog.options {
            if key != "type" {
                let value = secrets::shown(key, value).into_owned();
                rows.push((format!("option:{key}"), Some(value)));
            }
        }
    }
    let (names, values) = rows
        .into_iter()
        .map(|(name, value)| (Some(name), value))
        .unzip();
    text_table(&["info name", "info value"], &[names, values])
}
