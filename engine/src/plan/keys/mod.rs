//! Upsert keys: by which columns the rows that leave a node are known, so that an update needs no
//! `-U`.
//!
//! A key of a changing table is one only as long as all changes of a row take the same way: where
//! rows change workers, those keys are left that contain the columns of the exchange.
//!
//! ```text
//!   TableScan (PRIMARY KEY a)          {a}
//!     Calc a AS x, a AS y, b + 1       {x} {y}
//!       Exchange hash[b]               none: the versions of a row may go to several workers
//! ```
//!
//! Source: Flink 2.3, `FlinkRelMdUpsertKeys`, `FlinkRelMdUniqueKeys`, `UpsertKeyUtil`, and its
//! answers.

mod columns;

use std::collections::{BTreeSet, VecDeque};

use crate::operators::JoinKind;

pub use columns::kept_column;

/// More keys than this are not looked for.
const MAX_KEYS: usize = 128;

/// Columns of a row, together.
pub type ColumnSet = BTreeSet<usize>;

/// The sets of columns by which rows are known; each is enough. The empty set is the key of a
/// table that has one row at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(BTreeSet<ColumnSet>);

/// What is known about the inputs of a join: the keys that are left behind their exchanges, the
/// columns that are equated, and which join it is.
#[derive(Debug)]
pub struct JoinedKeys<'a> {
    /// Which rows the join gives.
    pub kind: JoinKind,
    /// Of the left input.
    pub left: &'a Keys,
    /// Of the right input.
    pub right: &'a Keys,
    /// Columns of the left input, and those of the right one that are equal to them.
    pub equal: Vec<(usize, usize)>,
    /// Columns that leave the left input, and the right one.
    pub n_columns: [usize; 2],
}

impl Keys {
    /// Nothing is known.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One key.
    #[must_use]
    pub fn one(columns: impl IntoIterator<Item = usize>) -> Self {
        Self(BTreeSet::from([columns.into_iter().collect()]))
    }

    /// Adds a key.
    pub fn insert(&mut self, key: ColumnSet) {
        self.0.insert(key);
    }

    /// The keys, in order.
    pub fn iter(&self) -> impl Iterator<Item = &ColumnSet> {
        self.0.iter()
    }

    /// Whether there is a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these columns together are one of the keys.
    #[must_use]
    pub fn has(&self, columns: &ColumnSet) -> bool {
        self.0.contains(columns)
    }

    /// Whether rows are known by (some of) these columns.
    #[must_use]
    pub fn are_within(&self, columns: &ColumnSet) -> bool {
        self.0.iter().any(|key| key.is_subset(columns))
    }

    /// Whether a key has all of these columns.
    #[must_use]
    pub fn contain(&self, columns: &ColumnSet) -> bool {
        self.0.iter().any(|key| columns.is_subset(key))
    }

    /// The key with the fewest columns, of these the first one.
    #[must_use]
    pub fn smallest(&self) -> Option<&ColumnSet> {
        self.0.iter().min_by_key(|key| key.len())
    }

    /// The smallest key that has no other columns than these.
    #[must_use]
    pub fn smallest_within(&self, columns: &ColumnSet) -> Option<&ColumnSet> {
        let within = self.0.iter().filter(|key| key.is_subset(columns));
        within.min_by_key(|key| key.len())
    }

    /// The keys that are left where rows go to workers by these columns.
    #[must_use]
    pub fn behind_exchange(&self, columns: &[usize]) -> Self {
        let columns: ColumnSet = columns.iter().copied().collect();
        let kept = self.0.iter().filter(|key| columns.is_subset(key));
        Self(kept.cloned().collect())
    }

    /// The keys behind a projection; `kept` says for each of its columns which column of the input
    /// it is.
    #[must_use]
    pub fn projected(&self, kept: &[Option<usize>]) -> Self {
        if kept.iter().all(Option::is_none) {
            return Self::none();
        }
        let places = |column: usize| -> Vec<usize> {
            let places = kept.iter().enumerate();
            places
                .filter(|(_, kept)| **kept == Some(column))
                .map(|(place, _)| place)
                .collect()
        };
        let mut projected = Self::none();
        for key in &self.0 {
            let places: Vec<Vec<usize>> = key.iter().map(|&column| places(column)).collect();
            if places.iter().any(Vec::is_empty) {
                continue;
            }
            let n_ways: usize = places.iter().map(Vec::len).product();
            for way in 0..n_ways.min(MAX_KEYS) {
                let column = |places: &Vec<usize>| places.get(way % places.len()).copied();
                projected.insert(places.iter().filter_map(column).collect());
            }
        }
        projected
    }

    /// The keys of a join.
    #[must_use]
    pub fn joined(join: &JoinedKeys<'_>) -> Self {
        let left_columns: ColumnSet = join.equal.iter().map(|(left, _)| *left).collect();
        let right_columns: ColumnSet = join.equal.iter().map(|(_, right)| *right).collect();
        let (nulls_left, nulls_right) = match join.kind {
            JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => {
                let columns: Vec<usize> = left_columns.into_iter().collect();
                return join.left.behind_exchange(&columns);
            }
            JoinKind::Inner => (false, false),
            JoinKind::Left => (false, true),
            JoinKind::Right => (true, false),
            JoinKind::Full => (true, true),
        };
        let [n_left, _] = join.n_columns;
        let shifted = |key: &ColumnSet| key.iter().map(|column| column + n_left).collect();
        let right: Vec<ColumnSet> = join.right.iter().map(shifted).collect();
        let mut keys = Self::none();
        if !nulls_left && !nulls_right {
            for right in &right {
                join.left.iter().for_each(|left| keys.insert(left | right));
            }
        }
        if !nulls_left && join.right.are_within(&right_columns) {
            join.left.iter().for_each(|key| keys.insert(key.clone()));
        }
        if !nulls_right && join.left.are_within(&left_columns) {
            right.into_iter().for_each(|key| keys.insert(key));
        }
        keys.with_equal_columns(join, nulls_left, nulls_right)
    }

    /// A column of a key may be replaced by one that is equal to it, as long as that one is not
    /// padded with NULL.
    fn with_equal_columns(
        self,
        join: &JoinedKeys<'_>,
        nulls_left: bool,
        nulls_right: bool,
    ) -> Self {
        let mut keys = self;
        let [n_left, n_right] = join.n_columns;
        let mut queue: VecDeque<ColumnSet> = keys.0.iter().cloned().collect();
        while let Some(key) = queue.pop_front() {
            for &(left, right) in &join.equal {
                // A column that is only there to join by does not leave.
                if left >= n_left || right >= n_right {
                    continue;
                }
                let right = right + n_left;
                let ways = [(right, left, nulls_left), (left, right, nulls_right)];
                for (from, to, is_padded) in ways {
                    if is_padded || !key.contains(&from) || keys.0.len() >= MAX_KEYS {
                        continue;
                    }
                    let mut other = key.clone();
                    other.remove(&from);
                    other.insert(to);
                    if keys.0.insert(other.clone()) {
                        queue.push_back(other);
                    }
                }
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(sets: &[&[usize]]) -> Keys {
        let sets = sets.iter().map(|set| set.iter().copied().collect());
        Keys(sets.collect())
    }

    fn join(kind: JoinKind, left: &Keys, right: &Keys, equal: &[(usize, usize)]) -> Keys {
        Keys::joined(&JoinedKeys {
            kind,
            left,
            right,
            equal: equal.to_vec(),
            n_columns: [2, 2],
        })
    }

    #[test]
    fn a_projection_keeps_whole_keys_under_all_their_names() {
        let both = keys(&[&[0], &[1, 2]]);
        assert_eq!(both.projected(&[Some(0), Some(1)]), keys(&[&[0]]));
        assert_eq!(both.projected(&[Some(2), Some(1)]), keys(&[&[0, 1]]));
        assert_eq!(
            both.projected(&[Some(0), None, Some(0)]),
            keys(&[&[0], &[2]])
        );
        assert_eq!(both.projected(&[None]), Keys::none());
        // One row at most stays so as long as a column of it is there.
        assert_eq!(keys(&[&[]]).projected(&[Some(3)]), keys(&[&[]]));
        assert_eq!(keys(&[&[]]).projected(&[None]), Keys::none());
    }

    #[test]
    fn an_exchange_keeps_the_keys_that_contain_its_columns() {
        let both = keys(&[&[0], &[0, 1]]);
        assert_eq!(both.behind_exchange(&[1]), keys(&[&[0, 1]]));
        assert_eq!(both.behind_exchange(&[]), both);
    }

    #[test]
    fn a_join_by_both_keys_keeps_both() {
        let key = keys(&[&[0]]);
        let inner = keys(&[&[0], &[2], &[0, 2]]);
        assert_eq!(join(JoinKind::Inner, &key, &key, &[(0, 0)]), inner);
        // Rows without a partner have no right key.
        assert_eq!(join(JoinKind::Left, &key, &key, &[(0, 0)]), keys(&[&[0]]));
        assert_eq!(join(JoinKind::Right, &key, &key, &[(0, 0)]), keys(&[&[2]]));
        assert_eq!(join(JoinKind::Full, &key, &key, &[(0, 0)]), Keys::none());
        assert_eq!(join(JoinKind::Semi, &key, &Keys::none(), &[(0, 0)]), key);
        assert_eq!(join(JoinKind::Anti, &key, &key, &[(1, 0)]), Keys::none());
    }

    #[test]
    fn a_join_without_a_right_key_repeats_left_rows() {
        let key = keys(&[&[0]]);
        let joined = join(JoinKind::Inner, &key, &Keys::none(), &[(0, 1)]);
        assert_eq!(joined, Keys::none());
        // A pair is known by both keys.
        let pairs = join(JoinKind::Inner, &key, &key, &[]);
        assert_eq!(pairs, keys(&[&[0, 2]]));
    }
}
