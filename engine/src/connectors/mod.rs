//! The seams to the outside: sources, sinks, and the factories that the catalog finds by the
//! option `'connector'`.
//!
//! ```text
//!   WITH ('connector' = 'filesystem', …) ──ConnectorFactory──▶ Source ──open──▶ SourceReader (one a split, own thread)
//!                                                          └─▶ SinkFactory ──▶ Sink (one a job, called between workers' steps)
//! ```

pub mod blackhole;

pub mod datagen;

pub mod filesystem;

pub mod nexmark;

pub mod print;

pub mod snapshot;

pub mod registry;

pub mod values;

pub mod collect;

mod delivered;

pub mod view;

pub mod lookup;

mod slots;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{FieldRef, SchemaRef};

use crate::data::{ChangelogMode, Delta, Parts};
use crate::error::{EngineError, Result};
use crate::functions::udf::UdfSpec;
use crate::sql::diagnostics::validation;
use crate::state::StateTable;

/// The error for reading a table whose connector only writes.
fn sink_only(table: &str, connector: &str) -> EngineError {
    validation(format!(
        "unable to create a source for reading table '{table}': connector '{connector}' can only \
         be used as a sink"
    ))
}

/// The error for writing a table whose connector only reads.
fn source_only(table: &str, connector: &str) -> EngineError {
    validation(format!(
        "unable to create a sink for writing table '{table}': connector '{connector}' can only be \
         used as a source"
    ))
}

/// Whether a source ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundedness {
    /// The source ends: files listed once, a number of rows.
    Bounded,
    /// The source goes on until the job is stopped: a watched folder, a topic.
    Unbounded,
}

/// A table's physical source. Opened anew by every job that reads it.
pub trait Source: Send + Sync + Debug {
    /// Schema of the rows, in the order of the table's physical columns.
    fn schema(&self) -> SchemaRef;

    /// Whether it ends.
    fn boundedness(&self) -> Boundedness;

    /// The kinds of rows it sends.
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    /// How rows are found by key; `None` if the table can only be read as a whole.
    fn lookup(&self) -> Option<Arc<dyn lookup::Lookup>> {
        None
    }

    /// Opens the readers. Each is driven by a thread of its own; together they deliver every row
    /// once. `parallelism` is how many are useful; one is always right.
    ///
    /// `projection` lists the columns that are needed, ascending; the readers give just these.
    ///
    /// # Errors
    /// If the outside cannot be reached.
    fn open(&self, projection: &[usize], parallelism: usize) -> Result<Vec<Box<dyn SourceReader>>>;

    /// As [`Self::open`], for somebody who looks only at `parts` of the columns, in their order:
    /// what is in other parts may come as NULL.
    ///
    /// # Errors
    /// As [`Self::open`].
    fn open_parts(
        &self,
        projection: &[usize],
        _parts: &[Parts],
        parallelism: usize,
    ) -> Result<Vec<Box<dyn SourceReader>>> {
        self.open(projection, parallelism)
    }

    /// The position from which each of `n_readers` readers goes on, given where the readers of a
    /// checkpoint stood, which may have been more or fewer.
    ///
    /// # Errors
    /// If what has been read cannot be dealt out so.
    fn reassign(
        &self,
        positions: &[serde_json::Value],
        n_readers: usize,
    ) -> Result<Vec<serde_json::Value>> {
        if positions.len() == n_readers {
            return Ok(positions.to_vec());
        }
        Err(EngineError::unsupported(format!(
            "restoring a source that had {} readers with {n_readers} of them",
            positions.len()
        )))
    }
}

/// One split, or a share of the splits, of a source. Lives on a connector thread.
pub trait SourceReader: Send {
    /// Reads on. May block up to about 100 ms; gives batches of at most `max_rows`.
    ///
    /// # Errors
    /// An error ends the job.
    fn poll(&mut self, max_rows: usize) -> Result<SourcePoll>;

    /// Whether there is anything that it reads: of a folder that is watched some readers may have no
    /// file. One without input does not hold event time back.
    fn has_input(&self) -> bool {
        true
    }

    /// Where the reader stands after the last batch it gave, or before the first, as something that
    /// a checkpoint can keep: from there the same rows follow. `Null` if the source cannot seek.
    fn position(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// For readers that tell the outside how far they have come, beside the checkpoints: takes the
    /// positions of which a checkpoint is complete. Asked for once, before the first poll.
    fn committer(&self) -> Option<CommitPosition> {
        None
    }

    /// Continues from a position that [`Self::position`] gave. Called before the first poll.
    ///
    /// # Errors
    /// If the source cannot seek, or what the position names is gone.
    fn seek(&mut self, _position: &serde_json::Value) -> Result<()> {
        Err(EngineError::unsupported(
            "restoring this source from a position",
        ))
    }
}

/// Tells the outside where a reader stood. Called between two steps, so it does not wait; what
/// cannot be told now is told with the next checkpoint.
pub type CommitPosition = Box<dyn Fn(&serde_json::Value) + Send>;

/// What a reader has to say.
#[derive(Debug)]
pub enum SourcePoll {
    /// Rows.
    Rows(Delta),
    /// Nothing now; look again after at most this long (the reader may be polled earlier).
    Idle(Duration),
    /// Nothing any more.
    End,
}

/// A job's end of a table that is written to. One instance a job; never called concurrently.
pub trait Sink: Send {
    /// Takes changes. They are visible outside after [`Self::on_step_end`] at the earliest.
    ///
    /// # Errors
    /// An error ends the job.
    fn write(&mut self, delta: &Delta) -> Result<()>;

    /// The step is over: flush what should be seen.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn on_step_end(&mut self) -> Result<()> {
        Ok(())
    }

    /// The event time up to which rows are complete, in milliseconds since 1970. Told before
    /// [`Self::on_step_end`] of the step that brought it there; `i64::MAX` at the end of bounded
    /// input.
    fn on_watermark(&mut self, _watermark_ms: i64) {}

    /// When a step is due even if no rows come, in milliseconds since 1970.
    fn next_timer_ms(&self) -> Option<i64> {
        None
    }

    /// The job has ended by itself or was stopped: commit what is pending. Not called if it failed.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    /// The job has failed: drop what is pending, tell who waits.
    fn fail(&mut self, _error: &EngineError) {}

    /// The run has failed, and the job begins again with another one, which opens the sink anew: drop
    /// what is pending.
    fn interrupt(&mut self, error: &EngineError) {
        self.fail(error);
    }

    /// Bytes of memory that the sink holds. Cheap: called after every step.
    fn state_bytes(&self) -> usize {
        0
    }

    /// The job is saved from time to time: what is written must not be seen before the checkpoint
    /// that it belongs to is complete, if the sink can see to that. Called before the first write.
    fn expect_checkpoints(&mut self) {}

    /// A checkpoint is made, between two steps: what this sink has to know to go on from here.
    /// A transactional sink makes what was written since the last checkpoint durable, without
    /// showing it, and names it here; it shows it in [`Self::commit`].
    ///
    /// # Errors
    /// As [`Self::write`]; the checkpoint comes to nothing.
    fn prepare(&mut self, _checkpoint: u64) -> Result<Vec<StateTable>> {
        Ok(Vec::new())
    }

    /// The checkpoint is complete: what was prepared for it and for those before it is to be shown.
    /// Not called for a checkpoint that came to nothing: what it prepared belongs to the next one.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn commit(&mut self, _checkpoint: u64) -> Result<()> {
        Ok(())
    }

    /// Takes up what [`Self::prepare`] gave. Called before the first write. What a transactional
    /// sink had prepared may have been shown or not: it is shown now if it was not.
    ///
    /// # Errors
    /// If the tables are not its own, or the outside has lost what they name.
    fn restore(&mut self, _tables: Vec<StateTable>) -> Result<()> {
        Ok(())
    }

    /// For sinks whose [`Self::write`] or [`Self::on_step_end`] may wait for a reader: what makes
    /// them return soon. Asked for once, before the first write; called from any thread when the
    /// job is stopped.
    fn canceller(&self) -> Option<CancelSink> {
        None
    }
}

/// Ends the waiting of a sink.
pub type CancelSink = Box<dyn Fn() + Send + Sync>;

/// Makes a job's sink.
pub trait SinkFactory: Send + Sync + Debug {
    /// The kinds of rows that the sink takes, where a query can send those of `requested`. One
    /// that takes updates without `-U` knows its rows by the table's PRIMARY KEY, and takes a `-U`
    /// that comes all the same as a deletion.
    fn changelog_mode(&self, requested: ChangelogMode) -> ChangelogMode;

    /// Tests whether the sink can take what a query sends at all, in the connector's own words.
    ///
    /// # Errors
    /// A validation error, if it cannot.
    fn check(&self, _requested: ChangelogMode) -> Result<()> {
        Ok(())
    }

    /// The same sink where the table has no PRIMARY KEY and these columns, the upsert key of the
    /// query, stand in for one: so did tables of databases up to Flink 1.13. `None` if the table
    /// does not say so.
    fn keyed_by(&self, _columns: &[usize]) -> Option<Arc<dyn SinkFactory>> {
        None
    }

    /// Whether only the state behind a step counts for it, so that changes in between may be left
    /// out.
    fn keeps_state(&self) -> bool {
        false
    }

    /// Whether a job that has failed may open the sink again and write what comes since its last
    /// checkpoint once more. Not where somebody has seen rows that cannot be taken back.
    fn is_restartable(&self) -> bool {
        true
    }

    /// Opens the sink for one job, or for one run of a job that begins again.
    ///
    /// # Errors
    /// If the outside cannot be reached.
    fn create(&self) -> Result<Box<dyn Sink>>;

    /// The job has ended between two runs, while no sink was open: tell who waits.
    fn close(&self, _end: Result<()>) {}

    /// The same sink for INSERT OVERWRITE: what is written replaces what is there. `None` if the
    /// connector cannot.
    fn overwriting(&self) -> Option<Arc<dyn SinkFactory>> {
        None
    }
}

/// What a connector learns about the table that names it.
#[derive(Debug, Clone)]
pub struct ConnectorTable {
    /// `catalog.database.table`, for messages.
    pub name: String,
    /// Physical columns only, with Flink's types in the fields' metadata (`data::types`).
    pub schema: SchemaRef,
    /// For a source the metadata that is read: columns behind those of the schema. For a sink what
    /// is written beside the physical columns: columns of these names stand among the rows'. Keys
    /// are the connector's.
    pub metadata: Vec<MetadataColumn>,
    /// Column names of the primary key; empty without one.
    pub primary_key: Vec<String>,
    /// Partition columns; empty without any.
    pub partition_keys: Vec<String>,
    /// The options of WITH, all of them, hints merged in.
    pub options: BTreeMap<String, String>,
    /// The session's time zone, an IANA name.
    pub time_zone: String,
}

/// Something that a connector tells about every row beside the row itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataKey {
    /// The key in METADATA FROM.
    pub key: &'static str,
    /// Flink's text of its type.
    pub data_type: &'static str,
}

/// A column that a source gives, or a sink takes, for a metadata key.
#[derive(Debug, Clone)]
pub struct MetadataColumn {
    /// The key.
    pub key: String,
    /// Name and type of the column in the source's schema, or among the rows for the sink.
    pub field: FieldRef,
}

/// A kind of table, found by the option `'connector'`.
pub trait ConnectorFactory: Send + Sync + Debug {
    /// The identifier in WITH.
    fn identifier(&self) -> &'static str;

    /// The metadata that a source of this kind can read, sorted by key.
    fn metadata(&self) -> &'static [MetadataKey] {
        &[]
    }

    /// The metadata that a sink of this kind takes, sorted by key. Rows carry it in the types told
    /// here, nullable.
    fn writable_metadata(&self) -> &'static [MetadataKey] {
        &[]
    }

    /// A function that comes with the connector, by the class that CREATE FUNCTION names in Flink.
    fn function(&self, _class: &str) -> Option<UdfSpec> {
        None
    }

    /// Reads the options for use as a source.
    ///
    /// # Errors
    /// `Options` for unknown, missing or malformed ones, with the list of those that exist;
    /// `Unsupported` if this connector is no source.
    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>>;

    /// Reads the options for use as a sink.
    ///
    /// # Errors
    /// As [`Self::source`].
    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>>;
}
