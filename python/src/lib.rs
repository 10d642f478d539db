//! The extension module `tidemill._native`: the Rust half of the Python package.
//!
//! Only here are Rust and Python in one room. Each submodule is a thin layer over a crate that
//! knows no Python; blocking calls release the interpreter.

mod display;
mod engine;
mod kernel;

use pyo3::prelude::*;

/// Many small allocations of short life, from many threads: what this allocator is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The Rust half of Tidemill.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    tidemill_jdbc::register();
    tidemill_kafka::register();
    engine::register(module)?;
    kernel::register(module)?;
    display::register(module)?;
    Ok(())
}
