//! The connector `print`: a sink that writes every change as a line of text.
//!
//! ```text
//!   +I[河北省, 1]            without 'print-identifier'
//!   stats> -U[河北省, 1]     with 'print-identifier' = 'stats'
//! ```
//!
//! Where the lines go is up to the process: [`set_print_target`] sends them elsewhere than to the
//! process's own stdout and stderr. The target is asked once, when the statement that writes is
//! planned, so that a notebook can tie the lines to the cell that started the job.
//!
//! The sink runs once a job, so lines never carry Flink's subtask number, and `sink.parallelism`
//! changes nothing.

use std::fmt::Debug;
use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;

use super::{ConnectorFactory, ConnectorTable, Sink, SinkFactory, Source, sink_only};
use crate::catalog::options::{OptionSpec, TableOptions, optional};
use crate::data::{ChangelogMode, Delta};
use crate::error::{EngineError, Result};
use crate::formats::row_text::write_row;

const IDENTIFIER: &str = "print";

const SPECS: &[OptionSpec] = &[
    optional("print-identifier"),
    optional("sink.parallelism"),
    optional("standard-error"),
];

/// Where printed lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrintStream {
    /// The default.
    Stdout,
    /// With `'standard-error' = 'true'`.
    Stderr,
}

/// Takes printed lines of one job.
pub trait PrintWriter: Send + Sync + Debug {
    /// Takes whole lines, each with its line end. Called from the job's thread.
    ///
    /// # Errors
    /// An error ends the job.
    fn write(&self, stream: PrintStream, lines: &str) -> Result<()>;
}

/// Knows where the lines of a new job should go.
pub trait PrintTarget: Send + Sync + Debug {
    /// The writer for a job that is being started. Called on the thread that runs the statement.
    fn writer(&self) -> Arc<dyn PrintWriter>;
}

static TARGET: LazyLock<RwLock<Arc<dyn PrintTarget>>> =
    LazyLock::new(|| RwLock::new(Arc::new(ProcessStreams)));

/// Sends the lines of jobs that are started from now on to `target`.
pub fn set_print_target(target: Arc<dyn PrintTarget>) {
    *TARGET.write() = target;
}

/// The stdout and stderr of this process.
#[derive(Debug)]
struct ProcessStreams;

impl PrintTarget for ProcessStreams {
    fn writer(&self) -> Arc<dyn PrintWriter> {
        Arc::new(Self)
    }
}

impl PrintWriter for ProcessStreams {
    fn write(&self, stream: PrintStream, lines: &str) -> Result<()> {
        match stream {
            PrintStream::Stdout => std::io::stdout().lock().write_all(lines.as_bytes()),
            PrintStream::Stderr => std::io::stderr().lock().write_all(lines.as_bytes()),
        }
        .map_err(|error| EngineError::connector(IDENTIFIER, error))
    }
}

/// Makes `print` tables.
#[derive(Debug)]
pub struct PrintFactory;

impl ConnectorFactory for PrintFactory {
    fn identifier(&self) -> &'static str {
        IDENTIFIER
    }

    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>> {
        Err(sink_only(&table.name, "print"))
    }

    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>> {
        let options = TableOptions::check(&table.name, &table.options, SPECS)?;
        options.parse::<std::num::NonZeroU32>("sink.parallelism", "a number above zero")?;
        let stream = match options.flag("standard-error")? {
            Some(true) => PrintStream::Stderr,
            _ => PrintStream::Stdout,
        };
        let target = Arc::clone(&TARGET.read());
        Ok(Arc::new(PrintSinkFactory {
            prefix: match options.text("print-identifier") {
                None | Some("") => String::new(),
                Some(identifier) => format!("{identifier}> "),
            },
            stream,
            writer: target.writer(),
        }))
    }
}

#[derive(Debug, Clone)]
struct PrintSinkFactory {
    prefix: String,
    stream: PrintStream,
    writer: Arc<dyn PrintWriter>,
}

impl SinkFactory for PrintSinkFactory {
    /// What comes.
    fn changelog_mode(&self, requested: ChangelogMode) -> ChangelogMode {
        requested
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(PrintSink {
            settings: self.clone(),
            lines: String::new(),
        }))
    }
}

#[derive(Debug)]
struct PrintSink {
    settings: PrintSinkFactory,
    lines: String,
}

impl Sink for PrintSink {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        self.lines.clear();
        for row_idx in 0..delta.num_rows() {
            self.lines.push_str(&self.settings.prefix);
            let columns = delta.batch().columns().iter().map(|column| &**column);
            write_row(delta.kind(row_idx), columns, row_idx, &mut self.lines)?;
            self.lines.push('\n');
        }
        self.settings
            .writer
            .write(self.settings.stream, &self.lines)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use arrow::array::builder::{Int32Builder, MapBuilder, StringBuilder};
    use arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
        Float64Array, Int32Array, ListArray, RecordBatch, StringArray, StructArray,
        Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    };
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use parking_lot::Mutex;

    use super::*;
    use crate::data::RowKind;

    #[derive(Debug, Default)]
    struct Lines(Mutex<Vec<(PrintStream, String)>>);

    impl PrintWriter for Lines {
        fn write(&self, stream: PrintStream, lines: &str) -> Result<()> {
            self.0.lock().push((stream, lines.to_owned()));
            Ok(())
        }
    }

    #[derive(Debug)]
    struct Target(Arc<Lines>);

    impl PrintTarget for Target {
        fn writer(&self) -> Arc<dyn PrintWriter> {
            Arc::clone(&self.0) as Arc<dyn PrintWriter>
        }
    }

    fn table(options: &[(&str, &str)]) -> ConnectorTable {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        ConnectorTable {
            name: "t".to_owned(),
            schema: Arc::new(Schema::empty()),
            metadata: Vec::new(),
            primary_key: Vec::new(),
            partition_keys: Vec::new(),
            options: options.collect::<BTreeMap<_, _>>(),
            time_zone: "UTC".to_owned(),
        }
    }

    fn row_text(columns: Vec<ArrayRef>) -> String {
        let mut out = String::new();
        write_row(
            RowKind::Insert,
            columns.iter().map(|column| &**column),
            0,
            &mut out,
        )
        .unwrap();
        out
    }

    #[test]
    fn lines_go_to_the_target_of_the_moment_of_planning() {
        let lines = Arc::new(Lines::default());
        set_print_target(Arc::new(Target(Arc::clone(&lines))));
        let factory = PrintFactory
            .sink(&table(&[
                ("print-identifier", "id"),
                ("standard-error", "TRUE"),
            ]))
            .unwrap();
        set_print_target(Arc::new(ProcessStreams));
        let column: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
        let kinds = vec![RowKind::UpdateBefore, RowKind::UpdateAfter];
        let mut sink = factory.create().unwrap();
        sink.write(&Delta::try_new(batch, kinds).unwrap()).unwrap();
        let expected = "id> -U[a]\nid> +U[b]\n".to_owned();
        assert_eq!(*lines.0.lock(), [(PrintStream::Stderr, expected)]);
        assert!(PrintFactory.sink(&table(&[("identifier", "x")])).is_err());
        assert!(PrintFactory.source(&table(&[])).is_err());
    }

    // Source: printed by Flink 2.3.0 from the same values.
    #[test]
    fn rows_read_as_in_java() {
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        map.keys().append_value("a");
        map.values().append_null();
        map.keys().append_value("b");
        map.values().append_value(2);
        map.append(true).unwrap();
        let row = StructArray::from(vec![
            (
                Arc::new(Field::new("x", DataType::Int32, true)),
                Arc::new(Int32Array::from(vec![1])) as ArrayRef,
            ),
            (
                Arc::new(Field::new("y", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef,
            ),
        ]);
        let millis = 1_577_836_800_000;
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]);
        let text = row_text(vec![
            Arc::new(BooleanArray::from(vec![true])),
            Arc::new(BinaryArray::from(vec![&b"\xffA"[..]])),
            Arc::new(
                Decimal128Array::from(vec![100])
                    .with_precision_and_scale(30, 10)
                    .unwrap(),
            ),
            Arc::new(Float32Array::from(vec![1.1])),
            Arc::new(Float64Array::from(vec![1e10])),
            Arc::new(Date32Array::from(vec![18_262])),
            Arc::new(Time32MillisecondArray::from(vec![36_000_000])),
            Arc::new(Time32MillisecondArray::from(vec![36_672_500])),
            Arc::new(TimestampMillisecondArray::from(vec![millis])),
            Arc::new(TimestampMicrosecondArray::from(vec![
                millis * 1000 + 1_123_456,
            ])),
            Arc::new(TimestampMillisecondArray::from(vec![millis + 1_001]).with_timezone("UTC")),
            Arc::new(TimestampMillisecondArray::from(vec![millis]).with_timezone("UTC")),
            Arc::new(list),
            Arc::new(map.finish()),
            Arc::new(row),
            Arc::new(Int32Array::new_null(1)),
        ]);
        assert_eq!(
            text,
            "+I[true, [-1, 65], 1.00E-8, 1.1, 1.0E10, 2020-01-01, 10:00, 10:11:12.500, \
             2020-01-01T00:00, 2020-01-01T00:00:01.123456, 2020-01-01T00:00:01.001Z, \
             2020-01-01T00:00:00Z, [1, null], {a=null, b=2}, +I[1, null], null]"
        );
    }
}
