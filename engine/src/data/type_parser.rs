//! Reads the text of a Flink type: `ROW<a INT NOT NULL, b ARRAY<STRING>>`, `TIMESTAMP(3) WITH
//! LOCAL TIME ZONE`, `DECIMAL(10, 2)`.
//!
//! One parser serves column definitions, CAST, results of functions and the strings of the Table
//! API. It works on a few kinds of tokens of its own, so that the SQL parser can hand over its
//! tokens (and get an error's place back as the index of a token) and plain text can be split
//! without it.
//!
//! Source: `SqlDataTypeSpec` of Flink 2.3's SQL parser and `LogicalTypeParser`; lengths that are
//! left out are those of SQL (`VARCHAR` is `STRING`), not those of `LogicalTypeParser`.

use super::types::{
    DayTimeResolution, FlinkType, MAX_LENGTH, RowField, TypeRoot, YearMonthResolution,
};

/// Types may be nested this deep: each level is a frame of the parser's stack.
const MAX_DEPTH: usize = 64;

/// What a type's text is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeToken {
    /// A word without quotes.
    Word(String),
    /// An identifier in backticks, without them.
    Quoted(String),
    /// An unsigned integer.
    Number(u64),
    /// A string in single quotes, without them.
    Text(String),
    /// One of `< > ( ) ,`, or a character that no type contains.
    Symbol(char),
}

/// Why a text is no type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeParseError {
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// Index of the offending token; the number of tokens at the end of the text.
    pub token_idx: usize,
    /// Whether the text is a type of Flink that this engine does not have.
    pub unsupported: bool,
}

impl FlinkType {
    /// Reads a whole text as one type; nullable unless it says NOT NULL. It may have the length 0:
    /// such are the types of `''` and of what is computed from it.
    ///
    /// # Errors
    /// If the text is no type, says more than a type, or names a type that is not supported.
    pub fn parse(text: &str) -> crate::error::Result<Self> {
        let tokens = tokenize(text);
        let mut parser = Parser {
            tokens: &tokens,
            idx: 0,
            clamps: false,
        };
        let result = parser.parse_type(0).and_then(|flink_type| {
            if parser.idx == tokens.len() {
                return Ok(flink_type);
            }
            Err(TypeParseError {
                message: format!("unexpected {}", describe(tokens.get(parser.idx))),
                token_idx: parser.idx,
                unsupported: false,
            })
        });
        result.map_err(|error| {
            if error.unsupported {
                return crate::error::EngineError::Unsupported {
                    feature: error.message,
                };
            }
            crate::error::EngineError::Data {
                message: format!("'{text}' is no data type: {}", error.message),
            }
        })
    }
}

/// Reads the type at the beginning of `tokens`, as a statement writes it; gives it and the number
/// of tokens that it takes. What is too precise is as precise as can be: a DECIMAL has at most 38
/// digits, fractions of a second have 9, and those of a TIME 3. Source: measured in Flink 2.3, whose
/// planner limits types so before anybody looks at them.
///
/// # Errors
/// If no type stands there.
pub fn parse_prefix(tokens: &[TypeToken]) -> Result<(FlinkType, usize), TypeParseError> {
    let mut parser = Parser {
        tokens,
        idx: 0,
        clamps: true,
    };
    let flink_type = parser.parse_type(0)?;
    Ok((flink_type, parser.idx))
}

/// Splits text into tokens; never fails, unknown characters become symbols.
#[must_use]
pub fn tokenize(text: &str) -> Vec<TypeToken> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if c == '`' || c == '\'' {
            let mut value = String::new();
            while let Some(inner) = chars.next() {
                if inner != c {
                    value.push(inner);
                } else if chars.peek() == Some(&c) {
                    chars.next();
                    value.push(c);
                } else {
                    break;
                }
            }
            tokens.push(if c == '`' {
                TypeToken::Quoted(value)
            } else {
                TypeToken::Text(value)
            });
        } else if c.is_alphanumeric() || c == '_' || c == '$' {
            let mut word = String::from(c);
            while let Some(next) = chars.next_if(|n| n.is_alphanumeric() || *n == '_' || *n == '$')
            {
                word.push(next);
            }
            tokens.push(match word.parse::<u64>() {
                Ok(number) => TypeToken::Number(number),
                Err(_) => TypeToken::Word(word),
            });
        } else {
            tokens.push(TypeToken::Symbol(c));
        }
    }
    tokens
}

fn describe(token: Option<&TypeToken>) -> String {
    match token {
        None => "end of text".to_owned(),
        Some(TypeToken::Word(word)) => format!("'{word}'"),
        Some(TypeToken::Quoted(name)) => format!("`{name}`"),
        Some(TypeToken::Number(number)) => format!("'{number}'"),
        Some(TypeToken::Text(text)) => format!("string '{text}'"),
        Some(TypeToken::Symbol(symbol)) => format!("'{symbol}'"),
    }
}

struct Parser<'a> {
    tokens: &'a [TypeToken],
    idx: usize,
    /// Whether what is too precise is as precise as can be; else it is refused.
    clamps: bool,
}

impl Parser<'_> {
    /// type := root { [NOT] NULL | ARRAY | MULTISET } : the last two are SQL's postfix forms.
    fn parse_type(&mut self, depth: usize) -> Result<FlinkType, TypeParseError> {
        if depth > MAX_DEPTH {
            return self.error("the type is nested too deep");
        }
        let mut flink_type = FlinkType::nullable(self.parse_root(depth)?);
        loop {
            if self.eat_word("ARRAY") {
                flink_type = FlinkType::nullable(TypeRoot::Array(Box::new(flink_type)));
            } else if self.eat_word("MULTISET") {
                flink_type = FlinkType::nullable(TypeRoot::Multiset(Box::new(flink_type)));
            } else if self.peek_word("NOT") && self.peek_word_at(1, "NULL") {
                self.idx += 2;
                flink_type.nullable = false;
            } else if self.eat_word("NULL") {
                flink_type.nullable = true;
            } else {
                return Ok(flink_type);
            }
        }
    }

    fn parse_root(&mut self, depth: usize) -> Result<TypeRoot, TypeParseError> {
        let Some(TypeToken::Word(word)) = self.tokens.get(self.idx) else {
            return self.error(&format!("expected a data type, found {}", self.found()));
        };
        let name = word.to_ascii_uppercase();
        self.idx += 1;
        match name.as_str() {
            "BOOLEAN" => Ok(TypeRoot::Boolean),
            "TINYINT" => Ok(TypeRoot::TinyInt),
            "SMALLINT" => Ok(TypeRoot::SmallInt),
            "INT" | "INTEGER" => Ok(TypeRoot::Int),
            "BIGINT" => Ok(TypeRoot::BigInt),
            "FLOAT" => Ok(TypeRoot::Float),
            "DOUBLE" => {
                self.eat_word("PRECISION");
                Ok(TypeRoot::Double)
            }
            "DECIMAL" | "DEC" | "NUMERIC" => self.parse_decimal(),
            "STRING" => Ok(TypeRoot::Varchar(MAX_LENGTH)),
            "BYTES" => Ok(TypeRoot::Varbinary(MAX_LENGTH)),
            "CHAR" | "CHARACTER" => {
                if self.eat_word("VARYING") {
                    return Ok(TypeRoot::Varchar(self.parse_length(MAX_LENGTH)?));
                }
                Ok(TypeRoot::Char(self.parse_length(1)?))
            }
            "VARCHAR" => Ok(TypeRoot::Varchar(self.parse_length(MAX_LENGTH)?)),
            "BINARY" => {
                if self.eat_word("VARYING") {
                    return Ok(TypeRoot::Varbinary(self.parse_length(MAX_LENGTH)?));
                }
                Ok(TypeRoot::Binary(self.parse_length(1)?))
            }
            "VARBINARY" => Ok(TypeRoot::Varbinary(self.parse_length(MAX_LENGTH)?)),
            "DATE" => Ok(TypeRoot::Date),
            "TIME" => self.parse_time(),
            "TIMESTAMP" => self.parse_timestamp(),
            "TIMESTAMP_LTZ" => Ok(TypeRoot::TimestampLtz(self.parse_precision(0, 9, 6)?)),
            "INTERVAL" => self.parse_interval(),
            "ARRAY" => {
                self.expect('<')?;
                let element = self.parse_type(depth + 1)?;
                self.expect('>')?;
                Ok(TypeRoot::Array(Box::new(element)))
            }
            "MULTISET" => {
                self.expect('<')?;
                let element = self.parse_type(depth + 1)?;
                self.expect('>')?;
                Ok(TypeRoot::Multiset(Box::new(element)))
            }
            "MAP" => {
                self.expect('<')?;
                let key = self.parse_type(depth + 1)?;
                self.expect(',')?;
                let value = self.parse_type(depth + 1)?;
                self.expect('>')?;
                Ok(TypeRoot::Map(Box::new(key), Box::new(value)))
            }
            "ROW" => self.parse_row(depth),
            "NULL" => Ok(TypeRoot::Null),
            "VARIANT" => Ok(TypeRoot::Variant),
            "BITMAP" => Ok(TypeRoot::Bitmap),
            "STRUCTURED" => self.parse_structured(depth),
            "RAW" | "DESCRIPTOR" => Err(TypeParseError {
                message: format!("the data type {name}"),
                token_idx: self.idx - 1,
                unsupported: true,
            }),
            _ => {
                self.idx -= 1;
                self.error(&format!("unknown data type {}", self.found()))
            }
        }
    }

    fn parse_decimal(&mut self) -> Result<TypeRoot, TypeParseError> {
        if !self.eat('(') {
            return Ok(TypeRoot::Decimal {
                precision: 10,
                scale: 0,
            });
        }
        let precision = self.parse_clamped(1, 38, "the precision of DECIMAL")?;
        let scale = if self.eat(',') {
            self.parse_number(0, u64::from(precision), "the scale of DECIMAL")?
        } else {
            0
        };
        self.expect(')')?;
        Ok(TypeRoot::Decimal { precision, scale })
    }

    fn parse_time(&mut self) -> Result<TypeRoot, TypeParseError> {
        let max = if self.clamps { 3 } else { 9 };
        let precision = self.parse_precision(0, max, 0)?;
        if self.eat_word("WITHOUT") {
            self.expect_words(&["TIME", "ZONE"])?;
        }
        Ok(TypeRoot::Time(precision))
    }

    fn parse_timestamp(&mut self) -> Result<TypeRoot, TypeParseError> {
        let precision = self.parse_precision(0, 9, 6)?;
        if self.eat_word("WITHOUT") {
            self.expect_words(&["TIME", "ZONE"])?;
        } else if self.eat_word("WITH") {
            if !self.eat_word("LOCAL") {
                return Err(TypeParseError {
                    message: "the data type TIMESTAMP WITH TIME ZONE".to_owned(),
                    token_idx: self.idx,
                    unsupported: true,
                });
            }
            self.expect_words(&["TIME", "ZONE"])?;
            return Ok(TypeRoot::TimestampLtz(precision));
        }
        Ok(TypeRoot::Timestamp(precision))
    }

    fn parse_interval(&mut self) -> Result<TypeRoot, TypeParseError> {
        let Some(start) = self.parse_unit()? else {
            return self.error(&format!("expected a unit of time, found {}", self.found()));
        };
        let precision = self.parse_optional_number()?;
        let (end, end_precision) = if self.eat_word("TO") {
            let Some(end) = self.parse_unit()? else {
                return self.error(&format!("expected a unit of time, found {}", self.found()));
            };
            (Some(end), self.parse_optional_number()?)
        } else {
            (None, None)
        };
        interval(start, precision, end, end_precision).ok_or_else(|| TypeParseError {
            message: "the units of the interval do not fit together".to_owned(),
            token_idx: self.idx.saturating_sub(1),
            unsupported: false,
        })
    }

    fn parse_unit(&mut self) -> Result<Option<Unit>, TypeParseError> {
        for (word, unit) in [
            ("YEAR", Unit::Year),
            ("MONTH", Unit::Month),
            ("DAY", Unit::Day),
            ("HOUR", Unit::Hour),
            ("MINUTE", Unit::Minute),
            ("SECOND", Unit::Second),
        ] {
            if self.eat_word(word) {
                return Ok(Some(unit));
            }
        }
        Ok(None)
    }

    fn parse_row(&mut self, depth: usize) -> Result<TypeRoot, TypeParseError> {
        let close = if self.eat('(') {
            ')'
        } else {
            self.expect('<')?;
            '>'
        };
        Ok(TypeRoot::Row(self.parse_fields(close, depth)?))
    }

    /// `STRUCTURED<'class', name type, …>`.
    fn parse_structured(&mut self, depth: usize) -> Result<TypeRoot, TypeParseError> {
        self.expect('<')?;
        let class = match self.tokens.get(self.idx) {
            Some(TypeToken::Text(class)) => class.clone(),
            _ => return self.error(&format!("expected a class name, found {}", self.found())),
        };
        self.idx += 1;
        let fields = if self.eat(',') {
            self.parse_fields('>', depth)?
        } else {
            self.expect('>')?;
            Vec::new()
        };
        Ok(TypeRoot::Structured { class, fields })
    }

    /// `name type ['comment'], …` and the closing bracket.
    fn parse_fields(&mut self, close: char, depth: usize) -> Result<Vec<RowField>, TypeParseError> {
        let mut fields = Vec::new();
        if self.eat(close) {
            return Ok(fields);
        }
        loop {
            let name = match self.tokens.get(self.idx) {
                Some(TypeToken::Word(name) | TypeToken::Quoted(name)) => name.clone(),
                _ => {
                    return self.error(&format!("expected a field name, found {}", self.found()));
                }
            };
            self.idx += 1;
            let flink_type = self.parse_type(depth + 1)?;
            let comment = match self.tokens.get(self.idx) {
                Some(TypeToken::Text(comment)) => {
                    self.idx += 1;
                    Some(comment.clone())
                }
                _ => None,
            };
            fields.push(RowField {
                name,
                flink_type,
                comment,
            });
            if !self.eat(',') {
                break;
            }
        }
        self.expect(close)?;
        Ok(fields)
    }

    fn parse_length(&mut self, default: u32) -> Result<u32, TypeParseError> {
        if !self.eat('(') {
            return Ok(default);
        }
        let length = self.parse_number(0, u64::from(MAX_LENGTH), "the length of the type")?;
        self.expect(')')?;
        Ok(length)
    }

    fn parse_precision(&mut self, min: u64, max: u8, default: u8) -> Result<u8, TypeParseError> {
        if !self.eat('(') {
            return Ok(default);
        }
        let precision = self.parse_clamped(min, max, "the precision of the type")?;
        self.expect(')')?;
        Ok(precision)
    }

    fn parse_optional_number(&mut self) -> Result<Option<u8>, TypeParseError> {
        if !self.eat('(') {
            return Ok(None);
        }
        let number = self.parse_number(0, 9, "the precision of the interval")?;
        self.expect(')')?;
        Ok(Some(number))
    }

    /// As [`Self::parse_number`], where what is too much may be the most.
    fn parse_clamped(&mut self, min: u64, max: u8, what: &str) -> Result<u8, TypeParseError> {
        match self.tokens.get(self.idx) {
            Some(TypeToken::Number(number)) if self.clamps && *number > u64::from(max) => {
                self.idx += 1;
                Ok(max)
            }
            _ => self.parse_number(min, u64::from(max), what),
        }
    }

    fn parse_number<T: TryFrom<u64>>(
        &mut self,
        min: u64,
        max: u64,
        what: &str,
    ) -> Result<T, TypeParseError> {
        let Some(TypeToken::Number(number)) = self.tokens.get(self.idx) else {
            return self.error(&format!("expected a number, found {}", self.found()));
        };
        match T::try_from(*number) {
            Ok(value) if (min..=max).contains(number) => {
                self.idx += 1;
                Ok(value)
            }
            _ => self.error(&format!(
                "{what} must be between {min} and {max}, not {number}"
            )),
        }
    }

    fn peek_word(&self, word: &str) -> bool {
        self.peek_word_at(0, word)
    }

    fn peek_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.tokens.get(self.idx + ahead), Some(TypeToken::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word(word);
        self.idx += usize::from(found);
        found
    }

    fn expect_words(&mut self, words: &[&str]) -> Result<(), TypeParseError> {
        for word in words {
            if !self.eat_word(word) {
                return self.error(&format!("expected {word}, found {}", self.found()));
            }
        }
        Ok(())
    }

    fn eat(&mut self, symbol: char) -> bool {
        let found = self.tokens.get(self.idx) == Some(&TypeToken::Symbol(symbol));
        self.idx += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: char) -> Result<(), TypeParseError> {
        if self.eat(symbol) {
            return Ok(());
        }
        self.error(&format!("expected '{symbol}', found {}", self.found()))
    }

    fn found(&self) -> String {
        describe(self.tokens.get(self.idx))
    }

    fn error<T>(&self, message: &str) -> Result<T, TypeParseError> {
        Err(TypeParseError {
            message: message.to_owned(),
            token_idx: self.idx,
            unsupported: false,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// The interval between two units, or `None` if there is no such type.
fn interval(
    start: Unit,
    precision: Option<u8>,
    end: Option<Unit>,
    end_precision: Option<u8>,
) -> Option<TypeRoot> {
    let year_month = |resolution| {
        Some(TypeRoot::IntervalYearMonth {
            resolution,
            year_precision: precision.unwrap_or(2),
        })
    };
    match (start, end) {
        (Unit::Year, None) => return year_month(YearMonthResolution::Year),
        (Unit::Year, Some(Unit::Month)) => return year_month(YearMonthResolution::YearToMonth),
        (Unit::Month, None) => return year_month(YearMonthResolution::Month),
        _ => {}
    }
    let resolution = match (start, end) {
        (Unit::Day, None) => DayTimeResolution::Day,
        (Unit::Day, Some(Unit::Hour)) => DayTimeResolution::DayToHour,
        (Unit::Day, Some(Unit::Minute)) => DayTimeResolution::DayToMinute,
        (Unit::Day, Some(Unit::Second)) => DayTimeResolution::DayToSecond,
        (Unit::Hour, None) => DayTimeResolution::Hour,
        (Unit::Hour, Some(Unit::Minute)) => DayTimeResolution::HourToMinute,
        (Unit::Hour, Some(Unit::Second)) => DayTimeResolution::HourToSecond,
        (Unit::Minute, None) => DayTimeResolution::Minute,
        (Unit::Minute, Some(Unit::Second)) => DayTimeResolution::MinuteToSecond,
        (Unit::Second, None) => DayTimeResolution::Second,
        _ => return None,
    };
    let of_seconds = if start == Unit::Second {
        precision
    } else {
        end_precision
    };
    Some(TypeRoot::IntervalDayTime {
        resolution,
        day_precision: if start == Unit::Day { precision } else { None }.unwrap_or(2),
        fractional_precision: of_seconds.unwrap_or(6),
    })
}
