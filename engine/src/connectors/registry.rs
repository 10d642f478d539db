//! The connectors that exist, found by the option `'connector'`.

use std::sync::Arc;

use super::ConnectorFactory;
use super::blackhole::BlackholeFactory;
use super::datagen::DatagenFactory;
use super::filesystem::FilesystemFactory;
use super::print::PrintFactory;
use super::snapshot::SnapshotFactory;

/// Every connector, sorted by identifier. Kafka and JDBC will stand here.
#[must_use]
pub fn factories() -> Vec<Arc<dyn ConnectorFactory>> {
    vec![
        Arc::new(BlackholeFactory),
        Arc::new(DatagenFactory),
        Arc::new(FilesystemFactory),
        Arc::new(PrintFactory),
        Arc::new(SnapshotFactory),
    ]
}

/// The connector with this identifier; Flink compares it exactly.
///
/// # Errors
/// `Options` with the identifiers that exist.
pub fn find(identifier: &str) -> crate::Result<Arc<dyn ConnectorFactory>> {
    let factories = factories();
    let known: Vec<&str> = factories
        .iter()
        .map(|factory| factory.identifier())
        .collect();
    let message = format!(
        "unknown connector '{identifier}'; connectors that exist: {}",
        known.join(", ")
    );
    factories
        .into_iter()
        .find(|factory| factory.identifier() == identifier)
        .ok_or(crate::EngineError::Options { message })
}
