//! Live displays: one ticker thread redraws all of them, without the interpreter.
//!
//! ```text
//!            ┌ every 1/hz ┐
//!  LiveSource ──▶ Frames ──▶ Screen            (conflated: each picture is the newest state)
//!      │ ended
//!      └────▶ one last picture, then forgotten
//! ```
//!
//! A display belongs to the cell that made it; running that cell again stops its jobs and marks
//! their displays as replaced. Sources and screens are traits, so that what is tested here needs
//! no job and no frontend.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::frame::{FrameOptions, Frames, Progress, Rows};
use super::status::RunState;
use crate::mime::{DisplayId, MimeBundle};
use crate::parent::Parent;
use crate::publisher::Publisher;

/// A job with or without rows to show.
pub trait LiveSource: Send + Sync {
    /// How far the job has come.
    fn progress(&self) -> Progress;

    /// Grows whenever the rows change.
    fn version(&self) -> u64;

    /// Number of rows of the result; `None` for a job without rows to show.
    fn n_rows(&self) -> Option<u64>;

    /// The last `max_rows` rows of the result, or the first ones if it is not append-only.
    fn rows(&self, max_rows: usize) -> Option<Rows>;

    /// Stops the job; returns when it has stopped, or soon if that takes long. Does nothing to one
    /// that has ended.
    fn stop(&self);

    /// Waits for the end of the job, at most so long; whether it has ended.
    fn wait(&self, timeout: Duration) -> bool;
}

/// Where a display is shown.
pub trait Screen: Send + Sync {
    /// The first picture.
    fn show(&self, bundle: &MimeBundle);
    /// A later one; must not block.
    fn update(&self, bundle: &MimeBundle);
    /// The newest one, in another cell too, where updates will arrive from then on.
    fn show_in(&self, parent: &Parent, bundle: &MimeBundle);
}

/// A place in the output of a cell.
#[derive(Debug)]
pub struct CellScreen {
    /// Publishes.
    pub publisher: Publisher,
    /// The cell.
    pub parent: Parent,
    /// The display.
    pub id: DisplayId,
}

impl Screen for CellScreen {
    fn show(&self, bundle: &MimeBundle) {
        self.publisher.display_data(&self.parent, &self.id, bundle);
    }

    fn update(&self, bundle: &MimeBundle) {
        self.publisher
            .update_display(&self.parent, &self.id, bundle);
    }

    fn show_in(&self, parent: &Parent, bundle: &MimeBundle) {
        self.publisher.display_data(parent, &self.id, bundle);
    }
}

/// When a live query is stopped by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    /// The result has so many rows.
    Rows(u64),
    /// So many records have been read.
    Records(u64),
    /// It has run so long.
    Elapsed(Duration),
}

impl Until {
    /// Whether it is time.
    #[must_use]
    pub fn is_met(self, progress: &Progress, n_rows: Option<u64>) -> bool {
        match self {
            Self::Rows(rows) => n_rows.is_some_and(|n_rows| n_rows >= rows),
            Self::Records(records) => progress.n_records >= records,
            Self::Elapsed(elapsed) => progress.elapsed >= elapsed,
        }
    }
}

impl std::fmt::Display for Until {
    /// As it is written: `rows=1000`, `records=5`, `seconds=2.5`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "rows={rows}"),
            Self::Records(records) => write!(f, "records={records}"),
            Self::Elapsed(elapsed) => write!(f, "seconds={}", elapsed.as_secs_f64()),
        }
    }
}

/// What a new display needs.
pub struct LiveSpec {
    /// What is shown.
    pub source: Arc<dyn LiveSource>,
    /// Where.
    pub screen: Box<dyn Screen>,
    /// How.
    pub frames: FrameOptions,
    /// The time between two pictures.
    pub period: Duration,
    /// When to stop.
    pub until: Option<Until>,
    /// The notebook's id of the cell, if it has one.
    pub cell_id: Option<String>,
    /// The run of the cell.
    pub request_id: String,
}

/// One display; lives in [`LiveDisplays`] until its source ends.
pub struct LiveDisplay {
    source: Arc<dyn LiveSource>,
    screen: Box<dyn Screen>,
    period: Duration,
    until: Option<Until>,
    cell_id: Option<String>,
    request_id: String,
    picture: Mutex<Picture>,
}

struct Picture {
    frames: Frames,
    due: Instant,
    /// Version of the rows in the last picture, so that rows which did not change are not copied
    /// out of the view again.
    drawn: Option<(u64, Rows)>,
    /// What made the display stop its source.
    note: Option<String>,
    /// Somebody else shows the result now.
    replaced: bool,
    stopping: bool,
    done: bool,
}

impl LiveDisplay {
    /// Draws if it is time (or for sure, with `force`); true when the display is done.
    fn tick(&self, now: Instant, force: bool, slowdown: u32) -> bool {
        let mut picture = self.picture.lock();
        if picture.done {
            return true;
        }
        if !force && now < picture.due {
            return false;
        }
        picture.due = now + self.period * slowdown;
        // First the state, then the rows: the last rows of an ended source are there for sure.
        let mut progress = self.source.progress();
        let n_rows = self.source.n_rows();
        let ended = progress.state != RunState::Running;
        if let Some(until) = self.until
            && !ended
            && !picture.stopping
            && until.is_met(&progress, n_rows)
        {
            picture.stopping = true;
            picture.note = Some(format!("until {until}"));
            self.stop_in_background();
        }
        if ended && picture.replaced {
            progress.state = RunState::Replaced;
        }
        self.draw(&mut picture, &progress, n_rows);
        picture.done = ended;
        ended
    }

    fn draw(&self, picture: &mut Picture, progress: &Progress, n_rows: Option<u64>) {
        let version = self.source.version();
        let mut n_needed = picture
            .frames
            .n_rows_needed(progress.state, n_rows.unwrap_or(0));
        let met = self.until.filter(|_| picture.stopping);
        let met = met.filter(|_| progress.state == RunState::Stopped);
        if met.is_some() {
            picture.frames.settle();
        }
        if met.is_some() || matches!(self.until, Some(Until::Rows(_))) {
            n_needed = usize::MAX;
        }
        let ended = progress.state != RunState::Running;
        let drawn = picture.drawn.as_ref().map(|(drawn, _)| *drawn);
        if ended || drawn != Some(version) {
            picture.drawn = self.source.rows(n_needed).map(|rows| (version, rows));
        }
        if let (Some((_, rows)), Some(Until::Rows(n_rows))) = (&mut picture.drawn, self.until) {
            rows.keep_first(n_rows);
        }
        let rows = picture.drawn.as_ref().map(|(_, rows)| rows);
        match picture.frames.next(progress, rows, picture.note.as_deref()) {
            Ok(Some(bundle)) => self.screen.update(&bundle),
            Ok(None) => {}
            Err(error) => crate::log::warn(format_args!("a live display cannot be drawn: {error}")),
        }
    }

    /// Stopping waits for the job, and the job may wait for the interpreter: the ticker does not.
    fn stop_in_background(&self) {
        let source = Arc::clone(&self.source);
        let stopper = std::thread::Builder::new().name("tidemill-stop".to_owned());
        let started = stopper.spawn(move || {
            crate::interrupt::leave_signals_to_the_main_thread();
            source.stop();
        });
        if let Err(error) = started {
            crate::log::warn(format_args!("no thread to stop a live query: {error}"));
        }
    }

    /// Waits for the end of the source; whether it has ended. When it has, the last picture is
    /// out when this returns.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.source.wait(timeout) && self.tick(Instant::now(), true, 1)
    }

    /// Stops the source and shows the last picture; if the source takes long to end, the ticker
    /// shows it then.
    pub fn stop(&self) {
        self.source.stop();
        self.tick(Instant::now(), true, 1);
    }

    /// How the source is doing.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.source.progress()
    }
}

/// All live displays of a process.
#[derive(Default)]
pub struct LiveDisplays {
    displays: Mutex<Vec<Arc<LiveDisplay>>>,
    /// Wakes the ticker when there is a first display.
    added: Condvar,
    ticker: OnceLock<()>,
    /// When a cell ran last.
    last_activity: Mutex<Option<Instant>>,
}

/// After so long without a cell that runs, and again after each further such time, live displays
/// change half as often: a frontend that is gone tells nobody, and the server keeps all messages
/// for it. The next cell brings the rate back.
const QUIET: Duration = Duration::from_secs(600);

/// Displays are never slowed down more than this: at the default rate to once in 16 s.
const MAX_SLOWDOWN: u32 = 64;

fn slowdown(quiet: Duration) -> u32 {
    let halvings = quiet.as_secs() / QUIET.as_secs();
    1 << halvings.min(u64::from(MAX_SLOWDOWN.ilog2()))
}

/// The ticker looks at the displays so often at least while there are some.
const MAX_SLEEP: Duration = Duration::from_millis(250);
/// And so seldom at most: also the ceiling of the rate.
const MIN_SLEEP: Duration = Duration::from_millis(10);

impl LiveDisplays {
    /// Those of this process.
    #[must_use]
    pub fn global() -> &'static Arc<Self> {
        static GLOBAL: OnceLock<Arc<LiveDisplays>> = OnceLock::new();
        GLOBAL.get_or_init(Arc::default)
    }

    /// Shows the first picture and keeps it up to date from then on.
    pub fn add(self: &Arc<Self>, spec: LiveSpec) -> Arc<LiveDisplay> {
        let mut frames = Frames::new(spec.frames);
        let progress = spec.source.progress();
        let version = spec.source.version();
        let mut needed = frames.n_rows_needed(progress.state, spec.source.n_rows().unwrap_or(0));
        if matches!(spec.until, Some(Until::Rows(_))) {
            needed = usize::MAX;
        }
        let mut rows = spec.source.rows(needed);
        if let (Some(rows), Some(Until::Rows(n_rows))) = (&mut rows, spec.until) {
            // No picture shows more: the last one would take rows away again.
            rows.keep_first(n_rows);
        }
        // Running whatever the state is: the ticker or the waiting cell draws the last picture.
        let first = Progress {
            state: RunState::Running,
            error: None,
            ..progress
        };
        match frames.next(&first, rows.as_ref(), None) {
            Ok(Some(bundle)) => spec.screen.show(&bundle),
            Ok(None) => {}
            Err(error) => crate::log::warn(format_args!("a live display cannot be drawn: {error}")),
        }
        let display = Arc::new(LiveDisplay {
            source: spec.source,
            screen: spec.screen,
            period: spec.period,
            until: spec.until,
            cell_id: spec.cell_id,
            request_id: spec.request_id,
            picture: Mutex::new(Picture {
                frames,
                due: Instant::now() + spec.period,
                drawn: rows.map(|rows| (version, rows)),
                note: None,
                replaced: false,
                stopping: false,
                done: false,
            }),
        });
        self.displays.lock().push(Arc::clone(&display));
        self.start_ticker();
        self.added.notify_one();
        display
    }

    fn start_ticker(self: &Arc<Self>) {
        self.ticker.get_or_init(|| {
            let displays = Arc::clone(self);
            let ticker = std::thread::Builder::new().name("tidemill-live".to_owned());
            let started = ticker.spawn(move || {
                crate::interrupt::leave_signals_to_the_main_thread();
                displays.run();
            });
            if let Err(error) = started {
                crate::log::warn(format_args!("live displays stand still: {error}"));
            }
        });
    }

    fn run(&self) {
        loop {
            let displays = {
                let mut displays = self.displays.lock();
                while displays.is_empty() {
                    self.added.wait(&mut displays);
                }
                displays.clone()
            };
            let sleep = self.tick_all(&displays, Instant::now());
            std::thread::sleep(sleep);
        }
    }

    /// Draws what is due, forgets what is done; how long nothing will be due.
    pub(super) fn tick_all(&self, displays: &[Arc<LiveDisplay>], now: Instant) -> Duration {
        let mut sleep = MAX_SLEEP;
        let last_activity = *self.last_activity.lock();
        let quiet = last_activity.map(|last| now.saturating_duration_since(last));
        let slowdown = slowdown(quiet.unwrap_or_default());
        for display in displays {
            if display.tick(now, false, slowdown) {
                self.displays
                    .lock()
                    .retain(|other| !Arc::ptr_eq(other, display));
            } else {
                let due = display.picture.lock().due;
                sleep = sleep.min(due.saturating_duration_since(now));
            }
        }
        sleep.max(MIN_SLEEP)
    }

    /// A run of a cell begins: what earlier runs of the same cell show is stopped, and says that
    /// it is replaced. Returns when those jobs have stopped, or soon if that takes long.
    pub fn replace_earlier_runs(&self, parent: &Parent) {
        self.somebody_is_here(Instant::now());
        let Some(cell_id) = parent.cell_id() else {
            return;
        };
        let earlier: Vec<Arc<LiveDisplay>> = self
            .displays
            .lock()
            .iter()
            .filter(|display| {
                display.cell_id.as_deref() == Some(cell_id) && display.request_id != parent.msg_id()
            })
            .cloned()
            .collect();
        for display in earlier {
            display.picture.lock().replaced = true;
            display.stop();
        }
    }

    /// Somebody runs cells: displays are drawn at their full rate.
    fn somebody_is_here(&self, now: Instant) {
        let before = self.last_activity.lock().replace(now);
        let quiet = before.map(|before| now.saturating_duration_since(before));
        if slowdown(quiet.unwrap_or_default()) > 1 {
            for display in self.displays.lock().iter() {
                display.picture.lock().due = now;
            }
        }
    }

    /// Shows every display that is not done in the cell of `parent` too: after a page was
    /// reloaded, the frontend has lost the old ones. Gives their number.
    pub fn show_again(&self, parent: &Parent) -> usize {
        let displays = self.displays.lock().clone();
        let mut n_shown = 0;
        for display in displays {
            let picture = display.picture.lock();
            if let (false, Some(bundle)) = (picture.done, picture.frames.last()) {
                display.screen.show_in(parent, bundle);
                n_shown += 1;
            }
        }
        n_shown
    }

    /// The process ends: every display shows its last rows and says that it was stopped. Does not
    /// wait for the jobs.
    pub fn last_words(&self) {
        let displays = std::mem::take(&mut *self.displays.lock());
        for display in displays {
            let mut picture = display.picture.lock();
            if picture.done {
                continue;
            }
            let mut progress = display.source.progress();
            if progress.state == RunState::Running {
                progress.state = RunState::Stopped;
                picture.note = Some("the kernel was shut down".to_owned());
            }
            display.draw(&mut picture, &progress, display.source.n_rows());
            picture.done = true;
        }
    }

    /// Number of displays that are not done.
    #[must_use]
    pub fn len(&self) -> usize {
        self.displays.lock().len()
    }

    /// Whether all displays are done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.displays.lock().is_empty()
    }
}
