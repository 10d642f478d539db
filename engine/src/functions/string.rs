//! Functions on texts. Positions and lengths count characters, as in Flink's `BinaryStringData`.
//!
//! Source: `SqlFunctionUtils` and `BinaryStringDataUtil` of Flink 2.3.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, StringArray};
use arrow::datatypes::DataType;

use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::Result;
use crate::functions::define::{Call, Definition, Kind, ResultType};

const STRING: TypeRoot = TypeRoot::Varchar(MAX_LENGTH);
/// Arguments of functions that take any number.
const MANY: usize = 255;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "upper",
        1..=1,
        &[Kind::Text],
        ResultType::Argument(0),
        |call| map(call, |text| Some(text.to_uppercase())),
    ),
    text(
        "lower",
        1..=1,
        &[Kind::Text],
        ResultType::Argument(0),
        |call| map(call, |text| Some(text.to_lowercase())),
    ),
    text(
        "initcap",
        1..=1,
        &[Kind::Text],
        ResultType::Argument(0),
        |call| map(call, |text| Some(initcap(text))),
    ),
    text(
        "reverse",
        1..=1,
        &[Kind::Text],
        ResultType::Nullable(STRING),
        |call| map(call, |text| Some(text.chars().rev().collect())),
    ),
    text(
        "char_length",
        1..=1,
        &[Kind::Text],
        ResultType::Strict(TypeRoot::Int),
        char_length,
    ),
    text(
        "character_length",
        1..=1,
        &[Kind::Text],
        ResultType::Strict(TypeRoot::Int),
        char_length,
    ),
    text(
        "ascii",
        1..=1,
        &[Kind::Text],
        ResultType::Strict(TypeRoot::Int),
        |call| {
            Ok(Arc::new(call.strict::<i32, Int32Array>(|row| {
                let byte = call.text(0, row)?.bytes().next().unwrap_or(0);
                Some(i32::from(i8::from_ne_bytes([byte])))
            })))
        },
    ),
    text(
        "chr",
        1..=1,
        &[Kind::Integer],
        ResultType::Nullable(STRING),
        |call| {
            texts(call, |row| {
                let code = call.integer(0, row)?;
                if code < 0 {
                    return Some(String::new());
                }
                let code = u8::try_from(code % 256).ok()?;
                Some(char::from(code).to_string())
            })
        },
    ),
    text(
        "concat",
        1..=MANY,
        &[Kind::Text],
        ResultType::Strict(STRING),
        |call| {
            texts(call, |row| {
                (0..call.arguments.len())
                    .map(|index| call.text(index, row))
                    .collect::<Option<String>>()
            })
        },
    ),
    text(
        "concat_ws",
        2..=MANY,
        &[Kind::Text],
        ResultType::Strict(STRING),
        concat_ws,
    ),
    text(
        "repeat",
        2..=2,
        &[Kind::Text, Kind::Integer],
        ResultType::Strict(STRING),
        |call| {
            texts(call, |row| {
                let times = usize::try_from(call.integer(1, row)?).unwrap_or(0);
                Some(call.text(0, row)?.repeat(times))
            })
        },
    ),
    text(
        "replace",
        3..=3,
        &[Kind::Text],
        ResultType::Strict(STRING),
        |call| {
            texts(call, |row| {
                let (text, from) = (call.text(0, row)?, call.text(1, row)?);
                if from.is_empty() {
                    return Some(text.to_owned());
                }
                Some(text.replace(from, call.text(2, row)?))
            })
        },
    ),
    text(
        "lpad",
        3..=3,
        &[Kind::Text, Kind::Integer, Kind::Text],
        ResultType::Strict(STRING),
        |call| {
            texts(call, |row| {
                pad(call, row).map(|(padding, text)| padding + &text)
            })
        },
    ),
    text(
        "rpad",
        3..=3,
        &[Kind::Text, Kind::Integer, Kind::Text],
        ResultType::Strict(STRING),
        |call| {
            texts(call, |row| {
                pad(call, row).map(|(padding, text)| text + &padding)
            })
        },
    ),
    text(
        "ltrim",
        1..=2,
        &[Kind::Text],
        ResultType::Computed(varchar),
        |call| trim(call, |text, is_cut| text.trim_start_matches(is_cut)),
    ),
    text(
        "rtrim",
        1..=2,
        &[Kind::Text],
        ResultType::Computed(varchar),
        |call| trim(call, |text, is_cut| text.trim_end_matches(is_cut)),
    ),
    text(
        "__trim",
        1..=2,
        &[Kind::Text],
        ResultType::Computed(varchar),
        both_ends,
    ),
    text(
        "btrim",
        1..=2,
        &[Kind::Text],
        ResultType::Strict(STRING),
        both_ends,
    ),
    text(
        "substring",
        2..=3,
        SUBSTRING,
        ResultType::Computed(varchar_nullable),
        substring,
    ),
    text(
        "substr",
        2..=3,
        SUBSTRING,
        ResultType::Computed(varchar_nullable),
        substring,
    ),
    text(
        "left",
        2..=2,
        SUBSTRING,
        ResultType::Computed(varchar_nullable),
        |call| {
            texts(call, |row| {
                let length = usize::try_from(call.integer(1, row)?).unwrap_or(0);
                Some(call.text(0, row)?.chars().take(length).collect())
            })
        },
    ),
    text(
        "right",
        2..=2,
        SUBSTRING,
        ResultType::Computed(varchar_nullable),
        |call| {
            texts(call, |row| {
                let length = usize::try_from(call.integer(1, row)?).unwrap_or(0);
                let text = call.text(0, row)?;
                let skipped = text.chars().count().saturating_sub(length);
                Some(text.chars().skip(skipped).collect())
            })
        },
    ),
    text(
        "overlay",
        3..=4,
        OVERLAY,
        ResultType::Strict(STRING),
        overlay,
    ),
    text(
        "position",
        2..=2,
        &[Kind::Text],
        ResultType::Strict(TypeRoot::Int),
        |call| {
            Ok(Arc::new(call.strict::<i32, Int32Array>(|row| {
                find(call.text(1, row)?, call.text(0, row)?, 1, 1)
            })))
        },
    ),
    text(
        "locate",
        2..=3,
        LOCATE,
        ResultType::Strict(TypeRoot::Int),
        |call| {
            Ok(Arc::new(call.strict::<i32, Int32Array>(|row| {
                let start = match call.arguments.get(2) {
                    Some(_) => call.integer(2, row)?.max(1),
                    None => 1,
                };
                find(call.text(1, row)?, call.text(0, row)?, start, 1)
            })))
        },
    ),
    text(
        "instr",
        2..=4,
        INSTR,
        ResultType::Strict(TypeRoot::Int),
        |call| {
            Ok(Arc::new(call.strict::<i32, Int32Array>(|row| {
                let start = if call.arguments.len() > 2 {
                    call.integer(2, row)?
                } else {
                    1
                };
                let occurrence = if call.arguments.len() > 3 {
                    call.integer(3, row)?
                } else {
                    1
                };
                find(call.text(0, row)?, call.text(1, row)?, start, occurrence)
            })))
        },
    ),
    text(
        "startswith",
        2..=2,
        &[Kind::TextOrBytes],
        ResultType::Strict(TypeRoot::Boolean),
        |call| compare_bytes(call, <[u8]>::starts_with),
    ),
    text(
        "endswith",
        2..=2,
        &[Kind::TextOrBytes],
        ResultType::Strict(TypeRoot::Boolean),
        |call| compare_bytes(call, <[u8]>::ends_with),
    ),
    text(
        "translate",
        3..=3,
        &[Kind::Text],
        ResultType::Strict(STRING),
        translate,
    ),
    text(
        "translate3",
        3..=3,
        &[Kind::Text],
        ResultType::Strict(STRING),
        translate,
    ),
    text(
        "elt",
        2..=MANY,
        &[Kind::Integer, Kind::Text],
        ResultType::Nullable(STRING),
        |call| {
            let values: StringArray = (0..call.n_rows)
                .map(|row| {
                    let index = usize::try_from(call.integer(0, row)?).ok()?;
                    if index == 0 {
                        None
                    } else {
                        call.text(index, row)
                    }
                })
                .collect();
            Ok(Arc::new(values))
        },
    ),
    text(
        "split_index",
        3..=3,
        SPLIT_INDEX,
        ResultType::Nullable(STRING),
        split_index,
    ),
    text(
        "is_alpha",
        1..=1,
        &[Kind::Text],
        ResultType::NotNull(TypeRoot::Boolean),
        |call| {
            is_all(call, |text| {
                !text.is_empty() && text.chars().all(char::is_alphabetic)
            })
        },
    ),
    text(
        "is_digit",
        1..=1,
        &[Kind::Text],
        ResultType::NotNull(TypeRoot::Boolean),
        |call| {
            is_all(call, |text| {
                !text.is_empty() && text.chars().all(char::is_numeric)
            })
        },
    ),
    text(
        "is_decimal",
        1..=1,
        &[Kind::Text],
        ResultType::NotNull(TypeRoot::Boolean),
        |call| is_all(call, |text| text.parse::<f64>().is_ok_and(f64::is_finite)),
    ),
];

const SUBSTRING: &[Kind] = &[Kind::Text, Kind::Integer, Kind::Integer];
const OVERLAY: &[Kind] = &[Kind::Text, Kind::Text, Kind::Integer, Kind::Integer];
const LOCATE: &[Kind] = &[Kind::Text, Kind::Text, Kind::Integer];
const INSTR: &[Kind] = &[Kind::Text, Kind::Text, Kind::Integer, Kind::Integer];
const SPLIT_INDEX: &[Kind] = &[Kind::Text, Kind::TextOrInteger, Kind::Integer];

/// A deterministic function.
pub(super) const fn text(
    name: &'static str,
    arity: std::ops::RangeInclusive<usize>,
    kinds: &'static [Kind],
    result: ResultType,
    evaluate: fn(&Call) -> Result<ArrayRef>,
) -> Definition {
    Definition {
        name,
        arity,
        kinds,
        result,
        deterministic: true,
        evaluate,
    }
}

/// A column of texts, NULL where an argument is.
pub(super) fn texts(call: &Call, compute: impl FnMut(usize) -> Option<String>) -> Result<ArrayRef> {
    Ok(Arc::new(call.strict::<String, StringArray>(compute)))
}

pub(super) fn map(call: &Call, compute: impl Fn(&str) -> Option<String>) -> Result<ArrayRef> {
    texts(call, |row| compute(call.text(0, row)?))
}

/// The length that the type of a text allows.
fn length_of(flink_type: Option<&FlinkType>) -> u32 {
    match flink_type.map(|flink_type| &flink_type.root) {
        Some(TypeRoot::Char(length) | TypeRoot::Varchar(length)) => *length,
        _ => MAX_LENGTH,
    }
}

/// VARCHAR as long as the first argument may be.
fn varchar(
    types: &[FlinkType],
    _constants: &[Option<&datafusion::common::ScalarValue>],
) -> Result<FlinkType> {
    Ok(FlinkType {
        root: TypeRoot::Varchar(length_of(types.first())),
        nullable: types.iter().any(|argument| argument.nullable),
    })
}

/// The same, always nullable.
fn varchar_nullable(
    types: &[FlinkType],
    _constants: &[Option<&datafusion::common::ScalarValue>],
) -> Result<FlinkType> {
    Ok(FlinkType::nullable(TypeRoot::Varchar(length_of(
        types.first(),
    ))))
}

fn char_length(call: &Call) -> Result<ArrayRef> {
    Ok(Arc::new(call.strict::<i32, Int32Array>(|row| {
        i32::try_from(call.text(0, row)?.chars().count()).ok()
    })))
}

/// Only ASCII letters are raised and lowered; everything else ends a word.
fn initcap(text: &str) -> String {
    let mut begins = true;
    text.chars()
        .map(|letter| {
            let shown = if begins {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            };
            begins = !letter.is_ascii_alphanumeric();
            shown
        })
        .collect()
}

fn concat_ws(call: &Call) -> Result<ArrayRef> {
    let values: StringArray = (0..call.n_rows)
        .map(|row| {
            let separator = call.text(0, row)?;
            let parts: Vec<_> = (1..call.arguments.len())
                .filter_map(|index| call.text(index, row))
                .collect();
            Some(parts.join(separator))
        })
        .collect();
    Ok(Arc::new(values))
}

/// The padding and the (cut) text of LPAD and RPAD; `None` for a negative length or no padding.
fn pad(call: &Call, row: usize) -> Option<(String, String)> {
    let (text, padding) = (call.text(0, row)?, call.text(2, row)?);
    let length = usize::try_from(call.integer(1, row)?).ok()?;
    if padding.is_empty() {
        return None;
    }
    let n_chars = text.chars().count();
    let padding = padding
        .chars()
        .cycle()
        .take(length.saturating_sub(n_chars))
        .collect();
    Some((padding, text.chars().take(length).collect()))
}

fn trim(
    call: &Call,
    cut: impl for<'a> Fn(&'a str, &dyn Fn(char) -> bool) -> &'a str,
) -> Result<ArrayRef> {
    texts(call, |row| {
        let text = call.text(0, row)?;
        let letters = match call.arguments.get(1) {
            Some(_) => call.text(1, row)?,
            None => " ",
        };
        Some(cut(text, &|letter| letters.contains(letter)).to_owned())
    })
}

fn both_ends(call: &Call) -> Result<ArrayRef> {
    trim(call, |text, is_cut| {
        text.trim_start_matches(is_cut).trim_end_matches(is_cut)
    })
}

/// From a position (1 is the first, −1 the last, 0 counts as 1), at most so many characters.
fn substring(call: &Call) -> Result<ArrayRef> {
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
                None => return Some(String::new()),
            }
        };
        Some(text.chars().skip(skipped).take(length).collect())
    })
}

fn overlay(call: &Call) -> Result<ArrayRef> {
    texts(call, |row| {
        let (text, placed) = (call.text(0, row)?, call.text(1, row)?);
        let start = call.integer(2, row)?;
        let letters: Vec<char> = text.chars().collect();
        let n_chars = i64::try_from(letters.len()).ok()?;
        if start <= 0 || start > n_chars {
            return Some(text.to_owned());
        }
        let length = match call.arguments.get(3) {
            Some(_) => call.integer(3, row)?,
            None => i64::try_from(placed.chars().count()).ok()?,
        };
        let before = usize::try_from(start - 1).ok()?;
        let mut out: String = letters.iter().take(before).collect();
        out.push_str(placed);
        // Flink drops the rest where nothing would be replaced.
        if length > 0 && start + length <= n_chars {
            let after = usize::try_from(start - 1 + length).ok()?;
            out.extend(letters.iter().skip(after));
        }
        Some(out)
    })
}

/// Position of an occurrence of `wanted` in `text` from position `start` on; 0 if there is none.
fn find(text: &str, wanted: &str, start: i64, occurrence: i64) -> Option<i32> {
    let letters: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = wanted.chars().collect();
    if start == 0 || occurrence < 1 {
        return Some(0);
    }
    let matches_at = |index: usize| letters.get(index..index + pattern.len()) == Some(&pattern[..]);
    let last = letters.len().checked_sub(pattern.len());
    let Some(last) = last else { return Some(0) };
    let mut remaining = occurrence;
    let mut check = |index: usize| {
        if matches_at(index) {
            remaining -= 1;
        }
        remaining == 0
    };
    let found = if start > 0 {
        let first = usize::try_from(start - 1).ok()?;
        (first..=last).find(|&index| check(index))
    } else {
        let from_end = usize::try_from(start.unsigned_abs()).ok()?;
        let first = letters.len().checked_sub(from_end)?.min(last);
        (0..=first).rev().find(|&index| check(index))
    };
    Some(match found {
        Some(index) => i32::try_from(index + 1).ok()?,
        None => 0,
    })
}

fn compare_bytes(call: &Call, compare: fn(&[u8], &[u8]) -> bool) -> Result<ArrayRef> {
    let bytes = |index: usize, row: usize| -> Option<Vec<u8>> {
        let array = call.arguments.get(index)?;
        match array.data_type() {
            DataType::Binary => Some(array.as_binary::<i32>().value(row).to_vec()),
            _ => call.text(index, row).map(|text| text.as_bytes().to_vec()),
        }
    };
    Ok(Arc::new(call.strict::<bool, BooleanArray>(|row| {
        Some(compare(&bytes(0, row)?, &bytes(1, row)?))
    })))
}

fn translate(call: &Call) -> Result<ArrayRef> {
    texts(call, |row| {
        let (text, from, to) = (call.text(0, row)?, call.text(1, row)?, call.text(2, row)?);
        let to: Vec<char> = to.chars().collect();
        let translated = text.chars().filter_map(|letter| {
            match from.chars().position(|other| other == letter) {
                None => Some(letter),
                Some(index) => to.get(index).copied(),
            }
        });
        Some(translated.collect())
    })
}

fn split_index(call: &Call) -> Result<ArrayRef> {
    texts(call, |row| {
        let text = call.text(0, row)?;
        let index = usize::try_from(call.integer(2, row)?).ok()?;
        let separator = match call.integer(1, row) {
            Some(code) => char::from(u8::try_from(code).ok()?).to_string(),
            None => call.text(1, row)?.to_owned(),
        };
        if text.is_empty() {
            return None;
        }
        if separator.is_empty() {
            return (index == 0).then(|| text.to_owned());
        }
        text.split(separator.as_str())
            .nth(index)
            .map(ToOwned::to_owned)
    })
}

fn is_all(call: &Call, check: impl Fn(&str) -> bool) -> Result<ArrayRef> {
    let values: BooleanArray = (0..call.n_rows)
        .map(|row| Some(call.text(0, row).is_some_and(&check)))
        .collect();
    Ok(Arc::new(values))
}
