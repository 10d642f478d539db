//! Texts of timestamps as Java's `DateTimeFormatter` reads them, which wants every field as the
//! pattern has it, and `java.sql.Timestamp.valueOf`, which Flink asks where that fails.
//!
//! Source: `DateTimeUtils.parseTimestampData` of Flink 2.3.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::java_time::{MONTHS, Part, Pattern};

impl Pattern {
    /// The wall clock of a text that has all fields of the pattern, within their ranges, and
    /// nothing else. A day behind the end of its month is the month's last.
    #[must_use]
    pub fn read_strict(&self, text: &str) -> Option<NaiveDateTime> {
        let mut found = Found::default();
        let mut rest = text;
        for part in &self.parts {
            rest = match part {
                Part::Literal(literal) => rest.strip_prefix(literal.as_str())?,
                Part::Field(letter, count) => found.take(rest, *letter, *count)?,
            };
        }
        rest.is_empty().then(|| found.resolve()).flatten()
    }

    /// Whether all fields are among those that [`Pattern::read_strict`] knows.
    #[must_use]
    pub fn can_be_strict(&self) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Literal(_) => true,
            Part::Field(letter, count) => match letter {
                'M' | 'L' => *count <= 4,
                'a' => *count == 1,
                _ => "yudHhmsS".contains(*letter),
            },
        })
    }
}

#[derive(Default)]
struct Found {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    half_day_hour: Option<u32>,
    is_afternoon: Option<bool>,
    minute: u32,
    second: u32,
    nanos: u32,
}

impl Found {
    /// Reads one field and gives what is left.
    fn take<'t>(&mut self, text: &'t str, letter: char, count: usize) -> Option<&'t str> {
        if letter == 'a' {
            self.is_afternoon = Some(text.starts_with("PM"));
            return text.strip_prefix("AM").or_else(|| text.strip_prefix("PM"));
        }
        if matches!(letter, 'M' | 'L') && count >= 3 {
            let shown = |name: &'static str| {
                if count == 3 {
                    name.get(..3).unwrap_or(name)
                } else {
                    name
                }
            };
            let names = (1_u32..).zip(MONTHS.iter().map(|name| shown(name)));
            let (month, name) = names.into_iter().find(|(_, name)| text.starts_with(name))?;
            self.month = Some(month);
            return text.get(name.len()..);
        }
        let n_digits = text.bytes().take_while(u8::is_ascii_digit).count();
        // One letter takes all digits there are, more letters as many digits.
        let width = if count == 1 && letter != 'S' {
            n_digits
        } else {
            count
        };
        if width == 0 || width > n_digits {
            return None;
        }
        let (digits, rest) = text.split_at_checked(width)?;
        let value: u32 = digits.parse().ok()?;
        match letter {
            'y' | 'u' if count == 2 => self.year = Some(2000 + value),
            'y' | 'u' => self.year = Some(value),
            'M' | 'L' => self.month = Some(value),
            'd' => self.day = Some(value),
            'H' => self.hour = Some(value),
            'h' => self.half_day_hour = Some(value),
            'm' => self.minute = value,
            's' => self.second = value,
            'S' => self.nanos = format!("{digits:0<9}").get(..9)?.parse().ok()?,
            _ => return None,
        }
        Some(rest)
    }

    fn resolve(&self) -> Option<NaiveDateTime> {
        let year = i32::try_from(self.year.unwrap_or(1970)).ok()?;
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let date = smart_date(year, month, day)?;
        let hour = match (self.hour, self.half_day_hour, self.is_afternoon) {
            (Some(hour), _, _) => hour,
            (None, Some(hour @ 1..=12), Some(afternoon)) => hour % 12 + 12 * u32::from(afternoon),
            (None, None, _) => 0,
            _ => return None,
        };
        date.and_hms_nano_opt(hour, self.minute, self.second, self.nanos)
    }
}

/// A day up to the 31st; behind the end of the month it is the month's last.
fn smart_date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    if !(1..=31).contains(&day) {
        return None;
    }
    (day.min(28)..=day)
        .rev()
        .find_map(|day| NaiveDate::from_ymd_opt(year, month, day))
}

/// `yyyy-[M]M-[d]d` or the same with ` h:m:s[.fraction]`; too many days, hours, minutes and seconds
/// carry over.
#[must_use]
pub(super) fn value_of(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    let (day, clock) = match text.split_once(' ') {
        Some((day, clock)) => (day, Some(clock)),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let (year, month, day) = (number(year)?, short(month)?, short(day)?);
    if !(1..=31).contains(&day) {
        return None;
    }
    let first = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, 1)?;
    let date = first.checked_add_days(Days::new(u64::from(day - 1)))?;
    let midnight = date.and_time(NaiveTime::MIN);
    let Some(clock) = clock else {
        return Some(midnight);
    };
    let (clock, fraction) = clock.trim().split_once('.').unwrap_or((clock.trim(), "0"));
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || fraction.len() > 9 {
        return None;
    }
    number(fraction)?;
    let nanos = number(&format!("{fraction:0<9}"))?;
    let seconds = (i64::from(number(hours)?) * 60 + i64::from(number(minutes)?)) * 60
        + i64::from(number(seconds)?);
    midnight
        .checked_add_signed(TimeDelta::seconds(seconds))?
        .checked_add_signed(TimeDelta::nanoseconds(nanos.into()))
}

fn short(text: &str) -> Option<u32> {
    (text.len() <= 2).then(|| number(text)).flatten()
}

fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pattern: &str, text: &str) -> Option<String> {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        pattern.read_strict(text).map(|value| value.to_string())
    }

    #[test]
    fn fields_are_as_the_pattern_has_them() {
        let read = |pattern, text| shown(pattern, text).unwrap_or_default();
        assert_eq!(read("dd/MM/yyyy", "07/03/2021"), "2021-03-07 00:00:00");
        assert_eq!(read("dd/MM/yyyy", "7/3/2021"), "");
        assert_eq!(read("d/M/yyyy", "7/03/2021"), "2021-03-07 00:00:00");
        assert_eq!(read("yyyy-MM-dd", "2021-02-31"), "2021-02-28 00:00:00");
        assert_eq!(read("yyyy-MM-dd", "2021-13-01"), "");
        assert_eq!(read("yyyy-MM-dd", "2021-12-01 x"), "");
        assert_eq!(
            read("MMM d, yyyy hh a", "Mar 7, 2021 12 PM"),
            "2021-03-07 12:00:00"
        );
        assert_eq!(read("HH:mm:ss.SSS", "01:02:03.5"), "");
        assert_eq!(
            read("HH:mm:ss.SSS", "01:02:03.500"),
            "1970-01-01 01:02:03.500"
        );
    }

    #[test]
    fn the_way_out_carries_over() {
        let read = |text| {
            value_of(text)
                .map(|value| value.to_string())
                .unwrap_or_default()
        };
        assert_eq!(read("2021-2-31"), "2021-03-03 00:00:00");
        assert_eq!(read(" 2021-02-28 24:61:00.25 "), "2021-03-01 01:01:00.250");
        for wrong in [
            "21-02-28",
            "2021-13-01",
            "2021-02",
            "x",
            "2021-02-28T00:00:00",
        ] {
            assert_eq!(read(wrong), "", "{wrong}");
        }
    }
}
