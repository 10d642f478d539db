//! Python functions in processes of their own.
//!
//! ```text
//!   PythonFunction::call ──▶ Pool ──▶ Process ══ data ═══▶ python -m tidemill.worker
//!     (worker thread)         one a    ║  ◀═ data ═════    PythonFunction::call, in-process there
//!                             thread   ╠══ control ════▶   its end ends the worker
//!                                      ║  ◀═ metrics ══    what functions measure
//!                                      ◀── output ─────    prints and logging of functions
//! ```
//!
//! An aggregate function's accumulators live in such a process too ([`hosts`], [`states`]): rows
//! with the numbers of their groups go there, values come back, and snapshots go both ways.
//!
//! A function runs there if the session asks for it (`python.execution-mode`), or names another
//! interpreter, requirements or archives. What a worker does with a batch is what the process
//! itself would do: the same code, on columns that travelled as Arrow IPC. A worker that dies takes
//! the job with it, with the name of the function and the rows it was at, and nothing else.
//!
//! Streams are sockets and speak [`frame`]s, so that a worker may live on another machine; their
//! first frame shows the token that only this process and its workers know.

mod frame;
mod hosts;
mod pool;
mod process;
mod serve;
mod settings;
mod states;

pub(super) use pool::{Pool, RemoteFunction};
pub(super) use serve::serve_worker;
pub(super) use settings::{Settings, note_interpreter};
pub(super) use states::RemoteStates;
