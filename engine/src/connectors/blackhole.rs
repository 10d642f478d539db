//! The connector `blackhole`: a sink that takes every change and keeps none.

use std::sync::Arc;

use super::{ConnectorFactory, ConnectorTable, Sink, SinkFactory, Source, sink_only};
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::data::{ChangelogMode, Delta};
use crate::error::Result;

const SPECS: &[OptionSpec] = &[optional("property-version")];

/// Makes `blackhole` tables.
#[derive(Debug)]
pub struct BlackholeFactory;

impl ConnectorFactory for BlackholeFactory {
    fn identifier(&self) -> &'static str {
        "blackhole"
    }

    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>> {
        Err(sink_only(&table.name, "blackhole"))
    }

    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>> {
        TableOptions::check(&table.name, &table.options, SPECS)?;
        Ok(Arc::new(Blackhole))
    }
}

#[derive(Debug)]
struct Blackhole;

impl SinkFactory for Blackhole {
    /// What comes, without the half of it that nobody needs, as in Flink.
    fn changelog_mode(&self, requested: ChangelogMode) -> ChangelogMode {
        ChangelogMode {
            update_before: false,
            ..requested
        }
    }

    fn keeps_state(&self) -> bool {
        true
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Self))
    }
}

impl Sink for Blackhole {
    fn write(&mut self, _: &Delta) -> Result<()> {
        Ok(())
    }
}
