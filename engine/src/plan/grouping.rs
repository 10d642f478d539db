//! `GROUP BY` sees the columns of the input only, as in Flink; DataFusion's binder would also find
//! the aliases of the SELECT list there.
//!
//! The binder cannot be told so. Where a key is called like an alias, which is rare, the grouping
//! is bound once more, under a SELECT list without aliases; only an unknown column counts then.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Statement, Visit, Visitor,
    WildcardAdditionalOptions, With,
};

use crate::error::{EngineError, Result};
use crate::plan::context::BindContext;
use crate::plan::errors::from_planner;

/// Refuses keys of a grouping that are aliases of the SELECT list and no columns of the input.
///
/// # Errors
/// A validation error that names the column, with its place.
pub fn check_group_by(
    query: &Query,
    context: &BindContext<'_>,
    options: ParserOptions,
) -> Result<()> {
    let mut check = Check {
        context,
        options,
        withs: Vec::new(),
    };
    match Visit::visit(query, &mut check) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Check<'a, 'b> {
    context: &'a BindContext<'b>,
    options: ParserOptions,
    /// The WITH clauses around, the outermost first; none for a query without.
    withs: Vec<Option<With>>,
}

impl Visitor for Check<'_, '_> {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<EngineError> {
        self.withs.push(query.with.clone());
        self.visit_body(&query.body, query)
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<EngineError> {
        self.withs.pop();
        ControlFlow::Continue(())
    }
}

impl Check<'_, '_> {
    fn visit_body(&self, body: &SetExpr, query: &Query) -> ControlFlow<EngineError> {
        match body {
            SetExpr::Select(select) => self.visit_select(select, query),
            SetExpr::SetOperation { left, right, .. } => {
                self.visit_body(left, query)?;
                self.visit_body(right, query)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn visit_select(&self, select: &Select, query: &Query) -> ControlFlow<EngineError> {
        let GroupByExpr::Expressions(keys, _) = &select.group_by else {
            return ControlFlow::Continue(());
        };
        let suspects: Vec<&Ident> = keys
            .iter()
            .filter_map(|key| match key {
                Expr::Identifier(ident) if is_alias(ident, select) => Some(ident),
                _ => None,
            })
            .collect();
        for ident in suspects {
            let probe = self.probe(ident, select, query);
            let outcome = SqlToRel::new_with_options(self.context, self.options)
                .sql_statement_to_plan(Statement::Query(Box::new(probe)));
            if let Err(error) = outcome
                && is_unknown(&error, &ident.value)
            {
                return ControlFlow::Break(from_planner(error));
            }
        }
        ControlFlow::Continue(())
    }

    /// `WITH … SELECT * FROM … GROUP BY ident`.
    fn probe(&self, ident: &Ident, select: &Select, query: &Query) -> Query {
        let mut with: Option<With> = None;
        for outer in self.withs.iter().flatten() {
            match &mut with {
                Some(with) => with.cte_tables.extend(outer.cte_tables.iter().cloned()),
                None => with = Some(outer.clone()),
            }
        }
        let mut select = select.clone();
        select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        select.group_by =
            GroupByExpr::Expressions(vec![Expr::Identifier(ident.clone())], Vec::new());
        select.selection = None;
        select.having = None;
        select.distinct = None;
        let mut query = query.clone();
        query.with = with;
        query.body = Box::new(SetExpr::Select(Box::new(select)));
        query.order_by = None;
        query.limit_clause = None;
        query
    }
}

fn is_alias(ident: &Ident, select: &Select) -> bool {
    select.projection.iter().any(|item| match item {
        SelectItem::ExprWithAlias {
            expr: Expr::Identifier(column),
            alias,
        } => alias.value == ident.value && column.value != ident.value,
        SelectItem::ExprWithAlias { alias, .. } => alias.value == ident.value,
        _ => false,
    })
}

fn is_unknown(error: &DataFusionError, name: &str) -> bool {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            is_unknown(inner, name)
        }
        DataFusionError::Collection(errors) => {
            errors.first().is_some_and(|error| is_unknown(error, name))
        }
        DataFusionError::SchemaError(error, _) => matches!(
            error.as_ref(),
            SchemaError::FieldNotFound { field, .. } if field.name == name
        ),
        _ => false,
    }
}
