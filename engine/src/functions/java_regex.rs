//! Java's regular expressions on the engine of this process.
//!
//! The pattern is translated: what both write differently is spelled out, what only Java has runs
//! on the backtracking engine (look-around, back references, possessive quantifiers), everything
//! else in linear time.
//!
//! ```text
//!   \d \w \s       ASCII only, as in Java without UNICODE_CHARACTER_CLASS
//!   \p{Alpha}      [a-zA-Z]         \p{javaLowerCase}, blocks \p{InGreek}: not known
//!   \Qa.b\E        a\.b
//!   \h \R \Z \e    spelled out
//! ```
//!
//! Source: `java.util.regex.Pattern`, Java 17.

use fancy_regex::Regex;

/// A compiled pattern.
#[derive(Debug)]
pub struct JavaRegex {
    regex: Regex,
}

impl JavaRegex {
    /// Compiles a pattern; `None` if Java would refuse it, or for the few things that are not
    /// known here.
    #[must_use]
    pub fn parse(pattern: &str) -> Option<Self> {
        let translated = Translation::of(pattern)?;
        Regex::new(&translated).ok().map(|regex| Self { regex })
    }

    /// Whether the pattern is found anywhere.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text).unwrap_or(false)
    }

    /// Number of groups, without the whole match.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.regex.captures_len().saturating_sub(1)
    }

    /// The places of all matches, one after the other; an empty match moves on by a character.
    pub fn matches<'t>(&self, text: &'t str) -> impl Iterator<Item = fancy_regex::Match<'t>> {
        self.regex.find_iter(text).map_while(Result::ok)
    }

    /// The groups of the first match.
    #[must_use]
    pub fn captures<'t>(&self, text: &'t str) -> Option<fancy_regex::Captures<'t>> {
        self.regex.captures(text).ok().flatten()
    }

    /// The groups of all matches.
    pub fn all_captures<'t>(
        &self,
        text: &'t str,
    ) -> impl Iterator<Item = fancy_regex::Captures<'t>> {
        self.regex.captures_iter(text).map_while(Result::ok)
    }

    /// `text` with every match replaced by `replacement`, which is taken literally.
    #[must_use]
    pub fn replace_all(&self, text: &str, replacement: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for found in self.matches(text) {
            out.push_str(text.get(copied..found.start()).unwrap_or_default());
            out.push_str(replacement);
            copied = found.end();
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    /// The parts of `text` between the matches, as `String.split` gives them: an empty match at
    /// the beginning begins no part, and empty parts at the end are left out.
    #[must_use]
    pub fn split<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut parts = Vec::new();
        let mut begin = 0;
        for found in self.matches(text) {
            if found.end() == 0 {
                continue;
            }
            parts.push(text.get(begin..found.start()).unwrap_or_default());
            begin = found.end();
        }
        if parts.is_empty() {
            return vec![text];
        }
        parts.push(text.get(begin..).unwrap_or_default());
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        parts
    }
}

/// Characters that mean themselves behind a backslash.
fn is_plain(letter: char) -> bool {
    !letter.is_ascii_alphanumeric()
}

struct Translation {
    letters: Vec<char>,
    at: usize,
    out: String,
    /// How many `[` are open.
    class_depth: usize,
}

impl Translation {
    fn of(pattern: &str) -> Option<String> {
        let mut translation = Self {
            letters: pattern.chars().collect(),
            at: 0,
            out: String::with_capacity(pattern.len() + 8),
            class_depth: 0,
        };
        while let Some(letter) = translation.next() {
            translation.letter(letter)?;
        }
        Some(translation.out)
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.letters.get(self.at).copied();
        self.at += 1;
        letter
    }

    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn letter(&mut self, letter: char) -> Option<()> {
        match letter {
            '\\' => return self.escape(),
            '[' => {
                self.class_depth += 1;
                self.out.push('[');
                if self.peek() == Some('^') {
                    self.at += 1;
                    self.out.push('^');
                }
                // A bracket that closes at once is one of the class.
                if self.peek() == Some(']') {
                    self.at += 1;
                    self.out.push_str(r"\]");
                }
            }
            ']' if self.class_depth > 0 => {
                self.class_depth -= 1;
                self.out.push(']');
            }
            // Only `&&` means something in a class of Java.
            '~' | '-' if self.class_depth > 0 && self.peek() == Some(letter) => {
                self.out.push('\\');
                self.out.push(letter);
            }
            ']' | '}' => {
                if letter == ']' || !self.closes_repetition() {
                    self.out.push('\\');
                }
                self.out.push(letter);
            }
            '{' if !self.opens_repetition() => return None,
            letter => self.out.push(letter),
        }
        Some(())
    }

    fn opens_repetition(&self) -> bool {
        self.class_depth > 0 || self.peek().is_some_and(|next| next.is_ascii_digit())
    }

    /// Whether the `}` here ends a `{n,m}` that began before.
    fn closes_repetition(&self) -> bool {
        let before = self
            .letters
            .get(..self.at.saturating_sub(1))
            .unwrap_or_default();
        before
            .iter()
            .rev()
            .find(|letter| !(letter.is_ascii_digit() || **letter == ','))
            == Some(&'{')
    }

    fn escape(&mut self) -> Option<()> {
        let letter = self.next()?;
        let in_class = self.class_depth > 0;
        let class = |inside: &str, negated: bool| match (in_class, negated) {
            (true, false) => inside.to_owned(),
            (true, true) | (false, true) => format!("[^{inside}]"),
            (false, false) => format!("[{inside}]"),
        };
        let text = match letter {
            'd' => class("0-9", false),
            'D' => class("0-9", true),
            'w' => class("a-zA-Z0-9_", false),
            'W' => class("a-zA-Z0-9_", true),
            's' => class(r" \t\n\x0B\f\r", false),
            'S' => class(r" \t\n\x0B\f\r", true),
            'h' => class(HORIZONTAL, false),
            'H' => class(HORIZONTAL, true),
            'v' => class(VERTICAL, false),
            'V' => class(VERTICAL, true),
            'R' if !in_class => r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])".to_owned(),
            'Z' if !in_class => r"(?=\n?\z)".to_owned(),
            'A' | 'z' | 'b' | 'B' | 'G' if !in_class => format!("\\{letter}"),
            'k' if !in_class => r"\k".to_owned(),
            't' | 'n' | 'r' | 'f' => format!("\\{letter}"),
            'a' => r"\x07".to_owned(),
            'e' => r"\x1B".to_owned(),
            'c' => {
                let code = u32::from(self.next()?) ^ 64;
                format!("\\x{{{code:X}}}")
            }
            '0' => format!("\\x{{{:X}}}", self.octal()?),
            'x' => format!("\\x{{{:X}}}", self.hex_code(2)?),
            'u' => format!("\\x{{{:X}}}", self.hex_code(4)?),
            'p' | 'P' => self.property(letter == 'P')?,
            'Q' => self.quoted(),
            'E' => String::new(),
            '1'..='9' if !in_class => format!("\\{letter}"),
            letter if is_plain(letter) => escaped(letter),
            _ => return None,
        };
        self.out.push_str(&text);
        Some(())
    }

    fn octal(&mut self) -> Option<u32> {
        let mut code = 0;
        let mut n_digits = 0;
        while let Some(digit) = self.peek().and_then(|letter| letter.to_digit(8)) {
            if n_digits == 3 || (n_digits == 2 && code > 0o37) {
                break;
            }
            code = code * 8 + digit;
            n_digits += 1;
            self.at += 1;
        }
        (n_digits > 0).then_some(code)
    }

    fn hex_code(&mut self, n_digits: usize) -> Option<u32> {
        let mut digits = String::new();
        if n_digits == 2 && self.peek() == Some('{') {
            self.at += 1;
            loop {
                match self.next()? {
                    '}' => break,
                    digit => digits.push(digit),
                }
            }
        } else {
            for _ in 0..n_digits {
                digits.push(self.next()?);
            }
        }
        u32::from_str_radix(&digits, 16).ok()
    }

    /// `\p{Alpha}`, `\p{L}`, `\pL`, `\p{IsLatin}`, `\p{script=Latin}`.
    fn property(&mut self, negated: bool) -> Option<String> {
        let name = match self.next()? {
            '{' => {
                let mut name = String::new();
                loop {
                    match self.next()? {
                        '}' => break name,
                        letter => name.push(letter),
                    }
                }
            }
            letter => letter.to_string(),
        };
        if let Some((_, inside)) = POSIX.iter().find(|(posix, _)| *posix == name) {
            let not = if negated { "^" } else { "" };
            return Some(format!("[{not}{inside}]"));
        }
        let name = name.strip_prefix("Is").unwrap_or(&name);
        let sign = if negated { 'P' } else { 'p' };
        Some(format!("\\{sign}{{{name}}}"))
    }

    /// The rest up to `\E`, with all that is special escaped.
    fn quoted(&mut self) -> String {
        let mut text = String::new();
        while let Some(letter) = self.next() {
            if letter == '\\' && self.peek() == Some('E') {
                self.at += 1;
                break;
            }
            text.push_str(&escaped(letter));
        }
        text
    }
}

fn escaped(letter: char) -> String {
    if letter.is_ascii_punctuation() {
        format!("\\{letter}")
    } else {
        letter.to_string()
    }
}

const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x0B\f\r\x{85}\x{2028}\x{2029}";

/// Java's POSIX classes, ASCII only.
const POSIX: &[(&str, &str)] = &[
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", r"\x00-\x7F"),
    ("Alpha", "a-zA-Z"),
    ("Digit", "0-9"),
    ("Alnum", "a-zA-Z0-9"),
    ("Punct", r"!-/:-@\[-`{-~"),
    ("Graph", "!-~"),
    ("Print", " -~"),
    ("Blank", r" \t"),
    ("Cntrl", r"\x00-\x1F\x7F"),
    ("XDigit", "0-9a-fA-F"),
    ("Space", r" \t\n\x0B\f\r"),
    ("javaLowerCase", r"\p{Lowercase}"),
    ("javaUpperCase", r"\p{Uppercase}"),
    ("javaWhitespace", r"\s"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn patterns_of_java() {
        // pattern, text, whether it is found
        let cases = [
            (r"foo(?=bar)", "foobar", true),
            (r"(?<=a)b", "cb", false),
            (r"(a)\1", "aa", true),
            (r"(?<x>a)\k<x>", "aa", true),
            (r"a++b", "aaa", false),
            (r"(?i)abc", "ABC", true),
            (r"\p{Alpha}\d", "a1", true),
            (r"\w", "é", false),
            (r"\p{L}", "é", true),
            (r"\p{IsLatin}", "é", true),
            (r"[a-z&&[^b]]", "b", false),
            (r"[a-z&&[^b]]", "a", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            (r"[\d-]+x", "1-2x", true),
            (r"\u0041", "A", true),
            (r"\x41", "A", true),
            (r"\0101", "A", true),
            (r"a{2,3}", "aa", true),
            (r"a}", "a}", true),
            (r"[]a]", "]", true),
            (r"end\Z", "end\n", true),
        ];
        for (pattern, text, found) in cases {
            let regex = JavaRegex::parse(pattern).unwrap_or_else(|| panic!("{pattern}"));
            assert_eq!(regex.is_match(text), found, "{pattern} in {text}");
        }
        for bad in ["(", "[", r"\y", "*a", "a{", r"\p{Nope}"] {
            assert!(JavaRegex::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn split_as_java_splits() {
        let parts =
            |pattern: &str, text: &'static str| JavaRegex::parse(pattern).unwrap().split(text);
        assert_eq!(parts(",", "a,b,,"), ["a", "b"]);
        assert_eq!(parts(",", ""), [""]);
        assert!(parts(",", ",").is_empty());
        assert_eq!(parts("", "ab"), ["a", "b"]);
        assert_eq!(parts("x", "ab"), ["ab"]);
    }
}
