//! The options of WITH, read: what is common to sources and sinks.
//!
//! ```text
//!   'format' = 'json'         'json.ignore-parse-errors'          all columns
//!   'value.format' = 'json'   'value.json.ignore-parse-errors'    all, or all but the key's
//!   'key.format' = 'raw'      'key.raw.charset'                   those of 'key.fields'
//! ```
//!
//! Source: `KafkaConnectorOptions`, `KafkaDynamicTableFactory` and `UpsertKafkaDynamicTableFactory`
//! of Flink's Kafka connector 4.0: names, defaults, what is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use regex::Regex;
use tidemill_engine::catalog::options::{OptionSpec, TableOptions, optional, required};
use tidemill_engine::connectors::ConnectorTable;
use tidemill_engine::formats::registry::FileFormat;
use tidemill_engine::{EngineError, Result};

const KAFKA: &[OptionSpec] = &[
    required("properties.bootstrap.servers"),
    optional("format"),
    optional("key.fields"),
    optional("key.fields-prefix"),
    optional("key.format"),
    optional("properties.#"),
    optional("scan.bounded.mode"),
    optional("scan.bounded.specific-offsets"),
    optional("scan.bounded.timestamp-millis"),
    optional("scan.parallelism"),
    optional("scan.startup.mode"),
    optional("scan.startup.specific-offsets"),
    optional("scan.startup.timestamp-millis"),
    optional("scan.topic-partition-discovery.interval"),
    optional("sink.delivery-guarantee"),
    optional("sink.parallelism"),
    optional("sink.partitioner"),
    optional("sink.semantic"),
    optional("sink.transaction-naming-strategy"),
    optional("sink.transactional-id-prefix"),
    optional("topic"),
    optional("topic-pattern"),
    optional("value.fields-include"),
    optional("value.format"),
];

const UPSERT: &[OptionSpec] = &[
    required("key.format"),
    required("properties.bootstrap.servers"),
    required("value.format"),
    optional("key.fields-prefix"),
    optional("properties.#"),
    optional("scan.bounded.mode"),
    optional("scan.bounded.specific-offsets"),
    optional("scan.bounded.timestamp-millis"),
    optional("scan.parallelism"),
    optional("sink.buffer-flush.interval"),
    optional("sink.buffer-flush.max-rows"),
    optional("sink.delivery-guarantee"),
    optional("sink.parallelism"),
    optional("sink.transaction-naming-strategy"),
    optional("sink.transactional-id-prefix"),
    optional("topic"),
    optional("topic-pattern"),
    optional("value.fields-include"),
];

/// Before the keys of what the client of Kafka is told.
const PROPERTIES: &str = "properties.";

/// Which of the two connectors a table is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `kafka`: every message is a row, or what its format makes of it.
    Append,
    /// `upsert-kafka`: every message says how the row of its key is from now on.
    Upsert,
}

impl Kind {
    /// The identifier in WITH.
    pub(crate) const fn identifier(self) -> &'static str {
        match self {
            Self::Append => "kafka",
            Self::Upsert => "upsert-kafka",
        }
    }

    /// An error of the connector.
    pub(crate) fn error(self, message: impl ToString) -> EngineError {
        EngineError::connector(self.identifier(), message)
    }
}

/// Which topics a table stands for.
#[derive(Debug, Clone)]
pub(crate) enum Topics {
    /// `topic`: these.
    List(Vec<String>),
    /// `topic-pattern`: those with such a name, also those made later.
    Pattern(Regex),
}

impl Topics {
    /// Whether a topic is one of these.
    pub(crate) fn contains(&self, topic: &str) -> bool {
        match self {
            Self::List(topics) => topics.iter().any(|known| known == topic),
            Self::Pattern(pattern) => pattern.is_match(topic),
        }
    }

    /// The topic, if it can only be one.
    pub(crate) fn single(&self) -> Option<&str> {
        match self {
            Self::List(topics) => match topics.as_slice() {
                [topic] => Some(topic),
                _ => None,
            },
            Self::Pattern(_) => None,
        }
    }
}

/// A half of the messages, the key or the value.
#[derive(Debug, Clone)]
pub(crate) struct Half {
    /// How its bytes are read and written.
    pub(crate) format: FileFormat,
    /// Its columns among the table's physical ones.
    pub(crate) columns: Vec<usize>,
    /// The columns, under the names that the format uses.
    pub(crate) schema: SchemaRef,
}

/// What a table's options say, whether it is read or written.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) kind: Kind,
    /// `catalog.database.table`.
    pub(crate) table: String,
    pub(crate) topics: Topics,
    /// The options behind `properties.`, as they were written.
    pub(crate) properties: BTreeMap<String, String>,
    /// The physical columns.
    pub(crate) schema: SchemaRef,
    pub(crate) key: Option<Half>,
    pub(crate) value: Half,
}

/// Reads what concerns every table, and tests that all options exist.
///
/// # Errors
/// `Options` for unknown, missing or contradicting ones.
pub(crate) fn read(kind: Kind, table: &ConnectorTable) -> Result<(Settings, TableOptions<'_>)> {
    let text = |key: &str| table.options.get(key).map(String::as_str);
    let (value_prefix, value_format) = match (kind, text("format")) {
        (Kind::Append, Some(format)) => ("", Some(format)),
        _ => ("value.", text("value.format")),
    };
    let mut specs = match kind {
        Kind::Append => KAFKA,
        Kind::Upsert => UPSERT,
    }
    .to_vec();
    for (prefix, format) in [(value_prefix, value_format), ("key.", text("key.format"))] {
        let known = format.map(FileFormat::specs).unwrap_or_default();
        specs.extend(known.iter().map(|spec| spec.behind(prefix)));
    }
    let options = TableOptions::check(&table.name, &table.options, &specs)?;
    let Some(value_format) = value_format else {
        return Err(options.error("required options are missing: 'format'"));
    };
    let key_columns = key_columns(kind, table, &options)?;
    let value_columns = value_columns(table, &options, &key_columns)?;
    let key = match options.text("key.format") {
        None => None,
        Some(format) => {
            let prefix = options.text("key.fields-prefix").unwrap_or_default();
            let schema = unprefixed(&table.schema, &key_columns, prefix);
            let behind = options.behind("key.");
            Some(half(kind, format, &behind, key_columns, schema)?)
        }
    };
    if let Some(key) = &key
        && !key.format.changelog_mode().is_insert_only()
    {
        return Err(changes_in(&options, kind, "key.format"));
    }
    let schema = Arc::new(table.schema.project(&value_columns)?);
    let behind = options.behind(value_prefix);
    let value = half(kind, value_format, &behind, value_columns, schema)?;
    check_primary_key(kind, table, &options, &value)?;
    let properties = table.options.iter().filter_map(|(key, value)| {
        let key = key.strip_prefix(PROPERTIES)?;
        Some((key.to_owned(), value.clone()))
    });
    let settings = Settings {
        kind,
        table: table.name.clone(),
        topics: topics(&options)?,
        properties: properties.collect(),
        schema: SchemaRef::clone(&table.schema),
        key,
        value,
    };
    Ok((settings, options))
}

fn changes_in(options: &TableOptions<'_>, kind: Kind, option: &str) -> EngineError {
    let format = options.text(option).unwrap_or_default();
    options.error(format!(
        "connector '{}' does not take '{format}' for '{option}': it is a format of changes, and a \
         {} is one row",
        kind.identifier(),
        option.trim_end_matches(".format"),
    ))
}

fn half(
    kind: Kind,
    identifier: &str,
    options: &TableOptions<'_>,
    columns: Vec<usize>,
    schema: SchemaRef,
) -> Result<Half> {
    let format = FileFormat::find(identifier, options, &schema)?;
    if format.of_records().is_none() {
        return Err(options.error(format!(
            "format '{identifier}' is one of files; connector '{}' needs one of records",
            kind.identifier()
        )));
    }
    Ok(Half {
        format,
        columns,
        schema,
    })
}

fn check_primary_key(
    kind: Kind,
    table: &ConnectorTable,
    options: &TableOptions<'_>,
    value: &Half,
) -> Result<()> {
    let is_insert_only = value.format.changelog_mode().is_insert_only();
    match kind {
        Kind::Upsert if table.primary_key.is_empty() => Err(options.error(
            "'upsert-kafka' tables need a PRIMARY KEY: it says which columns are the key of the \
             messages, and which row a message updates or deletes",
        )),
        Kind::Upsert if !is_insert_only => Err(changes_in(options, kind, "value.format")),
        Kind::Append if is_insert_only && !table.primary_key.is_empty() => {
            let format = options.text("format").or(options.text("value.format"));
            Err(options.error(format!(
                "a 'kafka' table with format '{}' cannot have a PRIMARY KEY: nothing sees to it \
                 that a key comes once\n  hint: 'upsert-kafka' reads and writes the last row of \
                 each key",
                format.unwrap_or_default()
            )))
        }
        _ => Ok(()),
    }
}

fn topics(options: &TableOptions<'_>) -> Result<Topics> {
    match (options.text("topic"), options.text("topic-pattern")) {
        (Some(_), Some(_)) => {
            Err(options.error("options 'topic' and 'topic-pattern' exclude each other"))
        }
        (None, None) => Err(options.error("either 'topic' or 'topic-pattern' must be set")),
        (Some(list), None) => {
            let topics: Vec<String> = list
                .split(';')
                .map(|topic| topic.trim().to_owned())
                .filter(|topic| !topic.is_empty())
                .collect();
            if topics.is_empty() {
                return Err(options.invalid("topic", list, "topics with ';' between them"));
            }
            Ok(Topics::List(topics))
        }
        (None, Some(pattern)) => match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(pattern) => Ok(Topics::Pattern(pattern)),
            Err(_) => Err(options.invalid("topic-pattern", pattern, "a regular expression")),
        },
    }
}

/// The columns of the key among the physical ones, in the order of the key.
fn key_columns(
    kind: Kind,
    table: &ConnectorTable,
    options: &TableOptions<'_>,
) -> Result<Vec<usize>> {
    let written: Vec<&str> = match kind {
        Kind::Upsert => table.primary_key.iter().map(String::as_str).collect(),
        Kind::Append => options
            .text("key.fields")
            .unwrap_or_default()
            .split(';')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect(),
    };
    match options.text("key.format") {
        None if options.text("key.fields").is_some() => {
            return Err(options.error(
                "option 'key.fields' can only be declared if a key format is defined using \
                 'key.format'",
            ));
        }
        Some(format) if kind == Kind::Append && written.is_empty() => {
            return Err(options.error(format!(
                "key format 'key.format' = '{format}' requires the declaration of one or more key \
                 fields using 'key.fields'"
            )));
        }
        None => return Ok(Vec::new()),
        Some(_) => {}
    }
    let prefix = options.text("key.fields-prefix").unwrap_or_default();
    let names = || {
        table
            .schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
    };
    let mut columns = Vec::with_capacity(written.len());
    for name in written {
        let Some(column) = names().position(|known| known == name) else {
            return Err(options.error(format!(
                "could not find the field '{name}' in the table schema for usage in the key \
                 format; a key field must be a regular, physical column. The following columns \
                 can be selected in the 'key.fields' option: {}",
                names().collect::<Vec<_>>().join(", ")
            )));
        };
        if !name.starts_with(prefix) {
            return Err(options.error(format!(
                "all fields in 'key.fields' must be prefixed with '{prefix}' when option \
                 'key.fields-prefix' is set, but field '{name}' is not prefixed"
            )));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// The columns of the value among the physical ones.
fn value_columns(
    table: &ConnectorTable,
    options: &TableOptions<'_>,
    key_columns: &[usize],
) -> Result<Vec<usize>> {
    let all = 0..table.schema.fields().len();
    let include = options.text("value.fields-include").unwrap_or("ALL");
    match include.to_ascii_uppercase().as_str() {
        "ALL"
            if options
                .text("key.fields-prefix")
                .is_some_and(|prefix| !prefix.is_empty()) =>
        {
            Err(options.error(
                "a key prefix is not allowed when option 'value.fields-include' is set to 'ALL'; \
                 set it to 'EXCEPT_KEY' instead to avoid field overlaps",
            ))
        }
        "ALL" => Ok(all.collect()),
        "EXCEPT_KEY" => Ok(all.filter(|column| !key_columns.contains(column)).collect()),
        _ => Err(options.invalid("value.fields-include", include, "ALL or EXCEPT_KEY")),
    }
}

/// The columns of the key under the names that stand in the messages.
fn unprefixed(schema: &SchemaRef, columns: &[usize], prefix: &str) -> SchemaRef {
    let fields = columns.iter().filter_map(|&column| {
        let field = schema.fields().get(column)?;
        let name = field.name().strip_prefix(prefix).unwrap_or(field.name());
        Some(Field::clone(field).with_name(name))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
