//! State that is forgotten when it has not been written for a while: `table.exec.state.ttl`, and
//! the hint `STATE_TTL` over it.
//!
//! ```text
//!   write at t ──▶ last written [id] = t          at t + ttl: as if the key had never been there
//! ```
//!
//! As in Flink, time is processing time, only writing counts, and expired state is never seen:
//! an operator asks [`LastWrites::is_expired`] before it looks at the state of an id. What nobody asks
//! for is found by [`LastWrites::sweep`], a few ids a step, so that it does not stay for ever.
//!
//! Source: Flink 2.3, `StateTtlConfig` as the table operators set it (OnCreateAndWrite,
//! NeverReturnExpired).

use std::time::Duration;

use crate::catalog::options::parse_duration;
use crate::error::{EngineError, Result};

const KEY: &str = "table.exec.state.ttl";

/// Ids that a sweep looks at besides those that the step has written.
const MIN_SWEPT_IDS: usize = 256;

/// Of an id that has no state.
const NEVER: i64 = i64::MIN;

/// The time to live that the configuration has; none for state that is kept.
///
/// # Errors
/// `Options` for a value that is no duration.
pub(crate) fn of_config(get: impl Fn(&str) -> Option<String>) -> Result<Option<i64>> {
    let Some(text) = get(KEY) else {
        return Ok(None);
    };
    let duration = parse_duration(&text).ok_or_else(|| EngineError::Options {
        message: format!("'{text}' is no value of '{KEY}'; expected a duration such as '12 h'"),
    })?;
    let ttl_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Ok((ttl_ms > 0).then_some(ttl_ms))
}

/// How long the state of an input stays: what the configuration says, or what a hint says over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retention {
    /// As `table.exec.state.ttl` says.
    #[default]
    Configured,
    /// For ever.
    ForEver,
    /// So many milliseconds after it was written last.
    Millis(i64),
}

impl Retention {
    /// What a hint `STATE_TTL('a' = '…')` means by this time: no time is for ever.
    #[must_use]
    pub fn of_hint(duration: Duration) -> Self {
        match i64::try_from(duration.as_millis()).unwrap_or(i64::MAX) {
            0 => Self::ForEver,
            ttl_ms => Self::Millis(ttl_ms),
        }
    }

    /// The time to live in milliseconds where the configuration has `configured_ms`; none for
    /// state that is kept.
    #[must_use]
    pub const fn ttl_ms(self, configured_ms: Option<i64>) -> Option<i64> {
        match self {
            Self::Configured => configured_ms,
            Self::ForEver => None,
            Self::Millis(ttl_ms) => Some(ttl_ms),
        }
    }
}

/// When the state of each dense id was written last.
#[derive(Debug, Default)]
pub struct LastWrites {
    written_ms: Vec<i64>,
    /// Where the next sweep goes on.
    cursor: usize,
}

impl LastWrites {
    /// Makes place for ids below `n_ids`.
    pub fn resize(&mut self, n_ids: usize) {
        if self.written_ms.len() < n_ids {
            self.written_ms.resize(n_ids, NEVER);
        }
    }

    /// Whether the state of this id has come to its end; false if it has none.
    #[must_use]
    pub fn is_expired(&self, id: u32, now_ms: i64, ttl_ms: i64) -> bool {
        self.get(id)
            .is_some_and(|written_ms| written_ms.saturating_add(ttl_ms) <= now_ms)
    }

    /// When the state of this id was written last, if it has state.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<i64> {
        let written_ms = self.written_ms.get(id as usize).copied();
        written_ms.filter(|&written_ms| written_ms != NEVER)
    }

    /// The state of this id is written now.
    pub fn write(&mut self, id: u32, now_ms: i64) {
        if let Some(written_ms) = self.written_ms.get_mut(id as usize) {
            *written_ms = now_ms;
        }
    }

    /// The id has no state any more.
    pub fn forget(&mut self, id: u32) {
        self.write(id, NEVER);
    }

    /// Ids whose state has come to its end, among the next ones on a walk around all ids; the
    /// caller forgets them. `n_written` is how many the step has written: the walk is faster than
    /// state can grow.
    #[must_use]
    pub fn sweep(&mut self, n_written: usize, now_ms: i64, ttl_ms: i64) -> Vec<u32> {
        let n_ids = self.written_ms.len();
        let n_swept = (MIN_SWEPT_IDS + 2 * n_written).min(n_ids);
        let mut expired = Vec::new();
        for _ in 0..n_swept {
            if self.cursor >= n_ids {
                self.cursor = 0;
            }
            if let Ok(id) = u32::try_from(self.cursor)
                && self.is_expired(id, now_ms, ttl_ms)
            {
                expired.push(id);
            }
            self.cursor += 1;
        }
        expired
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.written_ms.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn zero_means_for_ever() {
        let read = |text: &'static str| of_config(|_| Some(text.to_owned()));
        assert_eq!(read("0 ms").unwrap(), None);
        assert_eq!(read("1 h").unwrap(), Some(3_600_000));
        assert_eq!(
            read("a day").unwrap_err().to_string(),
            "'a day' is no value of 'table.exec.state.ttl'; expected a duration such as '12 h'"
        );
    }

    #[test]
    fn a_hint_stands_over_the_configuration() {
        let hint = |millis| Retention::of_hint(Duration::from_millis(millis));
        assert_eq!(hint(7).ttl_ms(Some(5)), Some(7));
        assert_eq!(hint(7).ttl_ms(None), Some(7));
        assert_eq!(hint(0).ttl_ms(Some(5)), None);
        assert_eq!(Retention::Configured.ttl_ms(Some(5)), Some(5));
        let for_long = Retention::of_hint(Duration::MAX);
        assert_eq!(for_long.ttl_ms(None), Some(i64::MAX));
    }

    #[test]
    fn a_walk_finds_what_nobody_asks_for() {
        let mut writes = LastWrites::default();
        writes.resize(1_000);
        for id in 0..1_000 {
            writes.write(id, i64::from(id));
        }
        assert!(writes.is_expired(10, 110, 100) && !writes.is_expired(11, 110, 100));
        let mut found = Vec::new();
        for _ in 0..5 {
            let expired = writes.sweep(0, 600, 100);
            expired.iter().for_each(|&id| writes.forget(id));
            found.extend(expired);
        }
        assert_eq!(found, (0..=500).collect::<Vec<_>>());
    }
}
