//! Batching of standard output and standard error.
//!
//! A cell may print a million times; a message each would drown the frontend. Text waits here
//! until [`MAX_WAITING_BYTES`] have come, [`MAX_WAIT`] has passed, or something else is published
//! (a display, a reply, the idle status): so the order of all outputs is kept, and nothing comes
//! after the status that says that the cell is done. Text of different cells or of the two
//! streams is kept apart and in order.

use std::time::{Duration, Instant};

use crate::parent::Parent;

/// As much text is sent at once, whatever the clock says.
const MAX_WAITING_BYTES: usize = 64 << 10;
/// How long text waits at most; a reader cannot tell it from at once.
pub(crate) const MAX_WAIT: Duration = Duration::from_millis(20);
/// Alternating prints to both streams make a segment each; this bounds how many wait.
const MAX_SEGMENTS: usize = 64;

/// Which of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl StreamName {
    /// The name in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Text of one cell and one stream.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) parent: Parent,
    pub(crate) name: StreamName,
    pub(crate) text: String,
}

/// What the writer of some text has to do about the flushing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterWrite {
    /// Others already wait for the clock.
    Nothing,
    /// The first text: somebody must flush in [`MAX_WAIT`].
    StartClock,
    /// So much text that it goes now.
    FlushNow,
}

/// Text that is not sent yet.
#[derive(Debug, Default)]
pub(crate) struct WaitingText {
    segments: Vec<Segment>,
    n_bytes: usize,
    since: Option<Instant>,
}

impl WaitingText {
    pub(crate) fn write(
        &mut self,
        parent: &Parent,
        name: StreamName,
        text: &str,
        now: Instant,
    ) -> AfterWrite {
        if text.is_empty() {
            return AfterWrite::Nothing;
        }
        self.n_bytes += text.len();
        match self.segments.last_mut() {
            Some(last) if last.name == name && last.parent == *parent => last.text.push_str(text),
            _ => self.segments.push(Segment {
                parent: parent.clone(),
                name,
                text: text.to_owned(),
            }),
        }
        if self.n_bytes >= MAX_WAITING_BYTES || self.segments.len() >= MAX_SEGMENTS {
            AfterWrite::FlushNow
        } else if self.since.is_none() {
            self.since = Some(now);
            AfterWrite::StartClock
        } else {
            AfterWrite::Nothing
        }
    }

    /// Since when the oldest text waits.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// All waiting text in order; none waits afterwards.
    pub(crate) fn take(&mut self) -> Vec<Segment> {
        self.n_bytes = 0;
        self.since = None;
        std::mem::take(&mut self.segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(waiting: &mut WaitingText) -> Vec<(&'static str, String)> {
        let segments = waiting.take();
        segments
            .into_iter()
            .map(|it| (it.name.as_str(), it.text))
            .collect()
    }

    #[test]
    fn text_of_one_stream_is_joined_and_the_order_between_streams_kept() {
        let mut waiting = WaitingText::default();
        let (parent, now) = (Parent::none(), Instant::now());
        let out = StreamName::Stdout;
        assert_eq!(
            waiting.write(&parent, out, "a", now),
            AfterWrite::StartClock
        );
        assert_eq!(waiting.write(&parent, out, "b\n", now), AfterWrite::Nothing);
        assert_eq!(
            waiting.write(&parent, StreamName::Stderr, "e", now),
            AfterWrite::Nothing
        );
        assert_eq!(waiting.write(&parent, out, "", now), AfterWrite::Nothing);
        assert_eq!(waiting.write(&parent, out, "c", now), AfterWrite::Nothing);
        assert_eq!(waiting.since(), Some(now));
        let expected = [("stdout", "ab\n"), ("stderr", "e"), ("stdout", "c")];
        assert_eq!(
            shown(&mut waiting),
            expected.map(|(name, text)| (name, text.to_owned()))
        );
        assert_eq!(waiting.since(), None);
        assert_eq!(
            waiting.write(&parent, out, "d", now),
            AfterWrite::StartClock
        );
    }

    #[test]
    fn much_text_goes_at_once() {
        let mut waiting = WaitingText::default();
        let big = "x".repeat(MAX_WAITING_BYTES);
        let after = waiting.write(&Parent::none(), StreamName::Stdout, &big, Instant::now());
        assert_eq!(after, AfterWrite::FlushNow);
    }
}
