//! From connector threads to the job: one thread a reader polls and offers what it gets to the
//! job's inbox, which is bounded; the job admits from it what fits into a step.
//!
//! ```text
//!   SourceReader ──poll──▶ reader thread ──offer──▶ ┌───────┐
//!   SourceReader ──poll──▶ reader thread ──offer──▶ │ Inbox │ ──admit──▶ step
//!                                 ▲   waits if full └───────┘ waits if empty
//!                                 └──────── stop() wakes everybody ─────────┘
//! ```

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::panic_error;
use crate::connectors::{SourcePoll, SourceReader};
use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};

/// Where reader threads leave their rows. Never held while a reader, an operator or a sink works.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Rows, an end, a failure or a stop: wakes the job.
    arrived: Condvar,
    /// Room in a queue, or a stop: wakes the readers.
    room: Condvar,
    /// A reader waits while its queue holds so many rows or more.
    max_queue_rows: usize,
}

#[derive(Debug)]
struct State {
    queues: Vec<Queue>,
    stop: bool,
}

#[derive(Debug)]
struct Queue {
    /// Index of the source's node.
    node_idx: usize,
    deltas: VecDeque<(Delta, serde_json::Value)>,
    n_rows: usize,
    ended: bool,
    /// Nobody needs more of its rows, although the source may have some.
    closed: bool,
    /// Told after the rows that came before it.
    failure: Option<EngineError>,
    /// Where the reader stood after the last batch that was admitted completely.
    position: serde_json::Value,
}

/// What a step gets.
#[derive(Debug)]
pub(super) enum Admission {
    /// Rows of source nodes, in order of arrival for each reader; `ended` says that nothing
    /// follows.
    Step {
        rows: Vec<(usize, Delta)>,
        ended: bool,
    },
    /// Somebody stopped the job.
    Stopped,
    /// A reader failed.
    Failed(EngineError),
}

impl Inbox {
    /// An inbox with one queue for each reader; `node_idxs` says to which node it belongs.
    pub(super) fn new(node_idxs: Vec<usize>, max_queue_rows: usize) -> Self {
        let queues = node_idxs
            .into_iter()
            .map(|node_idx| Queue {
                node_idx,
                deltas: VecDeque::new(),
                n_rows: 0,
                ended: false,
                closed: false,
                failure: None,
                position: serde_json::Value::Null,
            })
            .collect();
        Self {
            state: Mutex::new(State {
                queues,
                stop: false,
            }),
            arrived: Condvar::new(),
            room: Condvar::new(),
            max_queue_rows: max_queue_rows.max(1),
        }
    }

    /// Ends the job at the next step boundary and all waiting at once. Rows that were not admitted
    /// are dropped: handles keep the inbox longer than the job runs.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.stop = true;
        let dropped: Vec<_> = state
            .queues
            .iter_mut()
            .map(|queue| {
                queue.n_rows = 0;
                std::mem::take(&mut queue.deltas)
            })
            .collect();
        drop(state);
        drop(dropped);
        self.arrived.notify_all();
        self.room.notify_all();
    }

    /// Waits until there is something to do, then takes at most `max_rows` rows, shared evenly by
    /// the readers that have some.
    pub(super) fn admit(&self, max_rows: usize) -> Admission {
        let mut state = self.state.lock();
        loop {
            if state.stop {
                return Admission::Stopped;
            }
            if state.queues.iter().any(|queue| queue.n_rows > 0) {
                break;
            }
            if let Some(failure) = state.queues.iter().find_map(|queue| queue.failure.clone()) {
                return Admission::Failed(failure);
            }
            if state.queues.iter().all(|queue| queue.ended) {
                return Admission::Step {
                    rows: Vec::new(),
                    ended: true,
                };
            }
            self.arrived.wait(&mut state);
        }
        let n_ready = state.queues.iter().filter(|queue| queue.n_rows > 0).count();
        let share = (max_rows / n_ready.max(1)).max(1);
        let mut rows = Vec::new();
        for queue in &mut state.queues {
            queue.admit(share, &mut rows);
        }
        let ended = state
            .queues
            .iter()
            .all(|queue| queue.ended && queue.n_rows == 0 && queue.failure.is_none());
        drop(state);
        self.room.notify_all();
        Admission::Step { rows, ended }
    }

    /// Ends the readers of a source whose rows nobody needs; what they left here is dropped.
    pub(super) fn close_source(&self, node_idx: usize) {
        let mut state = self.state.lock();
        let mut dropped = Vec::new();
        for queue in &mut state.queues {
            if queue.node_idx == node_idx && !queue.closed {
                queue.closed = true;
                queue.ended = true;
                queue.failure = None;
                queue.n_rows = 0;
                dropped.push(std::mem::take(&mut queue.deltas));
            }
        }
        drop(state);
        if !dropped.is_empty() {
            self.room.notify_all();
        }
    }

    /// Whether this reader can end: the job was stopped, or nobody needs its rows.
    fn is_closed(&self, reader_idx: usize) -> bool {
        self.state.lock().is_closed(reader_idx)
    }

    /// Hands over rows; waits for room. False if nobody wants them any more.
    fn offer(&self, reader_idx: usize, delta: Delta, position: serde_json::Value) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.is_closed(reader_idx) {
                return false;
            }
            let Some(queue) = state.queues.get_mut(reader_idx) else {
                return false;
            };
            if queue.n_rows < self.max_queue_rows {
                queue.n_rows += delta.num_rows();
                queue.deltas.push_back((delta, position));
                break;
            }
            self.room.wait(&mut state);
        }
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// Waits for `duration`. False if nobody wants more rows of this reader.
    fn idle(&self, reader_idx: usize, duration: Duration) -> bool {
        let deadline = Instant::now() + duration;
        let mut state = self.state.lock();
        while !state.is_closed(reader_idx) {
            if self.room.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        !state.is_closed(reader_idx)
    }

    fn close(&self, reader_idx: usize, failure: Option<EngineError>) {
        let mut state = self.state.lock();
        if let Some(queue) = state.queues.get_mut(reader_idx) {
            queue.ended = true;
            queue.failure = failure.filter(|_| !queue.closed);
        }
        drop(state);
        self.arrived.notify_one();
    }
}

impl State {
    fn is_closed(&self, reader_idx: usize) -> bool {
        self.stop || self.queues.get(reader_idx).is_none_or(|queue| queue.closed)
    }
}

impl Queue {
    fn admit(&mut self, max_rows: usize, rows: &mut Vec<(usize, Delta)>) {
        let mut room = max_rows;
        while room > 0 {
            let Some((delta, position)) = self.deltas.pop_front() else {
                break;
            };
            let n_rows = delta.num_rows();
            if n_rows > room && is_pair(&delta, room) {
                // An update is one change: its halves stay in one step, one row above the limit.
                room += 1;
            }
            if n_rows > room {
                let rest = delta.slice(room, n_rows - room);
                self.deltas.push_front((rest, position));
                rows.push((self.node_idx, delta.slice(0, room)));
                self.n_rows -= room;
                break;
            }
            room -= n_rows;
            self.n_rows -= n_rows;
            self.position = position;
            rows.push((self.node_idx, delta));
        }
    }
}

/// Whether a cut before row `row_idx` would part a `-U` from its `+U`.
fn is_pair(delta: &Delta, row_idx: usize) -> bool {
    delta.kind(row_idx - 1) == RowKind::UpdateBefore && delta.kind(row_idx) == RowKind::UpdateAfter
}

/// One reader with all that its thread needs.
pub(super) struct ReaderThread {
    pub(super) reader: Box<dyn SourceReader>,
    pub(super) reader_idx: usize,
    /// Columns that the rows must have.
    pub(super) n_columns: usize,
    pub(super) max_batch_rows: usize,
    pub(super) inbox: Arc<Inbox>,
}

impl ReaderThread {
    /// Polls until the source ends, fails or the job is stopped.
    pub(super) fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.poll_all()));
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(payload) => Some(panic_error("a source", payload.as_ref())),
        };
        self.inbox.close(self.reader_idx, failure);
    }

    fn poll_all(&mut self) -> Result<()> {
        while !self.inbox.is_closed(self.reader_idx) {
            match self.reader.poll(self.max_batch_rows)? {
                SourcePoll::Rows(delta) if delta.num_rows() == 0 => {}
                SourcePoll::Rows(delta) => {
                    if delta.batch().num_columns() != self.n_columns {
                        return Err(EngineError::internal(format!(
                            "a source gave {} columns instead of {}",
                            delta.batch().num_columns(),
                            self.n_columns
                        )));
                    }
                    let position = self.reader.position();
                    if !self.inbox.offer(self.reader_idx, delta, position) {
                        break;
                    }
                }
                SourcePoll::Idle(pause) => {
                    if !self.inbox.idle(self.reader_idx, pause) {
                        break;
                    }
                }
                SourcePoll::End => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::datatypes::DataType;

    use super::*;
    use crate::data::text;

    fn admitted(inbox: &Inbox, max_rows: usize) -> usize {
        match inbox.admit(max_rows) {
            Admission::Step { rows, .. } => rows.iter().map(|(_, delta)| delta.num_rows()).sum(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn update_pairs_stay_in_one_step() {
        let schema = text::schema(&[("n", DataType::Int64)]);
        let delta = text::parse_delta(&schema, "+I|1\n-U|1\n+U|2\n+I|3").unwrap();
        let inbox = Inbox::new(vec![0], 100);
        assert!(inbox.offer(0, delta, serde_json::Value::Null));
        assert_eq!([admitted(&inbox, 2), admitted(&inbox, 2)], [3, 1]);
    }

    /// Readers share a step evenly; a reader that is alone has it all.
    #[test]
    fn readers_share_a_step() {
        let schema = text::schema(&[("n", DataType::Int64)]);
        let delta = text::parse_delta(&schema, "+I|1\n+I|2\n+I|3\n+I|4").unwrap();
        let inbox = Inbox::new(vec![0, 1], 100);
        inbox.offer(0, delta.clone(), serde_json::Value::Null);
        assert_eq!(admitted(&inbox, 3), 3);
        inbox.offer(1, delta, serde_json::Value::Null);
        assert_eq!(admitted(&inbox, 4), 3);
        inbox.stop();
        assert!(matches!(inbox.admit(4), Admission::Stopped));
    }
}
