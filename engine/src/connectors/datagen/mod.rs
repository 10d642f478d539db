//! The connector `datagen`: rows made up on the fly.
//!
//! Without `number-of-rows` and without a `sequence` field the table is unbounded; the shortest
//! sequence ends it. One reader makes all rows, so sequences come in order. Rows come as a steady
//! stream of `rows-per-second`.
//!
//! `random` fields: numbers between `min` and `max`, text and bytes of `length` (100; CHAR and
//! VARCHAR: their own), timestamps between now − `max-past` and now, DATE and TIME of now, three
//! elements to a collection; `null-rate` of them NULL. Elements are fields of their own:
//! `fields.a.element.min`, `fields.m.key.length`, `fields.r.x.max`. Text is of hexadecimal digits.
//!
//! Source: Flink 2.3's datagen connector, names and defaults; measured.
mod generator;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use self::generator::Generator;
use super::{
    Boundedness, ConnectorFactory, ConnectorTable, SinkFactory, Source, SourcePoll, SourceReader,
    source_only,
};
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::data::Delta;
use crate::error::Result;

const SPECS: &[OptionSpec] = &[
    optional("rows-per-second"),
    optional("number-of-rows"),
    optional("scan.parallelism"),
    optional("fields.#.kind"),
    optional("fields.#.min"),
    optional("fields.#.max"),
    optional("fields.#.max-past"),
    optional("fields.#.length"),
    optional("fields.#.var-len"),
    optional("fields.#.start"),
    optional("fields.#.end"),
    optional("fields.#.null-rate"),
];

const DEFAULT_ROWS_PER_SECOND: u64 = 10_000;

/// A reader that waits for its next row looks up at least this often.
const MAX_IDLE: Duration = Duration::from_millis(50);

/// Makes `datagen` tables.
#[derive(Debug)]
pub struct DatagenFactory;

impl ConnectorFactory for DatagenFactory {
    fn identifier(&self) -> &'static str {
        "datagen"
    }

    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>> {
        let options = TableOptions::check(&table.name, &table.options, SPECS)?;
        let whole = "a number above zero";
        options.parse::<std::num::NonZeroU32>("scan.parallelism", whole)?;
        let rate = options.parse::<std::num::NonZeroU64>("rows-per-second", whole)?;
        let n_rows = options.parse::<u64>("number-of-rows", "a number of rows")?;
        let generators = Generator::of_table(&table.schema, &options)?;
        let shortest = generators.iter().filter_map(Generator::n_rows).min();
        Ok(Arc::new(DatagenSource {
            schema: Arc::clone(&table.schema),
            generators,
            rows_per_second: rate.map_or(DEFAULT_ROWS_PER_SECOND, std::num::NonZeroU64::get),
            n_rows: n_rows.into_iter().chain(shortest).min(),
        }))
    }

    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>> {
        Err(source_only(&table.name, "datagen"))
    }
}

#[derive(Debug)]
struct DatagenSource {
    schema: SchemaRef,
    generators: Vec<Generator>,
    rows_per_second: u64,
    n_rows: Option<u64>,
}

impl Source for DatagenSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        match self.n_rows {
            Some(_) => Boundedness::Bounded,
            None => Boundedness::Unbounded,
        }
    }

    fn open(&self, projection: &[usize], _: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        let generators = projection
            .iter()
            .filter_map(|&at| self.generators.get(at).cloned());
        Ok(vec![Box::new(DatagenReader {
            schema: Arc::new(self.schema.project(projection)?),
            generators: generators.collect(),
            rows_per_second: self.rows_per_second,
            n_rows: self.n_rows,
            n_made: 0,
            started: None,
            rng: SmallRng::from_os_rng(),
        })])
    }
}

struct DatagenReader {
    schema: SchemaRef,
    generators: Vec<Generator>,
    rows_per_second: u64,
    n_rows: Option<u64>,
    n_made: u64,
    /// When the first row was due, and how many had been made by then.
    started: Option<(Instant, u64)>,
    rng: SmallRng,
}

impl DatagenReader {
    /// How many rows the rate allows now.
    fn n_due(&mut self) -> u64 {
        let (started, n_before) = *self.started.get_or_insert((Instant::now(), self.n_made));
        let per_second = u128::from(self.rows_per_second);
        let n_allowed = started.elapsed().as_nanos() * per_second / 1_000_000_000 + 1;
        let n_allowed = u64::try_from(n_allowed)
            .unwrap_or(u64::MAX)
            .saturating_add(n_before);
        n_allowed
            .min(self.n_rows.unwrap_or(u64::MAX))
            .saturating_sub(self.n_made)
    }
}

impl SourceReader for DatagenReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        if self.n_rows.is_some_and(|n_rows| self.n_made >= n_rows) {
            return Ok(SourcePoll::End);
        }
        let n_due = usize::try_from(self.n_due())
            .unwrap_or(usize::MAX)
            .min(max_rows);
        if n_due == 0 {
            let until_next = Duration::from_nanos(1_000_000_000 / self.rows_per_second);
            return Ok(SourcePoll::Idle(
                until_next.clamp(Duration::from_millis(1), MAX_IDLE),
            ));
        }
        let first = self.n_made;
        let columns = self
            .generators
            .iter()
            .map(|generator| generator.make(first, n_due, &mut self.rng))
            .collect::<Result<Vec<_>>>()?;
        self.n_made += n_due as u64;
        let options = RecordBatchOptions::new().with_row_count(Some(n_due));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(SourcePoll::Rows(Delta::insert_only(batch)))
    }

    fn position(&self) -> serde_json::Value {
        serde_json::json!({ "rows": self.n_made })
    }

    fn seek(&mut self, position: &serde_json::Value) -> Result<()> {
        self.n_made = super::values::position_part(position, "rows")? as u64;
        Ok(())
    }
}
