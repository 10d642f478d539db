//! See the crate page.
pub mod options;
