//! Values as parameters of PostgreSQL.
//!
//! Numbers of the server's own widths go as bytes, everything else as the text that the server's
//! type reads. Which values a type takes follows what the server would assign: a number to any
//! number or text, a text only to texts, unless `stringtype=unspecified` lets it be anything.

use bytes::BytesMut;
use postgres::types::{Format, IsNull, ToSql, Type};

use crate::values::Value;

type Problem = Box<dyn std::error::Error + Sync + Send>;

/// A value on its way.
#[derive(Debug)]
pub(super) struct Parameter<'a> {
    pub(super) value: &'a Value,
    /// Texts are sent for any type.
    pub(super) takes_any_type: bool,
}

/// How a value travels.
enum Form {
    Null,
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float8(f64),
    Bytes,
    Text(String),
}

impl Parameter<'_> {
    fn form(&self, ty: &Type) -> Result<Form, Problem> {
        let is_text = matches!(
            *ty,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN
        );
        let mismatch = || -> Problem {
            format!(
                "{} cannot be written to a column of type {ty}",
                self.value.describe()
            )
            .into()
        };
        let out_of_range = || -> Problem {
            format!("{} is out of range for type {ty}", self.value.describe()).into()
        };
        Ok(match (self.value, ty) {
            (Value::Null, _) => Form::Null,
            (Value::Int(value), &Type::INT2) => {
                Form::Int2(i16::try_from(*value).map_err(|_| out_of_range())?)
            }
            (Value::Int(value), &Type::INT4) => {
                Form::Int4(i32::try_from(*value).map_err(|_| out_of_range())?)
            }
            (Value::Int(value), &Type::INT8) => Form::Int8(*value),
            (Value::Double(value), &Type::FLOAT8) => Form::Float8(*value),
            (Value::Bytes(_), &Type::BYTEA) => Form::Bytes,
            (Value::Bytes(_), _) => return Err(mismatch()),
            (Value::Float(value), _) if !is_text => match numeric_text(f64::from(*value), ty) {
                Some(text) => Form::Text(text.unwrap_or_else(|| value.to_string())),
                None => return Err(mismatch()),
            },
            (Value::Double(value), _) if !is_text => match numeric_text(*value, ty) {
                Some(text) => Form::Text(text.unwrap_or_else(|| value.to_string())),
                None => return Err(mismatch()),
            },
            (Value::Decimal { .. } | Value::UInt(_), &Type::INT2 | &Type::INT4 | &Type::INT8) => {
                // The server rounds when it assigns.
                let value: f64 = self.value.text().parse()?;
                Form::Text(format!("{value:.0}"))
            }
            (Value::Int(_) | Value::UInt(_) | Value::Decimal { .. }, ty) if is_number(ty) => {
                Form::Text(self.value.text())
            }
            (Value::Bool(_), &Type::BOOL)
            | (Value::Date(_), &Type::DATE | &Type::TIMESTAMP | &Type::TIMESTAMPTZ)
            | (Value::Time(_), &Type::TIME | &Type::TIMETZ)
            | (Value::Timestamp(_), &Type::TIMESTAMP | &Type::TIMESTAMPTZ | &Type::DATE) => {
                Form::Text(self.value.text())
            }
            (Value::Instant(_), &Type::TIMESTAMPTZ | &Type::TIMESTAMP) => {
                Form::Text(format!("{}+00", self.value.text()))
            }
            (Value::Text(text), _) if is_text || self.takes_any_type => Form::Text(text.clone()),
            (Value::Text(_) | Value::LongDecimal(_) | Value::Array(_) | Value::Foreign(_), _) => {
                return Err(mismatch());
            }
            (_, _) if is_text => Form::Text(self.value.text()),
            _ => return Err(mismatch()),
        })
    }
}

fn is_number(ty: &Type) -> bool {
    matches!(
        *ty,
        Type::INT2
            | Type::INT4
            | Type::INT8
            | Type::FLOAT4
            | Type::FLOAT8
            | Type::NUMERIC
            | Type::OID
    )
}

/// The text of a floating-point number for a number's type, if it has to be another than its own;
/// none if the type is no number's.
fn numeric_text(value: f64, ty: &Type) -> Option<Option<String>> {
    match *ty {
        Type::INT2 | Type::INT4 | Type::INT8 => {
            Some(Some(format!("{:.0}", value.round_ties_even())))
        }
        Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => Some(None),
        _ => None,
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Problem> {
        match self.form(ty)? {
            Form::Null => return Ok(IsNull::Yes),
            Form::Int2(value) => out.extend_from_slice(&value.to_be_bytes()),
            Form::Int4(value) => out.extend_from_slice(&value.to_be_bytes()),
            Form::Int8(value) => out.extend_from_slice(&value.to_be_bytes()),
            Form::Float8(value) => out.extend_from_slice(&value.to_be_bytes()),
            Form::Text(text) => out.extend_from_slice(text.as_bytes()),
            Form::Bytes => {
                if let Value::Bytes(bytes) = self.value {
                    out.extend_from_slice(bytes);
                }
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Problem> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        match self.form(ty) {
            Ok(Form::Text(_)) => Format::Text,
            _ => Format::Binary,
        }
    }
}
