//! The values that go to a database and come from it.
//!
//! ```text
//!   Arrow column ──encode──▶ Value ──driver──▶ parameter of a statement
//!   Arrow column ◀─decode── Value ◀─driver─── column of an answer
//! ```

mod decode;

mod encode;

mod text;

pub(crate) use decode::Decoder;
pub(crate) use encode::encode;
pub(crate) use text::{parse_date, parse_decimal, parse_time, parse_timestamp};

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    UInt(u64),
    Float(f32),
    Double(f64),
    Decimal {
        unscaled: i128,
        scale: u8,
    },
    /// A decimal of more digits than any of Flink's: its text, without an exponent.
    LongDecimal(String),
    Text(String),
    Bytes(Vec<u8>),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970 on a wall clock.
    Timestamp(i64),
    /// Microseconds since 1970 in UTC.
    Instant(i64),
    Array(Vec<Value>),
    /// Something of the database that has no value here: its kind, for a message.
    Foreign(&'static str),
}

impl Value {
    /// Bytes of memory, about.
    pub(crate) fn size(&self) -> usize {
        let inside = match self {
            Self::Text(text) | Self::LongDecimal(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Array(values) => values.iter().map(Self::size).sum(),
            _ => 0,
        };
        size_of::<Self>() + inside
    }

    /// What it is, for a message: `text 'abc'`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Bool(_) => format!("boolean {}", self.text()),
            Self::Int(_) | Self::UInt(_) => format!("integer {}", self.text()),
            Self::Float(_) | Self::Double(_) => format!("floating-point number {}", self.text()),
            Self::Decimal { .. } | Self::LongDecimal(_) => format!("decimal {}", self.text()),
            Self::Text(_) => {
                const MAX_CHARS: usize = 40;
                let text = self.text();
                let cut: String = text.chars().take(MAX_CHARS).collect();
                let dots = if cut.len() < text.len() { "…" } else { "" };
                format!("text '{cut}{dots}'")
            }
            Self::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Self::Date(_) => format!("date {}", self.text()),
            Self::Time(_) => format!("time {}", self.text()),
            Self::Timestamp(_) | Self::Instant(_) => format!("timestamp {}", self.text()),
            Self::Array(values) => format!("array of {} elements", values.len()),
            Self::Foreign(kind) => (*kind).to_owned(),
        }
    }
}
