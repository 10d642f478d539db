//! Which parts of a column somebody looks at: a reader need not build the others.

use std::collections::BTreeMap;

/// Parts of a value of some type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parts {
    /// The value as a whole.
    All,
    /// Of a row, these fields by name; with none of them, only whether the row is there.
    Fields(BTreeMap<String, Parts>),
}

impl Parts {
    /// Nothing yet.
    #[must_use]
    pub const fn none() -> Self {
        Self::Fields(BTreeMap::new())
    }

    /// Adds the field that the names lead to, with all that is in it.
    pub fn add(&mut self, path: &[&str]) {
        let Self::Fields(fields) = self else {
            return;
        };
        match path.split_first() {
            None => *self = Self::All,
            Some((name, rest)) => fields
                .entry((*name).to_owned())
                .or_insert_with(Self::none)
                .add(rest),
        }
    }

    /// What is looked at of a field of this row.
    #[must_use]
    pub fn of_field(&self, name: &str) -> Self {
        match self {
            Self::All => Self::All,
            Self::Fields(fields) => fields.get(name).cloned().unwrap_or_else(Self::none),
        }
    }

    /// Whether nobody looks at anything in it.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Fields(fields) if fields.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_covers_its_fields() {
        let mut parts = Parts::none();
        assert!(parts.is_none());
        parts.add(&["bid", "price"]);
        assert_eq!(parts.of_field("bid").of_field("price"), Parts::All);
        assert!(parts.of_field("bid").of_field("url").is_none());
        parts.add(&["bid"]);
        parts.add(&["bid", "price"]);
        assert_eq!(parts.of_field("bid"), Parts::All);
        assert_eq!(parts.of_field("bid").of_field("url"), Parts::All);
    }
}
