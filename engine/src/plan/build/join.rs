//! Joins: keys to exchange by, and the condition that remains.
//!
//! ```text
//!   left  ─▶ [Calc of keys] ──Hash(key)──┐
//!                                        ├▶ Join ─▶
//!   right ─▶ [Calc of keys] ──Hash(key)──┘
//! ```
//!
//! Equal keys are of one type on both sides, so that equal values have equal hashes. Without keys
//! all rows meet on one worker.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::logical_plan::builder::build_join_schema;
use datafusion::logical_expr::logical_plan::{Join, LogicalPlan};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast};

use super::arguments::Arguments;
use super::join_keys::JoinKeys;
use super::{Built, GraphBuilder, physical};
use crate::data::ChangelogMode;
use crate::data::types::FlinkType;
use crate::error::Result;
use crate::operators::{Emission, JoinInput, JoinKind, JoinSpec, Residual, ResidualColumn};
use crate::plan::changes;
use crate::plan::changes::role::{Makes, Role};
use crate::plan::errors::from_planner;
use crate::plan::{state_ttl, text};
use crate::runtime::{Exchange, NodeKind};
use crate::sql::diagnostics::validation;

/// A join as the operator sees it: semi, anti and mark joins keep left rows.
#[derive(Clone)]
pub(super) struct Condition {
    pub(super) kind: JoinKind,
    pub(super) keys: Vec<(Expr, Expr)>,
    pub(super) residual: Option<Expr>,
}

/// An input with its key.
pub(super) struct Side {
    pub(super) built: Built,
    pub(super) key_columns: Vec<usize>,
    pub(super) n_columns: usize,
}

impl GraphBuilder {
    pub(super) fn join(&mut self, join: &Join) -> Result<Built> {
        let is_swapped = matches!(
            join.join_type,
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
        );
        let (left, right) = if is_swapped {
            (&join.right, &join.left)
        } else {
            (&join.left, &join.right)
        };
        let mut condition = condition(join, is_swapped)?;
        let windows = self.joined_windows(join, is_swapped)?;
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = condition.keys.iter().cloned().unzip();
        let (left_plan, right_plan) = (left, right);
        let left = self.side(left_plan, &left_keys)?;
        let right = self.side(right_plan, &right_keys)?;
        let keys = self.join_keys(condition.kind, &left, &right);
        let times = self.hinted_times(condition.kind, [left_plan, right_plan]);
        let name = name(&condition, left_plan, right_plan, &keys)?;
        let stays = left.built.mode.is_insert_only() && right.built.mode.is_insert_only();
        let bounds = match windows {
            None if stays => self.time_bounds(join, &mut condition),
            None => {
                self.refuse_changes_by_time(join, &condition)?;
                None
            }
            Some(_) => None,
        };
        let residual = self.residual(condition.residual, left_plan, right_plan)?;
        let is_left_only = matches!(
            condition.kind,
            JoinKind::Semi | JoinKind::Anti | JoinKind::Mark
        );
        let schema = Arc::clone(join.schema.inner());
        let mut mode = changes::of_join(condition.kind, left.built.mode, right.built.mode);
        if self.options.emission == Emission::NetPerStep && !mode.is_insert_only() {
            mode = ChangelogMode::ALL;
        }
        let spec = JoinSpec {
            kind: condition.kind,
            left: left.input(false),
            right: right.input(is_left_only),
            unique: match windows.is_some() || bounds.is_some() || self.options.is_batch {
                true => [None, None],
                false => keys.unique_keys(),
            },
            nulls_equal: join.null_equality == NullEquality::NullEqualsNull,
            residual,
            emission: self.options.emission,
            retention: [
                state_ttl::retention(times[0])?,
                state_ttl::retention(times[1])?,
            ],
            schema: Arc::clone(&schema),
        };
        if let Some(windows) = windows {
            let sides = [left, right].map(|side| (side.built, side.key_columns));
            let built = self.window_join(windows, spec, sides, &name)?;
            let role = Role::of(Makes::Only(built.mode));
            return Ok(self.note(built, role, keys.keys));
        }
        if let Some(bounds) = bounds {
            let sides = [left, right].map(|side| (side.built, side.key_columns));
            let built = self.interval_join(bounds, spec, sides, &name);
            let role = Role::of(Makes::Only(built.mode));
            return Ok(self.note(built, role, keys.keys));
        }
        let inputs = [left, right].map(|side| {
            let exchange = if side.key_columns.is_empty() {
                Exchange::Single
            } else {
                Exchange::Hash(side.key_columns)
            };
            (side.built, exchange)
        });
        let role = keys.role(condition.kind);
        let built = self.add(
            with_times(&name, times),
            NodeKind::Operator(Arc::new(spec)),
            inputs.into(),
            schema,
            mode,
        );
        Ok(self.note(built, role, keys.keys))
    }

    /// What STATE_TTL says of both inputs. Joins that came from sub-queries have no hints.
    fn hinted_times<'a>(
        &self,
        kind: JoinKind,
        inputs: [&'a LogicalPlan; 2],
    ) -> [Option<&'a str>; 2] {
        match kind {
            JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => [None, None],
            _ => inputs.map(|input| self.hinted(state_ttl::of_join_input(input))),
        }
    }

    /// An input whose rows have their key as columns.
    pub(super) fn side(&mut self, plan: &LogicalPlan, keys: &[Expr]) -> Result<Side> {
        let input = self.query(plan)?;
        let mut arguments = Arguments::new(&input, plan.schema(), &self.config);
        let all: Vec<usize> = (0..input.schema.fields().len())
            .map(|column| arguments.existing(column))
            .collect();
        let key_columns = keys
            .iter()
            .map(|key| arguments.column(key))
            .collect::<Result<Vec<_>>>()?;
        Ok(Side {
            n_columns: plan.schema().fields().len(),
            built: arguments.calc(self, &input, &all),
            key_columns,
        })
    }

    pub(super) fn residual(
        &self,
        condition: Option<Expr>,
        left: &LogicalPlan,
        right: &LogicalPlan,
    ) -> Result<Option<Residual>> {
        let Some(condition) = condition else {
            return Ok(None);
        };
        let pairs = pair_schema(left, right)?;
        let n_left = left.schema().fields().len();
        let mut read = BTreeSet::new();
        for column in condition.column_refs() {
            read.insert(pairs.index_of_column(column).map_err(from_planner)?);
        }
        let columns = read
            .iter()
            .map(|&place| match place.checked_sub(n_left) {
                Some(column) => ResidualColumn { port: 1, column },
                None => ResidualColumn {
                    port: 0,
                    column: place,
                },
            })
            .collect();
        let fields: Vec<_> = read
            .iter()
            .map(|&place| {
                let (qualifier, field) = pairs.qualified_field(place);
                (qualifier.cloned(), Arc::clone(field))
            })
            .collect();
        let schema: SchemaRef = Arc::new(Schema::new(
            fields
                .iter()
                .map(|(_, field)| Arc::clone(field))
                .collect::<Vec<_>>(),
        ));
        let narrow =
            DFSchema::new_with_metadata(fields, Default::default()).map_err(from_planner)?;
        Ok(Some(Residual {
            condition: physical(&condition, &narrow, &self.config)?,
            columns,
            schema,
        }))
    }
}

impl Side {
    pub(super) fn input(&self, is_hidden: bool) -> JoinInput {
        JoinInput {
            schema: Arc::clone(&self.built.schema),
            key_columns: self.key_columns.clone(),
            output: if is_hidden {
                Vec::new()
            } else {
                (0..self.n_columns).collect()
            },
            retracts: !self.built.mode.is_insert_only(),
        }
    }
}

/// The columns of both sides.
fn pair_schema(left: &LogicalPlan, right: &LogicalPlan) -> Result<DFSchema> {
    build_join_schema(left.schema(), right.schema(), &JoinType::Inner).map_err(from_planner)
}

pub(super) fn condition(join: &Join, is_swapped: bool) -> Result<Condition> {
    let kind = match join.join_type {
        JoinType::Inner => JoinKind::Inner,
        JoinType::Left => JoinKind::Left,
        JoinType::Right => JoinKind::Right,
        JoinType::Full => JoinKind::Full,
        JoinType::LeftSemi | JoinType::RightSemi => JoinKind::Semi,
        JoinType::LeftAnti | JoinType::RightAnti => JoinKind::Anti,
        JoinType::LeftMark | JoinType::RightMark => JoinKind::Mark,
    };
    let mut keys = Vec::with_capacity(join.on.len());
    for (left, right) in &join.on {
        let (left, right) = same_type(join, left, right)?;
        keys.push(if is_swapped {
            (right, left)
        } else {
            (left, right)
        });
    }
    let mut rest: Vec<Expr> = join
        .filter
        .iter()
        .flat_map(|filter| split_conjunction_owned(filter.clone()))
        .collect();
    if join.null_aware {
        // NOT IN: a row stays if its value is surely different from all others. The comparison
        // comes first, before those that a correlation has added.
        let compared = if keys.is_empty() {
            rest.remove(0)
        } else {
            let (left, right) = keys.remove(0);
            equal(left, right)
        };
        rest.insert(0, Expr::IsNotFalse(Box::new(compared)));
    }
    Ok(Condition {
        kind,
        keys,
        residual: conjunction(rest),
    })
}

fn equal(left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        Operator::Eq,
        Box::new(right),
    ))
}

/// Both sides of an equality in the type in which they are compared.
fn same_type(join: &Join, left: &Expr, right: &Expr) -> Result<(Expr, Expr)> {
    let left_type = left.get_type(join.left.schema()).map_err(from_planner)?;
    let right_type = right.get_type(join.right.schema()).map_err(from_planner)?;
    if left_type.equals_datatype(&right_type) {
        return Ok((left.clone(), right.clone()));
    }
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8);
    let common = comparison_coercion(&left_type, &right_type)
        .filter(|_| is_text(&left_type) == is_text(&right_type))
        .ok_or_else(|| {
            let text = |data_type: DataType| {
                FlinkType::from_field(&Field::new("", data_type, true)).to_string()
            };
            validation(format!(
                "implicit type conversion between {} and {} is not supported on join's condition \
                 now",
                text(left_type.clone()),
                text(right_type.clone())
            ))
        })?;
    let to_common = |expr: &Expr, own: &DataType| {
        if own.equals_datatype(&common) {
            expr.clone()
        } else {
            cast(expr.clone(), common.clone())
        }
    };
    Ok((to_common(left, &left_type), to_common(right, &right_type)))
}

/// A join's name with what STATE_TTL says of its inputs.
fn with_times(name: &str, times: [Option<&str>; 2]) -> String {
    let options: Vec<String> = ["LEFT", "RIGHT"]
        .into_iter()
        .zip(times)
        .filter_map(|(side, time)| Some(format!("{side}={}", time?)))
        .collect();
    let ttl = match options.is_empty() {
        true => String::new(),
        false => text::state_ttl(&format!("{{{}}}", options.join(", "))),
    };
    let name = name.strip_suffix(')').unwrap_or(name);
    format!("{name}{ttl})")
}

/// The node as EXPLAIN shows it.
fn name(
    condition: &Condition,
    left: &LogicalPlan,
    right: &LogicalPlan,
    known: &JoinKeys,
) -> Result<String> {
    let join_type = match condition.kind {
        JoinKind::Inner => "InnerJoin",
        JoinKind::Left => "LeftOuterJoin",
        JoinKind::Right => "RightOuterJoin",
        JoinKind::Full => "FullOuterJoin",
        JoinKind::Semi => "LeftSemiJoin",
        JoinKind::Anti => "LeftAntiJoin",
        JoinKind::Mark => "LeftMarkJoin",
    };
    let left_names: Vec<String> = names(left).collect();
    let mut taken: BTreeSet<String> = left_names.iter().cloned().collect();
    let mut right_names = Vec::new();
    for name in names(right) {
        let mut unique = name.clone();
        let mut suffix = 0;
        while !taken.insert(unique.clone()) {
            unique = format!("{name}{suffix}");
            suffix += 1;
        }
        right_names.push(unique);
    }
    let renamed = |expr: Expr| -> Result<Expr> {
        let renamed = expr.transform(|node| {
            let Expr::Column(column) = &node else {
                return Ok(Transformed::no(node));
            };
            let place = right.schema().maybe_index_of_column(column);
            let is_left = left.schema().maybe_index_of_column(column).is_some();
            Ok(match place.and_then(|place| right_names.get(place)) {
                Some(name) if !is_left => {
                    Transformed::yes(Expr::Column(Column::new_unqualified(name)))
                }
                _ => Transformed::no(node),
            })
        });
        Ok(renamed.map_err(from_planner)?.data)
    };
    let keys = condition.keys.iter().cloned();
    let parts = keys
        .map(|(left, right)| equal(left, right))
        .chain(condition.residual.clone());
    let conditions = conjunction(parts.map(renamed).collect::<Result<Vec<_>>>()?);
    let conditions = conditions.map_or_else(|| "true".to_owned(), |it| text::expression(&it));
    let mut select = left_names;
    match condition.kind {
        JoinKind::Semi | JoinKind::Anti => {}
        JoinKind::Mark => select.push("mark".to_owned()),
        _ => select.extend(right_names),
    }
    Ok(format!(
        "Join(joinType=[{join_type}], where=[{conditions}], select=[{}], \
         leftInputSpec=[{}], rightInputSpec=[{}])",
        select.join(", "),
        known.input_spec(0),
        known.input_spec(1)
    ))
}

fn names(plan: &LogicalPlan) -> impl Iterator<Item = String> + '_ {
    plan.schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
}
