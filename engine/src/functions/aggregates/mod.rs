//! Flink's aggregate functions as the planner sees them.
//!
//! ```text
//!   COUNT, SUM, LISTAGG, …    FlinkAggregate ─▶ accumulators, streaming and batch
//!   STDDEV, VAR, GROUPING, …  Derived        ─▶ rewritten by plan::aggregates, never run
//! ```

mod accumulator;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility,
};

use crate::error::{EngineError, Result};
use crate::functions::accumulators::{AggregateFunction, not_applicable};
use crate::sql::diagnostics::SqlDiagnostic;

/// The aggregate function called `name` (lower case).
#[must_use]
pub fn find(name: &str) -> Option<Arc<AggregateUDF>> {
    if let Some(function) = AggregateFunction::find(name) {
        return Some(udaf(function, false));
    }
    let derived = Derived::find(name)?;
    Some(Arc::new(AggregateUDF::new_from_impl(DerivedAggregate {
        derived,
        signature: Signature::user_defined(Volatility::Immutable),
    })))
}

/// The names under which users call aggregate functions, in lower case.
pub fn names() -> impl Iterator<Item = &'static str> {
    let derived = Derived::ALL.iter().map(|(name, _)| *name);
    AggregateFunction::names().chain(derived)
}

/// `function` for the planner; `always_counts` as in [`AggregateFunction::result_field`].
#[must_use]
pub fn udaf(function: AggregateFunction, always_counts: bool) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(FlinkAggregate {
        function,
        always_counts,
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

/// Which of the engine's aggregates `udaf` is.
#[must_use]
pub fn of_udaf(udaf: &AggregateUDF) -> Option<AggregateFunction> {
    udaf.inner()
        .downcast_ref::<FlinkAggregate>()
        .map(|aggregate| aggregate.function)
}

/// Which of the functions that the planner rewrites `udaf` is.
#[must_use]
pub fn derived_of(udaf: &AggregateUDF) -> Option<Derived> {
    udaf.inner()
        .downcast_ref::<DerivedAggregate>()
        .map(|aggregate| aggregate.derived)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FlinkAggregate {
    function: AggregateFunction,
    always_counts: bool,
    signature: Signature,
}

fn wrong_arity(name: &str, least: usize) -> EngineError {
    EngineError::from(Arc::new(SqlDiagnostic::validation(format!(
        "Invalid number of arguments to function '{name}'. Was expecting {least} arguments"
    ))))
}

impl AggregateUDFImpl for FlinkAggregate {
    fn name(&self) -> &str {
        self.function.plan_name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        let (least, most) = self.function.arity();
        if arg_types.len() < least || arg_types.len() > most {
            return Err(wrong_arity(self.function.name(), least).into());
        }
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        let arguments: Vec<FieldRef> = arg_types
            .iter()
            .map(|data_type| Field::new("", data_type.clone(), true).into())
            .collect();
        Ok(self.return_field(&arguments)?.data_type().clone())
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> DfResult<FieldRef> {
        let field = self.function.result_field(arg_fields, self.always_counts)?;
        Ok(Arc::new(field))
    }

    fn is_nullable(&self) -> bool {
        !self.always_counts && !self.is_never_null()
    }

    fn default_value(&self, data_type: &DataType) -> DfResult<ScalarValue> {
        match self.function {
            AggregateFunction::Count | AggregateFunction::ApproxCountDistinct => {
                Ok(ScalarValue::Int64(Some(0)))
            }
            _ => ScalarValue::try_from(data_type),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.function.takes_null_treatment()
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Ok(Box::new(accumulator::OneGroup::try_new(
            self.function,
            &args,
            false,
        )?))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Ok(Box::new(accumulator::OneGroup::try_new(
            self.function,
            &args,
            true,
        )?))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> DfResult<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(accumulator::Groups::try_new(
            self.function,
            &args,
        )?))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        accumulator::state_fields(self.function, &args)
    }
}

impl FlinkAggregate {
    const fn is_never_null(&self) -> bool {
        matches!(
            self.function,
            AggregateFunction::Count
                | AggregateFunction::ApproxCountDistinct
                | AggregateFunction::SumZero
                | AggregateFunction::Collect
                | AggregateFunction::JsonArrayAgg { .. }
                | AggregateFunction::JsonObjectAgg { .. }
        )
    }
}

/// Functions that the planner expresses by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Derived {
    /// `STDDEV_POP`.
    StddevPop,
    /// `STDDEV_SAMP`, `STDDEV`.
    StddevSamp,
    /// `VAR_POP`.
    VarPop,
    /// `VAR_SAMP`, `VARIANCE`.
    VarSamp,
    /// `GROUPING` and `GROUPING_ID`: which of its arguments a grouping set leaves out, as bits.
    Grouping,
    /// `GROUP_ID`: counts the earlier grouping sets that are the same.
    GroupId,
}

impl Derived {
    const ALL: [(&'static str, Self); 9] = [
        ("stddev_pop", Self::StddevPop),
        ("stddev_samp", Self::StddevSamp),
        ("stddev", Self::StddevSamp),
        ("var_pop", Self::VarPop),
        ("var_samp", Self::VarSamp),
        ("variance", Self::VarSamp),
        ("grouping", Self::Grouping),
        ("grouping_id", Self::Grouping),
        ("group_id", Self::GroupId),
    ];

    fn find(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, derived)| *derived)
    }

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, derived)| *derived == self)
            .map_or("", |(name, _)| name)
    }

    /// The type of the result, as in [`AggregateFunction::result_field`].
    ///
    /// # Errors
    /// As there.
    pub fn result_field(self, arguments: &[FieldRef], always_counts: bool) -> Result<Field> {
        if matches!(self, Self::Grouping | Self::GroupId) {
            return Ok(Field::new(self.name(), DataType::Int64, false));
        }
        let mean = AggregateFunction::Avg.result_field(arguments, always_counts);
        let mean =
            mean.map_err(|_| not_applicable(&self.name().to_uppercase(), "<NUMERIC>", arguments))?;
        Ok(mean.with_name(self.name()))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DerivedAggregate {
    derived: Derived,
    signature: Signature,
}

impl AggregateUDFImpl for DerivedAggregate {
    fn name(&self) -> &str {
        self.derived.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        let fits = match self.derived {
            Derived::Grouping => !arg_types.is_empty(),
            Derived::GroupId => arg_types.is_empty(),
            _ => arg_types.len() == 1,
        };
        if !fits {
            let least = usize::from(self.derived != Derived::GroupId);
            return Err(wrong_arity(&self.name().to_uppercase(), least).into());
        }
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        let arguments: Vec<FieldRef> = arg_types
            .iter()
            .map(|data_type| Field::new("", data_type.clone(), true).into())
            .collect();
        Ok(self.return_field(&arguments)?.data_type().clone())
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> DfResult<FieldRef> {
        Ok(Arc::new(self.derived.result_field(arg_fields, false)?))
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Err(EngineError::internal(format!(
            "{} is expressed by other functions before it runs",
            self.name().to_uppercase()
        ))
        .into())
    }

    fn state_fields(&self, _args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        Ok(Vec::new())
    }
}
