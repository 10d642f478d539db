//! Joins by processing time: lookup joins, and what Flink refuses in their form.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, Result as DfResult};
use datafusion::logical_expr::logical_plan::TableScan;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, UserDefinedLogicalNodeCore,
};

use super::condition;
use super::keys::key_of;
use super::node::joined;
use crate::error::{EngineError, Result};
use crate::operators::LookupRetry;
use crate::plan::changes::table_error;
use crate::plan::context::PhysicalTable;
use crate::plan::text;
use crate::plan::window::properties::column_of;
use crate::sql::diagnostics::validation;

/// Each left row with the rows that a table has for its key when it comes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LookupJoin {
    /// The rows.
    pub left: LogicalPlan,
    /// The table that is looked up: a scan, or projections and filters over one.
    pub right: LogicalPlan,
    /// Whether left rows without a match stay, padded with NULL.
    pub is_left_outer: bool,
    /// The left column of the processing time, as text: its value is not read.
    pub time: String,
    /// Values of the left side or constants, and the columns of the table that equal them.
    pub on: Vec<(Expr, Expr)>,
    /// The rest of the condition.
    pub filter: Option<Expr>,
    /// Keys without rows are asked for again.
    pub retry: Option<LookupRetry>,
    schema: DFSchemaRef,
}

/// The ON of a join, and its hint.
pub(super) struct JoinCondition {
    pub(super) on: Vec<(Expr, Expr)>,
    pub(super) filter: Option<Expr>,
    pub(super) retry: Option<LookupRetry>,
}

/// The join of `left` with the rows that `right` has at the processing time `time`.
///
/// # Errors
/// What Flink refuses: a table that cannot be looked up, or not by this condition.
pub(super) fn lookup_join(
    left: LogicalPlan,
    right: LogicalPlan,
    is_left_outer: bool,
    time: Expr,
    condition: JoinCondition,
) -> Result<LookupJoin> {
    let (mut on, mut rest) = (condition.on, Vec::new());
    for part in condition
        .filter
        .into_iter()
        .flat_map(split_conjunction_owned)
    {
        match equality(&part, &left, &right) {
            Some(pair) => on.push(pair),
            None => rest.push(part),
        }
    }
    // Flink looks only tables up, and views that no more than compute columns.
    let table = scan_of(&right)
        .filter(|_| !has_filter(&right))
        .and_then(table_of);
    let Some(table) = table.filter(|table| table.source.lookup().is_some()) else {
        return Err(not_looked_up(&on, &right));
    };
    // Only what is a column of the table itself can be asked for.
    let (keys, others): (Vec<_>, Vec<_>) = on.into_iter().partition(|(value, column)| {
        physical_column(column, &right).is_some() && fits(value, &left, column, &right)
    });
    if keys.is_empty() {
        return Err(table_error(
            &format!(
                "Temporal table join requires an equality condition on fields of table [{}].",
                table.name
            ),
            None,
        ));
    }
    rest.extend(others.into_iter().map(|(left, right)| equal(left, right)));
    let schema = Arc::new(joined(&left, &right, is_left_outer).map_err(EngineError::from)?);
    Ok(LookupJoin {
        left,
        right,
        is_left_outer,
        time: text::expression(&time),
        on: keys,
        filter: conjunction(rest),
        retry: condition.retry,
        schema,
    })
}

/// Whether values are compared in the type of the table's column: it cannot be asked for others.
fn fits(value: &Expr, left: &LogicalPlan, column: &Expr, right: &LogicalPlan) -> bool {
    let given = value.get_type(left.schema());
    let (Ok(given), Ok(wanted)) = (given, column.get_type(right.schema())) else {
        return false;
    };
    let is_constant = value.column_refs().is_empty();
    is_constant
        || given.equals_datatype(&wanted)
        || comparison_coercion(&given, &wanted).is_some_and(|common| common == wanted)
}

/// Why a table is not looked up, in the order in which Flink looks.
fn not_looked_up(on: &[(Expr, Expr)], right: &LogicalPlan) -> EngineError {
    let has_columns = |(left, _): &(Expr, Expr)| !left.column_refs().is_empty();
    if !on.iter().any(has_columns) {
        return validation(
            "currently the join key in Temporal Table Join can not be empty".to_owned(),
        );
    }
    if key_of(right).is_none() {
        return validation(
            "a temporal table join requires primary key in versioned table, but no primary key can \
             be found"
                .to_owned(),
        );
    }
    let hint = scan_of(right).map(|_| {
        "the table's connector cannot look rows up; a bounded filesystem table can with the option \
         'lookup.cache' = 'FULL'"
    });
    table_error("Processing-time temporal join is not supported yet.", hint)
}

fn equal(left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        Operator::Eq,
        Box::new(right),
    ))
}

/// The sides of an equality: what the left side gives or a constant, and what the right side has.
fn equality(part: &Expr, left: &LogicalPlan, right: &LogicalPlan) -> Option<(Expr, Expr)> {
    let Expr::BinaryExpr(BinaryExpr {
        left: one,
        op: Operator::Eq,
        right: two,
    }) = part
    else {
        return None;
    };
    let is_given = |expr: &Expr| {
        let mut columns = expr.column_refs().into_iter();
        !expr.is_volatile() && columns.all(|it| left.schema().maybe_index_of_column(it).is_some())
    };
    let is_asked = |expr: &Expr| {
        let columns = expr.column_refs();
        let mut all = columns.iter();
        !columns.is_empty() && all.all(|it| right.schema().maybe_index_of_column(it).is_some())
    };
    if is_given(one) && is_asked(two) {
        Some((one.as_ref().clone(), two.as_ref().clone()))
    } else if is_given(two) && is_asked(one) {
        Some((two.as_ref().clone(), one.as_ref().clone()))
    } else {
        None
    }
}

/// The scan under projections and filters; none if there is more than that.
#[must_use]
pub fn scan_of(plan: &LogicalPlan) -> Option<&TableScan> {
    match plan {
        LogicalPlan::TableScan(scan) => Some(scan),
        LogicalPlan::SubqueryAlias(alias) => scan_of(&alias.input),
        LogicalPlan::Projection(projection) => scan_of(&projection.input),
        LogicalPlan::Filter(filter) => scan_of(&filter.input),
        _ => None,
    }
}

fn has_filter(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Filter(_) => true,
        LogicalPlan::SubqueryAlias(alias) => has_filter(&alias.input),
        LogicalPlan::Projection(projection) => has_filter(&projection.input),
        _ => false,
    }
}

/// The table of a scan.
#[must_use]
pub fn table_of(scan: &TableScan) -> Option<&PhysicalTable> {
    scan.source.downcast_ref()
}

/// The column of the table's source that `expr` over `plan` is, if it is no more than that.
#[must_use]
pub fn physical_column(expr: &Expr, plan: &LogicalPlan) -> Option<usize> {
    let column = column_of(expr, plan)?;
    source_column(column, plan)
}

fn source_column(column: usize, plan: &LogicalPlan) -> Option<usize> {
    match plan {
        LogicalPlan::TableScan(scan) => match &scan.projection {
            Some(projection) => projection.get(column).copied(),
            None => Some(column),
        },
        LogicalPlan::SubqueryAlias(alias) => source_column(column, &alias.input),
        LogicalPlan::Filter(filter) => source_column(column, &filter.input),
        LogicalPlan::Projection(projection) => {
            physical_column(projection.expr.get(column)?, &projection.input)
        }
        _ => None,
    }
}

impl PartialOrd for LookupJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.left.partial_cmp(&other.left)
    }
}

impl UserDefinedLogicalNodeCore for LookupJoin {
    fn name(&self) -> &str {
        "LookupJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        condition::listed(&self.on, self.filter.as_ref())
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let join_type = if self.is_left_outer { "left" } else { "inner" };
        write!(
            f,
            "LookupJoin(joinType=[{join_type}], period=[{}], condition=[{}])",
            self.time,
            condition::written(&self.on, self.filter.as_ref())
        )
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let missing = || EngineError::internal("a lookup join lost a part of itself");
        let mut inputs = inputs.into_iter();
        let (Some(left), Some(right)) = (inputs.next(), inputs.next()) else {
            return Err(missing().into());
        };
        let condition = condition::unlisted(self.on.len(), exprs.into_iter());
        let (on, filter) = condition.ok_or_else(missing)?;
        let schema = Arc::new(joined(&left, &right, self.is_left_outer)?);
        Ok(Self {
            left,
            right,
            is_left_outer: self.is_left_outer,
            time: self.time.clone(),
            on,
            filter,
            retry: self.retry,
            schema,
        })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let n_left = self.left.schema().fields().len();
        let (left, right) = condition::by_side(output_columns, n_left);
        Some(vec![left, right])
    }
}
