//! JSON documents as Jackson reads and writes them.
//!
//! Whole numbers keep their class by size (Java's Integer, Long, BigInteger), numbers with a point
//! or an exponent are exact decimals with Java's text (`1e3` is `1E+3`). Of repeated keys the last
//! value counts, at the place of the first. Objects are written with their keys sorted.
//!
//! Source: Jackson 2 with `USE_BIG_DECIMAL_FOR_FLOATS` and `ORDER_MAP_ENTRIES_BY_KEYS`, as Flink
//! 2.3's `SqlJsonUtils` sets it up; only the first value of a text is read.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::functions::cast::text as shown;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number of up to 64 bits.
    Int(i64),
    /// A longer whole number, its digits with a minus sign if negative.
    BigInt(String),
    /// A number with a point or an exponent.
    Decimal(BigDecimal),
    /// A floating point number: the result of a function of a path.
    Double(f64),
    /// A text.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object, keys in the order of their first occurrence.
    Object(Vec<(String, Self)>),
}

/// An exact decimal, `unscaled · 10^-scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigDecimal {
    /// Whether it is below zero.
    pub negative: bool,
    /// Digits without leading zeros; `0` for zero.
    pub digits: String,
    /// Number of digits after the point; negative for multiples of powers of ten.
    pub scale: i64,
    /// Whether its text had an exponent.
    pub has_exponent: bool,
}

impl BigDecimal {
    /// Reads a number's text: digits, point, exponent.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let digits = match digits.trim_start_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        };
        Some(Self {
            negative: negative && digits != "0",
            digits,
            scale: i64::try_from(fraction.len()).ok()? - i64::from(exponent),
            has_exponent: rest.contains(['e', 'E']),
        })
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}e{}", self.digits, -self.scale)
            .parse()
            .unwrap_or(f64::NAN)
    }

    /// Without zeros at the end of the fraction, and as a whole number where it is one.
    #[must_use]
    pub fn stripped(&self) -> Self {
        if self.digits == "0" {
            return Self {
                negative: false,
                digits: "0".to_owned(),
                scale: 0,
                has_exponent: self.has_exponent,
            };
        }
        let kept = self.digits.trim_end_matches('0');
        let n_cut = i64::try_from(self.digits.len() - kept.len()).unwrap_or(0);
        Self {
            negative: self.negative,
            digits: kept.to_owned(),
            scale: self.scale - n_cut,
            has_exponent: self.has_exponent,
        }
    }

    /// Java's `toString`: scientific for large exponents.
    #[must_use]
    pub fn to_java_string(&self) -> String {
        let mut out = String::new();
        if self.negative {
            out.push('-');
        }
        let n_digits = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        let adjusted = n_digits - 1 - self.scale;
        if self.scale == 0 {
            out.push_str(&self.digits);
        } else if self.scale > 0 && adjusted >= -6 {
            self.write_plain(&mut out);
        } else {
            let (first, rest) = self.digits.split_at(1);
            out.push_str(first);
            if !rest.is_empty() {
                out.push('.');
                out.push_str(rest);
            }
            if adjusted != 0 {
                // Writing into a String does not fail.
                let _ = write!(out, "E{adjusted:+}");
            }
        }
        out
    }

    /// Java's `toPlainString`.
    #[must_use]
    pub fn to_plain_string(&self) -> String {
        let mut out = String::new();
        if self.negative {
            out.push('-');
        }
        self.write_plain(&mut out);
        out
    }

    fn write_plain(&self, out: &mut String) {
        if self.scale <= 0 {
            out.push_str(&self.digits);
            if self.digits != "0" {
                for _ in 0..-self.scale {
                    out.push('0');
                }
            }
            return;
        }
        let scale = usize::try_from(self.scale).unwrap_or(0);
        let padded = format!("{:0>width$}", self.digits, width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            _ => {}
        }
        let magnitude = self.compare_magnitude(other);
        if self.negative {
            magnitude.reverse()
        } else {
            magnitude
        }
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        let (left, right) = (self.stripped(), other.stripped());
        if left.digits == "0" || right.digits == "0" {
            return (left.digits != "0").cmp(&(right.digits != "0"));
        }
        let order = |value: &Self| value.digits.len() as i64 - value.scale;
        // Of the same order, stripped digits compare like texts.
        order(&left)
            .cmp(&order(&right))
            .then_with(|| left.digits.cmp(&right.digits))
    }
}

impl Json {
    /// Neither an array nor an object.
    #[must_use]
    pub const fn is_scalar(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }

    /// The value of a key of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The number as an exact decimal.
    #[must_use]
    pub fn as_number(&self) -> Option<BigDecimal> {
        match self {
            Self::Int(value) => BigDecimal::parse(&value.to_string()),
            Self::BigInt(text) => BigDecimal::parse(text),
            Self::Decimal(value) => Some(value.clone()),
            Self::Double(value) => BigDecimal::parse(&shown::double(*value)),
            _ => None,
        }
    }

    /// The order of two numbers.
    #[must_use]
    pub fn compare_numbers(&self, other: &Self) -> Option<Ordering> {
        Some(self.as_number()?.compare(&other.as_number()?))
    }

    /// A scalar's text as Java's `String.valueOf` gives it; arrays and objects as Java's
    /// collections show themselves.
    #[must_use]
    pub fn to_java_string(&self) -> String {
        let mut out = String::new();
        self.write_java(&mut out);
        out
    }

    fn write_java(&self, out: &mut String) {
        match self {
            Self::String(text) => out.push_str(text),
            Self::Array(items) => {
                out.push('[');
                for (item_idx, item) in items.iter().enumerate() {
                    if item_idx > 0 {
                        out.push_str(", ");
                    }
                    item.write_java(out);
                }
                out.push(']');
            }
            Self::Object(entries) => {
                out.push('{');
                for (entry_idx, (key, value)) in entries.iter().enumerate() {
                    if entry_idx > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(key);
                    out.push('=');
                    value.write_java(out);
                }
                out.push('}');
            }
            scalar => scalar.write_json(out),
        }
    }

    /// The text of the document, without blanks, keys sorted.
    #[must_use]
    pub fn to_json_string(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Appends [`Self::to_json_string`].
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => {
                // Writing into a String does not fail.
                let _ = write!(out, "{value}");
            }
            Self::BigInt(text) => out.push_str(text),
            Self::Decimal(value) => out.push_str(&value.to_java_string()),
            Self::Double(value) => out.push_str(&shown::double(*value)),
            Self::String(text) => write_text(text, out),
            Self::Array(items) => {
                out.push('[');
                for (item_idx, item) in items.iter().enumerate() {
                    if item_idx > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Object(entries) => {
                let mut sorted: Vec<&(String, Self)> = entries.iter().collect();
                sorted.sort_by(|(left, _), (right, _)| compare_keys(left, right));
                out.push('{');
                for (entry_idx, (key, value)) in sorted.into_iter().enumerate() {
                    if entry_idx > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// Java's order of texts: by UTF-16 units.
pub(super) fn compare_keys(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

/// A text in quotes with Jackson's escapes.
pub fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter < ' ' => {
                // Writing into a String does not fail.
                let _ = write!(out, "\\u{:04X}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}
