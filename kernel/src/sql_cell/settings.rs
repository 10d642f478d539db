//! How results are shown unless a cell says otherwise: what `%live` sets.

use std::time::Duration;

use parking_lot::Mutex;

use crate::cell::{CellOptions, OptionError, parse_options};
use crate::display::table::DEFAULT_MAX_ROWS;
use crate::parent::Parent;

/// The settings of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSettings {
    /// Pictures a second.
    pub hz: f64,
    /// Rows that a table shows.
    pub max_rows: usize,
    /// Whether results wait until they have settled.
    pub mode: LiveMode,
}

/// Whether results are live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveMode {
    /// Where somebody looks: where the frontend allows questions to the user. nbval, nbclient and
    /// papermill do not, and get settled results.
    Auto,
    /// Always live.
    On,
    /// Always settled.
    Off,
}

static SETTINGS: Mutex<LiveSettings> = Mutex::new(LiveSettings {
    hz: 4.0,
    max_rows: DEFAULT_MAX_ROWS,
    mode: LiveMode::Auto,
});

impl LiveSettings {
    /// The settings now.
    #[must_use]
    pub fn current() -> Self {
        SETTINGS.lock().clone()
    }

    /// Applies the arguments of `%live`: `on`, `off`, `auto`, and the options `--hz` and `--rows`.
    /// Gives the settings then.
    ///
    /// # Errors
    /// For arguments that do not exist; nothing is changed then.
    pub fn change(arguments: &str) -> Result<Self, OptionError> {
        let mut settings = Self::current();
        let mut rest = Vec::new();
        for word in arguments.split_whitespace() {
            match word {
                "on" => settings.mode = LiveMode::On,
                "off" => settings.mode = LiveMode::Off,
                "auto" => settings.mode = LiveMode::Auto,
                other => rest.push(other),
            }
        }
        let options = parse_options(&rest.join(" "))?;
        if options.name.is_some() || options.until.is_some() || options.settled.is_some() {
            return Err(OptionError::Unknown {
                option: rest.join(" "),
                known: "on, off, auto, --hz F, --rows N",
            });
        }
        settings.hz = options.hz.unwrap_or(settings.hz);
        settings.max_rows = options.max_rows.unwrap_or(settings.max_rows);
        *SETTINGS.lock() = settings.clone();
        Ok(settings)
    }

    /// The settings of one cell.
    #[must_use]
    pub fn with(mut self, options: &CellOptions) -> Self {
        self.hz = options.hz.unwrap_or(self.hz);
        self.max_rows = options.max_rows.unwrap_or(self.max_rows);
        self.mode = match options.settled {
            Some(true) => LiveMode::Off,
            Some(false) => LiveMode::On,
            None => self.mode,
        };
        self
    }

    /// Whether the results of this cell wait until they have settled.
    #[must_use]
    pub fn is_settled(&self, parent: &Parent) -> bool {
        match self.mode {
            LiveMode::Auto => !parent.allow_stdin(),
            LiveMode::On => false,
            LiveMode::Off => true,
        }
    }

    /// Time between two pictures.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.hz)
    }
}
