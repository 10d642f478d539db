//! Functions on texts.
//!
//! Positions and lengths count characters, as in Flink's `BinaryStringData`; those of LPAD, RPAD,
//! OVERLAY and SPLIT count UTF-16, because Flink computes them on Java's strings. Half a character
//! becomes `?`.
//!
//! Source: `SqlFunctionUtils` and `BinaryStringDataUtil` of Flink 2.3.

mod edit;

mod printf;

mod search;

mod split;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, StringArray};
use datafusion::common::ScalarValue;

use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::cast::{Caster, OnFailure, parse};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::rules::common;
use edit::{both_ends, overlay, padded, replaced, slice, substring, translate, trim};
use printf::printf;
use search::{compare_bytes, find, instr};
use split::{split_index, str_to_map, str_to_map_type};

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
        |call| cased(call, str::to_uppercase),
    ),
    text(
        "lower",
        1..=1,
        &[Kind::Text],
        ResultType::Argument(0),
        |call| cased(call, str::to_lowercase),
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
        "__concat",
        2..=2,
        &[Kind::Text],
        ResultType::Computed(concatenated),
        |call| {
            texts(call, |row| {
                Some(call.text(0, row)?.to_owned() + call.text(1, row)?)
            })
        },
    ),
    text(
        "concat_ws",
        1..=MANY,
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
                Some(replaced(
                    call.text(0, row)?,
                    call.text(1, row)?,
                    call.text(2, row)?,
                ))
            })
        },
    ),
    text(
        "lpad",
        3..=3,
        &[Kind::Text, Kind::Integer, Kind::Text],
        ResultType::Strict(STRING),
        |call| texts(call, |row| padded(call, row, true)),
    ),
    text(
        "rpad",
        3..=3,
        &[Kind::Text, Kind::Integer, Kind::Text],
        ResultType::Strict(STRING),
        |call| texts(call, |row| padded(call, row, false)),
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
                Some(slice(call.text(0, row)?, 0, length))
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
                Some(slice(text, skipped, length))
            })
        },
    ),
    text(
        "overlay",
        3..=4,
        OVERLAY,
        ResultType::Computed(overlaid),
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
        instr,
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
        ResultType::Computed(translated),
        translate,
    ),
    text(
        "translate3",
        3..=3,
        &[Kind::Text],
        ResultType::Computed(translated),
        translate,
    ),
    text(
        "elt",
        2..=MANY,
        &[Kind::Integer, Kind::TextOrBytes],
        ResultType::Computed(chosen),
        |call| {
            let mut found: Option<ArrayRef> = None;
            for (index, column) in call.arguments.iter().enumerate().skip(1) {
                let wanted: BooleanArray = (0..call.n_rows)
                    .map(|row| Some(usize::try_from(call.integer(0, row)?).ok()? == index))
                    .map(|is_wanted| Some(is_wanted.unwrap_or(false)))
                    .collect();
                let others = match found {
                    Some(others) => others,
                    None => arrow::array::new_null_array(column.data_type(), call.n_rows),
                };
                found = Some(arrow::compute::kernels::zip::zip(&wanted, column, &others)?);
            }
            found.ok_or_else(|| EngineError::internal("ELT chooses from a list"))
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
        "str_to_map",
        1..=3,
        &[Kind::Text],
        ResultType::Computed(str_to_map_type),
        str_to_map,
    ),
    text(
        "printf",
        1..=MANY,
        &[Kind::Text, Kind::Any],
        ResultType::Nullable(STRING),
        printf,
    ),
    text(
        "is_alpha",
        1..=1,
        &[Kind::NumberOrText],
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
        &[Kind::NumberOrText],
        ResultType::NotNull(TypeRoot::Boolean),
        |call| {
            is_all(call, |text| {
                !text.is_empty() && text.chars().all(is_decimal_digit)
            })
        },
    ),
    text(
        "is_decimal",
        1..=1,
        &[Kind::NumberOrText],
        ResultType::NotNull(TypeRoot::Boolean),
        |call| {
            // A value of type DECIMAL is none, only texts and the other numbers are.
            let is_decimal_type = call
                .types
                .first()
                .is_some_and(|given| matches!(given.root, TypeRoot::Decimal { .. }));
            is_all(call, |text| {
                !is_decimal_type && parse::double(text).is_some()
            })
        },
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
pub(super) fn texts<T: AsRef<str>>(
    call: &Call,
    compute: impl FnMut(usize) -> Option<T>,
) -> Result<ArrayRef> {
    Ok(Arc::new(call.strict::<T, StringArray>(compute)))
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
fn varchar(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    Ok(FlinkType {
        root: TypeRoot::Varchar(length_of(types.first())),
        nullable: types.iter().any(|argument| argument.nullable),
    })
}

/// The same, always nullable.
fn varchar_nullable(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    Ok(FlinkType::nullable(TypeRoot::Varchar(length_of(
        types.first(),
    ))))
}

/// `||` adds lengths up; two CHARs are a CHAR.
fn concatenated(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let length = types
        .iter()
        .map(|given| length_of(Some(given)))
        .fold(0, u32::saturating_add)
        .min(MAX_LENGTH);
    let all_char = types
        .iter()
        .all(|given| matches!(given.root, TypeRoot::Char(_)));
    Ok(FlinkType {
        root: if all_char {
            TypeRoot::Char(length)
        } else {
            TypeRoot::Varchar(length)
        },
        nullable: types.iter().any(|given| given.nullable),
    })
}

/// OVERLAY's text is at most as long as both texts together.
fn overlaid(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let length = length_of(types.first()).saturating_add(length_of(types.get(1)));
    Ok(FlinkType {
        root: TypeRoot::Varchar(length.min(MAX_LENGTH)),
        nullable: types.iter().any(|argument| argument.nullable),
    })
}

/// TRANSLATE is NULL only where its first argument is.
fn translated(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    Ok(FlinkType {
        root: STRING,
        nullable: types.first().is_none_or(|text| text.nullable),
    })
}

/// A text in other letters, which may be more: 'ß' has two capitals. A constant is cut to the length of
/// its type, as Flink's planner does when it computes one.
fn cased(call: &Call, change: fn(&str) -> String) -> Result<ArrayRef> {
    let length = match call.result.root {
        TypeRoot::Char(length) | TypeRoot::Varchar(length) if call.is_constant(0) => length,
        _ => MAX_LENGTH,
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    map(call, |text| {
        let changed = change(text);
        Some(match changed.char_indices().nth(length) {
            Some((end, _)) => changed.get(..end).unwrap_or_default().to_owned(),
            None => changed,
        })
    })
}

/// ELT gives one of a list.
fn chosen(types: &[FlinkType], constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    let is_negative = constants.first().copied().flatten().is_some_and(|index| {
        matches!(index, ScalarValue::Int64(Some(index)) if *index < 0)
            || matches!(index, ScalarValue::Int32(Some(index)) if *index < 0)
    });
    let invalid = || crate::functions::conditional::invalid_arguments("ELT", types);
    // A bare NULL among the values becomes the shortest text.
    let with_null = types.iter().any(|given| given.root == TypeRoot::Null);
    let values: Vec<FlinkType> = types
        .iter()
        .skip(1)
        .map(|given| match &given.root {
            TypeRoot::Null => FlinkType::nullable(TypeRoot::Varchar(1)),
            TypeRoot::Char(length) if with_null => FlinkType {
                root: TypeRoot::Varchar(*length),
                nullable: given.nullable,
            },
            _ => given.clone(),
        })
        .collect();
    let found = common(&values)
        .filter(|_| !is_negative)
        .ok_or_else(invalid)?;
    Ok(FlinkType::nullable(found.root))
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

fn is_all(call: &Call, check: impl Fn(&str) -> bool) -> Result<ArrayRef> {
    let string = FlinkType::string();
    let caster = Caster {
        on_failure: OnFailure::Null,
        zone: call.zone,
    };
    let from = call.types.first().unwrap_or(&string);
    let shown = caster.cast(call.argument(0)?, from, &string)?;
    let values: BooleanArray = shown
        .as_string::<i32>()
        .iter()
        .map(|text| Some(text.is_some_and(&check)))
        .collect();
    Ok(Arc::new(values))
}

/// Java's `Character.isDigit`: decimal digits of all scripts.
fn is_decimal_digit(letter: char) -> bool {
    letter.is_ascii_digit() || (letter.is_numeric() && is_in_digit_block(letter))
}

/// Decimal digits lie in runs of ten: these are the first ones of the runs in the basic plane.
fn is_in_digit_block(letter: char) -> bool {
    const ZEROS: &[u32] = &[
        0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6,
        0x0d66, 0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0,
        0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0,
        0xaa50, 0xabf0, 0xff10,
    ];
    let code = u32::from(letter);
    ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&code))
}
