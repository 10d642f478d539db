//! What flows: deltas, row kinds, changelogs and the types of their columns.
pub mod delta;

pub mod changelog;

pub mod types;

pub mod type_parser;

pub mod keys;

pub mod map_keys;

pub mod text;

pub mod size;

pub mod parts;

#[cfg(test)]
mod types_tests;

pub use changelog::{ChangelogMode, RowKind};
pub use delta::{Delta, NO_WATERMARK, delayed};
pub use parts::Parts;
