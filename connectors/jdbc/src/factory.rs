//! What the catalog finds under `'connector' = 'jdbc'`.

use std::sync::Arc;

use tidemill_engine::Result;
use tidemill_engine::catalog::options::TableOptions;
use tidemill_engine::connectors::{ConnectorFactory, ConnectorTable, SinkFactory, Source};

use crate::options::{LookupOptions, SPECS, ScanOptions, SinkOptions};
use crate::scan::JdbcSource;
use crate::sink::JdbcSinkFactory;
use crate::table::Table;

/// Makes tables of databases.
#[derive(Debug)]
pub struct JdbcFactory;

impl ConnectorFactory for JdbcFactory {
    fn identifier(&self) -> &'static str {
        "jdbc"
    }

    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>> {
        let options = TableOptions::check(&table.name, &table.options, SPECS)?;
        Ok(Arc::new(JdbcSource {
            table: Table::try_new(table, &options)?,
            scan: ScanOptions::read(&options)?,
            lookup: LookupOptions::read(&options)?,
        }))
    }

    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>> {
        let options = TableOptions::check(&table.name, &table.options, SPECS)?;
        let fields = table.schema.fields().iter();
        let is_key = |name: &String| table.primary_key.contains(name);
        let keys = fields.enumerate().filter(|(_, field)| is_key(field.name()));
        Ok(Arc::new(JdbcSinkFactory {
            keys: keys.map(|(column, _)| column).collect(),
            table: Table::try_new(table, &options)?,
            options: SinkOptions::read(&options)?,
        }))
    }
}
