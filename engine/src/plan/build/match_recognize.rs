//! The node of MATCH_RECOGNIZE.

use std::sync::Arc;

use datafusion::logical_expr::Expr;

use super::arguments::{Arguments, call, sort_key};
use super::{Built, GraphBuilder, physical};
use crate::data::ChangelogMode;
use crate::error::Result;
use crate::operators::MatchSpec;
use crate::operators::match_recognize::{Element, Formula, Reference, Skip, Variable};
use crate::plan::changes::table_error;
use crate::plan::match_recognize::{MatchNode, PlanFormula, PlanReference};
use crate::plan::text;
use crate::runtime::{Exchange, NodeKind};

impl GraphBuilder {
    pub(super) fn match_recognize(&mut self, node: &MatchNode) -> Result<Built> {
        let input = self.query(&node.input)?;
        if let Some(time) = &node.rowtime
            && self.time_attribute(&node.input, time).is_none()
        {
            return Err(table_error(
                "You must specify either rowtime or proctime for order by as the first one.",
                Some("behind a regular join or a grouping a column is no rowtime any more"),
            ));
        }
        if !input.mode.is_insert_only() {
            return Err(table_error(
                "Match Recognize doesn't support consuming update and delete changes.",
                Some("match the rows of a table that only grows"),
            ));
        }
        let mut arguments = Arguments::new(&input, node.input.schema(), &self.config);
        let mut columns = |exprs: &mut dyn Iterator<Item = &Expr>| {
            exprs
                .map(|expr| arguments.column(expr))
                .collect::<Result<Vec<_>>>()
        };
        let partition_columns = columns(&mut node.partition.iter())?;
        let time_column = columns(&mut node.rowtime.iter())?.first().copied();
        let sort_keys = node
            .order
            .iter()
            .map(|key| sort_key(key, &mut arguments))
            .collect::<Result<_>>()?;
        let variables = node
            .variables
            .iter()
            .map(|(name, condition)| {
                let condition = condition.as_ref();
                Ok(Variable {
                    name: name.clone(),
                    condition: condition
                        .map(|condition| self.formula(condition, &mut arguments))
                        .transpose()?,
                })
            })
            .collect::<Result<_>>()?;
        let measures = node
            .measures
            .iter()
            .map(|(_, formula)| self.formula(formula, &mut arguments))
            .collect::<Result<_>>()?;
        let name = name_of(node);
        let input = arguments.calc(self, &input, &partition_columns);
        let exchange = if partition_columns.is_empty() {
            Exchange::Single
        } else {
            Exchange::Hash(partition_columns.clone())
        };
        let schema = Arc::clone(node.schema.inner());
        let spec = MatchSpec {
            input_schema: Arc::clone(&input.schema),
            partition_columns,
            time_column,
            sort_keys,
            elements: node.elements.clone(),
            variables,
            measures,
            skip: node.skip,
            within_ms: node.within_ms,
            schema: Arc::clone(&schema),
        };
        Ok(self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, exchange)],
            schema,
            ChangelogMode::INSERT_ONLY,
        ))
    }

    fn formula(&self, formula: &PlanFormula, arguments: &mut Arguments) -> Result<Formula> {
        let references = formula
            .references
            .iter()
            .map(|reference| {
                Ok(match reference {
                    PlanReference::Row {
                        variable,
                        from_last,
                        offset,
                        expr,
                    } => Reference::Row {
                        variable: *variable,
                        from_last: *from_last,
                        offset: *offset,
                        column: arguments.column(expr)?,
                    },
                    PlanReference::Aggregate {
                        variable,
                        expr,
                        field,
                    } => Reference::Aggregate {
                        variable: *variable,
                        call: call(expr, Arc::clone(field), arguments)?,
                    },
                })
            })
            .collect::<Result<_>>()?;
        // A condition sees rows before all of the match is there: any value may be missing.
        let fields: Vec<_> = formula
            .schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        Ok(Formula {
            references,
            schema: Arc::new(arrow::datatypes::Schema::new(fields)),
            expr: physical(&formula.expr, &formula.schema, &self.config)?,
        })
    }
}

fn name_of(node: &MatchNode) -> String {
    let mut parts = Vec::new();
    if !node.partition.is_empty() {
        let keys: Vec<_> = node.partition.iter().map(text::expression).collect();
        parts.push(format!("partitionBy=[{}]", keys.join(", ")));
    }
    let time = node.rowtime.as_ref().map(text::expression);
    let mut order = vec![format!(
        "{} ASC",
        time.unwrap_or_else(|| "PROCTIME".to_owned())
    )];
    order.extend(node.order.iter().map(text::order));
    parts.push(format!("orderBy=[{}]", order.join(", ")));
    let measures: Vec<_> = node
        .measures
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    parts.push(format!("measures=[{}]", measures.join(", ")));
    parts.push("rowsPerMatch=[ONE ROW PER MATCH]".to_owned());
    let variable = |variable: usize| {
        let variable = node.variables.get(variable);
        variable.map(|(name, _)| name.as_str()).unwrap_or_default()
    };
    let skip = match node.skip {
        Skip::PastLastRow => "SKIP PAST LAST ROW".to_owned(),
        Skip::ToNextRow => "SKIP TO NEXT ROW".to_owned(),
        Skip::ToFirst(it) => format!("SKIP TO FIRST {}", variable(it)),
        Skip::ToLast(it) => format!("SKIP TO LAST {}", variable(it)),
    };
    parts.push(format!("after=[{skip}]"));
    let pattern: Vec<_> = node
        .elements
        .iter()
        .map(|element| format!("{}{}", variable(element.variable), quantifier(element)))
        .collect();
    parts.push(format!("pattern=[({})]", pattern.join(" ")));
    if let Some(within_ms) = node.within_ms {
        parts.push(format!("within=[{within_ms} ms]"));
    }
    format!("Match({})", parts.join(", "))
}

fn quantifier(element: &Element) -> String {
    let text = match (element.min, element.max) {
        (1, Some(1)) => return String::new(),
        (0, None) => "*".to_owned(),
        (1, None) => "+".to_owned(),
        (0, Some(1)) => return "?".to_owned(),
        (min, Some(max)) if min == max => return format!("{{{min}}}"),
        (min, Some(max)) => format!("{{{min},{max}}}"),
        (min, None) => format!("{{{min},}}"),
    };
    if element.is_greedy {
        text
    } else {
        format!("{text}?")
    }
}
