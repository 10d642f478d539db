//! Which type holds several types: the two rules of Flink.
//!
//! ```text
//!   CASE, IF, =, UNION, ARRAY[…]       least_restrictive   Calcite's rule
//!   COALESCE, IFNULL, GREATEST, LEAST  common              the rule of Flink's own functions
//!                                      ('a', 'bcd')        VARCHAR(3)      both
//!                                      (1.5, FLOAT)        DOUBLE          FLOAT
//!                                      (FLOAT, DOUBLE)     FLOAT           DOUBLE
//!                                      (DATE, TIMESTAMP)   none            DATE
//! ```
//!
//! Both look at the types from left to right, so that the order of the arguments counts.
//!
//! Source: `FlinkTypeFactory.leastRestrictive` over Calcite's `SqlTypeFactoryImpl`, and
//! `LogicalTypeMerging.findCommonType`; Flink 2.3, the tables measured pair by pair.

use arrow::datatypes::Field;

use crate::data::types::{FlinkType, RowField, TypeRoot};
use crate::functions::arithmetic::MAX_PRECISION;

/// The type of a value that is one of `types`, as CASE sees it; NULL literals hold no type. `None`
/// if no type holds them all.
#[must_use]
pub fn least_restrictive(types: &[FlinkType]) -> Option<FlinkType> {
    merged(types, &calcite)
}

/// The type that a function of Flink's own gives its arguments; `None` as above.
#[must_use]
pub fn common(types: &[FlinkType]) -> Option<FlinkType> {
    merged(types, &functional)
}

type Rule = dyn Fn(&TypeRoot, &TypeRoot) -> Option<TypeRoot>;

fn merged(types: &[FlinkType], rule: &Rule) -> Option<FlinkType> {
    let mut root = TypeRoot::Null;
    for given in types {
        root = pair(&root, &given.root, rule)?;
    }
    Some(FlinkType {
        root,
        nullable: types
            .iter()
            .any(|given| given.nullable || given.root == TypeRoot::Null),
    })
}

/// What both rules agree in.
fn pair(left: &TypeRoot, right: &TypeRoot, rule: &Rule) -> Option<TypeRoot> {
    use TypeRoot as T;
    if left == right {
        return Some(left.clone());
    }
    Some(match (left, right) {
        (T::Null, other) | (other, T::Null) => other.clone(),
        (T::Char(a) | T::Varchar(a), T::Char(b) | T::Varchar(b)) => T::Varchar(*a.max(b)),
        (T::Binary(a) | T::Varbinary(a), T::Binary(b) | T::Varbinary(b)) => T::Varbinary(*a.max(b)),
        (T::Time(a), T::Time(b)) => T::Time(*a.max(b)),
        (T::Timestamp(a), T::Timestamp(b)) => T::Timestamp(*a.max(b)),
        (T::TimestampLtz(a), T::TimestampLtz(b)) => T::TimestampLtz(*a.max(b)),
        (T::IntervalDayTime { .. }, T::IntervalDayTime { .. })
        | (T::IntervalYearMonth { .. }, T::IntervalYearMonth { .. }) => left.clone(),
        (T::Array(a), T::Array(b)) => T::Array(Box::new(nested(a, b, rule)?)),
        (T::Multiset(a), T::Multiset(b)) => T::Multiset(Box::new(nested(a, b, rule)?)),
        (T::Map(key_a, value_a), T::Map(key_b, value_b)) => T::Map(
            Box::new(nested(key_a, key_b, rule)?),
            Box::new(nested(value_a, value_b, rule)?),
        ),
        (T::Row(a), T::Row(b)) if a.len() == b.len() => T::Row(
            a.iter()
                .zip(b)
                .map(|(a, b)| {
                    Some(RowField {
                        flink_type: nested(&a.flink_type, &b.flink_type, rule)?,
                        ..a.clone()
                    })
                })
                .collect::<Option<_>>()?,
        ),
        (a, b) => match (integer_rank(a), integer_rank(b)) {
            (Some(rank_a), Some(rank_b)) => if rank_a >= rank_b { a } else { b }.clone(),
            _ => exact(a, b).or_else(|| rule(a, b))?,
        },
    })
}

fn nested(left: &FlinkType, right: &FlinkType, rule: &Rule) -> Option<FlinkType> {
    Some(FlinkType {
        root: pair(&left.root, &right.root, rule)?,
        nullable: left.nullable || right.nullable,
    })
}

fn calcite(left: &TypeRoot, right: &TypeRoot) -> Option<TypeRoot> {
    use TypeRoot as T;
    Some(match (left, right) {
        (T::Float | T::Double, T::Decimal { .. }) | (T::Decimal { .. }, T::Float | T::Double) => {
            T::Double
        }
        // Both have the same number of digits to Calcite: the first one stays.
        (T::Float | T::Double, T::Float | T::Double) => left.clone(),
        (T::Float | T::Double, other) if integer_rank(other).is_some() => left.clone(),
        (other, T::Float | T::Double) if integer_rank(other).is_some() => right.clone(),
        // The same for clocks and instants, where the digits differ the second one is taken.
        (T::Timestamp(a), T::TimestampLtz(b)) | (T::TimestampLtz(a), T::Timestamp(b)) => {
            let digits = *a.max(b);
            match if a == b { left } else { right } {
                T::Timestamp(_) => T::Timestamp(digits),
                _ => T::TimestampLtz(digits),
            }
        }
        _ => return None,
    })
}

fn functional(left: &TypeRoot, right: &TypeRoot) -> Option<TypeRoot> {
    use TypeRoot as T;
    Some(match (left, right) {
        (T::Float, T::Decimal { .. }) | (T::Float | T::Double, T::Float | T::Double) => T::Double,
        (T::Decimal { .. }, T::Float) => T::Float,
        (T::Double, T::Decimal { .. }) | (T::Decimal { .. }, T::Double) => T::Double,
        (T::Float | T::Double, other) if integer_rank(other).is_some() => left.clone(),
        (other, T::Float | T::Double) if integer_rank(other).is_some() => right.clone(),
        (T::Date, T::Timestamp(_)) | (T::Timestamp(_), T::Date) => T::Date,
        (T::Time(digits), T::Timestamp(_)) | (T::Timestamp(_), T::Time(digits)) => T::Time(*digits),
        (T::Timestamp(a), T::TimestampLtz(b)) | (T::TimestampLtz(a), T::Timestamp(b)) => {
            T::TimestampLtz(*a.max(b))
        }
        _ => return None,
    })
}

/// Two exact numbers of which at least one is a DECIMAL: all digits before and behind the point,
/// those before the point first if there are too many.
fn exact(left: &TypeRoot, right: &TypeRoot) -> Option<TypeRoot> {
    let (p1, s1) = digits(left)?;
    let (p2, s2) = digits(right)?;
    let whole = (p1 - s1).max(p2 - s2).min(MAX_PRECISION);
    let scale = s1.max(s2).min(MAX_PRECISION - whole);
    Some(TypeRoot::Decimal {
        precision: whole + scale,
        scale,
    })
}

/// Precision and scale of an exact number.
#[must_use]
pub fn digits(root: &TypeRoot) -> Option<(u8, u8)> {
    Some(match root {
        TypeRoot::TinyInt => (3, 0),
        TypeRoot::SmallInt => (5, 0),
        TypeRoot::Int => (10, 0),
        TypeRoot::BigInt => (19, 0),
        TypeRoot::Decimal { precision, scale } => (*precision, *scale),
        _ => return None,
    })
}

/// The place of an integer type among the others; `None` for other types.
#[must_use]
pub fn integer_rank(root: &TypeRoot) -> Option<u8> {
    Some(match root {
        TypeRoot::TinyInt => 0,
        TypeRoot::SmallInt => 1,
        TypeRoot::Int => 2,
        TypeRoot::BigInt => 3,
        _ => return None,
    })
}

/// Whether values of the type are numbers.
#[must_use]
pub fn is_number(root: &TypeRoot) -> bool {
    digits(root).is_some() || matches!(root, TypeRoot::Float | TypeRoot::Double)
}

/// CHAR or VARCHAR.
#[must_use]
pub const fn is_text(root: &TypeRoot) -> bool {
    matches!(root, TypeRoot::Char(_) | TypeRoot::Varchar(_))
}

/// An interval of either kind.
#[must_use]
pub const fn is_interval(root: &TypeRoot) -> bool {
    matches!(
        root,
        TypeRoot::IntervalDayTime { .. } | TypeRoot::IntervalYearMonth { .. }
    )
}

/// DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ.
#[must_use]
pub const fn is_datetime(root: &TypeRoot) -> bool {
    matches!(
        root,
        TypeRoot::Date | TypeRoot::Time(_) | TypeRoot::Timestamp(_) | TypeRoot::TimestampLtz(_)
    )
}

/// Whether a value of `from` is one of `to` without any conversion: only the declared length or
/// the name of the type differs.
#[must_use]
pub fn needs_no_cast(from: &TypeRoot, to: &TypeRoot) -> bool {
    use TypeRoot as T;
    match (from, to) {
        (from, to) if from == to => true,
        (T::Char(a) | T::Varchar(a), T::Varchar(b))
        | (T::Binary(a) | T::Varbinary(a), T::Varbinary(b)) => a <= b,
        (T::IntervalDayTime { .. }, T::IntervalDayTime { .. })
        | (T::IntervalYearMonth { .. }, T::IntervalYearMonth { .. }) => true,
        _ => false,
    }
}

/// The type's name in Flink's messages about arguments: `INTEGER`, `CHAR(1)`, `DECIMAL(2, 1)`.
#[must_use]
pub fn calcite_name(flink_type: &FlinkType) -> String {
    use TypeRoot as T;
    match &flink_type.root {
        T::Int => "INTEGER".to_owned(),
        T::Varchar(length) => format!("VARCHAR({length})"),
        T::Varbinary(length) => format!("VARBINARY({length})"),
        T::TimestampLtz(digits) => format!("TIMESTAMP_WITH_LOCAL_TIME_ZONE({digits})"),
        T::Array(element) => format!("{} ARRAY", calcite_name(element)),
        T::Map(key, value) => format!("({}, {}) MAP", calcite_name(key), calcite_name(value)),
        _ => flink_type.root_text(),
    }
}

/// The Flink types of fields.
pub fn types_of<'a>(fields: impl IntoIterator<Item = &'a std::sync::Arc<Field>>) -> Vec<FlinkType> {
    fields
        .into_iter()
        .map(|field| FlinkType::from_field(field))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn check(rule: fn(&[FlinkType]) -> Option<FlinkType>, table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (given, wanted) = line.split_once("->").unwrap();
            let types: Vec<_> = given
                .split(';')
                .map(|text| FlinkType::parse(text.trim()).unwrap())
                .collect();
            let found = rule(&types).map_or("none".to_owned(), |found| found.to_string());
            assert_eq!(found, wanted.trim(), "{line}");
        }
    }

    #[test]
    fn what_case_gives() {
        check(
            least_restrictive,
            "TINYINT NOT NULL; SMALLINT NOT NULL -> SMALLINT NOT NULL
             INT; BIGINT NOT NULL -> BIGINT
             INT NOT NULL; DECIMAL(2, 1) NOT NULL -> DECIMAL(11, 1) NOT NULL
             BIGINT; DECIMAL(20, 10) -> DECIMAL(29, 10)
             DECIMAL(38, 0); DECIMAL(20, 10) -> DECIMAL(38, 0)
             FLOAT; DOUBLE -> FLOAT
             DOUBLE; FLOAT -> DOUBLE
             FLOAT; DECIMAL(2, 1) -> DOUBLE
             BIGINT; FLOAT -> FLOAT
             CHAR(1); CHAR(1) -> CHAR(1)
             CHAR(1); CHAR(3) -> VARCHAR(3)
             CHAR(9); VARCHAR(3) -> VARCHAR(9)
             BINARY(1); VARBINARY(4) -> VARBINARY(4)
             NULL; CHAR(1) NOT NULL -> CHAR(1)
             TIMESTAMP(0); TIMESTAMP(3) -> TIMESTAMP(3)
             TIMESTAMP(0); TIMESTAMP_LTZ(3) -> TIMESTAMP_LTZ(3)
             TIMESTAMP(3); TIMESTAMP_LTZ(3) -> TIMESTAMP(3)
             ARRAY<INT>; ARRAY<BIGINT NOT NULL> -> ARRAY<BIGINT>
             ARRAY<INT>; ARRAY<STRING> -> none
             DATE; TIMESTAMP(3) -> none
             INT; STRING -> none
             BOOLEAN; INT -> none",
        );
    }

    #[test]
    fn what_coalesce_gives() {
        check(
            common,
            "FLOAT; DOUBLE -> DOUBLE
             DECIMAL(2, 1); FLOAT -> FLOAT
             FLOAT; DECIMAL(2, 1) -> DOUBLE
             DATE; TIMESTAMP(3) -> DATE
             TIMESTAMP_LTZ(3); TIMESTAMP(6) -> TIMESTAMP_LTZ(6)
             CHAR(2); CHAR(2) -> CHAR(2)
             INT; STRING -> none",
        );
    }
}
