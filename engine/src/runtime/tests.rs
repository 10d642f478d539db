//! The runtime with sources and operators made for the purpose: order, ends, stops, failures.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use parking_lot::Mutex;

use super::{Edge, Exchange, Graph, JobOptions, JobStatus, Node, NodeId, NodeKind, start};
use crate::connectors::collect::{ChangeEvent, ChangeStream, channel};
use crate::connectors::view::{ViewOptions, materialize};
use crate::connectors::{Boundedness, SinkFactory, Source, SourcePoll, SourceReader};
use crate::data::{ChangelogMode, Delta, text};
use crate::error::{EngineError, Result};
use crate::functions::accumulators::{AggregateCall, AggregateFunction};
use crate::operators::{
    Emission, GroupAggregateSpec, LimitSpec, Operator, OperatorFactory, Output, StepContext,
};
use crate::state::ttl::Retention;

const LONG: Duration = Duration::from_secs(20);

fn numbers() -> SchemaRef {
    text::schema(&[("n", DataType::Int64)])
}

fn batch(values: std::ops::Range<i64>) -> Delta {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    Delta::insert_only(RecordBatch::try_new(numbers(), vec![column]).unwrap())
}

/// Gives what the test sends; ends, if bounded, when the test drops its end.
#[derive(Debug)]
struct TestSource {
    polls: Mutex<Option<crossbeam_channel::Receiver<SourcePoll>>>,
    boundedness: Boundedness,
}

impl Source for TestSource {
    fn schema(&self) -> SchemaRef {
        numbers()
    }

    fn boundedness(&self) -> Boundedness {
        self.boundedness
    }

    fn open(&self, _: &[usize], _: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        Ok(vec![Box::new(TestReader(
            self.polls.lock().take().unwrap(),
        ))])
    }
}

struct TestReader(crossbeam_channel::Receiver<SourcePoll>);

impl SourceReader for TestReader {
    fn poll(&mut self, _max_rows: usize) -> Result<SourcePoll> {
        match self.0.recv_timeout(Duration::from_millis(20)) {
            Ok(poll) => Ok(poll),
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => {
                Ok(SourcePoll::Idle(Duration::from_secs(5)))
            }
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => Ok(SourcePoll::End),
        }
    }
}

fn source(boundedness: Boundedness) -> (crossbeam_channel::Sender<SourcePoll>, NodeKind) {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let source = TestSource {
        polls: Mutex::new(Some(receiver)),
        boundedness,
    };
    let kind = NodeKind::Source {
        source: Arc::new(source),
        projection: vec![0],
        watermark: None,
    };
    (sender, kind)
}

fn add(graph: &mut Graph, name: &str, kind: NodeKind, inputs: Vec<Edge>) -> NodeId {
    graph.add(Node {
        operator_id: name.to_owned(),
        name: name.to_owned(),
        kind,
        inputs,
        schema: numbers(),
        changelog_mode: ChangelogMode::INSERT_ONLY,
    })
}

fn edge(from: NodeId, exchange: Exchange) -> Edge {
    Edge::new(from, exchange)
}

/// source → the operator, if any → collect.
fn line(
    source: NodeKind,
    operator: Option<(Arc<dyn OperatorFactory>, Exchange)>,
    max_buffer_rows: usize,
) -> (Graph, ChangeStream) {
    let mut graph = Graph::default();
    let mut last = add(&mut graph, "source", source, Vec::new());
    if let Some((factory, exchange)) = operator {
        let input = vec![edge(last, exchange)];
        last = add(&mut graph, "operator", NodeKind::Operator(factory), input);
    }
    let (sink, stream): (Arc<dyn SinkFactory>, _) = channel(numbers(), max_buffer_rows, false);
    let input = vec![edge(last, Exchange::Forward)];
    add(&mut graph, "sink", NodeKind::Sink(sink), input);
    (graph, stream)
}

fn drain(stream: &ChangeStream) -> Vec<i64> {
    let mut rows = Vec::new();
    loop {
        match stream.next(LONG).unwrap() {
            ChangeEvent::Delta(delta) => {
                let column = delta.batch().column(0);
                let column = column.as_any().downcast_ref::<Int64Array>().unwrap();
                rows.extend_from_slice(column.values());
            }
            ChangeEvent::End => return rows,
            ChangeEvent::Timeout => panic!("nothing came"),
        }
    }
}

fn workers(parallelism: usize) -> JobOptions {
    JobOptions {
        name: "test".to_owned(),
        parallelism,
        min_worker_rows: 1,
        ..JobOptions::default()
    }
}

/// Rows keep their order of arrival on any number of workers: input is spread in runs, and
/// mailboxes are emptied in the order of the senders.
#[test]
fn order_survives_workers_and_exchanges() {
    for parallelism in [1, 2, 3] {
        let (sender, source) = source(Boundedness::Bounded);
        for start in 0..10 {
            sender
                .send(SourcePoll::Rows(batch(start * 100..(start + 1) * 100)))
                .unwrap();
        }
        drop(sender);
        let limit: Arc<dyn OperatorFactory> = Arc::new(LimitSpec {
            offset: 10,
            fetch: Some(500),
        });
        let (graph, stream) = line(source, Some((limit, Exchange::Single)), 100_000);
        let job = start(&graph, workers(parallelism)).unwrap();
        assert_eq!(drain(&stream), (10..510).collect::<Vec<_>>());
        assert!(matches!(job.wait(Some(LONG)), JobStatus::Finished));
        assert!(job.is_bounded());
        let metrics = job.metrics();
        assert_eq!((metrics.records_in, metrics.records_out), (1_000, 500));
        assert_eq!(metrics.nodes[1].records_in, 1_000);
    }
}

/// A hash exchange neither loses nor doubles rows.
#[test]
fn hash_exchange_delivers_each_row_once() {
    let (sender, source) = source(Boundedness::Bounded);
    sender.send(SourcePoll::Rows(batch(0..5_000))).unwrap();
    drop(sender);
    let pass: Arc<dyn OperatorFactory> = Arc::new(LimitSpec {
        offset: 0,
        fetch: None,
    });
    let (graph, stream) = line(source, Some((pass, Exchange::Hash(vec![0]))), 100_000);
    start(&graph, workers(3)).unwrap();
    let mut rows = drain(&stream);
    rows.sort_unstable();
    assert_eq!(rows, (0..5_000).collect::<Vec<_>>());
}

/// One row through an idle job: below two milliseconds, so nothing polls with sleeps. The bound is
/// generous, because tests run on loaded machines.
#[test]
fn single_row_passes_an_idle_job_at_once() {
    let (sender, source) = source(Boundedness::Unbounded);
    let (graph, mut stream) = line(source, None, 1_000);
    let job = start(&graph, workers(2)).unwrap();
    stream.attach(job.clone());
    // The reader is in `poll` and not in its pause: it answers the channel at once.
    let mut best = Duration::MAX;
    for n in 0..50 {
        let sent = Instant::now();
        sender.send(SourcePoll::Rows(batch(n..n + 1))).unwrap();
        assert!(matches!(stream.next(LONG).unwrap(), ChangeEvent::Delta(_)));
        best = best.min(sent.elapsed());
    }
    assert!(best < Duration::from_millis(2), "{best:?}");
    drop(stream);
    assert!(matches!(job.wait(Some(LONG)), JobStatus::Stopped));
}

/// A stop ends a reader's pause of five seconds, and a sink that waits for a client.
#[test]
fn stop_is_prompt() {
    for is_blocked in [false, true] {
        let (sender, source) = source(Boundedness::Unbounded);
        let (graph, stream) = line(source, None, 1);
        let job = start(&graph, workers(1)).unwrap();
        if is_blocked {
            for n in 0..10 {
                sender.send(SourcePoll::Rows(batch(n..n + 1))).unwrap();
            }
        }
        std::thread::sleep(Duration::from_millis(50));
        let asked = Instant::now();
        job.stop();
        assert!(asked.elapsed() < Duration::from_secs(2), "{is_blocked}");
        assert!(matches!(job.status(), JobStatus::Stopped));
        while !matches!(stream.next(LONG).unwrap(), ChangeEvent::End) {}
        assert!(
            super::job::jobs()
                .iter()
                .any(|known| known.id() == job.id())
        );
    }
}

#[derive(Debug, Clone)]
struct Failing {
    panics: bool,
}

impl OperatorFactory for Failing {
    fn create(&self, _: usize, _: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(self.clone()))
    }
}

impl Operator for Failing {
    fn push(&mut self, _: usize, _: Delta, _: &StepContext, _: &mut Output) -> Result<()> {
        assert!(!self.panics, "on purpose");
        Err(EngineError::Data {
            message: "bad row".to_owned(),
        })
    }
}

/// An error or a panic in an operator, on any worker, fails the job and reaches the client.
#[test]
fn failures_reach_the_client() {
    for (panics, parallelism) in [(false, 1), (true, 1), (false, 2), (true, 3)] {
        let (sender, source) = source(Boundedness::Unbounded);
        sender.send(SourcePoll::Rows(batch(0..100))).unwrap();
        let operator: Arc<dyn OperatorFactory> = Arc::new(Failing { panics });
        let (graph, stream) = line(source, Some((operator, Exchange::Hash(vec![0]))), 1_000);
        let job = start(&graph, workers(parallelism)).unwrap();
        let message = stream.next(LONG).unwrap_err().to_string();
        let expected = if panics {
            "internal error: operator panicked: on purpose"
        } else {
            "bad row"
        };
        assert_eq!(message, expected);
        assert!(matches!(job.wait(Some(LONG)), JobStatus::Failed(_)));
    }
}

/// A view of an append-only result counts all rows and keeps the last ones.
#[test]
fn view_keeps_the_last_rows() {
    let (sender, source) = source(Boundedness::Bounded);
    for n in 0..300 {
        sender.send(SourcePoll::Rows(batch(n..n + 1))).unwrap();
    }
    drop(sender);
    let mut graph = Graph::default();
    let from = add(&mut graph, "source", source, Vec::new());
    let options = ViewOptions {
        max_rows: Some(10),
        upsert_key: None,
    };
    let (sink, view) = materialize(numbers(), ChangelogMode::INSERT_ONLY, options).unwrap();
    let input = vec![edge(from, Exchange::Forward)];
    add(&mut graph, "view", NodeKind::Sink(sink), input);
    start(&graph, workers(1)).unwrap().wait(Some(LONG));
    let snapshot = view.snapshot(3).unwrap();
    assert_eq!(snapshot.n_rows, 300);
    assert_eq!(
        text::print_rows(&snapshot.rows).unwrap(),
        [" | 297", " | 298", " | 299"]
    );
    assert_eq!(view.snapshot(100).unwrap().rows.num_rows(), 10);
    assert!(snapshot.version > 0 && snapshot.append_only);
}

/// The limit of the state names the operator that holds most.
#[test]
fn state_above_the_limit_fails_the_job() {
    let (sender, source) = source(Boundedness::Bounded);
    sender.send(SourcePoll::Rows(batch(0..5_000))).unwrap();
    drop(sender);
    let distinct: Arc<dyn OperatorFactory> = Arc::new(GroupAggregateSpec {
        input_schema: numbers(),
        group_columns: vec![0],
        calls: Vec::new(),
        input_retracts: false,
        emission: Emission::NetPerStep,
        update_before: true,
        emit_on_empty: false,
        retention: Retention::Configured,
        schema: numbers(),
    });
    let (graph, stream) = line(source, Some((distinct, Exchange::Hash(vec![0]))), 100_000);
    let options = JobOptions {
        max_memory_bytes: Some(50_000),
        ..workers(2)
    };
    start(&graph, options).unwrap();
    let message = loop {
        match stream.next(LONG) {
            Ok(ChangeEvent::Delta(_)) => {}
            Ok(event) => panic!("{event:?}"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        message.contains("of them are in operator; keep less"),
        "{message}"
    );
}

fn count_of_all(emission: Emission) -> Arc<dyn OperatorFactory> {
    Arc::new(GroupAggregateSpec {
        input_schema: numbers(),
        group_columns: Vec::new(),
        calls: vec![AggregateCall {
            function: AggregateFunction::Count.into(),
            arguments: Vec::new(),
            constants: Vec::new(),
            filter: None,
            distinct: false,
            result: Arc::new(Field::new("n", DataType::Int64, false)),
        }],
        input_retracts: false,
        emission,
        update_before: false,
        emit_on_empty: false,
        retention: Retention::Configured,
        schema: numbers(),
    })
}

/// Rows that are there belong to one step, however many waves they take: of their net change
/// nothing is seen before its end. A job that shows every change takes one wave a step.
#[test]
fn a_long_step_sends_the_net_change_of_its_waves() {
    let counted = |emission: Emission, n_workers: usize| {
        let (sender, source) = source(Boundedness::Bounded);
        sender.send(SourcePoll::Rows(batch(0..90))).unwrap();
        drop(sender);
        let count = count_of_all(emission);
        let (graph, stream) = line(source, Some((count, Exchange::Single)), 100_000);
        let options = JobOptions {
            wave_rows: 10,
            max_step_rows: 60,
            step_time: LONG,
            ..workers(n_workers)
        };
        let job = start(&graph, options).unwrap();
        let rows = drain(&stream);
        job.wait(Some(LONG));
        rows
    };
    for n_workers in [1, 3] {
        assert_eq!(counted(Emission::NetPerStep, n_workers), [60, 90]);
        let every: Vec<i64> = (1..=90).collect();
        assert_eq!(counted(Emission::RowByRow, n_workers), every);
    }
}

/// A LIMIT that has its rows ends its source within the step, however long that may be.
#[test]
fn a_long_step_reads_no_more_than_a_limit_needs() {
    let (sender, source) = source(Boundedness::Bounded);
    sender.send(SourcePoll::Rows(batch(0..90))).unwrap();
    drop(sender);
    let mut graph = Graph::default();
    let source = add(&mut graph, "source", source, Vec::new());
    let limit: Arc<dyn OperatorFactory> = Arc::new(LimitSpec {
        offset: 0,
        fetch: Some(3),
    });
    let input = vec![edge(source, Exchange::Single)];
    let limit = add(&mut graph, "limit", NodeKind::Operator(limit), input);
    let count = NodeKind::Operator(count_of_all(Emission::NetPerStep));
    let count = add(
        &mut graph,
        "count",
        count,
        vec![edge(limit, Exchange::Single)],
    );
    let (sink, stream): (Arc<dyn SinkFactory>, _) = channel(numbers(), 1_000, false);
    let input = vec![edge(count, Exchange::Forward)];
    add(&mut graph, "sink", NodeKind::Sink(sink), input);
    let options = JobOptions {
        wave_rows: 10,
        step_time: LONG,
        ..workers(1)
    };
    let job = start(&graph, options).unwrap();
    assert_eq!(drain(&stream), [3]);
    assert_eq!(job.metrics().records_in, 10);
}

/// Values of the configuration become options, and what is no number is refused.
#[test]
fn configuration_sets_the_size_of_steps() {
    let get = |key: &str| (key == "table.exec.mini-batch.size").then(|| "7".to_owned());
    let options = JobOptions::default().with_config(get).unwrap();
    assert_eq!((options.max_step_rows, options.max_wave_rows()), (7, 7));
    let get = |key: &str| match key {
        "table.exec.mini-batch.enabled" => Some("true".to_owned()),
        "table.exec.mini-batch.allow-latency" => Some("2 s".to_owned()),
        _ => None,
    };
    let options = JobOptions::default().with_config(get).unwrap();
    assert_eq!(options.step_time, Duration::from_secs(2));
    let get = |key: &str| (key == "tidemill.worker.min-rows").then(|| "many".to_owned());
    let error = JobOptions::default().with_config(get).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value 'many' of 'tidemill.worker.min-rows' is no positive number"
    );
}

/// A LIMIT that has its rows ends the job, also over a source that never ends.
#[test]
fn limit_ends_the_job() {
    for parallelism in [1, 2] {
        let (sender, source) = source(Boundedness::Unbounded);
        sender.send(SourcePoll::Rows(batch(0..100))).unwrap();
        let limit: Arc<dyn OperatorFactory> = Arc::new(LimitSpec {
            offset: 0,
            fetch: Some(3),
        });
        let (graph, stream) = line(source, Some((limit, Exchange::Single)), 1_000);
        let job = start(&graph, workers(parallelism)).unwrap();
        assert_eq!(drain(&stream), [0, 1, 2]);
        assert!(matches!(job.wait(Some(LONG)), JobStatus::Finished));
        drop(sender);
    }
}

/// A LIMIT ends its own source only: the job goes on with the other branches, and ends with them.
#[test]
fn limit_ends_its_branch() {
    for parallelism in [1, 2] {
        let (limited, limited_source) = source(Boundedness::Unbounded);
        limited.send(SourcePoll::Rows(batch(0..100))).unwrap();
        let (other, other_source) = source(Boundedness::Bounded);
        other.send(SourcePoll::Rows(batch(500..501))).unwrap();
        let mut graph = Graph::default();
        let left = add(&mut graph, "limited", limited_source, Vec::new());
        let limit: Arc<dyn OperatorFactory> = Arc::new(LimitSpec {
            offset: 0,
            fetch: Some(2),
        });
        let input = vec![edge(left, Exchange::Single)];
        let left = add(&mut graph, "limit", NodeKind::Operator(limit), input);
        let right = add(&mut graph, "other", other_source, Vec::new());
        let inputs = vec![
            edge(left, Exchange::Forward),
            edge(right, Exchange::Forward),
        ];
        let union = add(&mut graph, "union", NodeKind::Union, inputs);
        let (sink, stream): (Arc<dyn SinkFactory>, _) = channel(numbers(), 1_000, false);
        let input = vec![edge(union, Exchange::Forward)];
        add(&mut graph, "sink", NodeKind::Sink(sink), input);
        let job = start(&graph, workers(parallelism)).unwrap();
        drop(other);
        let mut rows = drain(&stream);
        rows.sort_unstable();
        assert_eq!(rows, [0, 1, 500]);
        assert!(matches!(job.wait(Some(LONG)), JobStatus::Finished));
        drop(limited);
    }
}

/// Emits for ever, as a join does where every row meets every other.
#[derive(Debug)]
struct Explosive;

impl OperatorFactory for Explosive {
    fn create(&self, _: usize, _: usize) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Self))
    }
}

impl Operator for Explosive {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        loop {
            out.emit(delta.clone());
            out.require_room(0)?;
        }
    }
}

fn exploding(max_memory_bytes: Option<usize>) -> (super::JobHandle, ChangeStream) {
    let (sender, source) = source(Boundedness::Unbounded);
    sender.send(SourcePoll::Rows(batch(0..50))).unwrap();
    let operator: Arc<dyn OperatorFactory> = Arc::new(Explosive);
    let (graph, stream) = line(source, Some((operator, Exchange::Forward)), 100_000);
    let options = JobOptions {
        max_memory_bytes,
        ..workers(1)
    };
    (start(&graph, options).unwrap(), stream)
}

#[test]
fn a_step_that_explodes_is_stopped() {
    let (job, _stream) = exploding(Some(30 << 20));
    let JobStatus::Failed(error) = job.wait(Some(LONG)) else {
        panic!("{:?}", job.status());
    };
    let message = error.to_string();
    assert!(
        message.starts_with("out of memory: operator has made ")
            && message.contains(" MB of rows in one step beside "),
        "{message}"
    );
}

/// Nobody has to wait for the end of a step that has none.
#[test]
fn a_long_step_can_be_stopped() {
    let (job, _stream) = exploding(Some(usize::MAX));
    job.stop();
    assert!(
        matches!(job.status(), JobStatus::Stopped),
        "{:?}",
        job.status()
    );
}
