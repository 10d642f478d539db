//! OVER windows: which of them Flink runs on changing tables, and what it says to the others.
//!
//! All functions of a SELECT must have the same window: partition, order and frame.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::logical_plan::{LogicalPlan, Window};
use datafusion::logical_expr::{
    Expr, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};

use super::arguments::{Arguments, call, sort_key};
use super::rank::{TimeColumn, window_function};
use super::{Built, GraphBuilder, unaliased};
use crate::data::ChangelogMode;
use crate::error::{EngineError, Result};
use crate::functions::aggregates;
use crate::operators::{Frame, OverCall, OverOrder, OverSpec};
use crate::plan::changes::role::{Makes, Role};
use crate::plan::changes::table_error;
use crate::plan::text;
use crate::runtime::{Exchange, NodeKind};
use crate::sql::diagnostics::validation;

impl GraphBuilder {
    /// The node of an OVER window.
    ///
    /// # Errors
    /// Flink's, for windows that it does not run in streaming mode.
    pub(super) fn over(&mut self, window: &Window) -> Result<Built> {
        // A window over other partitions or frames stands below as a window of its own.
        if contains_window(&window.input) {
            return Err(different_windows());
        }
        let functions: Vec<&WindowFunction> = window
            .window_expr
            .iter()
            .map(|expr| {
                window_function(expr)
                    .ok_or_else(|| EngineError::internal(format!("'{expr}' is no window function")))
            })
            .collect::<Result<_>>()?;
        let Some((first, others)) = functions.split_first() else {
            return self.query(&window.input);
        };
        functions.iter().try_for_each(|it| check_function(it))?;
        let shape = Shape::of(first)?;
        for other in others {
            if Shape::of(other)? != shape
                || other.params.partition_by != first.params.partition_by
                || other.params.order_by != first.params.order_by
            {
                return Err(different_windows());
            }
        }
        let input_plan = window.input.as_ref();
        let order = self.time_attribute(input_plan, order_of(first)?);
        let frame = frame_of(shape, order)?;
        let input = self.query(input_plan)?;
        if order.is_some() && !input.mode.is_insert_only() {
            return Err(table_error(
                "OVER windows' ordering in streaming mode must be defined on a time attribute of \
                 an insert-only table.",
                None,
            ));
        }
        self.over_node(window, &functions, input, order, frame)
    }

    fn over_node(
        &mut self,
        window: &Window,
        functions: &[&WindowFunction],
        input: Built,
        order: Option<TimeColumn>,
        frame: Frame,
    ) -> Result<Built> {
        let input_plan = window.input.as_ref();
        let n_columns = input_plan.schema().fields().len();
        let mut arguments = Arguments::new(&input, input_plan.schema(), &self.config);
        let all: Vec<usize> = (0..n_columns)
            .map(|column| arguments.existing(column))
            .collect();
        let Some(first) = functions.first() else {
            return Ok(input);
        };
        let partition_columns = first
            .params
            .partition_by
            .iter()
            .map(|expr| arguments.column(expr))
            .collect::<Result<Vec<_>>>()?;
        let spec_order = match (order, first.params.order_by.first()) {
            (Some(TimeColumn::Rowtime(column)), _) => OverOrder::Rowtime(column),
            (Some(TimeColumn::Proctime), _) | (None, None) => OverOrder::Proctime,
            (None, Some(key)) => OverOrder::Value(sort_key(key, &mut arguments)?),
        };
        let results = window.schema.fields().iter().skip(n_columns);
        let calls = functions
            .iter()
            .zip(results)
            .map(|(function, field)| over_call(function, field, &mut arguments))
            .collect::<Result<Vec<_>>>()?;
        let name = over_name(window, first, frame);
        let mode = match spec_order {
            OverOrder::Value(_) => ChangelogMode::ALL,
            _ => ChangelogMode::INSERT_ONLY,
        };
        let keys = self.keys_of(&input).behind_exchange(&partition_columns);
        let input = arguments.calc(self, &input, &all);
        let fields: Vec<FieldRef> = input
            .schema
            .fields()
            .iter()
            .take(n_columns)
            .chain(window.schema.fields().iter().skip(n_columns))
            .cloned()
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let exchange = if partition_columns.is_empty() {
            Exchange::Single
        } else {
            Exchange::Hash(partition_columns.clone())
        };
        let spec = OverSpec {
            input_schema: Arc::clone(&input.schema),
            partition_columns,
            order: spec_order,
            frame,
            calls,
            emission: self.options.emission,
            schema: Arc::clone(&schema),
        };
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, exchange)],
            schema,
            mode,
        );
        Ok(self.note(built, Role::of(Makes::Only(mode)), keys))
    }
}

/// What a frame is, before it is known what the order is.
#[derive(Debug, Clone, PartialEq)]
struct Shape {
    is_rows: bool,
    /// None is UNBOUNDED PRECEDING.
    preceding: Option<ScalarValue>,
}

impl Shape {
    fn of(function: &WindowFunction) -> Result<Self> {
        let following = || table_error("OVER RANGE FOLLOWING windows are not supported yet.", None);
        if is_called(function, "row_number") {
            return Ok(Self {
                is_rows: true,
                preceding: None,
            });
        }
        if is_udwf(function) && !is_first_or_last(function) {
            return Ok(Self {
                is_rows: false,
                preceding: None,
            });
        }
        let frame = &function.params.window_frame;
        if function.params.order_by.is_empty() {
            // Without an order the frame is the whole partition.
            return Ok(Self {
                is_rows: false,
                preceding: None,
            });
        }
        if frame.end_bound != WindowFrameBound::CurrentRow {
            return Err(following());
        }
        let WindowFrameBound::Preceding(preceding) = &frame.start_bound else {
            return Err(following());
        };
        Ok(Self {
            is_rows: frame.units == WindowFrameUnits::Rows,
            preceding: (!preceding.is_null()).then(|| preceding.clone()),
        })
    }
}

/// What orders the window.
fn order_of(function: &WindowFunction) -> Result<&Expr> {
    let [key] = function.params.order_by.as_slice() else {
        return Err(table_error(
            "The window can only be ordered by a single time column.",
            None,
        ));
    };
    if !key.asc {
        return Err(table_error(
            "The window can only be ordered in ASCENDING mode.",
            None,
        ));
    }
    Ok(&key.expr)
}

fn frame_of(shape: Shape, order: Option<TimeColumn>) -> Result<Frame> {
    let Some(preceding) = shape.preceding else {
        // Rows that arrive one after the other are no peers.
        let is_rows = shape.is_rows || order == Some(TimeColumn::Proctime);
        return Ok(if is_rows {
            Frame::AllRows
        } else {
            Frame::AllPeers
        });
    };
    if order.is_none() {
        return Err(table_error(
            "Non-time attribute sort is not supported for bounded OVER window.",
            None,
        ));
    }
    let bound =
        || EngineError::unsupported(format!("the bound {preceding} PRECEDING of an OVER window"));
    if shape.is_rows {
        let n_rows = match &preceding {
            ScalarValue::UInt64(Some(n_rows)) => usize::try_from(*n_rows).ok(),
            ScalarValue::Int64(Some(n_rows)) => usize::try_from(*n_rows).ok(),
            _ => None,
        };
        return n_rows.map(Frame::Rows).ok_or_else(bound);
    }
    let millis = match &preceding {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            Some(i64::from(interval.days) * 86_400_000 + interval.nanoseconds / 1_000_000)
        }
        ScalarValue::IntervalDayTime(Some(interval)) => {
            Some(i64::from(interval.days) * 86_400_000 + i64::from(interval.milliseconds))
        }
        _ => None,
    };
    millis.map(Frame::Millis).ok_or_else(bound)
}

fn over_call(
    function: &WindowFunction,
    field: &FieldRef,
    arguments: &mut Arguments,
) -> Result<OverCall> {
    let params = &function.params;
    let udaf = match &function.fun {
        WindowFunctionDefinition::AggregateUDF(udaf) => Some(Arc::clone(udaf)),
        WindowFunctionDefinition::WindowUDF(udwf) => match udwf.name() {
            "row_number" | "rank" | "dense_rank" => return Ok(OverCall::Count),
            "lag" => return lag(function, arguments),
            name => aggregates::find(name),
        },
    };
    let Some(udaf) = udaf else {
        return Err(EngineError::unsupported(format!(
            "{} OVER in streaming mode",
            name_of(function)
        )));
    };
    let expr = Expr::AggregateFunction(AggregateFunction::new_udf(
        udaf,
        params.args.clone(),
        params.distinct,
        None,
        Vec::new(),
        params.null_treatment,
    ));
    call(&expr, Arc::clone(field), arguments).map(OverCall::Aggregate)
}

fn lag(function: &WindowFunction, arguments: &mut Arguments) -> Result<OverCall> {
    let (value, offset, default) = match function.params.args.as_slice() {
        [value] => (value, None, None),
        [value, offset] => (value, Some(offset), None),
        [value, offset, default] => (value, Some(offset), Some(default)),
        _ => return Err(EngineError::internal("LAG takes one to three arguments")),
    };
    let offset = match offset {
        None => 1,
        Some(offset) => literal_count(offset).ok_or_else(|| {
            EngineError::unsupported("LAG with an offset that is no constant from 0 on")
        })?,
    };
    Ok(OverCall::Lag {
        argument: arguments.column(value)?,
        offset,
        default: default
            .map(|default| arguments.column(default))
            .transpose()?,
    })
}

fn literal_count(expr: &Expr) -> Option<usize> {
    let value = match unaliased(expr) {
        Expr::Literal(value, _) => value,
        Expr::Cast(cast) => return literal_count(&cast.expr),
        _ => return None,
    };
    match value {
        ScalarValue::Int32(Some(value)) => usize::try_from(*value).ok(),
        ScalarValue::Int64(Some(value)) => usize::try_from(*value).ok(),
        _ => None,
    }
}

fn check_function(function: &WindowFunction) -> Result<()> {
    if function.params.filter.is_some() {
        return Err(validation(
            "OVER must be applied to aggregate function".to_owned(),
        ));
    }
    if is_udwf(function)
        && matches!(
            name_of(function).as_str(),
            "NTILE" | "LEAD" | "PERCENT_RANK" | "CUME_DIST"
        )
    {
        return Err(table_error(
            &format!(
                "{} Function is not supported in stream mode.",
                name_of(function)
            ),
            None,
        ));
    }
    let is_rank = is_udwf(function)
        && matches!(
            name_of(function).as_str(),
            "ROW_NUMBER" | "RANK" | "DENSE_RANK"
        );
    if is_rank && function.params.order_by.is_empty() {
        return Err(validation(
            "Over Agg: The window rank function requires order by clause with non-constant \
             fields. please re-check the over window statement."
                .to_owned(),
        ));
    }
    Ok(())
}

fn different_windows() -> EngineError {
    table_error(
        "Over Agg: Unsupported use of OVER windows. All aggregates must be computed on the same \
         window. please re-check the over window statement.",
        Some("compute each window in a query of its own"),
    )
}

/// Whether a window stands right below, so that both are of one SELECT. The optimizer may have put
/// a choice of columns between them; what a query itself selects has new names.
fn contains_window(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Window(_) => true,
        LogicalPlan::Projection(projection) => {
            let mut exprs = projection.expr.iter();
            exprs.all(|expr| matches!(expr, Expr::Column(_))) && contains_window(&projection.input)
        }
        _ => false,
    }
}

fn is_udwf(function: &WindowFunction) -> bool {
    matches!(function.fun, WindowFunctionDefinition::WindowUDF(_))
}

fn is_called(function: &WindowFunction, name: &str) -> bool {
    is_udwf(function) && function.fun.name() == name
}

fn is_first_or_last(function: &WindowFunction) -> bool {
    is_called(function, "first_value") || is_called(function, "last_value")
}

fn name_of(function: &WindowFunction) -> String {
    function.fun.name().to_uppercase()
}

fn over_name(window: &Window, first: &WindowFunction, frame: Frame) -> String {
    let partition: Vec<_> = first
        .params
        .partition_by
        .iter()
        .map(text::expression)
        .collect();
    let order: Vec<_> = first.params.order_by.iter().map(text::order).collect();
    let frame = match frame {
        Frame::AllRows => "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW".to_owned(),
        Frame::AllPeers => "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW".to_owned(),
        Frame::Rows(n_rows) => format!("ROWS BETWEEN {n_rows} PRECEDING AND CURRENT ROW"),
        Frame::Millis(millis) => format!("RANGE BETWEEN {millis} PRECEDING AND CURRENT ROW"),
    };
    let select: Vec<_> = window
        .schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let mut parts = Vec::new();
    if !partition.is_empty() {
        parts.push(format!("partitionBy=[{}]", partition.join(", ")));
    }
    parts.push(format!("orderBy=[{}]", order.join(", ")));
    parts.push(format!("window=[{frame}]"));
    parts.push(format!("select=[{}]", select.join(", ")));
    format!("OverAggregate({})", parts.join(", "))
}
