//! Hashes and encodings of texts and bytes.
//!
//! Source: `SqlFunctionUtils` and `HashFunctions` of Flink 2.3.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::datatypes::{DataType, Int64Type};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine as _, alphabet};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::data::types::{MAX_LENGTH, TypeRoot};
use crate::error::{EngineError, Result};
use crate::functions::charsets;
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::string::{text, texts};

const STRING: TypeRoot = TypeRoot::Varchar(MAX_LENGTH);
const BYTES: TypeRoot = TypeRoot::Varbinary(MAX_LENGTH);
const HASHED: &[Kind] = &[Kind::TextOrBytes];
const SHA2: &[Kind] = &[Kind::TextOrBytes, Kind::Integer];
const DECODE: &[Kind] = &[Kind::Bytes, Kind::Text];

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "md5",
        1..=1,
        HASHED,
        ResultType::Strict(TypeRoot::Char(32)),
        hash::<Md5>,
    ),
    text(
        "sha1",
        1..=1,
        HASHED,
        ResultType::Strict(TypeRoot::Char(40)),
        hash::<Sha1>,
    ),
    text(
        "sha224",
        1..=1,
        HASHED,
        ResultType::Strict(TypeRoot::Char(56)),
        hash::<Sha224>,
    ),
    text(
        "sha256",
        1..=1,
        HASHED,
        ResultType::Strict(TypeRoot::Char(64)),
        hash::<Sha256>,
    ),
    text(
        "sha384",
        1..=1,
        HASHED,
        ResultType::Strict(TypeRoot::Char(96)),
        hash::<Sha384>,
    ),
    text(
        "sha512",
        1..=1,
        HASHED,
        ResultType::Strict(TypeRoot::Char(128)),
        hash::<Sha512>,
    ),
    text(
        "sha2",
        2..=2,
        SHA2,
        ResultType::Strict(TypeRoot::Varchar(128)),
        sha2,
    ),
    text(
        "hex",
        1..=1,
        &[Kind::TextOrInteger],
        ResultType::Strict(STRING),
        |call| {
            let is_number = *call.argument(0)?.data_type() == DataType::Int64;
            texts(call, |row| {
                Some(if is_number {
                    format!("{:X}", call.integer(0, row)?)
                } else {
                    hex(call.text(0, row)?.as_bytes()).to_uppercase()
                })
            })
        },
    ),
    text(
        "unhex",
        1..=1,
        &[Kind::Text],
        ResultType::Nullable(BYTES),
        |call| {
            Ok(Arc::new(call.strict::<Vec<u8>, BinaryArray>(|row| {
                unhex(call.text(0, row)?)
            })))
        },
    ),
    text(
        "to_base64",
        1..=1,
        HASHED,
        ResultType::Strict(STRING),
        |call| texts(call, |row| Some(STANDARD.encode(bytes(call, 0, row)?))),
    ),
    text(
        "from_base64",
        1..=1,
        HASHED,
        ResultType::Strict(STRING),
        from_base64,
    ),
    text(
        "encode",
        2..=2,
        &[Kind::Text],
        ResultType::Strict(BYTES),
        charsets::encode,
    ),
    text(
        "decode",
        2..=2,
        DECODE,
        ResultType::Strict(STRING),
        charsets::decode,
    ),
    text(
        "inet_aton",
        1..=1,
        &[Kind::Text],
        ResultType::Nullable(TypeRoot::BigInt),
        |call| {
            Ok(Arc::new(call.strict::<i64, arrow::array::Int64Array>(
                |row| inet_aton(call.text(0, row)?),
            )))
        },
    ),
    text(
        "inet_ntoa",
        1..=1,
        &[Kind::Integer],
        ResultType::Nullable(STRING),
        |call| {
            let numbers = call.argument(0)?.as_primitive::<Int64Type>();
            texts(call, |row| {
                let address = u32::try_from(numbers.value(row)).ok()?;
                Some(std::net::Ipv4Addr::from(address).to_string())
            })
        },
    ),
];

/// The bytes of a text or of bytes.
fn bytes(call: &Call, index: usize, row: usize) -> Option<Vec<u8>> {
    let array = call.arguments.get(index)?;
    match array.data_type() {
        DataType::Binary => {
            let values = array.as_binary::<i32>();
            (!values.is_null(row)).then(|| values.value(row).to_vec())
        }
        _ => call.text(index, row).map(|text| text.as_bytes().to_vec()),
    }
}

fn hash<D: Digest>(call: &Call) -> Result<ArrayRef> {
    texts(call, |row| Some(hex(&D::digest(bytes(call, 0, row)?))))
}

/// SHA2 with 224, 256, 384 or 512 bits.
fn sha2(call: &Call) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        let Some(n_bits) = call.integer(1, row) else {
            values.push(None);
            continue;
        };
        let bytes = match bytes(call, 0, row) {
            Some(bytes) => bytes,
            // A constant length is looked at although there is nothing to hash.
            None if call.is_constant(1) && !matches!(n_bits, 224 | 256 | 384 | 512) => {
                return Err(unknown_length(n_bits));
            }
            None => {
                values.push(None);
                continue;
            }
        };
        values.push(Some(match n_bits {
            // Java knows an algorithm of this name; as a constant the length is looked at before.
            1 if !call.is_constant(1) => hex(&Sha1::digest(&bytes)),
            224 => hex(&Sha224::digest(&bytes)),
            256 => hex(&Sha256::digest(&bytes)),
            384 => hex(&Sha384::digest(&bytes)),
            512 => hex(&Sha512::digest(&bytes)),
            other => return Err(unknown_length(other)),
        }));
    }
    Ok(Arc::new(arrow::array::StringArray::from(values)))
}

fn unknown_length(n_bits: i64) -> EngineError {
    EngineError::Data {
        message: format!("SHA2 of {n_bits} bits: unsupported algorithm; use 224, 256, 384 or 512"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing into a String does not fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// An odd number of digits begins with a zero byte, as Flink has it.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()?;
    // `616` is 00 16: the lone digit in front is lost.
    let (first, rest) = digits.split_at(digits.len() % 2);
    let mut out = vec![0; first.len()];
    out.extend(
        rest.chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)),
    );
    Some(out)
}

/// With or without the padding at the end, as Java's decoder.
fn from_base64(call: &Call) -> Result<ArrayRef> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let mut values = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        let Some(encoded) = bytes(call, 0, row) else {
            values.push(None);
            continue;
        };
        let decoded = LENIENT.decode(&encoded).map_err(|_| EngineError::Data {
            message: format!("'{}' is no base64", String::from_utf8_lossy(&encoded)),
        })?;
        values.push(Some(String::from_utf8_lossy(&decoded).into_owned()));
    }
    Ok(Arc::new(arrow::array::StringArray::from(values)))
}

/// An IPv4 address of one to four parts, none of them above 255; the last one is the last byte.
fn inet_aton(text: &str) -> Option<i64> {
    let parts: Vec<i64> = text
        .split('.')
        .map(|part| part.parse::<u32>().ok().map(i64::from))
        .collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || parts.iter().any(|part| *part > 255) {
        return None;
    }
    let bits_left = 8 * (4 - first.len());
    let high = first.iter().fold(0, |address, part| address << 8 | part);
    Some(high << bits_left | last)
}
