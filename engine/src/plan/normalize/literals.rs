//! Literals with Flink's types: numbers by their size, texts by their length, times and intervals
//! by their digits.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    CastKind, CharacterLength, DataType, DateTimeField, ExactNumberInfo, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArguments, Interval, TypedString, UnaryOperator, Value,
    ValueWithSpan, Values,
};

use super::string;
use crate::error::{EngineError, Result};
use crate::plan::interval;
use crate::sql::diagnostics::validation;
use crate::sql::syntax::call;

/// Digits that the days of an interval have at most.
const MAX_DAY_DIGITS: u64 = 3;
/// Digits behind the point of the seconds of an interval.
const MAX_FRACTION_DIGITS: usize = 6;

/// The literal as Flink types it: INT, BIGINT or DECIMAL by its size, DOUBLE with an exponent.
///
/// # Errors
/// If all its digits together are no BIGINT, or it is no finite DOUBLE.
pub(super) fn number(text: &str) -> Result<Expr> {
    let plain = Expr::Value(Value::Number(text.trim_start_matches('-').to_owned(), false).into());
    let signed = if text.starts_with('-') {
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(plain),
        }
    } else {
        plain
    };
    let out_of_range = || {
        let digits = text.trim_start_matches('-');
        validation(format!("numeric literal '{digits}' out of range"))
    };
    if text.contains(['e', 'E']) {
        if !text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(out_of_range());
        }
        // A literal is a BigDecimal to Calcite: there is no -0.0.
        let is_zero = text.parse::<f64>().is_ok_and(|value| value == 0.0);
        let text = if is_zero {
            text.trim_start_matches('-')
        } else {
            text
        };
        return Ok(typed(string(text), DataType::Double(ExactNumberInfo::None)));
    }
    let whole = text.strip_suffix('.').unwrap_or(text);
    if whole.parse::<i32>().is_ok() {
        return Ok(typed(signed, DataType::Int(None)));
    }
    if whole.parse::<i64>().is_ok() {
        return Ok(typed(signed, DataType::BigInt(None)));
    }
    if text.replace('.', "").parse::<i64>().is_err() {
        return Err(out_of_range());
    }
    if let Some((precision, scale)) = decimal_shape(text) {
        let info = ExactNumberInfo::PrecisionAndScale(precision, scale);
        return Ok(typed(string(text), DataType::Decimal(info)));
    }
    Ok(signed)
}

/// Makes `-9223372036854775808` one number: its digits alone are no BIGINT.
pub(super) fn join_least_bigint(expr: &mut Expr) {
    const DIGITS: &str = "9223372036854775808";
    let Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr: inner,
    } = expr
    else {
        return;
    };
    if let Expr::Value(ValueWithSpan {
        value: Value::Number(text, _),
        ..
    }) = inner.as_ref()
        && text == DIGITS
    {
        *expr = Expr::Value(Value::Number(format!("-{DIGITS}"), false).into());
    }
}

/// A text as Flink types it: CHAR of its length in UTF-16, which is what Java counts.
pub(super) fn char_literal(text: &str) -> Expr {
    let length = CharacterLength::IntegerLength {
        length: text_length(text),
        unit: None,
    };
    typed(string(text), DataType::Char(Some(length)))
}

fn text_length(text: &str) -> u64 {
    text.encode_utf16().count() as u64
}

/// `x'0AFF'`: BINARY of its length.
///
/// # Errors
/// If a digit is missing.
pub(super) fn binary_literal(digits: &str) -> Result<Expr> {
    if digits.len() % 2 == 1 {
        return Err(validation(
            "binary literal string must contain an even number of hexits".to_owned(),
        ));
    }
    let literal = Expr::Value(Value::HexStringLiteral(digits.to_owned()).into());
    let target = format!("BINARY({}) NOT NULL", digits.len() / 2);
    Ok(call("__typed", vec![literal, string(&target)]))
}

/// The text of a literal that [`char_literal`] made, or of a plain one.
pub(super) fn char_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Cast {
            kind: CastKind::DoubleColon,
            expr,
            data_type: DataType::Char(_) | DataType::Varchar(_),
            ..
        } => char_text(expr),
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

/// The literals of a column of VALUES that are all texts, or all bytes, get one type.
pub(super) fn unify_literals(values: &mut Values) {
    unify_texts(values);
    unify_bytes(values);
}

/// Bytes of different lengths are VARBINARY of the longest.
fn unify_bytes(values: &mut Values) {
    let n_columns = values.rows.first().map_or(0, |row| row.content.len());
    for column_idx in 0..n_columns {
        let rows = values.rows.iter_mut();
        let cells: Vec<&mut Expr> = rows
            .filter_map(|row| row.content.get_mut(column_idx))
            .filter(|cell| !matches!(cell, Expr::Value(value) if value.value == Value::Null))
            .collect();
        let lengths: Option<BTreeSet<usize>> = cells.iter().map(|cell| n_bytes(cell)).collect();
        let Some(longest) = lengths
            .filter(|lengths| lengths.len() > 1)
            .and_then(|lengths| lengths.last().copied())
        else {
            continue;
        };
        for cell in cells {
            let literal = std::mem::replace(cell, Expr::Value(Value::Null.into()));
            *cell = call(
                "__cast",
                vec![literal, string(&format!("VARBINARY({longest})"))],
            );
        }
    }
}

/// The length of a literal that [`binary_literal`] made.
fn n_bytes(expr: &Expr) -> Option<usize> {
    let Expr::Function(function) = expr else {
        return None;
    };
    match first_argument(function)? {
        Expr::Value(ValueWithSpan {
            value: Value::HexStringLiteral(digits),
            ..
        }) if function.name.to_string() == "__typed" => Some(digits.len() / 2),
        _ => None,
    }
}

/// The texts of a column of VALUES have one type if nothing else stands there: CHAR if all are
/// equally long, else VARCHAR.
fn unify_texts(values: &mut Values) {
    let n_columns = values
        .rows
        .iter()
        .map(|row| row.content.len())
        .max()
        .unwrap_or(0);
    for column_idx in 0..n_columns {
        let mut cells: Vec<&mut Expr> = values
            .rows
            .iter_mut()
            .filter_map(|row| row.content.get_mut(column_idx))
            .filter(|cell| {
                !matches!(
                    cell,
                    Expr::Value(ValueWithSpan {
                        value: Value::Null,
                        ..
                    })
                )
            })
            .collect();
        let texts: Vec<Option<String>> = cells
            .iter()
            .map(|cell| char_text(cell).map(ToOwned::to_owned))
            .collect();
        let lengths: BTreeSet<u64> = texts
            .iter()
            .flatten()
            .map(|text| text_length(text))
            .collect();
        if !texts.iter().all(Option::is_some) {
            // Among other things they keep their types, for a common one to be found.
            continue;
        }
        let longest = lengths.last().copied().unwrap_or(0);
        for (cell, text) in cells.iter_mut().zip(texts) {
            let Some(text) = text else { continue };
            let length = CharacterLength::IntegerLength {
                length: longest,
                unit: None,
            };
            **cell = if lengths.len() == 1 {
                typed(string(&text), DataType::Char(Some(length)))
            } else {
                typed(string(&text), DataType::Varchar(Some(length)))
            };
        }
    }
}

/// Precision and scale of a decimal literal by its digits, as Calcite counts them: `0.50` is (3, 2).
pub(super) fn decimal_shape(text: &str) -> Option<(u64, i64)> {
    let digits = text.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole
        .chars()
        .chain(fraction.chars())
        .all(|c| c.is_ascii_digit())
    {
        return None;
    }
    let precision = (whole.len() + fraction.len()).max(1);
    (precision <= 38).then_some((precision as u64, i64::try_from(fraction.len()).ok()?))
}

pub(super) fn typed(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

/// The text of a literal that [`number`] made.
pub(super) fn number_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast {
            kind: CastKind::DoubleColon,
            expr,
            data_type,
            ..
        } => number_text_of_cast(expr, data_type),
        Expr::Nested(inner) => number_text(inner),
        Expr::Value(ValueWithSpan {
            value: Value::Number(text, _),
            ..
        }) => Some(text.clone()),
        _ => None,
    }
}

/// The text inside a typed literal; `None` if the cast was written by the user.
pub(super) fn number_text_of_cast(inner: &Expr, data_type: &DataType) -> Option<String> {
    let text = match (inner, data_type) {
        (
            Expr::Value(ValueWithSpan {
                value: Value::Number(text, _),
                ..
            }),
            DataType::Int(None) | DataType::BigInt(None),
        ) => text.clone(),
        (
            Expr::Value(ValueWithSpan {
                value: Value::SingleQuotedString(text),
                ..
            }),
            DataType::Double(_) | DataType::Decimal(_),
        ) => text.clone(),
        (
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            },
            DataType::Int(None) | DataType::BigInt(None),
        ) => format!("-{}", number_text(expr)?),
        _ => return None,
    };
    Some(text)
}

/// Undoes [`number`] where the binder wants a plain number.
pub(super) fn to_plain_number(expr: &mut Expr) {
    if let Some(text) = number_text(expr) {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits.to_owned()),
            None => (false, text),
        };
        let plain = Expr::Value(Value::Number(digits, false).into());
        *expr = if negative {
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: Box::new(plain),
            }
        } else {
            plain
        };
    }
}

/// `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`: the precision is the number of fraction digits. The only
/// number that is written so is a DECIMAL.
///
/// # Errors
/// A validation error for other types, and for a text that Flink's literals do not have, though it
/// could be cast.
pub(super) fn typed_literal(literal: &TypedString) -> Result<Expr> {
    let Some(mut text) = literal.value.clone().into_string() else {
        return Err(EngineError::unsupported(
            "a typed literal that is no string",
        ));
    };
    let name = literal.data_type.to_string().to_uppercase();
    let fraction = text.rfind('.').map(|point| point + 1);
    let digits = fraction.map_or(0, |at| text.len() - at).min(9);
    let is_well_formed = match name.as_str() {
        "DATE" => true,
        "TIME" => is_time(&text),
        "TIMESTAMP" | "DATETIME" => match text.split_once(' ') {
            Some((_, time)) => is_time(time),
            None => text.bytes().all(|byte| byte != b':'),
        },
        "DECIMAL" | "NUMERIC" | "DEC" => {
            let shape = decimal_shape(text.trim_start_matches('+'));
            let (precision, scale) = shape.ok_or_else(|| illegal_literal(&name, &text))?;
            let info = ExactNumberInfo::PrecisionAndScale(precision, scale);
            return Ok(typed(string(&text), DataType::Decimal(info)));
        }
        other => {
            return Err(validation(format!(
                "incorrect syntax near the keyword '{other}': a literal of this type has no name"
            )));
        }
    };
    if !is_well_formed {
        return Err(illegal_literal(&name, &text));
    }
    if let Some(end) = fraction.map(|at| at + digits) {
        text.truncate(end);
    }
    let target = match name.as_str() {
        "DATE" => "DATE NOT NULL".to_owned(),
        "TIME" => format!("TIME({}) NOT NULL", digits.min(3)),
        _ => format!("TIMESTAMP({digits}) NOT NULL"),
    };
    Ok(call("__cast", vec![string(&text), string(&target)]))
}

fn illegal_literal(name: &str, text: &str) -> EngineError {
    validation(format!("illegal {name} literal '{text}'"))
}

/// `H:m:s`, with a fraction or without, before 24 o'clock.
fn is_time(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fields: Vec<Option<u8>> = clock
        .split(':')
        .map(|field| (field.len() <= 2).then(|| field.parse().ok()).flatten())
        .collect();
    let is_clock = matches!(fields.as_slice(), [Some(0..24), Some(0..60), Some(0..60)]);
    is_clock && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

/// `INTERVAL '5' MINUTE` as a number of milliseconds or months.
pub(super) fn interval_literal(literal: &Interval) -> Result<Expr> {
    // `INTERVAL -'1' DAY`: the sign has become a call.
    let (sign, value) = match literal.value.as_ref() {
        Expr::Function(negated) if negated.name.to_string() == "__negate" => {
            ("-", first_argument(negated))
        }
        value => ("", Some(value)),
    };
    let text = value
        .and_then(|value| {
            char_text(value)
                .map(ToOwned::to_owned)
                .or_else(|| number_text(value))
        })
        .ok_or_else(|| EngineError::unsupported("an interval whose value is no literal"))?;
    let text = match text.strip_prefix('-') {
        Some(positive) if sign == "-" => positive.to_owned(),
        _ => format!("{sign}{text}"),
    };
    check_leading_digits(&text, literal)?;
    let amount = interval::parse(
        &text,
        literal
            .leading_field
            .as_ref()
            .unwrap_or(&DateTimeField::Second),
        literal.last_field.as_ref(),
    )?;
    let (name, amount) = match amount {
        interval::Amount::Months(months) => ("__interval_months", i64::from(months)),
        interval::Amount::Millis(millis) => ("__interval_millis", millis),
    };
    let mut argument = Expr::Value(Value::Number(amount.unsigned_abs().to_string(), false).into());
    if amount < 0 {
        argument = Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(argument),
        };
    }
    Ok(call(name, vec![argument]))
}

fn first_argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Some(argument),
        _ => None,
    }
}

/// The first number of an interval has two digits, unless its unit says otherwise: `DAY(3)`.
fn check_leading_digits(text: &str, literal: &Interval) -> Result<()> {
    let allowed = literal.leading_precision.unwrap_or(2);
    let is_day = literal
        .leading_field
        .as_ref()
        .is_some_and(|unit| matches!(unit, DateTimeField::Day | DateTimeField::Days));
    if is_day && allowed > MAX_DAY_DIGITS {
        return Err(validation(format!(
            "a DAY of an interval has {MAX_DAY_DIGITS} digits at most, not {allowed}"
        )));
    }
    if let Some((_, fraction)) = text.split_once('.')
        && fraction.len() > MAX_FRACTION_DIGITS
    {
        return Err(validation(format!(
            "illegal interval literal '{text}': a SECOND has {MAX_FRACTION_DIGITS} fraction digits \
             at most"
        )));
    }
    let digits: String = text
        .trim_start_matches(['+', '-', ' '])
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let significant = digits.trim_start_matches('0').len() as u64;
    if significant <= allowed {
        return Ok(());
    }
    let unit = literal
        .leading_field
        .as_ref()
        .map_or_else(|| "SECOND".to_owned(), ToString::to_string);
    Err(validation(format!(
        "interval field value {digits} exceeds precision of {unit}({allowed}) field"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_literals_are_whole() {
        for text in ["1:2:3", "23:59:59", "00:00:00.123456789"] {
            assert!(is_time(text), "{text}");
        }
        for text in [
            "12:30",
            "24:00:00",
            "12:60:00",
            "1:2:3 ",
            "123:00:00",
            "1:2:3.x",
            "",
        ] {
            assert!(!is_time(text), "{text}");
        }
    }
}
