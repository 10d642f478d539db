//! Which function a name means: resolved in the syntax tree, before anything else is.
//!
//! ```text
//!   f(x)             f of the current database, or a temporary one     ──▶  `c.db.f`(x)
//!   c.db.f(x)        that database's                                   ──▶  `c.db.f`(x)
//!   upper(x), g(x)   Flink's own, or a temporary system function       ──▶  as it is
//! ```
//!
//! What is behind a name is kept under one key, see [`FunctionPlace::key`], and from here on the
//! call has that key for its name. A definition that is stored (a view, a computed column) gets
//! whole paths instead, so that it means the same from every database.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, Ident, ObjectName, ObjectNamePart, TableFactor, VisitMut, VisitorMut,
};

use crate::catalog::functions::FunctionPlace;
use crate::error::{EngineError, Result};
use crate::plan::context::TableResolver;
use crate::plan::match_recognize::PATTERN_FUNCTIONS;

/// Gives every call of a function of the user the key of that function, and makes its code ready.
///
/// # Errors
/// If the code of a function cannot be found; a validation error at a path of no function.
pub(super) fn resolve<T: VisitMut>(tree: &mut T, tables: &dyn TableResolver) -> Result<()> {
    run(tree, tables, true)
}

/// Gives every call of a database's function its whole path.
///
/// # Errors
/// As `resolve`.
pub fn qualify<T: VisitMut>(tree: &mut T, tables: &dyn TableResolver) -> Result<()> {
    run(tree, tables, false)
}

fn run<T: VisitMut>(tree: &mut T, tables: &dyn TableResolver, by_key: bool) -> Result<()> {
    let mut names = Names {
        tables,
        by_key,
        n_patterns: 0,
    };
    match VisitMut::visit(tree, &mut names) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Names<'a> {
    tables: &'a dyn TableResolver,
    by_key: bool,
    /// How many MATCH_RECOGNIZE stand around what is looked at: they have functions of their own.
    n_patterns: usize,
}

impl Names<'_> {
    fn call(&self, function: &mut Function) -> Result<()> {
        let idents: Option<Vec<&Ident>> = function
            .name
            .0
            .iter()
            .map(ObjectNamePart::as_ident)
            .collect();
        let Some(idents) = idents else {
            return Ok(());
        };
        let [first, .., last] = idents.as_slice() else {
            // One name.
            let [name] = idents.as_slice() else {
                return Ok(());
            };
            let is_of_pattern = PATTERN_FUNCTIONS.contains(&name.value.to_lowercase().as_str());
            if self.n_patterns > 0 && is_of_pattern {
                return Ok(());
            }
            let (span, names) = (name.span, [name.value.as_str()]);
            if let Some(place) = self.tables.resolve_function(&names)? {
                function.name = self.name_of(&place, span);
            }
            return Ok(());
        };
        let span = first.span.union(&last.span);
        let names: Vec<&str> = idents.iter().map(|ident| ident.value.as_str()).collect();
        match self.tables.resolve_function(&names)? {
            Some(place) => function.name = self.name_of(&place, span),
            None => return Err(self.tables.no_function(&names, span)),
        }
        Ok(())
    }

    fn name_of(
        &self,
        place: &FunctionPlace,
        span: datafusion::sql::sqlparser::tokenizer::Span,
    ) -> ObjectName {
        let ident = |value: &str| Ident::with_quote_and_span('`', span, value);
        match place {
            FunctionPlace::Catalog { identifier, .. } if !self.by_key => ObjectName::from(vec![
                ident(&identifier.catalog),
                ident(&identifier.database),
                ident(&identifier.object),
            ]),
            place => ObjectName::from(vec![ident(&place.key())]),
        }
    }
}

impl VisitorMut for Names<'_> {
    type Break = EngineError;

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<EngineError> {
        self.n_patterns += usize::from(matches!(table, TableFactor::MatchRecognize { .. }));
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<EngineError> {
        self.n_patterns -= usize::from(matches!(table, TableFactor::MatchRecognize { .. }));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<EngineError> {
        if let Expr::Function(function) = expr
            && let Err(error) = self.call(function)
        {
            return ControlFlow::Break(error);
        }
        ControlFlow::Continue(())
    }
}
