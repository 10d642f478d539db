//! Queries of WITH whose name is defined already, by the same WITH or around it: what comes later
//! hides it, from there on.
//!
//! ```text
//!   WITH x AS (SELECT 1 AS a), x AS (SELECT a + 1 AS a FROM x) SELECT x.a FROM x
//!   WITH x AS (SELECT 1 AS a), `x 1` AS (SELECT a + 1 AS a FROM x) SELECT x.a FROM `x 1` AS x
//! ```
//!
//! The binder refuses a name twice, so the later ones get names of their own.
//!
//! Source: what Flink 2.3 answers.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, Query, TableAlias, TableFactor, VisitMut, VisitorMut, With,
};

/// Gives each query of WITH in `query` a name of its own.
pub(crate) fn tell_apart(query: &mut Query) {
    // The visitor never breaks off.
    let _ = VisitMut::visit(query, &mut Scopes::default());
}

/// The names that WITH defines around what is visited.
#[derive(Default)]
struct Scopes {
    /// From a name as it is written to the one it has got; the innermost last.
    scopes: Vec<HashMap<String, String>>,
    /// The WITH of each query around, whose queries have been visited already.
    aside: Vec<Option<With>>,
    /// How many names were made up.
    n_made: usize,
}

impl Scopes {
    fn name_of(&self, written: &str) -> Option<&String> {
        let scopes = self.scopes.iter().rev();
        scopes.filter_map(|scope| scope.get(written)).next()
    }

    fn define(&mut self, name: &mut Ident) {
        let written = name.value.clone();
        if self.name_of(&written).is_some() {
            self.n_made += 1;
            *name = Ident::with_quote('`', format!("{written} {}", self.n_made));
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(written, name.value.clone());
        }
    }
}

impl VisitorMut for Scopes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.scopes.push(HashMap::new());
        let mut with = query.with.take();
        for cte in with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            VisitMut::visit(&mut cte.query, self)?;
            self.define(&mut cte.alias.name);
        }
        self.aside.push(with);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        query.with = self.aside.pop().flatten();
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, .. } = table else {
            return ControlFlow::Continue(());
        };
        let [part] = name.0.as_slice() else {
            return ControlFlow::Continue(());
        };
        let Some(written) = part.as_ident().cloned() else {
            return ControlFlow::Continue(());
        };
        let Some(made) = self.name_of(&written.value) else {
            return ControlFlow::Continue(());
        };
        if *made != written.value {
            // Messages show the place where the user's name stands.
            let mut ident = Ident::with_quote('`', made.clone());
            ident.span = written.span;
            *name = ObjectName::from(vec![ident]);
            alias.get_or_insert(TableAlias {
                explicit: true,
                name: written,
                columns: vec![],
                at: None,
            });
        }
        ControlFlow::Continue(())
    }
}
