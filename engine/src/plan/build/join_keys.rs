//! By which columns the rows of a join and of its inputs are known, and which changes it takes.

use super::GraphBuilder;
use super::join::Side;
use crate::operators::{JoinKind, UniqueKey};
use crate::plan::changes::role::{Makes, Role, Wants};
use crate::plan::keys::{ColumnSet, JoinedKeys, Keys};

/// What the keys of a join's inputs mean for it.
pub(super) struct JoinKeys {
    /// The keys of the rows that leave.
    pub(super) keys: Keys,
    /// By side: the key by which an update of a row is told from another row, if there is one.
    unique: [Option<Vec<usize>>; 2],
    /// By side: the columns that are joined by.
    join_columns: [ColumnSet; 2],
    /// By side: whether the versions of a row have equal join keys, so that Flink takes `+U` alone.
    does_without: [bool; 2],
}

impl JoinKeys {
    /// What the join does to the kinds of changes.
    pub(super) fn role(&self, kind: JoinKind) -> Role {
        let makes = match kind {
            JoinKind::Inner | JoinKind::Semi => Makes::Union,
            JoinKind::Left | JoinKind::Right | JoinKind::Full | JoinKind::Anti | JoinKind::Mark => {
                Makes::Only(crate::data::ChangelogMode::ALL)
            }
        };
        Role::of(makes).wanting(Wants::Join(self.does_without))
    }

    /// By side: by what one row is told from another with the same key of the join.
    pub(super) fn unique_keys(&self) -> [Option<UniqueKey>; 2] {
        [self.unique_key(0), self.unique_key(1)]
    }

    /// How EXPLAIN calls what is kept of a side.
    pub(super) fn input_spec(&self, port: usize) -> &'static str {
        match self.unique_key(port) {
            Some(UniqueKey::InJoinKey) => "JoinKeyContainsUniqueKey",
            Some(UniqueKey::Columns(_)) => "HasUniqueKey",
            None => "NoUniqueKey",
        }
    }

    fn unique_key(&self, port: usize) -> Option<UniqueKey> {
        let key = self.unique.get(port)?.clone()?;
        let join_columns = self.join_columns.get(port)?;
        Some(match key.iter().all(|it| join_columns.contains(it)) {
            true => UniqueKey::InJoinKey,
            false => UniqueKey::Columns(key),
        })
    }
}

impl GraphBuilder {
    /// What the keys of the inputs mean for a join of them.
    pub(super) fn join_keys(&self, kind: JoinKind, left: &Side, right: &Side) -> JoinKeys {
        let sides = [left, right];
        let known = sides.map(|side| self.keys_of(&side.built));
        let behind = [0, 1].map(|port: usize| match (known.get(port), sides.get(port)) {
            (Some(known), Some(side)) => known.behind_exchange(&side.key_columns),
            _ => Keys::none(),
        });
        let join_columns = sides.map(|side| side.key_columns.iter().copied().collect());
        let unique = |known: &Keys, columns: &ColumnSet| {
            let within = known.smallest_within(columns);
            let key = within.or_else(|| known.smallest());
            key.map(|key| key.iter().copied().collect())
        };
        let [left_known, right_known] = &known;
        let [left_columns, right_columns] = &join_columns;
        let [left_behind, right_behind] = &behind;
        let equal = left.key_columns.iter().zip(&right.key_columns);
        JoinKeys {
            keys: Keys::joined(&JoinedKeys {
                kind,
                left: left_behind,
                right: right_behind,
                equal: equal.map(|(left, right)| (*left, *right)).collect(),
                n_columns: [left.n_columns, right.n_columns],
            }),
            unique: [
                unique(left_known, left_columns),
                unique(right_known, right_columns),
            ],
            does_without: [
                left_known.contain(left_columns),
                right_known.contain(right_columns),
            ],
            join_columns,
        }
    }
}
