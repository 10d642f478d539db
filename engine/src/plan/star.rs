//! `SELECT *` over several relations or beside other columns, spelled out.
//!
//! Columns that join by name come first and once, as in Calcite, and columns of one name get
//! different ones. The binder cannot be told so; the relations are bound once more by themselves
//! to know their columns.
//!
//! ```text
//!   SELECT * FROM a JOIN b USING (k)         SELECT a.k, a.x, b.x AS x0 FROM …
//!   SELECT k FROM a FULL JOIN b USING (k)    SELECT COALESCE(a.k, b.k) AS k FROM …
//! ```

use std::ops::ControlFlow;

use datafusion::common::JoinType;
use datafusion::logical_expr::logical_plan::JoinConstraint;
use datafusion::logical_expr::{Expr as PlanExpr, LogicalPlan};
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, JoinConstraint as SqlConstraint, JoinOperator, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, VisitMut, VisitorMut,
    WildcardAdditionalOptions, With,
};

use crate::plan::context::BindContext;
use crate::plan::normalize::name_columns;
use crate::sql::syntax::call;

/// Spells out the stars of `query`, its subqueries included. What cannot be bound stays as it is,
/// for the binder to tell.
pub fn spell_out(query: &mut Query, context: &BindContext<'_>, options: ParserOptions) {
    let mut stars = Stars {
        context,
        options,
        withs: Vec::new(),
    };
    let _: ControlFlow<()> = VisitMut::visit(query, &mut stars);
}

struct Stars<'a, 'b> {
    context: &'a BindContext<'b>,
    options: ParserOptions,
    /// The WITH clauses around, the outermost first.
    withs: Vec<Option<With>>,
}

/// A column of the relations in FROM.
#[derive(Clone)]
struct Column {
    qualifier: Option<String>,
    name: String,
    expr: Expr,
}

impl VisitorMut for Stars<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.withs.push(query.with.clone());
        let whole = query.clone();
        self.visit_body(&mut query.body, &whole);
        name_columns(&mut query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.withs.pop();
        ControlFlow::Continue(())
    }
}

impl Stars<'_, '_> {
    fn visit_body(&self, body: &mut SetExpr, query: &Query) {
        match body {
            SetExpr::Select(select) => self.visit_select(select, query),
            SetExpr::SetOperation { left, right, .. } => {
                self.visit_body(left, query);
                self.visit_body(right, query);
            }
            _ => {}
        }
    }

    fn visit_select(&self, select: &mut Select, query: &Query) {
        let n_relations: usize = select.from.iter().map(|from| 1 + from.joins.len()).sum();
        let has_star = select.projection.iter().any(|item| {
            matches!(
                item,
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
            )
        });
        let merges = has_merged_columns(select);
        // Beside a star, other columns may take a name that it has.
        let is_alone = n_relations < 2 && select.projection.len() < 2;
        if n_relations == 0 || is_alone || !(has_star || merges) {
            return;
        }
        let Some((columns, all)) = self.columns_of(select, query) else {
            return;
        };
        if merges {
            replace_merged(select, &columns);
        }
        if has_star {
            let items = std::mem::take(&mut select.projection);
            select.projection = items
                .into_iter()
                .flat_map(|item| spelled_out(item, &columns, &all))
                .collect();
        }
    }

    /// The columns of `*`, and all that the relations have.
    fn columns_of(&self, select: &Select, query: &Query) -> Option<(Vec<Column>, Vec<Column>)> {
        let mut with: Option<With> = None;
        for outer in self.withs.iter().flatten() {
            match &mut with {
                Some(with) => with.cte_tables.extend(outer.cte_tables.iter().cloned()),
                None => with = Some(outer.clone()),
            }
        }
        let mut probe = select.clone();
        probe.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        probe.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
        probe.selection = None;
        probe.having = None;
        probe.qualify = None;
        probe.distinct = None;
        let mut query = query.clone();
        query.with = with;
        query.body = Box::new(SetExpr::Select(Box::new(probe)));
        query.order_by = None;
        query.limit_clause = None;
        let plan = SqlToRel::new_with_options(self.context, self.options)
            .sql_statement_to_plan(Statement::Query(Box::new(query)))
            .ok()?;
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = projection.input.as_ref();
                Some((columns_of(input), own_columns(input)))
            }
            _ => None,
        }
    }
}

/// Whether a join by names may have the name's value on either side.
fn has_merged_columns(select: &Select) -> bool {
    select
        .from
        .iter()
        .flat_map(|from| &from.joins)
        .any(|join| match &join.join_operator {
            JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => {
                matches!(constraint, SqlConstraint::Using(_) | SqlConstraint::Natural)
            }
            _ => false,
        })
}

/// The columns in Calcite's order.
fn columns_of(plan: &LogicalPlan) -> Vec<Column> {
    let LogicalPlan::Join(join) = plan else {
        return own_columns(plan);
    };
    let (mut left, mut right) = (columns_of(&join.left), columns_of(&join.right));
    let mut columns = Vec::new();
    if join.join_constraint == JoinConstraint::Using {
        for (key, _) in &join.on {
            let PlanExpr::Column(key) = key else { continue };
            let take = |side: &mut Vec<Column>| {
                let place = side.iter().position(|column| column.name == key.name)?;
                Some(side.remove(place))
            };
            let (Some(own), Some(other)) = (take(&mut left), take(&mut right)) else {
                continue;
            };
            columns.push(match join.join_type {
                JoinType::Right | JoinType::Full => Column {
                    expr: call("coalesce", vec![own.expr, other.expr]),
                    ..own
                },
                _ => own,
            });
        }
    }
    columns.extend(left);
    columns.extend(right);
    columns
}

/// The columns as the plan has them.
fn own_columns(plan: &LogicalPlan) -> Vec<Column> {
    plan.schema()
        .iter()
        .map(|(qualifier, field)| {
            let qualifier = qualifier.map(|qualifier| qualifier.table().to_owned());
            Column {
                expr: reference(qualifier.as_deref(), field.name()),
                name: field.name().clone(),
                qualifier,
            }
        })
        .collect()
}

fn reference(qualifier: Option<&str>, name: &str) -> Expr {
    let quoted = |text: &str| Ident::with_quote('`', text);
    match qualifier {
        Some(qualifier) => Expr::CompoundIdentifier(vec![quoted(qualifier), quoted(name)]),
        None => Expr::Identifier(quoted(name)),
    }
}

fn spelled_out(item: SelectItem, columns: &[Column], all: &[Column]) -> Vec<SelectItem> {
    let wanted: Vec<&Column> = match &item {
        SelectItem::Wildcard(options) if *options == WildcardAdditionalOptions::default() => {
            columns.iter().collect()
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            let table = name.0.last().and_then(|part| part.as_ident());
            let Some(table) = table else {
                return vec![item];
            };
            // `x.*` has all columns of x, also those that were merged.
            all.iter()
                .filter(|column| column.qualifier.as_deref() == Some(&table.value))
                .collect()
        }
        _ => return vec![item],
    };
    if wanted.is_empty() {
        return vec![item];
    }
    wanted
        .into_iter()
        .map(|column| match &column.expr {
            expr @ Expr::Function(_) => SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: Ident::with_quote('`', &column.name),
            },
            expr => SelectItem::UnnamedExpr(expr.clone()),
        })
        .collect()
}

fn is_merged(column: &Column) -> bool {
    matches!(column.expr, Expr::Function(_))
}

/// A merged column, called by its name alone, has the value of either side.
fn replace_merged(select: &mut Select, columns: &[Column]) {
    let mut names = Merged { columns };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(Expr::Identifier(ident)) = item
            && let Some(column) = merged(columns, ident)
        {
            *item = SelectItem::ExprWithAlias {
                expr: column.expr.clone(),
                alias: Ident::with_quote('`', &column.name),
            };
        }
        let _: ControlFlow<()> = VisitMut::visit(item, &mut names);
    }
    let others = [&mut select.selection, &mut select.having];
    for expr in others.into_iter().flatten() {
        let _: ControlFlow<()> = VisitMut::visit(expr, &mut names);
    }
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        for key in keys {
            let _: ControlFlow<()> = VisitMut::visit(key, &mut names);
        }
    }
}

fn merged<'a>(columns: &'a [Column], ident: &Ident) -> Option<&'a Column> {
    columns
        .iter()
        .find(|column| is_merged(column) && column.name == ident.value)
}

struct Merged<'a> {
    columns: &'a [Column],
}

impl VisitorMut for Merged<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && let Some(column) = merged(self.columns, ident)
        {
            *expr = column.expr.clone();
        }
        ControlFlow::Continue(())
    }
}
