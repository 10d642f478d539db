//! Statements become actions.
