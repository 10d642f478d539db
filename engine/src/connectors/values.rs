//! Rows that are in memory already: VALUES, Python collections, tests; and a source that another
//! thread feeds while the job runs.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde_json::{Value, json};

use super::lookup::{Lookup, LookupCache, Reload, ScanLookup};
use super::{Boundedness, Source, SourcePoll, SourceReader};
use crate::data::{ChangelogMode, Delta};
use crate::error::{EngineError, Result};

/// How long a reader of a fed source waits before it lets the job look around.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// Deltas the feeding thread may be ahead by, before it has to wait.
const MAX_QUEUED_DELTAS: usize = 16;

/// A bounded source of deltas in memory.
#[derive(Debug, Clone)]
pub struct ValuesSource {
    schema: SchemaRef,
    changelog_mode: ChangelogMode,
    deltas: Arc<[Delta]>,
}

impl ValuesSource {
    /// A source of `deltas`, which have this schema.
    ///
    /// # Errors
    /// `Internal` if a delta has other columns.
    pub fn try_new(schema: SchemaRef, deltas: Vec<Delta>) -> Result<Self> {
        for delta in &deltas {
            let found = delta.schema();
            let same = found.fields().len() == schema.fields().len()
                && found
                    .fields()
                    .iter()
                    .zip(schema.fields())
                    .all(|(found, expected)| {
                        found.data_type().equals_datatype(expected.data_type())
                    });
            if !same {
                return Err(EngineError::internal(format!(
                    "rows of {found} given to a source of {schema}"
                )));
            }
        }
        let insert_only = deltas.iter().all(|delta| delta.kinds().is_none());
        Ok(Self {
            schema,
            changelog_mode: match insert_only {
                true => ChangelogMode::INSERT_ONLY,
                false => ChangelogMode::ALL,
            },
            deltas: deltas.into(),
        })
    }
}

impl Source for ValuesSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.changelog_mode
    }

    /// The rows do not change while a job runs.
    fn lookup(&self) -> Option<Arc<dyn Lookup>> {
        let cache = LookupCache::Full(Reload::Never);
        let is_fixed = self.changelog_mode.is_insert_only();
        is_fixed.then(|| ScanLookup::shared(Arc::new(self.clone()), cache, None))
    }

    /// One reader: the order of changes matters.
    fn open(&self, projection: &[usize], _: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        Ok(vec![Box::new(ValuesReader {
            deltas: Arc::clone(&self.deltas),
            projection: projection.to_vec(),
            delta_idx: 0,
            row_idx: 0,
        })])
    }
}

#[derive(Debug)]
struct ValuesReader {
    deltas: Arc<[Delta]>,
    projection: Vec<usize>,
    delta_idx: usize,
    row_idx: usize,
}

impl SourceReader for ValuesReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        while let Some(delta) = self.deltas.get(self.delta_idx) {
            let n_left = delta.num_rows().saturating_sub(self.row_idx);
            if n_left == 0 {
                self.delta_idx += 1;
                self.row_idx = 0;
                continue;
            }
            let n_rows = n_left.min(max_rows);
            let slice = delta.slice(self.row_idx, n_rows);
            self.row_idx += n_rows;
            return Ok(SourcePoll::Rows(project(&slice, &self.projection)?));
        }
        Ok(SourcePoll::End)
    }

    fn position(&self) -> Value {
        json!({ "delta": self.delta_idx, "row": self.row_idx })
    }

    fn seek(&mut self, position: &Value) -> Result<()> {
        self.delta_idx = position_part(position, "delta")?;
        self.row_idx = position_part(position, "row")?;
        Ok(())
    }
}

/// The columns of `projection` of a delta.
pub(crate) fn project(delta: &Delta, projection: &[usize]) -> Result<Delta> {
    delta.with_batch(delta.batch().project(projection)?)
}

/// A whole number inside a position that a reader gave.
pub(crate) fn position_part(position: &Value, key: &str) -> Result<usize> {
    position
        .get(key)
        .and_then(Value::as_u64)
        .and_then(|value| usize::try_from(value).ok())
        .ok_or_else(|| EngineError::internal(format!("no '{key}' in the position {position}")))
}

/// An unbounded source that another thread feeds through a [`Feed`]; it ends when the feed is
/// dropped. Can be opened once.
#[derive(Debug)]
pub struct ChannelSource {
    schema: SchemaRef,
    changelog_mode: ChangelogMode,
    receiver: parking_lot::Mutex<Option<Receiver<Delta>>>,
}

/// The feeding end of a [`ChannelSource`].
#[derive(Debug, Clone)]
pub struct Feed {
    sender: Sender<Delta>,
}

impl Feed {
    /// Hands a delta over; waits while the job is behind.
    ///
    /// # Errors
    /// `Stopped` if nobody reads any more.
    pub fn send(&self, delta: Delta) -> Result<()> {
        self.sender.send(delta).map_err(|_| EngineError::Stopped {
            job: "reader of the channel".to_owned(),
        })
    }
}

impl ChannelSource {
    /// A source for deltas of this schema and these kinds, and its feeding end.
    #[must_use]
    pub fn new(schema: SchemaRef, changelog_mode: ChangelogMode) -> (Self, Feed) {
        let (sender, receiver) = bounded(MAX_QUEUED_DELTAS);
        let source = Self {
            schema,
            changelog_mode,
            receiver: parking_lot::Mutex::new(Some(receiver)),
        };
        (source, Feed { sender })
    }
}

impl Source for ChannelSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Unbounded
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.changelog_mode
    }

    fn open(&self, projection: &[usize], _: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        let receiver = self.receiver.lock().take().ok_or_else(|| {
            EngineError::connector("values", "a source that is fed can be read by one job only")
        })?;
        Ok(vec![Box::new(ChannelReader {
            receiver,
            projection: projection.to_vec(),
            rest: None,
        })])
    }
}

#[derive(Debug)]
struct ChannelReader {
    receiver: Receiver<Delta>,
    projection: Vec<usize>,
    /// What is left of a delta that was longer than a poll may give.
    rest: Option<Delta>,
}

impl SourceReader for ChannelReader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        let delta = match self.rest.take() {
            Some(delta) => delta,
            None => match self.receiver.recv_timeout(MAX_WAIT) {
                Ok(delta) => delta,
                Err(RecvTimeoutError::Timeout) => return Ok(SourcePoll::Idle(Duration::ZERO)),
                Err(RecvTimeoutError::Disconnected) => return Ok(SourcePoll::End),
            },
        };
        let n_rows = delta.num_rows().min(max_rows);
        if n_rows < delta.num_rows() {
            self.rest = Some(delta.slice(n_rows, delta.num_rows() - n_rows));
        }
        let delta = delta.slice(0, n_rows);
        Ok(SourcePoll::Rows(project(&delta, &self.projection)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::data::RowKind;

    fn delta(values: &[i64]) -> Delta {
        let a: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        let b: ArrayRef = Arc::new(Int64Array::from_iter_values(values.iter().map(|v| v * 10)));
        Delta::insert_only(RecordBatch::try_from_iter([("a", a), ("b", b)]).unwrap())
    }

    fn next(reader: &mut dyn SourceReader, max_rows: usize) -> Option<Vec<i64>> {
        match reader.poll(max_rows).unwrap() {
            SourcePoll::Rows(delta) => {
                let column = delta.batch().column(0);
                let column = column.as_any().downcast_ref::<Int64Array>().unwrap();
                Some(column.values().to_vec())
            }
            SourcePoll::Idle(_) | SourcePoll::End => None,
        }
    }

    #[test]
    fn values_come_once_in_pieces_and_from_a_position() {
        let deltas = vec![delta(&[1, 2, 3]), delta(&[]), delta(&[4])];
        let source = ValuesSource::try_new(deltas[0].schema(), deltas).unwrap();
        let mut reader = source.open(&[1], 4).unwrap().remove(0);
        assert_eq!(next(reader.as_mut(), 2), Some(vec![10, 20]));
        let position = reader.position();
        assert_eq!(next(reader.as_mut(), 2), Some(vec![30]));
        assert_eq!(next(reader.as_mut(), 2), Some(vec![40]));
        assert_eq!(next(reader.as_mut(), 2), None);
        let mut again = source.open(&[0], 1).unwrap().remove(0);
        again.seek(&position).unwrap();
        assert_eq!(next(again.as_mut(), 9), Some(vec![3]));
    }

    #[test]
    fn kinds_show_in_the_changelog_mode() {
        let rows = delta(&[1]);
        let retraction = Delta::try_new(rows.batch().clone(), vec![RowKind::Delete]).unwrap();
        let source = ValuesSource::try_new(rows.schema(), vec![rows, retraction]).unwrap();
        assert_eq!(source.changelog_mode(), ChangelogMode::ALL);
    }

    #[test]
    fn a_feed_ends_with_its_sender() {
        let (source, feed) = ChannelSource::new(delta(&[]).schema(), ChangelogMode::INSERT_ONLY);
        let mut reader = source.open(&[0], 1).unwrap().remove(0);
        assert!(source.open(&[0], 1).is_err());
        feed.send(delta(&[1, 2, 3])).unwrap();
        drop(feed);
        assert_eq!(next(reader.as_mut(), 2), Some(vec![1, 2]));
        assert_eq!(next(reader.as_mut(), 2), Some(vec![3]));
        assert!(matches!(reader.poll(2).unwrap(), SourcePoll::End));
    }
}
