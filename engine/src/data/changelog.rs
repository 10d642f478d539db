//! Row kinds and changelog modes, with Flink's names, byte values and texts.
//!
//! Source: `org.apache.flink.types.RowKind` and `org.apache.flink.table.connector.ChangelogMode`, Flink 2.3.

use std::fmt;

/// What a row of a changelog says about the table that it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RowKind {
    /// `+I`: a new row.
    Insert = 0,
    /// `-U`: the content before an update; retracts the row.
    UpdateBefore = 1,
    /// `+U`: the content after an update.
    UpdateAfter = 2,
    /// `-D`: the row is gone.
    Delete = 3,
}

impl RowKind {
    /// The kind with Flink's byte value, or `None` above 3.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Insert),
            1 => Some(Self::UpdateBefore),
            2 => Some(Self::UpdateAfter),
            3 => Some(Self::Delete),
            _ => None,
        }
    }

    /// Flink's two-letter text: `+I`, `-U`, `+U`, `-D`.
    #[must_use]
    pub const fn short_string(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }

    /// +1 if the row is added to the table, −1 if it is taken away.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Insert | Self::UpdateAfter => 1,
            Self::UpdateBefore | Self::Delete => -1,
        }
    }
}

impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short_string())
    }
}

/// Which row kinds an edge of the graph may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangelogMode {
    /// `-U` and `+U` may come.
    pub update_before: bool,
    /// `+U` may come.
    pub update_after: bool,
    /// `-D` may come.
    pub delete: bool,
}

impl ChangelogMode {
    /// `[I]`: append-only.
    pub const INSERT_ONLY: Self = Self {
        update_before: false,
        update_after: false,
        delete: false,
    };
    /// `[I,UB,UA,D]`: a retract stream.
    pub const ALL: Self = Self {
        update_before: true,
        update_after: true,
        delete: true,
    };
    /// `[I,UB,UA]`: updates without deletions.
    pub const UPDATING: Self = Self {
        update_before: true,
        update_after: true,
        delete: false,
    };
    /// `[I,UA,D]`: an upsert stream.
    pub const UPSERT: Self = Self {
        update_before: false,
        update_after: true,
        delete: true,
    };

    /// Whether only `+I` may come.
    #[must_use]
    pub fn is_insert_only(self) -> bool {
        self == Self::INSERT_ONLY
    }

    /// The mode that allows what either of the two allows.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            update_before: self.update_before || other.update_before,
            update_after: self.update_after || other.update_after,
            delete: self.delete || other.delete,
        }
    }
}

impl fmt::Display for ChangelogMode {
    /// Flink's text in EXPLAIN: `[I]`, `[I,UB,UA]`, `[I,UA,D]`, …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[I")?;
        for (allowed, text) in [
            (self.update_before, ",UB"),
            (self.update_after, ",UA"),
            (self.delete, ",D"),
        ] {
            if allowed {
                f.write_str(text)?;
            }
        }
        f.write_str("]")
    }
}
