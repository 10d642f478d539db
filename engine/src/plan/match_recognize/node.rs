//! MATCH_RECOGNIZE in a logical plan.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::{DFSchema, DFSchemaRef, Result as DfResult};
use datafusion::logical_expr::{Expr, LogicalPlan, SortExpr, UserDefinedLogicalNodeCore};

use crate::error::EngineError;
use crate::operators::match_recognize::{Element, Skip};

/// A value that a formula takes from a match.
#[derive(Debug, Clone)]
pub enum PlanReference {
    /// An expression over one row.
    Row {
        /// Of the rows of this variable; of all rows without it.
        variable: Option<usize>,
        /// Counted from the last row instead of the first one.
        from_last: bool,
        /// So many rows away from it.
        offset: usize,
        /// Over the columns of the input.
        expr: Expr,
    },
    /// An aggregate over the columns of the input.
    Aggregate {
        /// Of the rows of this variable; of all rows without it.
        variable: Option<usize>,
        /// The call.
        expr: Expr,
        /// Its result.
        field: FieldRef,
    },
}

impl PlanReference {
    const fn expr(&self) -> &Expr {
        match self {
            Self::Row { expr, .. } | Self::Aggregate { expr, .. } => expr,
        }
    }
}

/// An expression of DEFINE or MEASURES.
#[derive(Debug, Clone)]
pub struct PlanFormula {
    /// What it takes from the match.
    pub references: Vec<PlanReference>,
    /// The references as columns.
    pub schema: Arc<DFSchema>,
    /// Over these columns.
    pub expr: Expr,
    /// Its type.
    pub field: FieldRef,
}

/// A MATCH_RECOGNIZE.
#[derive(Debug, Clone)]
pub struct MatchNode {
    /// The rows.
    pub input: LogicalPlan,
    /// PARTITION BY.
    pub partition: Vec<Expr>,
    /// The event time; none where the rows are taken as they come.
    pub rowtime: Option<Expr>,
    /// ORDER BY behind the time.
    pub order: Vec<SortExpr>,
    /// PATTERN.
    pub elements: Vec<Element>,
    /// Names and conditions of the variables.
    pub variables: Vec<(String, Option<PlanFormula>)>,
    /// Names and expressions of MEASURES.
    pub measures: Vec<(String, PlanFormula)>,
    /// AFTER MATCH SKIP.
    pub skip: Skip,
    /// WITHIN, in milliseconds.
    pub within_ms: Option<i64>,
    /// The clause as it was written: what makes two of them the same.
    pub text: String,
    /// The columns that leave.
    pub schema: DFSchemaRef,
}

impl MatchNode {
    fn input_exprs(&self) -> impl Iterator<Item = &Expr> {
        let conditions = self.variables.iter().filter_map(|(_, it)| it.as_ref());
        let formulas = conditions.chain(self.measures.iter().map(|(_, it)| it));
        let references = formulas.flat_map(|it| it.references.iter().map(PlanReference::expr));
        self.partition
            .iter()
            .chain(&self.rowtime)
            .chain(self.order.iter().map(|key| &key.expr))
            .chain(references)
    }
}

impl PartialEq for MatchNode {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.input == other.input
    }
}

impl Eq for MatchNode {}

impl Hash for MatchNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for MatchNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.text.cmp(&other.text) {
            Ordering::Equal => self.input.partial_cmp(&other.input),
            order => Some(order),
        }
    }
}

impl UserDefinedLogicalNodeCore for MatchNode {
    fn name(&self) -> &str {
        "Match"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// None that rules may touch: they look at several rows at once.
    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Match({})", self.text)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let input = inputs
            .into_iter()
            .next()
            .ok_or_else(|| EngineError::internal("a pattern lost its input"))?;
        Ok(Self {
            input,
            ..self.clone()
        })
    }

    fn necessary_children_exprs(&self, _output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let schema = self.input.schema();
        let mut columns: Vec<usize> = self
            .input_exprs()
            .flat_map(Expr::column_refs)
            .filter_map(|column| schema.maybe_index_of_column(column))
            .collect();
        columns.sort_unstable();
        columns.dedup();
        Some(vec![columns])
    }
}
