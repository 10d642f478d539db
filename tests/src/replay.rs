//! A source that plays deltas back, one a poll.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use serde_json::Value;
use tidemill_engine::connectors::{Boundedness, Source, SourcePoll, SourceReader};
use tidemill_engine::data::{ChangelogMode, Delta};
use tidemill_engine::{EngineError, Result};

/// A bounded source of any changes.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Schema of the rows.
    pub schema: SchemaRef,
    /// What it gives, in order.
    pub deltas: Arc<[Delta]>,
    /// After so many of them, at the latest at their end, the source pauses for good; none for never.
    pub pause_after: Option<usize>,
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
        let n_deltas = self.source.deltas.len();
        let pause_after = self.source.pause_after.map(|after| after.min(n_deltas));
        if pause_after.is_some_and(|after| self.next >= after) {
            return Ok(SourcePoll::Idle(Duration::from_millis(100)));
        }
        let Some(delta) = self.source.deltas.get(self.next) else {
            return Ok(SourcePoll::End);
        };
        self.next += 1;
        let projected = delta.batch().project(&self.projection)?;
        Ok(SourcePoll::Rows(delta.with_batch(projected)?))
    }

    fn position(&self) -> Value {
        Value::from(self.next)
    }

    fn seek(&mut self, position: &Value) -> Result<()> {
        let next = position
            .as_u64()
            .and_then(|next| usize::try_from(next).ok());
        self.next = next.ok_or_else(|| EngineError::internal("no position of a replay"))?;
        Ok(())
    }
}
