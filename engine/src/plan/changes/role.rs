//! What a node does to the kinds of changes: what it makes of those of its inputs, and which it
//! wants of them.

use crate::data::ChangelogMode;

/// The kinds of changes that a node makes, beside insertions. Whether updates come with `-U` is
/// another question: who reads them says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// Those of its first input.
    Forward,
    /// Those of all its inputs: UNION ALL, inner joins.
    Union,
    /// Updates; deletions, if its input is not append-only.
    Aggregate,
    /// All kinds, if its input is not append-only: LIMIT.
    FirstRows,
    /// Always these.
    Only(ChangelogMode),
}

/// What a node wants of its inputs where these send updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// `-U` and `+U`.
    Both,
    /// What its readers want of it.
    Same,
    /// As [`Wants::Same`], but without `-U` it does not do if its filter could let one half of an
    /// update through: a filter by columns that are no part of a key.
    Filtered,
    /// `+U` only, if that can be had.
    OnlyAfter,
    /// Nothing: it sends what it sends, whatever its readers want, so that the half of it that they
    /// do not want is left out on the way.
    Nothing,
    /// As its readers; for each side, whether it does without `-U`.
    Join([bool; 2]),
    /// The left side as its readers, of the right one `+U` is enough.
    TemporalJoin,
}

/// A node's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// What leaves it.
    pub makes: Makes,
    /// What it wants to come in.
    pub wants: Wants,
    /// Whether it sends only what comes in: without `-U` coming none leaves.
    pub passes_on: bool,
}

impl Role {
    /// It passes on what comes.
    #[must_use]
    pub const fn forward() -> Self {
        Self {
            makes: Makes::Forward,
            wants: Wants::Same,
            passes_on: true,
        }
    }

    /// It sends the changes of a table as they are there.
    #[must_use]
    pub const fn source(mode: ChangelogMode) -> Self {
        Self {
            makes: Makes::Only(mode),
            wants: Wants::Nothing,
            passes_on: false,
        }
    }

    /// It keeps state and makes changes of its own.
    #[must_use]
    pub const fn of(makes: Makes) -> Self {
        Self {
            makes,
            wants: Wants::Both,
            passes_on: false,
        }
    }

    /// The same with other changes that leave.
    #[must_use]
    pub const fn making(self, makes: Makes) -> Self {
        Self { makes, ..self }
    }

    /// The same with other wishes.
    #[must_use]
    pub const fn wanting(self, wants: Wants) -> Self {
        Self { wants, ..self }
    }
}
