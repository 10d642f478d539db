//! Clocks as `GregorianCalendar` and `TimeZone` of Java have them, which stand behind
//! `SimpleDateFormat`: days before October 15th, 1582 are those of the Julian calendar, before 1900
//! a zone has its standard distance from Greenwich, and zones may be called by three letters.
//!
//! Source: the Javadoc of `java.util.GregorianCalendar` and `java.util.TimeZone`, Java 17, and
//! answers of Flink 2.3.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::{OffsetComponents, Tz};

use super::cast::temporal;

/// What is added to the days since the year 1 to count them as astronomers do.
const JULIAN_DAY_OF_YEAR_0: i64 = 1_721_425;

/// Year, month and day of a date as the calendar of its time had it.
#[must_use]
pub(super) fn label(date: NaiveDate) -> (i32, u32, u32) {
    if date >= first_gregorian() {
        return (date.year(), date.month(), date.day());
    }
    let days = i64::from(date.num_days_from_ce()) + JULIAN_DAY_OF_YEAR_0 + 32_082;
    let year = (4 * days + 3).div_euclid(1_461);
    let day_of_year = days - (1_461 * year).div_euclid(4);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let narrow = |number: i64| u32::try_from(number).unwrap_or(1);
    let year = i32::try_from(year - 4_800 + month / 10).unwrap_or(i32::MIN);
    (year, narrow(month + 3 - month / 10 * 12), narrow(day))
}

/// The date of a day in the calendar of its time. Months from 0 and days from 1 may be outside of
/// their year and month: they carry over. `None` beyond the years of dates.
#[must_use]
pub(super) fn date(year: i32, month0: i64, day: i64) -> Option<NaiveDate> {
    let months = (i64::from(year) * 12).checked_add(month0)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let days = TimeDelta::try_days(day.checked_sub(1)?)?;
    let first = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, 1)?;
    let gregorian = first.checked_add_signed(days)?;
    if gregorian >= first_gregorian() {
        return Some(gregorian);
    }
    // Years begin in March here, so that the leap day is the last.
    let before_march = i64::from(month < 3);
    let year = year + 4_800 - before_march;
    let month = month + 12 * before_march - 3;
    let julian_day = 1 + (153 * month + 2) / 5 + 365 * year + year.div_euclid(4) - 32_083;
    let since_year_0 = i32::try_from(julian_day - JULIAN_DAY_OF_YEAR_0).ok()?;
    NaiveDate::from_num_days_from_ce_opt(since_year_0)?.checked_add_signed(days)
}

fn first_gregorian() -> NaiveDate {
    NaiveDate::from_ymd_opt(1582, 10, 15).unwrap_or(NaiveDate::MIN)
}

/// A time zone of `TimeZone.getTimeZone`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JavaZone {
    /// A zone with a history.
    Named(Tz),
    /// So many seconds east of Greenwich.
    Fixed(i64),
}

impl JavaZone {
    /// The zone of a name; what is none is UTC.
    #[must_use]
    pub(super) fn of(name: &str) -> Self {
        if let Some(distance) = name.strip_prefix("GMT")
            && let Some(seconds) = distance_from_greenwich(distance)
        {
            return Self::Fixed(seconds);
        }
        let long = SHORT_NAMES
            .iter()
            .find(|(short, _)| *short == name)
            .map_or(name, |(_, long)| long);
        Self::Named(long.parse().unwrap_or(Tz::UTC))
    }

    /// The wall clock of an instant.
    #[must_use]
    pub(super) fn to_local(self, instant: NaiveDateTime) -> NaiveDateTime {
        match self {
            Self::Named(zone) if instant.year() >= 1900 => temporal::to_local(instant, zone),
            _ => moved(instant, self.standard_seconds()),
        }
    }

    /// The instant of a wall clock.
    #[must_use]
    pub(super) fn to_instant(self, local: NaiveDateTime) -> NaiveDateTime {
        match self {
            Self::Named(zone) if local.year() >= 1900 => temporal::to_instant(local, zone),
            _ => moved(local, -self.standard_seconds()),
        }
    }

    /// The distance from Greenwich of our days, without daylight saving.
    fn standard_seconds(self) -> i64 {
        match self {
            Self::Named(zone) => {
                let now = chrono::Utc::now().naive_utc();
                let offset = zone.offset_from_utc_datetime(&now);
                // Where daylight saving is negative, as in Dublin, the base is that of summer.
                let whole = i64::from(offset.fix().local_minus_utc());
                let saved = offset.dst_offset().num_seconds();
                whole - saved
            }
            Self::Fixed(seconds) => seconds,
        }
    }
}

/// The clock so many seconds later; at the end of the calendar it stays.
fn moved(clock: NaiveDateTime, seconds: i64) -> NaiveDateTime {
    let moved = clock.checked_add_signed(TimeDelta::seconds(seconds));
    moved.unwrap_or(clock)
}

/// `+8`, `+08`, `+0830`, `+8:30`.
fn distance_from_greenwich(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes),
        Some(_) => return None,
        None if digits.len() > 2 => digits.split_at_checked(digits.len() - 2)?,
        None => (digits, "0"),
    };
    let number = |text: &str, limit: i64| {
        let is_number = matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
        let number: i64 = is_number.then(|| text.parse().ok())??;
        (number < limit).then_some(number)
    };
    Some(sign * (number(hours, 24)? * 3_600 + number(minutes, 60)? * 60))
}

/// Names of three letters and what they stand for.
///
/// Source: `java.time.ZoneId.SHORT_IDS`, Java 17.
const SHORT_NAMES: [(&str, &str); 25] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn old_days_are_julian() {
        for (written, found) in [
            ((1582, 9, 15), day(1582, 10, 15)),
            ((1582, 9, 4), day(1582, 10, 14)),
            ((1400, 1, 29), day(1400, 3, 9)),
            ((1, 0, 1), day(0, 12, 30)),
            ((2024, 13, 0), day(2025, 1, 31)),
        ] {
            let (year, month0, day) = written;
            assert_eq!(date(year, month0, day), Some(found), "{written:?}");
        }
        assert_eq!(label(day(1582, 10, 15)), (1582, 10, 15));
        assert_eq!(label(day(1582, 10, 14)), (1582, 10, 4));
        assert_eq!(label(day(1400, 3, 9)), (1400, 2, 29));
        assert_eq!(label(day(1, 1, 1)), (1, 1, 3));
    }

    #[test]
    fn labels_and_dates_are_inverse() {
        for days in (-1_000_000..600_000).step_by(997) {
            let date_of_day = NaiveDate::from_num_days_from_ce_opt(days).unwrap();
            let (year, month, day) = label(date_of_day);
            let found = date(year, i64::from(month) - 1, i64::from(day));
            assert_eq!(found, Some(date_of_day));
        }
    }

    #[test]
    fn zones_have_distances_and_short_names() {
        assert_eq!(JavaZone::of("GMT+5:45"), JavaZone::Fixed(20_700));
        assert_eq!(JavaZone::of("GMT-945"), JavaZone::Fixed(-35_100));
        assert_eq!(JavaZone::of("GMT+24"), JavaZone::Named(Tz::UTC));
        assert_eq!(JavaZone::of("GMT+1:5"), JavaZone::Named(Tz::UTC));
        assert_eq!(JavaZone::of("nowhere"), JavaZone::Named(Tz::UTC));
        let old = day(1850, 6, 1).and_hms_opt(0, 0, 0).unwrap();
        let seen = JavaZone::of("CTT").to_local(old);
        assert_eq!(seen, old + TimeDelta::hours(8));
        assert_eq!(JavaZone::of("CTT").to_instant(seen), old);
        let summer = day(1850, 6, 1).and_hms_opt(0, 0, 0).unwrap();
        assert_eq!(
            JavaZone::of("PST").to_local(summer),
            summer - TimeDelta::hours(8)
        );
    }
}
