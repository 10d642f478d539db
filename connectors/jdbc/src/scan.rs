//! Reading a table: a query, or one for each range of a column.
//!
//! ```text
//!   ranges ──deal──▶ readers ──thread: SELECT … WHERE c BETWEEN ? AND ?──▶ channel ──▶ poll
//! ```
//!
//! A query's rows come as a stream, which holds its connection: each reader has a thread of its own
//! that runs its queries one after another and hands batches over.
//!
//! Position of a reader: the ranges that are left, and how many rows of each have been read. It is
//! right as long as the database gives the rows of a range in the same order again.
//!
//! Source: `JdbcNumericBetweenParametersProvider` of version 4, for how ranges are cut. Rows whose
//! column is NULL or outside of the bounds are in no range.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde_json::{Value as Json, json};
use tidemill_engine::connectors::lookup::Lookup;
use tidemill_engine::connectors::{Boundedness, Source, SourcePoll, SourceReader};
use tidemill_engine::data::Delta;
use tidemill_engine::{EngineError, Result};

use crate::driver::Failure;
use crate::lookup::JdbcLookup;
use crate::options::{LookupOptions, Partition, ScanOptions};
use crate::table::Table;
use crate::values::Value;

/// Rows of a batch, and the bytes at which it is cut before.
const MAX_BATCH_ROWS: usize = 4096;
const MAX_BATCH_BYTES: usize = 8 << 20;
/// Batches that a reader is ahead by.
const MAX_QUEUED_BATCHES: usize = 2;
/// How long a poll waits for rows.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// A table as a source.
#[derive(Debug)]
pub(crate) struct JdbcSource {
    pub(crate) table: Table,
    pub(crate) scan: ScanOptions,
    pub(crate) lookup: LookupOptions,
}

impl Source for JdbcSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn lookup(&self) -> Option<Arc<dyn Lookup>> {
        Some(Arc::new(JdbcLookup {
            table: self.table.clone(),
            options: self.lookup.clone(),
        }))
    }

    fn open(&self, projection: &[usize], parallelism: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        let ranges: Arc<[Range]> = match &self.scan.partition {
            None => Arc::new([Range::ALL]),
            Some(partition) => cut(partition).into(),
        };
        let n_readers = parallelism.clamp(1, ranges.len());
        let all = (0..ranges.len()).map(|range_idx| Left {
            range_idx,
            n_read: 0,
        });
        Ok(deal(all, n_readers)
            .into_iter()
            .map(|left| -> Box<dyn SourceReader> {
                Box::new(Reader {
                    query: Query {
                        table: self.table.clone(),
                        scan: self.scan.clone(),
                        columns: projection.to_vec(),
                        ranges: Arc::clone(&ranges),
                    },
                    left,
                    running: None,
                    waiting: None,
                })
            })
            .collect())
    }

    fn reassign(&self, positions: &[Json], n_readers: usize) -> Result<Vec<Json>> {
        let mut all = Vec::new();
        for position in positions {
            all.extend(left_of(position)?);
        }
        Ok(deal(all, n_readers).iter().map(position_of).collect())
    }
}

/// Values of the partition column, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    lower: i64,
    upper: i64,
}

impl Range {
    /// Stands for the whole table.
    const ALL: Self = Self {
        lower: i64::MIN,
        upper: i64::MAX,
    };
}

/// Ranges of about the same width, the wider ones first.
fn cut(partition: &Partition) -> Vec<Range> {
    let (lower, upper) = (i128::from(partition.lower), i128::from(partition.upper));
    let width = upper - lower + 1;
    let n_ranges = i128::from(partition.number).min(width);
    let (narrow, n_wide) = (width / n_ranges, width % n_ranges);
    let mut ranges = Vec::new();
    let mut start = lower;
    for range_idx in 0..n_ranges {
        let end = start + narrow - i128::from(range_idx >= n_wide);
        // Both lie between the bounds, which are of this width.
        if let (Ok(lower), Ok(upper)) = (i64::try_from(start), i64::try_from(end)) {
            ranges.push(Range { lower, upper });
        }
        start = end + 1;
    }
    ranges
}

/// A range that is not yet read to its end.
#[derive(Debug, Clone, Copy)]
struct Left {
    range_idx: usize,
    n_read: usize,
}

fn deal(all: impl IntoIterator<Item = Left>, n_readers: usize) -> Vec<VecDeque<Left>> {
    let mut shares = vec![VecDeque::new(); n_readers.max(1)];
    for (place, left) in all.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(place % n_readers.max(1)) {
            share.push_back(left);
        }
    }
    shares
}

fn position_of(left: &VecDeque<Left>) -> Json {
    let ranges: Vec<Json> = left
        .iter()
        .map(|left| json!({ "range": left.range_idx, "rows": left.n_read }))
        .collect();
    json!({ "left": ranges })
}

fn left_of(position: &Json) -> Result<VecDeque<Left>> {
    let foreign = || EngineError::internal("the position of another source");
    let number = |entry: &Json, key: &str| {
        let number = entry.get(key).and_then(Json::as_u64);
        number.and_then(|number| usize::try_from(number).ok())
    };
    let entries = position.get("left").and_then(Json::as_array);
    entries
        .ok_or_else(foreign)?
        .iter()
        .map(|entry| {
            Ok(Left {
                range_idx: number(entry, "range").ok_or_else(foreign)?,
                n_read: number(entry, "rows").ok_or_else(foreign)?,
            })
        })
        .collect()
}

struct Reader {
    query: Query,
    /// The ranges as of the last batch that was given.
    left: VecDeque<Left>,
    running: Option<Receiver<Message>>,
    /// A batch that was larger than asked for.
    waiting: Option<RecordBatch>,
}

enum Message {
    /// Rows of the first range that is left.
    Rows(RecordBatch),
    /// That range is read.
    RangeEnd,
    Failed(EngineError),
}

impl SourceReader for Reader {
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll> {
        loop {
            if let Some(batch) = self.waiting.take() {
                return Ok(self.give(batch, max_rows));
            }
            if self.left.is_empty() {
                return Ok(SourcePoll::End);
            }
            let running = match &self.running {
                Some(running) => running,
                None => self.running.insert(self.query.start(self.left.clone())?),
            };
            match running.recv_timeout(MAX_WAIT) {
                Ok(Message::Rows(batch)) => self.waiting = Some(batch),
                Ok(Message::RangeEnd) => {
                    self.left.pop_front();
                }
                Ok(Message::Failed(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) => {
                    return Ok(SourcePoll::Idle(Duration::from_millis(1)));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::internal("a scan ended without a word"));
                }
            }
        }
    }

    fn position(&self) -> Json {
        position_of(&self.left)
    }

    fn seek(&mut self, position: &Json) -> Result<()> {
        self.left = left_of(position)?;
        Ok(())
    }
}

impl Reader {
    fn give(&mut self, batch: RecordBatch, max_rows: usize) -> SourcePoll {
        let n_rows = batch.num_rows().min(max_rows);
        if n_rows < batch.num_rows() {
            self.waiting = Some(batch.slice(n_rows, batch.num_rows() - n_rows));
        }
        if let Some(left) = self.left.front_mut() {
            left.n_read += n_rows;
        }
        SourcePoll::Rows(Delta::insert_only(batch.slice(0, n_rows)))
    }
}

/// What a reader's thread asks for.
#[derive(Clone)]
struct Query {
    table: Table,
    scan: ScanOptions,
    columns: Vec<usize>,
    ranges: Arc<[Range]>,
}

impl Query {
    fn start(&self, left: VecDeque<Left>) -> Result<Receiver<Message>> {
        let (sender, receiver) = bounded(MAX_QUEUED_BATCHES);
        let query = self.clone();
        std::thread::Builder::new()
            .name("jdbc-scan".to_owned())
            .spawn(move || {
                if let Err(failure) = query.run(left, &sender) {
                    // A reader that is gone needs no answer.
                    let _ = sender.send(Message::Failed(query.table.error(failure)));
                }
            })
            .map_err(|error| {
                self.table
                    .problem(&format!("no thread to read it: {error}"))
            })?;
        Ok(receiver)
    }

    fn run(&self, left: VecDeque<Left>, sender: &Sender<Message>) -> Result<(), Failure> {
        let mut connection = self.table.connect()?;
        let between = self.scan.partition.as_ref();
        let between = between.map(|partition| partition.column.as_str());
        let names = self.table.names(&self.columns);
        let dialect = self.table.dialect();
        let sql = dialect.select(&self.table.relation, &names, between);
        if !self.scan.auto_commit {
            connection.command("BEGIN")?;
        }
        for left in left {
            let range = self.ranges.get(left.range_idx).ok_or_else(|| {
                self.table
                    .problem("its options have changed since the checkpoint: a range is missing")
            })?;
            let bounds = match between {
                None => Vec::new(),
                Some(_) => vec![Value::Int(range.lower), Value::Int(range.upper)],
            };
            let bounds: Vec<&Value> = bounds.iter().collect();
            let mut batches = Batches {
                rows: self.table.rows(&self.columns)?,
                n_bytes: 0,
                n_skipped: left.n_read,
                sender,
            };
            connection.query(&sql, &bounds, &mut |values| batches.push(values))?;
            if !batches.flush()? || sender.send(Message::RangeEnd).is_err() {
                return Ok(());
            }
        }
        if !self.scan.auto_commit {
            connection.command("COMMIT")?;
        }
        Ok(())
    }
}

struct Batches<'a> {
    rows: crate::table::Rows,
    n_bytes: usize,
    /// Rows that have been read before.
    n_skipped: usize,
    sender: &'a Sender<Message>,
}

impl Batches<'_> {
    /// Takes a row; whether somebody still reads.
    fn push(&mut self, values: &[Value]) -> Result<bool> {
        if self.n_skipped > 0 {
            self.n_skipped -= 1;
            return Ok(true);
        }
        self.rows.push(values)?;
        self.n_bytes += values.iter().map(Value::size).sum::<usize>();
        match self.rows.n_rows >= MAX_BATCH_ROWS || self.n_bytes >= MAX_BATCH_BYTES {
            true => self.flush(),
            false => Ok(true),
        }
    }

    fn flush(&mut self) -> Result<bool> {
        if self.rows.n_rows == 0 {
            return Ok(true);
        }
        self.n_bytes = 0;
        let batch = self.rows.finish()?;
        Ok(self.sender.send(Message::Rows(batch)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(lower: i64, upper: i64, number: u32) -> Vec<(i64, i64)> {
        let column = "id".to_owned();
        let cut = cut(&Partition {
            column,
            lower,
            upper,
            number,
        });
        cut.iter().map(|range| (range.lower, range.upper)).collect()
    }

    #[test]
    fn ranges_cover_the_bounds_once() {
        assert_eq!(ranges(0, 9, 3), [(0, 3), (4, 6), (7, 9)]);
        assert_eq!(ranges(1, 2, 5), [(1, 1), (2, 2)]);
        assert_eq!(ranges(7, 7, 1), [(7, 7)]);
        let widest = ranges(i64::MIN, i64::MAX, 2);
        assert_eq!(widest, [(i64::MIN, -1), (0, i64::MAX)]);
    }

    #[test]
    fn what_is_left_is_dealt_out_anew() {
        let left = |position: &str| {
            let position = serde_json::from_str(position).unwrap_or_default();
            left_of(&position)
        };
        let all = left(r#"{"left":[{"range":1,"rows":3},{"range":2,"rows":0}]}"#);
        let shares = deal(all.unwrap_or_default(), 3);
        let texts: Vec<String> = shares
            .iter()
            .map(|it| position_of(it).to_string())
            .collect();
        assert_eq!(
            texts,
            [
                r#"{"left":[{"range":1,"rows":3}]}"#,
                r#"{"left":[{"range":2,"rows":0}]}"#,
                r#"{"left":[]}"#
            ]
        );
        assert!(left("{}").is_err());
    }
}
