//! Which columns of a projection are columns of its input, as far as keys go: the column itself,
//! or a cast of it that gives different values for different ones.
//!
//! Source: Flink 2.3, `LogicalTypeCasts.supportsInjectiveCast`, as it answers for all pairs of types.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use crate::data::types::{FlinkType, TypeRoot};

/// The column of the input that `expr` keeps, if it keeps one.
#[must_use]
pub fn kept_column(expr: &Arc<dyn PhysicalExpr>, input: &Schema) -> Option<usize> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return Some(column.index());
    }
    let inner = if let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>() {
        let inner = function.args().first()?;
        match function.fun().name() {
            // A window of a group is known by its start, and by each of its properties.
            "__not_null" | "__group_window" | "__group_start" | "__group_end"
            | "__group_rowtime" | "__group_proctime" => return kept_column(inner, input),
            "__cast" => inner,
            _ => return None,
        }
    } else {
        expr.downcast_ref::<CastExpr>()?.expr()
    };
    let column = kept_column(inner, input)?;
    let from = inner.return_field(input).ok()?;
    let to = expr.return_field(input).ok()?;
    is_injective(&root(&from), &root(&to)).then_some(column)
}

fn root(field: &Field) -> TypeRoot {
    FlinkType::from_field(field).root
}

/// Whether a cast gives different values for different ones.
fn is_injective(from: &TypeRoot, to: &TypeRoot) -> bool {
    use TypeRoot as T;
    let rank = |root: &T| match root {
        T::TinyInt => Some(0),
        T::SmallInt => Some(1),
        T::Int => Some(2),
        T::BigInt => Some(3),
        _ => None,
    };
    if from == to {
        return true;
    }
    match (from, to) {
        (T::Char(from) | T::Varchar(from), T::Varchar(to)) | (T::Char(from), T::Char(to)) => {
            from <= to
        }
        (T::Char(_) | T::Varchar(_), T::Varbinary(to)) => *to == crate::data::types::MAX_LENGTH,
        (T::Binary(from) | T::Varbinary(from), T::Varbinary(to)) => from <= to,
        (T::Timestamp(from), T::TimestampLtz(to)) | (T::TimestampLtz(from), T::Timestamp(to)) => {
            from == to
        }
        (from, T::Char(to) | T::Varchar(to)) => {
            text_length(from).is_some_and(|length| length <= *to)
        }
        (from, to) => match (rank(from), rank(to)) {
            (Some(from), Some(to)) => from <= to,
            _ => false,
        },
    }
}

/// How long a value of this type is as text, at most; none for types whose texts are not one a
/// value.
fn text_length(root: &TypeRoot) -> Option<u32> {
    let fraction = |digits: u8| match digits {
        0 => 0,
        digits => u32::from(digits) + 1,
    };
    Some(match root {
        TypeRoot::Boolean => 5,
        TypeRoot::TinyInt => 4,
        TypeRoot::SmallInt => 6,
        TypeRoot::Int => 11,
        TypeRoot::BigInt => 20,
        TypeRoot::Float => 15,
        TypeRoot::Double => 24,
        TypeRoot::Date => 10,
        TypeRoot::Time(digits) => 8 + fraction(*digits),
        TypeRoot::Timestamp(digits) | TypeRoot::TimestampLtz(digits) => 19 + fraction(*digits),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Source: `supportsInjectiveCast` of Flink 2.3.0, asked for these pairs.
    #[test]
    fn casts_that_keep_keys_are_those_of_flink() {
        use TypeRoot as T;
        let text = T::Varchar(crate::data::types::MAX_LENGTH);
        let yes = [
            (T::Int, T::BigInt),
            (T::Int, T::Varchar(11)),
            (T::Boolean, text.clone()),
            (T::Char(3), T::Varchar(3)),
            (T::Timestamp(3), T::TimestampLtz(3)),
            (T::Time(0), T::Varchar(11)),
            (T::Double, T::Char(30)),
        ];
        let no = [
            (T::BigInt, T::Int),
            (T::Int, T::Double),
            (T::Int, T::Varchar(3)),
            (T::BigInt, T::Varchar(11)),
            (T::Varchar(30), T::Varchar(3)),
            (T::Varchar(3), T::Char(30)),
            (T::Timestamp(3), T::Timestamp(9)),
            (T::Time(3), T::Varchar(11)),
            (text, T::Int),
            (
                T::Decimal {
                    precision: 5,
                    scale: 0,
                },
                T::Varchar(30),
            ),
        ];
        for (from, to) in &yes {
            assert!(is_injective(from, to), "{from:?} to {to:?}");
        }
        for (from, to) in &no {
            assert!(!is_injective(from, to), "{from:?} to {to:?}");
        }
    }
}
