//! The barrier between the stages of a step: workers spin for a moment, because stages are short,
//! then sleep, because the machine may have other work.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

/// Turns of the spin loop before a worker sleeps: a few microseconds.
const MAX_SPINS: usize = 500;

/// A reusable barrier for a fixed number of threads.
#[derive(Debug)]
pub(super) struct Barrier {
    n_threads: usize,
    n_waiting: AtomicUsize,
    /// Grows each time the barrier opens.
    generation: AtomicUsize,
    lock: Mutex<()>,
    opened: Condvar,
}

impl Barrier {
    pub(super) fn new(n_threads: usize) -> Self {
        Self {
            n_threads,
            n_waiting: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            lock: Mutex::new(()),
            opened: Condvar::new(),
        }
    }

    /// Returns when all threads have called it.
    pub(super) fn wait(&self) {
        let generation = self.generation.load(Ordering::Acquire);
        if self.n_waiting.fetch_add(1, Ordering::AcqRel) + 1 == self.n_threads {
            self.n_waiting.store(0, Ordering::Release);
            let guard = self.lock.lock();
            self.generation
                .store(generation.wrapping_add(1), Ordering::Release);
            drop(guard);
            self.opened.notify_all();
            return;
        }
        for _ in 0..MAX_SPINS {
            if self.generation.load(Ordering::Acquire) != generation {
                return;
            }
            std::hint::spin_loop();
        }
        let mut guard = self.lock.lock();
        while self.generation.load(Ordering::Acquire) == generation {
            self.opened.wait(&mut guard);
        }
    }
}
