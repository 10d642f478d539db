//! What one reader has offered and the job has not admitted yet.

use std::collections::VecDeque;

use super::checkpoint::{ReaderState, ReaderTime};
use super::watermark::{Progress, Track, TrackerState};
use crate::data::{Delta, NO_WATERMARK, RowKind};
use crate::error::{EngineError, Result};

/// Rows as a reader offered them.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) delta: Delta,
    /// What they do to the watermark.
    pub(super) track: Option<Track>,
    /// Where the reader stood behind them.
    pub(super) position: serde_json::Value,
    /// Where the tracker stood behind them.
    pub(super) tracker: Option<TrackerState>,
}

#[derive(Debug)]
pub(super) struct Queue {
    /// Index of the source's node.
    pub(super) node_idx: usize,
    pub(super) arrivals: VecDeque<Arrival>,
    pub(super) n_rows: usize,
    pub(super) ended: bool,
    /// The watermark behind what was admitted; none if the table has no watermark.
    pub(super) watermark_ms: Option<i64>,
    /// What the last step before the checkpoint knew, if the job goes on from one.
    pub(super) known_ms: Option<i64>,
    /// A watermark that follows all rows that are here, without rows of its own.
    pub(super) flushed_ms: Option<i64>,
    /// No rows for so long that the reader does not hold others back.
    pub(super) is_idle: bool,
    /// The reader has found nothing and sleeps.
    pub(super) is_asleep: bool,
    /// Nobody needs more of its rows, although the source may have some.
    pub(super) closed: bool,
    /// Told after the rows that came before it.
    pub(super) failure: Option<EngineError>,
    /// Where the reader stood after the last batch that was admitted completely.
    pub(super) position: serde_json::Value,
    /// As `position`, of the tracker.
    pub(super) tracker: Option<TrackerState>,
    /// Whether the first of the arrivals is the rest of a batch that was admitted in part.
    pub(super) has_rest: bool,
}

impl Queue {
    pub(super) fn try_new(reader: ReaderState) -> Result<Self> {
        let tracker = reader.time.map(|time| time.tracker);
        let after_ms = tracker.map_or(NO_WATERMARK, TrackerState::sent_ms);
        let mut arrivals = VecDeque::new();
        if let Some(rest) = reader.rest {
            let (delta, track) = Track::restore(rest, after_ms)?;
            arrivals.push_back(Arrival {
                delta,
                track,
                position: reader.position.clone(),
                tracker,
            });
        }
        Ok(Self {
            node_idx: reader.node_idx,
            n_rows: arrivals.iter().map(|rest| rest.delta.num_rows()).sum(),
            has_rest: !arrivals.is_empty(),
            arrivals,
            ended: false,
            watermark_ms: reader.time.and_then(|time| time.admitted_ms),
            known_ms: reader.time.and_then(|time| time.known_ms),
            flushed_ms: None,
            is_idle: false,
            is_asleep: false,
            closed: false,
            failure: None,
            position: reader.position,
            tracker,
        })
    }

    /// The reader is ahead of the rows that were admitted; of the batch that was admitted in part
    /// its position is told with the rest of the rows.
    pub(super) fn reader_state(&self) -> Result<ReaderState> {
        let rest = self.arrivals.front().filter(|_| self.has_rest);
        let tracker = rest.map_or(self.tracker, |rest| rest.tracker);
        let rows = rest.map(|rest| match &rest.track {
            Some(track) => track.save(&rest.delta),
            None => Ok(rest.delta.clone()),
        });
        Ok(ReaderState {
            node_idx: self.node_idx,
            position: rest.map_or(&self.position, |rest| &rest.position).clone(),
            rest: rows.transpose()?,
            time: tracker.map(|tracker| ReaderTime {
                tracker,
                admitted_ms: self.watermark_ms,
                known_ms: self.known_ms,
            }),
        })
    }

    /// Takes at most `max_rows` rows; `others_ms` is how far the source's other readers are. Gives
    /// the watermark behind them, also if the reader has ended.
    pub(super) fn admit(
        &mut self,
        max_rows: usize,
        others_ms: i64,
        rows: &mut Vec<(usize, Delta)>,
    ) -> Result<Option<i64>> {
        let mut room = max_rows;
        let mut reached_ms = None;
        while room > 0 {
            let Some(arrival) = self.arrivals.pop_front() else {
                break;
            };
            let Arrival {
                delta,
                track,
                position,
                tracker,
            } = arrival;
            let n_rows = delta.num_rows();
            if n_rows > room && is_pair(&delta, room) {
                // An update is one change: its halves stay in one step, one row above the limit.
                room += 1;
            }
            let (delta, track) = if n_rows > room {
                let (first, rest) = track.map(|track| track.split_at(room)).unzip();
                self.arrivals.push_front(Arrival {
                    delta: delta.slice(room, n_rows - room),
                    track: rest,
                    position,
                    tracker,
                });
                self.has_rest = true;
                (delta.slice(0, room), first)
            } else {
                self.position = position;
                self.tracker = tracker;
                self.has_rest = false;
                (delta, track)
            };
            room -= delta.num_rows();
            self.n_rows -= delta.num_rows();
            let delta = match track {
                None => delta,
                Some(track) => {
                    self.watermark_ms = Some(track.after_ms);
                    reached_ms = Some(track.after_ms.min(others_ms));
                    let before: usize = rows.iter().map(|(_, delta)| delta.num_rows()).sum();
                    track.mark(delta, others_ms, before)?
                }
            };
            rows.push((self.node_idx, delta));
        }
        if self.arrivals.is_empty()
            && let Some(flushed_ms) = self.flushed_ms.take()
        {
            self.watermark_ms = self.watermark_ms.max(Some(flushed_ms));
        }
        Ok(reached_ms)
    }

    /// How far the reader is with what was admitted.
    pub(super) fn progress(&self) -> Progress {
        if self.ended && self.n_rows == 0 {
            return Progress {
                watermark_ms: i64::MAX,
                is_idle: false,
            };
        }
        Progress {
            watermark_ms: self.watermark_ms.unwrap_or(NO_WATERMARK),
            is_idle: self.is_idle && self.n_rows == 0,
        }
    }
}

/// Whether a cut before row `row_idx` would part a `-U` from its `+U`.
fn is_pair(delta: &Delta, row_idx: usize) -> bool {
    delta.kind(row_idx - 1) == RowKind::UpdateBefore && delta.kind(row_idx) == RowKind::UpdateAfter
}
