//! Times that are computed of a rowtime: group windows take them as one.
//!
//! ```text
//!   GROUP BY TUMBLE(ts + INTERVAL '1' SECOND, …)
//!   SELECT COUNT(*) FROM (SELECT COALESCE(ts, x) AS t FROM events) GROUP BY TUMBLE(t, …)
//! ```
//!
//! To Flink the type of a column says that it is a rowtime, and functions whose result has the type
//! of an argument give that on. Everything but group windows needs the rowtime itself, which here is
//! a mark of the column ([`crate::plan::time`]).
//!
//! Not so MAX(ts) and its like: rows that change their windows after these are over are not what the
//! windows here are for.
//!
//! Source: what Flink 2.3 answers.

use datafusion::logical_expr::logical_plan::Distinct;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

use crate::plan::time;

/// Functions whose result has the type of their first argument; of a sum with an interval, that of
/// the time.
const KEEP_TYPE: [&str; 8] = [
    "__temporal_plus",
    "__temporal_minus",
    "coalesce",
    "ifnull",
    "greatest",
    "least",
    "__floor_to",
    "__ceil_to",
];

/// Whether `expr` over the columns of `input` is computed of a rowtime, and of its type.
pub(super) fn is_of_rowtime(expr: &Expr, input: &LogicalPlan) -> bool {
    match expr {
        Expr::Alias(alias) => is_of_rowtime(&alias.expr, input),
        Expr::Column(column) => input
            .schema()
            .maybe_index_of_column(column)
            .is_some_and(|place| is_column_of_rowtime(input, place)),
        Expr::ScalarFunction(call) if KEEP_TYPE.contains(&call.name()) => {
            let n_looked_at = match call.name() {
                "__temporal_plus" => 2,
                _ => 1,
            };
            let schema = input.schema();
            let result = expr.get_type(schema);
            call.args.iter().take(n_looked_at).any(|argument| {
                let has_type = match (&result, argument.get_type(schema)) {
                    (Ok(result), Ok(argument)) => *result == argument,
                    _ => false,
                };
                has_type && is_of_rowtime(argument, input)
            })
        }
        _ => false,
    }
}

fn is_column_of_rowtime(plan: &LogicalPlan, place: usize) -> bool {
    let fields = plan.schema().fields();
    if fields
        .get(place)
        .is_some_and(|field| time::is_rowtime(field))
    {
        return true;
    }
    match plan {
        // Columns that a table computes are there before its watermark.
        LogicalPlan::Projection(projection) if !is_table(&projection.input) => projection
            .expr
            .get(place)
            .is_some_and(|expr| is_of_rowtime(expr, &projection.input)),
        LogicalPlan::SubqueryAlias(alias) => is_column_of_rowtime(&alias.input, place),
        LogicalPlan::Filter(filter) => is_column_of_rowtime(&filter.input, place),
        LogicalPlan::Sort(sort) => is_column_of_rowtime(&sort.input, place),
        LogicalPlan::Limit(limit) => is_column_of_rowtime(&limit.input, place),
        LogicalPlan::Distinct(Distinct::All(input)) => is_column_of_rowtime(input, place),
        LogicalPlan::Aggregate(aggregate) => aggregate
            .group_expr
            .get(place)
            .is_some_and(|key| is_of_rowtime(key, &aggregate.input)),
        _ => false,
    }
}

/// What a table reads: a name in a query puts an alias above it.
fn is_table(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Projection(projection) => is_table(&projection.input),
        _ => false,
    }
}
