//! JSON documents as Jackson reads and writes them.
//!
//! Whole numbers keep their class by size (Java's Integer, Long, BigInteger), numbers with a point
//! or an exponent are exact decimals with Java's text (`1e3` is `1E+3`). Of repeated keys the last
//! value counts, at the place of the first. Objects are written with their keys sorted.
//!
//! Source: Jackson 2 with `USE_BIG_DECIMAL_FOR_FLOATS` and `ORDER_MAP_ENTRIES_BY_KEYS`, as Flink
//! 2.3's `SqlJsonUtils` sets it up; only the first value of a text is read.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write as _;

use crate::functions::cast::text as shown;

/// Arrays and objects may be nested this deep.
const MAX_DEPTH: usize = 1000;
/// From this many keys on, an object's keys are looked up by hash while it is read.
const HASHED_KEYS: usize = 16;

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

/// What to do with a repeated key of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// The last value counts.
    Last,
    /// The text is refused.
    Refuse,
}

/// The message for a repeated key that is refused.
pub const DUPLICATE_KEY: &str = "VARIANT_DUPLICATE_KEY";

/// The first JSON value of a text; what follows is not looked at.
///
/// # Errors
/// Jackson's message if none stands there.
pub fn parse(text: &str, duplicates: Duplicates) -> Result<Json, String> {
    let mut parser = Parser {
        text,
        position: 0,
        duplicates,
    };
    parser.skip_blanks();
    if parser.peek().is_none() {
        return Err("No content to map due to end-of-input".to_owned());
    }
    let value = parser.value(0)?;
    // A number at the root ends at a blank or at the end.
    if matches!(value, Json::Int(_) | Json::BigInt(_) | Json::Decimal(_))
        && let Some(next) = parser.peek()
        && !matches!(next, b' ' | b'\t' | b'\n' | b'\r')
    {
        return Err(format!(
            "{}: Expected space separating root-level values",
            parser.unexpected()
        ));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes, always at the beginning of a character.
    position: usize,
    duplicates: Duplicates,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or("")
    }

    fn unexpected(&self) -> String {
        match self.rest().chars().next() {
            Some(letter) => {
                format!(
                    "Unexpected character ('{letter}' (code {}))",
                    u32::from(letter)
                )
            }
            None => "Unexpected end-of-input".to_owned(),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > MAX_DEPTH {
            return Err(format!(
                "Document nesting depth ({depth}) exceeds the maximum allowed ({MAX_DEPTH}, from \
                 `StreamReadConstraints.getMaxNestingDepth()`)"
            ));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii() => {
                self.literal()
            }
            Some(_) => Err(format!(
                "{}: expected a valid value (JSON String, Number, Array, Object or token 'null', \
                 'true' or 'false')",
                self.unexpected()
            )),
            None => Err("Unexpected end-of-input".to_owned()),
        }
    }

    fn literal(&mut self) -> Result<Json, String> {
        let token: String = self
            .rest()
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$'))
            .collect();
        let value = match token.as_str() {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => {
                return Err(format!(
                    "Unrecognized token '{token}': was expecting (JSON String, Number, Array, \
                     Object or token 'null', 'true' or 'false')"
                ));
            }
        };
        self.position += token.len();
        Ok(value)
    }

    fn digits(&mut self) -> usize {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        self.position - start
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.position;
        self.eat(b'-');
        let first = self.peek();
        let n_whole = self.digits();
        if n_whole == 0 {
            return Err(format!(
                "{} in numeric value: expected digit (0-9) to follow minus sign, for valid \
                 numeric value",
                self.unexpected()
            ));
        }
        if first == Some(b'0') && n_whole > 1 {
            return Err("Invalid numeric value: Leading zeroes not allowed".to_owned());
        }
        let mut is_whole = true;
        if self.eat(b'.') {
            is_whole = false;
            if self.digits() == 0 {
                return Err(format!(
                    "{} in numeric value: Decimal point not followed by a digit",
                    self.unexpected()
                ));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_whole = false;
            self.position += 1;
            if !self.eat(b'-') {
                self.eat(b'+');
            }
            if self.digits() == 0 {
                return Err(format!(
                    "{} in numeric value: Exponent indicator not followed by a digit",
                    self.unexpected()
                ));
            }
        }
        let text = self.text.get(start..self.position).unwrap_or("");
        if is_whole {
            return Ok(match text.parse() {
                Ok(value) => Json::Int(value),
                Err(_) => Json::BigInt(text.to_owned()),
            });
        }
        BigDecimal::parse(text)
            .map(Json::Decimal)
            .ok_or_else(|| format!("Malformed numeric value ('{text}')"))
    }

    fn array(&mut self, depth: usize) -> Result<Json, String> {
        self.position += 1;
        let mut items = Vec::new();
        self.skip_blanks();
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            self.skip_blanks();
            items.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.eat(b']') {
                return Ok(Json::Array(items));
            }
            if !self.eat(b',') {
                return Err(format!(
                    "{}: was expecting comma to separate Array entries",
                    self.unexpected()
                ));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        self.position += 1;
        let mut entries: Vec<(String, Json)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        self.skip_blanks();
        if self.eat(b'}') {
            return Ok(Json::Object(entries));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(format!(
                    "{}: was expecting double-quote to start field name",
                    self.unexpected()
                ));
            }
            let key = self.string()?;
            self.skip_blanks();
            if !self.eat(b':') {
                return Err(format!(
                    "{}: was expecting a colon to separate field name and value",
                    self.unexpected()
                ));
            }
            self.skip_blanks();
            let value = self.value(depth + 1)?;
            let place = if entries.len() < HASHED_KEYS {
                entries.iter().position(|(name, _)| *name == key)
            } else {
                if places.is_empty() {
                    let names = entries.iter().enumerate();
                    places.extend(names.map(|(place, (name, _))| (name.clone(), place)));
                }
                places.get(&key).copied()
            };
            match place.and_then(|place| entries.get_mut(place)) {
                Some(_) if self.duplicates == Duplicates::Refuse => {
                    return Err(DUPLICATE_KEY.to_owned());
                }
                Some((_, old)) => *old = value,
                None => {
                    if !places.is_empty() {
                        places.insert(key.clone(), entries.len());
                    }
                    entries.push((key, value));
                }
            }
            self.skip_blanks();
            if self.eat(b'}') {
                return Ok(Json::Object(entries));
            }
            if !self.eat(b',') {
                return Err(format!(
                    "{}: was expecting comma to separate Object entries",
                    self.unexpected()
                ));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.position += 1;
        let mut out = String::new();
        loop {
            let plain = self
                .rest()
                .bytes()
                .position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')
                .ok_or("Unexpected end-of-input: was expecting closing quote for a string value")?;
            out.push_str(self.rest().get(..plain).unwrap_or(""));
            self.position += plain;
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.position += 1;
                    out.push_str(&self.escape()?);
                }
                byte => {
                    return Err(format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {})): has to be escaped \
                         using backslash to be included in string value",
                        byte.unwrap_or(0)
                    ));
                }
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<Cow<'static, str>, String> {
        let escaped = match self.peek() {
            Some(b'"') => "\"",
            Some(b'\\') => "\\",
            Some(b'/') => "/",
            Some(b'b') => "\u{8}",
            Some(b'f') => "\u{c}",
            Some(b'n') => "\n",
            Some(b'r') => "\r",
            Some(b't') => "\t",
            Some(b'u') => {
                self.position += 1;
                return Ok(Cow::Owned(self.unicode()?.to_string()));
            }
            Some(_) => {
                let letter = self.rest().chars().next().unwrap_or(' ');
                return Err(format!(
                    "Unrecognized character escape '{letter}' (code {})",
                    u32::from(letter)
                ));
            }
            None => return Err("Unexpected end-of-input in character escape sequence".to_owned()),
        };
        self.position += 1;
        Ok(Cow::Borrowed(escaped))
    }

    /// A character behind `\u`; a second escape completes a surrogate pair, half a pair is `?`, as
    /// UTF-8 shows it in Java.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        if let Some(letter) = char::from_u32(first) {
            return Ok(letter);
        }
        let before = self.position;
        if (0xD800..0xDC00).contains(&first) && self.eat(b'\\') && self.eat(b'u') {
            let second = self.hex()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or('?'));
            }
        }
        self.position = before;
        Ok('?')
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.rest().get(..4).unwrap_or("");
        let code = if digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        };
        self.position += 4;
        code.ok_or_else(|| {
            "Unexpected character: expected a hex-digit for character escape sequence".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match parse(text, Duplicates::Last) {
            Ok(value) => value.to_json_string(),
            Err(message) => format!("error: {message}"),
        }
    }

    #[test]
    fn documents_are_read_and_written_as_jackson_does() {
        for (text, written) in [
            ("1e3", "1E+3"),
            ("1.50", "1.50"),
            ("0.0000001", "1E-7"),
            ("-0", "0"),
            ("12345678901234567890", "12345678901234567890"),
            (r#"{"b":1,"a":2,"b":3}"#, r#"{"a":2,"b":3}"#),
            (r#"["\u00e9\/x", null , true]"#, r#"["é/x",null,true]"#),
            (r#""\ud83d\ude00""#, "\"😀\""),
            ("\"a\\u0001\"", "\"a\\u0001\""),
            ("1 2", "1"),
            (r#"{"a":1} x"#, r#"{"a":1}"#),
            ("", "error: No content to map due to end-of-input"),
            (
                "01",
                "error: Invalid numeric value: Leading zeroes not allowed",
            ),
            (
                "bad",
                "error: Unrecognized token 'bad': was expecting (JSON String, Number, Array, \
                 Object or token 'null', 'true' or 'false')",
            ),
            (
                "[1",
                "error: Unexpected end-of-input: was expecting comma to separate Array entries",
            ),
            (
                "{a:1}",
                "error: Unexpected character ('a' (code 97)): was expecting double-quote to start \
                 field name",
            ),
        ] {
            assert_eq!(shown(text), written, "{text}");
        }
    }

    #[test]
    fn decimals_compare_by_value() {
        let number = |text: &str| parse(text, Duplicates::Last).ok();
        for (left, right, order) in [
            ("1.0", "1", Ordering::Equal),
            ("-2", "1e0", Ordering::Less),
            ("1e2", "99.5", Ordering::Greater),
            ("0.05", "0.1", Ordering::Less),
            ("0", "-0.1", Ordering::Greater),
        ] {
            let compared = number(left).and_then(|left| left.compare_numbers(&number(right)?));
            assert_eq!(compared, Some(order), "{left} {right}");
        }
    }
}
