//! The options of WITH, read by type. What a connector or format knows is a table of
//! [`OptionSpec`]s; everything else is refused, with the list of those that exist.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use super::iso_duration;
use crate::error::{EngineError, Result};

/// One option that a connector or format knows.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// What stands before the key: `value.` of `value.json.ignore-parse-errors`.
    prefix: &'static str,
    /// The key in WITH. `#` stands for any name: `fields.#.kind`.
    pub key: &'static str,
    /// Whether a table without it is refused.
    pub required: bool,
}

/// An option that may be left out.
pub const fn optional(key: &'static str) -> OptionSpec {
    OptionSpec {
        prefix: "",
        key,
        required: false,
    }
}

/// An option that must be given.
pub const fn required(key: &'static str) -> OptionSpec {
    OptionSpec {
        prefix: "",
        key,
        required: true,
    }
}

impl OptionSpec {
    /// The same option behind `prefix`, for a part of the table.
    #[must_use]
    pub const fn behind(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    fn full_key(&self) -> String {
        format!("{}{}", self.prefix, self.key)
    }

    fn matches(&self, key: &str) -> bool {
        let Some(key) = key.strip_prefix(self.prefix) else {
            return false;
        };
        match self.key.split_once('#') {
            None => self.key == key,
            Some((before, after)) => {
                key.len() > before.len() + after.len()
                    && key.starts_with(before)
                    && key.ends_with(after)
            }
        }
    }
}

/// The options of one table, tested for unknown and missing keys.
#[derive(Debug)]
pub struct TableOptions<'a> {
    table: &'a str,
    options: &'a BTreeMap<String, String>,
    /// What stands before the keys that are asked for.
    prefix: &'static str,
}

impl<'a> TableOptions<'a> {
    /// Tests the options of `table` against what exists; `'connector'` always does.
    ///
    /// # Errors
    /// `Options` with the known keys if one is unknown or missing.
    pub fn check(
        table: &'a str,
        options: &'a BTreeMap<String, String>,
        specs: &[OptionSpec],
    ) -> Result<Self> {
        let known = |key: &str| key == "connector" || specs.iter().any(|spec| spec.matches(key));
        let unknown: Vec<&str> = options
            .keys()
            .map(String::as_str)
            .filter(|&key| !known(key))
            .collect();
        let missing: Vec<String> = specs
            .iter()
            .filter(|spec| spec.required)
            .map(OptionSpec::full_key)
            .filter(|key| !options.contains_key(key))
            .collect();
        let this = Self {
            table,
            options,
            prefix: "",
        };
        let hint = unknown
            .first()
            .and_then(|key| Some((key, nearest(key, specs)?)))
            .map(|(key, known)| format!("\n  hint: did you mean '{known}' with '{key}'?"))
            .unwrap_or_default();
        if !missing.is_empty() {
            return Err(this.error(format!(
                "required options are missing: {}{}{hint}",
                quoted(&missing),
                supported(specs)
            )));
        }
        if unknown.is_empty() {
            return Ok(this);
        }
        Err(this.error(format!(
            "unsupported options: {}{}{hint}",
            quoted(&unknown),
            supported(specs)
        )))
    }

    /// The options behind `prefix`, asked for without it.
    #[must_use]
    pub const fn behind(&self, prefix: &'static str) -> Self {
        Self {
            table: self.table,
            options: self.options,
            prefix,
        }
    }

    /// An error that names the table.
    #[must_use]
    pub fn error(&self, message: impl AsRef<str>) -> EngineError {
        EngineError::Options {
            message: format!("table '{}': {}", self.table, message.as_ref()),
        }
    }

    /// The text of an option.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'a str> {
        let value = match self.prefix {
            "" => self.options.get(key),
            prefix => self.options.get(&format!("{prefix}{key}")),
        };
        value.map(String::as_str)
    }

    /// The keys that begin with `prefix`.
    pub fn keys_with(&self, prefix: &str) -> impl Iterator<Item = &'a str> {
        self.options
            .keys()
            .map(String::as_str)
            .filter(move |key| key.starts_with(prefix))
    }

    /// A number, or anything else that reads itself from text.
    ///
    /// # Errors
    /// `Options` if the text does not fit; `expected` says what would.
    pub fn parse<T: FromStr>(&self, key: &str, expected: &str) -> Result<Option<T>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        match text.trim().parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(self.invalid(key, text, expected)),
        }
    }

    /// `true` or `false`, in any case.
    ///
    /// # Errors
    /// `Options` for anything else.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.text(key) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(self.invalid(key, text, "true or false")),
        }
    }

    /// One ASCII character; Java's escapes such as `\t` are understood.
    ///
    /// # Errors
    /// `Options` for more, fewer or other characters.
    pub fn character(&self, key: &str) -> Result<Option<u8>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        let byte = match text {
            "\\t" => b'\t',
            "\\n" => b'\n',
            "\\r" => b'\r',
            "\\\\" => b'\\',
            _ => match text.as_bytes() {
                [byte] if byte.is_ascii() => *byte,
                _ => match unicode_escape(text) {
                    Some(byte) => byte,
                    None => return Err(self.invalid(key, text, "one ASCII character")),
                },
            },
        };
        Ok(Some(byte))
    }

    /// A duration: `10 s`, `1min`, `500 ms`; a bare number is milliseconds.
    ///
    /// # Errors
    /// `Options` if it is none.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        match parse_duration(text) {
            Some(duration) => Ok(Some(duration)),
            None => Err(self.invalid(key, text, "a duration such as '10 s', '1 min' or '500 ms'")),
        }
    }

    /// A number of bytes: `128MB`, `64 kb`; a bare number is bytes.
    ///
    /// # Errors
    /// `Options` if it is none.
    pub fn bytes(&self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        match parse_bytes(text) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(self.invalid(key, text, "a size such as '128MB'")),
        }
    }

    /// The error for a value that does not fit.
    #[must_use]
    pub fn invalid(&self, key: &str, value: &str, expected: &str) -> EngineError {
        self.error(format!(
            "invalid value '{value}' for option '{}{key}': expected {expected}",
            self.prefix
        ))
    }
}

fn quoted(keys: &[impl std::fmt::Display]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
    keys.join(", ")
}

fn supported(specs: &[OptionSpec]) -> String {
    let mut keys: Vec<String> = specs.iter().map(OptionSpec::full_key).collect();
    keys.push("connector".to_owned());
    keys.sort_unstable();
    format!("\n  supported options:\n    {}", keys.join("\n    "))
}

fn nearest(key: &str, specs: &[OptionSpec]) -> Option<String> {
    specs
        .iter()
        .map(OptionSpec::full_key)
        .map(|known| (strsim::damerau_levenshtein(key, &known), known))
        .min()
        .filter(|(distance, known)| *distance * 3 <= known.len())
        .map(|(_, known)| known)
}

fn unicode_escape(text: &str) -> Option<u8> {
    u8::from_str_radix(text.strip_prefix("\\u")?, 16)
        .ok()
        .filter(u8::is_ascii)
}

/// The number and the unit, in lower case, of a text such as `10 min`.
fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let n_digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(n_digits);
    Some((number.parse().ok()?, unit.trim().to_ascii_lowercase()))
}

/// Flink's duration texts: `10 s`, `1d`, and those of ISO 8601, such as `PT1H30M`. Source:
/// `org.apache.flink.util.TimeUtils`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if !text
        .trim()
        .starts_with(|first: char| first.is_ascii_digit())
    {
        return iso_duration::parse(text.trim());
    }
    let (number, unit) = number_and_unit(text)?;
    Some(match unit.as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => {
            Duration::from_millis(number)
        }
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => Duration::from_nanos(number),
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => {
            Duration::from_micros(number)
        }
        "s" | "sec" | "secs" | "second" | "seconds" => Duration::from_secs(number),
        "m" | "min" | "mins" | "minute" | "minutes" => Duration::from_secs(number.checked_mul(60)?),
        "h" | "hour" | "hours" => Duration::from_secs(number.checked_mul(3600)?),
        "d" | "day" | "days" => Duration::from_secs(number.checked_mul(86_400)?),
        _ => return None,
    })
}

/// Flink's sizes. Source: `org.apache.flink.configuration.MemorySize`.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit.as_str() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" | "kibibytes" => 1 << 10,
        "m" | "mb" | "mebibytes" => 1 << 20,
        "g" | "gb" | "gibibytes" => 1 << 30,
        "t" | "tb" | "tebibytes" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const SPECS: &[OptionSpec] = &[
        required("path"),
        optional("format"),
        optional("fields.#.kind"),
    ];

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        TableOptions::check("t", &options(pairs), SPECS)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn unknown_and_missing_options_list_what_exists() {
        assert_eq!(
            error(&[("path", "/x"), ("fromat", "csv")]),
            "table 't': unsupported options: 'fromat'\n  supported options:\n    connector\n    \
             fields.#.kind\n    format\n    path\n  hint: did you mean 'format' with 'fromat'?"
        );
        assert_eq!(
            error(&[("format", "csv"), ("paht", "/x")]),
            "table 't': required options are missing: 'path'\n  supported options:\n    connector\n    \
             fields.#.kind\n    format\n    path\n  hint: did you mean 'path' with 'paht'?"
        );
        let fits = options(&[
            ("connector", "x"),
            ("path", "/x"),
            ("fields.a.kind", "random"),
        ]);
        TableOptions::check("t", &fits, SPECS).unwrap();
    }

    #[test]
    fn durations_and_sizes_are_flinks() {
        for (text, ms) in [
            ("10 s", 10_000),
            ("1min", 60_000),
            ("500", 500),
            ("2 Hours", 7_200_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)));
        }
        assert_eq!(parse_duration("s"), None);
        assert_eq!(parse_duration("1 fortnight"), None);
        assert_eq!(parse_bytes("128MB"), Some(128 << 20));
        assert_eq!(parse_bytes("7"), Some(7));
    }
}
