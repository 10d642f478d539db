//! Values with their multiplicity, in order: what MIN and MAX need when rows are taken back.
//!
//! Most groups have few distinct values: these stand in a sorted vector; beyond a limit in a
//! B-tree. A multiplicity may be negative in between (a row was taken back before it came, within
//! a step); such a value counts as absent.

use std::collections::BTreeMap;

/// Distinct values up to which the vector is used.
const MAX_SMALL: usize = 64;

/// A sorted multiset.
#[derive(Debug, Clone)]
pub enum Multiset<T> {
    /// Sorted by value.
    Small(Vec<(T, i64)>),
    /// More than a few values.
    Large(BTreeMap<T, i64>),
}

impl<T> Default for Multiset<T> {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

impl<T: Ord + Clone> Multiset<T> {
    /// Changes the multiplicity of `value` by `change`. Gives by how many the number of distinct
    /// values has changed: -1, 0 or 1.
    pub fn add(&mut self, value: &T, change: i64) -> isize {
        match self {
            Self::Small(values) => match values.binary_search_by(|(other, _)| other.cmp(value)) {
                Ok(place) => {
                    let Some((_, count)) = values.get_mut(place) else {
                        return 0;
                    };
                    *count += change;
                    if *count == 0 {
                        values.remove(place);
                        return -1;
                    }
                    0
                }
                Err(place) => {
                    values.insert(place, (value.clone(), change));
                    if values.len() > MAX_SMALL {
                        *self = Self::Large(std::mem::take(values).into_iter().collect());
                    }
                    1
                }
            },
            Self::Large(values) => {
                let count = values.entry(value.clone()).or_insert(0);
                let was_new = *count == 0;
                *count += change;
                if *count != 0 {
                    return isize::from(was_new);
                }
                values.remove(value);
                if values.len() <= MAX_SMALL / 4 {
                    *self = Self::Small(std::mem::take(values).into_iter().collect());
                }
                -1
            }
        }
    }

    /// The least value that is there.
    #[must_use]
    pub fn min(&self) -> Option<&T> {
        match self {
            Self::Small(values) => present(values.iter().map(|(value, count)| (value, count))),
            Self::Large(values) => present(values.iter()),
        }
    }

    /// The greatest value that is there.
    #[must_use]
    pub fn max(&self) -> Option<&T> {
        match self {
            Self::Small(values) => {
                present(values.iter().rev().map(|(value, count)| (value, count)))
            }
            Self::Large(values) => present(values.iter().rev()),
        }
    }

    /// The values with their multiplicities, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&T, i64)> {
        let (small, large) = match self {
            Self::Small(values) => (Some(values), None),
            Self::Large(values) => (None, Some(values)),
        };
        let small = small.into_iter().flatten();
        let large = large.into_iter().flatten();
        small
            .map(|(value, count)| (value, *count))
            .chain(large.map(|(value, count)| (value, *count)))
    }

    /// Number of distinct values.
    #[must_use]
    pub fn n_distinct(&self) -> usize {
        match self {
            Self::Small(values) => values.len(),
            Self::Large(values) => values.len(),
        }
    }
}

fn present<'a, T: 'a>(mut values: impl Iterator<Item = (&'a T, &'a i64)>) -> Option<&'a T> {
    values
        .find(|(_, count)| **count > 0)
        .map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::Multiset;

    #[test]
    fn grows_shrinks_and_ignores_what_is_absent() {
        let mut set = Multiset::default();
        for value in 0..200 {
            set.add(&value, 1);
        }
        assert!(matches!(set, Multiset::Large(_)));
        for value in 10..200 {
            set.add(&value, -1);
        }
        assert!(matches!(set, Multiset::Small(_)));
        assert_eq!((set.min(), set.max()), (Some(&0), Some(&9)));
        set.add(&-5, -1);
        assert_eq!(set.min(), Some(&0));
        set.add(&-5, 1);
        assert_eq!(set.n_distinct(), 10);
    }
}
