//! The connector `snapshot`: one file that always holds the current state of a table.
//!
//! ```text
//!   changes ──▶ rows by primary key ──at most every 'snapshot.interval'──▶ .path.tmp ──rename──▶ path
//! ```
//!
//! Flink's `filesystem` sink only appends; the result of an aggregation changes. This sink, which is
//! Tidemill's own, keeps the newest row of every key in memory and rewrites the whole file, sorted
//! by key, so that a reader of the file sees one state or the next and never a half. It stands where
//! a database table (`jdbc`) would stand and takes the same changelog: upserts by PRIMARY KEY.
//!
//! As a source, the file is read once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use parking_lot::{Condvar, Mutex};

use super::filesystem::{FileSource, local_path, of_io};
use super::{ConnectorFactory, ConnectorTable, Sink, SinkFactory, Source};
use crate::catalog::options::{OptionSpec, TableOptions, optional, required};
use crate::data::{ChangelogMode, Delta};
use crate::error::{EngineError, Result};
use crate::formats::registry::FileFormat;
use crate::state::StateTable;

const IDENTIFIER: &str = "snapshot";

const SPECS: &[OptionSpec] = &[
    required("path"),
    required("format"),
    optional("snapshot.interval"),
];

const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// Makes `snapshot` tables.
#[derive(Debug)]
pub struct SnapshotFactory;

impl ConnectorFactory for SnapshotFactory {
    fn identifier(&self) -> &'static str {
        IDENTIFIER
    }

    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>> {
        let (options, format) = read_options(table)?;
        let path = local_path(&options)?;
        Ok(Arc::new(FileSource::of_file(path, format, &table.schema)))
    }

    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>> {
        let (options, format) = read_options(table)?;
        if table.primary_key.is_empty() {
            return Err(options.error("connector 'snapshot' needs a PRIMARY KEY to write to"));
        }
        let key = table
            .primary_key
            .iter()
            .map(|name| Ok(table.schema.index_of(name)?))
            .collect::<Result<Vec<_>>>()?;
        format.encoder()?;
        Ok(Arc::new(SnapshotSinkFactory {
            path: local_path(&options)?,
            format,
            schema: Arc::clone(&table.schema),
            key,
            interval: options
                .duration("snapshot.interval")?
                .unwrap_or(DEFAULT_INTERVAL),
        }))
    }
}

fn read_options(table: &ConnectorTable) -> Result<(TableOptions<'_>, FileFormat)> {
    let identifier = table.options.get("format").map(String::as_str);
    let mut specs = SPECS.to_vec();
    specs.extend(identifier.map(FileFormat::specs).unwrap_or_default());
    let options = TableOptions::check(&table.name, &table.options, &specs)?;
    let format = FileFormat::find(identifier.unwrap_or_default(), &options, &table.schema)?;
    Ok((options, format))
}

#[derive(Debug, Clone)]
struct SnapshotSinkFactory {
    path: PathBuf,
    format: FileFormat,
    schema: SchemaRef,
    /// Indices of the columns of the primary key.
    key: Vec<usize>,
    interval: Duration,
}

impl SinkFactory for SnapshotSinkFactory {
    fn changelog_mode(&self, _requested: ChangelogMode) -> ChangelogMode {
        ChangelogMode::UPSERT
    }

    fn keeps_state(&self) -> bool {
        true
    }

    fn is_restartable(&self) -> bool {
        false
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        let fields = |columns: &[usize]| {
            let types = columns
                .iter()
                .map(|&at| self.schema.field(at).data_type().clone());
            Ok::<_, EngineError>(RowConverter::new(types.map(SortField::new).collect())?)
        };
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let shared = Arc::new(Shared {
            settings: self.clone(),
            state: Mutex::new(State {
                keys: fields(&self.key)?,
                values: fields(&all)?,
                rows: BTreeMap::new(),
                dirty: true,
                closed: false,
                written: None,
                failure: None,
            }),
            changed: Condvar::new(),
        });
        // The empty table is a state too, and a folder that cannot be written to shows at once.
        shared.write_if_dirty()?;
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("tidemill-snapshot".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| EngineError::connector(IDENTIFIER, error))?;
        Ok(Box::new(SnapshotSink {
            shared,
            thread: Some(thread),
        }))
    }
}

/// The table, between the job that changes it and the thread that writes it down.
struct Shared {
    settings: SnapshotSinkFactory,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    keys: RowConverter,
    values: RowConverter,
    /// Encoded key to encoded row; the encoding sorts as the values do.
    rows: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// The file is older than the rows.
    dirty: bool,
    closed: bool,
    written: Option<Instant>,
    /// Why the thread could not write; told to the job at the next step.
    failure: Option<EngineError>,
}

impl Shared {
    /// The writing thread: waits for a change, then for the interval, then writes. A thread of its
    /// own because an idle job makes no steps, and its last change must reach the file too.
    fn run(&self) {
        loop {
            let mut state = self.state.lock();
            while !state.closed && (!state.dirty || state.failure.is_some()) {
                self.changed.wait(&mut state);
            }
            let due = state
                .written
                .map(|written| written + self.settings.interval);
            while !state.closed && due.is_some_and(|due| Instant::now() < due) {
                if let Some(due) = due {
                    self.changed.wait_until(&mut state, due);
                }
            }
            if state.closed {
                return;
            }
            drop(state);
            if let Err(error) = self.write_if_dirty() {
                self.state.lock().failure = Some(error);
            }
        }
    }

    /// Writes the rows of this moment. The lock is held while they are encoded, not while the file
    /// is written.
    fn write_if_dirty(&self) -> Result<()> {
        let mut bytes = Vec::new();
        {
            let mut state = self.state.lock();
            if !state.dirty {
                return Ok(());
            }
            let mut encoder = self.settings.format.encoder()?;
            encoder.encode(&state.batch(&self.settings.schema)?, &mut bytes)?;
            encoder.finish(&mut bytes)?;
            state.dirty = false;
            state.written = Some(Instant::now());
        }
        replace_file(&self.settings.path, &bytes)
    }
}

impl State {
    fn batch(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let parser = self.values.parser();
        let rows = self.rows.values().map(|row| parser.parse(row));
        let columns: Vec<ArrayRef> = self.values.convert_rows(rows)?;
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }

    fn apply(&mut self, delta: &Delta, key: &[usize]) -> Result<()> {
        let columns = delta.batch().columns();
        let key_columns: Vec<ArrayRef> = key
            .iter()
            .filter_map(|&at| columns.get(at).map(Arc::clone))
            .collect();
        let keys = self.keys.convert_columns(&key_columns)?;
        let values = self.values.convert_columns(columns)?;
        for (row_idx, (key, value)) in keys.iter().zip(values.iter()).enumerate() {
            match delta.kind(row_idx).sign() {
                1 => {
                    self.rows.insert(key.as_ref().into(), value.as_ref().into());
                }
                _ => {
                    self.rows.remove(key.as_ref());
                }
            }
        }
        self.dirty = true;
        Ok(())
    }
}

/// Puts a new content in the place of the old one, so that no reader sees a half of it.
fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| of_io(folder, &error))?;
    }
    fs::write(&temporary, bytes).map_err(|error| of_io(&temporary, &error))?;
    fs::rename(&temporary, path).map_err(|error| of_io(path, &error))
}

struct SnapshotSink {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotSink {
    fn close(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the writing thread has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Sink for SnapshotSink {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        self.shared
            .state
            .lock()
            .apply(delta, &self.shared.settings.key)
    }

    fn on_step_end(&mut self) -> Result<()> {
        let failure = self.shared.state.lock().failure.take();
        self.shared.changed.notify_all();
        failure.map_or(Ok(()), Err)
    }

    fn finish(&mut self) -> Result<()> {
        self.close();
        self.shared.write_if_dirty()
    }

    fn prepare(&mut self, _checkpoint: u64) -> Result<Vec<StateTable>> {
        let batch = self
            .shared
            .state
            .lock()
            .batch(&self.shared.settings.schema)?;
        Ok(vec![StateTable {
            name: "rows",
            batch,
            key_columns: Vec::new(),
        }])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        tables
            .into_iter()
            .try_for_each(|table| self.write(&Delta::insert_only(table.batch)))?;
        self.on_step_end()
    }
}

impl Drop for SnapshotSink {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::connectors::SourcePoll;
    use crate::data::RowKind;

    fn table(path: &Path, interval: &str) -> ConnectorTable {
        let text = path.to_string_lossy().into_owned();
        let options = [
            ("path", text.as_str()),
            ("format", "csv"),
            ("snapshot.interval", interval),
        ];
        ConnectorTable {
            name: "t".to_owned(),
            schema: Arc::new(Schema::new(vec![
                Field::new("k", DataType::Utf8, false),
                Field::new("n", DataType::Int64, true),
            ])),
            metadata: Vec::new(),
            primary_key: vec!["k".to_owned()],
            partition_keys: Vec::new(),
            options: options
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            time_zone: "UTC".to_owned(),
        }
    }

    fn delta(schema: &SchemaRef, rows: &[(RowKind, &str, i64)]) -> Delta {
        let keys: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
        let counts: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2)));
        let batch = RecordBatch::try_new(Arc::clone(schema), vec![keys, counts]).unwrap();
        Delta::try_new(batch, rows.iter().map(|row| row.0).collect()).unwrap()
    }

    #[test]
    fn the_file_holds_the_newest_row_of_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub").join("state.csv");
        let table = table(&path, "1 h");
        let factory = SnapshotFactory.sink(&table).unwrap();
        assert_eq!(
            factory.changelog_mode(ChangelogMode::ALL),
            ChangelogMode::UPSERT
        );
        let mut sink = factory.create().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        let rows = [
            (RowKind::Insert, "b", 1),
            (RowKind::Insert, "a", 1),
            (RowKind::UpdateAfter, "b", 2),
            (RowKind::Insert, "gone", 1),
            (RowKind::Delete, "gone", 1),
        ];
        sink.write(&delta(&table.schema, &rows)).unwrap();
        sink.on_step_end().unwrap();
        sink.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a,1\nb,2\n");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let source = SnapshotFactory.source(&table).unwrap();
        let mut reader = source.open(&[1], 1).unwrap().remove(0);
        let SourcePoll::Rows(read) = reader.poll(10).unwrap() else {
            panic!("two rows");
        };
        assert_eq!(read.num_rows(), 2);
    }

    #[test]
    fn an_idle_job_still_writes_its_last_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.csv");
        let table = table(&path, "20 ms");
        let mut sink = SnapshotFactory.sink(&table).unwrap().create().unwrap();
        sink.write(&delta(&table.schema, &[(RowKind::Insert, "a", 1)]))
            .unwrap();
        sink.on_step_end().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while fs::read_to_string(&path).unwrap() != "a,1\n" {
            assert!(
                Instant::now() < deadline,
                "the change does not reach the file"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_primary_key_is_needed() {
        let mut table = table(Path::new("/tmp/x"), "1 s");
        table.primary_key.clear();
        let error = SnapshotFactory.sink(&table).unwrap_err().to_string();
        assert_eq!(
            error,
            "table 't': connector 'snapshot' needs a PRIMARY KEY to write to"
        );
    }
}
