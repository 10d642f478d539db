//! Filters of JSON paths: `[?(@.price < 10 && @.name =~ /a.*/i)]`.
//!
//! Source: the filter language of Jayway JsonPath 2.

use std::cmp::Ordering;

use regex::Regex;

use super::evaluate;
use super::parse::{Duplicates, parse as parse_json};
use super::path::{Path, PathError, Reader};
use super::value::Json;

/// A condition on a node.
#[derive(Debug, Clone)]
pub enum Filter {
    /// `a && b`
    And(Box<Self>, Box<Self>),
    /// `a || b`
    Or(Box<Self>, Box<Self>),
    /// `!a`
    Not(Box<Self>),
    /// `@.a`: the path leads somewhere.
    Exists(Path),
    /// `a < b`
    Compare(Operand, Operator, Operand),
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// A side of a comparison.
#[derive(Debug, Clone)]
pub enum Operand {
    /// A literal.
    Value(Json),
    /// What a path leads to.
    Path(Path),
    /// `/pattern/flags`
    Pattern(Regex),
}

/// An operator of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `==`, `===`
    Equal,
    /// `!=`, `!==`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `=~`
    Matches,
    /// `in`
    In,
    /// `nin`
    NotIn,
    /// `subsetof`
    SubsetOf,
    /// `anyof`
    AnyOf,
    /// `noneof`
    NoneOf,
    /// `contains`
    Contains,
    /// `size`
    Size,
    /// `empty`
    Empty,
}

const OPERATORS: [(&str, Operator); 17] = [
    ("===", Operator::Equal),
    ("!==", Operator::NotEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=~", Operator::Matches),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("in ", Operator::In),
    ("nin ", Operator::NotIn),
    ("subsetof ", Operator::SubsetOf),
    ("anyof ", Operator::AnyOf),
    ("noneof ", Operator::NoneOf),
    ("contains ", Operator::Contains),
    ("size ", Operator::Size),
    ("empty ", Operator::Empty),
];

/// Reads `( condition )`.
pub(super) fn parse(reader: &mut Reader) -> Result<Filter, PathError> {
    if !reader.eat('(') {
        return Err(PathError::Invalid);
    }
    let filter = parse_or(reader)?;
    reader.skip_blanks();
    if reader.eat(')') {
        Ok(filter)
    } else {
        Err(PathError::Invalid)
    }
}

fn parse_or(reader: &mut Reader) -> Result<Filter, PathError> {
    let mut left = parse_and(reader)?;
    loop {
        reader.skip_blanks();
        if !reader.eat_text("||") {
            return Ok(left);
        }
        left = Filter::Or(Box::new(left), Box::new(parse_and(reader)?));
    }
}

fn parse_and(reader: &mut Reader) -> Result<Filter, PathError> {
    let mut left = parse_operand(reader)?;
    loop {
        reader.skip_blanks();
        if !reader.eat_text("&&") {
            return Ok(left);
        }
        left = Filter::And(Box::new(left), Box::new(parse_operand(reader)?));
    }
}

fn parse_operand(reader: &mut Reader) -> Result<Filter, PathError> {
    reader.skip_blanks();
    if reader.eat('!') {
        return Ok(Filter::Not(Box::new(parse_operand(reader)?)));
    }
    if reader.peek() == Some('(') {
        return parse(reader);
    }
    let left = parse_side(reader)?;
    reader.skip_blanks();
    let before = reader.position();
    for (text, operator) in OPERATORS {
        if reader.eat_text(text) {
            let right = parse_side(reader)?;
            return Ok(Filter::Compare(left, operator, right));
        }
    }
    reader.go_back_to(before);
    match left {
        Operand::Path(path) => Ok(Filter::Exists(path)),
        _ => Err(PathError::Invalid),
    }
}

fn parse_side(reader: &mut Reader) -> Result<Operand, PathError> {
    reader.skip_blanks();
    match reader.peek() {
        Some('$' | '@') => Ok(Operand::Path(reader.path()?)),
        Some('\'' | '"') => Ok(Operand::Value(Json::String(reader.quoted()?))),
        Some('/') => parse_pattern(reader),
        Some('[' | '{') => parse_literal_document(reader),
        Some(_) => {
            let mut word = String::new();
            while let Some(letter) = reader.peek() {
                if !(letter.is_alphanumeric() || matches!(letter, '-' | '+' | '.' | '_')) {
                    break;
                }
                word.push(letter);
                reader.advance();
            }
            parse_json(&word, Duplicates::Last)
                .map(Operand::Value)
                .map_err(|_| PathError::Invalid)
        }
        None => Err(PathError::Invalid),
    }
}

/// `/pattern/i`
fn parse_pattern(reader: &mut Reader) -> Result<Operand, PathError> {
    reader.advance();
    let mut pattern = String::new();
    loop {
        match reader.advance() {
            None => return Err(PathError::Invalid),
            Some('\\') if reader.eat('/') => pattern.push('/'),
            Some('/') => break,
            Some(letter) => pattern.push(letter),
        }
    }
    let mut flags = String::new();
    while let Some(flag) = reader.peek().filter(char::is_ascii_alphabetic) {
        flags.push(flag);
        reader.advance();
    }
    let flags: String = flags
        .chars()
        .filter(|flag| "imsx".contains(*flag))
        .collect();
    let prefix = if flags.is_empty() {
        String::new()
    } else {
        format!("(?{flags})")
    };
    Regex::new(&format!("{prefix}^(?:{pattern})$"))
        .map(Operand::Pattern)
        .map_err(|_| PathError::Invalid)
}

/// An array or an object, to its closing bracket.
fn parse_literal_document(reader: &mut Reader) -> Result<Operand, PathError> {
    let mut text = String::new();
    let mut depth = 0_usize;
    let mut quote = None;
    while let Some(letter) = reader.advance() {
        match (quote, letter) {
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
        // Jayway takes single quotes in its literals, too.
        text.push(if letter == '\'' { '"' } else { letter });
        if depth == 0 {
            return parse_json(&text, Duplicates::Last)
                .map(Operand::Value)
                .map_err(|_| PathError::Invalid);
        }
    }
    Err(PathError::Invalid)
}

impl Filter {
    /// Whether a node meets the condition.
    pub(super) fn accepts(&self, node: &Json, root: &Json) -> bool {
        match self {
            Self::And(left, right) => left.accepts(node, root) && right.accepts(node, root),
            Self::Or(left, right) => left.accepts(node, root) || right.accepts(node, root),
            Self::Not(inner) => !inner.accepts(node, root),
            Self::Exists(path) => resolve(path, node, root).is_some(),
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.value(node, root), right.value(node, root));
                compare(&left, *operator, &right)
            }
        }
    }
}

/// A side's value.
enum Side<'a> {
    Json(Json),
    Missing,
    Pattern(&'a Regex),
}

impl Operand {
    fn value(&self, node: &Json, root: &Json) -> Side<'_> {
        match self {
            Self::Value(value) => Side::Json(value.clone()),
            Self::Path(path) => resolve(path, node, root).map_or(Side::Missing, Side::Json),
            Self::Pattern(pattern) => Side::Pattern(pattern),
        }
    }
}

fn resolve(path: &Path, node: &Json, root: &Json) -> Option<Json> {
    let start = if path.is_root { root } else { node };
    evaluate::read(path, start, root).ok()
}

fn compare(left: &Side<'_>, operator: Operator, right: &Side<'_>) -> bool {
    match (left, right) {
        (Side::Json(left), Side::Json(right)) => compare_values(left, operator, right),
        (Side::Json(value), Side::Pattern(pattern))
        | (Side::Pattern(pattern), Side::Json(value)) => {
            operator == Operator::Matches && matches(value, pattern)
        }
        (Side::Missing, Side::Missing) => operator == Operator::Equal,
        (Side::Missing, Side::Json(_)) | (Side::Json(_), Side::Missing) => {
            matches!(operator, Operator::NotEqual | Operator::NotIn)
        }
        _ => false,
    }
}

fn matches(value: &Json, pattern: &Regex) -> bool {
    match value {
        Json::Array(items) => items.iter().any(|item| matches(item, pattern)),
        value => pattern.is_match(&value.to_java_string()),
    }
}

fn compare_values(left: &Json, operator: Operator, right: &Json) -> bool {
    let order = || -> Option<Ordering> {
        match (left, right) {
            (Json::String(left), Json::String(right)) => Some(left.cmp(right)),
            _ => left.compare_numbers(right),
        }
    };
    match operator {
        Operator::Equal => equals(left, right),
        Operator::NotEqual => !equals(left, right),
        Operator::Less => order().is_some_and(Ordering::is_lt),
        Operator::LessOrEqual => order().is_some_and(Ordering::is_le),
        Operator::Greater => order().is_some_and(Ordering::is_gt),
        Operator::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        Operator::In => is_in(left, right),
        Operator::NotIn => !is_in(left, right),
        Operator::Contains => match left {
            Json::String(text) => matches!(right, Json::String(part) if text.contains(part)),
            left => is_in(right, left),
        },
        Operator::SubsetOf => items(left).all(|item| is_in(item, right)),
        Operator::AnyOf => items(left).any(|item| is_in(item, right)),
        Operator::NoneOf => !items(left).any(|item| is_in(item, right)),
        Operator::Size => {
            let size = match left {
                Json::Array(items) => items.len(),
                Json::String(text) => text.encode_utf16().count(),
                _ => return false,
            };
            matches!(right, Json::Int(wanted) if usize::try_from(*wanted) == Ok(size))
        }
        Operator::Empty => {
            let is_empty = match left {
                Json::Array(items) => items.is_empty(),
                Json::String(text) => text.is_empty(),
                Json::Object(entries) => entries.is_empty(),
                _ => return false,
            };
            *right == Json::Bool(is_empty)
        }
        // A pattern is no value.
        Operator::Matches => false,
    }
}

fn items(value: &Json) -> impl Iterator<Item = &Json> {
    match value {
        Json::Array(items) => items.iter(),
        _ => [].iter(),
    }
}

fn is_in(value: &Json, list: &Json) -> bool {
    items(list).any(|item| equals(value, item))
}

/// Numbers by value, a number and a text by the number's text.
fn equals(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::String(text), number) | (number, Json::String(text))
            if number.as_number().is_some() =>
        {
            number.to_java_string() == *text
        }
        _ => match left.compare_numbers(right) {
            Some(order) => order.is_eq(),
            None => left == right,
        },
    }
}
