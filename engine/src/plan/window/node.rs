//! A window table function in a logical plan.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DFSchema, DFSchemaRef, Result as DfResult, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::data::types::{FlinkType, TypeRoot};
use crate::error::EngineError;
use crate::operators::window::WindowKind;
use crate::plan::{text, time};

/// The names of the columns that a window adds.
pub const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// Each row of the input with the windows that it belongs to.
#[derive(Debug, Clone)]
pub struct WindowTvf {
    /// The rows.
    pub input: LogicalPlan,
    /// The column of the time.
    pub time: Expr,
    /// PARTITION BY of a session.
    pub partition: Vec<Expr>,
    /// The windows.
    pub kind: WindowKind,
    /// Whether it stands for `GROUP BY TUMBLE(…)`, which takes more kinds of windows.
    pub is_group: bool,
    /// Whether rows get the slices that windows have in common instead of the windows.
    pub is_sliced: bool,
    schema: DFSchemaRef,
}

impl WindowTvf {
    /// A window over `input`.
    ///
    /// # Errors
    /// If `time` is no column of it.
    pub fn try_new(
        input: LogicalPlan,
        time: Expr,
        partition: Vec<Expr>,
        kind: WindowKind,
    ) -> DfResult<Self> {
        let schema = Arc::new(extended(&input, &time)?);
        Ok(Self {
            input,
            time,
            partition,
            kind,
            is_group: false,
            is_sliced: false,
            schema,
        })
    }

    /// The window of `GROUP BY TUMBLE(…)`.
    #[must_use]
    pub fn of_group(self) -> Self {
        Self {
            is_group: true,
            ..self
        }
    }

    /// The same with slices in the place of windows.
    #[must_use]
    pub fn of_slices(self) -> Self {
        Self {
            is_sliced: true,
            ..self
        }
    }

    /// The index of the column of the time.
    ///
    /// # Errors
    /// If the input does not have it.
    pub fn time_column(&self) -> DfResult<usize> {
        column_of(&self.time, &self.input)
    }

    /// The indices of PARTITION BY.
    ///
    /// # Errors
    /// If the input does not have one of them.
    pub fn partition_columns(&self) -> DfResult<Vec<usize>> {
        let keys = self.partition.iter();
        keys.map(|key| column_of(key, &self.input)).collect()
    }

    /// The fields that the window adds.
    pub fn window_fields(&self) -> impl Iterator<Item = FieldRef> + '_ {
        let fields = self.schema.inner().fields();
        let n_input = fields.len().saturating_sub(WINDOW_COLUMNS.len());
        fields.iter().skip(n_input).cloned()
    }

    /// The field of the time.
    ///
    /// # Errors
    /// As [`Self::time_column`].
    pub fn time_field(&self) -> DfResult<FieldRef> {
        Ok(Arc::clone(
            self.input
                .schema()
                .inner()
                .fields()
                .get(self.time_column()?)
                .ok_or_else(missing)?,
        ))
    }
}

fn missing() -> EngineError {
    EngineError::internal("a window over a missing column")
}

fn column_of(expr: &Expr, input: &LogicalPlan) -> DfResult<usize> {
    match expr {
        Expr::Column(column) => input.schema().index_of_column(column),
        _ => Err(EngineError::internal("a window over an expression").into()),
    }
}

/// The columns of the input and those of the window.
fn extended(input: &LogicalPlan, time: &Expr) -> DfResult<DFSchema> {
    let schema = input.schema();
    let time_idx = column_of(time, input)?;
    let time_field = schema.inner().fields().get(time_idx).ok_or_else(missing)?;
    let mut fields: Vec<(Option<TableReference>, FieldRef)> = schema
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
        .collect();
    let timestamp = FlinkType::not_null(TypeRoot::Timestamp(3));
    let taken = |name: &str| schema.fields().iter().any(|field| field.name() == name);
    let free = |name: &str| {
        let mut unique = name.to_owned();
        let mut suffix = 0;
        while taken(&unique) {
            unique = format!("{name}{suffix}");
            suffix += 1;
        }
        unique
    };
    for (idx, name) in WINDOW_COLUMNS.iter().enumerate() {
        let field = if idx == 2 {
            window_time(time_field, &free(name))
        } else {
            timestamp.to_arrow_field(&free(name))
        };
        fields.push((None, Arc::new(field)));
    }
    DFSchema::new_with_metadata(fields, schema.metadata().clone())
}

/// `window_time` has the type of the time, and is again a time attribute.
fn window_time(time_field: &Field, name: &str) -> Field {
    let is_instant = matches!(
        time_field.data_type(),
        DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, Some(_))
            | DataType::Timestamp(_, Some(_))
    );
    let root = if is_instant {
        TypeRoot::TimestampLtz(3)
    } else {
        TypeRoot::Timestamp(3)
    };
    let field = FlinkType::not_null(root).to_arrow_field(name);
    if time::is_proctime(time_field) {
        time::as_proctime(field)
    } else if time::is_rowtime(time_field) {
        time::as_rowtime(field)
    } else {
        field
    }
}

impl PartialEq for WindowTvf {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.is_group == other.is_group
            && self.is_sliced == other.is_sliced
            && self.time == other.time
            && self.partition == other.partition
            && self.input == other.input
    }
}

impl Eq for WindowTvf {}

impl Hash for WindowTvf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        self.time.hash(state);
        self.partition.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for WindowTvf {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.kind.partial_cmp(&other.kind) {
            Some(Ordering::Equal) => self.input.partial_cmp(&other.input),
            order => order,
        }
    }
}

impl UserDefinedLogicalNodeCore for WindowTvf {
    fn name(&self) -> &str {
        "WindowTableFunction"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let mut all = vec![self.time.clone()];
        all.extend(self.partition.iter().cloned());
        all
    }

    /// A condition on a row alone can be tested before its windows are known, unless the windows
    /// hang on which rows there are.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let n_columns = self.schema.fields().len();
        let first = if self.kind.is_aligned() {
            n_columns.saturating_sub(WINDOW_COLUMNS.len())
        } else {
            0
        };
        let fields = self.schema.fields().iter().skip(first);
        fields.map(|field| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", describe(self))
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let mut exprs = exprs.into_iter();
        let (Some(time), Some(input)) = (exprs.next(), inputs.into_iter().next()) else {
            return Err(missing().into());
        };
        let node = Self::try_new(input, time, exprs.collect(), self.kind)?;
        Ok(Self {
            is_group: self.is_group,
            is_sliced: self.is_sliced,
            ..node
        })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let n_input = self.input.schema().fields().len();
        let needed = output_columns.iter().copied();
        Some(vec![needed.filter(|&column| column < n_input).collect()])
    }
}

/// The node as EXPLAIN shows it.
#[must_use]
pub fn describe(node: &WindowTvf) -> String {
    let mut parts = vec![format!("time_col=[{}]", text::expression(&node.time))];
    parts.push(node.kind.to_string());
    if !node.partition.is_empty() {
        let keys: Vec<_> = node.partition.iter().map(text::expression).collect();
        parts.push(format!("partition keys=[{}]", keys.join(", ")));
    }
    format!(
        "WindowTableFunction(window=[{}({})])",
        node.kind.name(),
        parts.join(", ")
    )
}
