//! Functions that only stand before OVER, with Flink's result types: ranks are BIGINT.
//!
//! In batch mode DataFusion's evaluators compute them; in streaming mode operators of ours do
//! (`operators::rank`, `operators::over`), which know them by name.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::function::{
    ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::planner::{PlannerResult, RawWindowExpr};
use datafusion::logical_expr::window_state::WindowAggState;
use datafusion::logical_expr::{
    Expr, LimitEffect, PartitionEvaluator, ReversedUDWF, Signature, WindowFrameBound,
    WindowFunctionDefinition, WindowUDF, WindowUDFImpl, lit,
};
use datafusion::physical_expr::PhysicalExpr;

use crate::error::EngineError;
use crate::functions::illegal_null;
use crate::functions::registry::builtin_scalar;
use crate::sql::diagnostics::SqlDiagnostic;

/// The window function of this lower-case name.
#[must_use]
pub fn find(key: &str) -> Option<Arc<WindowUDF>> {
    WINDOW.get(key).map(Arc::clone)
}

/// The names, in lower case.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    WINDOW.keys().copied()
}

/// What Flink means by a call before OVER where DataFusion means something else: FIRST_VALUE and
/// LAST_VALUE pass over NULL, LAG and LEAD give their default for NULL too, ranks need an order.
///
/// # Errors
/// A validation error for a rank without ORDER BY, and for a frame of months.
pub fn plan(raw: RawWindowExpr) -> DfResult<PlannerResult<RawWindowExpr>> {
    if raw.filter.is_some() {
        return Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
            "OVER must be applied to aggregate function: FILTER cannot stand before it".to_owned(),
        )))
        .into());
    }
    let frame = &raw.window_frame;
    if [&frame.start_bound, &frame.end_bound]
        .iter()
        .any(|bound| counts_months(bound))
    {
        return Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
            "INTERVAL_YEAR_MONTH type is not allowed for window boundary".to_owned(),
        )))
        .into());
    }
    let WindowFunctionDefinition::WindowUDF(function) = &raw.func_def else {
        return Ok(PlannerResult::Original(raw));
    };
    match function.name() {
        "row_number" | "rank" | "dense_rank" if raw.order_by.is_empty() => {
            Err(EngineError::from(Arc::new(SqlDiagnostic::validation(
                "Over Agg: The window rank function requires order by clause with non-constant \
                 fields. please re-check the over window statement."
                    .to_owned(),
            )))
            .into())
        }
        "first_value" | "last_value" if raw.null_treatment.is_none() => Ok(PlannerResult::Planned(
            call(raw, Some(NullTreatment::IgnoreNulls)),
        )),
        "lag" | "lead" => match raw.args.get(2).cloned() {
            Some(default) => Ok(PlannerResult::Planned(with_default(raw, default)?)),
            None => Ok(PlannerResult::Original(raw)),
        },
        _ => Ok(PlannerResult::Original(raw)),
    }
}

/// Whether a bound is an interval of months; bounds are texts as yet.
fn counts_months(bound: &WindowFrameBound) -> bool {
    match bound {
        WindowFrameBound::Preceding(ScalarValue::Utf8(Some(text)))
        | WindowFrameBound::Following(ScalarValue::Utf8(Some(text))) => text.ends_with("months"),
        _ => false,
    }
}

/// LAG or LEAD with a default, which may be any expression over the row: Flink gives it the type of
/// the value.
fn with_default(mut raw: RawWindowExpr, default: Expr) -> DfResult<Expr> {
    if matches!(default, Expr::Literal(ScalarValue::Null, _)) {
        return Err(illegal_null().into());
    }
    let lagged = builtin_scalar("__lagged")
        .ok_or_else(|| EngineError::internal("there is no function '__lagged'"))?;
    raw.args.truncate(2);
    let null_treatment = raw.null_treatment;
    let mut found = raw.clone();
    if let Some(value) = found.args.first_mut() {
        *value = lit(true);
    }
    let value = call(raw, null_treatment);
    // A constant stands for NULL, too: nobody asks whether there is a row.
    let found = match default.column_refs().is_empty() {
        true => value.clone(),
        false => call(found, null_treatment),
    };
    Ok(lagged.call(vec![value, default, found]))
}

fn call(raw: RawWindowExpr, null_treatment: Option<NullTreatment>) -> Expr {
    Expr::WindowFunction(Box::new(WindowFunction {
        fun: raw.func_def,
        params: WindowFunctionParams {
            args: raw.args,
            partition_by: raw.partition_by,
            order_by: raw.order_by,
            window_frame: raw.window_frame,
            filter: raw.filter,
            null_treatment,
            distinct: raw.distinct,
        },
    }))
}

static WINDOW: LazyLock<BTreeMap<&'static str, Arc<WindowUDF>>> = LazyLock::new(|| {
    const NAMES: &[&str] = &[
        "row_number",
        "rank",
        "dense_rank",
        "percent_rank",
        "cume_dist",
        "ntile",
        "lag",
        "lead",
        "first_value",
        "last_value",
    ];
    let all: HashMap<String, Arc<WindowUDF>> =
        datafusion::functions_window::all_default_window_functions()
            .into_iter()
            .map(|function| (function.name().to_owned(), function))
            .collect();
    NAMES
        .iter()
        .filter_map(|name| {
            let inner = Arc::clone(all.get(*name)?);
            let function = WindowUDF::new_from_impl(FlinkWindow { inner });
            Some((*name, Arc::new(function)))
        })
        .collect()
});

/// DataFusion's function with BIGINT where it counts unsigned.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FlinkWindow {
    inner: Arc<WindowUDF>,
}

fn is_unsigned(field: &FieldRef) -> bool {
    *field.data_type() == DataType::UInt64
}

impl WindowUDFImpl for FlinkWindow {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn expressions(&self, expr_args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.expressions(expr_args)
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs,
    ) -> DfResult<Box<dyn PartitionEvaluator>> {
        let field = self
            .inner
            .field(WindowUDFFieldArgs::new(args.input_fields(), self.name()))?;
        let evaluator = self.inner.partition_evaluator_factory(args)?;
        if is_unsigned(&field) {
            Ok(Box::new(Signed { inner: evaluator }))
        } else {
            Ok(evaluator)
        }
    }

    fn field(&self, args: WindowUDFFieldArgs) -> DfResult<FieldRef> {
        let argument = args.get_input_field(0);
        let field = self.inner.field(args)?;
        if is_unsigned(&field) {
            let signed = field.as_ref().clone().with_data_type(DataType::Int64);
            return Ok(Arc::new(signed));
        }
        match argument {
            // A value of the argument is of the argument's Flink type.
            Some(argument) if argument.data_type() == field.data_type() => Ok(Arc::new(
                field
                    .as_ref()
                    .clone()
                    .with_metadata(argument.metadata().clone()),
            )),
            _ => Ok(field),
        }
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.inner.sort_options()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        ReversedUDWF::NotSupported
    }

    fn limit_effect(&self, args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        self.inner.inner().limit_effect(args)
    }
}

/// An evaluator whose counts are signed.
#[derive(Debug)]
struct Signed {
    inner: Box<dyn PartitionEvaluator>,
}

fn signed(values: &ArrayRef) -> DfResult<ArrayRef> {
    Ok(cast(values, &DataType::Int64)?)
}

impl PartitionEvaluator for Signed {
    fn memoize(&mut self, state: &mut WindowAggState) -> DfResult<()> {
        self.inner.memoize(state)
    }

    fn get_range(&self, idx: usize, n_rows: usize) -> DfResult<Range<usize>> {
        self.inner.get_range(idx, n_rows)
    }

    fn is_causal(&self) -> bool {
        self.inner.is_causal()
    }

    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> DfResult<ArrayRef> {
        signed(&self.inner.evaluate_all(values, num_rows)?)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> DfResult<ScalarValue> {
        self.inner
            .evaluate(values, range)?
            .cast_to(&DataType::Int64)
    }

    fn evaluate_all_with_rank(
        &self,
        num_rows: usize,
        ranks_in_partition: &[Range<usize>],
    ) -> DfResult<ArrayRef> {
        signed(
            &self
                .inner
                .evaluate_all_with_rank(num_rows, ranks_in_partition)?,
        )
    }

    fn supports_bounded_execution(&self) -> bool {
        self.inner.supports_bounded_execution()
    }

    fn uses_window_frame(&self) -> bool {
        self.inner.uses_window_frame()
    }

    fn include_rank(&self) -> bool {
        self.inner.include_rank()
    }
}
