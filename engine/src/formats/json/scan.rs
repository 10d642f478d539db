//! Reads one JSON value from bytes, borrowing what needs no unescaping.
//!
//! Our own scanner, because Flink's (Jackson) takes raw control characters within texts and does
//! not look at what follows a value, and because fields that nobody asked for are stepped over
//! without being built.

use std::borrow::Cow;

/// Values nested deeper than this are refused.
const MAX_DEPTH: usize = 200;

/// A value; numbers are kept as their text.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::formats) enum Json<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// What is wrong, in words.
pub(in crate::formats) type ScanError = &'static str;

const CUT: ScanError = "the JSON ends too early";

/// Names of fields to look for.
#[derive(Debug)]
pub(in crate::formats) struct Names {
    names: Vec<String>,
    /// Each as it mostly stands in a text, with quotes and colon.
    tokens: Vec<Vec<u8>>,
}

impl Names {
    pub(in crate::formats) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let names: Vec<String> = names.map(ToOwned::to_owned).collect();
        let token = |name: &String| match name.contains(['"', '\\']) {
            false => format!("\"{name}\":").into_bytes(),
            // It is not written as it is; this is the start of no name.
            true => b":".to_vec(),
        };
        Self {
            tokens: names.iter().map(token).collect(),
            names,
        }
    }
}

/// A place in the bytes of one line.
#[derive(Debug, Clone)]
pub(in crate::formats) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(in crate::formats) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// The next byte that is no white space, not taken.
    pub(in crate::formats) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Whether the next bytes are these; then they are taken.
    pub(in crate::formats) fn take(&mut self, token: &[u8]) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let is_next = rest.starts_with(token);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    /// Takes a whole number of at most 18 digits that is written without fraction and exponent;
    /// takes nothing if something else is next.
    pub(in crate::formats) fn small_integer(&mut self) -> Option<i64> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let (is_negative, digits) = match rest {
            [b'-', digits @ ..] => (true, digits),
            _ => (false, rest),
        };
        let mut value = 0_i64;
        let mut n_digits = 0;
        for &byte in digits.iter().take(18) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value * 10 + i64::from(digit);
            n_digits += 1;
        }
        let has_leading_zero = n_digits > 1 && digits.first() == Some(&b'0');
        let ends = match digits.get(n_digits) {
            None => true,
            Some(next) => !matches!(next, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'),
        };
        if n_digits == 0 || has_leading_zero || !ends {
            return None;
        }
        self.at += n_digits + usize::from(is_negative);
        Some(if is_negative { -value } else { value })
    }

    fn expect(&mut self, byte: u8, message: ScanError) -> Result<(), ScanError> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(message),
            None => Err(CUT),
        }
    }

    /// Calls `field` with each name of the object that is next; it must take the value.
    pub(in crate::formats) fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.expect(b'{', "no JSON object")?;
        self.nested(|this| {
            if this.peek() == Some(b'}') {
                this.at += 1;
                return Ok(());
            }
            loop {
                if this.peek() != Some(b'"') {
                    return Err("a field has no name in quotes");
                }
                let name = this.string()?;
                this.expect(b':', "no ':' behind the name of a field")?;
                field(this, name)?;
                if this.more(b'}', "neither ',' nor '}' behind a field")? {
                    return Ok(());
                }
            }
        })
    }

    /// As [`Self::object`], with the index of each name among `names`; none for others.
    pub(in crate::formats) fn record(
        &mut self,
        names: &Names,
        mut field: impl FnMut(&mut Self, Option<usize>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.expect(b'{', "no JSON object")?;
        self.nested(|this| {
            if this.peek() == Some(b'}') {
                this.at += 1;
                return Ok(());
            }
            // Objects tend to have their fields in the same order: look at the next one first.
            let mut next = 0;
            loop {
                if this.peek() != Some(b'"') {
                    return Err("a field has no name in quotes");
                }
                let token = names.tokens.get(next);
                let found = if token.is_some_and(|token| this.take(token)) {
                    Some(next)
                } else {
                    let name = this.string()?;
                    this.expect(b':', "no ':' behind the name of a field")?;
                    names.names.iter().position(|known| *known == *name)
                };
                next = found.map_or(next, |found| found + 1);
                field(this, found)?;
                if this.more(b'}', "neither ',' nor '}' behind a field")? {
                    return Ok(());
                }
            }
        })
    }

    /// Calls `element` for each element of the array that is next; it must take the value.
    pub(in crate::formats) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.expect(b'[', "no JSON array")?;
        self.nested(|this| {
            if this.peek() == Some(b']') {
                this.at += 1;
                return Ok(());
            }
            loop {
                element(this)?;
                if this.more(b']', "neither ',' nor ']' behind an element")? {
                    return Ok(());
                }
            }
        })
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the JSON is nested too deeply");
        }
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    /// Takes a comma, or the closing byte: then true.
    fn more(&mut self, close: u8, message: ScanError) -> Result<bool, ScanError> {
        let Some(byte) = self.peek() else {
            return Err(CUT);
        };
        self.at += 1;
        match byte {
            b',' => Ok(false),
            _ if byte == close => Ok(true),
            _ => Err(message),
        }
    }

    /// Takes any value.
    pub(in crate::formats) fn value(&mut self) -> Result<Json<'a>, ScanError> {
        match self.peek().ok_or(CUT)? {
            b'{' => {
                let mut fields = Vec::new();
                self.object(|this, name| {
                    let value = this.value()?;
                    fields.push((name, value));
                    Ok(())
                })?;
                Ok(Json::Object(fields))
            }
            b'[' => {
                let mut elements = Vec::new();
                self.array(|this| {
                    elements.push(this.value()?);
                    Ok(())
                })?;
                Ok(Json::Array(elements))
            }
            b'"' => Ok(Json::Text(self.string()?)),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    /// Steps over any value.
    pub(in crate::formats) fn skip(&mut self) -> Result<(), ScanError> {
        match self.peek().ok_or(CUT)? {
            b'{' => self.object(|this, _| this.skip()),
            b'[' => self.array(Self::skip),
            b'"' => self.string().map(|_| ()),
            _ => self.value().map(|_| ()),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, ScanError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err("no JSON value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Json<'a>, ScanError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .count();
        let text = rest.get(..length).unwrap_or_default();
        if !is_number(text.as_bytes()) {
            return Err("no JSON value");
        }
        self.at += length;
        Ok(Json::Number(text))
    }

    /// Takes the text whose opening quote is next.
    pub(in crate::formats) fn string(&mut self) -> Result<Cow<'a, str>, ScanError> {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let rest = bytes.get(start..).unwrap_or_default();
        let end = quote_or_backslash(rest).ok_or(CUT)? + start;
        if bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(self.text.get(start..end).unwrap_or_default()));
        }
        let mut owned = self.text.get(start..end).unwrap_or_default().to_owned();
        self.at = end;
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let next = memchr::memchr2(b'"', b'\\', rest).ok_or(CUT)? + self.at;
            owned.push_str(self.text.get(self.at..next).unwrap_or_default());
            self.at = next + 1;
            if bytes.get(next) == Some(&b'"') {
                return Ok(Cow::Owned(owned));
            }
            owned.push(self.escape()?);
        }
    }

    /// Takes what stands behind a backslash.
    fn escape(&mut self) -> Result<char, ScanError> {
        let byte = self.text.as_bytes().get(self.at).copied().ok_or(CUT)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                match unit {
                    0xD800..=0xDBFF => self.pair(unit),
                    _ => char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            _ => return Err("unknown escape in a text"),
        })
    }

    fn unit(&mut self) -> Result<u32, ScanError> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(CUT)?;
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| "no four hexadecimal digits behind '\\u'")
    }

    /// The second half of a surrogate pair; a half alone has no character.
    fn pair(&mut self, high: u32) -> char {
        let before = self.at;
        if self.text.get(self.at..self.at + 2) == Some("\\u") {
            self.at += 2;
            if let Ok(low @ 0xDC00..=0xDFFF) = self.unit() {
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            }
            self.at = before;
        }
        char::REPLACEMENT_CHARACTER
    }
}

/// Words of eight bytes that are looked at before the search through a long text begins: it costs
/// more than most texts are long.
const SHORT_TEXT_BYTES: usize = 32;

/// Where the first quote or backslash is.
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < SHORT_TEXT_BYTES {
        let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) else {
            break;
        };
        let word = u64::from_le_bytes(*word);
        let hits = equal_bytes(word, b'"') | equal_bytes(word, b'\\');
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let found = memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
    Some(at + found)
}

/// The highest bit of each byte of `word` that is `byte`. Bits above the lowest one may be wrong.
///
/// Source: "Determine if a word has a byte equal to n", Bit Twiddling Hacks, S. E. Anderson.
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let differences = word ^ (ONES * u64::from(byte));
    differences.wrapping_sub(ONES) & !differences & (ONES << 7)
}

/// JSON's grammar of numbers.
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let n_whole = digits(rest);
    if n_whole == 0 || (n_whole > 1 && rest.first() == Some(&b'0')) {
        return false;
    }
    rest = rest.get(n_whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n_fraction = digits(fraction);
        if n_fraction == 0 {
            return false;
        }
        rest = fraction.get(n_fraction..).unwrap_or_default();
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            _ => exponent,
        };
        let n_exponent = digits(exponent);
        if n_exponent == 0 {
            return false;
        }
        rest = exponent.get(n_exponent..).unwrap_or_default();
    }
    rest.is_empty()
}
