//! Patterns of Java's `DateTimeFormatter` and `SimpleDateFormat`: `yyyy-MM-dd HH:mm:ss.SSS`.
//!
//! Source: the Javadoc of `java.time.format.DateTimeFormatter`, Java 17; reading is as lenient as
//! `SimpleDateFormat`: fields that are too large carry over.

use std::fmt::Write as _;

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Weekday};

use super::java_calendar;

/// Stands for `u` of `SimpleDateFormat`: 1 is Monday.
const WEEKDAY_NUMBER: char = '1';

/// A pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A letter so many times.
    Field(char, usize),
    Literal(String),
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Pattern {
    /// Reads a pattern; `None` for a letter without a meaning or an open quote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts: Vec<Part> = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter == '\'' {
                // Two quotes within are one; so are two of them with nothing in between.
                let mut literal = String::new();
                loop {
                    match letters.next()? {
                        '\'' if letters.next_if_eq(&'\'').is_some() => literal.push('\''),
                        '\'' => break,
                        other => literal.push(other),
                    }
                }
                if literal.is_empty() {
                    literal.push('\'');
                }
                parts.push(Part::Literal(literal));
            } else if matches!(letter, '[' | ']') {
                // An optional section is always there when a text is written.
            } else if letter.is_ascii_alphabetic() {
                if !"GyuYDMLdQqwWFEecaHKhkmsSAnNXxZzVO".contains(letter) {
                    return None;
                }
                let mut count = 1;
                while letters.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                parts.push(Part::Field(letter, count));
            } else {
                parts.push(Part::Literal(letter.to_string()));
            }
        }
        Some(Self { parts })
    }

    /// Reads a pattern of `SimpleDateFormat`, which knows fewer letters; its `u` is the number of a
    /// weekday. `None` for a letter without a meaning or an open quote.
    #[must_use]
    pub fn parse_simple(text: &str) -> Option<Self> {
        let mut pattern = Self::parse(text)?;
        for part in &mut pattern.parts {
            if let Part::Field(letter, _) = part {
                if !"GyYMLwWDdFEuaHkKhmsSzZX".contains(*letter) {
                    return None;
                }
                if *letter == 'u' {
                    *letter = WEEKDAY_NUMBER;
                }
            }
        }
        Some(pattern)
    }

    /// The milliseconds of the smallest unit that the pattern shows, a day at most: all times of one
    /// such unit have the same text. `None` if fractions of a second are shown.
    #[must_use]
    pub fn finest_ms(&self) -> Option<i64> {
        let mut finest = 86_400_000;
        for part in &self.parts {
            let Part::Field(letter, _) = part else {
                continue;
            };
            finest = finest.min(match letter {
                'S' | 'n' | 'A' | 'N' => return None,
                's' => 1_000,
                'm' => 60_000,
                'H' | 'h' | 'k' | 'K' | 'a' => 3_600_000,
                _ => finest,
            });
        }
        Some(finest)
    }

    /// The text of a wall clock; `None` for fields that it does not have.
    #[must_use]
    pub fn format(&self, value: NaiveDateTime) -> Option<String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Field(letter, count) => field(&mut out, *letter, *count, value)?,
            }
        }
        Some(out)
    }

    /// The wall clock of a text, and the offset from UTC in seconds if the text says one. The text
    /// must be as the pattern from its beginning; what follows is ignored. A pattern that takes
    /// nothing reads nothing.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<(NaiveDateTime, Option<i32>)> {
        let fields = self.fields(text)?;
        Some((fields.resolve()?, fields.offset_seconds))
    }

    /// As [`Pattern::read`], but as `SimpleDateFormat` understands what it has read: days before
    /// October 15th, 1582 are those of the Julian calendar, and a fraction is a number of
    /// milliseconds, however many digits it has.
    #[must_use]
    pub fn read_simple(&self, text: &str) -> Option<(NaiveDateTime, Option<i32>)> {
        let fields = self.fields(text)?;
        Some((fields.resolve_simple()?, fields.offset_seconds))
    }

    fn fields(&self, text: &str) -> Option<Fields> {
        let mut fields = Fields::default();
        let mut rest = text;
        for (part_idx, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Part::Field(letter, count) => {
                    let is_glued = matches!(self.parts.get(part_idx + 1), Some(Part::Field(..)));
                    rest = fields.take(rest, *letter, *count, is_glued)?;
                }
            }
        }
        if rest.len() == text.len() {
            return None;
        }
        Some(fields)
    }
}

fn nanos_of_day(value: NaiveDateTime) -> i64 {
    let seconds = i64::from(value.num_seconds_from_midnight());
    seconds * 1_000_000_000 + i64::from(value.nanosecond())
}

fn field(out: &mut String, letter: char, count: usize, value: NaiveDateTime) -> Option<()> {
    let mut number = |number: i64| match u8::try_from(number) {
        Ok(number @ 0..100) if count == 2 => {
            out.push(char::from(b'0' + number / 10));
            out.push(char::from(b'0' + number % 10));
        }
        _ => {
            // Writing into a String does not fail.
            let _ = write!(out, "{number:0count$}");
        }
    };
    match letter {
        'y' | 'u' if count == 2 => number(i64::from(value.year().rem_euclid(100))),
        'y' | 'u' => number(i64::from(value.year())),
        'Y' => {
            let year = i64::from(week_of_year(value.date()).0);
            number(if count == 2 {
                year.rem_euclid(100)
            } else {
                year
            });
        }
        'w' => number(i64::from(week_of_year(value.date()).1)),
        'M' | 'L' if count >= 3 => {
            let name = MONTHS.get(usize::try_from(value.month0()).ok()?)?;
            out.push_str(if count == 3 { name.get(..3)? } else { name });
        }
        'M' | 'L' => number(i64::from(value.month())),
        'Q' | 'q' => number(i64::from(value.month0() / 3 + 1)),
        'd' => number(i64::from(value.day())),
        'D' => number(i64::from(value.ordinal())),
        'E' => {
            let name = weekday_name(value.weekday());
            out.push_str(if count <= 3 { name.get(..3)? } else { name });
        }
        WEEKDAY_NUMBER => number(i64::from(value.weekday().number_from_monday())),
        'W' => {
            let first = value.date().with_day(1)?.weekday();
            let before = i64::from(first.num_days_from_sunday());
            number((i64::from(value.day0()) + before) / 7 + 1);
        }
        'F' => number(i64::from(value.day0() % 7 + 1)),
        'e' | 'c' => number(i64::from(value.weekday().num_days_from_sunday() + 1)),
        'a' => out.push_str(if value.hour() < 12 { "AM" } else { "PM" }),
        'H' => number(i64::from(value.hour())),
        'k' => number(i64::from(if value.hour() == 0 { 24 } else { value.hour() })),
        'K' => number(i64::from(value.hour() % 12)),
        'h' => number(i64::from((value.hour() + 11) % 12 + 1)),
        'm' => number(i64::from(value.minute())),
        's' => number(i64::from(value.second())),
        'S' => {
            let digits = format!("{:09}", value.nanosecond());
            out.push_str(digits.get(..count.min(9))?);
        }
        'n' => number(i64::from(value.nanosecond())),
        'A' => number(nanos_of_day(value) / 1_000_000),
        'N' => number(nanos_of_day(value)),
        'G' => out.push_str(match count {
            4 => "Anno Domini",
            5 => "A",
            _ => "AD",
        }),
        _ => return None,
    }
    Some(())
}

fn weekday_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}

/// Year and week as the US locale counts: weeks begin on Sunday, week 1 has January 1st.
fn week_of_year(date: NaiveDate) -> (i32, u32) {
    let to_saturday = 6 - date.weekday().num_days_from_sunday();
    let saturday = date + TimeDelta::days(i64::from(to_saturday));
    // The week belongs to the year in which it ends.
    (saturday.year(), saturday.ordinal0() / 7 + 1)
}

#[derive(Debug, Default)]
struct Fields {
    year: Option<i32>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    half_day_hour: Option<i64>,
    is_afternoon: Option<bool>,
    minute: i64,
    second: i64,
    nanos: i64,
    /// The digits of the fraction as a number.
    millis: i64,
    offset_seconds: Option<i32>,
}

impl Fields {
    /// Reads one field and gives what is left.
    fn take<'a>(
        &mut self,
        text: &'a str,
        letter: char,
        count: usize,
        is_glued: bool,
    ) -> Option<&'a str> {
        match letter {
            'M' | 'L' if count >= 3 => {
                let (index, rest) = name(text, &MONTHS)?;
                self.month = Some(i64::try_from(index).ok()? + 1);
                return Some(rest);
            }
            'a' => {
                let upper = text.get(..2)?.to_uppercase();
                self.is_afternoon = Some(match upper.as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                });
                return text.get(2..);
            }
            'E' => {
                let end = text
                    .find(|letter: char| !letter.is_alphabetic())
                    .unwrap_or(text.len());
                return text.get(end..);
            }
            'X' | 'x' | 'Z' | 'z' => return self.offset(text),
            _ => {}
        }
        // A sign belongs to the number: 'yyyyMMdd' finds the months -1 in '2024-1-5'.
        let sign = usize::from(text.starts_with('-'));
        let digits = text.bytes().skip(sign).take_while(u8::is_ascii_digit);
        let digits = sign + digits.count();
        let length = if is_glued { digits.min(count) } else { digits };
        let (digits, rest) = text.split_at_checked(length)?;
        let value: i64 = digits.parse().ok()?;
        match letter {
            'y' | 'u' | 'Y' => {
                let year = i32::try_from(value).ok()?;
                self.year = Some(if count == 2 && digits.len() == 2 {
                    2000 + year
                } else {
                    year
                });
            }
            'M' | 'L' => self.month = Some(value),
            // The day of the month says more.
            WEEKDAY_NUMBER => {}
            'd' => self.day = Some(value),
            'D' => self.day_of_year = Some(value),
            'H' | 'k' => self.hour = Some(if letter == 'k' { value % 24 } else { value }),
            'K' | 'h' => self.half_day_hour = Some(value % 12),
            'm' => self.minute = value,
            's' => self.second = value,
            'S' => {
                let padded: String = digits.chars().chain("000000000".chars()).take(9).collect();
                self.nanos = padded.parse().ok()?;
                self.millis = value;
            }
            _ => return None,
        }
        Some(rest)
    }

    /// `Z`, `+08`, `+0800` or `+08:00`.
    fn offset<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some(rest) = text.strip_prefix('Z') {
            self.offset_seconds = Some(0);
            return Some(rest);
        }
        let sign = match text.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        let hours: i32 = text.get(1..3)?.parse().ok()?;
        let rest = text.get(3..)?;
        let after_colon = rest.strip_prefix(':').unwrap_or(rest);
        let (minutes, rest) = match after_colon
            .get(..2)
            .and_then(|digits| digits.parse::<i32>().ok())
        {
            Some(minutes) => (minutes, after_colon.get(2..)?),
            None => (0, rest),
        };
        self.offset_seconds = Some(sign * (hours * 3600 + minutes * 60));
        Some(rest)
    }

    /// Puts the fields together; what is too large carries over.
    fn resolve(&self) -> Option<NaiveDateTime> {
        let year = self.year.unwrap_or(1970);
        let date = match self.day_of_year {
            Some(day) => NaiveDate::from_ymd_opt(year, 1, 1)? + TimeDelta::days(day - 1),
            None => {
                let months = self.month.unwrap_or(1) - 1;
                let first = NaiveDate::from_ymd_opt(year, 1, 1)?;
                let first = if months >= 0 {
                    first.checked_add_months(Months::new(u32::try_from(months).ok()?))?
                } else {
                    first.checked_sub_months(Months::new(u32::try_from(-months).ok()?))?
                };
                first.checked_add_signed(TimeDelta::days(self.day.unwrap_or(1) - 1))?
            }
        };
        self.seconds(date.and_time(NaiveTime::MIN))?
            .checked_add_signed(TimeDelta::nanoseconds(self.nanos))
    }

    fn resolve_simple(&self) -> Option<NaiveDateTime> {
        let (month0, day) = match self.day_of_year {
            Some(day) => (0, day),
            None => (
                self.month.unwrap_or(1).checked_sub(1)?,
                self.day.unwrap_or(1),
            ),
        };
        let date = java_calendar::date(self.year.unwrap_or(1970), month0, day)?;
        self.seconds(date.and_time(NaiveTime::MIN))?
            .checked_add_signed(TimeDelta::try_milliseconds(self.millis)?)
    }

    /// So many hours, minutes and seconds behind a midnight.
    fn seconds(&self, midnight: NaiveDateTime) -> Option<NaiveDateTime> {
        let hour = match (self.hour, self.half_day_hour) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => {
                hour + if self.is_afternoon == Some(true) {
                    12
                } else {
                    0
                }
            }
            (None, None) => 0,
        };
        let parts = [(hour, 3_600), (self.minute, 60), (self.second, 1)];
        parts.iter().try_fold(midnight, |clock, (count, seconds)| {
            clock.checked_add_signed(TimeDelta::try_seconds(count.checked_mul(*seconds)?)?)
        })
    }
}

/// The index of the name, in full or its first three letters, with which `text` begins.
fn name<'a>(text: &'a str, names: &[&str]) -> Option<(usize, &'a str)> {
    let lower = text.to_lowercase();
    names.iter().enumerate().find_map(|(index, name)| {
        let name = name.to_lowercase();
        for candidate in [name.as_str(), name.get(..3)?] {
            if lower.starts_with(candidate) {
                return Some((index, text.get(candidate.len()..)?));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap()
    }

    #[test]
    fn writes_what_java_writes() {
        let cases = [
            (
                "yyyy-MM-dd HH:mm:ss.SSS",
                "2024-05-06 07:08:09.123",
                "2024-05-06 07:08:09.123",
            ),
            ("yy/M/d h:m:s a", "2024-05-06 17:08:09", "24/5/6 5:8:9 PM"),
            (
                "EEE, MMM dd yyyy",
                "2024-05-06 17:08:09",
                "Mon, May 06 2024",
            ),
            ("YYYY-ww", "2024-12-30 00:00:00", "2025-01"),
            ("'year' yyyy", "2024-05-06 17:08:09", "year 2024"),
            ("K k H h", "2024-05-06 00:08:09", "0 24 0 12"),
        ];
        for (pattern, value, text) in cases {
            assert_eq!(
                Pattern::parse(pattern).unwrap().format(at(value)).unwrap(),
                text
            );
        }
        assert_eq!(Pattern::parse("bogus"), None);
    }

    #[test]
    fn reads_leniently() {
        let read = |pattern: &str, text: &str| {
            Pattern::parse(pattern)
                .unwrap()
                .read(text)
                .map(|(value, _)| value)
        };
        assert_eq!(
            read("dd.MM.yyyy HH-mm", "06.05.2024 07-08"),
            Some(at("2024-05-06 07:08:00"))
        );
        assert_eq!(
            read("yyyy-MM-dd", "2024-13-01"),
            Some(at("2025-01-01 00:00:00"))
        );
        assert_eq!(
            read("yyyyMMdd", "20240506"),
            Some(at("2024-05-06 00:00:00"))
        );
        assert_eq!(read("yyyy-MM-dd", "x"), None);
    }

    #[test]
    fn simple_patterns_have_letters_of_their_own() {
        let read = |pattern: &str, text: &str| {
            let (clock, _) = Pattern::parse_simple(pattern)?.read(text)?;
            Some(clock.date().to_string())
        };
        let date = |text: &str| Some(text.to_owned());
        assert_eq!(read("uuuu-MM-dd", "2024-01-05"), date("1970-01-05"));
        assert_eq!(read("yyyyMMdd", "2023-07-04"), date("2022-12-07"));
        assert_eq!(read("yyyyMMdd", "2023-7-4"), date("2022-04-26"));
        assert_eq!(read("", "2024-01-05"), None);
        assert_eq!(Pattern::parse_simple("yyyy-Q"), None);
        let shown = Pattern::parse_simple("u")
            .unwrap()
            .format(at("2024-01-05 00:00:00"));
        assert_eq!(shown.as_deref(), Some("5"));
    }
}
