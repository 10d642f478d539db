//! What a job prints appears under the cell that started it, whichever cell runs by then.

use std::sync::Arc;

use tidemill_engine::Result;
use tidemill_engine::connectors::print::{PrintStream, PrintTarget, PrintWriter};

use crate::kernel::KernelHandle;
use crate::parent::Parent;
use crate::publisher::Publisher;
use crate::streams::StreamName;

/// Gives each job a writer into the cell that runs when the job is planned.
#[derive(Debug)]
pub(super) struct CellPrints(pub(super) KernelHandle);

impl PrintTarget for CellPrints {
    fn writer(&self) -> Arc<dyn PrintWriter> {
        Arc::new(CellWriter {
            publisher: self.0.publisher().clone(),
            parent: self.0.current_cell(),
        })
    }
}

#[derive(Debug)]
struct CellWriter {
    publisher: Publisher,
    parent: Parent,
}

impl PrintWriter for CellWriter {
    /// Waits while the frontend is far behind: a job that prints is as slow as its reader.
    fn write(&self, stream: PrintStream, lines: &str) -> Result<()> {
        let name = match stream {
            PrintStream::Stdout => StreamName::Stdout,
            PrintStream::Stderr => StreamName::Stderr,
        };
        self.publisher.stream(&self.parent, name, lines);
        Ok(())
    }
}
