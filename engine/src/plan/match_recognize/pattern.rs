//! PATTERN (…) as a sequence of variables with quantifiers, which is all that Flink runs.

use datafusion::sql::sqlparser::ast::{
    MatchRecognizePattern as Pattern, MatchRecognizeSymbol, RepetitionQuantifier as Quantifier,
};

use crate::error::Result;
use crate::operators::match_recognize::Element;
use crate::plan::changes::table_error;

/// The elements of a pattern and the names of its variables.
///
/// # Errors
/// Flink's, for what its patterns cannot have.
pub(super) fn elements(pattern: &Pattern) -> Result<(Vec<Element>, Vec<String>)> {
    let mut found = Found::default();
    found.add(pattern)?;
    if found.last_is_greedy {
        return Err(table_error(
            "Greedy quantifiers are not allowed as the last element of a Pattern yet. Finish your \
             pattern with either a simple variable or reluctant quantifier.",
            None,
        ));
    }
    if found.elements.is_empty() {
        return Err(table_error("The pattern has no variables.", None));
    }
    Ok((found.elements, found.variables))
}

#[derive(Default)]
struct Found {
    elements: Vec<Element>,
    variables: Vec<String>,
    last_is_greedy: bool,
}

impl Found {
    fn add(&mut self, pattern: &Pattern) -> Result<()> {
        match pattern {
            Pattern::Concat(parts) => parts.iter().try_for_each(|part| self.add(part)),
            Pattern::Group(inner) => self.add(inner),
            // Anchors are read and mean nothing to Flink.
            Pattern::Symbol(MatchRecognizeSymbol::Start | MatchRecognizeSymbol::End) => Ok(()),
            Pattern::Symbol(MatchRecognizeSymbol::Named(name)) => {
                self.push(&name.value, 1, Some(1), false)
            }
            Pattern::Repetition(inner, quantifier) => match (inner.as_ref(), quantifier) {
                // A question mark behind a quantifier makes it reluctant.
                (Pattern::Repetition(variable, quantifier), Quantifier::AtMostOne) => {
                    self.quantified(variable, quantifier, false)
                }
                (variable, quantifier) => self.quantified(variable, quantifier, true),
            },
            Pattern::Alternation(_) => Err(table_error(
                &format!(
                    "Expression not supported: {pattern}. Currently, CEP doesn't support branching \
                     patterns."
                ),
                None,
            )),
            Pattern::Permute(_) => Err(table_error(
                &format!(
                    "Expression not supported: {pattern}. Currently, CEP doesn't support PERMUTE \
                     patterns."
                ),
                None,
            )),
            Pattern::Exclude(_) => Err(table_error(
                &format!(
                    "Expression not supported: {pattern}. Currently, CEP doesn't support '{{-' \
                     '-}}' patterns."
                ),
                None,
            )),
        }
    }

    fn quantified(
        &mut self,
        variable: &Pattern,
        quantifier: &Quantifier,
        is_greedy: bool,
    ) -> Result<()> {
        let name = match variable {
            Pattern::Symbol(MatchRecognizeSymbol::Named(name)) => &name.value,
            Pattern::Group(inner) => {
                if let Pattern::Symbol(_) = inner.as_ref() {
                    return self.quantified(inner, quantifier, is_greedy);
                }
                return Err(table_error(
                    &format!(
                        "Expression not supported: {variable} Group patterns are not supported yet."
                    ),
                    None,
                ));
            }
            other => {
                return Err(table_error(
                    &format!("Expression not supported: {other}."),
                    None,
                ));
            }
        };
        let count = |number: u32| number as usize;
        let (min, max) = match quantifier {
            Quantifier::ZeroOrMore => (0, None),
            Quantifier::OneOrMore => (1, None),
            Quantifier::AtMostOne => (0, Some(1)),
            Quantifier::Exactly(number) => (count(*number), Some(count(*number))),
            Quantifier::AtLeast(number) => (count(*number), None),
            Quantifier::AtMost(number) => (0, Some(count(*number))),
            Quantifier::Range(from, to) => (count(*from), Some(count(*to))),
        };
        // As in Flink, a range begins with one row; none or one is a question mark.
        let begins_with_none = min == 0 && max.is_some_and(|max| max > 1);
        if begins_with_none || max.is_some_and(|max| max < min || max == 0) {
            return Err(table_error(
                &format!("The times of the variable {name} must be a range from 1 on."),
                None,
            ));
        }
        let is_optional = min == 0 && max == Some(1);
        if is_optional && !is_greedy {
            return Err(table_error(
                "Reluctant optional variables are not supported yet.",
                None,
            ));
        }
        // Where there is no choice, or only that between a row and none, greed means nothing.
        let is_greedy = is_greedy && !is_optional && max != Some(min);
        self.push(name, min, max, is_greedy)
    }

    fn push(&mut self, name: &str, min: usize, max: Option<usize>, is_greedy: bool) -> Result<()> {
        if self.variables.iter().any(|known| known == name) {
            return Err(table_error(
                &format!("Duplicate pattern name: {name}. Names must be unique."),
                None,
            ));
        }
        self.variables.push(name.to_owned());
        self.elements.push(Element {
            variable: self.variables.len() - 1,
            min,
            max,
            is_greedy,
        });
        self.last_is_greedy = is_greedy;
        Ok(())
    }
}
