//! Columns of VALUES whose cells are not of one type: numbers of different kinds, texts of different
//! lengths, times of different precisions.
//!
//! The binder has rules of its own for them, and refuses what Flink's types alone tell apart. The
//! cells are bound once more by themselves to know their types:
//!
//! ```text
//!   VALUES (TIMESTAMP '… 03:04:05'), (TIMESTAMP '… 03:04:05.123')     TIMESTAMP(0), TIMESTAMP(3)
//!   VALUES (__cast(…, 'TIMESTAMP(3)')), (__cast(…, 'TIMESTAMP(3)'))
//! ```

use std::mem::replace;
use std::ops::ControlFlow;

use datafusion::common::DFSchema;
use datafusion::logical_expr::ExprSchemable;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{Expr, Query, SetExpr, Value, Values, VisitMut, VisitorMut};

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::rules::least_restrictive;
use crate::plan::context::BindContext;
use crate::plan::typing::expand_expr;
use crate::sql::diagnostics::validation;
use crate::sql::syntax::call;

/// Gives the columns of every VALUES in `query` one type each. What cannot be bound stays as it is,
/// for the binder to tell.
///
/// # Errors
/// A validation error for cells that no type holds.
pub fn unify_columns(
    query: &mut Query,
    context: &BindContext<'_>,
    options: ParserOptions,
) -> Result<()> {
    let mut columns = Columns { context, options };
    match VisitMut::visit(query, &mut columns) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Columns<'a, 'b> {
    context: &'a BindContext<'b>,
    options: ParserOptions,
}

impl VisitorMut for Columns<'_, '_> {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<EngineError> {
        if let SetExpr::Values(values) = query.body.as_mut()
            && values.rows.len() > 1
        {
            return match self.unify(values) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            };
        }
        ControlFlow::Continue(())
    }
}

impl Columns<'_, '_> {
    fn unify(&self, values: &mut Values) -> Result<()> {
        let n_columns = values.rows.first().map_or(0, |row| row.content.len());
        for column_idx in 0..n_columns {
            let cells: Option<Vec<&mut Expr>> = values
                .rows
                .iter_mut()
                .map(|row| row.content.get_mut(column_idx))
                .collect();
            let Some(cells) = cells else {
                return Ok(());
            };
            if let Some(common) = self.common_type(&cells)? {
                for cell in cells {
                    let given = replace(cell, Expr::value(Value::Null));
                    let target = Expr::value(Value::SingleQuotedString(common.clone()));
                    *cell = call("__cast", vec![given, target]);
                }
            }
        }
        Ok(())
    }

    /// The type to which all cells must be cast; none if they need no cast, or have no such type.
    fn common_type(&self, cells: &[&mut Expr]) -> Result<Option<String>> {
        let types: Option<Vec<FlinkType>> = cells.iter().map(|cell| self.type_of(cell)).collect();
        let Some(types) = types else {
            return Ok(None);
        };
        let mut typed = types.iter().filter(|it| it.root != TypeRoot::Null);
        let Some(first) = typed.next() else {
            return Ok(None);
        };
        if typed.all(|other| other.root == first.root) {
            return Ok(None);
        }
        match least_restrictive(&types) {
            Some(common) => Ok(Some(common.root_text())),
            None => Err(validation(
                "values passed to VALUES operator must have compatible types".to_owned(),
            )),
        }
    }

    fn type_of(&self, cell: &Expr) -> Option<FlinkType> {
        let nothing = DFSchema::empty();
        let expr = SqlToRel::new_with_options(self.context, self.options)
            .sql_to_expr(cell.clone(), &nothing, &mut PlannerContext::new())
            .and_then(|expr| expand_expr(expr, &nothing))
            .ok()?;
        let (_, field) = expr.to_field(&nothing).ok()?;
        Some(FlinkType::from_field(&field))
    }
}
