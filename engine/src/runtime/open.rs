//! What a job opens before its first step: sources and sinks, as new or as a checkpoint has left
//! them.

use std::sync::Arc;

use super::checkpoint::{ReaderState, ReaderTime, Restored};
use super::event_time::EventTimes;
use super::graph::{Graph, NodeKind};
use super::inbox::Inbox;
use super::options::JobOptions;
use super::parts::parts_read;
use super::positions::Positions;
use super::reader::ReaderThread;
use super::step::JobSink;
use super::watermark::Tracker;
use super::worker::Worker;
use crate::connectors::{Source, SourceReader};
use crate::data::Delta;
use crate::error::Result;

/// Opens the sinks of a graph.
pub(super) fn sinks(graph: &Graph) -> Result<Vec<JobSink>> {
    let mut sinks = Vec::new();
    for (node_idx, node) in graph.nodes.iter().enumerate() {
        if let NodeKind::Sink(factory) = &node.kind {
            let sink = factory.create()?;
            sinks.push(JobSink { node_idx, sink });
        }
    }
    Ok(sinks)
}

/// Gives operators and sinks what the checkpoint has of them.
pub(super) fn restore(
    graph: &Graph,
    restored: &Restored,
    workers: &mut [Worker],
    sinks: &mut [JobSink],
) -> Result<()> {
    for (node_idx, node) in graph.nodes.iter().enumerate() {
        match node.kind {
            NodeKind::Operator(_) => {
                let tables = restored.tables(node_idx, workers.len())?;
                for (worker, tables) in workers.iter_mut().zip(tables) {
                    worker.restore(node_idx, tables)?;
                }
            }
            NodeKind::Sink(_) => {
                let tables = restored.tables(node_idx, 1)?.pop().unwrap_or_default();
                let sink = sinks.iter_mut().find(|sink| sink.node_idx == node_idx);
                if let Some(job_sink) = sink
                    && !tables.is_empty()
                {
                    job_sink.sink.restore(tables)?;
                }
            }
            NodeKind::Source { .. } | NodeKind::Union => {}
        }
    }
    Ok(())
}

/// Opens the sources of a graph; their readers do not run yet.
pub(super) fn sources(
    graph: &Graph,
    options: &JobOptions,
    times: &EventTimes,
    restored: Option<&Restored>,
) -> Result<(Arc<Inbox>, Vec<ReaderThread>, Positions)> {
    let mut opened = Vec::new();
    let mut states = Vec::new();
    for (node_idx, node) in graph.nodes.iter().enumerate() {
        let NodeKind::Source {
            source,
            projection,
            watermark,
        } = &node.kind
        else {
            continue;
        };
        let parts = parts_read(graph, node_idx);
        let mut readers = source.open_parts(projection, &parts, options.parallelism.max(1))?;
        let given = match restored {
            Some(restored) => restored.readers(node_idx)?,
            None => None,
        };
        let given = resume(source.as_ref(), given, &mut readers)?;
        for (reader, (rest, time)) in readers.into_iter().zip(given) {
            let tracker = watermark.clone().map(|mut spec| {
                if times.of_node(node_idx).marks_rows {
                    Arc::make_mut(&mut spec).marks_all_rows = true;
                }
                Tracker::new(spec)
            });
            let tracker = match time {
                Some(time) => tracker.map(|tracker| tracker.resume(time.tracker)),
                None => tracker,
            };
            states.push(ReaderState {
                node_idx,
                position: reader.position(),
                rest,
                time,
            });
            opened.push((projection.len(), reader, tracker));
        }
    }
    let inbox = Arc::new(Inbox::try_new(states, options.max_wave_rows())?);
    let without_input = opened
        .iter()
        .enumerate()
        .filter(|(_, (_, reader, _))| !reader.has_input());
    without_input.for_each(|(reader_idx, _)| inbox.begin_idle(reader_idx));
    let committers = opened.iter().map(|(_, reader, _)| reader.committer());
    let positions = Positions::new(committers.collect());
    let readers = opened
        .into_iter()
        .enumerate()
        .map(|(reader_idx, (n_columns, reader, tracker))| ReaderThread {
            reader,
            tracker,
            reader_idx,
            n_columns,
            max_batch_rows: options.source_batch_rows.max(1),
            inbox: Arc::clone(&inbox),
        })
        .collect();
    Ok((inbox, readers, positions))
}

/// What a reader starts with besides its position: rows that were read and not taken, event time.
type Start = (Option<Delta>, Option<ReaderTime>);

/// Puts the readers of one source where those of the checkpoint stood. If there were more or fewer
/// of them, event time goes on from the one that was furthest behind of those that had begun, and
/// the first reader gives the rows that no step had taken.
fn resume(
    source: &dyn Source,
    given: Option<Vec<ReaderState>>,
    readers: &mut [Box<dyn SourceReader>],
) -> Result<Vec<Start>> {
    let Some(given) = given else {
        return Ok(readers.iter().map(|_| (None, None)).collect());
    };
    let positions: Vec<_> = given.iter().map(|state| state.position.clone()).collect();
    let positions = source.reassign(&positions, readers.len())?;
    for (reader, position) in readers.iter_mut().zip(&positions) {
        reader.seek(position)?;
    }
    if given.len() == readers.len() {
        return Ok(given
            .into_iter()
            .map(|state| (state.rest, state.time))
            .collect());
    }
    let times = given.iter().filter_map(|state| state.time);
    let begun = times.filter(|time| time.tracker.has_begun());
    let time = begun.reduce(ReaderTime::least);
    let rests: Vec<Delta> = given.into_iter().filter_map(|state| state.rest).collect();
    let mut rest = Delta::concat(&rests)?.filter(|rest| rest.num_rows() > 0);
    Ok(readers.iter().map(|_| (rest.take(), time)).collect())
}
