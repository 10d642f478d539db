//! Shows the result of a query, and the work of an INSERT, in one of three ways.
//!
//! ```text
//!              │ bounded input                  │ unbounded input
//!  ────────────┼────────────────────────────────┼──────────────────────────────────────────────
//!   live       │ waits, shows progress, then    │ returns at once, the display goes on
//!              │ the settled result             │
//!   settled    │ waits, shows the result once   │ waits for `--until`, or until its input pauses
//!              │                                │ for 1 s (10 s at most); stops; shows it once
//! ```
//!
//! A live query that `--until` stops ends with the picture that settled mode shows.
//!
//! An unbounded INSERT has no result to wait for: in settled mode too it returns at once and goes
//! on in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill_engine::connectors::view::ViewOptions;
use tidemill_engine::runtime::JobHandle;
use tidemill_engine::session::Query;

use super::source::JobSource;
use super::{CellContext, CellError};
use crate::display::format::ValueFormat;
use crate::display::frame::{FrameOptions, Frames, Order};
use crate::display::live::{CellScreen, LiveSource, LiveSpec, Screen, Until};
use crate::display::status::{RunState, Status};
use crate::display::table::{Shown, TableOptions};
use crate::mime::{DisplayId, MimeBundle};

/// Rows of an append-only result that are kept for its settled picture. Beyond, the last ones.
const MAX_SETTLED_ROWS: usize = 1_000_000;

/// Results that come within this time are shown at once, without a picture of nothing before.
const SHORT: Duration = Duration::from_millis(150);

/// How often a waiting cell looks for an interrupt.
const INTERRUPT_POLL: Duration = Duration::from_millis(40);

/// In settled mode, an unbounded query without `--until` ends when nothing came for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// The same before its first record: sources need time to open.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
/// And after so long in any case.
const MAX_SETTLING: Duration = Duration::from_secs(10);

impl CellContext<'_> {
    /// Runs a query and shows its result.
    ///
    /// # Errors
    /// If the query cannot be started, fails while this waits for it, or is interrupted.
    pub(super) fn show_query(&mut self, query: &Query) -> Result<(), CellError> {
        let settled = self.settings.is_settled(&self.parent);
        let waits = settled || query.is_bounded() || self.options.until.is_some();
        let (job, view) = query.materialize(ViewOptions {
            max_rows: Some(if waits {
                MAX_SETTLED_ROWS
            } else {
                self.settings.max_rows
            }),
            upsert_key: None,
        })?;
        let source = JobSource {
            view: Some(view),
            job,
        };
        let order = query_order(query, &source.job, waits);
        let frames = self.frame_options(order, query.sql(), settled);
        if settled {
            return self.settle(&source, frames, query.is_bounded());
        }
        self.show_live(source, frames, query.is_bounded())
    }

    /// Shows the work of a job that writes into tables.
    ///
    /// # Errors
    /// As [`Self::show_query`].
    pub(super) fn show_insert(
        &mut self,
        job: JobHandle,
        statement: &str,
        subject: String,
        awaited: bool,
    ) -> Result<(), CellError> {
        let settled = awaited || self.settings.is_settled(&self.parent);
        let bounded = awaited || job.is_bounded();
        let source = JobSource { job, view: None };
        let mut frames = self.frame_options(Order::AsTheyCame, statement, settled);
        frames.subject = Some(subject.clone());
        if !settled {
            return self.show_live(source, frames, bounded);
        }
        if bounded {
            return self.settle(&source, frames, true);
        }
        let status = Status {
            subject: Some(subject),
            ..Status::new(RunState::Running)
        };
        let bundle = MimeBundle::plain(status.to_plain()).with_html(status.to_html());
        self.screen().show(&bundle);
        Ok(())
    }

    fn frame_options(&self, order: Order, statement: &str, settled: bool) -> FrameOptions {
        FrameOptions {
            subject: self.options.name.clone(),
            job_id: None,
            table: TableOptions {
                max_rows: self.settings.max_rows,
                shown: Shown::Head,
                format: ValueFormat {
                    time_zone: self.time_zone,
                    ..ValueFormat::default()
                },
            },
            order,
            records_are_deterministic: !stops_early(statement),
            settled,
        }
    }

    fn screen(&self) -> CellScreen {
        CellScreen {
            publisher: self.publisher.clone(),
            parent: self.parent.clone(),
            id: DisplayId::new_unique(),
        }
    }

    /// A live display; for bounded input this waits for the end.
    fn show_live(
        &mut self,
        source: JobSource,
        mut frames: FrameOptions,
        bounded: bool,
    ) -> Result<(), CellError> {
        let started = Instant::now();
        while bounded && started.elapsed() < SHORT {
            if source.wait(INTERRUPT_POLL) {
                frames.settled = true;
                return self.show_settled(&source, frames, None);
            }
            self.stop_if_interrupted(&source)?;
        }
        frames.job_id = Some(source.job.id().to_owned());
        let source = Arc::new(source);
        let display = self.displays.add(LiveSpec {
            source: Arc::clone(&source) as Arc<dyn LiveSource>,
            screen: Box::new(self.screen()),
            frames,
            period: self.settings.period(),
            until: self.options.until,
            cell_id: self.parent.cell_id().map(str::to_owned),
            request_id: self.parent.msg_id().to_owned(),
        });
        while bounded && !display.wait(INTERRUPT_POLL) {
            if (self.interrupted)() {
                display.stop();
                return Err(CellError::Interrupted);
            }
        }
        match source.failure() {
            // The display of a query that goes on tells of its failure; a cell that waited fails.
            Some(error) if bounded => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Waits until the result has settled, then shows it once.
    fn settle(
        &mut self,
        source: &JobSource,
        frames: FrameOptions,
        bounded: bool,
    ) -> Result<(), CellError> {
        let mut pause = Pause::new(source);
        let note = loop {
            if source.wait(INTERRUPT_POLL) {
                break None;
            }
            self.stop_if_interrupted(source)?;
            if let Some(until) = self.options.until {
                if until.is_met(&source.progress(), source.n_rows()) {
                    break Some(format!("until {until}"));
                }
            } else if !bounded && let Some(reason) = pause.reason(source) {
                break Some(reason.to_owned());
            }
        };
        source.stop();
        while !source.wait(INTERRUPT_POLL) {
            self.stop_if_interrupted(source)?;
        }
        self.show_settled(source, frames, note)
    }

    fn stop_if_interrupted(&mut self, source: &JobSource) -> Result<(), CellError> {
        if (self.interrupted)() {
            source.stop();
            return Err(CellError::Interrupted);
        }
        Ok(())
    }

    /// Shows what an ended job leaves, in a picture that never changes.
    fn show_settled(
        &self,
        source: &JobSource,
        frames: FrameOptions,
        note: Option<String>,
    ) -> Result<(), CellError> {
        if let Some(error) = source.failure() {
            return Err(error.into());
        }
        let mut rows = source.rows(usize::MAX);
        if let (Some(rows), Some(Until::Rows(n_rows))) = (&mut rows, self.options.until) {
            rows.keep_first(n_rows);
        }
        let bundle =
            Frames::new(frames).next(&source.progress(), rows.as_ref(), note.as_deref())?;
        if let Some(bundle) = bundle {
            self.screen().show(&bundle);
        }
        Ok(())
    }
}

/// The order in which a result is shown: the query's own; else, where a result is awaited, one
/// that does not depend on how threads took turns.
fn query_order(query: &Query, job: &JobHandle, waits: bool) -> Order {
    if query.is_ordered() {
        let keys = query.ordering();
        // Ordered by something that is not shown: the engine hands it out in that order.
        return if keys.is_empty() {
            Order::AsTheyCame
        } else {
            Order::By(keys)
        };
    }
    let in_turn = query.changelog_mode().is_insert_only() && job.n_readers() <= 1;
    if waits && !in_turn {
        Order::ByAllColumns
    } else {
        Order::AsTheyCame
    }
}

/// Whether a query may end before it has read all its input, so that the number of records read
/// depends on timing. Errs on the side of yes.
fn stops_early(statement: &str) -> bool {
    statement
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| word.eq_ignore_ascii_case("limit") || word.eq_ignore_ascii_case("fetch"))
}

/// Notices when the input of an unbounded query pauses.
struct Pause {
    started: Instant,
    seen: (u64, u64),
    seen_at: Instant,
}

impl Pause {
    fn new(source: &JobSource) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            seen: (source.progress().n_records, source.version()),
            seen_at: now,
        }
    }

    /// Why the query should end now, if it should.
    fn reason(&mut self, source: &JobSource) -> Option<&'static str> {
        let now = Instant::now();
        let seen = (source.progress().n_records, source.version());
        if seen != self.seen {
            self.seen = seen;
            self.seen_at = now;
        }
        let patience = if seen.0 == 0 { FIRST_PAUSE } else { PAUSE };
        if now - self.seen_at >= patience {
            Some("input paused")
        } else if now - self.started >= MAX_SETTLING {
            Some("after 10 s")
        } else {
            None
        }
    }
}
