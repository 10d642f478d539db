//! The abstract syntax tree of EXPLAIN: bound plans with the names and the notation of Calcite's
//! logical nodes, where `$3` is the fourth column of the input.
//!
//! ```text
//!   LogicalAggregate(group=[{0}], c=[COUNT()])
//!   +- LogicalProject(dept=[$2])
//!      +- LogicalTableScan(table=[[default_catalog, default_database, emp]])
//! ```
//!
//! Nodes that are ours, or bound otherwise than there, have a name and no more.
//!
//! Source: what Flink 2.3 prints.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::logical_plan::{
    Aggregate, FetchType, Join, Limit, LogicalPlan, Projection, SkipType, Sort, TableScan,
};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Expr, JoinType};

use super::context::PhysicalTable;
use super::explain::{Root, split_hints};
use super::text;

/// The section of EXPLAIN, with its heading.
pub(super) fn syntax_tree(roots: &[Root<'_>]) -> String {
    let mut out = String::from("== Abstract Syntax Tree ==\n");
    for (root_idx, root) in roots.iter().enumerate() {
        if root_idx > 0 {
            out.push('\n');
        }
        let tree = text::as_tree(|| tree_of(root));
        write(&tree, "", "", &mut out);
    }
    out
}

/// A node as it is printed.
struct Tree {
    text: String,
    inputs: Vec<Tree>,
}

impl Tree {
    fn new(text: String, inputs: Vec<Self>) -> Self {
        Self { text, inputs }
    }
}

fn write(tree: &Tree, lead: &str, indent: &str, out: &mut String) {
    let _ = writeln!(out, "{lead}{}", tree.text);
    for (input_idx, input) in tree.inputs.iter().enumerate() {
        let is_last = input_idx + 1 == tree.inputs.len();
        let (lead, below) = match is_last {
            true => ("+- ", "   "),
            false => (":- ", ":  "),
        };
        write(
            input,
            &format!("{indent}{lead}"),
            &format!("{indent}{below}"),
            out,
        );
    }
}

fn tree_of(root: &Root<'_>) -> Tree {
    let query = tree(root.plan);
    let Some(table) = root.table else {
        return query;
    };
    let fields = names(root.plan.schema());
    Tree::new(
        format!("LogicalSink(table=[{table}], fields=[{fields}])"),
        vec![query],
    )
}

fn names(schema: &DFSchema) -> String {
    let names: Vec<_> = schema
        .fields()
        .iter()
        .map(|it| it.name().as_str())
        .collect();
    names.join(", ")
}

fn tree(plan: &LogicalPlan) -> Tree {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => tree(&alias.input),
        LogicalPlan::Projection(projection) => project(projection),
        LogicalPlan::Filter(filter) => {
            let condition = expression(&filter.predicate, filter.input.schema());
            Tree::new(
                format!("LogicalFilter(condition=[{condition}])"),
                vec![tree(&filter.input)],
            )
        }
        LogicalPlan::Aggregate(of) => aggregate(of, &[]),
        LogicalPlan::Distinct(_) => {
            let columns: Vec<_> = (0..plan.schema().fields().len())
                .map(|column| column.to_string())
                .collect();
            Tree::new(
                format!("LogicalAggregate(group=[{{{}}}])", columns.join(", ")),
                plan.inputs().into_iter().map(tree).collect(),
            )
        }
        LogicalPlan::Join(join) => joined(join),
        LogicalPlan::Union(union) => Tree::new(
            "LogicalUnion(all=[true])".to_owned(),
            union.inputs.iter().map(|input| tree(input)).collect(),
        ),
        LogicalPlan::Sort(sort) => sorted(sort, None),
        LogicalPlan::Limit(limit) => limited(limit),
        LogicalPlan::TableScan(scan) => scanned(scan),
        LogicalPlan::Values(values) => {
            let nothing = DFSchema::empty();
            let rows: Vec<_> = values
                .values
                .iter()
                .map(|row| {
                    let row: Vec<_> = row.iter().map(|it| expression(it, &nothing)).collect();
                    format!("{{ {} }}", row.join(", "))
                })
                .collect();
            Tree::new(
                format!("LogicalValues(tuples=[[{}]])", rows.join(", ")),
                vec![],
            )
        }
        LogicalPlan::EmptyRelation(_) => {
            Tree::new("LogicalValues(tuples=[[{ 0 }]])".to_owned(), vec![])
        }
        other => Tree::new(
            format!("Logical{}", other.display()),
            other.inputs().into_iter().map(tree).collect(),
        ),
    }
}

/// A projection that only names the columns of an aggregate is part of it.
fn project(projection: &Projection) -> Tree {
    let names: Vec<&str> = projection
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let input = projection.input.as_ref();
    let columns = input.schema().columns();
    let is_named = projection.expr.len() == columns.len()
        && projection
            .expr
            .iter()
            .zip(&columns)
            .all(|(expr, column)| unaliased(expr).try_as_col() == Some(column));
    if is_named {
        match input {
            LogicalPlan::Aggregate(of) => return aggregate(of, &names),
            LogicalPlan::Filter(filter) => {
                if let LogicalPlan::Aggregate(of) = filter.input.as_ref() {
                    let condition = expression(&filter.predicate, filter.input.schema());
                    return Tree::new(
                        format!("LogicalFilter(condition=[{condition}])"),
                        vec![aggregate(of, &names)],
                    );
                }
            }
            _ => {}
        }
    }
    let named: Vec<_> = projection
        .expr
        .iter()
        .zip(&names)
        .map(|(expr, name)| format!("{name}=[{}]", expression(expr, input.schema())))
        .collect();
    let below = match input {
        LogicalPlan::Aggregate(of) => {
            // A call has the name of the column that is it and nothing else.
            let name_of = |column: &Column| {
                let shown = projection.expr.iter().zip(&names);
                let mut shown =
                    shown.filter(|(expr, _)| unaliased(expr).try_as_col() == Some(column));
                shown.next().map_or("", |(_, name)| *name)
            };
            let names: Vec<&str> = columns.iter().map(name_of).collect();
            aggregate(of, &names)
        }
        input => tree(input),
    };
    Tree::new(format!("LogicalProject({})", named.join(", ")), vec![below])
}

/// Groups and arguments are columns of a projection below.
fn aggregate(aggregate: &Aggregate, names: &[&str]) -> Tree {
    let schema = aggregate.input.schema();
    let groups = grouping_set_to_exprlist(&aggregate.group_expr).unwrap_or_default();
    let mut columns: Vec<(String, String)> = Vec::new();
    let mut column = |expr: &Expr, is_filter: bool| {
        let expr = unaliased(expr);
        let value = expression(expr, schema);
        let value = match is_filter {
            true => format!("IS TRUE({value})"),
            false => value,
        };
        if let Some(known) = columns.iter().position(|(_, known)| *known == value) {
            return known;
        }
        let name = match expr.try_as_col() {
            Some(column) if !is_filter => column.name.clone(),
            _ => format!("$f{}", columns.len()),
        };
        columns.push((name, value));
        columns.len() - 1
    };
    for group in &groups {
        column(group, false);
    }
    let first = aggregate
        .schema
        .fields()
        .len()
        .saturating_sub(aggregate.aggr_expr.len());
    let mut parts = vec![format!(
        "group=[{{{}}}]",
        (0..groups.len())
            .map(|group| group.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    )];
    for (call_idx, call) in aggregate.aggr_expr.iter().enumerate() {
        let Expr::AggregateFunction(call) = unaliased(call) else {
            continue;
        };
        let arguments: Vec<_> = call
            .params
            .args
            .iter()
            .filter(|argument| !matches!(argument, Expr::Literal(..)))
            .map(|argument| format!("${}", column(argument, false)))
            .collect();
        let distinct = if call.params.distinct {
            "DISTINCT "
        } else {
            ""
        };
        let filter = call.params.filter.as_ref();
        let filter = filter.map(|filter| format!(" FILTER ${}", column(filter, true)));
        let name = names.get(first + call_idx).filter(|name| !name.is_empty());
        let name = name.map_or_else(|| format!("agg#{call_idx}"), |name| (*name).to_owned());
        parts.push(format!(
            "{name}=[{}({distinct}{}){}]",
            text::aggregate_name(call),
            arguments.join(", "),
            filter.unwrap_or_default()
        ));
    }
    if columns.is_empty() {
        columns.push(("$f0".to_owned(), "0".to_owned()));
    }
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, value)| format!("{name}=[{value}]"))
        .collect();
    let input = Tree::new(
        format!("LogicalProject({})", columns.join(", ")),
        vec![tree(&aggregate.input)],
    );
    Tree::new(
        format!("LogicalAggregate({})", parts.join(", ")),
        vec![input],
    )
}

fn joined(join: &Join) -> Tree {
    let equal = |(left, right): &(Expr, Expr)| left.clone().eq(right.clone());
    let condition = join
        .on
        .iter()
        .map(equal)
        .chain(join.filter.clone())
        .reduce(Expr::and);
    let pairs = join.left.schema().join(join.right.schema());
    let condition = match (condition, pairs) {
        (Some(condition), Ok(pairs)) => expression(&condition, &pairs),
        (Some(condition), Err(_)) => text::expression(&condition),
        (None, _) => "true".to_owned(),
    };
    let join_type = match join.join_type {
        JoinType::LeftSemi | JoinType::RightSemi => "semi".to_owned(),
        JoinType::LeftAnti | JoinType::RightAnti => "anti".to_owned(),
        other => other.to_string().to_lowercase(),
    };
    Tree::new(
        format!("LogicalJoin(condition=[{condition}], joinType=[{join_type}])"),
        vec![tree(&join.left), tree(&join.right)],
    )
}

fn sorted(sort: &Sort, limit: Option<&Limit>) -> Tree {
    let schema = sort.input.schema();
    let keys = sort.expr.iter().enumerate();
    let mut parts: Vec<_> = keys
        .clone()
        .map(|(key_idx, key)| format!("sort{key_idx}=[{}]", expression(&key.expr, schema)))
        .collect();
    parts.extend(keys.map(|(key_idx, key)| {
        let direction = match (key.asc, key.nulls_first) {
            (true, true) => "ASC-nulls-first",
            (true, false) => "ASC-nulls-last",
            (false, true) => "DESC-nulls-first",
            (false, false) => "DESC-nulls-last",
        };
        format!("dir{key_idx}=[{direction}]")
    }));
    parts.extend(limit.map(limits).unwrap_or_default());
    Tree::new(
        format!("LogicalSort({})", parts.join(", ")),
        vec![tree(&sort.input)],
    )
}

fn limited(limit: &Limit) -> Tree {
    match limit.input.as_ref() {
        LogicalPlan::Sort(sort) => sorted(sort, Some(limit)),
        // A projection keeps the rows and their order.
        LogicalPlan::Projection(projection)
            if matches!(projection.input.as_ref(), LogicalPlan::Sort(_)) =>
        {
            let mut projection = projection.clone();
            projection.input = Arc::new(LogicalPlan::Limit(Limit {
                input: projection.input,
                ..limit.clone()
            }));
            project(&projection)
        }
        input => Tree::new(
            format!("LogicalSort({})", limits(limit).join(", ")),
            vec![tree(input)],
        ),
    }
}

fn limits(limit: &Limit) -> Vec<String> {
    let mut parts = Vec::new();
    if let Ok(SkipType::Literal(offset)) = limit.get_skip_type()
        && offset > 0
    {
        parts.push(format!("offset=[{offset}]"));
    }
    if let Ok(FetchType::Literal(Some(fetch))) = limit.get_fetch_type() {
        parts.push(format!("fetch=[{fetch}]"));
    }
    parts
}

fn scanned(scan: &TableScan) -> Tree {
    let path = scan.table_name.to_vec().join(", ");
    let (path, options) = split_hints(&path);
    let hints = options.map_or_else(String::new, |options| {
        format!(", hints=[[[OPTIONS inheritPath:[] options:{{{options}}}]]]")
    });
    let scanned = Tree::new(format!("LogicalTableScan(table=[[{path}]]{hints})"), vec![]);
    let table = scan.source.downcast_ref::<PhysicalTable>();
    let Some(watermark) = table.and_then(|table| table.watermark.as_ref()) else {
        return scanned;
    };
    let schema = DFSchema::try_from(scan.source.schema());
    let value = match schema {
        Ok(schema) => expression(&watermark.watermark, &schema),
        Err(_) => text::expression(&watermark.watermark),
    };
    Tree::new(
        format!(
            "LogicalWatermarkAssigner(rowtime=[{}], watermark=[{value}])",
            watermark.column
        ),
        vec![scanned],
    )
}

/// An expression with the places of its columns.
fn expression(expr: &Expr, schema: &DFSchema) -> String {
    let placed = unaliased(expr).clone().transform(|node| {
        let place = node
            .try_as_col()
            .and_then(|column| schema.maybe_index_of_column(column));
        Ok(match place {
            Some(place) => {
                let column = Column::new_unqualified(format!("${place}"));
                Transformed::yes(Expr::Column(column))
            }
            None => Transformed::no(node),
        })
    });
    placed.map_or_else(
        |_| text::expression(expr),
        |placed| text::expression(&placed.data),
    )
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
