//! Texts found in texts.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array};
use arrow::datatypes::DataType;

use crate::error::{EngineError, Result};
use crate::functions::define::Call;

/// Position of an occurrence of `wanted` in `text` from position `start` on; 0 if there is none.
pub(super) fn find(text: &str, wanted: &str, start: i64, occurrence: i64) -> Option<i32> {
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

/// INSTR with its start and occurrence.
pub(super) fn instr(call: &Call) -> Result<ArrayRef> {
    let optional = |index: usize, row: usize| match call.arguments.get(index) {
        Some(_) => call.integer(index, row),
        None => Some(1),
    };
    if (0..call.n_rows)
        .any(|row| !call.has_null(row) && optional(3, row).is_some_and(|nth| nth <= 0))
    {
        return Err(EngineError::Data {
            message: "INSTR: the occurrence must be positive".to_owned(),
        });
    }
    Ok(Arc::new(call.strict::<i32, Int32Array>(|row| {
        find(
            call.text(0, row)?,
            call.text(1, row)?,
            optional(2, row)?,
            optional(3, row)?,
        )
    })))
}

pub(super) fn compare_bytes(call: &Call, compare: fn(&[u8], &[u8]) -> bool) -> Result<ArrayRef> {
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
