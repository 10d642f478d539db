//! The place of an option that is wrong, where a hint of the query gives it:
//! `FROM t /*+ OPTIONS('fromat' = 'json') */`.
//!
//! Options of WITH have no place: their statement is another one.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::sql::hints::placed_options;

/// Where the first option stands that `message` quotes, if only one table has such a hint.
pub(super) fn span_of(message: &str, query: &impl Visit) -> Option<Span> {
    // What exists and what may have been meant comes on further lines.
    let sentence = message.lines().next()?;
    let mut search = Search {
        sentence,
        spans: Vec::new(),
    };
    let _: ControlFlow<()> = Visit::visit(query, &mut search);
    match search.spans.as_slice() {
        [span] => Some(*span),
        _ => None,
    }
}

struct Search<'a> {
    sentence: &'a str,
    spans: Vec<Span>,
}

impl Search<'_> {
    /// Whether the sentence is about this table, or about none by name.
    fn may_mean(&self, table: &TableFactor) -> bool {
        let named = self.sentence.strip_prefix("table '");
        let Some((path, _)) = named.and_then(|rest| rest.split_once('\'')) else {
            return true;
        };
        let TableFactor::Table { name, .. } = table else {
            return false;
        };
        let last = name.0.last().and_then(|part| part.as_ident());
        last.is_some_and(|last| path.rsplit('.').next() == Some(last.value.as_str()))
    }
}

impl Visitor for Search<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let options = placed_options(table);
        let quoted = options
            .iter()
            .find(|(key, ..)| self.sentence.contains(&format!("'{key}'")));
        if let Some((_, span, _)) = quoted
            && self.may_mean(table)
        {
            self.spans.push(*span);
        }
        ControlFlow::Continue(())
    }
}
