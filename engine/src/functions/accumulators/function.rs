//! The aggregate functions by name, and the types of their results.
//!
//! | function | result |
//! | --- | --- |
//! | COUNT and its like | BIGINT NOT NULL |
//! | SUM, AVG | the argument's type; decimals get 38 digits, AVG at least 6 behind the point |
//! | MIN, MAX, FIRST_VALUE, LAST_VALUE, SINGLE_VALUE, LISTAGG | the argument's type |
//! | COLLECT, ARRAY_AGG | MULTISET and ARRAY of the argument's type |
//! | JSON_ARRAYAGG, JSON_OBJECTAGG | VARCHAR(2000) NOT NULL |
//! | BITMAP_…_AGG, BITMAP_…_CARDINALITY_AGG | BITMAP, BIGINT |
//! | PERCENTILE | DOUBLE, or ARRAY&lt;DOUBLE&gt; for an array of percentages |
//!
//! A result is NOT NULL if the argument is and every group has a row that counts, that is, under
//! GROUP BY and without FILTER; LISTAGG and ARRAY_AGG wherever the argument is.
//!
//! Source: Flink 2.3, `SqlBasicAggFunction`s and `FlinkTypeSystem`, asked for every type.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};

use super::bitmap::SetOperation;
use super::counted_rows;
use crate::data::types::{FlinkType, TYPE_KEY, TypeRoot};
use crate::error::{EngineError, Result};
use crate::sql::diagnostics::SqlDiagnostic;

/// The aggregate functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// Rows (without an argument), or rows whose argument is not NULL.
    Count,
    /// Number of distinct values; batch mode only. Exact here, which is as near as can be.
    ApproxCountDistinct,
    /// Sum in the argument's own type; integers wrap, decimals that overflow are NULL.
    Sum,
    /// As SUM, 0 without values.
    SumZero,
    /// Mean; integers truncate, decimals round half up.
    Avg,
    /// Least value; ignores NULL and NaN.
    Min,
    /// Greatest value; ignores NULL and NaN.
    Max,
    /// Sum of squared distances from the mean: what STDDEV and VAR are made of.
    WelfordM2,
    /// The value that came first; ignores NULL.
    FirstValue,
    /// The value that came last; ignores NULL.
    LastValue,
    /// Texts in the order in which they came, with a separator between; ignores NULL.
    ListAgg,
    /// Values in the order in which they came.
    ArrayAgg {
        /// Whether NULLs are left out.
        ignore_nulls: bool,
    },
    /// How often there is each value; ignores NULL.
    Collect,
    /// A JSON array of JSON texts.
    JsonArrayAgg {
        /// Whether NULLs are members; left out otherwise.
        keep_nulls: bool,
    },
    /// A JSON object of keys and JSON texts.
    JsonObjectAgg {
        /// Whether NULLs are members; left out otherwise.
        keep_nulls: bool,
    },
    /// Exact percentiles, between two values interpolated; ignores NULL.
    Percentile,
    /// The value of the only row, which may be NULL; several rows are an error.
    SingleValue,
    /// A set of integers; ignores NULL.
    Bitmap {
        /// How the rows make the set.
        operation: SetOperation,
        /// Whether the number of its members is the result.
        counts: bool,
    },
}

/// What [`AggregateFunction::find`] looks through.
const NAMES: &[(&str, AggregateFunction)] = &[
    ("count", AggregateFunction::Count),
    (
        "approx_count_distinct",
        AggregateFunction::ApproxCountDistinct,
    ),
    ("sum", AggregateFunction::Sum),
    ("$sum0", AggregateFunction::SumZero),
    ("avg", AggregateFunction::Avg),
    ("min", AggregateFunction::Min),
    ("max", AggregateFunction::Max),
    ("__welford_m2", AggregateFunction::WelfordM2),
    ("first_value", AggregateFunction::FirstValue),
    ("last_value", AggregateFunction::LastValue),
    ("listagg", AggregateFunction::ListAgg),
    (
        "array_agg",
        AggregateFunction::ArrayAgg {
            ignore_nulls: false,
        },
    ),
    ("collect", AggregateFunction::Collect),
    (
        "json_arrayagg",
        AggregateFunction::JsonArrayAgg { keep_nulls: false },
    ),
    (
        "__json_arrayagg_null_on_null",
        AggregateFunction::JsonArrayAgg { keep_nulls: true },
    ),
    (
        "json_objectagg",
        AggregateFunction::JsonObjectAgg { keep_nulls: true },
    ),
    (
        "__json_objectagg_absent_on_null",
        AggregateFunction::JsonObjectAgg { keep_nulls: false },
    ),
    ("percentile", AggregateFunction::Percentile),
    ("single_value", AggregateFunction::SingleValue),
    (
        "bitmap_build_agg",
        AggregateFunction::Bitmap {
            operation: SetOperation::Build,
            counts: false,
        },
    ),
    (
        "bitmap_build_cardinality_agg",
        AggregateFunction::Bitmap {
            operation: SetOperation::Build,
            counts: true,
        },
    ),
    (
        "bitmap_or_agg",
        AggregateFunction::Bitmap {
            operation: SetOperation::Or,
            counts: false,
        },
    ),
    (
        "bitmap_or_cardinality_agg",
        AggregateFunction::Bitmap {
            operation: SetOperation::Or,
            counts: true,
        },
    ),
    (
        "bitmap_and_agg",
        AggregateFunction::Bitmap {
            operation: SetOperation::And,
            counts: false,
        },
    ),
    (
        "bitmap_and_cardinality_agg",
        AggregateFunction::Bitmap {
            operation: SetOperation::And,
            counts: true,
        },
    ),
    (
        "bitmap_xor_agg",
        AggregateFunction::Bitmap {
            operation: SetOperation::Xor,
            counts: false,
        },
    ),
    (
        "bitmap_xor_cardinality_agg",
        AggregateFunction::Bitmap {
            operation: SetOperation::Xor,
            counts: true,
        },
    ),
];

impl AggregateFunction {
    /// The function of this lower-case name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, function)| *function)
    }

    /// The names under which users call the functions, in lower case.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !name.starts_with(['_', '$']))
    }

    /// The function's name in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::ApproxCountDistinct => "APPROX_COUNT_DISTINCT",
            Self::Sum => "SUM",
            Self::SumZero => "$SUM0",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::WelfordM2 => "$WELFORD_M2",
            Self::FirstValue => "FIRST_VALUE",
            Self::LastValue => "LAST_VALUE",
            Self::ListAgg => "LISTAGG",
            Self::ArrayAgg { .. } => "ARRAY_AGG",
            Self::Collect => "COLLECT",
            Self::JsonArrayAgg { .. } => "JSON_ARRAYAGG",
            Self::JsonObjectAgg { .. } => "JSON_OBJECTAGG",
            Self::Percentile => "PERCENTILE",
            Self::SingleValue => "SINGLE_VALUE",
            Self::Bitmap {
                operation: SetOperation::Build,
                counts: false,
            } => "BITMAP_BUILD_AGG",
            Self::Bitmap {
                operation: SetOperation::Build,
                counts: true,
            } => "BITMAP_BUILD_CARDINALITY_AGG",
            Self::Bitmap {
                operation: SetOperation::Or,
                counts: false,
            } => "BITMAP_OR_AGG",
            Self::Bitmap {
                operation: SetOperation::Or,
                counts: true,
            } => "BITMAP_OR_CARDINALITY_AGG",
            Self::Bitmap {
                operation: SetOperation::And,
                counts: false,
            } => "BITMAP_AND_AGG",
            Self::Bitmap {
                operation: SetOperation::And,
                counts: true,
            } => "BITMAP_AND_CARDINALITY_AGG",
            Self::Bitmap {
                operation: SetOperation::Xor,
                counts: false,
            } => "BITMAP_XOR_AGG",
            Self::Bitmap {
                operation: SetOperation::Xor,
                counts: true,
            } => "BITMAP_XOR_CARDINALITY_AGG",
        }
    }

    /// The name in plans, which is told apart by variant.
    #[must_use]
    pub fn plan_name(self) -> &'static str {
        if self == (Self::ArrayAgg { ignore_nulls: true }) {
            return "array_agg";
        }
        NAMES
            .iter()
            .find(|(_, function)| *function == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether the function takes IGNORE NULLS and RESPECT NULLS.
    #[must_use]
    pub const fn takes_null_treatment(self) -> bool {
        matches!(self, Self::ArrayAgg { .. })
    }

    /// The same function under IGNORE NULLS.
    #[must_use]
    pub const fn ignoring_nulls(self) -> Self {
        match self {
            Self::ArrayAgg { .. } => Self::ArrayAgg { ignore_nulls: true },
            other => other,
        }
    }

    /// The types that the function takes, as Calcite names them.
    const fn takes(self) -> &'static str {
        match self {
            Self::ListAgg => "<CHARACTER>",
            Self::Sum | Self::SumZero | Self::Avg | Self::WelfordM2 => "<NUMERIC>",
            Self::Percentile => "<NUMERIC>, <NUMERIC>",
            Self::JsonObjectAgg { .. } => "<CHARACTER>, <ANY>",
            Self::Bitmap {
                operation: SetOperation::Build,
                ..
            } => "<INTEGER>",
            Self::Bitmap { .. } => "<BITMAP>",
            _ => "<ANY>",
        }
    }

    /// Whether the function is the same with DISTINCT and without.
    pub(super) const fn ignores_distinct(self) -> bool {
        matches!(self, Self::Min | Self::Max)
    }

    /// Whether only distinct values count, said or not.
    pub(super) const fn is_distinct(self) -> bool {
        matches!(self, Self::ApproxCountDistinct)
    }

    /// Whether argument `argument_idx` is a constant, which is not read row by row: the separator
    /// of LISTAGG, the percentages of PERCENTILE.
    #[must_use]
    pub const fn is_constant(self, argument_idx: usize) -> bool {
        matches!(self, Self::ListAgg | Self::Percentile) && argument_idx == 1
    }

    /// How many arguments the function takes, at least and at most.
    #[must_use]
    pub const fn arity(self) -> (usize, usize) {
        match self {
            Self::Count => (0, usize::MAX),
            Self::ListAgg => (1, 2),
            Self::Percentile => (2, 3),
            Self::JsonObjectAgg { .. } => (2, 2),
            _ => (1, 1),
        }
    }

    /// The rows that count; none if all do.
    pub(super) fn counted(
        self,
        arguments: &[ArrayRef],
        filter: Option<&ArrayRef>,
    ) -> Result<Option<BooleanBuffer>> {
        let counts_nulls = match self {
            Self::ArrayAgg { ignore_nulls } => !ignore_nulls,
            Self::JsonArrayAgg { keep_nulls } => keep_nulls,
            Self::JsonObjectAgg { .. } | Self::SingleValue => true,
            _ => false,
        };
        let argument = arguments.first().filter(|_| !counts_nulls);
        counted_rows(argument, filter)
    }

    /// The type of the result for an argument of type `argument` (none for `COUNT(*)`).
    ///
    /// # Errors
    /// As [`Self::result_field`].
    pub fn result_type(self, argument: Option<&DataType>) -> Result<DataType> {
        let arguments: Vec<FieldRef> = argument
            .map(|argument| Field::new("", argument.clone(), true).into())
            .into_iter()
            .collect();
        Ok(self.result_field(&arguments, false)?.data_type().clone())
    }

    /// The type of the result for arguments of these types. `always_counts` says that there is
    /// always a row that counts: under GROUP BY, without FILTER.
    ///
    /// # Errors
    /// A validation error in Flink's words if the function does not take these types.
    pub fn result_field(self, arguments: &[FieldRef], always_counts: bool) -> Result<Field> {
        let name = self.plan_name();
        let not_taken = || not_applicable(self.name(), self.takes(), arguments);
        let counts = || Field::new(name, DataType::Int64, false);
        let argument = match (self, arguments.first()) {
            (Self::Count | Self::ApproxCountDistinct, _) => return Ok(counts()),
            (_, Some(argument)) => argument,
            (_, None) => return Err(not_taken()),
        };
        let nullable = !always_counts || argument.is_nullable();
        let same = || {
            argument
                .as_ref()
                .clone()
                .with_name(name)
                .with_nullable(nullable)
                .with_metadata(type_metadata(argument))
        };
        match (self, argument.data_type()) {
            (Self::Sum | Self::SumZero, DataType::Decimal128(_, scale)) => {
                let nullable = nullable && self != Self::SumZero;
                Ok(Field::new(name, DataType::Decimal128(38, *scale), nullable))
            }
            (Self::Avg, DataType::Decimal128(_, scale)) => {
                let mean = DataType::Decimal128(38, (*scale).max(6));
                Ok(Field::new(name, mean, nullable))
            }
            (Self::Sum | Self::SumZero | Self::Avg, number) if number.is_numeric() => {
                let nullable = nullable && self != Self::SumZero;
                Ok(Field::new(name, number.clone(), nullable))
            }
            (Self::WelfordM2, number) if number.is_numeric() => {
                Ok(Field::new(name, DataType::Float64, true))
            }
            (Self::Sum | Self::SumZero | Self::Avg | Self::WelfordM2, _) => Err(not_taken()),
            (Self::ListAgg, DataType::Utf8) => Ok(same().with_nullable(argument.is_nullable())),
            (Self::ListAgg, _) => Err(not_taken()),
            (Self::Percentile, number) if number.is_numeric() => {
                Ok(match arguments.get(1).map(|field| field.data_type()) {
                    Some(DataType::List(_)) => {
                        let item = Field::new_list_field(DataType::Float64, true);
                        Field::new(name, DataType::List(item.into()), true)
                    }
                    _ => Field::new(name, DataType::Float64, true),
                })
            }
            (Self::Percentile, _) => Err(not_taken()),
            (Self::Min | Self::Max, nested) if nested.is_nested() => Err(not_taken()),
            (Self::Min | Self::Max | Self::FirstValue | Self::LastValue | Self::SingleValue, _) => {
                Ok(same())
            }
            (Self::ArrayAgg { .. }, _) => {
                let item = FlinkType::from_field(argument);
                let array = FlinkType {
                    // Flink's inference takes every row for one that may be NULL.
                    nullable: argument.is_nullable() || matches!(item.root, TypeRoot::Row(_)),
                    root: TypeRoot::Array(Box::new(item)),
                };
                Ok(array.to_arrow_field(name))
            }
            (Self::Collect, _) => {
                let item = FlinkType::from_field(argument);
                Ok(FlinkType::not_null(TypeRoot::Multiset(Box::new(item))).to_arrow_field(name))
            }
            (Self::JsonObjectAgg { .. }, key) if *key != DataType::Utf8 => Err(not_taken()),
            (Self::JsonArrayAgg { .. } | Self::JsonObjectAgg { .. }, _) => {
                Ok(FlinkType::not_null(TypeRoot::Varchar(2000)).to_arrow_field(name))
            }
            (Self::Bitmap { operation, counts }, data_type) => {
                let fits = match operation {
                    SetOperation::Build => matches!(
                        data_type,
                        DataType::Int8 | DataType::Int16 | DataType::Int32
                    ),
                    _ => FlinkType::from_field(argument).root == TypeRoot::Bitmap,
                };
                match (fits, counts) {
                    (false, _) => Err(not_taken()),
                    (true, true) => Ok(Field::new(name, DataType::Int64, true)),
                    (true, false) => Ok(FlinkType::nullable(TypeRoot::Bitmap).to_arrow_field(name)),
                }
            }
            (Self::Count | Self::ApproxCountDistinct, _) => Ok(counts()),
        }
    }
}

/// The refusal of arguments in Flink's words.
#[must_use]
pub fn not_applicable(name: &str, takes: &str, arguments: &[FieldRef]) -> EngineError {
    let types: Vec<String> = arguments
        .iter()
        .map(|field| {
            let text = FlinkType::nullable(FlinkType::from_field(field).root);
            let text = text.as_serializable_string();
            format!("<{}>", if text == "INT" { "INTEGER" } else { &text })
        })
        .collect();
    EngineError::from(Arc::new(SqlDiagnostic::validation(format!(
        "Cannot apply '{name}' to arguments of type '{name}({})'. Supported form(s): \
         '{name}({takes})'",
        types.join(", "),
    ))))
}

/// What a field's metadata says about its type. That it is a time attribute is lost.
fn type_metadata(field: &Field) -> HashMap<String, String> {
    field
        .metadata()
        .iter()
        .filter(|(key, _)| *key == TYPE_KEY)
        .map(|(key, text)| (key.clone(), text.clone()))
        .collect()
}
