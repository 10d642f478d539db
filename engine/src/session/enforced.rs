//! What the columns of a table demand of the values that are written into them: their types, NOT
//! NULL and lengths, as `table.exec.sink.*-enforcer` say.
//!
//! ```text
//!   value ─▶ CAST to the column's type ─▶ NOT NULL ─▶ lengths ─▶ NOT NULL within ─▶ sink
//!            (not for VARCHAR(n) into VARCHAR(m), n ≤ m)
//! ```
//!
//! A CAST cuts texts to their length anyway, so lengths show where a source gives longer texts than
//! its own types say.
//!
//! Source: `DynamicSinkUtils`, `LogicalTypeCasts.supportsAvoidingCast`, `ConstraintEnforcer` of
//! Flink 2.3.

use datafusion::logical_expr::{Expr, lit};

use super::Session;
use crate::data::types::{FlinkType, RowField, TypeRoot};
use crate::error::Result;
use crate::functions::cast::{self, OnFailure};
use crate::functions::checks;
use crate::functions::enforce::{self, Lengths, Nesting};
use crate::sql::diagnostics::validation;

/// The expressions of a table's columns.
pub(super) struct Enforced {
    /// Whether rows with NULL where there must be none are left out.
    drops: bool,
    lengths: Option<Lengths>,
    depth: Nesting,
    /// What the rows that are not left out meet.
    kept: Option<Expr>,
}

impl Enforced {
    /// As the session's options say.
    ///
    /// # Errors
    /// Where they contradict each other.
    pub(super) fn of(session: &Session) -> Result<Self> {
        let option = |name: &str| {
            let value = session.config(&format!("table.exec.sink.{name}"));
            value.unwrap_or_default().to_ascii_uppercase()
        };
        let lengths = match option("type-length-enforcer").as_str() {
            "TRIM_PAD" => Some(Lengths::TrimPad),
            "ERROR" => Some(Lengths::Error),
            _ => None,
        };
        let depth = match option("nested-constraint-enforcer").as_str() {
            "ROWS" => Nesting::Rows,
            "ROWS_AND_COLLECTIONS" => Nesting::RowsAndCollections,
            _ => Nesting::Columns,
        };
        if depth == Nesting::RowsAndCollections && lengths == Some(Lengths::TrimPad) {
            return Err(validation(
                "Trimming and/or padding is not supported if constraint checking is enabled on \
                 types nested in collections."
                    .to_owned(),
            ));
        }
        Ok(Self {
            drops: option("not-null-enforcer") == "DROP",
            lengths,
            depth,
            kept: None,
        })
    }

    /// What is written into the column `name` of type `to`, of a value of type `from`.
    pub(super) fn column(
        &mut self,
        name: &str,
        value: Expr,
        from: &FlinkType,
        to: &FlinkType,
    ) -> Expr {
        // NULLs within that nobody looks at are written, as in Flink.
        let target = FlinkType {
            root: with_nulls_of(&to.root, &from.root),
            nullable: to.nullable,
        };
        let mut expr = match is_within(&from.root, &target.root) {
            true => value,
            false => {
                let target = lit(target.as_serializable_string());
                cast::function(OnFailure::Fail).call(vec![value, target])
            }
        };
        if !to.nullable && from.nullable {
            if self.drops {
                self.keep(expr.clone().is_not_null());
            }
            expr = checks::not_null().call(vec![expr, lit(name)]);
        }
        let lengths = self.lengths;
        let lengths = lengths.and_then(|how| enforce::lengths(name, to, how, self.depth));
        if let Some(lengths) = lengths {
            expr = lengths.call(vec![expr]);
        }
        if from.root != to.root
            && let Some(is_complete) = enforce::is_complete(name, to, self.depth)
            && let Some(no_nulls) = enforce::no_nulls_within(name, to, self.depth)
        {
            if self.drops {
                self.keep(is_complete.call(vec![expr.clone()]));
            }
            expr = no_nulls.call(vec![expr]);
        }
        expr
    }

    /// The condition of the rows that are written; none if all are.
    pub(super) fn filter(self) -> Option<Expr> {
        self.kept
    }

    fn keep(&mut self, condition: Expr) {
        self.kept = Some(match self.kept.take() {
            Some(kept) => kept.and(condition),
            None => condition,
        });
    }
}

/// Whether values go from one type to the other as they are.
fn is_within(from: &TypeRoot, to: &TypeRoot) -> bool {
    use TypeRoot as T;
    match (from, to) {
        (T::Char(from) | T::Varchar(from), T::Varchar(to))
        | (T::Binary(from) | T::Varbinary(from), T::Varbinary(to)) => from <= to,
        (from, to) => from == to,
    }
}

/// The type `to` that takes NULL wherever a value of type `from` may have it.
fn with_nulls_of(to: &TypeRoot, from: &TypeRoot) -> TypeRoot {
    use TypeRoot as T;
    let inner = |to: &FlinkType, from: &FlinkType| FlinkType {
        root: with_nulls_of(&to.root, &from.root),
        nullable: to.nullable || from.nullable,
    };
    let fields = |to: &[RowField], from: &[RowField]| -> Vec<RowField> {
        let pairs = to.iter().zip(from);
        let relaxed = pairs.map(|(to, from)| RowField {
            flink_type: inner(&to.flink_type, &from.flink_type),
            ..to.clone()
        });
        relaxed.collect()
    };
    match (to, from) {
        (T::Array(to), T::Array(from)) => T::Array(Box::new(inner(to, from))),
        (T::Map(to_key, to_value), T::Map(key, value)) => T::Map(
            Box::new(inner(to_key, key)),
            Box::new(inner(to_value, value)),
        ),
        (T::Row(to), T::Row(from)) if to.len() == from.len() => T::Row(fields(to, from)),
        (to, _) => to.clone(),
    }
}
