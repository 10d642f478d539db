//! One handler per message type, one file per family.

pub(crate) mod comm;
pub(crate) mod control;
pub(crate) mod execute;
pub(crate) mod introspect;
pub(crate) mod stdin;
pub(crate) mod subshell;
pub(crate) mod usage;
