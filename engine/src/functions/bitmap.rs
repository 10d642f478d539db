//! BITMAP: sets of 32-bit integers, read and written in the portable Roaring format.
//!
//! Integers are taken as unsigned: -1 is 4294967295 in the set's order and text. Sets are kept
//! without run containers, so that equal sets are equal bytes.
//!
//! Source: the BITMAP functions of Flink 2.3; the RoaringFormatSpec.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, Int32Builder, Int64Array, LargeBinaryBuilder,
    ListBuilder, new_null_array,
};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::ScalarValue;
use roaring::RoaringBitmap;

use crate::data::types::{FlinkType, MAX_LENGTH, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::nested::{any_nullable, array_of, bounds, element_of, invalid, lists};
use crate::functions::string::{text, texts};

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "bitmap_build",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(build_type),
        build,
    ),
    text(
        "bitmap_from_bytes",
        1..=1,
        &[Kind::Bytes],
        ResultType::Strict(TypeRoot::Bitmap),
        from_bytes,
    ),
    text(
        "bitmap_to_bytes",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _| {
            taken(types, "BITMAP_TO_BYTES", TypeRoot::Varbinary(MAX_LENGTH))
        }),
        to_bytes,
    ),
    text(
        "bitmap_to_array",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _| {
            let array = array_of(FlinkType::nullable(TypeRoot::Int), true);
            taken(types, "BITMAP_TO_ARRAY", array.root)
        }),
        to_array,
    ),
    text(
        "bitmap_to_string",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _| {
            taken(types, "BITMAP_TO_STRING", TypeRoot::Varchar(MAX_LENGTH))
        }),
        to_string,
    ),
    text(
        "bitmap_cardinality",
        1..=1,
        &[Kind::Any],
        ResultType::Computed(|types, _| taken(types, "BITMAP_CARDINALITY", TypeRoot::BigInt)),
        cardinality,
    ),
    text(
        "bitmap_and",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(|types, _| taken(types, "BITMAP_AND", TypeRoot::Bitmap)),
        |call| combine(call, |left, right| left & right),
    ),
    text(
        "bitmap_or",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(|types, _| taken(types, "BITMAP_OR", TypeRoot::Bitmap)),
        |call| combine(call, |left, right| left | right),
    ),
    text(
        "bitmap_xor",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(|types, _| taken(types, "BITMAP_XOR", TypeRoot::Bitmap)),
        |call| combine(call, |left, right| left ^ right),
    ),
    text(
        "bitmap_andnot",
        2..=2,
        &[Kind::Any],
        ResultType::Computed(|types, _| taken(types, "BITMAP_ANDNOT", TypeRoot::Bitmap)),
        |call| combine(call, |left, right| left - right),
    ),
];

/// `root`, if all arguments are bitmaps.
fn taken(types: &[FlinkType], name: &str, root: TypeRoot) -> Result<FlinkType> {
    if types.iter().any(|given| given.root != TypeRoot::Bitmap) {
        return Err(invalid(name, types));
    }
    Ok(FlinkType {
        root,
        nullable: any_nullable(types),
    })
}

fn build_type(types: &[FlinkType], _constants: &[Option<&ScalarValue>]) -> Result<FlinkType> {
    if types
        .first()
        .is_some_and(|given| given.root == TypeRoot::Null)
    {
        return Ok(FlinkType::nullable(TypeRoot::Bitmap));
    }
    match element_of(types.first()) {
        Some(element) if element.root == TypeRoot::Int => Ok(FlinkType {
            root: TypeRoot::Bitmap,
            nullable: any_nullable(types),
        }),
        _ => Err(invalid("BITMAP_BUILD", types)),
    }
}

/// The bytes of a set.
///
/// # Errors
/// `Internal` if they cannot be written to memory.
pub fn encode(bitmap: &RoaringBitmap) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap
        .serialize_into(&mut bytes)
        .map_err(|error| EngineError::internal(format!("a bitmap cannot be written: {error}")))?;
    Ok(bytes)
}

/// The set of bytes.
///
/// # Errors
/// `Data` if they are none.
pub fn decode(bytes: &[u8]) -> Result<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes).map_err(|_| EngineError::Data {
        message: "Failed to deserialize bitmap from bytes.".to_owned(),
    })
}

/// The set in a row of an argument; `None` for NULL.
fn bitmap(call: &Call, index: usize, row_idx: usize) -> Result<Option<RoaringBitmap>> {
    let bitmaps = call
        .argument(index)?
        .as_binary_opt::<i64>()
        .ok_or_else(|| EngineError::internal("a BITMAP is large bytes"))?;
    if bitmaps.is_null(row_idx) {
        return Ok(None);
    }
    decode(bitmaps.value(row_idx)).map(Some)
}

/// The text of a set: `{1,2,3}`.
#[must_use]
pub fn show(bitmap: &RoaringBitmap) -> String {
    let values: Vec<String> = bitmap.iter().map(|value| value.to_string()).collect();
    format!("{{{}}}", values.join(","))
}

fn build(call: &Call) -> Result<ArrayRef> {
    if *call.argument(0)?.data_type() == DataType::Null {
        return Ok(new_null_array(&call.result.to_arrow_type(), call.n_rows));
    }
    let lists = lists(call, 0)?;
    let values = lists.values().as_primitive::<Int32Type>();
    let mut out = LargeBinaryBuilder::new();
    for row_idx in 0..call.n_rows {
        if lists.is_null(row_idx) {
            out.append_null();
            continue;
        }
        let bitmap: RoaringBitmap = bounds(lists, row_idx)
            .filter(|value_idx| !values.is_null(*value_idx))
            .map(|value_idx| values.value(value_idx).cast_unsigned())
            .collect();
        out.append_value(encode(&bitmap)?);
    }
    Ok(Arc::new(out.finish()))
}

fn from_bytes(call: &Call) -> Result<ArrayRef> {
    let bytes = call.argument(0)?.as_binary::<i32>();
    let mut out = LargeBinaryBuilder::new();
    for bytes in bytes {
        match bytes {
            None => out.append_null(),
            Some(bytes) => {
                let mut bitmap = decode(bytes)?;
                bitmap.remove_run_compression();
                out.append_value(encode(&bitmap)?);
            }
        }
    }
    Ok(Arc::new(out.finish()))
}

fn to_bytes(call: &Call) -> Result<ArrayRef> {
    let bitmaps = call
        .argument(0)?
        .as_binary_opt::<i64>()
        .ok_or_else(|| EngineError::internal("a BITMAP is large bytes"))?;
    let mut out = BinaryBuilder::new();
    for bytes in bitmaps {
        out.append_option(bytes);
    }
    Ok(Arc::new(out.finish()))
}

fn to_array(call: &Call) -> Result<ArrayRef> {
    let DataType::List(item) = call.result.to_arrow_type() else {
        return Err(EngineError::internal("an ARRAY is a list"));
    };
    let mut out = ListBuilder::new(Int32Builder::new()).with_field(item);
    for row_idx in 0..call.n_rows {
        match bitmap(call, 0, row_idx)? {
            None => out.append_null(),
            Some(bitmap) => {
                for value in bitmap {
                    out.values().append_value(value.cast_signed());
                }
                out.append(true);
            }
        }
    }
    Ok(Arc::new(out.finish()))
}

fn to_string(call: &Call) -> Result<ArrayRef> {
    let mut shown = Vec::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        shown.push(bitmap(call, 0, row_idx)?.map(|bitmap| show(&bitmap)));
    }
    texts(call, |row_idx| shown.get(row_idx).cloned().flatten())
}

fn cardinality(call: &Call) -> Result<ArrayRef> {
    let mut sizes = Vec::with_capacity(call.n_rows);
    for row_idx in 0..call.n_rows {
        let size = bitmap(call, 0, row_idx)?.map(|bitmap| bitmap.len());
        sizes.push(size.and_then(|size| i64::try_from(size).ok()));
    }
    Ok(Arc::new(Int64Array::from(sizes)))
}

fn combine(
    call: &Call,
    combine: impl Fn(RoaringBitmap, RoaringBitmap) -> RoaringBitmap,
) -> Result<ArrayRef> {
    let mut out = LargeBinaryBuilder::new();
    for row_idx in 0..call.n_rows {
        match (bitmap(call, 0, row_idx)?, bitmap(call, 1, row_idx)?) {
            (Some(left), Some(right)) => out.append_value(encode(&combine(left, right))?),
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}
