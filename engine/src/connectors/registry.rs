//! The connectors that exist, found by the option `'connector'`: those of the engine, and those
//! that crates beside it have registered.

use std::sync::Arc;

use parking_lot::RwLock;

use super::ConnectorFactory;
use super::blackhole::BlackholeFactory;
use super::datagen::DatagenFactory;
use super::filesystem::FilesystemFactory;
use super::nexmark::NexmarkFactory;
use super::print::PrintFactory;
use super::snapshot::SnapshotFactory;
use crate::functions::udf::UdfSpec;
use crate::sql::diagnostics::did_you_mean;

/// The connectors from outside of the engine.
static REGISTERED: RwLock<Vec<Arc<dyn ConnectorFactory>>> = RwLock::new(Vec::new());

/// Makes a connector from outside of the engine known to every session of this process. Of two with
/// one identifier the later counts; the engine's own cannot be replaced.
pub fn register(factory: Arc<dyn ConnectorFactory>) {
    let mut registered = REGISTERED.write();
    if built_in()
        .iter()
        .any(|own| own.identifier() == factory.identifier())
    {
        return;
    }
    registered.retain(|known| known.identifier() != factory.identifier());
    registered.push(factory);
}

/// Every connector, sorted by identifier.
#[must_use]
pub fn factories() -> Vec<Arc<dyn ConnectorFactory>> {
    let mut factories = built_in();
    factories.extend(REGISTERED.read().iter().cloned());
    factories.sort_by_key(|factory| factory.identifier());
    factories
}

/// The connectors of the engine.
fn built_in() -> Vec<Arc<dyn ConnectorFactory>> {
    vec![
        Arc::new(BlackholeFactory),
        Arc::new(DatagenFactory),
        Arc::new(FilesystemFactory),
        Arc::new(NexmarkFactory),
        Arc::new(PrintFactory),
        Arc::new(SnapshotFactory),
    ]
}

/// The function that a connector brings under this name of a class.
#[must_use]
pub fn function(class: &str) -> Option<UdfSpec> {
    factories()
        .iter()
        .find_map(|factory| factory.function(class))
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
    let hint = did_you_mean(identifier, known.iter().copied())
        .map(|hint| format!("\n  hint: {hint}"))
        .unwrap_or_default();
    let message = format!(
        "unknown connector '{identifier}' of option 'connector'; connectors that exist: {}{hint}",
        known.join(", ")
    );
    factories
        .into_iter()
        .find(|factory| factory.identifier() == identifier)
        .ok_or(crate::EngineError::Options { message })
}

#[cfg(test)]
mod tests {
    #[test]
    fn typing_errors_are_guessed() {
        let error = super::find("prnt").expect_err("there is no such connector");
        assert_eq!(
            error.to_string(),
            "unknown connector 'prnt' of option 'connector'; connectors that exist: blackhole, \
             datagen, filesystem, nexmark, print, snapshot\n  hint: did you mean 'print'?"
        );
    }
}
