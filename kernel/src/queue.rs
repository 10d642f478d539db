//! Requests that wait for the interpreter.
//!
//! ```text
//!  received ──► waiting ──► running (one per lane) ──► answered
//!                  └─ aborted, if a cell before it failed
//! ```
//!
//! The queue lives here and not in the interpreter, because a failing cell must also abort the
//! cells that were received while it ran. There is one lane for the main thread and one for every
//! subshell (JEP 91).

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::wire::Incoming;

/// Names a lane: the main one, or a subshell's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LaneId(Option<String>);

impl LaneId {
    pub(crate) fn main() -> Self {
        Self(None)
    }

    pub(crate) fn of(subshell_id: Option<String>) -> Self {
        Self(subshell_id)
    }

    pub(crate) fn subshell_id(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// A request that waits, and what has become of it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) request: Incoming,
    /// To be answered `aborted` without being run.
    pub(crate) aborted: bool,
}

/// Names one turn of a lane, so that whoever ends a turn cannot end the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn(u64);

/// All lanes of a kernel.
#[derive(Debug)]
pub(crate) struct Lanes(Mutex<HashMap<LaneId, Lane>>);

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    n_turns: u64,
    running: Option<Turn>,
}

impl Default for Lanes {
    fn default() -> Self {
        let mut lanes = HashMap::new();
        lanes.insert(LaneId::main(), Lane::default());
        Self(Mutex::new(lanes))
    }
}

impl Lanes {
    pub(crate) fn create(&self, id: LaneId) {
        self.0.lock().entry(id).or_default();
    }

    /// Removes a lane with what waits in it; false if there is none.
    pub(crate) fn delete(&self, id: &LaneId) -> bool {
        self.0.lock().remove(id).is_some()
    }

    pub(crate) fn subshell_ids(&self) -> Vec<String> {
        let lanes = self.0.lock();
        lanes
            .keys()
            .filter_map(|id| id.subshell_id().map(str::to_owned))
            .collect()
    }

    /// Appends a request; false if the lane does not exist.
    #[must_use]
    pub(crate) fn push(&self, id: &LaneId, request: Incoming) -> bool {
        match self.0.lock().get_mut(id) {
            Some(lane) => {
                lane.waiting.push_back(Waiting {
                    request,
                    aborted: false,
                });
                true
            }
            None => false,
        }
    }

    /// Takes the next request and begins a turn, unless the lane is running, nothing waits, or the
    /// predicate refuses the next request.
    pub(crate) fn start_next(
        &self,
        id: &LaneId,
        may_start: impl FnOnce(&Waiting) -> bool,
    ) -> Option<(Turn, Waiting)> {
        let mut lanes = self.0.lock();
        let lane = lanes.get_mut(id)?;
        if lane.running.is_some() || !lane.waiting.front().is_some_and(may_start) {
            return None;
        }
        lane.n_turns += 1;
        let turn = Turn(lane.n_turns);
        lane.running = Some(turn);
        lane.waiting.pop_front().map(|waiting| (turn, waiting))
    }

    pub(crate) fn is_running(&self, id: &LaneId, turn: Turn) -> bool {
        self.0
            .lock()
            .get(id)
            .is_some_and(|lane| lane.running == Some(turn))
    }

    /// Ends a turn; nothing if it has ended before.
    pub(crate) fn finished(&self, id: &LaneId, turn: Turn) {
        if let Some(lane) = self.0.lock().get_mut(id)
            && lane.running == Some(turn)
        {
            lane.running = None;
        }
    }

    pub(crate) fn any_running(&self) -> bool {
        self.0.lock().values().any(|lane| lane.running.is_some())
    }

    /// Marks the cells that wait now; other requests still get their answer.
    pub(crate) fn abort_waiting_cells(&self, id: &LaneId) {
        if let Some(lane) = self.0.lock().get_mut(id) {
            for waiting in &mut lane.waiting {
                waiting.aborted |= waiting.request.header.msg_type == "execute_request";
            }
        }
    }
}
