//! Writing a table.
//!
//! ```text
//!   +I +U ─┐              full, old, checkpoint, end
//!   -U -D ─┴▶ buffer.rs ───────────────────────────▶ writer.rs ──BEGIN, upserts, deletes, COMMIT──▶
//!             last change of each key                   again if the connection was lost
//! ```
//!
//! With keys a row replaces the one of its key. Without keys rows are appended, and updates are
//! refused. What waits is written when `sink.buffer-flush.max-rows` changes are there, when the
//! oldest is `sink.buffer-flush.interval` old, with every checkpoint, and at the end: a job that
//! begins again from a checkpoint writes what came after it once more.
//!
//! Source: `JdbcOutputFormat` and `TableBufferReducedStatementExecutor` of version 4.

mod buffer;

mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidemill_engine::Result;
use tidemill_engine::connectors::{CancelSink, Sink, SinkFactory};
use tidemill_engine::data::types::{FlinkType, TypeRoot};
use tidemill_engine::data::{ChangelogMode, Delta};
use tidemill_engine::sql::diagnostics::validation;
use tidemill_engine::state::StateTable;

use self::buffer::Buffer;
use self::writer::Writer;
use crate::options::SinkOptions;
use crate::table::Table;

/// Opens sinks of one table.
#[derive(Debug, Clone)]
pub(crate) struct JdbcSinkFactory {
    pub(crate) table: Table,
    pub(crate) options: SinkOptions,
    /// Columns by which rows are known; empty if they are appended.
    pub(crate) keys: Vec<usize>,
}

impl SinkFactory for JdbcSinkFactory {
    fn changelog_mode(&self, _requested: ChangelogMode) -> ChangelogMode {
        match self.keys.is_empty() {
            true => ChangelogMode::INSERT_ONLY,
            false => ChangelogMode::UPSERT,
        }
    }

    fn check(&self, requested: ChangelogMode) -> Result<()> {
        match self.keys.is_empty() && !requested.is_insert_only() {
            true => Err(validation(
                "please declare primary key for sink table when query contains update/delete \
                 record."
                    .to_owned(),
            )),
            false => Ok(()),
        }
    }

    fn keyed_by(&self, columns: &[usize]) -> Option<Arc<dyn SinkFactory>> {
        let is_wanted = self.options.takes_query_key && self.keys.is_empty();
        is_wanted.then(|| -> Arc<dyn SinkFactory> {
            Arc::new(Self {
                keys: columns.to_vec(),
                ..self.clone()
            })
        })
    }

    /// Of a key only the last change counts; rows without keys only come.
    fn keeps_state(&self) -> bool {
        !self.keys.is_empty() || self.options.takes_query_key
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        let fields = self.table.schema.fields();
        for field in fields {
            if matches!(FlinkType::from_field(field).root, TypeRoot::Array(_)) {
                let dialect = self.table.dialect().name();
                let message = format!("Writing ARRAY type is not yet supported in JDBC:{dialect}.");
                return Err(self.table.problem(&message));
            }
        }
        let is_canceled = Arc::new(AtomicBool::new(false));
        let mut writer = Writer::new(
            self.table.clone(),
            self.keys.clone(),
            self.options.max_retries,
            Arc::clone(&is_canceled),
        );
        // A wrong password and a missing table show before the first row.
        writer.open()?;
        Ok(Box::new(JdbcSink {
            buffer: Buffer::try_new(&self.table.schema, &self.keys)?,
            options: self.options.clone(),
            writer,
            is_canceled,
            waits_since_ms: None,
        }))
    }
}

struct JdbcSink {
    buffer: Buffer,
    options: SinkOptions,
    writer: Writer,
    /// The job is stopped: retries end.
    is_canceled: Arc<AtomicBool>,
    /// When the oldest change came that is not written.
    waits_since_ms: Option<i64>,
}

impl JdbcSink {
    fn flush(&mut self) -> Result<()> {
        self.waits_since_ms = None;
        if self.buffer.n_changes() == 0 {
            return Ok(());
        }
        self.writer.write(self.buffer.changes())?;
        self.buffer.clear();
        Ok(())
    }

    fn due_ms(&self) -> Option<i64> {
        let interval_ms = i64::try_from(self.options.interval.as_millis()).ok()?;
        let since_ms = self.waits_since_ms.filter(|_| interval_ms > 0)?;
        Some(since_ms.saturating_add(interval_ms))
    }
}

impl Sink for JdbcSink {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        if delta.num_rows() == 0 {
            return Ok(());
        }
        self.buffer.push(delta)?;
        self.waits_since_ms.get_or_insert_with(now_ms);
        let max_rows = self.options.max_rows;
        match max_rows > 0 && self.buffer.n_changes() >= max_rows {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn on_step_end(&mut self) -> Result<()> {
        match self.due_ms().is_some_and(|due_ms| due_ms <= now_ms()) {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn next_timer_ms(&self) -> Option<i64> {
        self.due_ms()
    }

    fn finish(&mut self) -> Result<()> {
        self.flush()
    }

    fn prepare(&mut self, _checkpoint: u64) -> Result<Vec<StateTable>> {
        self.flush()?;
        Ok(Vec::new())
    }

    fn state_bytes(&self) -> usize {
        self.buffer.n_bytes()
    }

    fn canceller(&self) -> Option<CancelSink> {
        let is_canceled = Arc::clone(&self.is_canceled);
        Some(Box::new(move || is_canceled.store(true, Ordering::Relaxed)))
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
