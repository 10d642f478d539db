//! A Jupyter kernel without a language: sockets, session, queue, publishing.
//!
//! ```text
//!             ┌ heartbeat ─ echo
//!   frontend ─┼ control ─── answered at once            ┌─────────────┐
//!             ├ shell ───── lanes ─► dispatch ─► Task ─►│ Interpreter │ (Python, elsewhere)
//!             ├ stdin ───── questions and answers       └──────┬──────┘
//!             └ iopub ◄──── Publisher ◄────────────────────────┴── live displays, engine
//! ```
//!
//! The rules of the crate: messages are never lost, and output never waits for the interpreter.
//! Every socket, the queue, the status messages and the batching of output live on threads of
//! Rust that need nothing from the interpreter, so that control, heartbeat and live displays go
//! on while a cell holds it. The crate knows no Python; an [`Interpreter`] is attached from
//! outside.
//!
//! To show something from anywhere:
//!
//! ```no_run
//! use tidemill_kernel::{DisplayId, MimeBundle};
//!
//! if let Some(kernel) = tidemill_kernel::current() {
//!     let (cell, id) = (kernel.current_cell(), DisplayId::new_unique());
//!     kernel.publisher().display_data(&cell, &id, &MimeBundle::plain("0 rows"));
//!     kernel.publisher().update_display(&cell, &id, &MimeBundle::plain("10 rows"));
//! }
//! ```

mod capture;
mod cell;
mod comm;
mod connection;
mod dispatch;
mod error;
mod handlers;
mod interpreter;
mod interrupt;
mod kernel;
mod log;
mod mime;
mod parent;
mod publisher;
mod queue;
mod session;
mod shutdown;
pub mod sql_cell;
mod streams;
#[cfg(test)]
mod transcripts;
mod wire;

pub mod display;

pub use cell::{CellKind, CellOptions, OptionError, classify};
pub use comm::{Comm, CommKind, CommMessage, CommRegistry, CommTarget};
pub use error::KernelError;
pub use interpreter::{Execute, Interpreter, Responder, Task, Work};
pub use interrupt::leave_signals_to_the_main_thread;
pub use kernel::{KernelConfig, KernelHandle, Question, current};
pub use log::warn;
pub use mime::{DisplayId, MimeBundle};
pub use parent::Parent;
pub use publisher::{Pressure, Publisher, UpdatePolicy};
pub use streams::StreamName;
