//! PostgreSQL's answers as values. They come in the server's binary form.
//!
//! Source: the server's `…_send` functions, version 17 (`numeric_send`, `timestamp_send`, …).

use postgres::types::{FromSql, Kind, Type};

use crate::values::Value;

type Problem = Box<dyn std::error::Error + Sync + Send>;

/// From the server's epoch, 2000, to ours.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 86_400_000_000 * EPOCH_DAYS as i64;

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Problem> {
        if let Kind::Array(_) = ty.kind() {
            return Ok(Self::Array(Vec::<Self>::from_sql(ty, raw)?));
        }
        Ok(match *ty {
            Type::BOOL => Self::Bool(bool::from_sql(ty, raw)?),
            Type::INT2 => Self::Int(i16::from_be_bytes(raw.try_into()?).into()),
            Type::INT4 => Self::Int(i32::from_be_bytes(raw.try_into()?).into()),
            Type::INT8 => Self::Int(i64::from_be_bytes(raw.try_into()?)),
            Type::OID => Self::Int(u32::from_be_bytes(raw.try_into()?).into()),
            Type::FLOAT4 => Self::Float(f32::from_be_bytes(raw.try_into()?)),
            Type::FLOAT8 => Self::Double(f64::from_be_bytes(raw.try_into()?)),
            Type::NUMERIC => numeric(raw)?,
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            Type::DATE => match i32::from_be_bytes(raw.try_into()?) {
                i32::MIN | i32::MAX => Self::Foreign("date without an end"),
                days => days
                    .checked_add(EPOCH_DAYS)
                    .map_or(Self::Foreign("date far away"), Self::Date),
            },
            Type::TIME => Self::Time(i64::from_be_bytes(raw.try_into()?)),
            Type::TIMESTAMP => moment(raw, Self::Timestamp)?,
            Type::TIMESTAMPTZ => moment(raw, Self::Instant)?,
            Type::UUID => Self::Text(uuid(raw)),
            // One byte tells the version of what follows.
            Type::JSONB => Self::Text(text(raw.get(1..).unwrap_or_default())?),
            Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::CHAR
            | Type::JSON
            | Type::XML
            | Type::UNKNOWN => Self::Text(text(raw)?),
            _ => match ty.kind() {
                Kind::Enum(_) => Self::Text(text(raw)?),
                Kind::Domain(inner) => Self::from_sql(inner, raw)?,
                _ if ty.name() == "citext" => Self::Text(text(raw)?),
                _ => Self::Foreign("value of a type that has no place in Flink"),
            },
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Problem> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn text(raw: &[u8]) -> Result<String, Problem> {
    Ok(std::str::from_utf8(raw)?.to_owned())
}

fn moment(raw: &[u8], of: fn(i64) -> Value) -> Result<Value, Problem> {
    Ok(match i64::from_be_bytes(raw.try_into()?) {
        i64::MIN | i64::MAX => Value::Foreign("timestamp without an end"),
        micros => micros
            .checked_add(EPOCH_MICROS)
            .map_or(Value::Foreign("timestamp far away"), of),
    })
}

fn uuid(raw: &[u8]) -> String {
    let digits = Value::Bytes(raw.to_vec()).text();
    let mut text = String::with_capacity(36);
    for (digit_idx, digit) in digits.chars().enumerate() {
        if matches!(digit_idx, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// Groups of four decimal digits, the weight of the first one, the sign, and the scale to show.
fn numeric(raw: &[u8]) -> Result<Value, Problem> {
    const NEGATIVE: u16 = 0x4000;
    const POSITIVE: u16 = 0;
    let mut words = raw.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    let mut word = || words.next().ok_or("a numeric is too short");
    let (n_groups, weight, sign, scale) = (word()?, word()?.cast_signed(), word()?, word()?);
    if sign != NEGATIVE && sign != POSITIVE {
        return Ok(Value::Foreign("numeric that is not finite"));
    }
    let mut groups = Vec::with_capacity(n_groups.into());
    for _ in 0..n_groups {
        groups.push(word()?);
    }
    let mut unscaled = Some(0_i128);
    for &group in &groups {
        let group = i128::from(group);
        unscaled = unscaled
            .and_then(|value| value.checked_mul(10_000))
            .and_then(|value| value.checked_add(group));
    }
    // The last group's weight, in digits behind the point.
    let from_scale = (i32::from(n_groups) - 1 - i32::from(weight)) * 4;
    let shift = i32::from(scale) - from_scale;
    let factor = 10_i128.checked_pow(shift.unsigned_abs());
    let value = match (unscaled, factor) {
        (Some(0), _) => Some(0),
        (Some(value), Some(factor)) if shift >= 0 => value.checked_mul(factor),
        (Some(value), Some(factor)) => Some(value / factor),
        _ => None,
    };
    Ok(match (value, u8::try_from(scale)) {
        (Some(value), Ok(scale)) => Value::Decimal {
            unscaled: if sign == NEGATIVE { -value } else { value },
            scale,
        },
        _ => Value::LongDecimal(numeric_text(&groups, weight, sign == NEGATIVE, scale)),
    })
}

/// The text of a numeric of any length.
fn numeric_text(groups: &[u16], weight: i16, is_negative: bool, scale: u16) -> String {
    // Groups before the first one and behind the last one are zeros.
    let group = |place: i32| {
        let group_idx = usize::try_from(i32::from(weight) - place).ok();
        group_idx
            .and_then(|idx| groups.get(idx))
            .copied()
            .unwrap_or(0)
    };
    let digits = |places: &mut dyn Iterator<Item = i32>| -> String {
        places.map(|place| format!("{:04}", group(place))).collect()
    };
    let whole = digits(&mut (0..=i32::from(weight).max(0)).rev());
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let sign = if is_negative { "-" } else { "" };
    let n_groups = i32::from(scale.div_ceil(4));
    let fraction = digits(&mut (1..=n_groups).map(|place| -place));
    match fraction.get(..usize::from(scale)) {
        None | Some("") => format!("{sign}{whole}"),
        Some(fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// `[groups, weight, sign, scale, group…]` as text.
    fn text_of(words: &[u16]) -> String {
        let raw: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        numeric(&raw).unwrap().text()
    }

    #[test]
    fn numerics_of_any_length_have_a_text() {
        // Eleven groups: more digits than an i128 has.
        let mut long = vec![11, 9, 0x4000, 3, 12];
        long.extend([3456; 9]);
        long.push(7890);
        let expected = format!("-12{}.789", "3456".repeat(9));
        assert_eq!(text_of(&long), expected);
        assert_eq!(super::numeric_text(&[5], -3, false, 14), "0.00000000000500");
    }

    #[test]
    fn numerics_are_read_digit_by_digit() {
        assert_eq!(text_of(&[0, 0, 0, 2]), "0.00");
        // 12345.678: 1 | 2345 . 678(0)
        assert_eq!(text_of(&[3, 1, 0, 3, 1, 2345, 6780]), "12345.678");
        assert_eq!(text_of(&[1, 0xFFFF, 0x4000, 4, 5]), "-0.0005");
        assert_eq!(text_of(&[1, 2, 0, 0, 7]), "700000000");
        assert_eq!(text_of(&[0, 0, 0xC000, 0]), "numeric that is not finite");
    }

    #[test]
    fn times_count_from_our_epoch() {
        let raw = 0_i64.to_be_bytes();
        let value = Value::from_sql(&Type::TIMESTAMP, &raw).unwrap();
        assert_eq!(value.text(), "2000-01-01 00:00:00");
        let raw = i64::MAX.to_be_bytes();
        let value = Value::from_sql(&Type::TIMESTAMPTZ, &raw).unwrap();
        assert_eq!(value.text(), "timestamp without an end");
        let raw = (-1_i32).to_be_bytes();
        let value = Value::from_sql(&Type::DATE, &raw).unwrap();
        assert_eq!(value.text(), "1999-12-31");
    }
}
