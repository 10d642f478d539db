//! The condition of a join by time, taken apart: pairs that are equal, and the rest.

use datafusion::logical_expr::Expr;

use crate::plan::text;

/// Pairs of a left and a right expression that are equal.
pub(super) type Equalities = Vec<(Expr, Expr)>;

/// The condition as a list of expressions, as DataFusion wants to see it.
pub(super) fn listed(on: &[(Expr, Expr)], filter: Option<&Expr>) -> Vec<Expr> {
    let pairs = on.iter().flat_map(|(left, right)| [left, right]);
    pairs.chain(filter).cloned().collect()
}

/// The condition of `n_pairs` equalities that [`listed`] was made of; none if parts are missing.
pub(super) fn unlisted(
    n_pairs: usize,
    mut exprs: impl Iterator<Item = Expr>,
) -> Option<(Equalities, Option<Expr>)> {
    let pairs = (0..n_pairs).map(|_| Some((exprs.next()?, exprs.next()?)));
    let on = pairs.collect::<Option<_>>()?;
    Some((on, exprs.next()))
}

/// The condition in EXPLAIN.
pub(super) fn written(on: &[(Expr, Expr)], filter: Option<&Expr>) -> String {
    let pairs = on
        .iter()
        .map(|(left, right)| format!("({} = {})", text::expression(left), text::expression(right)));
    let all: Vec<String> = pairs.chain(filter.map(text::expression)).collect();
    all.join(" AND ")
}

/// Columns of a join by the side that they come from, as indices into that side.
pub(super) fn by_side(columns: &[usize], n_left: usize) -> (Vec<usize>, Vec<usize>) {
    let (left, right): (Vec<usize>, Vec<usize>) = columns.iter().partition(|&&it| it < n_left);
    (left, right.into_iter().map(|it| it - n_left).collect())
}
