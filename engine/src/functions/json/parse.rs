//! From a text to a JSON document: Jackson's grammar, with its messages.

use std::borrow::Cow;
use std::collections::HashMap;

use super::value::{BigDecimal, Json};

/// Arrays and objects may be nested this deep.
const MAX_DEPTH: usize = 1000;
/// From this many keys on, an object's keys are looked up by hash while it is read.
const HASHED_KEYS: usize = 16;

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
    use std::cmp::Ordering;

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
