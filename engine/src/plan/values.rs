//! Columns of VALUES whose cells are of one kind but not of one type: texts and bytes of different
//! lengths, times of different precisions.
//!
//! The binder finds a common type of numbers by itself, and refuses what Flink's types alone tell
//! apart. The cells are bound once more by themselves to know their types:
//!
//! ```text
//!   VALUES (TIMESTAMP '… 03:04:05'), (TIMESTAMP '… 03:04:05.123')     TIMESTAMP(0), TIMESTAMP(3)
//!   VALUES (__cast(…, 'TIMESTAMP(3)')), (__cast(…, 'TIMESTAMP(3)'))
//! ```

use std::mem::{discriminant, replace};
use std::ops::ControlFlow;

use datafusion::common::DFSchema;
use datafusion::logical_expr::ExprSchemable;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{Expr, Query, SetExpr, Value, Values, VisitMut, VisitorMut};

use crate::data::types::{FlinkType, TypeRoot};
use crate::functions::rules::least_restrictive;
use crate::plan::context::BindContext;
use crate::plan::typing::expand_expr;
use crate::sql::syntax::call;

/// Gives the columns of every VALUES in `query` one type each. What cannot be bound stays as it is,
/// for the binder to tell.
pub fn unify_columns(query: &mut Query, context: &BindContext<'_>, options: ParserOptions) {
    let mut columns = Columns { context, options };
    let _: ControlFlow<()> = VisitMut::visit(query, &mut columns);
}

struct Columns<'a, 'b> {
    context: &'a BindContext<'b>,
    options: ParserOptions,
}

impl VisitorMut for Columns<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Values(values) = query.body.as_mut()
            && values.rows.len() > 1
        {
            self.unify(values);
        }
        ControlFlow::Continue(())
    }
}

impl Columns<'_, '_> {
    fn unify(&self, values: &mut Values) {
        let n_columns = values.rows.first().map_or(0, |row| row.content.len());
        for column_idx in 0..n_columns {
            let cells: Option<Vec<&mut Expr>> = values
                .rows
                .iter_mut()
                .map(|row| row.content.get_mut(column_idx))
                .collect();
            let Some(cells) = cells else {
                return;
            };
            if let Some(common) = self.common_type(&cells) {
                for cell in cells {
                    let given = replace(cell, Expr::value(Value::Null));
                    let target = Expr::value(Value::SingleQuotedString(common.clone()));
                    *cell = call("__cast", vec![given, target]);
                }
            }
        }
    }

    /// The type to which all cells must be cast; none if they need no cast, or have no such type.
    fn common_type(&self, cells: &[&mut Expr]) -> Option<String> {
        let types: Vec<FlinkType> = cells
            .iter()
            .map(|cell| self.type_of(cell))
            .collect::<Option<_>>()?;
        let mut typed = types.iter().filter(|it| it.root != TypeRoot::Null);
        let first = &typed.next()?.root;
        let others: Vec<&TypeRoot> = typed.map(|it| &it.root).collect();
        let is_of_one_kind = others.iter().all(|other| is_of_kind(first, other));
        if !is_of_one_kind || others.iter().all(|other| *other == first) {
            return None;
        }
        least_restrictive(&types).map(|common| common.root_text())
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

/// Whether only length, precision or parts tell the types apart.
fn is_of_kind(one: &TypeRoot, other: &TypeRoot) -> bool {
    use TypeRoot::{Binary, Char, Varbinary, Varchar};
    match (one, other) {
        (Char(_) | Varchar(_), Char(_) | Varchar(_))
        | (Binary(_) | Varbinary(_), Binary(_) | Varbinary(_)) => true,
        _ => discriminant(one) == discriminant(other),
    }
}
