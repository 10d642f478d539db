//! JSON paths, compiled.
//!
//! ```text
//!   lax $.a['b c'][0,2]..x[?(@.p > 1)].length()
//!   ─┬─ ─┬─────────┬───── ─┬──────────  ─┬─────
//!   mode property  index   scan, filter  function
//! ```
//!
//! Source: the dialect of Jayway JsonPath 2, which Flink 2.3 runs behind SQL's `lax` and `strict`;
//! without a mode a path is strict.

use super::filter::{self, Filter};
use super::parse::{Duplicates, parse};
use super::value::Json;

/// Whether a missing value is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Errors of the path and of the document are empty results.
    Lax,
    /// They are errors.
    Strict,
}

/// A path with its mode.
#[derive(Debug, Clone)]
pub struct PathSpec {
    /// The mode.
    pub mode: Mode,
    /// The path, or why it is none.
    pub path: Result<Path, String>,
}

impl PathSpec {
    /// Reads `[lax|strict] path`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (mode, path) = split_mode(text);
        let path = Path::compile(path).map_err(|error| match error {
            PathError::Empty => "path can not be null or empty".to_owned(),
            PathError::Invalid => format!(
                "Illegal jsonpath spec ''{text}'', format of the spec should be: ''<lax|strict> \
                 $'{{'expr'}}'''"
            ),
        });
        Self { mode, path }
    }
}

fn split_mode(text: &str) -> (Mode, &str) {
    let trimmed = text.trim_start();
    for (word, mode) in [("strict", Mode::Strict), ("lax", Mode::Lax)] {
        let Some((head, rest)) = trimmed.split_at_checked(word.len()) else {
            continue;
        };
        let spec = rest.trim_start();
        if head.eq_ignore_ascii_case(word) && spec.len() < rest.len() && !spec.is_empty() {
            return (mode, spec);
        }
    }
    (Mode::Strict, text)
}

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// It is empty.
    Empty,
    /// It is malformed.
    Invalid,
}

/// A compiled path.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Whether it begins at the document rather than at the current node of a filter.
    pub is_root: bool,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `.a`, `['a', 'b']`.
    Properties(Vec<String>),
    /// `.*`, `[*]`.
    Wildcard,
    /// `..`
    Scan,
    /// `[0]`, `[-1]`, `[0, 2]`.
    Indices(Vec<i64>),
    /// `[from:to]`
    Slice(Option<i64>, Option<i64>),
    /// `[?(…)]`
    Filter(Filter),
    /// `.length()`, `.concat($.a, $.b)`
    Function(Function, Vec<Argument>),
}

/// An argument of a function of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// A literal.
    Value(Json),
    /// What a path of the whole document leads to.
    Path(Path),
}

/// A function at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Smallest number of an array.
    Min,
    /// Largest number of an array.
    Max,
    /// Mean of an array.
    Avg,
    /// Sum of an array.
    Sum,
    /// Standard deviation of an array.
    Stddev,
    /// Number of elements or keys.
    Length,
    /// Keys of an object.
    Keys,
    /// First element.
    First,
    /// Last element.
    Last,
    /// Element at an index.
    Index,
    /// Texts of an array, one behind the other.
    Concat,
    /// No function of that name: an error when evaluated.
    Unknown,
}

impl Path {
    /// Compiles a path.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn compile(text: &str) -> Result<Self, PathError> {
        let trimmed = text.trim();
        if text.is_empty() || trimmed.is_empty() {
            return Err(PathError::Empty);
        }
        // Blanks before the root make a name of it, which then has blanks.
        let with_root = if text.starts_with(['$', '@']) {
            trimmed.to_owned()
        } else {
            format!("$.{}", text.trim_end())
        };
        if with_root.ends_with('.') {
            return Err(PathError::Invalid);
        }
        let mut reader = Reader::new(&with_root);
        let path = reader.path()?;
        if reader.peek().is_some() {
            return Err(PathError::Invalid);
        }
        Ok(path)
    }

    /// Whether the path stands for at most one value.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        Self::are_definite(&self.steps)
    }

    /// Whether these first steps stand for at most one value.
    #[must_use]
    pub fn are_definite(steps: &[Step]) -> bool {
        steps.iter().enumerate().all(|(step_idx, step)| match step {
            // Several properties at the end are one object of them.
            Step::Properties(names) => names.len() == 1 || step_idx + 1 == steps.len(),
            Step::Indices(indices) => indices.len() == 1,
            Step::Function(..) => true,
            Step::Wildcard | Step::Scan | Step::Slice(..) | Step::Filter(_) => false,
        })
    }

    /// The path as messages show it: `$['a'][0]`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::from(if self.is_root { "$" } else { "@" });
        for step in &self.steps {
            match step {
                Step::Properties(names) => {
                    let quoted: Vec<String> =
                        names.iter().map(|name| format!("'{name}'")).collect();
                    out.push_str(&format!("[{}]", quoted.join(",")));
                }
                Step::Wildcard => out.push_str("[*]"),
                Step::Scan => out.push_str(".."),
                Step::Indices(indices) => {
                    let shown: Vec<String> = indices.iter().map(ToString::to_string).collect();
                    out.push_str(&format!("[{}]", shown.join(",")));
                }
                Step::Slice(from, to) => {
                    let shown =
                        |bound: &Option<i64>| bound.map_or_else(String::new, |it| it.to_string());
                    out.push_str(&format!("[{}:{}]", shown(from), shown(to)));
                }
                Step::Filter(_) => out.push_str("[?]"),
                Step::Function(function, _) => {
                    out.push_str(&format!(".{function:?}()").to_lowercase());
                }
            }
        }
        out
    }
}

/// Reads a path, or a filter's expression, character by character.
#[derive(Debug)]
pub(super) struct Reader {
    letters: Vec<char>,
    position: usize,
    /// Inside of a filter a name ends before an operator.
    in_filter: bool,
}

impl Reader {
    pub(super) fn new(text: &str) -> Self {
        Self {
            letters: text.chars().collect(),
            position: 0,
            in_filter: false,
        }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.letters.get(self.position).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.position + ahead).copied()
    }

    pub(super) fn advance(&mut self) -> Option<char> {
        let letter = self.peek();
        self.position += usize::from(letter.is_some());
        letter
    }

    pub(super) fn eat(&mut self, letter: char) -> bool {
        let found = self.peek() == Some(letter);
        self.position += usize::from(found);
        found
    }

    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        let found = text
            .chars()
            .enumerate()
            .all(|(ahead, letter)| self.peek_at(ahead) == Some(letter));
        if found {
            self.position += text.chars().count();
        }
        found
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn go_back_to(&mut self, position: usize) {
        self.position = position;
    }

    /// `$` or `@` and the steps behind it, as far as they go.
    pub(super) fn path(&mut self) -> Result<Path, PathError> {
        let is_root = match self.advance() {
            Some('$') => true,
            Some('@') => false,
            _ => return Err(PathError::Invalid),
        };
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some('[') => {
                    self.position += 1;
                    steps.push(self.bracket()?);
                }
                Some('.') => {
                    self.position += 1;
                    if self.eat('.') {
                        steps.push(Step::Scan);
                    }
                    match self.peek() {
                        Some('[') => {}
                        Some('*') => {
                            self.position += 1;
                            steps.push(Step::Wildcard);
                        }
                        _ => steps.push(self.property()?),
                    }
                }
                _ => break,
            }
        }
        if matches!(steps.last(), Some(Step::Scan)) {
            return Err(PathError::Invalid);
        }
        Ok(Path { is_root, steps })
    }

    /// A name, or a call of a function.
    fn property(&mut self) -> Result<Step, PathError> {
        let mut name = String::new();
        while let Some(letter) = self.peek() {
            match letter {
                '.' | '[' | '(' => break,
                letter if letter.is_whitespace() => break,
                ')' | ']' | ',' | '=' | '<' | '>' | '!' | '&' | '|' | '~' if self.in_filter => {
                    break;
                }
                letter => name.push(letter),
            }
            self.position += 1;
        }
        if name.is_empty() {
            return Err(PathError::Invalid);
        }
        if self.peek() != Some('(') {
            return Ok(Step::Properties(vec![name]));
        }
        self.position += 1;
        let arguments = self.arguments()?;
        let function = match name.as_str() {
            "min" => Function::Min,
            "max" => Function::Max,
            "avg" => Function::Avg,
            "sum" => Function::Sum,
            "stddev" => Function::Stddev,
            "length" | "size" => Function::Length,
            "keys" => Function::Keys,
            "first" => Function::First,
            "last" => Function::Last,
            "index" => Function::Index,
            "concat" => Function::Concat,
            _ => Function::Unknown,
        };
        Ok(Step::Function(function, arguments))
    }

    /// The arguments of a function, and the closing parenthesis.
    fn arguments(&mut self) -> Result<Vec<Argument>, PathError> {
        let mut arguments = Vec::new();
        loop {
            self.skip_blanks();
            if arguments.is_empty() && self.eat(')') {
                return Ok(arguments);
            }
            arguments.push(match self.peek() {
                Some('$' | '@') => {
                    let was_in_filter = std::mem::replace(&mut self.in_filter, true);
                    let path = self.path()?;
                    self.in_filter = was_in_filter;
                    Argument::Path(path)
                }
                Some('\'' | '"') => Argument::Value(Json::String(self.quoted()?)),
                _ => {
                    let mut text = String::new();
                    while let Some(letter) = self.peek() {
                        if !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '+' | '.')) {
                            break;
                        }
                        text.push(letter);
                        self.position += 1;
                    }
                    let value = parse(&text, Duplicates::Last);
                    Argument::Value(value.map_err(|_| PathError::Invalid)?)
                }
            });
            self.skip_blanks();
            if self.eat(')') {
                return Ok(arguments);
            }
            if !self.eat(',') {
                return Err(PathError::Invalid);
            }
        }
    }

    fn integer(&mut self) -> Option<i64> {
        let mut text = String::new();
        if self.eat('-') {
            text.push('-');
        }
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            text.push(digit);
            self.position += 1;
        }
        text.parse().ok()
    }

    /// What stands behind `[`, and the closing bracket.
    fn bracket(&mut self) -> Result<Step, PathError> {
        self.skip_blanks();
        let step = match self.peek() {
            Some('\'' | '"') => self.names()?,
            Some('*') => {
                self.position += 1;
                Step::Wildcard
            }
            Some('?') => {
                self.position += 1;
                self.skip_blanks();
                if self.peek() != Some('(') {
                    return Err(PathError::Invalid);
                }
                let was_in_filter = std::mem::replace(&mut self.in_filter, true);
                let filter = filter::parse(self)?;
                self.in_filter = was_in_filter;
                Step::Filter(filter)
            }
            _ => self.indices()?,
        };
        self.skip_blanks();
        if self.eat(']') {
            Ok(step)
        } else {
            Err(PathError::Invalid)
        }
    }

    fn names(&mut self) -> Result<Step, PathError> {
        let mut names = Vec::new();
        loop {
            self.skip_blanks();
            names.push(self.quoted()?);
            self.skip_blanks();
            if !self.eat(',') {
                return Ok(Step::Properties(names));
            }
        }
    }

    /// A text in single or double quotes, with backslash escapes.
    pub(super) fn quoted(&mut self) -> Result<String, PathError> {
        let quote = self.advance().ok_or(PathError::Invalid)?;
        if !matches!(quote, '\'' | '"') {
            return Err(PathError::Invalid);
        }
        let mut text = String::new();
        loop {
            match self.advance() {
                None => return Err(PathError::Invalid),
                Some('\\') => match self.advance() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some('b') => text.push('\u{8}'),
                    Some('f') => text.push('\u{c}'),
                    Some('u') => {
                        let digits: String = (0..4).filter_map(|_| self.advance()).collect();
                        let code = u32::from_str_radix(&digits, 16).ok();
                        text.push(code.and_then(char::from_u32).ok_or(PathError::Invalid)?);
                    }
                    Some(letter) => text.push(letter),
                    None => return Err(PathError::Invalid),
                },
                Some(letter) if letter == quote => return Ok(text),
                Some(letter) => text.push(letter),
            }
        }
    }

    fn indices(&mut self) -> Result<Step, PathError> {
        let first = self.integer();
        self.skip_blanks();
        if self.eat(':') {
            self.skip_blanks();
            let to = self.integer();
            if first.is_none() && to.is_none() {
                return Err(PathError::Invalid);
            }
            return Ok(Step::Slice(first, to));
        }
        let mut indices = vec![first.ok_or(PathError::Invalid)?];
        while self.eat(',') {
            self.skip_blanks();
            indices.push(self.integer().ok_or(PathError::Invalid)?);
            self.skip_blanks();
        }
        Ok(Step::Indices(indices))
    }
}
