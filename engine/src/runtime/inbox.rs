//! From connector threads to the job: one thread a reader polls and offers what it gets to the
//! job's inbox, which is bounded; the job admits from it what fits into a step.
//!
//! ```text
//!   SourceReader ──poll──▶ reader thread ──offer──▶ ┌───────┐
//!   SourceReader ──poll──▶ reader thread ──offer──▶ │ Inbox │ ──admit──▶ step
//!                                 ▲   waits if full └───────┘ waits if empty
//!                                 └──────── stop() wakes everybody ─────────┘
//! ```

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::checkpoint::ReaderState;
use super::queue::{Arrival, Queue};
use super::watermark::Progress;
use crate::data::Delta;
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
    /// Event time may have moved without rows.
    has_news: bool,
    /// Somebody wants the job to look around.
    wake: bool,
}

/// What a step gets.
#[derive(Debug)]
pub(super) enum Admission {
    /// Rows, and how far the sources are.
    Step(Arrived),
    /// Somebody asked for attention, or the time has come.
    Woken,
    /// Somebody stopped the job.
    Stopped,
    /// A reader failed.
    Failed(EngineError),
}

/// Rows that were admitted together.
#[derive(Debug)]
pub(super) struct Arrived {
    /// Rows of source nodes, in order of arrival for each reader.
    pub(super) rows: Vec<(usize, Delta)>,
    /// How far each source was before them, if some table has a watermark: further than after the
    /// last step if meanwhile a reader has ended or become idle.
    pub(super) before: Vec<(usize, Progress)>,
    /// The watermarks behind the rows of readers, before their end.
    pub(super) reached: Vec<(usize, i64)>,
    /// How far each source is behind them.
    pub(super) progress: Vec<(usize, Progress)>,
    /// Nothing follows.
    pub(super) ended: bool,
    /// More rows are there, or are just being read.
    pub(super) has_more: bool,
}

impl Arrived {
    pub(super) fn n_rows(&self) -> usize {
        self.rows.iter().map(|(_, delta)| delta.num_rows()).sum()
    }
}

impl Inbox {
    /// An inbox with one queue for each reader, which stands where `readers` says.
    ///
    /// # Errors
    /// Never in practice: rows and their watermarks are as many.
    pub(super) fn try_new(readers: Vec<ReaderState>, max_queue_rows: usize) -> Result<Self> {
        let queues = readers
            .into_iter()
            .map(Queue::try_new)
            .collect::<Result<_>>()?;
        Ok(Self {
            state: Mutex::new(State {
                queues,
                stop: false,
                has_news: false,
                wake: false,
            }),
            arrived: Condvar::new(),
            room: Condvar::new(),
            max_queue_rows: max_queue_rows.max(1),
        })
    }

    /// Makes the job look around before it takes more rows.
    pub(super) fn wake(&self) {
        self.state.lock().wake = true;
        self.arrived.notify_all();
    }

    /// Where the readers stand, as of the rows that have been admitted. Between two steps only.
    ///
    /// # Errors
    /// As [`Self::try_new`].
    pub(super) fn reader_states(&self) -> Result<Vec<ReaderState>> {
        let state = self.state.lock();
        state.queues.iter().map(Queue::reader_state).collect()
    }

    /// Where each reader stood behind the last of its batches that was admitted completely.
    pub(super) fn settled_positions(&self) -> Vec<serde_json::Value> {
        let state = self.state.lock();
        let positions = state.queues.iter().map(|queue| queue.position.clone());
        positions.collect()
    }

    /// What the last step before a checkpoint knew of each source.
    pub(super) fn known(&self) -> Vec<(usize, Progress)> {
        let state = self.state.lock();
        let known = |queue: &Queue| {
            let progress = Progress {
                watermark_ms: queue.known_ms?,
                is_idle: false,
            };
            Some((queue.node_idx, progress))
        };
        state.queues.iter().filter_map(known).collect()
    }

    /// How far each source is.
    pub(super) fn progress(&self) -> Vec<(usize, Progress)> {
        self.state.lock().progress()
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
                std::mem::take(&mut queue.arrivals)
            })
            .collect();
        drop(state);
        drop(dropped);
        self.arrived.notify_all();
        self.room.notify_all();
    }

    /// Waits until there is something to do, at most until `deadline`, then takes at most
    /// `max_rows` rows, shared evenly by the readers that have some.
    pub(super) fn admit(&self, max_rows: usize, deadline: Option<Instant>) -> Admission {
        let mut state = self.state.lock();
        loop {
            if state.stop {
                return Admission::Stopped;
            }
            if std::mem::take(&mut state.wake) {
                return Admission::Woken;
            }
            if state.queues.iter().any(|queue| queue.n_rows > 0) {
                break;
            }
            if let Some(failure) = state.queues.iter().find_map(|queue| queue.failure.clone()) {
                return Admission::Failed(failure);
            }
            if state.has_news || state.queues.iter().all(|queue| queue.ended) {
                break;
            }
            match deadline {
                None => self.arrived.wait(&mut state),
                Some(deadline) => {
                    if self.arrived.wait_until(&mut state, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        match self.take(state, max_rows) {
            Ok(arrived) => Admission::Step(arrived),
            Err(error) => Admission::Failed(error),
        }
    }

    /// More rows for the step that has begun: waits as long as rows are just being read, at most
    /// until `deadline`. None if there are none, or the job should look around.
    ///
    /// # Errors
    /// As [`Self::try_new`].
    pub(super) fn admit_more(&self, max_rows: usize, deadline: Instant) -> Result<Option<Arrived>> {
        let mut state = self.state.lock();
        while !state.stop && !state.wake {
            if state.queues.iter().any(|queue| queue.n_rows > 0) {
                return self.take(state, max_rows).map(Some);
            }
            let is_over =
                !state.reads() || self.arrived.wait_until(&mut state, deadline).timed_out();
            if is_over {
                break;
            }
        }
        Ok(None)
    }

    /// Takes at most `max_rows` rows, shared evenly by the readers that have some.
    fn take(&self, mut state: MutexGuard<'_, State>, max_rows: usize) -> Result<Arrived> {
        state.has_news = false;
        let before = match state.tells_time() {
            true => state.progress(),
            false => Vec::new(),
        };
        let n_ready = state.queues.iter().filter(|queue| queue.n_rows > 0).count();
        let share = (max_rows / n_ready.max(1)).max(1);
        let (mut rows, mut reached) = (Vec::new(), Vec::new());
        for queue_idx in 0..state.queues.len() {
            let others_ms = state.others_ms(queue_idx);
            if let Some(queue) = state.queues.get_mut(queue_idx) {
                let reached_ms = queue.admit(share, others_ms, &mut rows)?;
                reached.extend(reached_ms.map(|reached_ms| (queue.node_idx, reached_ms)));
            }
        }
        let progress = state.progress();
        let ended = state
            .queues
            .iter()
            .all(|queue| queue.ended && queue.n_rows == 0 && queue.failure.is_none());
        let has_more = state.queues.iter().any(|queue| queue.n_rows > 0) || state.reads();
        drop(state);
        self.room.notify_all();
        Ok(Arrived {
            rows,
            reached,
            before,
            progress,
            ended,
            has_more,
        })
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
                dropped.push(std::mem::take(&mut queue.arrivals));
            }
        }
        drop(state);
        if !dropped.is_empty() {
            self.room.notify_all();
        }
    }

    /// Whether this reader can end: the job was stopped, or nobody needs its rows.
    pub(super) fn is_closed(&self, reader_idx: usize) -> bool {
        self.state.lock().is_closed(reader_idx)
    }

    /// Hands over rows; waits for room. False if nobody wants them any more.
    pub(super) fn offer(&self, reader_idx: usize, arrival: Arrival) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.is_closed(reader_idx) {
                return false;
            }
            let Some(queue) = state.queues.get_mut(reader_idx) else {
                return false;
            };
            if queue.n_rows < self.max_queue_rows {
                queue.n_rows += arrival.delta.num_rows();
                queue.is_idle = false;
                queue.arrivals.push_back(arrival);
                break;
            }
            self.room.wait(&mut state);
        }
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// Says that event time has moved although no row came.
    pub(super) fn tell_time(&self, reader_idx: usize, flushed_ms: Option<i64>, is_idle: bool) {
        let mut state = self.state.lock();
        if let Some(queue) = state.queues.get_mut(reader_idx) {
            queue.flushed_ms = flushed_ms.or(queue.flushed_ms);
            queue.is_idle |= is_idle;
            state.has_news = true;
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// The reader has no input yet.
    pub(super) fn begin_idle(&self, reader_idx: usize) {
        if let Some(queue) = self.state.lock().queues.get_mut(reader_idx) {
            queue.is_idle = true;
        }
    }

    /// Waits for `duration`. False if nobody wants more rows of this reader.
    pub(super) fn idle(&self, reader_idx: usize, duration: Duration) -> bool {
        let deadline = Instant::now() + duration;
        let mut state = self.state.lock();
        state.set_asleep(reader_idx, true);
        self.arrived.notify_one();
        while !state.is_closed(reader_idx) {
            if self.room.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.set_asleep(reader_idx, false);
        !state.is_closed(reader_idx)
    }

    pub(super) fn close(&self, reader_idx: usize, failure: Option<EngineError>) {
        let mut state = self.state.lock();
        if let Some(queue) = state.queues.get_mut(reader_idx) {
            queue.ended = true;
            queue.failure = failure.filter(|_| !queue.closed);
            // A source that has ended holds nobody back.
            state.has_news = state.tells_time();
        }
        drop(state);
        self.arrived.notify_one();
    }
}

impl State {
    fn is_closed(&self, reader_idx: usize) -> bool {
        self.stop || self.queues.get(reader_idx).is_none_or(|queue| queue.closed)
    }

    /// Whether some reader is about to bring rows, or to find that it has none.
    fn reads(&self) -> bool {
        let mut queues = self.queues.iter();
        queues.any(|queue| !queue.ended && !queue.is_asleep)
    }

    fn set_asleep(&mut self, reader_idx: usize, is_asleep: bool) {
        if let Some(queue) = self.queues.get_mut(reader_idx) {
            queue.is_asleep = is_asleep;
        }
    }

    /// Whether some reader has watermarks.
    fn tells_time(&self) -> bool {
        self.queues
            .iter()
            .any(|queue| queue.watermark_ms.is_some() || queue.flushed_ms.is_some())
    }

    /// How far the other readers of the same source are; `i64::MAX` if there are none.
    fn others_ms(&self, queue_idx: usize) -> i64 {
        let Some(own) = self.queues.get(queue_idx) else {
            return i64::MAX;
        };
        let others =
            self.queues.iter().enumerate().filter(|(other_idx, other)| {
                *other_idx != queue_idx && other.node_idx == own.node_idx
            });
        others
            .map(|(_, other)| other.progress())
            .filter(|progress| !progress.is_idle)
            .map(|progress| progress.watermark_ms)
            .min()
            .unwrap_or(i64::MAX)
    }

    /// How far each source is.
    fn progress(&self) -> Vec<(usize, Progress)> {
        let mut progress: Vec<(usize, Progress)> = Vec::new();
        for queue in &self.queues {
            let node_idx = queue.node_idx;
            if progress.iter().any(|(known, _)| *known == node_idx) {
                continue;
            }
            let readers = self.queues.iter().filter(|it| it.node_idx == node_idx);
            progress.push((node_idx, Progress::of_all(readers.map(Queue::progress))));
        }
        progress
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow::datatypes::DataType;

    use super::*;
    use crate::data::text;

    fn inbox(node_idxs: &[usize]) -> Inbox {
        let reader = |&node_idx: &usize| ReaderState {
            node_idx,
            position: serde_json::json!(0),
            rest: None,
            time: None,
        };
        Inbox::try_new(node_idxs.iter().map(reader).collect(), 100).unwrap()
    }

    fn admitted(inbox: &Inbox, max_rows: usize) -> usize {
        match inbox.admit(max_rows, None) {
            Admission::Step(arrived) => arrived.n_rows(),
            other => panic!("{other:?}"),
        }
    }

    fn arrival(delta: Delta) -> Arrival {
        Arrival {
            delta,
            track: None,
            position: serde_json::Value::Null,
            tracker: None,
        }
    }

    /// A checkpoint knows exactly which rows were admitted, also of a batch that was cut.
    #[test]
    fn positions_are_those_of_admitted_rows() {
        let schema = text::schema(&[("n", DataType::Int64)]);
        let delta = text::parse_delta(&schema, "+I|1\n+I|2\n+I|3").unwrap();
        let inbox = inbox(&[0]);
        for position in [3, 6] {
            let arrival = Arrival {
                position: serde_json::json!(position),
                ..arrival(delta.clone())
            };
            assert!(inbox.offer(0, arrival));
        }
        let state = || {
            let state = inbox.reader_states().unwrap().remove(0);
            let n_rest = state.rest.as_ref().map_or(0, Delta::num_rows);
            (state.position, n_rest)
        };
        assert_eq!(state(), (serde_json::json!(0), 0));
        assert_eq!(admitted(&inbox, 2), 2);
        assert_eq!(state(), (serde_json::json!(3), 1));
        assert_eq!(admitted(&inbox, 1), 1);
        assert_eq!(state(), (serde_json::json!(3), 0));
        assert_eq!(admitted(&inbox, 9), 3);
        assert_eq!(state(), (serde_json::json!(6), 0));
    }

    #[test]
    fn update_pairs_stay_in_one_step() {
        let schema = text::schema(&[("n", DataType::Int64)]);
        let delta = text::parse_delta(&schema, "+I|1\n-U|1\n+U|2\n+I|3").unwrap();
        let inbox = inbox(&[0]);
        assert!(inbox.offer(0, arrival(delta)));
        assert_eq!([admitted(&inbox, 2), admitted(&inbox, 2)], [3, 1]);
    }

    /// Readers share a step evenly; a reader that is alone has it all.
    #[test]
    fn readers_share_a_step() {
        let schema = text::schema(&[("n", DataType::Int64)]);
        let delta = text::parse_delta(&schema, "+I|1\n+I|2\n+I|3\n+I|4").unwrap();
        let inbox = inbox(&[0, 1]);
        inbox.offer(0, arrival(delta.clone()));
        assert_eq!(admitted(&inbox, 3), 3);
        inbox.offer(1, arrival(delta));
        assert_eq!(admitted(&inbox, 4), 3);
        inbox.stop();
        assert!(matches!(inbox.admit(4, None), Admission::Stopped));
    }
}
