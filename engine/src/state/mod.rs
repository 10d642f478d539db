//! What operators remember: dense ids for keys, columns indexed by these ids, multisets.
//!
//! State is columnar: a group is a small number, an accumulator is a vector that is indexed by it.
//! There is no object per group.
pub mod arrangement;

pub mod arrivals;

mod byte_keys;

pub mod columns;

pub mod key_index;

mod probe_table;

pub mod multiset;

pub mod memory;

pub mod ttl;

pub mod row_store;

pub mod snapshot;

pub mod sort_keys;

pub mod sorted_runs;

pub use arrangement::Arrangement;
pub use arrivals::Arrivals;
pub use key_index::KeyIndex;
pub use multiset::Multiset;
pub use row_store::{Place, RowStore};
pub use snapshot::StateTable;
pub use sort_keys::{SortKeys, SortValue};
pub use sorted_runs::SortedRuns;
