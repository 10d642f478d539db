//! The queues between publishers and subscribers.
//!
//! ```text
//!  publish ──► one queue per subscriber ──► its writer task
//!     │            │ an update replaces the unsent older one of the same display
//!     └ throttle ◄─┘ beyond the bound the publisher waits for the slowest *reading* subscriber
//! ```
//!
//! Nothing is dropped for a subscriber that reads. One whose socket has been full for
//! [`STALLED_AFTER`] counts as stalled: from then on display updates are conflated in its queue,
//! so a sleeper costs a bounded amount of memory and wakes up to the last state. One that still
//! stands in the way of other output after [`CUT_OFF_AFTER`] is cut off. A writer task that waits
//! for a processor is no fault of its subscriber.
//!
//! Two updates are conflated only if they answer the same request: clients that listen to one
//! request must not see its updates turn into those of another.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

/// A publisher waits while a reading subscriber has more than this unsent.
const MAX_UNSENT_BYTES: usize = 8 << 20;
/// What a queued message costs beside its bytes.
const MESSAGE_OVERHEAD_BYTES: usize = 256;
/// When its socket was full for this long, a subscriber's display updates are conflated.
const STALLED_AFTER: Duration = Duration::from_millis(100);
/// When its socket was full for this long, a subscriber that blocks other output is cut off.
const CUT_OFF_AFTER: Duration = Duration::from_secs(5);
/// How much a writer takes at once.
const BATCH_BYTES: usize = 256 << 10;

/// What makes two display updates the same thing at two times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConflationKey {
    pub(crate) display_id: Arc<str>,
    pub(crate) parent_id: Arc<str>,
}

/// When a message may take the place of an unsent older one.
#[derive(Clone, Debug)]
pub(crate) enum Conflation {
    /// Never: every message arrives.
    Never,
    /// Only in the queue of a stalled subscriber.
    WhenStalled(ConflationKey),
    /// Whenever an older one is still unsent.
    Always(ConflationKey),
}

/// One message, encoded once for all subscribers.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) topic: Bytes,
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) conflation: Conflation,
}

impl Outgoing {
    fn n_bytes(&self) -> usize {
        MESSAGE_OVERHEAD_BYTES + self.chunks.iter().map(Bytes::len).sum::<usize>()
    }

    fn key(&self) -> Option<&ConflationKey> {
        match &self.conflation {
            Conflation::Never => None,
            Conflation::WhenStalled(key) | Conflation::Always(key) => Some(key),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SubscriberId(u64);

/// All subscribers of a kernel. Publishing never blocks; waiting is [`Hub::throttle`]'s.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    state: Mutex<State>,
    /// Notified when a queue got shorter or a subscriber left.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct State {
    n_subscribers_ever: u64,
    subscribers: HashMap<SubscriberId, Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    subscriptions: Vec<Bytes>,
    unsent: VecDeque<Arc<Outgoing>>,
    /// How many messages left the queue: position 0 has this number.
    n_taken: u64,
    /// Number of the unsent message that a new one with this key may replace.
    replaceable: HashMap<ConflationKey, u64>,
    unsent_bytes: usize,
    in_flight_bytes: usize,
    /// Since when the socket takes no more; none while it does.
    full_since: Option<Instant>,
    wake: Arc<Notify>,
    cut_off: Arc<Notify>,
}

/// How a writer task learns that there is something to write or that it is over.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    pub(crate) wake: Arc<Notify>,
    pub(crate) cut_off: Arc<Notify>,
}

impl Hub {
    /// Adds a subscriber that has subscribed to nothing yet.
    pub(crate) fn join(&self) -> (SubscriberId, Signals) {
        let mut state = self.state.lock();
        state.n_subscribers_ever += 1;
        let id = SubscriberId(state.n_subscribers_ever);
        let signals = Signals {
            wake: Arc::new(Notify::new()),
            cut_off: Arc::new(Notify::new()),
        };
        let subscriber = Subscriber {
            subscriptions: Vec::new(),
            unsent: VecDeque::new(),
            n_taken: 0,
            replaceable: HashMap::new(),
            unsent_bytes: 0,
            in_flight_bytes: 0,
            full_since: None,
            wake: Arc::clone(&signals.wake),
            cut_off: Arc::clone(&signals.cut_off),
        };
        state.subscribers.insert(id, subscriber);
        (id, signals)
    }

    pub(crate) fn leave(&self, id: SubscriberId) {
        self.state.lock().subscribers.remove(&id);
        self.progress.notify_all();
    }

    pub(crate) fn subscribe(&self, id: SubscriberId, topic: Bytes) {
        if let Some(subscriber) = self.state.lock().subscribers.get_mut(&id) {
            subscriber.subscriptions.push(topic);
        }
    }

    pub(crate) fn cancel(&self, id: SubscriberId, topic: &Bytes) {
        if let Some(subscriber) = self.state.lock().subscribers.get_mut(&id)
            && let Some(idx) = subscriber.subscriptions.iter().position(|it| it == topic)
        {
            subscriber.subscriptions.swap_remove(idx);
        }
    }

    /// Queues a message for one subscriber, whatever its subscriptions.
    pub(crate) fn send_to(&self, id: SubscriberId, outgoing: Outgoing) {
        if let Some(subscriber) = self.state.lock().subscribers.get_mut(&id) {
            subscriber.push(&Arc::new(outgoing), Instant::now());
        }
    }

    /// Queues a message for all whose subscriptions match; never blocks. True when a queue is
    /// beyond its bound and the publisher should [`Hub::throttle`].
    #[must_use]
    pub(crate) fn publish(&self, outgoing: Outgoing) -> bool {
        let outgoing = Arc::new(outgoing);
        let now = Instant::now();
        let mut congested = false;
        for subscriber in self.state.lock().subscribers.values_mut() {
            if subscriber.wants(&outgoing.topic) {
                subscriber.push(&outgoing, now);
                congested |= subscriber.unsent_bytes > MAX_UNSENT_BYTES;
            }
        }
        congested
    }

    /// Blocks until no subscriber is beyond its bound, except stalled ones if the publisher's
    /// messages can be conflated. Cuts off those whose sockets were full for [`CUT_OFF_AFTER`],
    /// which also bounds the time that this takes.
    pub(crate) fn throttle(&self, conflatable: bool) {
        let patience = if conflatable {
            STALLED_AFTER
        } else {
            CUT_OFF_AFTER
        };
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let mut wait = None;
            state.subscribers.retain(|_, subscriber| {
                if subscriber.unsent_bytes <= MAX_UNSENT_BYTES {
                    return true;
                }
                let idle = subscriber.full_for(now);
                if idle >= CUT_OFF_AFTER && !conflatable {
                    subscriber.cut_off.notify_one();
                    return false;
                }
                if let Some(left) = patience.checked_sub(idle).filter(|left| !left.is_zero()) {
                    wait = Some(wait.map_or(left, |wait: Duration| wait.min(left)));
                }
                true
            });
            let Some(wait) = wait else {
                return;
            };
            self.progress.wait_for(&mut state, wait);
        }
    }

    /// Blocks until all is written to the sockets; false if it takes longer than `timeout`.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.state.lock();
        loop {
            let written = |it: &Subscriber| it.unsent.is_empty() && it.in_flight_bytes == 0;
            if state.subscribers.values().all(written) {
                return true;
            }
            if self.progress.wait_until(&mut state, deadline).timed_out() {
                return false;
            }
        }
    }

    /// Takes the next messages to write, none if there are none or the subscriber is gone.
    pub(crate) fn take_batch(&self, id: SubscriberId) -> Vec<Arc<Outgoing>> {
        let mut state = self.state.lock();
        let Some(subscriber) = state.subscribers.get_mut(&id) else {
            return Vec::new();
        };
        let mut batch = Vec::new();
        while subscriber.in_flight_bytes < BATCH_BYTES
            && let Some(outgoing) = subscriber.unsent.pop_front()
        {
            if let Some(key) = outgoing.key()
                && subscriber.replaceable.get(key) == Some(&subscriber.n_taken)
            {
                subscriber.replaceable.remove(key);
            }
            subscriber.n_taken += 1;
            subscriber.unsent_bytes -= outgoing.n_bytes();
            subscriber.in_flight_bytes += outgoing.n_bytes();
            batch.push(outgoing);
        }
        batch
    }

    /// The subscriber's socket took no bytes.
    pub(crate) fn socket_is_full(&self, id: SubscriberId) {
        if let Some(subscriber) = self.state.lock().subscribers.get_mut(&id) {
            subscriber.full_since.get_or_insert_with(Instant::now);
        }
    }

    /// The subscriber's socket took some bytes.
    pub(crate) fn made_progress(&self, id: SubscriberId) {
        if let Some(subscriber) = self.state.lock().subscribers.get_mut(&id) {
            subscriber.full_since = None;
        }
    }

    /// The batch is written.
    pub(crate) fn batch_written(&self, id: SubscriberId) {
        if let Some(subscriber) = self.state.lock().subscribers.get_mut(&id) {
            subscriber.in_flight_bytes = 0;
        }
        self.progress.notify_all();
    }
}

impl Subscriber {
    fn wants(&self, topic: &Bytes) -> bool {
        self.subscriptions.iter().any(|it| topic.starts_with(it))
    }

    fn full_for(&self, now: Instant) -> Duration {
        self.full_since
            .map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    fn push(&mut self, outgoing: &Arc<Outgoing>, now: Instant) {
        let stalled = self.full_for(now) >= STALLED_AFTER;
        let replaces = match &outgoing.conflation {
            Conflation::Never => None,
            Conflation::WhenStalled(_) if !stalled => None,
            Conflation::WhenStalled(key) | Conflation::Always(key) => self.replaceable.get(key),
        };
        self.unsent_bytes += outgoing.n_bytes();
        if let Some(number) = replaces
            && let Ok(idx) = usize::try_from(number - self.n_taken)
            && let Some(older) = self.unsent.get_mut(idx)
        {
            self.unsent_bytes -= older.n_bytes();
            *older = Arc::clone(outgoing);
            return;
        }
        if let Some(key) = outgoing.key() {
            let number = self.n_taken + self.unsent.len() as u64;
            self.replaceable.insert(key.clone(), number);
        }
        self.unsent.push_back(Arc::clone(outgoing));
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, conflation: Conflation) -> Outgoing {
        Outgoing {
            topic: Bytes::from_static(b"t"),
            chunks: vec![Bytes::copy_from_slice(text.as_bytes())],
            conflation,
        }
    }

    fn key(display: &str, parent: &str) -> ConflationKey {
        ConflationKey {
            display_id: display.into(),
            parent_id: parent.into(),
        }
    }

    fn taken(hub: &Hub, id: SubscriberId) -> String {
        let texts: Vec<_> = hub
            .take_batch(id)
            .iter()
            .map(|it| String::from_utf8_lossy(&it.chunks[0]).into_owned())
            .collect();
        texts.join(" ")
    }

    fn subscribed(hub: &Hub) -> SubscriberId {
        let (id, _) = hub.join();
        hub.subscribe(id, Bytes::new());
        id
    }

    #[test]
    fn an_unsent_update_is_replaced_in_its_place() {
        let hub = Hub::default();
        let id = subscribed(&hub);
        for (text, display, parent) in [
            ("a1", "a", "p"),
            ("b1", "b", "p"),
            ("a2", "a", "p"), // takes the place of a1
            ("a3", "a", "q"), // another request: stays apart
        ] {
            let update = message(text, Conflation::Always(key(display, parent)));
            assert!(!hub.publish(update));
        }
        assert!(!hub.publish(message("x", Conflation::Never)));
        assert_eq!(taken(&hub, id), "a2 b1 a3 x");
        hub.batch_written(id);
        // What is on its way is not replaced any more.
        assert!(!hub.publish(message("a4", Conflation::Always(key("a", "p")))));
        assert_eq!(taken(&hub, id), "a4");
    }

    #[test]
    fn a_reading_subscriber_gets_every_lossless_update() {
        let hub = Hub::default();
        let id = subscribed(&hub);
        for text in ["1", "2", "3"] {
            assert!(!hub.publish(message(text, Conflation::WhenStalled(key("a", "p")))));
        }
        assert_eq!(taken(&hub, id), "1 2 3");
    }

    #[test]
    fn a_stalled_subscriber_keeps_the_last_state_only() {
        let hub = Hub::default();
        let id = subscribed(&hub);
        let update = |text| message(text, Conflation::WhenStalled(key("a", "p")));
        assert!(!hub.publish(update("1")));
        let long_ago = Instant::now().checked_sub(2 * STALLED_AFTER);
        if let Some(subscriber) = hub.state.lock().subscribers.get_mut(&id) {
            subscriber.full_since = long_ago;
        }
        assert!(!hub.publish(update("2")));
        assert!(!hub.publish(update("3")));
        assert_eq!(taken(&hub, id), "3");
    }

    #[test]
    fn topics_select_by_prefix() {
        let hub = Hub::default();
        let (id, _) = hub.join();
        assert!(!hub.publish(message("before", Conflation::Never)));
        hub.subscribe(id, Bytes::from_static(b"other"));
        assert!(!hub.publish(message("unmatched", Conflation::Never)));
        hub.subscribe(id, Bytes::from_static(b""));
        assert!(!hub.publish(message("matched", Conflation::Never)));
        hub.cancel(id, &Bytes::from_static(b""));
        assert!(!hub.publish(message("after", Conflation::Never)));
        assert_eq!(taken(&hub, id), "matched");
    }

    #[test]
    fn who_blocks_all_others_is_cut_off() {
        let hub = Hub::default();
        let id = subscribed(&hub);
        let big = "x".repeat(MAX_UNSENT_BYTES);
        assert!(hub.publish(message(&big, Conflation::Never)));
        let long_ago = Instant::now().checked_sub(2 * CUT_OFF_AFTER);
        if let Some(subscriber) = hub.state.lock().subscribers.get_mut(&id) {
            subscriber.full_since = long_ago;
        }
        hub.throttle(true); // conflatable output goes on beside it
        assert_eq!(hub.state.lock().subscribers.len(), 1);
        hub.throttle(false);
        assert!(hub.state.lock().subscribers.is_empty());
        assert!(hub.flush(Duration::ZERO));
    }
}
