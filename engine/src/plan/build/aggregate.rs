//! GROUP BY and DISTINCT.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column as PhysicalColumn};

use super::arguments::{Arguments, call};
use super::expand::grouping_sets;
use super::{Built, GraphBuilder, readable, unaliased};
use crate::error::{EngineError, Result};
use crate::functions::accumulators::{AggregateCall, AggregateFunction, Callee};
use crate::operators::window::GroupRole;
use crate::operators::{Emission, GroupAggregateSpec};
use crate::plan::aggregates::check_distinct;
use crate::plan::changes::role::{Makes, Role};
use crate::plan::errors::from_planner;
use crate::plan::keys::{ColumnSet, Keys};
use crate::plan::window::slices::sliced_input;
use crate::plan::{changes, state_ttl, text};
use crate::runtime::{Exchange, NodeKind};
use crate::state::ttl::Retention;

impl GraphBuilder {
    /// ```text
    ///   [Calc of arguments] ─▶ [Expand of grouping sets] ──Hash(keys)──▶ GroupAggregate,
    ///                                                                    or one of windows
    /// ```
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Built> {
        if !self.options.is_batch {
            check_distinct(aggregate)?;
        }
        let input_plan = aggregate.input.as_ref();
        let windows = self.grouped_windows(aggregate)?;
        let slices = match &windows {
            Some(windows) if self.firing(windows).is_none() => {
                sliced_input(aggregate, windows).map_err(from_planner)?
            }
            _ => None,
        };
        let input = self.query(slices.as_ref().map_or(input_plan, |(input, _)| input));
        let input = input?;
        let mut arguments = Arguments::new(&input, input_plan.schema(), &self.config);
        let group_exprs = grouping_set_to_exprlist(&aggregate.group_expr).map_err(from_planner)?;
        let sets = grouping_sets(aggregate, &group_exprs)?;
        let mut group_columns = group_exprs
            .iter()
            .map(|expr| arguments.column(expr))
            .collect::<Result<Vec<_>>>()?;
        let fields = aggregate.schema.fields();
        let n_grouped = group_columns.len() + usize::from(sets.is_some());
        let mut calls = aggregate
            .aggr_expr
            .iter()
            .zip(fields.iter().skip(n_grouped))
            .map(|(expr, field)| call(expr, Arc::clone(field), &mut arguments))
            .collect::<Result<Vec<_>>>()?;
        let shown_groups: Vec<Expr> = group_exprs.iter().map(|it| arguments.shown(it)).collect();
        let mut grouping: Vec<_> = shown_groups.iter().map(text::expression).collect();
        let mut select: Vec<_> = grouping.clone();
        let calls_of = aggregate
            .aggr_expr
            .iter()
            .zip(fields.iter().skip(n_grouped));
        select.extend(calls_of.map(|(expr, field)| {
            text::selected(&shown_call(expr, &arguments), &readable(field.name(), expr))
        }));
        let mut input = arguments.calc(self, &input, &group_columns);
        if !group_columns.is_empty()
            && sets.is_none()
            && windows.is_none()
            && let Some(values) = values_of_one(&calls)
            && self.has_groups_of_one(&input, &group_columns)
        {
            let schema = Arc::clone(aggregate.schema.inner());
            let columns: Vec<usize> = group_columns.into_iter().chain(values).collect();
            return Ok(self.picked(&input, &columns, schema));
        }
        if let Some(sets) = sets {
            let id = fields
                .get(group_columns.len())
                .ok_or_else(|| EngineError::internal("grouping sets without a number"))?;
            grouping.push("$e".to_owned());
            select.insert(group_columns.len(), "$e".to_owned());
            let passed = renumber(&mut calls);
            let n_passed = passed.len();
            let keys = std::mem::take(&mut group_columns);
            let n_keys = keys.len() + 1;
            let id = id.as_ref().clone().with_name("$e");
            input = self.expand(input, passed, keys, &id, sets)?;
            group_columns = (n_passed..n_passed + n_keys).collect();
        }
        let schema = Arc::clone(aggregate.schema.inner());
        if let Some(windows) = windows {
            let mut roles = Self::group_roles(&group_exprs, input_plan, &windows, slices.is_some());
            // The number of the grouping set.
            roles.resize(group_columns.len(), GroupRole::Key);
            let group_columns = group_columns.into_iter().zip(roles).collect();
            let windows = (&windows, slices.map(|(_, order)| order));
            return self.window_aggregate(input, windows, group_columns, calls, &select, schema);
        }
        let ttl = self.hinted(state_ttl::of_grouped_input(input_plan));
        let name = text::group_aggregate(&grouping, &select, ttl);
        let retention = state_ttl::retention(ttl)?;
        Ok(self.group(input, name, group_columns, (calls, retention), schema))
    }

    /// The time of a hint, in streaming mode: batch mode keeps what it needs.
    pub(super) fn hinted<'a>(&self, time: Option<&'a str>) -> Option<&'a str> {
        time.filter(|_| !self.options.is_batch)
    }

    pub(super) fn distinct(&mut self, input: &LogicalPlan) -> Result<Built> {
        let built = self.query(input)?;
        let columns: Vec<_> = (0..built.schema.fields().len()).collect();
        if self.has_groups_of_one(&built, &columns) {
            return Ok(built);
        }
        let names: Vec<_> = built
            .schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let ttl = self.hinted(state_ttl::of_grouped_input(input));
        let name = text::group_aggregate(&names, &names, ttl);
        let retention = state_ttl::retention(ttl)?;
        let schema = Arc::clone(&built.schema);
        Ok(self.group(built, name, columns, (vec![], retention), schema))
    }

    /// Whether rows are known by some of the columns already: then each is a group of its own, and
    /// grouping would only turn its updates into deletions and insertions.
    fn has_groups_of_one(&self, input: &Built, group_columns: &[usize]) -> bool {
        let columns: ColumnSet = group_columns.iter().copied().collect();
        self.keys_of(input).are_within(&columns)
    }

    /// These columns of the input, called as in `schema`.
    fn picked(&mut self, input: &Built, columns: &[usize], schema: SchemaRef) -> Built {
        let fields = input.schema.fields();
        let chosen = columns
            .iter()
            .filter_map(|column| Some((*column, fields.get(*column)?.name())));
        let (select, projection): (Vec<_>, Vec<Arc<dyn PhysicalExpr>>) = chosen
            .zip(schema.fields())
            .map(|((column, name), target)| {
                let mut expr: Arc<dyn PhysicalExpr> = Arc::new(PhysicalColumn::new(name, column));
                let given = fields.get(column).map(|field| field.data_type());
                if given != Some(target.data_type()) {
                    // A sum of one DECIMAL has more digits than it.
                    expr = Arc::new(CastExpr::new(expr, target.data_type().clone(), None));
                }
                (name.clone(), expr)
            })
            .unzip();
        self.calc(input, text::calc(&select, None), None, projection, schema)
    }

    fn group(
        &mut self,
        input: Built,
        name: String,
        group_columns: Vec<usize>,
        (calls, retention): (Vec<AggregateCall>, Retention),
        schema: SchemaRef,
    ) -> Built {
        let exchange = if group_columns.is_empty() {
            Exchange::Single
        } else {
            Exchange::Hash(group_columns.clone())
        };
        let mode = changes::of_aggregate(input.mode, calls.is_empty());
        // Functions of other languages are called with many rows and answer for them together,
        // as Flink's Python aggregates answer for a bundle.
        let has_foreign = calls
            .iter()
            .any(|call| matches!(call.function, Callee::Foreign(_)));
        let emission = match has_foreign {
            true => Emission::NetPerStep,
            false => self.options.emission,
        };
        let spec = GroupAggregateSpec {
            input_schema: Arc::clone(&input.schema),
            emit_on_empty: self.options.is_batch,
            group_columns,
            calls,
            input_retracts: !input.mode.is_insert_only(),
            emission,
            retention,
            update_before: true,
            schema: Arc::clone(&schema),
        };
        let keys = Keys::one(0..spec.group_columns.len());
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, exchange)],
            schema,
            mode,
        );
        self.note(built, Role::of(Makes::Aggregate), keys)
    }
}

/// The columns whose values the calls give for a group of one row; `None` where one of them gives
/// something else, or Flink does not see that it does.
fn values_of_one(calls: &[AggregateCall]) -> Option<Vec<usize>> {
    calls
        .iter()
        .map(|call| match (&call.function, call.arguments.as_slice()) {
            (
                Callee::BuiltIn(
                    AggregateFunction::Sum | AggregateFunction::Min | AggregateFunction::Max,
                ),
                [column],
            ) if call.filter.is_none() => Some(*column),
            _ => None,
        })
        .collect()
}

/// Numbers the columns that the calls read anew, from 0. Gives their old numbers.
fn renumber(calls: &mut [AggregateCall]) -> Vec<usize> {
    let mut read = Vec::new();
    for column in calls
        .iter_mut()
        .flat_map(|call| call.arguments.iter_mut().chain(&mut call.filter))
    {
        let known = read.iter().position(|known| known == column);
        let place = known.unwrap_or_else(|| {
            read.push(*column);
            read.len() - 1
        });
        *column = place;
    }
    read
}

/// An aggregate whose arguments and filter are columns of the Calc below.
fn shown_call(expr: &Expr, arguments: &Arguments) -> Expr {
    let Expr::AggregateFunction(call) = unaliased(expr) else {
        return expr.clone();
    };
    let mut call = call.clone();
    for argument in &mut call.params.args {
        *argument = arguments.shown(argument);
    }
    if let Some(filter) = &mut call.params.filter {
        **filter = arguments.shown(filter);
    }
    Expr::AggregateFunction(call)
}
