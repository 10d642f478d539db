//! Top-N: a filter over the rank of rows within their partition.
//!
//! ```text
//!   Filter(rn <= 3 AND c)                                      Calc(c, …)
//!     Projection(…, rn)                             ──▶          Rank(1..3)
//!       Window(ROW_NUMBER() OVER (PARTITION BY … ORDER BY …))      … Hash(partition)
//! ```
//!
//! What Flink takes for a Top-N, and with which strategy, decides which changes leave; so its
//! rules are followed here. Source: Flink 2.3, `FlinkLogicalRankRule`, `RankUtil`,
//! `RankProcessStrategy`, and its answers.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::logical_plan::{LogicalPlan, Window};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, SortExpr, WindowFunctionDefinition};

use super::arguments::{Arguments, sort_key};
use super::rank_bounds::{Bounds, End};
use super::{Built, GraphBuilder, unaliased};
use crate::data::ChangelogMode;
use crate::error::Result;
use crate::operators::{DeduplicateSpec, Keep, RankEnd, RankSpec, RankStrategy, SortKey};
use crate::plan::changes::role::{Makes, Role, Wants};
use crate::plan::changes::table_error;
use crate::plan::errors::from_planner;
use crate::plan::keys::Keys;
use crate::plan::text;
use crate::runtime::{Exchange, NodeKind};
use crate::sql::diagnostics::validation;

/// A window of one rank function below a filter, and what stands between the two.
struct Ranked<'a> {
    window: &'a Window,
    /// What the columns of the filter's input are, over the columns of the window.
    columns: Vec<Expr>,
}

impl GraphBuilder {
    /// The Top-N that `predicate` over `input` is, with `projection` of it; none if it is none.
    ///
    /// # Errors
    /// What Flink refuses: ranks without an end, and RANK and DENSE_RANK.
    pub(super) fn top_n(
        &mut self,
        input: &LogicalPlan,
        predicate: &Expr,
        projection: Option<(&[Expr], &SchemaRef)>,
    ) -> Result<Option<Built>> {
        let Some(ranked) = Ranked::find(input)? else {
            return Ok(None);
        };
        let Some(function) = ranked.rank_function()? else {
            return Ok(None);
        };
        let n_columns = ranked.window.input.schema().fields().len();
        let rank_column = ranked.rank_column(n_columns);
        let predicate = ranked.resolved(predicate, input.schema())?;
        let bounds = Bounds::of(&predicate, &rank_column)?;
        let Some(range) = bounds.range()? else {
            return Ok(None);
        };
        refuse_other_ranks(function)?;
        let params = &function.params;
        let outputs: Vec<Expr> = match projection {
            Some((exprs, _)) => exprs
                .iter()
                .map(|expr| ranked.resolved(expr, input.schema()))
                .collect::<Result<_>>()?,
            None => ranked.columns.clone(),
        };
        // A rank that can have one value only is a constant.
        let constant = match range.end {
            End::Constant(end) if end == range.start => Some(end),
            _ => None,
        };
        let fixed = |expr: Expr| match constant {
            Some(rank) => with_constant(expr, &rank_column, rank),
            None => Ok(expr),
        };
        let outputs = outputs.into_iter().map(fixed).collect::<Result<Vec<_>>>()?;
        let rest = conjunction(bounds.rest).map(fixed).transpose()?;
        let names_rank = |expr: &Expr| expr.column_refs().contains(&rank_column);
        let output_rank = outputs.iter().chain(&rest).any(names_rank);
        let rank = Rank {
            partition_by: &params.partition_by,
            order_by: &params.order_by,
            start: range.start,
            end: range.end,
            output_rank,
            limit: None,
        };
        let is_of_windows = self.ranked_windows(&ranked.window.input, &rank)?.is_some();
        let deduplicated = if is_of_windows {
            None
        } else {
            self.deduplicate(&ranked.window.input, &rank)?
        };
        let built = match deduplicated {
            Some(built) => built,
            None => self.rank(&ranked.window.input, &rank)?,
        };
        let schema = match projection {
            Some((_, schema)) => Arc::clone(schema),
            None => Arc::clone(input.schema().inner()),
        };
        let row_schema = rank_schema(ranked.window, &rank_column, output_rank)?;
        self.select(&built, &row_schema, rest.as_ref(), &outputs, schema)
            .map(Some)
    }

    /// A Calc whose expressions are over `row_schema`, the columns of `input` under other names.
    fn select(
        &mut self,
        input: &Built,
        row_schema: &DFSchema,
        filter: Option<&Expr>,
        exprs: &[Expr],
        schema: SchemaRef,
    ) -> Result<Built> {
        let is_identity = filter.is_none()
            && exprs.len() == input.schema.fields().len()
            && exprs.iter().enumerate().all(|(column_idx, expr)| {
                unaliased(expr).try_as_col().is_some_and(|column| {
                    row_schema.maybe_index_of_column(column) == Some(column_idx)
                })
            })
            && schema == input.schema;
        if is_identity {
            return Ok(input.clone());
        }
        let select: Vec<_> = exprs
            .iter()
            .zip(schema.fields())
            .map(|(expr, field)| text::selected(expr, field.name()))
            .collect();
        let name = text::calc(&select, filter);
        let filter = filter
            .map(|filter| super::physical(filter, row_schema, &self.config))
            .transpose()?;
        let projection = exprs
            .iter()
            .map(|expr| super::physical(expr, row_schema, &self.config))
            .collect::<Result<Vec<_>>>()?;
        Ok(self.calc(input, name, filter, projection, schema))
    }

    /// The node of a Top-N over `input_plan`. Its rows are those of `input_plan`, then the rank if
    /// it is wanted.
    pub(super) fn rank(&mut self, input_plan: &LogicalPlan, rank: &Rank<'_>) -> Result<Built> {
        let input = self.query(input_plan)?;
        let n_columns = input_plan
            .schema()
            .fields()
            .len()
            .max(input.schema.fields().len());
        let mut arguments = Arguments::new(&input, input_plan.schema(), &self.config);
        let all: Vec<usize> = (0..n_columns)
            .map(|column| arguments.existing(column))
            .collect();
        let partition_columns = rank
            .partition_by
            .iter()
            .map(|expr| arguments.column(expr))
            .collect::<Result<Vec<_>>>()?;
        let sort_keys: Vec<SortKey> = rank
            .order_by
            .iter()
            .map(|key| sort_key(key, &mut arguments))
            .collect::<Result<_>>()?;
        let end = match &rank.end {
            End::Constant(end) => RankEnd::Constant(*end),
            End::Column(expr) => RankEnd::Column(arguments.column(expr)?),
        };
        let strategy = strategy(input_plan, &input, &partition_columns, &sort_keys);
        let mode = mode_of(&strategy, &input, rank);
        let name = rank_name(rank, &strategy, &input.schema);
        let known = self.keys_of(&input);
        let role = Role::of(Makes::Only(mode)).wanting(match strategy {
            RankStrategy::UpdateFast(_) => Wants::OnlyAfter,
            RankStrategy::AppendFast | RankStrategy::Retract => Wants::Both,
        });
        let input = arguments.calc(self, &input, &all);
        let mut fields: Vec<_> = input
            .schema
            .fields()
            .iter()
            .take(n_columns)
            .cloned()
            .collect();
        if rank.output_rank {
            fields.push(Arc::new(Field::new("rowNum", DataType::Int64, false)));
        }
        let schema = Arc::new(Schema::new(fields));
        let exchange = if partition_columns.is_empty() {
            Exchange::Single
        } else {
            Exchange::Hash(partition_columns.clone())
        };
        let spec = RankSpec {
            input_schema: Arc::clone(&input.schema),
            partition_columns,
            sort_keys,
            start: rank.start,
            end,
            output_rank: rank.output_rank,
            strategy,
            emission: self.options.emission,
            schema: Arc::clone(&schema),
        };
        if let Some(windows) = self.ranked_windows(input_plan, rank)? {
            if !input.mode.is_insert_only() {
                return Err(table_error(
                    "StreamPhysicalWindowRank doesn't support consuming update and delete changes",
                    None,
                ));
            }
            let latest_first = self.is_last_row(input_plan, rank);
            return self.window_rank(&windows, spec, input, latest_first, &name);
        }
        let keys = rank_keys(&known, rank, &spec, n_columns);
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, exchange)],
            schema,
            mode,
        );
        Ok(self.note(built, role, keys))
    }
}

/// By which columns the rows of a Top-N are known: the first row by its partition, others by their
/// partition and rank, or as in the input if the versions of a row stay together.
fn rank_keys(known: &Keys, rank: &Rank<'_>, spec: &RankSpec, n_columns: usize) -> Keys {
    let visible = |columns: &[usize]| columns.iter().all(|column| *column < n_columns);
    if rank.limit.is_some() {
        let sorted: Vec<usize> = spec.sort_keys.iter().map(|key| key.column).collect();
        return known.behind_exchange(&sorted);
    }
    let partition = &spec.partition_columns;
    if rank.start == 1 && matches!(rank.end, End::Constant(1)) && visible(partition) {
        return Keys::one(partition.iter().copied());
    }
    let mut keys = known.behind_exchange(partition);
    if rank.output_rank && visible(partition) {
        keys.insert(partition.iter().copied().chain([n_columns]).collect());
    }
    keys
}

impl GraphBuilder {
    /// Whether the one row that is kept is the last one by event time: of equal times the one that
    /// came last.
    fn is_last_row(&self, input_plan: &LogicalPlan, rank: &Rank<'_>) -> bool {
        match (rank.order_by, &rank.end, rank.start) {
            ([key], End::Constant(1), 1) => {
                let time = self.time_attribute(input_plan, &key.expr);
                !key.asc && matches!(time, Some(TimeColumn::Rowtime(_)))
            }
            _ => false,
        }
    }

    /// The first rank by a time attribute of insertions: a deduplication. None if it is none.
    fn deduplicate(&mut self, input_plan: &LogicalPlan, rank: &Rank<'_>) -> Result<Option<Built>> {
        let ([key], End::Constant(1), 1) = (rank.order_by, &rank.end, rank.start) else {
            return Ok(None);
        };
        let Some(column) = self.time_attribute(input_plan, &key.expr) else {
            return Ok(None);
        };
        let input = self.query(input_plan)?;
        if !input.mode.is_insert_only() {
            return Ok(None);
        }
        let n_columns = input.schema.fields().len();
        let mut arguments = Arguments::new(&input, input_plan.schema(), &self.config);
        let all: Vec<usize> = (0..n_columns)
            .map(|column| arguments.existing(column))
            .collect();
        let key_columns = rank
            .partition_by
            .iter()
            .map(|expr| arguments.column(expr))
            .collect::<Result<Vec<_>>>()?;
        let keep = if key.asc { Keep::First } else { Keep::Last };
        let names: Vec<_> = rank.partition_by.iter().map(text::expression).collect();
        let (row, order) = match (keep, column) {
            (Keep::First, TimeColumn::Rowtime(_)) => ("FirstRow", "ROWTIME"),
            (Keep::First, TimeColumn::Proctime) => ("FirstRow", "PROCTIME"),
            (Keep::Last, TimeColumn::Rowtime(_)) => ("LastRow", "ROWTIME"),
            (Keep::Last, TimeColumn::Proctime) => ("LastRow", "PROCTIME"),
        };
        let name = format!(
            "Deduplicate(keep=[{row}], key=[{}], order=[{order}], outputInsertOnly=[{}])",
            names.join(", "),
            keep == Keep::First
        );
        let schema = Arc::clone(&input.schema);
        let input = arguments.calc(self, &input, &all);
        let exchange = if key_columns.is_empty() {
            Exchange::Single
        } else {
            Exchange::Hash(key_columns.clone())
        };
        let mode = match keep {
            Keep::First => ChangelogMode::INSERT_ONLY,
            Keep::Last => ChangelogMode::ALL,
        };
        let keys = match key_columns.iter().all(|column| *column < n_columns) {
            true => Keys::one(key_columns.iter().copied()),
            false => Keys::none(),
        };
        let spec = DeduplicateSpec {
            input_schema: Arc::clone(&input.schema),
            key_columns,
            time_column: column.rowtime(),
            keep,
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
        let built = self.note(built, Role::of(Makes::Only(mode)), keys);
        Ok(Some(built))
    }
}

/// A column that is a time attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeColumn {
    /// With its index in the input.
    Rowtime(usize),
    Proctime,
}

impl TimeColumn {
    pub(super) const fn rowtime(self) -> Option<usize> {
        match self {
            Self::Rowtime(column) => Some(column),
            Self::Proctime => None,
        }
    }
}

/// What is to be ranked, and which ranks are of interest.
pub(super) struct Rank<'a> {
    pub(super) partition_by: &'a [Expr],
    pub(super) order_by: &'a [SortExpr],
    pub(super) start: usize,
    pub(super) end: End,
    pub(super) output_rank: bool,
    /// Offset and number of rows where LIMIT says them.
    pub(super) limit: Option<(usize, usize)>,
}

/// Which kinds of changes leave a Top-N.
fn mode_of(strategy: &RankStrategy, input: &Built, rank: &Rank<'_>) -> ChangelogMode {
    // Rows in the order of arrival: the first ones stay the first.
    let stays = *strategy == RankStrategy::AppendFast
        && rank.order_by.is_empty()
        && input.mode.is_insert_only();
    if stays {
        ChangelogMode::INSERT_ONLY
    } else {
        ChangelogMode::ALL
    }
}

/// What the input may do, so what has to be remembered.
fn strategy(
    plan: &LogicalPlan,
    input: &Built,
    partition_columns: &[usize],
    sort_keys: &[SortKey],
) -> RankStrategy {
    if input.mode.is_insert_only() {
        return RankStrategy::AppendFast;
    }
    match super::monotonicity::of(plan) {
        Some(rows) if rows.moves_up(partition_columns, sort_keys) => {
            RankStrategy::UpdateFast(rows.key)
        }
        _ => RankStrategy::Retract,
    }
}

fn rank_name(rank: &Rank<'_>, strategy: &RankStrategy, schema: &SchemaRef) -> String {
    let strategy = match strategy {
        RankStrategy::AppendFast => "AppendFastStrategy".to_owned(),
        RankStrategy::UpdateFast(key) => {
            let key: Vec<_> = key.iter().map(ToString::to_string).collect();
            format!("UpdateFastStrategy[{}]", key.join(","))
        }
        RankStrategy::Retract => "RetractStrategy".to_owned(),
    };
    let end = match &rank.end {
        End::Constant(end) => format!("rankEnd={end}"),
        End::Column(expr) => format!("rankEnd={}", text::expression(expr)),
    };
    let partition: Vec<_> = rank.partition_by.iter().map(text::expression).collect();
    let order: Vec<_> = rank.order_by.iter().map(text::order).collect();
    if let Some((offset, fetch)) = rank.limit {
        let rest = format!("offset=[{offset}], fetch=[{fetch}], strategy=[{strategy}])");
        return match order.as_slice() {
            [] => format!("Limit({rest}"),
            order => format!("SortLimit(orderBy=[{}], {rest}", order.join(", ")),
        };
    }
    let mut select: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    if rank.output_rank {
        select.push("w0$o0".to_owned());
    }
    format!(
        "Rank(strategy=[{strategy}], rankType=[ROW_NUMBER], rankRange=[rankStart={}, {end}], \
         partitionBy=[{}], orderBy=[{}], select=[{}])",
        rank.start,
        partition.join(", "),
        order.join(", "),
        select.join(", ")
    )
}

impl<'a> Ranked<'a> {
    fn find(plan: &'a LogicalPlan) -> Result<Option<Self>> {
        match plan {
            LogicalPlan::Window(window) => Ok(Some(Self {
                window,
                columns: window
                    .schema
                    .columns()
                    .into_iter()
                    .map(Expr::Column)
                    .collect(),
            })),
            LogicalPlan::SubqueryAlias(alias) => Self::find(&alias.input),
            LogicalPlan::Projection(projection) => {
                let Some(below) = Self::find(&projection.input)? else {
                    return Ok(None);
                };
                let columns = projection
                    .expr
                    .iter()
                    .map(|expr| below.resolved(unaliased(expr), projection.input.schema()))
                    .collect::<Result<_>>()?;
                Ok(Some(Self { columns, ..below }))
            }
            _ => Ok(None),
        }
    }

    /// The rank function of the window: none if it has other functions, or several ranks.
    fn rank_function(&self) -> Result<Option<&'a WindowFunction>> {
        let mut functions = self.window.window_expr.iter().map(window_function);
        let Some(Some(first)) = functions.next() else {
            return Ok(None);
        };
        let is_rank = rank_name_of(first).is_some();
        if !is_rank || functions.any(|other| other != Some(first)) {
            return Ok(None);
        }
        if first.params.order_by.is_empty() {
            return Err(validation(
                "Over Agg: The window rank function requires order by clause with non-constant \
                 fields. please re-check the over window statement."
                    .to_owned(),
            ));
        }
        Ok(Some(first))
    }

    /// The column of the window that has the rank.
    fn rank_column(&self, n_columns: usize) -> Column {
        let (qualifier, field) = self.window.schema.qualified_field(n_columns);
        Column::new(qualifier.cloned(), field.name().clone())
    }

    /// `expr` over the filter's input, whose schema is `schema`, as one over the window.
    fn resolved(&self, expr: &Expr, schema: &DFSchema) -> Result<Expr> {
        let n_columns = self.window.input.schema().fields().len();
        let rank = self.rank_column(n_columns);
        let resolved = expr.clone().transform_up(|expr| {
            let Expr::Column(column) = &expr else {
                return Ok(Transformed::no(expr));
            };
            let column_idx = schema.index_of_column(column)?;
            let Some(resolved) = self.columns.get(column_idx) else {
                return Ok(Transformed::no(expr));
            };
            // Several ranks of the same order are one.
            if let Expr::Column(column) = resolved
                && self.window.schema.index_of_column(column)? >= n_columns
            {
                return Ok(Transformed::yes(Expr::Column(rank.clone())));
            }
            Ok(Transformed::yes(resolved.clone()))
        });
        Ok(resolved.map_err(from_planner)?.data)
    }
}

/// The call before OVER.
pub(super) fn window_function(expr: &Expr) -> Option<&WindowFunction> {
    match unaliased(expr) {
        Expr::WindowFunction(function) => Some(function),
        _ => None,
    }
}

/// The upper-case name of a rank function.
fn rank_name_of(function: &WindowFunction) -> Option<&'static str> {
    let WindowFunctionDefinition::WindowUDF(udf) = &function.fun else {
        return None;
    };
    match udf.name() {
        "row_number" => Some("ROW_NUMBER"),
        "rank" => Some("RANK"),
        "dense_rank" => Some("DENSE_RANK"),
        _ => None,
    }
}

fn refuse_other_ranks(function: &WindowFunction) -> Result<()> {
    match rank_name_of(function) {
        Some(name @ ("RANK" | "DENSE_RANK")) => Err(table_error(
            &format!("{name}() on streaming table is not supported currently"),
            Some("use ROW_NUMBER()"),
        )),
        _ => Ok(()),
    }
}

/// `expr` with a constant for the rank.
fn with_constant(expr: Expr, rank_column: &Column, rank: usize) -> Result<Expr> {
    let rank = i64::try_from(rank).unwrap_or(i64::MAX);
    let replaced = expr.transform_up(|expr| {
        Ok(match &expr {
            Expr::Column(column) if column == rank_column => {
                Transformed::yes(Expr::Literal(ScalarValue::Int64(Some(rank)), None))
            }
            _ => Transformed::no(expr),
        })
    });
    Ok(replaced.map_err(from_planner)?.data)
}

/// The window's input columns, and the rank if it is wanted, as the expressions name them.
fn rank_schema(window: &Window, rank_column: &Column, output_rank: bool) -> Result<DFSchema> {
    let n_columns = window.input.schema().fields().len();
    let mut fields: Vec<_> = window
        .schema
        .iter()
        .take(n_columns)
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
        .collect();
    if output_rank {
        let field = Field::new(rank_column.name.clone(), DataType::Int64, false);
        fields.push((rank_column.relation.clone(), Arc::new(field)));
    }
    DFSchema::new_with_metadata(fields, std::collections::HashMap::new()).map_err(from_planner)
}
