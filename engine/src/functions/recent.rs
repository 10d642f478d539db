//! What is made from a text that is the same in nearly every row: a pattern, a regular expression.

/// The last text, and what was made from it.
pub(super) struct Recent<T> {
    make: fn(&str) -> T,
    last: Option<(String, T)>,
}

impl<T> Recent<T> {
    /// Nothing yet; `make` is called for a text that is not the last one.
    #[must_use]
    pub(super) const fn new(make: fn(&str) -> T) -> Self {
        Self { make, last: None }
    }

    /// What `text` makes.
    pub(super) fn get(&mut self, text: &str) -> &mut T {
        let last = self.last.take().filter(|(last, _)| last == text);
        let last = last.unwrap_or_else(|| (text.to_owned(), (self.make)(text)));
        &mut self.last.insert(last).1
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn every_text_makes_its_own() {
        let mut lengths = Recent::new(|text| (text.len(), 0));
        for (text, n_calls) in [("ab", 1), ("ab", 2), ("abc", 1), ("ab", 1)] {
            let (length, n_seen) = lengths.get(text);
            *n_seen += 1;
            assert_eq!((*length, *n_seen), (text.len(), n_calls));
        }
    }
}
