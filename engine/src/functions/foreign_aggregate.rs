//! Foreign aggregate functions as the planner sees them: an [`AggregateUdfSpec`] wrapped for
//! DataFusion. In batch mode a state of one group stands behind its accumulator.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use crate::error::EngineError;
use crate::functions::registered::Registered;
use crate::functions::udf::{AggregateUdfSpec, GroupStates, GroupedRows};

/// The function for the planner.
#[must_use]
pub fn aggregate(spec: &Arc<AggregateUdfSpec>) -> Arc<AggregateUDF> {
    let registered = Registered::new(spec, Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(ForeignAggregate(registered)))
}

/// The foreign function behind `udaf`, if it is one.
#[must_use]
pub fn spec_of(udaf: &AggregateUDF) -> Option<Arc<AggregateUdfSpec>> {
    let function = udaf.inner().downcast_ref::<ForeignAggregate>()?;
    Some(Arc::clone(&function.0.spec))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ForeignAggregate(Registered<AggregateUdfSpec>);

impl AggregateUDFImpl for ForeignAggregate {
    fn name(&self) -> &str {
        &self.0.key
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        self.0.coerce_arguments(arg_types)
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(self.0.result_type())
    }

    fn return_field(&self, _arg_fields: &[FieldRef]) -> DfResult<FieldRef> {
        Ok(self.0.result_field())
    }

    fn is_nullable(&self) -> bool {
        self.0.spec.result.is_nullable()
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup {
            states: self.0.spec.runtime.create()?,
            seen: args.is_distinct.then(std::collections::HashSet::new),
            n_arguments: args.exprs.len(),
        }))
    }

    /// Functions need not be able to take rows back: a frame that moves is computed anew.
    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        let types = args.expr_fields.iter();
        Ok(Box::new(Frame {
            spec: Arc::clone(&self.0.spec),
            types: types.map(|field| field.data_type().clone()).collect(),
            rows: VecDeque::new(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        let name = format!("{}[state]", args.name);
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }
}

/// The accumulator of one group.
struct OneGroup {
    states: Box<dyn GroupStates>,
    /// Arguments that came already, for DISTINCT.
    seen: Option<std::collections::HashSet<Vec<ScalarValue>>>,
    n_arguments: usize,
}

impl fmt::Debug for OneGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneGroup")
    }
}

impl OneGroup {
    fn change(&mut self, values: &[ArrayRef], sign: i8) -> DfResult<()> {
        let n_rows = values.first().map_or(0, |column| column.len());
        let counted = match &mut self.seen {
            None => None,
            Some(seen) => Some(
                (0..n_rows)
                    .map(|row_idx| {
                        let row = values
                            .iter()
                            .map(|column| ScalarValue::try_from_array(column, row_idx))
                            .collect::<DfResult<Vec<_>>>()?;
                        Ok(seen.insert(row))
                    })
                    .collect::<DfResult<arrow::buffer::BooleanBuffer>>()?,
            ),
        };
        // A function without arguments is given a constant by the planner, to count rows by.
        let arguments = values.get(..self.n_arguments).unwrap_or(values);
        self.states.update(&GroupedRows {
            arguments,
            groups: &vec![0; n_rows],
            signs: (sign < 0).then(|| vec![sign; n_rows]).as_deref(),
            counted: counted.as_ref(),
        })?;
        Ok(())
    }
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.change(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.change(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        // Frames that move recompute: a function need not be able to take rows back.
        false
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        ScalarValue::try_from_array(&self.states.read(&[0])?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.states.state_bytes()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::try_from_array(
            &self.states.save(&[0])?,
            0,
        )?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        for column in states {
            self.states.restore(&vec![0; column.len()], column)?;
        }
        Ok(())
    }
}

/// The rows of a frame that moves.
struct Frame {
    spec: Arc<AggregateUdfSpec>,
    types: Vec<DataType>,
    rows: VecDeque<Vec<ScalarValue>>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} rows)", self.rows.len())
    }
}

impl Accumulator for Frame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        for row_idx in 0..values.first().map_or(0, |column| column.len()) {
            let row = values
                .iter()
                .map(|column| ScalarValue::try_from_array(column, row_idx))
                .collect::<DfResult<Vec<_>>>()?;
            self.rows.push_back(row);
        }
        Ok(())
    }

    /// Rows leave a frame in the order in which they came.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let n_rows = values.first().map_or(0, |column| column.len());
        self.rows.drain(..n_rows.min(self.rows.len()));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let columns = self
            .types
            .iter()
            .enumerate()
            .map(|(idx, data_type)| {
                if self.rows.is_empty() {
                    return Ok(new_empty_array(data_type));
                }
                ScalarValue::iter_to_array(self.rows.iter().filter_map(|row| row.get(idx).cloned()))
            })
            .collect::<DfResult<Vec<_>>>()?;
        let mut states = self.spec.runtime.create()?;
        states.update(&GroupedRows {
            arguments: &columns,
            groups: &vec![0; self.rows.len()],
            signs: None,
            counted: None,
        })?;
        ScalarValue::try_from_array(&states.read(&[0])?, 0)
    }

    fn size(&self) -> usize {
        let of_row = |row: &Vec<ScalarValue>| row.iter().map(ScalarValue::size).sum::<usize>();
        size_of::<Self>() + self.rows.iter().map(of_row).sum::<usize>()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Err(EngineError::internal("the state of a frame").into())
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> DfResult<()> {
        Err(EngineError::internal("merging frames").into())
    }
}
