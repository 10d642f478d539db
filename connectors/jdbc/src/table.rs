//! A table of a database, as its options tell it.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Schema, SchemaRef};
use chrono_tz::Tz;
use tidemill_engine::catalog::options::TableOptions;
use tidemill_engine::connectors::ConnectorTable;
use tidemill_engine::data::types::FlinkType;
use tidemill_engine::sql::diagnostics::validation;
use tidemill_engine::{EngineError, Result};

use crate::dialect::Dialect;
use crate::driver::{self, Connection, Failure};
use crate::options;
use crate::url::{Address, Secret};
use crate::values::Decoder;

/// Where the rows are, and what they are declared to be.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// `catalog.database.table`, for messages.
    name: String,
    /// The option `table-name`.
    pub(crate) relation: String,
    address: Address,
    pub(crate) schema: SchemaRef,
    /// The session's.
    zone: Tz,
    /// How long a server may take to answer.
    timeout: Duration,
}

impl Table {
    /// Reads the options that every use of a table needs.
    ///
    /// # Errors
    /// `Options`; a validation error for a type that the dialect does not take.
    pub(crate) fn try_new(table: &ConnectorTable, options: &TableOptions<'_>) -> Result<Self> {
        let url = options.text("url").unwrap_or_default();
        let mut address = Address::parse(url).map_err(|problem| options.error(problem))?;
        let timeout = options::check(options, address.dialect())?;
        if let Address::Server(server) = &mut address {
            if let Some(user) = options.text("username") {
                server.user = Some(user.to_owned());
            }
            if let Some(password) = options.text("password") {
                server.password = Some(Secret::new(password));
            }
        }
        for field in table.schema.fields() {
            let flink_type = FlinkType::from_field(field);
            if let Some(refusal) = address.dialect().refusal(field.name(), &flink_type) {
                return Err(validation(refusal));
            }
        }
        Ok(Self {
            name: table.name.clone(),
            relation: options.text("table-name").unwrap_or_default().to_owned(),
            address,
            schema: Arc::clone(&table.schema),
            zone: table.time_zone.parse().unwrap_or(Tz::UTC),
            timeout,
        })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.address.dialect()
    }

    pub(crate) fn connect(&self) -> Result<Box<dyn Connection>, Failure> {
        driver::connect(&self.address, self.timeout)
    }

    /// What went wrong with this table.
    pub(crate) fn error(&self, failure: Failure) -> EngineError {
        match failure {
            Failure::Reader(error) => error,
            failure => self.problem(&failure.to_string()),
        }
    }

    /// As [`Self::error`], of a sentence.
    pub(crate) fn problem(&self, message: &str) -> EngineError {
        let (name, relation, address) = (&self.name, &self.relation, &self.address);
        EngineError::connector(
            "jdbc",
            format!("table '{name}' ('{relation}' in {address}): {message}"),
        )
    }

    /// Names of columns.
    pub(crate) fn names(&self, columns: &[usize]) -> Vec<String> {
        let fields = self.schema.fields();
        let names = columns.iter().filter_map(|&column| fields.get(column));
        names.map(|field| field.name().clone()).collect()
    }

    /// The rows that these columns make.
    pub(crate) fn rows(&self, columns: &[usize]) -> Result<Rows> {
        let schema: SchemaRef = Arc::new(self.schema.project(columns)?);
        let decoders = decoders(&schema, self.zone)?;
        Ok(Rows {
            table: self.clone(),
            schema,
            decoders,
            n_rows: 0,
        })
    }
}

fn decoders(schema: &Schema, zone: Tz) -> Result<Vec<Decoder>> {
    let fields = schema.fields().iter();
    fields
        .map(|field| Decoder::try_new(&FlinkType::from_field(field), zone))
        .collect()
}

/// Rows that are gathered to a batch.
pub(crate) struct Rows {
    table: Table,
    pub(crate) schema: SchemaRef,
    decoders: Vec<Decoder>,
    pub(crate) n_rows: usize,
}

impl Rows {
    /// Takes a row.
    ///
    /// # Errors
    /// The table's, if a value is none of its column's type.
    pub(crate) fn push(&mut self, values: &[crate::values::Value]) -> Result<()> {
        let fields = self.schema.fields().iter();
        for ((decoder, value), field) in self.decoders.iter_mut().zip(values).zip(fields) {
            decoder.push(value).map_err(|problem| {
                self.table
                    .problem(&format!("column '{}' {problem}", field.name()))
            })?;
        }
        self.n_rows += 1;
        Ok(())
    }

    /// The batch, and an empty one begins.
    ///
    /// # Errors
    /// If a column that is NOT NULL has a NULL.
    pub(crate) fn finish(&mut self) -> Result<arrow::record_batch::RecordBatch> {
        let options = arrow::record_batch::RecordBatchOptions::new()
            .with_row_count(Some(std::mem::take(&mut self.n_rows)));
        let columns = self.decoders.iter_mut().map(Decoder::finish);
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let schema = Arc::clone(&self.schema);
        Ok(arrow::record_batch::RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}
