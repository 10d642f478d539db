//! Runs the statements of a SQL cell one after the other and shows what each gives.
#![expect(dead_code, reason = "the session that runs statements is not here yet")]

mod confirmation;
mod settings;

pub use settings::{LiveMode, LiveSettings};
