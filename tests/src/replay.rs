//! A source that plays deltas back, one a poll.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use tidemill_engine::Result;
use tidemill_engine::connectors::{Boundedness, Source, SourcePoll, SourceReader};
use tidemill_engine::data::{ChangelogMode, Delta};

/// A bounded source of any changes.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Schema of the rows.
    pub schema: SchemaRef,
    /// What it gives, in order.
    pub deltas: Arc<[Delta]>,
}

impl Source for Replay {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::ALL
    }

    fn open(&self, projection: &[usize], _: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        Ok(vec![Box::new(Reader {
            source: self.clone(),
            projection: projection.to_vec(),
            next: 0,
        })])
    }
}

struct Reader {
    source: Replay,
    projection: Vec<usize>,
    next: usize,
}

impl SourceReader for Reader {
    fn poll(&mut self, _max_rows: usize) -> Result<SourcePoll> {
        let Some(delta) = self.source.deltas.get(self.next) else {
            return Ok(SourcePoll::End);
        };
        self.next += 1;
        let projected = delta.batch().project(&self.projection)?;
        Ok(SourcePoll::Rows(delta.with_batch(projected)?))
    }
}
