//! Queries over rows with event time, some of them late, in sessions of any settings: what comes
//! out does not hang on steps, workers, or on where a job is stopped and goes on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;
use tidemill_engine::session::Session;

use crate::jobs::{collected, collected_onto, folder_in_memory, interrupted, resumed, viewed};
use crate::oracle::Bag;
use crate::oracle::TestResult;

/// A row: its key, its second, and a number; rows come mostly in order.
pub type Event = (u8, i64, i64);

/// Whether the operators tell every change or the net of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emission {
    /// Every change.
    RowByRow,
    /// The net of a step.
    Net,
}

/// How a job runs.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Workers.
    pub n_workers: usize,
    /// Rows of a step.
    pub step_rows: usize,
    /// What operators tell.
    pub emission: Emission,
}

/// The setting that says what is right: one worker, steps of one row.
pub const REFERENCE: Setting = Setting {
    n_workers: 1,
    step_rows: 1,
    emission: Emission::RowByRow,
};

/// Queries over the table `t (k, v, ts)` and the views `l`, `r`, `newest` and `oldest` of it, in
/// sessions with these options.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    /// The queries.
    pub sql: &'a [&'a str],
    /// Options beside those of the setting.
    pub options: &'a [(&'a str, &'a str)],
    /// Statements that make further views.
    pub views: &'a [&'a str],
}

impl Queries<'_> {
    /// The folded changelog of each query.
    ///
    /// # Errors
    /// If a job fails or hangs, or takes back what was not there.
    pub fn collected(&self, events: &[Event], setting: Setting) -> TestResult<Vec<Bag>> {
        let folder = TempDir::new()?;
        write(events, folder.path())?;
        let session = self.session(folder.path(), setting, false)?;
        let bags = self.sql.iter().map(|sql| collected(&session.query(sql)?));
        bags.collect()
    }

    /// The folded changelog and the live view of each query, whose job is stopped when so many rows
    /// are there, and goes on with the others in another setting.
    ///
    /// # Errors
    /// As [`Self::collected`], and if a job cannot be stopped or go on.
    pub fn interrupted(
        &self,
        events: &[Event],
        n_before: usize,
        [before, after]: [Setting; 2],
    ) -> TestResult<Vec<[Bag; 2]>> {
        let folder = folder_in_memory()?;
        let (rows, savepoints) = (folder.path().join("rows"), folder.path().join("savepoints"));
        std::fs::create_dir(&rows)?;
        write(events.get(..n_before).unwrap_or(events), &rows)?;
        let first = self.session(&rows, before, true)?;
        let stopped = self
            .sql
            .iter()
            .map(|sql| interrupted(&first.query(sql)?, 1, &savepoints));
        let stopped = stopped.collect::<TestResult<Vec<_>>>()?;
        write(events, &rows)?;
        let second = self.session(&rows, after, false)?;
        let bags = self.sql.iter().zip(stopped).map(|(sql, stopped)| {
            // One after the other: the session says where the next job goes on.
            let log = collected_onto(stopped.bag, &resumed(&second, sql, &stopped.of_log)?)?;
            let view = viewed(&resumed(&second, sql, &stopped.of_view)?)?;
            Ok([log, view])
        });
        bags.collect()
    }

    /// A session over the rows of a folder, which do not end if they are to be watched.
    ///
    /// # Errors
    /// If a table or a view is refused.
    pub fn session(
        &self,
        folder: &Path,
        setting: Setting,
        is_watched: bool,
    ) -> TestResult<Session> {
        let is_net = setting.emission == Emission::Net;
        let (n_workers, step_rows) = (setting.n_workers.to_string(), setting.step_rows.to_string());
        let own = [
            ("parallelism.default", n_workers.as_str()),
            ("table.local-time-zone", "UTC"),
            ("table.exec.mini-batch.size", &step_rows),
            (
                "table.exec.mini-batch.enabled",
                if is_net { "true" } else { "false" },
            ),
            ("table.exec.mini-batch.allow-latency", "1 s"),
            ("tidemill.worker.min-rows", "1"),
        ];
        let options = own.iter().chain(self.options);
        let options: BTreeMap<String, String> = options
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let session = Session::new(options);
        let path = folder.display();
        let watch = if is_watched {
            ", 'source.monitor-interval' = '5 ms'"
        } else {
            ""
        };
        for sql in [
            &format!(
                "CREATE TABLE t (k INT, v BIGINT, ts TIMESTAMP(3), \
                 WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) \
                 WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv'{watch})"
            ),
            "CREATE VIEW l AS SELECT k, v, ts FROM t WHERE v >= 0",
            "CREATE VIEW r AS SELECT k, v, ts FROM t WHERE v <= 5",
            "CREATE VIEW newest AS SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (\
             PARTITION BY k ORDER BY ts DESC) AS rn FROM r) WHERE rn = 1",
            "CREATE VIEW oldest AS SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (\
             PARTITION BY k, v ORDER BY ts) AS rn FROM r) WHERE rn = 1",
        ] {
            session.execute(sql)?;
        }
        for sql in self.views {
            session.execute(sql)?;
        }
        Ok(session)
    }
}

/// Writes the rows into a folder, as CSV.
///
/// # Errors
/// If the file cannot be written.
pub fn write(events: &[Event], folder: &Path) -> TestResult<()> {
    let mut text = String::new();
    for (k, second, v) in events {
        let (minute, second) = (second / 60, second % 60);
        writeln!(text, "{k},{v},2024-01-01 00:{minute:02}:{second:02}")?;
    }
    Ok(std::fs::write(folder.join("t.csv"), text)?)
}

/// Rows of which one in three comes out of order, some of them too late.
pub fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0_u8..4, 0_i64..3, -4_i64..9, -6_i64..10);
    prop::collection::vec(event, 1..60).prop_map(|drawn| {
        let mut now = 10;
        drawn
            .into_iter()
            .map(|(k, step, shift, v)| {
                now += step;
                let second = if shift < 0 { now + shift } else { now };
                (k, second, v)
            })
            .collect()
    })
}
