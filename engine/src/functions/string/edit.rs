//! Texts changed: padded, trimmed, cut, overlaid, translated, replaced.

use arrow::array::ArrayRef;

use super::texts;
use crate::error::Result;
use crate::functions::define::Call;

/// LPAD (`left`) or RPAD; `None` for a negative length or no padding.
pub(super) fn padded(call: &Call, row: usize, left: bool) -> Option<String> {
    let text: Vec<u16> = call.text(0, row)?.encode_utf16().collect();
    let padding: Vec<u16> = call.text(2, row)?.encode_utf16().collect();
    let length = usize::try_from(call.integer(1, row)?).ok()?;
    if padding.is_empty() {
        return None;
    }
    let missing = length.saturating_sub(text.len());
    let filling = padding.iter().copied().cycle().take(missing);
    let kept = text.iter().copied().take(length);
    Some(if left {
        from_utf16(filling.chain(kept))
    } else {
        from_utf16(kept.chain(filling))
    })
}

/// A text of Java; half a character becomes `?`, as where Java writes it out.
pub(super) fn from_utf16(units: impl Iterator<Item = u16>) -> String {
    char::decode_utf16(units)
        .map(|letter| letter.unwrap_or('?'))
        .collect()
}

pub(super) fn trim(
    call: &Call,
    cut: impl for<'a> Fn(&'a str, &dyn Fn(char) -> bool) -> &'a str,
) -> Result<ArrayRef> {
    texts(call, |row| {
        let text = call.text(0, row)?;
        let letters = match call.arguments.get(1) {
            Some(_) => call.text(1, row)?,
            None => " ",
        };
        Some(cut(text, &|letter| letters.contains(letter)))
    })
}

pub(super) fn both_ends(call: &Call) -> Result<ArrayRef> {
    trim(call, |text, is_cut| {
        text.trim_start_matches(is_cut).trim_end_matches(is_cut)
    })
}

/// From a position (1 is the first, −1 the last, 0 counts as 1), at most so many characters.
pub(super) fn substring(call: &Call) -> Result<ArrayRef> {
    texts(call, |row| {
        let text = call.text(0, row)?;
        let start = call.integer(1, row)?;
        let length = match call.arguments.get(2) {
            // A negative length is no substring at all.
            Some(_) => usize::try_from(call.integer(2, row)?).ok()?,
            None => usize::MAX,
        };
        let skipped = if start > 0 {
            usize::try_from(start - 1).ok()?
        } else if start == 0 {
            0
        } else {
            let n_chars = text.chars().count();
            match n_chars.checked_sub(usize::try_from(start.unsigned_abs()).ok()?) {
                Some(skipped) => skipped,
                None => return Some(""),
            }
        };
        Some(slice(text, skipped, length))
    })
}

/// At most `length` characters behind the first `skipped` ones.
pub(super) fn slice(text: &str, skipped: usize, length: usize) -> &str {
    let behind = |text: &str, n_chars: usize| match text.char_indices().nth(n_chars) {
        Some((offset, _)) => offset,
        None => text.len(),
    };
    let (_, rest) = text.split_at(behind(text, skipped));
    let (slice, _) = rest.split_at(behind(rest, length));
    slice
}

/// As Flink, it drops the rest where nothing would be replaced.
pub(super) fn overlay(call: &Call) -> Result<ArrayRef> {
    texts(call, |row| {
        let (text, placed) = (call.text(0, row)?, call.text(1, row)?);
        let start = call.integer(2, row)?;
        let units: Vec<u16> = text.encode_utf16().collect();
        let n_units = i64::try_from(units.len()).ok()?;
        if start <= 0 || start > n_units {
            return Some(text.to_owned());
        }
        let length = match call.arguments.get(3) {
            Some(_) => call.integer(3, row)?,
            None => i64::try_from(placed.encode_utf16().count()).ok()?,
        };
        let before = usize::try_from(start - 1).ok()?;
        let mut out: Vec<u16> = units.iter().copied().take(before).collect();
        out.extend(placed.encode_utf16());
        if length > 0 && start + length <= n_units {
            let after = usize::try_from(start - 1 + length).ok()?;
            out.extend(units.iter().skip(after));
        }
        Some(from_utf16(out.into_iter()))
    })
}

/// A missing `from` changes nothing, a missing `to` removes.
pub(super) fn translate(call: &Call) -> Result<ArrayRef> {
    let values: arrow::array::StringArray = (0..call.n_rows)
        .map(|row| {
            let text = call.text(0, row)?;
            let Some(from) = call.text(1, row) else {
                return Some(text.to_owned());
            };
            let to: Vec<char> = call.text(2, row).unwrap_or_default().chars().collect();
            let translated = text.chars().filter_map(|letter| {
                match from.chars().position(|other| other == letter) {
                    None => Some(letter),
                    Some(index) => to.get(index).copied(),
                }
            });
            Some(translated.collect::<String>())
        })
        .collect();
    Ok(std::sync::Arc::new(values))
}

/// Java's `String.replace`: the empty text is found between all characters.
pub(super) fn replaced(text: &str, from: &str, to: &str) -> String {
    if !from.is_empty() {
        return text.replace(from, to);
    }
    let mut out = String::from(to);
    for letter in text.chars() {
        out.push(letter);
        out.push_str(to);
    }
    out
}
