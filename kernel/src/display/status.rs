//! The line over a live table or below a statement: in which state its job is, and how much it
//! has done.
//!
//! ```text
//!   ● running · 31 rows · 1,204,331 records · 402,000 records/s · 3 s
//!   ✔ finished · 31 rows from 2,000,000 records
//!   ■ stopped · 31 rows from 1,204,331 records
//!   ✔ INSERT INTO sink finished · 2,000,000 records in · 1,204,331 out
//!   ✖ failed · 31 rows · function 'ip_to_province' failed
//! ```
//!
//! The line of a result that has settled says nothing of time and rates, because a notebook test
//! compares it with the next run.

use std::time::Duration;

use super::html::{MUTED, counted, escape, grouped};

/// In which state a live result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Changes go on.
    Running,
    /// The input has ended; this is the result.
    Finished,
    /// Somebody stopped it; the rows are the last ones.
    Stopped,
    /// It failed; the rows are the last good ones.
    Failed,
    /// The cell was run again and shows its result elsewhere.
    Replaced,
}

impl RunState {
    /// The sign and the word.
    #[must_use]
    pub fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::Running => ("●", "running"),
            Self::Finished => ("✔", "finished"),
            Self::Stopped => ("■", "stopped"),
            Self::Failed => ("✖", "failed"),
            Self::Replaced => ("■", "replaced by a newer run"),
        }
    }

    /// Readable on white and on black.
    fn color(self) -> &'static str {
        match self {
            Self::Running => "#1a9e6c",
            Self::Finished => "#3d8fd1",
            Self::Stopped | Self::Replaced => "#8a8a8a",
            Self::Failed => "#d9534f",
        }
    }
}

/// What the line says; `None` says nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The state.
    pub state: RunState,
    /// What runs, in front: `INSERT INTO sink`. A live table has none.
    pub subject: Option<String>,
    /// Rows of the result.
    pub n_rows: Option<u64>,
    /// Records read by the job's sources.
    pub n_records: Option<u64>,
    /// Changes written into tables by the job.
    pub n_written: Option<u64>,
    /// Records a second, now.
    pub records_per_second: Option<f64>,
    /// Since the start.
    pub elapsed: Option<Duration>,
    /// The end of the line: why it stopped, how to find the job.
    pub note: Option<String>,
    /// The error of a failed job, shown in full below the line.
    pub error: Option<String>,
}

impl Status {
    /// Only a state.
    #[must_use]
    pub fn new(state: RunState) -> Self {
        Self {
            state,
            subject: None,
            n_rows: None,
            n_records: None,
            n_written: None,
            records_per_second: None,
            elapsed: None,
            note: None,
            error: None,
        }
    }

    /// What stands after the state, in order.
    fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        match (self.n_rows, self.n_records) {
            // Each record a row: nothing more to say.
            (Some(rows), Some(records)) if rows == records && self.state != RunState::Running => {
                parts.push(counted(rows, "row"));
            }
            (Some(rows), Some(records)) if self.state != RunState::Running => {
                parts.push(format!(
                    "{} from {}",
                    counted(rows, "row"),
                    counted(records, "record")
                ));
            }
            (rows, records) => {
                parts.extend(rows.map(|rows| counted(rows, "row")));
                let direction = if self.n_written.is_some() { " in" } else { "" };
                parts.extend(records.map(|n| counted(n, "record") + direction));
            }
        }
        parts.extend(self.n_written.map(|n| format!("{} out", grouped(n))));
        parts.extend(
            self.records_per_second
                .map(|rate| format!("{} records/s", rate_text(rate))),
        );
        parts.extend(self.elapsed.map(elapsed_text));
        parts.extend(self.note.clone());
        parts
    }

    /// One line of text; an error follows on its own lines.
    #[must_use]
    pub fn to_plain(&self) -> String {
        let (sign, word) = self.state.label();
        let mut line = format!("{sign} ");
        if let Some(subject) = &self.subject {
            line.push_str(subject);
            line.push(' ');
        }
        line.push_str(word);
        for part in self.parts() {
            line.push_str(" · ");
            line.push_str(&part);
        }
        if let Some(error) = &self.error {
            line.push('\n');
            line.push_str(error);
        }
        line
    }

    /// A `<div>` of one line; an error follows as preformatted text.
    #[must_use]
    pub fn to_html(&self) -> String {
        let (sign, word) = self.state.label();
        let color = self.state.color();
        let mut out = format!(
            "<div style=\"font-size:12px;line-height:18px;padding:2px 12px 4px 2px;\
             white-space:nowrap;font-variant-numeric:tabular-nums\">\
             <span style=\"color:{color};display:inline-block;width:16px\">{sign}</span>"
        );
        if let Some(subject) = &self.subject {
            out.push_str(&format!("<span>{} </span>", escape(subject)));
        }
        out.push_str(&format!(
            "<span style=\"color:{color};font-weight:600\">{word}</span>"
        ));
        let parts = self.parts();
        if !parts.is_empty() {
            let text = format!(" · {}", parts.join(" · "));
            out.push_str(&format!("<span style=\"{MUTED}\">{}</span>", escape(&text)));
        }
        out.push_str("</div>");
        if let Some(error) = &self.error {
            out.push_str(&format!(
                "<pre style=\"margin:0 0 6px 18px;font-size:12px;line-height:16px;\
                 white-space:pre-wrap;color:#d9534f\">{}</pre>",
                escape(error)
            ));
        }
        out
    }
}

/// A rate of which nobody needs the last digits: three are kept from 1,000 on.
#[must_use]
pub fn rate_text(rate: f64) -> String {
    if !rate.is_finite() || rate < 0.0 {
        return "0".to_owned();
    }
    if rate < 10.0 && rate > 0.0 {
        return format!("{rate:.1}");
    }
    let mut rounded = rate.round();
    let mut unit = 1.0;
    while rounded / unit >= 1_000.0 {
        unit *= 10.0;
    }
    rounded = (rounded / unit).round() * unit;
    // Rates stay far below 2^64.
    grouped(rounded as u64)
}

/// `0.4 s`, `3.2 s`, `3 s` for whole ones, `2 min 05 s`, `1 h 02 min`.
#[must_use]
pub fn elapsed_text(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds < 60 && elapsed.subsec_millis() == 0 {
        return format!("{seconds} s");
    }
    if seconds < 60 {
        return format!("{:.1} s", elapsed.as_millis() as f64 / 1_000.0);
    }
    if seconds < 3_600 {
        return format!("{} min {:02} s", seconds / 60, seconds % 60);
    }
    format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60)
}
