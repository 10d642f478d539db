//! `tidemill._native.kernel`: the kernel as Python sees it.
//!
//! ```text
//!  Rust threads ─► Inbox ─ one byte into a pipe ─► asyncio loop of the main thread
//!                                                        │ next_task() ─► Task
//!                                                        ▼ task.reply({...})
//!  sockets ◄─ publisher ◄── write · publish · update_display (never wait with the GIL held)
//! ```

mod handle;
mod inbox;
mod json;
mod pulse;
mod task;

pub(crate) use handle::Parent;

use pyo3::prelude::*;

pub(crate) fn register(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "kernel")?;
    module.add_class::<handle::Kernel>()?;
    module.add_class::<handle::Parent>()?;
    module.add_class::<task::Task>()?;
    module.add_class::<pulse::Pulse>()?;
    parent.add_submodule(&module)?;
    // So that `from tidemill._native.kernel import …` finds it: submodules of an extension module
    // are not files.
    let modules = parent.py().import("sys")?.getattr("modules")?;
    modules.set_item("tidemill._native.kernel", module)
}
