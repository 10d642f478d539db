//! Modules: where functions without a catalog come from.
//!
//! There is one kind, `core`, with all of Flink's own functions. As in Flink, what is special
//! syntax or an operator stays callable when `core` is unloaded; here that is all of it, so that
//! the statements keep the list and nothing else.

use std::sync::Arc;

use crate::error::{EngineError, Result};
use crate::sql::diagnostics::SqlDiagnostic;

/// The name of Flink's own module.
pub const CORE: &str = "core";

/// The modules of a session.
#[derive(Debug, Clone)]
pub struct Modules {
    /// All that are loaded, in the order of loading.
    loaded: Vec<String>,
    /// Those in whose functions names are looked up, in this order.
    used: Vec<String>,
}

impl Default for Modules {
    fn default() -> Self {
        Self {
            loaded: vec![CORE.to_owned()],
            used: vec![CORE.to_owned()],
        }
    }
}

impl Modules {
    /// The modules in use, in the order of look-up.
    #[must_use]
    pub fn used(&self) -> &[String] {
        &self.used
    }

    /// Every module and whether it is in use: the used ones first.
    #[must_use]
    pub fn all(&self) -> Vec<(String, bool)> {
        let unused = self.loaded.iter().filter(|name| !self.used.contains(name));
        let used = self.used.iter().map(|name| (name.clone(), true));
        used.chain(unused.map(|name| (name.clone(), false)))
            .collect()
    }

    /// LOAD MODULE.
    ///
    /// # Errors
    /// A validation error if the module is there already, or is not `core`.
    pub fn load(&mut self, name: &str) -> Result<()> {
        if self.loaded.iter().any(|known| known == name) {
            return Err(refused(
                format!("a module with the name '{name}' already exists"),
                None,
            ));
        }
        if name != CORE {
            return Err(refused(
                format!("unable to create module '{name}'"),
                Some("the only module is 'core'; functions of your own are created one by one"),
            ));
        }
        self.loaded.push(name.to_owned());
        self.used.push(name.to_owned());
        Ok(())
    }

    /// UNLOAD MODULE.
    ///
    /// # Errors
    /// A validation error if there is no such module.
    pub fn unload(&mut self, name: &str) -> Result<()> {
        self.check(name)?;
        self.loaded.retain(|known| known != name);
        self.used.retain(|known| known != name);
        Ok(())
    }

    /// USE MODULES.
    ///
    /// # Errors
    /// A validation error for a module that is not loaded or stands twice.
    pub fn use_modules(&mut self, names: &[String]) -> Result<()> {
        for (name_idx, name) in names.iter().enumerate() {
            self.check(name)?;
            if names.iter().take(name_idx).any(|before| before == name) {
                return Err(refused(
                    format!("module '{name}' appears more than once"),
                    None,
                ));
            }
        }
        self.used = names.to_vec();
        Ok(())
    }

    fn check(&self, name: &str) -> Result<()> {
        if self.loaded.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(refused(
            format!("no module with the name '{name}' exists"),
            None,
        ))
    }
}

fn refused(message: String, hint: Option<&str>) -> EngineError {
    EngineError::from(Arc::new(
        SqlDiagnostic::validation(message).with_hint(hint.map(str::to_owned)),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn modules_come_and_go() {
        let mut modules = Modules::default();
        assert!(modules.load("core").is_err());
        assert!(modules.load("hive").is_err());
        assert!(modules.unload("hive").is_err());
        modules.use_modules(&[]).unwrap();
        assert_eq!(modules.all(), [("core".to_owned(), false)]);
        modules.unload("core").unwrap();
        assert!(modules.use_modules(&["core".to_owned()]).is_err());
        modules.load("core").unwrap();
        assert_eq!(modules.used(), ["core"]);
    }
}
