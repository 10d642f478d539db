//! Runs the statements of a SQL cell one after the other and shows what each gives.
//!
//! ```text
//!   CREATE, DROP, ALTER, USE, SET …   one quiet line
//!   SHOW, DESCRIBE                    a table
//!   EXPLAIN, SHOW CREATE              preformatted text
//!   SELECT, VALUES                    a table, live while it changes     (query)
//!   INSERT, EXECUTE STATEMENT SET     a line about the job               (query)
//! ```
//!
//! A statement that fails ends the cell; those before it keep their effects. A cell that is run
//! again first stops what its earlier run left running.

pub mod assist;
mod confirmation;
mod prints;
mod query;
mod settings;
mod source;

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use chrono_tz::Tz;
use tidemill_engine::EngineError;
use tidemill_engine::connectors::print::set_print_target;
use tidemill_engine::session::{
    Query, ResultContent, ResultKind, ScriptStatement, Session, TableResult,
};

pub use settings::{LiveMode, LiveSettings};

use crate::cell::{CellOptions, OptionError, parse_cell};
use crate::display::format::ValueFormat;
use crate::display::html::{MUTED, escape};
use crate::display::live::LiveDisplays;
use crate::display::table::{Shown, TableOptions, table_grid};
use crate::kernel::KernelHandle;
use crate::mime::{DisplayId, MimeBundle};
use crate::parent::Parent;
use crate::publisher::Publisher;

/// Connects the engine with the kernel of this process: what jobs print goes to the cells that
/// started them, and at shutdown every live display shows its last rows. To be called once.
pub fn install(kernel: &KernelHandle) {
    set_print_target(Arc::new(prints::CellPrints(kernel.clone())));
    kernel.on_shutdown(|| LiveDisplays::global().last_words());
}

/// Why a SQL cell ended early.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// A statement is wrong, or its job failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The `%%sql` line is wrong.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// The user interrupted it; what it waited for is stopped.
    #[error("interrupted")]
    Interrupted,
}

/// Where a cell shows its results, and how.
pub struct CellContext<'a> {
    publisher: Publisher,
    parent: Parent,
    displays: Arc<LiveDisplays>,
    settings: LiveSettings,
    options: CellOptions,
    time_zone: Tz,
    /// Whether the user wants the cell to end; asked some 25 times a second while it waits.
    interrupted: &'a mut dyn FnMut() -> bool,
}

/// Rows of SHOW and DESCRIBE that are shown.
const MAX_SHOWN_ROWS: usize = 500;

impl<'a> CellContext<'a> {
    /// The context of the cell that `parent` runs. Local timestamps are shown in `time_zone`, an
    /// IANA name; in UTC if there is no zone of this name.
    pub fn new(
        publisher: Publisher,
        parent: Parent,
        time_zone: &str,
        interrupted: &'a mut dyn FnMut() -> bool,
    ) -> Self {
        Self {
            publisher,
            parent,
            displays: Arc::clone(LiveDisplays::global()),
            settings: LiveSettings::current(),
            options: CellOptions::default(),
            time_zone: time_zone.parse().unwrap_or(Tz::UTC),
            interrupted,
        }
    }

    /// Runs the statements of a cell.
    ///
    /// # Errors
    /// The first error; see [`CellError`].
    pub fn run_cell(&mut self, session: &Session, code: &str) -> Result<(), CellError> {
        self.displays.replace_earlier_runs(&self.parent);
        let (options, script) = parse_cell(code)?;
        self.settings = LiveSettings::current().with(&options);
        self.options = options;
        self.time_zone = time_zone(session);
        for statement in session.parse_script(&script)? {
            if (self.interrupted)() {
                return Err(CellError::Interrupted);
            }
            self.run_statement(session, &statement)?;
            // SET 'table.local-time-zone' may have been among them.
            self.time_zone = time_zone(session);
        }
        Ok(())
    }

    /// Shows a query that was made elsewhere: a table displayed in Python.
    ///
    /// # Errors
    /// See [`CellError`].
    pub fn run_query(&mut self, query: &Query) -> Result<(), CellError> {
        self.displays.replace_earlier_runs(&self.parent);
        self.show_query(query)
    }

    fn run_statement(
        &mut self,
        session: &Session,
        statement: &ScriptStatement,
    ) -> Result<(), CellError> {
        if statement.is_query() {
            let query = session.query_statement(statement)?;
            return self.show_query(&query);
        }
        let result = session.start_statement(statement)?;
        let awaited = session.awaited(&result).is_some();
        if let Some(job) = result.job {
            let subject = self.options.name.clone();
            let subject = subject.unwrap_or_else(|| confirmation::insert_subject(&statement.text));
            return self.show_insert(job, &statement.text, subject, awaited);
        }
        let bundle = match result.kind {
            ResultKind::Success => {
                confirmation_bundle(&confirmation::confirmation(&statement.text))
            }
            ResultKind::SuccessWithContent => self.content_bundle(&result)?,
        };
        self.publisher
            .display_data(&self.parent, &DisplayId::new_unique(), &bundle);
        Ok(())
    }

    /// The rows of SHOW, DESCRIBE and EXPLAIN.
    fn content_bundle(&self, result: &TableResult) -> Result<MimeBundle, CellError> {
        let ResultContent::Rows(batches) = &result.content else {
            return Err(EngineError::internal("a statement without a job gave changes").into());
        };
        let rows = concat_batches(&result.schema, batches).map_err(EngineError::from)?;
        if let Some(text) = preformatted(&rows) {
            return Ok(text_bundle(&text));
        }
        if rows.num_rows() == 0 {
            return Ok(confirmation_bundle("empty set"));
        }
        let options = TableOptions {
            max_rows: self.settings.max_rows.max(MAX_SHOWN_ROWS),
            shown: Shown::Head,
            format: ValueFormat {
                time_zone: self.time_zone,
                ..ValueFormat::default()
            },
        };
        let mut grid = table_grid(&rows, rows.num_rows() as u64, &options);
        for column in &mut grid.columns {
            // These tables speak about types; their own are noise.
            column.caption.clear();
        }
        Ok(MimeBundle::plain(grid.to_plain()).with_html(grid.to_html()))
    }
}

/// The session's time zone; UTC if it is not one that can be shown.
fn time_zone(session: &Session) -> Tz {
    let name = session.config("table.local-time-zone");
    name.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

fn confirmation_bundle(text: &str) -> MimeBundle {
    let html = format!(
        "<div style=\"font-size:12px;line-height:18px;padding:2px;{MUTED}\">\
         <span style=\"color:#1a9e6c;display:inline-block;width:16px\">✔</span>{}</div>",
        escape(text)
    );
    MimeBundle::plain(format!("✔ {text}")).with_html(html)
}

fn text_bundle(text: &str) -> MimeBundle {
    let html = format!(
        "<pre style=\"margin:0;font-size:12px;line-height:17px;white-space:pre;overflow-x:auto\">{}</pre>",
        escape(text)
    );
    MimeBundle::plain(text.to_owned()).with_html(html)
}

/// The text of EXPLAIN and SHOW CREATE: one cell of several lines.
fn preformatted(rows: &RecordBatch) -> Option<String> {
    let [column] = rows.columns() else {
        return None;
    };
    if rows.num_rows() != 1 || *column.data_type() != DataType::Utf8 || column.is_null(0) {
        return None;
    }
    let text = column.as_string::<i32>().value(0);
    text.contains('\n').then(|| text.trim_end().to_owned())
}
