//! `SELECT r.*`, `SELECT t.r.*`: the fields of a ROW as columns.
//!
//! The binder knows stars of tables only. A star whose name is none of the FROM clause's tables is
//! looked up among the columns that `SELECT *` over the same FROM clause has, and written out:
//! `r.*` becomes `r.a AS a, r.b AS b`. A single field `r.a` is called `a`, too.

use std::ops::ControlFlow;

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement,
    TableFactor, VisitMut, VisitorMut, WildcardAdditionalOptions, With,
};

use crate::data::types::{FlinkType, RowField, TypeRoot};
use crate::plan::context::BindContext;

/// Writes out the stars of rows, in all parts of `query`. A star that is neither a table's nor a
/// row's stays: the binder says what is wrong with it.
pub(super) fn expand_row_stars(
    query: &mut Query,
    context: &BindContext<'_>,
    options: ParserOptions,
) {
    let mut expander = Expander {
        context,
        options,
        withs: Vec::new(),
    };
    // It never breaks.
    let _: ControlFlow<()> = VisitMut::visit(query, &mut expander);
}

struct Expander<'a, 'b> {
    context: &'a BindContext<'b>,
    options: ParserOptions,
    /// The WITH clauses around, the outermost first.
    withs: Vec<Option<With>>,
}

impl VisitorMut for Expander<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.withs.push(query.with.clone());
        self.expand_body(&mut query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.withs.pop();
        ControlFlow::Continue(())
    }
}

impl Expander<'_, '_> {
    fn expand_body(&self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => self.expand_select(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.expand_body(left);
                self.expand_body(right);
            }
            _ => {}
        }
    }

    fn expand_select(&self, select: &mut Select) {
        let tables = table_names(select);
        for item in &mut select.projection {
            name_field(item, &tables);
        }
        let stars: Vec<(usize, Vec<Ident>)> = select
            .projection
            .iter()
            .enumerate()
            .filter_map(|(item_idx, item)| Some((item_idx, star_of(item)?)))
            .filter(|(_, name)| !matches!(name.as_slice(), [one] if tables.contains(&one.value)))
            .collect();
        if stars.is_empty() {
            return;
        }
        let Some(input) = self.input_of(select) else {
            return;
        };
        for (item_idx, name) in stars.into_iter().rev() {
            if let Some(fields) = fields_of(&input, &name) {
                let columns = fields.into_iter().map(|field| column(&name, &field.name));
                select.projection.splice(item_idx..=item_idx, columns);
            }
        }
    }

    /// What the FROM clause of a SELECT gives.
    fn input_of(&self, select: &Select) -> Option<LogicalPlan> {
        let star = SelectItem::Wildcard(WildcardAdditionalOptions::default());
        let mut all = select.clone();
        all.projection = vec![star];
        all.selection = None;
        all.having = None;
        all.qualify = None;
        all.distinct = None;
        all.group_by =
            datafusion::sql::sqlparser::ast::GroupByExpr::Expressions(Vec::new(), Vec::new());
        let mut query = Query {
            with: None,
            body: Box::new(SetExpr::Select(Box::new(all))),
            order_by: None,
            limit_clause: None,
            fetch: None,
            locks: Vec::new(),
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators: Vec::new(),
        };
        for with in self.withs.iter().flatten() {
            let known = query.with.get_or_insert_with(|| With {
                cte_tables: Vec::new(),
                ..with.clone()
            });
            known.cte_tables.extend(with.cte_tables.clone());
        }
        SqlToRel::new_with_options(self.context, self.options)
            .sql_statement_to_plan(Statement::Query(Box::new(query)))
            .ok()
    }
}

/// Gives `r.f` the name `f`, which the binder gives to columns of tables only.
fn name_field(item: &mut SelectItem, tables: &[String]) {
    let SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) = item else {
        return;
    };
    let is_column = matches!(parts.as_slice(), [table, _] if tables.contains(&table.value));
    if let Some(last) = parts.last().filter(|_| !is_column) {
        let alias = Ident::with_quote('`', last.value.clone());
        let expr = Expr::CompoundIdentifier(std::mem::take(parts));
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

/// The name before a star.
fn star_of(item: &SelectItem) -> Option<Vec<Ident>> {
    let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
    else {
        return None;
    };
    name.0.iter().map(|part| part.as_ident().cloned()).collect()
}

/// The names under which a FROM clause's tables are known.
fn table_names(select: &Select) -> Vec<String> {
    let factors = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
    });
    factors
        .filter_map(|factor| match factor {
            TableFactor::Table { name, alias, .. } => match alias {
                Some(alias) => Some(alias.name.value.clone()),
                None => name.0.last()?.as_ident().map(|it| it.value.clone()),
            },
            TableFactor::Derived { alias, .. } => alias.as_ref().map(|it| it.name.value.clone()),
            _ => None,
        })
        .collect()
}

/// The fields of the row that `name` is: `[table.]column[.field …]`.
fn fields_of(input: &LogicalPlan, name: &[Ident]) -> Option<Vec<RowField>> {
    let schema = input.schema();
    let (field, inner) = schema.iter().find_map(|(qualifier, field)| {
        let table = qualifier.map(|qualifier| qualifier.table().to_owned());
        match name {
            [column, inner @ ..] if column.value == *field.name() => Some((field, inner)),
            [first, column, inner @ ..]
                if table.as_ref() == Some(&first.value) && column.value == *field.name() =>
            {
                Some((field, inner))
            }
            _ => None,
        }
    })?;
    let mut fields = row_fields(FlinkType::from_field(field))?;
    for part in inner {
        let found = fields.into_iter().find(|field| field.name == part.value)?;
        fields = row_fields(found.flink_type)?;
    }
    Some(fields)
}

fn row_fields(flink_type: FlinkType) -> Option<Vec<RowField>> {
    match flink_type.root {
        TypeRoot::Row(fields) | TypeRoot::Structured { fields, .. } => Some(fields),
        _ => None,
    }
}

fn column(row: &[Ident], field: &str) -> SelectItem {
    let mut parts = row.to_vec();
    let name = Ident::with_quote('`', field);
    parts.push(name.clone());
    SelectItem::ExprWithAlias {
        expr: Expr::CompoundIdentifier(parts),
        alias: name,
    }
}
