//! Constructs over sets of rows that the binder does not know, as ones that it does.
//!
//! ```text
//!   a INTERSECT [ALL] b       SELECT * FROM __intersect_all((a), (b))
//!   VALUES (ROW(1, 'a'))      VALUES (1, 'a')
//!   (x, y) IN (q)             EXISTS (SELECT 1 FROM (q) AS __in(c0, c1) WHERE x = c0 AND y = c1)
//! ```

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    Query, SetExpr, SetOperator, SetQuantifier, Statement, TableAlias, TableAliasColumnDef,
    TableFactor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::error::{EngineError, Result};

/// The relations that stand for INTERSECT and EXCEPT.
pub(crate) const INTERSECT: &str = "__intersect";
pub(crate) const INTERSECT_ALL: &str = "__intersect_all";
pub(crate) const EXCEPT: &str = "__except";
pub(crate) const EXCEPT_ALL: &str = "__except_all";

/// `VALUES (ROW(1, 'a'))` is `VALUES (1, 'a')`: a row in parentheses is that row.
pub(super) fn spread_rows(body: &mut SetExpr) {
    let SetExpr::Values(values) = body else {
        return;
    };
    for row in &mut values.rows {
        let [Expr::Function(function)] = row.content.as_slice() else {
            continue;
        };
        if !function.name.to_string().eq_ignore_ascii_case("row") {
            continue;
        }
        let FunctionArguments::List(list) = &function.args else {
            continue;
        };
        let items: Option<Vec<Expr>> = list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(item)) => Some(item.clone()),
                _ => None,
            })
            .collect();
        if let Some(items) = items {
            row.content = items;
        }
    }
}

/// Rewrites INTERSECT and EXCEPT.
pub(super) fn set_operations(body: &mut SetExpr) -> Result<()> {
    let SetExpr::SetOperation {
        op,
        set_quantifier,
        left,
        right,
    } = body
    else {
        return Ok(());
    };
    set_operations(left)?;
    set_operations(right)?;
    let name = match (*op, *set_quantifier) {
        (SetOperator::Intersect, SetQuantifier::All) => INTERSECT_ALL,
        (SetOperator::Intersect, _) => INTERSECT,
        (SetOperator::Except, SetQuantifier::All) => EXCEPT_ALL,
        (SetOperator::Except | SetOperator::Minus, _) => EXCEPT,
        _ => return Ok(()),
    };
    let query = |side: &SetExpr| -> Result<FunctionArg> {
        let mut query = template("SELECT 1")?;
        query.body = Box::new(side.clone());
        let subquery = Expr::Subquery(Box::new(query));
        Ok(FunctionArg::Unnamed(FunctionArgExpr::Expr(subquery)))
    };
    let relation = TableFactor::Function {
        lateral: false,
        name: ObjectName::from(vec![Ident::new(name)]),
        args: vec![query(left)?, query(right)?],
        with_ordinality: false,
        alias: None,
    };
    let mut whole = template("SELECT * FROM t")?;
    if let SetExpr::Select(select) = whole.body.as_mut() {
        for from in &mut select.from {
            from.relation = relation.clone();
        }
    }
    *body = *whole.body;
    Ok(())
}

/// `(x, y) [NOT] IN (q)` as EXISTS. Other expressions stay.
pub(super) fn row_membership(expr: &mut Expr) -> Result<()> {
    let Expr::InSubquery {
        expr: value,
        subquery,
        negated,
    } = expr
    else {
        return Ok(());
    };
    let Expr::Tuple(values) = value.as_ref() else {
        return Ok(());
    };
    let names: Vec<String> = (0..values.len()).map(|idx| format!("__in_{idx}")).collect();
    let condition = values
        .iter()
        .zip(&names)
        .map(|(value, name)| {
            let equal = Expr::BinaryOp {
                left: Box::new(value.clone()),
                op: BinaryOperator::Eq,
                right: Box::new(Expr::Identifier(Ident::new(name))),
            };
            if *negated {
                // A row is out if it may be equal to one of the subquery.
                Expr::IsNotFalse(Box::new(Expr::Nested(Box::new(equal))))
            } else {
                equal
            }
        })
        .reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::And,
            right: Box::new(right),
        });
    let alias = TableAlias {
        explicit: true,
        name: Ident::new("__in"),
        columns: names
            .iter()
            .map(|name| TableAliasColumnDef::from_name(name.as_str()))
            .collect(),
        at: None,
    };
    let mut query = template("SELECT TRUE FROM t")?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.selection = condition;
        for from in &mut select.from {
            from.relation = TableFactor::Derived {
                lateral: false,
                subquery: subquery.clone(),
                alias: Some(alias.clone()),
                sample: None,
            };
        }
    }
    *expr = Expr::Exists {
        subquery: Box::new(query),
        negated: *negated,
    };
    Ok(())
}

/// A query to put parts into: its syntax tree has many fields that stay empty.
fn template(sql: &str) -> Result<Query> {
    let statement = Parser::new(&GenericDialect {})
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statement());
    match statement {
        Ok(Statement::Query(query)) => Ok(*query),
        _ => Err(EngineError::internal(
            "a template of a query does not parse",
        )),
    }
}
