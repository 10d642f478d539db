//! Flink's data types and how they lie in Arrow.
//!
//! ```text
//!   "ROW<a INT>" ──type_parser──▶ FlinkType ──to_arrow_field──▶ Field ──from_field──▶ FlinkType
//! ```
//!
//! Arrow carries the values; where its type does not say everything (`CHAR(3)`, `TIMESTAMP(0)`,
//! `MULTISET<STRING>`), the field's metadata [`TYPE_KEY`] holds Flink's text of the type without
//! NOT NULL, and the field's own nullability says the rest. Without metadata an Arrow type means
//! the widest Flink type over it: `STRING`, `BYTES`, `TIMESTAMP(3|6|9)` by unit, `TIME(0)`.
//!
//! Source: `org.apache.flink.table.types.logical`, Flink 2.3 (texts of `asSummaryString` and
//! `asSerializableString`).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit};

use super::map_keys::{self, TAKES_NULL, entry_fields};

/// Metadata key of a field with Flink's text of its type, where Arrow does not say it all.
pub const TYPE_KEY: &str = "flink.type";
/// Metadata key of a field of a ROW with the field's comment.
pub const COMMENT_KEY: &str = "flink.comment";
/// Metadata key of a field that is a time attribute: `ROWTIME` or `PROCTIME`.
pub const TIME_ATTRIBUTE_KEY: &str = "flink.time-attribute";
/// The length of `STRING` and `BYTES`.
pub const MAX_LENGTH: u32 = i32::MAX as u32;

/// A data type, with its nullability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlinkType {
    /// The type without its nullability.
    pub root: TypeRoot,
    /// Whether NULL is a value of the type.
    pub nullable: bool,
}

/// A data type without its nullability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeRoot {
    /// `CHAR(n)`.
    Char(u32),
    /// `VARCHAR(n)`; `STRING` with [`MAX_LENGTH`].
    Varchar(u32),
    /// `BOOLEAN`.
    Boolean,
    /// `BINARY(n)`.
    Binary(u32),
    /// `VARBINARY(n)`; `BYTES` with [`MAX_LENGTH`].
    Varbinary(u32),
    /// `DECIMAL(p, s)`, 1 ≤ p ≤ 38, 0 ≤ s ≤ p.
    Decimal {
        /// Number of digits.
        precision: u8,
        /// Number of digits after the point.
        scale: u8,
    },
    /// `TINYINT`: 8 bits.
    TinyInt,
    /// `SMALLINT`: 16 bits.
    SmallInt,
    /// `INT`: 32 bits.
    Int,
    /// `BIGINT`: 64 bits.
    BigInt,
    /// `FLOAT`: 32 bits.
    Float,
    /// `DOUBLE`: 64 bits.
    Double,
    /// `DATE`.
    Date,
    /// `TIME(p)`; milliseconds are kept at most.
    Time(u8),
    /// `TIMESTAMP(p)`: a wall clock without a zone.
    Timestamp(u8),
    /// `TIMESTAMP_LTZ(p)`: an instant, shown in the session's zone.
    TimestampLtz(u8),
    /// `INTERVAL YEAR TO MONTH` and its narrower forms.
    IntervalYearMonth {
        /// The units.
        resolution: YearMonthResolution,
        /// Digits of the year.
        year_precision: u8,
    },
    /// `INTERVAL DAY TO SECOND` and its narrower forms.
    IntervalDayTime {
        /// The units.
        resolution: DayTimeResolution,
        /// Digits of the day.
        day_precision: u8,
        /// Digits of the second's fraction.
        fractional_precision: u8,
    },
    /// `ARRAY<t>`.
    Array(Box<FlinkType>),
    /// `MULTISET<t>`: element to number.
    Multiset(Box<FlinkType>),
    /// `MAP<k, v>`.
    Map(Box<FlinkType>, Box<FlinkType>),
    /// `ROW<…>`.
    Row(Vec<RowField>),
    /// `STRUCTURED<'class', …>`: a ROW that is an object of a class.
    Structured {
        /// Name of the class.
        class: String,
        /// Its attributes.
        fields: Vec<RowField>,
    },
    /// `VARIANT`: a JSON-like value, kept as its canonical JSON text.
    Variant,
    /// `BITMAP`: a set of 32-bit integers, kept in the portable Roaring format.
    Bitmap,
    /// `NULL`: the type of an untyped NULL.
    Null,
    /// An Arrow type that no Flink type stands for; shown as `RAW`.
    Foreign(DataType),
}

/// A field of a ROW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowField {
    /// Name.
    pub name: String,
    /// Type.
    pub flink_type: FlinkType,
    /// Comment.
    pub comment: Option<String>,
}

/// Units of an interval of months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YearMonthResolution {
    /// `YEAR`.
    Year,
    /// `YEAR TO MONTH`.
    YearToMonth,
    /// `MONTH`.
    Month,
}

/// Units of an interval of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayTimeResolution {
    /// `DAY`.
    Day,
    /// `DAY TO HOUR`.
    DayToHour,
    /// `DAY TO MINUTE`.
    DayToMinute,
    /// `DAY TO SECOND`.
    DayToSecond,
    /// `HOUR`.
    Hour,
    /// `HOUR TO MINUTE`.
    HourToMinute,
    /// `HOUR TO SECOND`.
    HourToSecond,
    /// `MINUTE`.
    Minute,
    /// `MINUTE TO SECOND`.
    MinuteToSecond,
    /// `SECOND`.
    Second,
}

impl FlinkType {
    /// The type with NULL among its values.
    #[must_use]
    pub const fn nullable(root: TypeRoot) -> Self {
        Self {
            root,
            nullable: true,
        }
    }

    /// The type without NULL.
    #[must_use]
    pub const fn not_null(root: TypeRoot) -> Self {
        Self {
            root,
            nullable: false,
        }
    }

    /// `STRING`.
    #[must_use]
    pub const fn string() -> Self {
        Self::nullable(TypeRoot::Varchar(MAX_LENGTH))
    }

    /// Flink's `asSerializableString`: as the `Display` text, but with the canonical names
    /// `VARCHAR(2147483647)` and `VARBINARY(2147483647)` inside.
    #[must_use]
    pub fn as_serializable_string(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = write_type(self, Names::Canonical, &mut text);
        text
    }

    /// The `Display` text without the type's own NOT NULL.
    #[must_use]
    pub fn root_text(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = write_root(&self.root, Names::Short, &mut text);
        text
    }

    /// The Arrow type of the values; see [`Self::to_arrow_field`] for what it leaves out.
    #[must_use]
    pub fn to_arrow_type(&self) -> DataType {
        match &self.root {
            TypeRoot::Char(_) | TypeRoot::Varchar(_) => DataType::Utf8,
            TypeRoot::Boolean => DataType::Boolean,
            TypeRoot::Binary(_) | TypeRoot::Varbinary(_) => DataType::Binary,
            TypeRoot::Decimal { precision, scale } => {
                DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
            }
            TypeRoot::TinyInt => DataType::Int8,
            TypeRoot::SmallInt => DataType::Int16,
            TypeRoot::Int => DataType::Int32,
            TypeRoot::BigInt => DataType::Int64,
            TypeRoot::Float => DataType::Float32,
            TypeRoot::Double => DataType::Float64,
            TypeRoot::Date => DataType::Date32,
            TypeRoot::Time(_) => DataType::Time32(TimeUnit::Millisecond),
            TypeRoot::Timestamp(precision) => DataType::Timestamp(time_unit(*precision), None),
            TypeRoot::TimestampLtz(precision) => {
                DataType::Timestamp(time_unit(*precision), Some(Arc::from("UTC")))
            }
            TypeRoot::IntervalYearMonth { .. } => DataType::Interval(IntervalUnit::YearMonth),
            TypeRoot::IntervalDayTime { .. } => DataType::Duration(TimeUnit::Millisecond),
            TypeRoot::Array(element) => DataType::List(element.to_arrow_field("item").into()),
            TypeRoot::Multiset(element) => {
                let count = Self::not_null(TypeRoot::Int);
                map_type(element_field(element), count.to_arrow_field("value"))
            }
            TypeRoot::Map(key, value) => map_type(
                map_keys::key_field(key.to_arrow_field("key")),
                value.to_arrow_field("value"),
            ),
            TypeRoot::Row(fields) | TypeRoot::Structured { fields, .. } => {
                DataType::Struct(fields.iter().map(RowField::to_arrow_field).collect())
            }
            // Large, so that no function takes them for texts or bytes.
            TypeRoot::Variant => DataType::LargeUtf8,
            TypeRoot::Bitmap => DataType::LargeBinary,
            TypeRoot::Null => DataType::Null,
            TypeRoot::Foreign(data_type) => data_type.clone(),
        }
    }

    /// A field of this type; its metadata holds what the Arrow type cannot say.
    #[must_use]
    pub fn to_arrow_field(&self, name: &str) -> Field {
        let nullable = self.nullable || self.root == TypeRoot::Null;
        let field = Field::new(name, self.to_arrow_type(), nullable);
        if Self::of_arrow(field.data_type()) == self.root {
            return field;
        }
        match self.root {
            // The children's fields say everything about themselves.
            TypeRoot::Array(_) | TypeRoot::Map(..) | TypeRoot::Row(_) | TypeRoot::Foreign(_) => {
                field
            }
            _ => field.with_metadata(HashMap::from([(TYPE_KEY.to_owned(), self.root_text())])),
        }
    }

    /// The type that a field holds, metadata considered.
    #[must_use]
    pub fn from_field(field: &Field) -> Self {
        let root = field
            .metadata()
            .get(TYPE_KEY)
            .and_then(|text| Self::parse(text).ok())
            .map_or_else(
                || Self::of_arrow(field.data_type()),
                |declared| match (declared.root, field.data_type()) {
                    (TypeRoot::Multiset(_), DataType::Map(entries, _)) => {
                        match entry_fields(entries) {
                            Some((key, _)) => TypeRoot::Multiset(Box::new(Self::from_element(key))),
                            None => TypeRoot::Foreign(field.data_type().clone()),
                        }
                    }
                    // Metadata that travelled along with other values says nothing about them.
                    (root, data_type)
                        if Self::nullable(root.clone()).to_arrow_type() == *data_type =>
                    {
                        root
                    }
                    (_, data_type) => Self::of_arrow(data_type),
                },
            );
        Self {
            root,
            nullable: field.is_nullable(),
        }
    }

    /// The type of a multiset's elements.
    fn from_element(field: &Field) -> Self {
        Self {
            nullable: field.metadata().contains_key(TAKES_NULL),
            ..Self::from_field(field)
        }
    }

    /// The widest type over an Arrow type.
    fn of_arrow(data_type: &DataType) -> TypeRoot {
        match data_type {
            DataType::Null => TypeRoot::Null,
            DataType::Boolean => TypeRoot::Boolean,
            DataType::Int8 => TypeRoot::TinyInt,
            DataType::Int16 | DataType::UInt8 => TypeRoot::SmallInt,
            DataType::Int32 | DataType::UInt16 => TypeRoot::Int,
            DataType::Int64 | DataType::UInt32 => TypeRoot::BigInt,
            DataType::UInt64 => TypeRoot::Decimal {
                precision: 20,
                scale: 0,
            },
            DataType::Float16 | DataType::Float32 => TypeRoot::Float,
            DataType::Float64 => TypeRoot::Double,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
                match u8::try_from(*s) {
                    Ok(scale) => TypeRoot::Decimal {
                        precision: *p,
                        scale,
                    },
                    Err(_) => TypeRoot::Foreign(data_type.clone()),
                }
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                TypeRoot::Varchar(MAX_LENGTH)
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                TypeRoot::Varbinary(MAX_LENGTH)
            }
            DataType::FixedSizeBinary(length) => match u32::try_from(*length) {
                Ok(length) => TypeRoot::Binary(length),
                Err(_) => TypeRoot::Foreign(data_type.clone()),
            },
            DataType::Date32 | DataType::Date64 => TypeRoot::Date,
            DataType::Time32(_) => TypeRoot::Time(0),
            DataType::Time64(unit) => TypeRoot::Time(precision_of(*unit)),
            DataType::Timestamp(unit, None) => TypeRoot::Timestamp(precision_of(*unit)),
            DataType::Timestamp(unit, Some(_)) => TypeRoot::TimestampLtz(precision_of(*unit)),
            DataType::Interval(IntervalUnit::YearMonth) => TypeRoot::IntervalYearMonth {
                resolution: YearMonthResolution::YearToMonth,
                year_precision: 2,
            },
            DataType::Duration(_) | DataType::Interval(_) => TypeRoot::IntervalDayTime {
                resolution: DayTimeResolution::DayToSecond,
                day_precision: 2,
                fractional_precision: 6,
            },
            DataType::List(element)
            | DataType::LargeList(element)
            | DataType::ListView(element)
            | DataType::LargeListView(element)
            | DataType::FixedSizeList(element, _) => {
                TypeRoot::Array(Box::new(Self::from_field(element)))
            }
            DataType::Map(entries, _) => match entry_fields(entries) {
                Some((key, value)) => TypeRoot::Map(
                    Box::new(Self::from_field(key)),
                    Box::new(Self::from_field(value)),
                ),
                None => TypeRoot::Foreign(data_type.clone()),
            },
            DataType::Struct(fields) => TypeRoot::Row(
                fields
                    .iter()
                    .map(|field| RowField::from_field(field))
                    .collect(),
            ),
            DataType::Dictionary(_, value) => Self::of_arrow(value),
            DataType::RunEndEncoded(_, value) => Self::of_arrow(value.data_type()),
            other => TypeRoot::Foreign(other.clone()),
        }
    }
}

impl RowField {
    fn to_arrow_field(&self) -> FieldRef {
        let mut field = self.flink_type.to_arrow_field(&self.name);
        if let Some(comment) = &self.comment {
            field
                .metadata_mut()
                .insert(COMMENT_KEY.to_owned(), comment.clone());
        }
        Arc::new(field)
    }

    fn from_field(field: &Field) -> Self {
        Self {
            name: field.name().clone(),
            flink_type: FlinkType::from_field(field),
            comment: field.metadata().get(COMMENT_KEY).cloned(),
        }
    }
}

/// The finest unit that a precision needs.
fn time_unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

const fn precision_of(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

fn map_type(key: Field, value: Field) -> DataType {
    let entries = DataType::Struct(Fields::from(vec![key, value]));
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

/// No element is ever NULL; that its Flink type takes NULL stands in the metadata.
fn element_field(element: &FlinkType) -> Field {
    let mut field = element.to_arrow_field("key").with_nullable(false);
    if element.nullable {
        field
            .metadata_mut()
            .insert(TAKES_NULL.to_owned(), "true".to_owned());
    }
    field
}

/// How the types with unlimited length are called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// `STRING`, `BYTES`.
    Short,
    /// `VARCHAR(2147483647)`, `VARBINARY(2147483647)`.
    Canonical,
}

impl fmt::Display for FlinkType {
    /// Flink's `asSummaryString`: `STRING NOT NULL`, `DECIMAL(10, 2)`, ``ROW<`a` INT>``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_type(self, Names::Short, f)
    }
}

fn write_type(flink_type: &FlinkType, names: Names, f: &mut dyn fmt::Write) -> fmt::Result {
    write_root(&flink_type.root, names, f)?;
    if !flink_type.nullable && flink_type.root != TypeRoot::Null {
        f.write_str(" NOT NULL")?;
    }
    Ok(())
}

fn write_root(root: &TypeRoot, names: Names, f: &mut dyn fmt::Write) -> fmt::Result {
    match root {
        TypeRoot::Char(length) => write!(f, "CHAR({length})"),
        TypeRoot::Varchar(MAX_LENGTH) if names == Names::Short => f.write_str("STRING"),
        TypeRoot::Varchar(length) => write!(f, "VARCHAR({length})"),
        TypeRoot::Boolean => f.write_str("BOOLEAN"),
        TypeRoot::Binary(length) => write!(f, "BINARY({length})"),
        TypeRoot::Varbinary(MAX_LENGTH) if names == Names::Short => f.write_str("BYTES"),
        TypeRoot::Varbinary(length) => write!(f, "VARBINARY({length})"),
        TypeRoot::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
        TypeRoot::TinyInt => f.write_str("TINYINT"),
        TypeRoot::SmallInt => f.write_str("SMALLINT"),
        TypeRoot::Int => f.write_str("INT"),
        TypeRoot::BigInt => f.write_str("BIGINT"),
        TypeRoot::Float => f.write_str("FLOAT"),
        TypeRoot::Double => f.write_str("DOUBLE"),
        TypeRoot::Date => f.write_str("DATE"),
        TypeRoot::Time(precision) => write!(f, "TIME({precision})"),
        TypeRoot::Timestamp(precision) => write!(f, "TIMESTAMP({precision})"),
        TypeRoot::TimestampLtz(precision) => match names {
            Names::Short => write!(f, "TIMESTAMP_LTZ({precision})"),
            Names::Canonical => write!(f, "TIMESTAMP({precision}) WITH LOCAL TIME ZONE"),
        },
        TypeRoot::IntervalYearMonth {
            resolution,
            year_precision,
        } => match resolution {
            YearMonthResolution::Year => write!(f, "INTERVAL YEAR({year_precision})"),
            YearMonthResolution::YearToMonth => {
                write!(f, "INTERVAL YEAR({year_precision}) TO MONTH")
            }
            YearMonthResolution::Month => f.write_str("INTERVAL MONTH"),
        },
        TypeRoot::IntervalDayTime {
            resolution,
            day_precision,
            fractional_precision,
        } => write_day_time(*resolution, *day_precision, *fractional_precision, f),
        TypeRoot::Array(element) => write_generic("ARRAY", &[element], names, f),
        TypeRoot::Multiset(element) => write_generic("MULTISET", &[element], names, f),
        TypeRoot::Map(key, value) => write_generic("MAP", &[key, value], names, f),
        TypeRoot::Row(fields) => {
            f.write_str("ROW<")?;
            write_fields(fields, names, f)
        }
        TypeRoot::Structured { class, fields } => {
            write!(f, "STRUCTURED<'{}', ", class.replace('\'', "''"))?;
            write_fields(fields, names, f)
        }
        TypeRoot::Variant => f.write_str("VARIANT"),
        TypeRoot::Bitmap => f.write_str("BITMAP"),
        TypeRoot::Null => f.write_str("NULL"),
        TypeRoot::Foreign(data_type) => write!(f, "RAW('{data_type}', ?)"),
    }
}

fn write_day_time(
    resolution: DayTimeResolution,
    days: u8,
    fraction: u8,
    f: &mut dyn fmt::Write,
) -> fmt::Result {
    match resolution {
        DayTimeResolution::Day => write!(f, "INTERVAL DAY({days})"),
        DayTimeResolution::DayToHour => write!(f, "INTERVAL DAY({days}) TO HOUR"),
        DayTimeResolution::DayToMinute => write!(f, "INTERVAL DAY({days}) TO MINUTE"),
        DayTimeResolution::DayToSecond => {
            write!(f, "INTERVAL DAY({days}) TO SECOND({fraction})")
        }
        DayTimeResolution::Hour => f.write_str("INTERVAL HOUR"),
        DayTimeResolution::HourToMinute => f.write_str("INTERVAL HOUR TO MINUTE"),
        DayTimeResolution::HourToSecond => write!(f, "INTERVAL HOUR TO SECOND({fraction})"),
        DayTimeResolution::Minute => f.write_str("INTERVAL MINUTE"),
        DayTimeResolution::MinuteToSecond => {
            write!(f, "INTERVAL MINUTE TO SECOND({fraction})")
        }
        DayTimeResolution::Second => write!(f, "INTERVAL SECOND({fraction})"),
    }
}

fn write_generic(
    name: &str,
    arguments: &[&FlinkType],
    names: Names,
    f: &mut dyn fmt::Write,
) -> fmt::Result {
    write!(f, "{name}<")?;
    for (idx, argument) in arguments.iter().enumerate() {
        if idx > 0 {
            f.write_str(", ")?;
        }
        write_type(argument, names, f)?;
    }
    f.write_str(">")
}

/// The fields and the closing bracket.
fn write_fields(fields: &[RowField], names: Names, f: &mut dyn fmt::Write) -> fmt::Result {
    for (idx, field) in fields.iter().enumerate() {
        if idx > 0 {
            f.write_str(", ")?;
        }
        write!(f, "`{}` ", field.name.replace('`', "``"))?;
        write_type(&field.flink_type, names, f)?;
        if let Some(comment) = &field.comment {
            write!(f, " '{}'", comment.replace('\'', "''"))?;
        }
    }
    f.write_str(">")
}
