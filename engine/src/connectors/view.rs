//! The sink that keeps the result of a query as a table, for displays.
//!
//! The job applies the changes of a step at once, so a snapshot is always the table at the end of
//! a step. A snapshot costs as much as the rows that it gives, not as the table, and it decodes
//! them after it has left the lock.
//!
//! A job that begins again takes the table back from its checkpoint, or makes it anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{SchemaRef, UInt64Type};
use parking_lot::{Condvar, Mutex};

use super::slots::{EncodedRows, SlotTable};
use super::{Sink, SinkFactory};
use crate::data::size::batch_bytes;
use crate::data::{ChangelogMode, Delta};
use crate::error::Result;
use crate::state::StateTable;

/// The rows of a view, in a checkpoint.
const ROWS_TABLE: &str = "rows";
/// How many rows and changes there have been.
const PROGRESS_TABLE: &str = "progress";

/// Neighboring batches of an append-only view are merged up to this many rows.
const MAX_MERGED_ROWS: usize = 65_536;

/// How a view keeps its rows.
#[derive(Debug, Clone, Default)]
pub struct ViewOptions {
    /// An append-only result keeps only the last so many rows; an updating one keeps all.
    pub max_rows: Option<usize>,
    /// Columns by which a row of an updating result is known; without them a row is known by its
    /// whole content. Needed where updates come without `-U`.
    pub upsert_key: Option<Vec<usize>>,
}

/// A sink and the view that it feeds.
///
/// # Errors
/// If rows of this schema cannot be kept, or `mode` needs an upsert key.
pub fn materialize(
    schema: SchemaRef,
    mode: ChangelogMode,
    options: ViewOptions,
) -> Result<(Arc<dyn SinkFactory>, Arc<MaterializedView>)> {
    let rows = Rows::try_new(&schema, mode, &options)?;
    let view = Arc::new(MaterializedView {
        schema,
        mode,
        options,
        state: Mutex::new(State {
            version: 0,
            n_changes: 0,
            rows,
        }),
        changed: Condvar::new(),
    });
    let factory = ViewSinkFactory {
        view: Arc::clone(&view),
        n_runs: AtomicUsize::new(0),
    };
    Ok((Arc::new(factory), view))
}

/// A table that a job keeps up to date.
#[derive(Debug)]
pub struct MaterializedView {
    schema: SchemaRef,
    mode: ChangelogMode,
    options: ViewOptions,
    state: Mutex<State>,
    changed: Condvar,
}

/// A view at the end of a step.
#[derive(Debug, Clone)]
pub struct ViewSnapshot {
    /// Number of the state: grows with every step that changed the table.
    pub version: u64,
    /// The rows: the last ones of an append-only result, the first ones of an updating one.
    pub rows: RecordBatch,
    /// Rows of the whole table, kept or not.
    pub n_rows: u64,
    /// Changes since the start.
    pub n_changes: u64,
    /// Whether rows only come.
    pub append_only: bool,
}

#[derive(Debug)]
struct State {
    version: u64,
    n_changes: u64,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Appended(Ring),
    Updated(SlotTable),
}

impl Rows {
    /// No rows yet.
    fn try_new(schema: &SchemaRef, mode: ChangelogMode, options: &ViewOptions) -> Result<Self> {
        if mode.is_insert_only() {
            return Ok(Self::Appended(Ring {
                batches: VecDeque::new(),
                n_kept: 0,
                n_rows: 0,
                n_bytes: 0,
                max_rows: options.max_rows,
            }));
        }
        let key = options.upsert_key.clone();
        Ok(Self::Updated(SlotTable::try_new(schema, mode, key)?))
    }
}

impl MaterializedView {
    /// Schema of the rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Number of the state now; 0 before the first change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.state.lock().version
    }

    /// Waits until the version is above `seen`, at most for `timeout`; gives the version then.
    #[must_use]
    pub fn wait_newer(&self, seen: u64, timeout: Duration) -> u64 {
        let deadline = Instant::now() + timeout;
        let mut state = self.state.lock();
        while state.version <= seen {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.version
    }

    /// At most `max_rows` rows of the table as it is now.
    ///
    /// # Errors
    /// `Internal` if the rows cannot be decoded.
    pub fn snapshot(&self, max_rows: usize) -> Result<ViewSnapshot> {
        let state = self.state.lock();
        let (version, n_changes) = (state.version, state.n_changes);
        let (taken, n_rows, append_only) = match &state.rows {
            Rows::Appended(ring) => (Taken::Batches(ring.last(max_rows)), ring.n_rows, true),
            Rows::Updated(table) => (Taken::Encoded(table.first(max_rows)), table.n_rows(), false),
        };
        drop(state);
        let rows = match taken {
            Taken::Batches(batches) => concat_batches(&self.schema, &batches)?,
            Taken::Encoded(rows) => rows.decode(&self.schema)?,
        };
        Ok(ViewSnapshot {
            version,
            rows,
            n_rows,
            n_changes,
            append_only,
        })
    }

    /// The table, and what is counted about it.
    fn save(&self) -> Result<Vec<StateTable>> {
        let snapshot = self.snapshot(usize::MAX)?;
        let number = |number: u64| -> ArrayRef { Arc::new(UInt64Array::from(vec![number])) };
        let progress = RecordBatch::try_from_iter([
            ("n_rows", number(snapshot.n_rows)),
            ("n_changes", number(snapshot.n_changes)),
        ])?;
        let table = |name, batch| StateTable {
            name,
            batch,
            key_columns: Vec::new(),
        };
        Ok(vec![
            table(ROWS_TABLE, snapshot.rows),
            table(PROGRESS_TABLE, progress),
        ])
    }

    /// Takes the rows of a checkpoint in the place of those that are there.
    fn restore(&self, tables: Vec<StateTable>) -> Result<()> {
        let mut state = self.state.lock();
        state.rows = Rows::try_new(&self.schema, self.mode, &self.options)?;
        for table in tables {
            if table.name == ROWS_TABLE {
                // What the columns are called and promise beyond their types is the view's own.
                let columns = table.batch.columns().to_vec();
                let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
                match &mut state.rows {
                    Rows::Appended(ring) => ring.push(batch)?,
                    Rows::Updated(table) => table.apply(&Delta::insert_only(batch))?,
                }
            }
            let number = |name: &str| {
                let column = table.batch.column_by_name(name)?;
                column.as_primitive_opt::<UInt64Type>()?.iter().next()?
            };
            if table.name == PROGRESS_TABLE
                && let (Some(n_rows), Some(n_changes)) = (number("n_rows"), number("n_changes"))
            {
                state.n_changes = n_changes;
                if let Rows::Appended(ring) = &mut state.rows {
                    ring.n_rows = n_rows;
                }
            }
        }
        state.version += 1;
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Applies the changes of a step; those of an earlier run are forgotten before, if it begins anew.
    fn apply(&self, deltas: &[Delta], anew: bool) -> Result<()> {
        let mut state = self.state.lock();
        if anew {
            state.rows = Rows::try_new(&self.schema, self.mode, &self.options)?;
            state.n_changes = 0;
        }
        for delta in deltas {
            state.n_changes += delta.num_rows() as u64;
            match &mut state.rows {
                Rows::Appended(ring) => ring.push(delta.batch().clone())?,
                Rows::Updated(table) => table.apply(delta)?,
            }
        }
        if let Rows::Updated(table) = &mut state.rows {
            table.on_step_end();
        }
        state.version += 1;
        drop(state);
        self.changed.notify_all();
        Ok(())
    }
}

/// Rows as they lie in the view, taken out under the lock.
enum Taken {
    Batches(Vec<RecordBatch>),
    Encoded(EncodedRows),
}

/// The last rows of an append-only result.
#[derive(Debug)]
struct Ring {
    batches: VecDeque<RecordBatch>,
    n_kept: usize,
    n_rows: u64,
    /// Bytes of the rows that are kept.
    n_bytes: usize,
    max_rows: Option<usize>,
}

impl Ring {
    /// Appends, merges small batches like a binary counter (each row is copied a logarithmic
    /// number of times), and forgets what is too old.
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.n_rows += batch.num_rows() as u64;
        self.n_kept += batch.num_rows();
        self.n_bytes += batch_bytes(&batch);
        let mut last = batch;
        while let Some(previous) = self.batches.back() {
            let n_merged = previous.num_rows() + last.num_rows();
            if previous.num_rows() >= 2 * last.num_rows() || n_merged > MAX_MERGED_ROWS {
                break;
            }
            last = concat_batches(&last.schema(), [previous, &last])?;
            self.batches.pop_back();
        }
        self.batches.push_back(last);
        let max_rows = self.max_rows.unwrap_or(usize::MAX);
        while let Some(first) = self.batches.front() {
            if self.n_kept - first.num_rows() < max_rows {
                break;
            }
            self.n_kept -= first.num_rows();
            self.n_bytes = self.n_bytes.saturating_sub(batch_bytes(first));
            self.batches.pop_front();
        }
        Ok(())
    }

    fn last(&self, max_rows: usize) -> Vec<RecordBatch> {
        let mut room = max_rows.min(self.max_rows.unwrap_or(usize::MAX));
        let mut batches = Vec::new();
        for batch in self.batches.iter().rev() {
            if room == 0 {
                break;
            }
            let length = room.min(batch.num_rows());
            batches.push(batch.slice(batch.num_rows() - length, length));
            room -= length;
        }
        batches.reverse();
        batches
    }
}

#[derive(Debug)]
struct ViewSinkFactory {
    view: Arc<MaterializedView>,
    /// How often a job has opened the sink.
    n_runs: AtomicUsize,
}

impl SinkFactory for ViewSinkFactory {
    fn changelog_mode(&self, _requested: ChangelogMode) -> ChangelogMode {
        self.view.mode
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(ViewSink {
            view: Arc::clone(&self.view),
            pending: Vec::new(),
            begins_anew: self.n_runs.fetch_add(1, Ordering::AcqRel) > 0,
        }))
    }
}

#[derive(Debug)]
struct ViewSink {
    view: Arc<MaterializedView>,
    /// Rows of the step that runs.
    pending: Vec<Delta>,
    /// The rows that the view shows are those of an earlier run, which this one gives once more. They
    /// stay until the first of them comes.
    begins_anew: bool,
}

impl Sink for ViewSink {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        self.pending.push(delta.clone());
        Ok(())
    }

    fn on_step_end(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.view.apply(&self.pending, self.begins_anew)?;
            self.pending.clear();
            self.begins_anew = false;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.begins_anew {
            self.view.apply(&[], true)?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        match &self.view.state.lock().rows {
            Rows::Appended(ring) => ring.n_bytes,
            Rows::Updated(table) => table.state_bytes(),
        }
    }

    fn prepare(&mut self, _checkpoint: u64) -> Result<Vec<StateTable>> {
        self.view.save()
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        self.begins_anew = false;
        self.view.restore(tables)
    }
}
