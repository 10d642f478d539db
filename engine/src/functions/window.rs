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
use datafusion::logical_expr::function::{
    ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::window_state::WindowAggState;
use datafusion::logical_expr::{
    LimitEffect, PartitionEvaluator, ReversedUDWF, Signature, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;

/// The window function of this lower-case name.
#[must_use]
pub fn find(key: &str) -> Option<Arc<WindowUDF>> {
    WINDOW.get(key).map(Arc::clone)
}

/// The names, in lower case.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    WINDOW.keys().copied()
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
