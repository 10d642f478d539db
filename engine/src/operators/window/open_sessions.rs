//! The sessions that are open, and to which of them a row belongs.
//!
//! ```text
//!   key a   [──────) [───)  [────────)      a list, from the latest back: rows mostly come to it
//!                  [──)                     a row between sessions makes one of them: the latest
//!                                           one takes in the others
//! ```
//!
//! A session that was over when a row came does not grow any more, even if it has not left yet.
//! Each session has one timer, which is at its end or before: it is moved when it is due, not with
//! every row.

use std::collections::BTreeSet;

use super::TimeWindow;

/// Behind the first session of a key.
const NONE: u32 = u32::MAX;

/// The open sessions of all keys, each with the group that has what is known of its rows.
#[derive(Debug, Default)]
pub(super) struct OpenSessions {
    /// By key: the group of its latest session.
    latest: Vec<u32>,
    /// By group.
    sessions: Vec<Session>,
    /// When to look at a session again.
    timers: BTreeSet<(i64, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    window: TimeWindow,
    /// The end that it had when its timer was set.
    timer_ms: i64,
    key_id: u32,
    /// The group of the key's session before.
    before: u32,
}

/// A session with all that it is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenSession {
    pub(super) window: TimeWindow,
    pub(super) key_id: u32,
    pub(super) group: u32,
}

impl OpenSessions {
    /// Makes place for keys below `n_keys`.
    pub(super) fn resize(&mut self, n_keys: usize) {
        if self.latest.len() < n_keys {
            self.latest.resize(n_keys, NONE);
        }
    }

    /// The group of the session to which a row with `window` belongs, among those that were not
    /// over when it came. The session is grown if need be; groups that it takes in are given to
    /// `merged`, the latest first. If there is none, [`Self::open`] is to follow.
    pub(super) fn find(
        &mut self,
        key_id: u32,
        window: TimeWindow,
        is_over: impl Fn(i64) -> bool,
        mut merged: impl FnMut(u32),
    ) -> Option<u32> {
        let mut target: Option<u32> = None;
        let mut grown = window;
        let mut group = self.latest_of(key_id);
        while let Some(session) = self.session(group)
            && session.window.end_ms >= window.start_ms
        {
            let next = session.before;
            if session.window.start_ms <= window.end_ms && !is_over(session.window.end_ms) {
                grown = grown.cover(session.window);
                if target.is_none() {
                    target = Some(group);
                } else {
                    self.close(group);
                    merged(group);
                }
            }
            group = next;
        }
        let target = target?;
        if let Some(session) = self.sessions.get_mut(target as usize) {
            session.window = grown;
        }
        Some(target)
    }

    /// Opens a session of a key, with a group that no other has.
    pub(super) fn open(&mut self, session: OpenSession) {
        let place = session.group as usize;
        let opened = Session {
            window: session.window,
            timer_ms: session.window.end_ms,
            key_id: session.key_id,
            before: NONE,
        };
        if self.sessions.len() <= place {
            self.sessions.resize(place + 1, opened);
        }
        self.timers.insert((opened.timer_ms, session.group));
        // Lists are in order of ends, and so of starts.
        let mut later = NONE;
        let mut before = self.latest_of(session.key_id);
        while let Some(other) = self.session(before)
            && other.window.end_ms > session.window.end_ms
        {
            later = before;
            before = other.before;
        }
        if let Some(place) = self.sessions.get_mut(place) {
            *place = Session { before, ..opened };
        }
        self.link(session.key_id, later, session.group);
    }

    /// Whether a key has no session.
    pub(super) fn is_without(&self, key_id: u32) -> bool {
        self.latest_of(key_id) == NONE
    }

    /// Takes out the sessions that are over, in order of their ends.
    pub(super) fn take_over(&mut self, is_over: impl Fn(i64) -> bool) -> Vec<OpenSession> {
        let mut over = Vec::new();
        while let Some(&(timer_ms, group)) = self.timers.first()
            && is_over(timer_ms)
        {
            self.timers.pop_first();
            let Some(session) = self.sessions.get_mut(group as usize) else {
                continue;
            };
            session.timer_ms = session.window.end_ms;
            let session = *session;
            if session.window.end_ms > timer_ms {
                self.timers.insert((session.timer_ms, group));
                continue;
            }
            self.close(group);
            over.push(OpenSession {
                window: session.window,
                key_id: session.key_id,
                group,
            });
        }
        over.sort_unstable_by_key(|session| (session.window.end_ms, session.key_id));
        over
    }

    /// The end at which the next session may be over.
    pub(super) fn next_end_ms(&self) -> Option<i64> {
        self.timers.first().map(|(timer_ms, _)| *timer_ms)
    }

    /// All sessions.
    pub(super) fn all(&self) -> impl Iterator<Item = OpenSession> {
        self.timers.iter().filter_map(|&(_, group)| {
            self.session(group).map(|session| OpenSession {
                window: session.window,
                key_id: session.key_id,
                group,
            })
        })
    }

    /// Bytes of the lists.
    pub(super) fn state_bytes(&self) -> usize {
        self.latest.capacity() * size_of::<u32>()
            + self.sessions.capacity() * size_of::<Session>()
            // Nodes of the tree are about two thirds full.
            + self.timers.len() * size_of::<(i64, u32)>() * 3 / 2
    }

    fn session(&self, group: u32) -> Option<Session> {
        self.sessions.get(group as usize).copied()
    }

    fn latest_of(&self, key_id: u32) -> u32 {
        self.latest.get(key_id as usize).copied().unwrap_or(NONE)
    }

    /// Takes a session out of the list of its key, and its timer away.
    fn close(&mut self, group: u32) {
        let Some(session) = self.session(group) else {
            return;
        };
        self.timers.remove(&(session.timer_ms, group));
        let mut later = NONE;
        let mut at = self.latest_of(session.key_id);
        while at != group {
            let Some(other) = self.session(at) else {
                return;
            };
            later = at;
            at = other.before;
        }
        self.link(session.key_id, later, session.before);
    }

    /// Lets `group` follow on `later`, or be the latest of the key if there is none.
    fn link(&mut self, key_id: u32, later: u32, group: u32) {
        let place = match self.sessions.get_mut(later as usize) {
            Some(later) => Some(&mut later.before),
            None => self.latest.get_mut(key_id as usize),
        };
        if let Some(place) = place {
            *place = group;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP_MS: i64 = 5;

    /// Sessions of key 0 whose groups are numbered as they are opened.
    #[derive(Default)]
    struct Sessions {
        open: OpenSessions,
        n_groups: u32,
    }

    impl Sessions {
        /// Where a row goes, and what its session takes in.
        fn meets(&mut self, time_ms: i64, watermark_ms: i64) -> Option<(u32, Vec<u32>)> {
            self.open.resize(1);
            let window = TimeWindow {
                start_ms: time_ms,
                end_ms: time_ms + GAP_MS,
            };
            let is_over = |end_ms: i64| watermark_ms >= end_ms - 1;
            let mut merged = Vec::new();
            let found = self
                .open
                .find(0, window, is_over, |group| merged.push(group));
            if let Some(group) = found {
                return Some((group, merged));
            }
            if is_over(window.end_ms) {
                return None;
            }
            let group = self.n_groups;
            self.n_groups += 1;
            self.open.open(OpenSession {
                window,
                key_id: 0,
                group,
            });
            Some((group, merged))
        }

        fn over(&mut self, watermark_ms: i64) -> Vec<(u32, i64, i64)> {
            let over = self.open.take_over(|end_ms| watermark_ms >= end_ms - 1);
            over.iter()
                .map(|it| (it.group, it.window.start_ms, it.window.end_ms))
                .collect()
        }
    }

    #[test]
    fn windows_that_touch_are_one_session() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.meets(0, -1), Some((0, vec![])));
        assert_eq!(sessions.meets(5, -1), Some((0, vec![])));
        assert_eq!(sessions.meets(11, -1), Some((1, vec![])));
        assert_eq!(sessions.over(14), [(0, 0, 10)]);
        assert_eq!(sessions.over(15), [(1, 11, 16)]);
        assert!(sessions.open.is_without(0));
        assert_eq!(sessions.open.next_end_ms(), None);
    }

    #[test]
    fn the_latest_session_takes_in_those_before() {
        let mut sessions = Sessions::default();
        for (group, time_ms) in [(0, 20), (1, 0), (2, 10), (3, 40)] {
            assert_eq!(sessions.meets(time_ms, -1), Some((group, vec![])));
        }
        assert_eq!(sessions.meets(15, -1), Some((0, vec![2])));
        assert_eq!(sessions.meets(5, -1), Some((0, vec![1])));
        assert_eq!(sessions.open.all().count(), 2);
        assert_eq!(sessions.over(1000), [(0, 0, 25), (3, 40, 45)]);
    }

    #[test]
    fn a_session_that_is_over_does_not_grow() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.meets(0, -1), Some((0, vec![])));
        assert_eq!(sessions.meets(1, 3), Some((0, vec![])));
        assert_eq!(sessions.meets(0, 7), None);
        assert_eq!(sessions.meets(4, 7), Some((1, vec![])));
        assert_eq!(sessions.over(7), [(0, 0, 6)]);
        assert_eq!(sessions.over(8), [(1, 4, 9)]);
    }
}
