//! The engine's aggregates behind DataFusion's traits, for batch mode: the same states and values
//! as in streaming mode.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{and, is_null, not};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;

use crate::error::Result;
use crate::functions::accumulators::{Aggregate, AggregateCall, AggregateFunction};

/// What is needed to make an aggregate again and again.
#[derive(Debug)]
struct Template {
    call: AggregateCall,
    input_types: Vec<DataType>,
    retracts: bool,
}

impl Template {
    fn try_new(
        function: AggregateFunction,
        args: &AccumulatorArgs,
        retracts: bool,
    ) -> Result<Self> {
        let (mut arguments, mut constants) = (Vec::new(), Vec::new());
        for (argument_idx, expr) in args.exprs.iter().enumerate() {
            if function.is_constant(argument_idx) {
                constants.push(constant(expr)?);
            } else {
                arguments.push(argument_idx);
            }
        }
        let function = match args.ignore_nulls {
            true => function.ignoring_nulls(),
            false => function,
        };
        Ok(Self {
            call: AggregateCall {
                function: function.into(),
                arguments,
                constants,
                filter: None,
                distinct: args.is_distinct,
                result: Arc::clone(&args.return_field),
            },
            input_types: args
                .expr_fields
                .iter()
                .map(|field| field.data_type().clone())
                .collect(),
            retracts,
        })
    }

    fn make(&self) -> Result<Aggregate> {
        Aggregate::try_new(&self.call, &self.input_types, self.retracts)
    }

    /// The arguments among the columns that DataFusion hands over.
    fn arguments(&self, values: &[ArrayRef]) -> Vec<ArrayRef> {
        let arguments = self.call.arguments.iter();
        arguments
            .filter_map(|&argument| values.get(argument).cloned())
            .collect()
    }
}

/// The value of an expression without columns.
fn constant(expr: &Arc<dyn PhysicalExpr>) -> Result<ScalarValue> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
    let value = expr.evaluate(&batch)?.into_array(1)?;
    Ok(ScalarValue::try_from_array(&value, 0)?)
}

/// The columns of a state, as `Aggregate::save` gives them.
pub(super) fn state_fields(
    function: AggregateFunction,
    args: &StateFieldsArgs,
) -> DfResult<Vec<FieldRef>> {
    // Constants do not change what a state looks like.
    let constants = match function {
        AggregateFunction::Percentile => vec![ScalarValue::Float64(Some(0.5))],
        _ => Vec::new(),
    };
    let call = AggregateCall {
        function: function.into(),
        arguments: (0..args.input_fields.len())
            .filter(|&argument_idx| !function.is_constant(argument_idx))
            .collect(),
        constants,
        filter: None,
        distinct: args.is_distinct,
        result: Arc::clone(&args.return_field),
    };
    let types: Vec<DataType> = args
        .input_fields
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    let columns = Aggregate::try_new(&call, &types, false)?.save(&[])?;
    Ok((0..)
        .zip(columns)
        .map(|(idx, column): (usize, _)| {
            let name = format!("{}[{idx}]", args.name);
            Arc::new(Field::new(name, column.data_type().clone(), true))
        })
        .collect())
}

/// One group.
pub(super) struct OneGroup {
    template: Template,
    aggregate: Aggregate,
}

impl std::fmt::Debug for OneGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneGroup")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

impl OneGroup {
    pub(super) fn try_new(
        function: AggregateFunction,
        args: &AccumulatorArgs,
        retracts: bool,
    ) -> DfResult<Self> {
        let template = Template::try_new(function, args, retracts)?;
        let mut aggregate = template.make()?;
        aggregate.resize(1);
        Ok(Self {
            template,
            aggregate,
        })
    }

    fn add(&mut self, values: &[ArrayRef], sign: i8) -> DfResult<()> {
        let n_rows = values.first().map_or(0, |column| column.len());
        let signs = (sign < 0).then(|| vec![sign; n_rows]);
        self.aggregate.update_columns(
            &self.template.arguments(values),
            None,
            &vec![0; n_rows],
            signs.as_deref(),
        )?;
        Ok(())
    }
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.add(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.add(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        self.template.retracts
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        ScalarValue::try_from_array(&self.aggregate.read(&[0])?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.aggregate.state_bytes()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.aggregate
            .save(&[0])?
            .iter()
            .map(|column| ScalarValue::try_from_array(column, 0))
            .collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let n_rows = states.first().map_or(0, |column| column.len());
        self.aggregate.restore(&vec![0; n_rows], states)?;
        Ok(())
    }
}

/// Many groups.
pub(super) struct Groups {
    template: Template,
    aggregate: Aggregate,
    n_groups: usize,
}

impl Groups {
    pub(super) fn try_new(function: AggregateFunction, args: &AccumulatorArgs) -> DfResult<Self> {
        let template = Template::try_new(function, args, false)?;
        let aggregate = template.make()?;
        Ok(Self {
            template,
            aggregate,
            n_groups: 0,
        })
    }

    fn resize(&mut self, n_groups: usize) {
        self.n_groups = self.n_groups.max(n_groups);
        self.aggregate.resize(self.n_groups);
    }

    /// Takes groups out with what `read` says of them; the others move up.
    fn take<T>(
        &mut self,
        emit_to: EmitTo,
        read: impl FnOnce(&Aggregate, &[u32]) -> Result<T>,
    ) -> DfResult<T> {
        let n_taken = match emit_to {
            EmitTo::All => self.n_groups,
            EmitTo::First(n_groups) => n_groups.min(self.n_groups),
        };
        let id = |group: usize| u32::try_from(group).unwrap_or(u32::MAX);
        let taken: Vec<u32> = (0..n_taken).map(id).collect();
        let out = read(&self.aggregate, &taken)?;
        let rest: Vec<u32> = (n_taken..self.n_groups).map(id).collect();
        let states = self.aggregate.save(&rest)?;
        let mut aggregate = self.template.make()?;
        aggregate.resize(rest.len());
        let moved: Vec<u32> = (0..rest.len()).map(id).collect();
        aggregate.restore(&moved, &states)?;
        self.aggregate = aggregate;
        self.n_groups = rest.len();
        Ok(out)
    }
}

fn ids(group_indices: &[usize]) -> Vec<u32> {
    group_indices
        .iter()
        .map(|&group| u32::try_from(group).unwrap_or(u32::MAX))
        .collect()
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.resize(total_num_groups);
        let filter: Option<ArrayRef> = opt_filter.map(|filter| Arc::new(filter.clone()) as _);
        self.aggregate.update_columns(
            &self.template.arguments(values),
            filter.as_ref(),
            &ids(group_indices),
            None,
        )?;
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        self.take(emit_to, Aggregate::read)
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        self.take(emit_to, Aggregate::save)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.resize(total_num_groups);
        self.aggregate.restore(&ids(group_indices), values)?;
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> DfResult<Vec<ArrayRef>> {
        let n_rows = values.first().map_or(0, |column| column.len());
        let filter: Option<ArrayRef> = match opt_filter {
            Some(filter) => Some(Arc::new(and(filter, &not(&is_null(filter)?)?)?)),
            None => None,
        };
        let groups: Vec<u32> = (0..u32::try_from(n_rows).unwrap_or(u32::MAX)).collect();
        let mut aggregate = self.template.make()?;
        aggregate.resize(n_rows);
        let arguments = self.template.arguments(values);
        aggregate.update_columns(&arguments, filter.as_ref(), &groups, None)?;
        Ok(aggregate.save(&groups)?)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.aggregate.state_bytes()
    }
}
