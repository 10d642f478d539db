//! The processes in which accumulators live.
//!
//! Accumulators stay where they were made, so unlike calls of scalar functions they are dealt out
//! to processes once. A host answers in order; updates need no answer at once, so that the worker
//! adds up a batch while the engine prepares the next. What went wrong with one is told by the next
//! thing that is asked of the same accumulators.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::ArrayRef;
use parking_lot::Mutex;

use super::frame::{self, Tag};
use super::pool::{Failure, RemoteFunction, launch};
use super::process::{MAX_UNANSWERED, Process, Reported};
use super::settings::Settings;

/// The processes of one function, as many as the job has workers.
pub(in crate::engine) struct Hosts {
    settings: Settings,
    /// What functions measure in them.
    metrics: Arc<Reported>,
    /// One place a process; made when the first accumulators are put there.
    places: Mutex<Vec<Option<Arc<Host>>>>,
    next_place: AtomicUsize,
}

impl Hosts {
    pub(super) fn new(settings: Settings, metrics: Arc<Reported>) -> Self {
        Self {
            places: Mutex::new(vec![None; settings.n_processes]),
            settings,
            metrics,
            next_place: AtomicUsize::new(0),
        }
    }

    /// A process for new accumulators.
    pub(super) fn place(&self) -> Result<Arc<Host>, Failure> {
        let place_idx = self.next_place.fetch_add(1, Ordering::Relaxed) % self.settings.n_processes;
        let mut places = self.places.lock();
        let known = places.get(place_idx).cloned().flatten();
        if let Some(host) = known
            && !host.is_gone()
        {
            return Ok(host);
        }
        let process = Process::start(&launch(&self.settings)?, &self.metrics)?;
        let host = Arc::new(Host {
            inner: Mutex::new(Inner {
                process,
                unanswered: VecDeque::new(),
                failed: HashMap::new(),
                gone: None,
            }),
            timeout: self.settings.timeout,
        });
        if let Some(place) = places.get_mut(place_idx) {
            *place = Some(Arc::clone(&host));
        }
        Ok(host)
    }

    /// Closes the function in all processes.
    pub(super) fn end(&self, function: &RemoteFunction) {
        let hosts: Vec<_> = self.places.lock().iter().flatten().cloned().collect();
        for host in hosts {
            let mut inner = host.inner.lock();
            if inner.gone.is_some() || inner.settle(host.timeout).is_err() {
                continue;
            }
            if inner.process.end(function.identity).is_err() {
                inner.gone = Some("did not answer any more".to_owned());
            }
        }
    }
}

/// A process with accumulators.
pub(super) struct Host {
    inner: Mutex<Inner>,
    timeout: Option<Duration>,
}

struct Inner {
    process: Process,
    /// Updates whose answers have not been read, oldest first.
    unanswered: VecDeque<Rows>,
    /// What went wrong with accumulators, by their number.
    failed: HashMap<u64, String>,
    /// Why the process is there no more.
    gone: Option<String>,
}

/// Rows that were sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) states: u64,
    /// Counted from 1.
    pub(super) first: u64,
    pub(super) n_rows: u64,
}

impl Host {
    fn is_gone(&self) -> bool {
        self.inner.lock().gone.is_some()
    }

    /// A number for accumulators.
    pub(super) fn next_states() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes accumulators.
    pub(super) fn open(&self, states: u64, function: &RemoteFunction) -> Result<(), String> {
        self.with(states, |inner, timeout| {
            let number = inner.process.define(function)?;
            let parts = [&states.to_le_bytes()[..], &number.to_le_bytes()];
            inner.process.send(Tag::Open, &parts)?;
            inner.done(states, timeout)
        })
    }

    /// Sends rows; what becomes of them is told later.
    pub(super) fn update(&self, rows: Rows, parts: &[&[u8]]) -> Result<(), String> {
        self.with(rows.states, |inner, timeout| {
            inner.unanswered.push_back(rows);
            inner.process.send(Tag::Update, parts)?;
            while inner.unanswered.len() >= MAX_UNANSWERED {
                inner.settle_oldest(timeout)?;
            }
            Ok(())
        })
    }

    /// Asks for a column. `rows` are those that the frame brings, if any.
    pub(super) fn ask(
        &self,
        states: u64,
        rows: Option<Rows>,
        tag: Tag,
        parts: &[&[u8]],
    ) -> Result<ArrayRef, String> {
        self.with(states, |inner, timeout| {
            let n_before = inner.unanswered.len();
            inner.unanswered.extend(rows);
            inner.process.send(tag, parts)?;
            for _ in 0..n_before {
                inner.settle_oldest(timeout)?;
            }
            let column = inner.process.receive_column(timeout);
            if !matches!(column, Err(Failure::Stream(_) | Failure::Slow(_))) {
                inner.unanswered.clear();
            }
            // What came first is told first.
            inner.check(states)?;
            column
        })
    }

    /// Has something done, and waits for it.
    pub(super) fn tell(&self, states: u64, tag: Tag, parts: &[&[u8]]) -> Result<(), String> {
        self.with(states, |inner, timeout| {
            inner.process.send(tag, parts)?;
            inner.done(states, timeout)
        })
    }

    /// Says something that needs no answer.
    pub(super) fn say(&self, tag: Tag, parts: &[&[u8]]) {
        let mut inner = self.inner.lock();
        if inner.gone.is_none() {
            // If it is gone, whoever asks next is told.
            drop(inner.process.send(tag, parts));
        }
    }

    fn with<T>(
        &self,
        states: u64,
        work: impl FnOnce(&mut Inner, Option<Duration>) -> Result<T, Failure>,
    ) -> Result<T, String> {
        let mut inner = self.inner.lock();
        if let Some(how) = &inner.gone {
            return Err(format!("its worker process {how}"));
        }
        inner
            .check(states)
            .and_then(|()| work(&mut inner, self.timeout))
            .map_err(|failure| inner.failure(failure))
    }
}

impl Inner {
    /// Waits for the answers to all updates.
    fn settle(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        while !self.unanswered.is_empty() {
            self.settle_oldest(timeout)?;
        }
        Ok(())
    }

    fn settle_oldest(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let Some(rows) = self.unanswered.front().copied() else {
            return Ok(());
        };
        match self.process.receive(timeout) {
            Ok((Tag::Done, _)) => {}
            Ok(_) => return Err(frame::malformed("an unexpected frame").into()),
            Err(Failure::Raised(text)) => {
                self.failed.insert(rows.states, text);
            }
            Err(other) => return Err(other),
        }
        self.unanswered.pop_front();
        Ok(())
    }

    fn done(&mut self, states: u64, timeout: Option<Duration>) -> Result<(), Failure> {
        self.settle(timeout)?;
        let answer = self.process.receive(timeout);
        self.check(states)?;
        match answer? {
            (Tag::Done, _) => Ok(()),
            _ => Err(frame::malformed("an unexpected frame").into()),
        }
    }

    /// Fails if an earlier update of these accumulators has.
    fn check(&self, states: u64) -> Result<(), Failure> {
        match self.failed.get(&states) {
            Some(text) => Err(Failure::Raised(text.clone())),
            None => Ok(()),
        }
    }

    /// The failure as text. Whatever is not the function's own makes the process unusable.
    fn failure(&mut self, failure: Failure) -> String {
        if let Failure::Raised(text) = failure {
            return text;
        }
        let first = self.unanswered.front().map_or(0, |rows| rows.first);
        let last = self
            .unanswered
            .back()
            .map_or(0, |rows| (rows.first + rows.n_rows).saturating_sub(1));
        let failure = self.process.explained(failure, 0);
        self.gone = Some(match &failure {
            Failure::Ended { how, .. } => how.clone(),
            _ => "is not used any more".to_owned(),
        });
        failure.describe(|_| (first, last))
    }
}
