//! UNION ALL, ORDER BY and LIMIT.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::SortExpr;
use datafusion::logical_expr::logical_plan::{
    FetchType, Limit, LogicalPlan, SkipType, Sort, Union,
};

use super::arguments::{Arguments, sort_key};
use super::rank::Rank;
use super::rank_bounds::End;
use super::{Built, GraphBuilder, all_columns};
use crate::data::ChangelogMode;
use crate::error::{EngineError, Result};
use crate::operators::{
    FinalRowsSpec, LimitSpec, OperatorFactory, SortLimitSpec, SortOutput, TemporalSortSpec,
};
use crate::plan::changes::role::{Makes, Role};
use crate::plan::errors::from_planner;
use crate::plan::keys::Keys;
use crate::plan::{changes, text};
use crate::runtime::{Exchange, NodeKind};

impl GraphBuilder {
    pub(super) fn union(&mut self, union: &Union) -> Result<Built> {
        let schema = Arc::clone(union.schema.inner());
        let mut inputs = Vec::with_capacity(union.inputs.len());
        let mut mode = ChangelogMode::INSERT_ONLY;
        for input in &union.inputs {
            let built = self.query(input)?;
            mode = mode.union(built.mode);
            inputs.push((self.relabeled(built, &schema), Exchange::Forward));
        }
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let name = format!("Union(all=[true], union=[{}])", names.join(", "));
        let role = Role::forward().making(Makes::Union);
        let built = self.add(name, NodeKind::Union, inputs, schema, mode);
        Ok(self.note(built, role, Keys::none()))
    }

    /// `input` with exactly the fields of `schema`, which has the same types.
    pub(super) fn relabeled(&mut self, input: Built, schema: &SchemaRef) -> Built {
        if input.schema == *schema {
            return input;
        }
        let projection = all_columns(&input.schema);
        let names: Vec<_> = input
            .schema
            .fields()
            .iter()
            .zip(schema.fields())
            .map(|(from, to)| {
                if from.name() == to.name() {
                    to.name().clone()
                } else {
                    format!("{} AS {}", from.name(), to.name())
                }
            })
            .collect();
        self.calc(
            &input,
            text::calc(&names, None),
            None,
            projection,
            Arc::clone(schema),
        )
    }

    pub(super) fn limit(&mut self, limit: &Limit) -> Result<Built> {
        let constant = || EngineError::unsupported("a LIMIT or OFFSET that is no constant");
        let SkipType::Literal(offset) = limit.get_skip_type().map_err(from_planner)? else {
            return Err(constant());
        };
        let FetchType::Literal(fetch) = limit.get_fetch_type().map_err(from_planner)? else {
            return Err(constant());
        };
        if let LogicalPlan::Sort(sort) = limit.input.as_ref() {
            let fetch = match (sort.fetch, fetch) {
                (Some(sorted), Some(limited)) => Some(
                    sorted
                        .min(limited.saturating_add(offset))
                        .saturating_sub(offset),
                ),
                (sorted, limited) => limited.or(sorted.map(|sorted| sorted.saturating_sub(offset))),
            };
            return self.sort(sort, offset, fetch);
        }
        if let LogicalPlan::Projection(projection) = limit.input.as_ref()
            && matches!(projection.input.as_ref(), LogicalPlan::Sort(_))
        {
            // A projection keeps the rows and their order: the limit is that of the sort.
            let mut projection = projection.clone();
            projection.input = Arc::new(LogicalPlan::Limit(Limit {
                input: Arc::clone(&projection.input),
                ..limit.clone()
            }));
            return self.query(&LogicalPlan::Projection(projection));
        }
        if fetch.is_none() && self.options.sort_output == SortOutput::Changes {
            return Err(fetch_is_missing());
        }
        let input = self.query(&limit.input)?;
        let schema = Arc::clone(&input.schema);
        let fetch_text = fetch.map_or("unlimited".to_owned(), |fetch| fetch.to_string());
        let name = format!("Limit(offset=[{offset}], fetch=[{fetch_text}])");
        if !input.mode.is_insert_only()
            && self.options.sort_output == SortOutput::Changes
            && let Some(fetch) = fetch
        {
            // Rows that go away make room for others: a Top-N without an order.
            return self.rank(&limit.input, &first_rows(&[], offset, fetch));
        }
        let operator: Arc<dyn OperatorFactory> = if input.mode.is_insert_only() {
            Arc::new(LimitSpec { offset, fetch })
        } else {
            // Rows that go away make room for others: a top-n without an order.
            Arc::new(SortLimitSpec {
                schema: Arc::clone(&schema),
                keys: vec![],
                offset,
                fetch,
                input_retracts: true,
                output: SortOutput::Changes,
            })
        };
        let mode = if input.mode.is_insert_only() {
            ChangelogMode::INSERT_ONLY
        } else {
            ChangelogMode::ALL
        };
        let keys = self.keys_of(&input);
        // Of rows that may go away again, no number is enough.
        let enough = fetch.is_some() && input.mode.is_insert_only();
        let mut built = self.add(
            name,
            NodeKind::Operator(operator),
            vec![(input, Exchange::Single)],
            schema,
            mode,
        );
        built.ends |= enough;
        Ok(self.note(built, Role::of(Makes::FirstRows), keys))
    }

    /// LIMIT of rows that stay.
    fn first_rows(&mut self, input: Built, offset: usize, fetch: Option<usize>) -> Built {
        let schema = Arc::clone(&input.schema);
        let fetch_text = fetch.map_or("unlimited".to_owned(), |fetch| fetch.to_string());
        self.add(
            format!("Limit(offset=[{offset}], fetch=[{fetch_text}])"),
            NodeKind::Operator(Arc::new(LimitSpec { offset, fetch })),
            vec![(input, Exchange::Single)],
            schema,
            ChangelogMode::INSERT_ONLY,
        )
    }

    /// The rows that are left of `input` at its end.
    pub fn final_rows(&mut self, input: Built) -> Built {
        if input.mode.is_insert_only() {
            return input;
        }
        let schema = Arc::clone(&input.schema);
        let spec = FinalRowsSpec {
            schema: Arc::clone(&schema),
        };
        self.add(
            "FinalRows".to_owned(),
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, Exchange::Single)],
            schema,
            ChangelogMode::INSERT_ONLY,
        )
    }

    pub(super) fn sort(
        &mut self,
        sort: &Sort,
        offset: usize,
        fetch: Option<usize>,
    ) -> Result<Built> {
        if self.options.is_batch && (fetch.is_some() || offset > 0) {
            // All rows in their order, and of these the first.
            let sorted = self.sort(sort, 0, None)?;
            return Ok(self.first_rows(sorted, offset, fetch));
        }
        let input_plan = sort.input.as_ref();
        if let Some(fetch) = fetch
            && self.options.sort_output == SortOutput::Changes
        {
            return self.rank(input_plan, &first_rows(&sort.expr, offset, fetch));
        }
        if fetch.is_none()
            && offset == 0
            && let Some(built) = self.temporal_sort(sort)?
        {
            return Ok(built);
        }
        let input = self.query(input_plan)?;
        if fetch.is_none() {
            self.check_sort(&input, offset)?;
        }
        let n_columns = input.schema.fields().len();
        let mut arguments = Arguments::new(&input, input_plan.schema(), &self.config);
        let all: Vec<usize> = (0..n_columns)
            .map(|column| arguments.existing(column))
            .collect();
        let keys = sort
            .expr
            .iter()
            .map(|key| sort_key(key, &mut arguments))
            .collect::<Result<Vec<_>>>()?;
        let order: Vec<_> = sort.expr.iter().map(text::order).collect();
        let input = arguments.calc(self, &input, &all);
        let name = match fetch {
            Some(fetch) => format!(
                "SortLimit(orderBy=[{}], offset=[{offset}], fetch=[{fetch}])",
                order.join(", ")
            ),
            None => format!("Sort(orderBy=[{}])", order.join(", ")),
        };
        let mode = if fetch.is_none() {
            ChangelogMode::INSERT_ONLY
        } else {
            ChangelogMode {
                update_before: false,
                update_after: false,
                delete: true,
            }
        };
        let schema = Arc::clone(&input.schema);
        let spec = SortLimitSpec {
            schema: Arc::clone(&schema),
            keys,
            offset,
            fetch,
            input_retracts: !input.mode.is_insert_only(),
            output: self.options.sort_output,
        };
        let sorted = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, Exchange::Single)],
            Arc::clone(&schema),
            mode,
        );
        if schema.fields().len() == n_columns {
            return Ok(sorted);
        }
        self.pick(&sorted, &all)
    }
}

impl GraphBuilder {
    /// ORDER BY a time attribute of insertions; none if it is something else.
    fn temporal_sort(&mut self, sort: &Sort) -> Result<Option<Built>> {
        let Some((first, rest)) = sort.expr.split_first() else {
            return Ok(None);
        };
        let input_plan = sort.input.as_ref();
        let Some(time) = self
            .time_attribute(input_plan, &first.expr)
            .filter(|_| first.asc)
        else {
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
        let sort_keys = rest
            .iter()
            .map(|key| sort_key(key, &mut arguments))
            .collect::<Result<Vec<_>>>()?;
        let order: Vec<_> = sort.expr.iter().map(text::order).collect();
        let schema = Arc::clone(&input.schema);
        let input = arguments.calc(self, &input, &all);
        let spec = TemporalSortSpec {
            input_schema: Arc::clone(&input.schema),
            time_column: time.rowtime(),
            sort_keys,
            schema: Arc::clone(&schema),
        };
        Ok(Some(self.add(
            format!("TemporalSort(orderBy=[{}])", order.join(", ")),
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, Exchange::Single)],
            schema,
            ChangelogMode::INSERT_ONLY,
        )))
    }

    /// A changelog has no order but that of time. The rows of a view can be put in order once its
    /// input has ended.
    fn check_sort(&self, input: &Built, offset: usize) -> Result<()> {
        if offset > 0 && self.options.sort_output == SortOutput::Changes {
            return Err(fetch_is_missing());
        }
        if self.options.sort_output == SortOutput::Changes || !input.bounded {
            return Err(changes::table_error(
                "Sort on a non-time-attribute field is not supported.",
                Some("add LIMIT to keep the first rows up to date"),
            ));
        }
        Ok(())
    }
}

/// OFFSET without LIMIT.
fn fetch_is_missing() -> EngineError {
    changes::table_error(
        "FETCH is missed, which on streaming table is not supported currently.",
        Some("add LIMIT"),
    )
}

/// ORDER BY … LIMIT as a Top-N of one partition.
fn first_rows(order_by: &[SortExpr], offset: usize, fetch: usize) -> Rank<'_> {
    Rank {
        partition_by: &[],
        order_by,
        start: offset.saturating_add(1),
        end: End::Constant(offset.saturating_add(fetch)),
        output_rank: false,
        limit: Some((offset, fetch)),
    }
}
