//! The successive pictures of one live result; pure, without threads or clocks.
//!
//! A picture is calm: columns and height never shrink during a run, numbers that change all the
//! time are rounded, and a picture that equals the last one is not sent. The last picture of a
//! result that has settled depends on the rows alone, not on times, rates or worker threads:
//! what a notebook saves is then what the next run of it gives.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take_record_batch};
use tidemill_engine::Result;
use tidemill_engine::session::OrderKey;

use super::status::{RunState, Status};
use super::table::{Shown, TableOptions, sorted_by_all_columns, table_grid};
use crate::mime::MimeBundle;

/// How far a job has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Its state.
    pub state: RunState,
    /// The error of a failed job.
    pub error: Option<String>,
    /// Records that its sources have read.
    pub n_records: u64,
    /// Changes that it has written into tables; none for a query, which writes into no table.
    pub n_written: Option<u64>,
    /// Since the start; stands still after the end.
    pub elapsed: Duration,
}

/// The rows of a result at one moment.
#[derive(Debug, Clone)]
pub struct Rows {
    /// All rows, or as many as were asked for or kept: the last ones.
    pub batch: RecordBatch,
    /// How many there are in the whole table.
    pub n_rows: u64,
    /// Whether rows are only ever added.
    pub append_only: bool,
}

impl Rows {
    /// Leaves the first `n_rows` of rows that only ever come, if all are here: a query that ends
    /// at a number of rows goes on to the end of a step, and how many rows that gives is chance.
    pub fn keep_first(&mut self, n_rows: u64) {
        let is_whole = self.batch.num_rows() as u64 == self.n_rows;
        if self.append_only && is_whole && self.n_rows > n_rows {
            // Smaller than a number of rows in memory.
            self.batch = self.batch.slice(0, n_rows as usize);
            self.n_rows = n_rows;
        }
    }
}

/// In which order rows are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// As the view has them: old rows keep their place, new ones come last.
    AsTheyCame,
    /// By all columns from left to right: for results whose order depends on worker threads.
    ByAllColumns,
    /// By the query's ORDER BY; rows that are equal there, by all columns.
    By(Vec<OrderKey>),
}

/// What one live display shows.
#[derive(Debug, Clone)]
pub struct FrameOptions {
    /// In front of the state; none for a table.
    pub subject: Option<String>,
    /// At the end of the line while the job runs: by which it can be stopped.
    pub job_id: Option<String>,
    /// Rows and values. Which end is shown is decided here: the end that grows while an
    /// append-only result runs, else the beginning.
    pub table: TableOptions,
    /// The order of the rows.
    pub order: Order,
    /// Whether the number of records read depends on the data alone. It does not under a LIMIT,
    /// which stops the sources at some moment.
    pub records_are_deterministic: bool,
    /// Only the result, no state: nothing of the picture depends on time.
    pub settled: bool,
}

/// Sorting a view again for every picture is worth it up to this size.
const MAX_SORTED_WHILE_RUNNING: u64 = 5_000;

/// The rate is that of the last seconds.
const RATE_WINDOW: Duration = Duration::from_secs(2);

/// After so long without a record, a job is idle.
const IDLE_AFTER: Duration = Duration::from_secs(3);

/// Makes the pictures of one live display.
#[derive(Debug)]
pub struct Frames {
    options: FrameOptions,
    floor_widths: Vec<usize>,
    min_rows: usize,
    /// Elapsed time and records read at earlier pictures, oldest first, at most [`RATE_WINDOW`].
    history: VecDeque<(Duration, u64)>,
    last_record_at: Duration,
    last: Option<MimeBundle>,
}

impl Frames {
    /// No picture yet.
    #[must_use]
    pub fn new(options: FrameOptions) -> Self {
        Self {
            options,
            floor_widths: Vec::new(),
            min_rows: 0,
            history: VecDeque::new(),
            last_record_at: Duration::ZERO,
            last: None,
        }
    }

    /// The last picture, for showing it once more elsewhere.
    #[must_use]
    pub fn last(&self) -> Option<&MimeBundle> {
        self.last.as_ref()
    }

    /// The next picture is the last one of a result that somebody waited for: it shows nothing of
    /// time.
    pub fn settle(&mut self) {
        self.options.settled = true;
    }

    /// How many rows of the view the next picture needs; all if it will sort them.
    #[must_use]
    pub fn n_rows_needed(&self, state: RunState, n_rows: u64) -> usize {
        if self.sorts(state, n_rows) {
            usize::MAX
        } else {
            self.options.table.max_rows
        }
    }

    fn sorts(&self, state: RunState, n_rows: u64) -> bool {
        self.options.order != Order::AsTheyCame
            && (state != RunState::Running || n_rows <= MAX_SORTED_WHILE_RUNNING)
    }

    /// The picture of this moment, or `None` if it is the last one again. `note` ends the status
    /// line.
    ///
    /// # Errors
    /// If the rows cannot be sorted, which would be a bug of ours.
    pub fn next(
        &mut self,
        progress: &Progress,
        rows: Option<&Rows>,
        note: Option<&str>,
    ) -> Result<Option<MimeBundle>> {
        let bundle = self.draw(progress, rows, note)?;
        if self.last.as_ref() == Some(&bundle) {
            return Ok(None);
        }
        self.last = Some(bundle.clone());
        Ok(Some(bundle))
    }

    fn draw(
        &mut self,
        progress: &Progress,
        rows: Option<&Rows>,
        note: Option<&str>,
    ) -> Result<MimeBundle> {
        let mut status = self.status(progress, rows.map(|rows| rows.n_rows));
        status.note = note.map(str::to_owned).or(status.note);
        let Some(rows) = rows else {
            return Ok(MimeBundle::plain(status.to_plain()).with_html(status.to_html()));
        };
        let running = progress.state == RunState::Running;
        let is_whole = rows.batch.num_rows() as u64 == rows.n_rows;
        let sorted;
        let batch = if self.sorts(progress.state, rows.n_rows) {
            sorted = sort(&rows.batch, &self.options.order)?;
            &sorted
        } else {
            &rows.batch
        };
        self.options.table.shown = if (rows.append_only && running) || !is_whole {
            Shown::Tail
        } else {
            Shown::Head
        };
        let mut grid = table_grid(batch, rows.n_rows, &self.options.table);
        if running {
            self.min_rows = self.min_rows.max(grid.rows.len());
            grid.min_rows = self.min_rows;
            grid.floor_widths = std::mem::take(&mut self.floor_widths);
            self.floor_widths = grid.widths();
        }
        let html = format!("{}{}", status.to_html(), grid.to_html());
        let plain = format!("{}\n{}", grid.to_plain(), status.to_plain());
        Ok(MimeBundle::plain(plain).with_html(html))
    }

    fn status(&mut self, progress: &Progress, n_rows: Option<u64>) -> Status {
        let mut status = Status::new(progress.state);
        status.subject = self.options.subject.clone();
        status.n_rows = n_rows;
        status.error = progress.error.clone();
        status.n_written = progress.n_written;
        match progress.state {
            RunState::Running => {
                status.n_records = Some(progress.n_records);
                let pace = self.pace(progress);
                status.records_per_second = pace.records_per_second;
                status.elapsed = pace.elapsed;
                let waiting = pace.idle.then(|| "waiting for input".to_owned());
                let job = self.options.job_id.as_ref().map(|id| format!("job {id}"));
                let notes: Vec<String> = waiting.into_iter().chain(job).collect();
                status.note = (!notes.is_empty()).then(|| notes.join(" · "));
            }
            RunState::Finished => {
                let known = self.options.records_are_deterministic;
                status.n_records = known.then_some(progress.n_records);
            }
            RunState::Stopped | RunState::Failed | RunState::Replaced => {
                if !self.options.settled {
                    status.n_records = Some(progress.n_records);
                    status.elapsed = Some(progress.elapsed);
                }
            }
        }
        status
    }

    /// How fast records come, and for how long.
    fn pace(&mut self, progress: &Progress) -> Pace {
        let (now, n_records) = (progress.elapsed, progress.n_records);
        let before = self.history.back().map(|(_, before)| *before);
        if before != Some(n_records) {
            self.last_record_at = now;
        }
        self.history.push_back((now, n_records));
        let is_old = |at: Duration| now.saturating_sub(at) > RATE_WINDOW;
        while self.history.len() > 2 && self.history.front().is_some_and(|(at, _)| is_old(*at)) {
            self.history.pop_front();
        }
        if n_records == 0 && now < Duration::from_secs(1) {
            return Pace::default();
        }
        let idle = now.saturating_sub(self.last_record_at) >= IDLE_AFTER;
        // Coarse, so that the display of an idle query hardly ever changes.
        let unit = match (idle, now.as_secs()) {
            (false, _) => 1,
            (true, ..60) => 10,
            (true, _) => 60,
        };
        Pace {
            idle,
            elapsed: Some(Duration::from_secs(now.as_secs() / unit * unit)),
            records_per_second: (!idle).then(|| self.rate(now, n_records)),
        }
    }

    /// Records a second since the oldest picture of the window.
    fn rate(&self, now: Duration, n_records: u64) -> f64 {
        let (since, before) = match self.history.front() {
            Some(first) if self.history.len() > 1 => *first,
            _ => (Duration::ZERO, 0),
        };
        let seconds = now.saturating_sub(since).as_secs_f64();
        if seconds > 0.0 {
            // Counts stay far below 2^52.
            n_records.saturating_sub(before) as f64 / seconds
        } else {
            0.0
        }
    }
}

/// What a running job's status line says of time.
#[derive(Debug, Default)]
struct Pace {
    idle: bool,
    elapsed: Option<Duration>,
    records_per_second: Option<f64>,
}

fn sort(batch: &RecordBatch, order: &Order) -> Result<RecordBatch> {
    let keys = match order {
        Order::AsTheyCame => return Ok(batch.clone()),
        Order::ByAllColumns => return sorted_by_all_columns(batch),
        Order::By(keys) => keys,
    };
    // Sorted by all columns first: rows that are equal in the keys then have a settled order too,
    // because the position is the last key.
    let batch = sorted_by_all_columns(batch)?;
    let position = UInt64Array::from_iter_values(0..batch.num_rows() as u64);
    let mut columns: Vec<SortColumn> = keys
        .iter()
        .filter_map(|key| {
            let values = Arc::clone(batch.columns().get(key.column)?);
            let options = Some(SortOptions::new(key.descending, key.nulls_first));
            Some(SortColumn { values, options })
        })
        .collect();
    columns.push(SortColumn {
        values: Arc::new(position),
        options: None,
    });
    let indices = lexsort_to_indices(&columns, None)?;
    Ok(take_record_batch(&batch, &indices)?)
}
