//! The nodes: a call of a table function by itself, as it is bound, and one for each row of an
//! input, as it is run.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::{DFSchema, DFSchemaRef, Result as DfResult, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::error::EngineError;
use crate::functions::table::TableFunction;
use crate::plan::text;

/// A table function with its arguments: a relation without inputs.
#[derive(Debug, Clone)]
pub struct TableCall {
    /// The function.
    pub function: Arc<dyn TableFunction>,
    /// Over the columns of the rows that it is called for: outer references.
    pub arguments: Vec<Expr>,
    pub(in crate::plan) schema: DFSchemaRef,
}

impl TableCall {
    /// A call. `name` is given to a column that has none of its own.
    ///
    /// # Errors
    /// If the function does not take the arguments.
    pub fn try_new(
        function: Arc<dyn TableFunction>,
        arguments: Vec<Expr>,
        name: Option<&str>,
    ) -> DfResult<Self> {
        let empty = DFSchema::empty();
        let types = arguments
            .iter()
            .map(|argument| argument.to_field(&empty).map(|(_, field)| field))
            .collect::<DfResult<Vec<_>>>()?;
        let mut fields = function.result(&types)?;
        if let (Some(name), [only]) = (name, fields.as_mut_slice()) {
            *only = Arc::new(only.as_ref().clone().with_name(name));
        }
        let fields: Vec<(Option<TableReference>, FieldRef)> =
            fields.into_iter().map(|field| (None, field)).collect();
        let schema = DFSchema::new_with_metadata(fields, Default::default())?;
        Ok(Self {
            function,
            arguments,
            schema: Arc::new(schema),
        })
    }

    fn key(&self) -> (String, &[Expr]) {
        (self.function.signature(), &self.arguments)
    }
}

impl PartialEq for TableCall {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key() && self.schema == other.schema
    }
}

impl Eq for TableCall {}

impl Hash for TableCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for TableCall {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.key().partial_cmp(&other.key())
    }
}

impl UserDefinedLogicalNodeCore for TableCall {
    fn name(&self) -> &str {
        "TableFunctionScan"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.arguments.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableFunctionScan: {}", self.function.signature())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, _inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        Ok(Self {
            arguments: exprs,
            ..self.clone()
        })
    }
}

/// Each row of the input with the rows that a function gives for it.
#[derive(Debug, Clone)]
pub struct Correlate {
    /// The rows.
    pub input: LogicalPlan,
    /// The function.
    pub function: Arc<dyn TableFunction>,
    /// Over the columns of the input.
    pub arguments: Vec<Expr>,
    /// Over the columns of the output: which of the function's rows count.
    pub condition: Option<Expr>,
    /// LEFT JOIN: rows for which the function gives nothing stay.
    pub is_outer: bool,
    /// The columns of the function.
    given: Vec<(Option<TableReference>, FieldRef)>,
    schema: DFSchemaRef,
}

impl Correlate {
    /// `given` are the function's columns under the names that they have outside.
    ///
    /// # Errors
    /// If two columns have the same name.
    pub fn try_new(
        input: LogicalPlan,
        call: &TableCall,
        condition: Option<Expr>,
        is_outer: bool,
        given: Vec<(Option<TableReference>, FieldRef)>,
    ) -> DfResult<Self> {
        let given: Vec<_> = given
            .into_iter()
            .map(|(qualifier, field)| {
                let nullable = field.is_nullable() || is_outer;
                let field = field.as_ref().clone().with_nullable(nullable);
                (qualifier, Arc::new(field))
            })
            .collect();
        Ok(Self {
            schema: joined(&input, &given)?,
            input,
            function: Arc::clone(&call.function),
            arguments: call.arguments.clone(),
            condition,
            is_outer,
            given,
        })
    }

    /// The number of columns of the function.
    #[must_use]
    pub fn n_given(&self) -> usize {
        self.given.len()
    }

    /// The call as EXPLAIN shows it.
    #[must_use]
    pub fn call_text(&self) -> String {
        let signature = self.function.signature();
        let name = signature.split('(').next().unwrap_or(&signature);
        let arguments: Vec<_> = self.arguments.iter().map(text::expression).collect();
        format!("{name}({})", arguments.join(", "))
    }

    fn key(&self) -> (String, &[Expr], &Option<Expr>, bool, &LogicalPlan) {
        (
            self.function.signature(),
            &self.arguments,
            &self.condition,
            self.is_outer,
            &self.input,
        )
    }
}

fn joined(
    input: &LogicalPlan,
    given: &[(Option<TableReference>, FieldRef)],
) -> DfResult<DFSchemaRef> {
    let schema = input.schema();
    let fields = schema
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
        .chain(given.iter().cloned())
        .collect();
    DFSchema::new_with_metadata(fields, schema.metadata().clone()).map(Arc::new)
}

impl PartialEq for Correlate {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key() && self.schema == other.schema
    }
}

impl Eq for Correlate {}

impl Hash for Correlate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Correlate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.key().partial_cmp(&other.key())
    }
}

impl UserDefinedLogicalNodeCore for Correlate {
    fn name(&self) -> &str {
        "Correlate"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        // The condition is over the output, of which those who ask know nothing.
        self.arguments.clone()
    }

    /// Filters on columns of the input may go below.
    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        self.given
            .iter()
            .map(|(_, field)| field.name().clone())
            .collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join_type = if self.is_outer { "LEFT" } else { "INNER" };
        write!(f, "Correlate: {join_type} {}", self.call_text())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let Ok([input]) = <[LogicalPlan; 1]>::try_from(inputs) else {
            return Err(EngineError::internal("a Correlate without its input").into());
        };
        Ok(Self {
            schema: joined(&input, &self.given)?,
            input,
            arguments: exprs,
            ..self.clone()
        })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let n_input = self.input.schema().fields().len();
        let mut read: BTreeSet<usize> = output_columns
            .iter()
            .copied()
            .filter(|&column| column < n_input)
            .collect();
        for expr in self.arguments.iter().chain(&self.condition) {
            for column in expr.column_refs() {
                read.extend(self.input.schema().maybe_index_of_column(column));
            }
        }
        Some(vec![read.into_iter().collect()])
    }
}
