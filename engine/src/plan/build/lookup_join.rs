//! Lookup joins.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, ScalarValue};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, TableSource, UserDefinedLogicalNodeCore as _, cast,
};

use super::{Built, GraphBuilder, constant, physical};
use crate::error::{EngineError, Result};
use crate::operators::{LookupJoinSpec, LookupKey, LookupRetry, LookupStep};
use crate::plan::changes::role::Role;
use crate::plan::errors::from_planner;
use crate::plan::keys::Keys as UpsertKeys;
use crate::plan::temporal::LookupJoin;
use crate::plan::temporal::lookup::{physical_column, scan_of, table_of};
use crate::plan::text;
use crate::runtime::{Exchange, NodeKind};

/// The equalities by which a table is asked.
#[derive(Default)]
struct Keys {
    /// Columns of the source.
    columns: Vec<usize>,
    /// As EXPLAIN shows them: `k=a, age=10`.
    texts: Vec<String>,
    values: Vec<Value>,
    /// More about a column that is asked for already.
    others: Vec<Expr>,
}

enum Value {
    Constant(ScalarValue),
    Expression(Expr),
}

impl GraphBuilder {
    pub(super) fn lookup_join(&mut self, node: &LookupJoin) -> Result<Built> {
        let missing = || EngineError::internal("a lookup join without its table");
        let scan = scan_of(&node.right).ok_or_else(missing)?;
        let table = table_of(scan).ok_or_else(missing)?;
        let lookup = table.source.lookup().ok_or_else(missing)?;
        let full = TableSource::schema(table);
        let mut keys = self.lookup_keys(node)?;
        let exprs: Vec<Expr> = keys
            .values
            .iter()
            .filter_map(|value| match value {
                Value::Constant(_) => None,
                Value::Expression(expr) => Some(expr.clone()),
            })
            .collect();
        let left = self.side(&node.left, &exprs)?;
        let mut columns = left.key_columns.iter();
        let sources = std::mem::take(&mut keys.values)
            .into_iter()
            .map(|value| match value {
                Value::Constant(value) => Ok(LookupKey::Constant(value)),
                Value::Expression(_) => {
                    let column = columns.next().copied().ok_or_else(missing)?;
                    Ok(LookupKey::Column(column))
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let mut read = match &scan.projection {
            Some(projection) => projection.clone(),
            None => (0..full.fields().len()).collect(),
        };
        if read.is_empty() {
            // Rows need a column to be counted by.
            read.push(0);
        }
        let mut steps = Vec::new();
        let mut filters = Vec::new();
        self.lookup_steps(&node.right, &mut steps, &mut filters)?;
        let mut rest = keys.others;
        rest.extend(
            node.filter
                .clone()
                .into_iter()
                .flat_map(split_conjunction_owned),
        );
        let (of_both, of_table): (Vec<_>, Vec<_>) = rest.iter().partition(|part| {
            let mut columns = part.column_refs().into_iter();
            columns.any(|column| node.left.schema().maybe_index_of_column(column).is_some())
        });
        filters.extend(of_table.into_iter().map(text::expression));
        let conditions: Vec<_> = of_both.into_iter().map(text::expression).collect();
        let residual = conjunction(rest);
        let residual = self.residual(residual, &node.left, &node.right)?;
        let schema = Arc::clone(node.schema().inner());
        let name = [
            format!("table=[{}]", table.name.replace('`', "")),
            format!(
                "joinType=[{}]",
                if node.is_left_outer {
                    "LeftOuterJoin"
                } else {
                    "InnerJoin"
                }
            ),
            format!("lookup=[{}]", keys.texts.join(", ")),
            condition_text("where", &filters),
            condition_text("joinCondition", &conditions),
            format!("select=[{}]", unique_names(node).join(", ")),
            node.retry.map(retry_text).unwrap_or_default(),
        ];
        let name: Vec<_> = name.into_iter().filter(|part| !part.is_empty()).collect();
        let name = format!("LookupJoin({})", name.join(", "));
        let spec = LookupJoinSpec {
            table: lookup.open(&keys.columns, &read)?,
            keys: sources,
            steps,
            is_left_outer: node.is_left_outer,
            residual,
            left_output: (0..node.left.schema().fields().len()).collect(),
            retry: node.retry,
            schema: Arc::clone(&schema),
        };
        let mode = left.built.mode;
        // A row that meets one row at most is still known by its key.
        let is_asked_for = |name: &String| {
            let column = full.index_of(name);
            column.is_ok_and(|column| keys.columns.contains(&column))
        };
        let meets_one = !table.primary_key.is_empty() && table.primary_key.iter().all(is_asked_for);
        let known = match meets_one {
            true => self.keys_of(&left.built),
            false => UpsertKeys::none(),
        };
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(left.built, Exchange::Forward)],
            schema,
            mode,
        );
        Ok(self.note(built, Role::forward(), known))
    }

    fn lookup_keys(&self, node: &LookupJoin) -> Result<Keys> {
        let mut keys = Keys::default();
        for (value, column_expr) in &node.on {
            let column = physical_column(column_expr, &node.right)
                .ok_or_else(|| EngineError::internal("a lookup by no column of its table"))?;
            if keys.columns.contains(&column) {
                keys.others.push(value.clone().eq(column_expr.clone()));
                continue;
            }
            let wanted = column_expr.get_type(node.right.schema());
            let wanted = wanted.map_err(from_planner)?;
            let given = value.get_type(node.left.schema()).map_err(from_planner)?;
            let value_text = text::expression(value);
            let value = match given.equals_datatype(&wanted) {
                true => value.clone(),
                false => cast(value.clone(), wanted.clone()),
            };
            keys.texts
                .push(format!("{}={value_text}", text::expression(column_expr)));
            keys.columns.push(column);
            keys.values.push(if value.column_refs().is_empty() {
                Value::Constant(constant(&value, &self.config)?.cast_to(&wanted)?)
            } else {
                Value::Expression(value)
            });
        }
        Ok(keys)
    }

    /// The Calc over the rows of the table, from the scan upwards.
    fn lookup_steps(
        &self,
        plan: &LogicalPlan,
        steps: &mut Vec<LookupStep>,
        filters: &mut Vec<String>,
    ) -> Result<()> {
        let expression = |expr: &Expr, schema: &DFSchemaRef| physical(expr, schema, &self.config);
        match plan {
            LogicalPlan::TableScan(_) => Ok(()),
            LogicalPlan::SubqueryAlias(alias) => self.lookup_steps(&alias.input, steps, filters),
            LogicalPlan::Filter(filter) => {
                self.lookup_steps(&filter.input, steps, filters)?;
                filters.push(text::expression(&filter.predicate));
                let predicate = expression(&filter.predicate, filter.input.schema())?;
                steps.push(LookupStep::Filter(predicate));
                Ok(())
            }
            LogicalPlan::Projection(projection) => {
                self.lookup_steps(&projection.input, steps, filters)?;
                let exprs = projection
                    .expr
                    .iter()
                    .map(|expr| expression(expr, projection.input.schema()))
                    .collect::<Result<Vec<_>>>()?;
                let schema = Arc::clone(projection.schema.inner());
                steps.push(LookupStep::Project(exprs, schema));
                Ok(())
            }
            _ => Err(EngineError::internal("a lookup join of more than a table")),
        }
    }
}

/// A condition as EXPLAIN shows it; empty without one.
fn condition_text(key: &str, parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => format!("{key}=[{one}]"),
        many => format!("{key}=[({})]", many.join(" AND ")),
    }
}

fn retry_text(retry: LookupRetry) -> String {
    format!(
        "retry=[lookup_miss, FIXED_DELAY, {}ms, {}]",
        retry.delay.as_millis(),
        retry.max_attempts
    )
}

/// The columns; a name that is taken gets a number.
fn unique_names(node: &LookupJoin) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let fields = node.schema().fields().iter();
    fields
        .map(|field| {
            let mut suffixes = 0..;
            let mut unique = field.name().clone();
            while !taken.insert(unique.clone()) {
                unique = format!("{}{}", field.name(), suffixes.next().unwrap_or(0));
            }
            unique
        })
        .collect()
}
