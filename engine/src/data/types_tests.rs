//! Types as text, in Arrow, and back.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::types::{FlinkType, TYPE_KEY};

/// Every text on the left must read as the type whose summary stands on the right.
const TEXTS: &[(&str, &str)] = &[
    ("int", "INT"),
    ("INTEGER NOT NULL", "INT NOT NULL"),
    ("VARCHAR", "STRING"),
    ("varchar(10)", "VARCHAR(10)"),
    ("CHAR", "CHAR(1)"),
    ("CHARACTER VARYING(7)", "VARCHAR(7)"),
    ("BYTES", "BYTES"),
    ("VARBINARY(2)", "VARBINARY(2)"),
    ("DECIMAL", "DECIMAL(10, 0)"),
    ("DEC(5)", "DECIMAL(5, 0)"),
    ("NUMERIC(38, 18) NULL", "DECIMAL(38, 18)"),
    ("DOUBLE PRECISION", "DOUBLE"),
    ("TIME", "TIME(0)"),
    ("TIME(3) WITHOUT TIME ZONE", "TIME(3)"),
    ("TIMESTAMP", "TIMESTAMP(6)"),
    ("TIMESTAMP(0)", "TIMESTAMP(0)"),
    ("TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(3)"),
    ("TIMESTAMP_LTZ", "TIMESTAMP_LTZ(6)"),
    ("INTERVAL YEAR TO MONTH", "INTERVAL YEAR(2) TO MONTH"),
    ("INTERVAL DAY TO SECOND(3)", "INTERVAL DAY(2) TO SECOND(3)"),
    ("INTERVAL SECOND(3)", "INTERVAL SECOND(3)"),
    ("INTERVAL MINUTE", "INTERVAL MINUTE"),
    ("INT ARRAY", "ARRAY<INT>"),
    ("ARRAY<INT NOT NULL>", "ARRAY<INT NOT NULL>"),
    (
        "MAP<STRING, ARRAY<ROW<a INT>>>",
        "MAP<STRING, ARRAY<ROW<`a` INT>>>",
    ),
    ("MULTISET<STRING>", "MULTISET<STRING>"),
    ("MAP<STRING NOT NULL, INT>", "MAP<STRING NOT NULL, INT>"),
    ("VARIANT NOT NULL", "VARIANT NOT NULL"),
    ("BITMAP", "BITMAP"),
    (
        "STRUCTURED<'com.example.User', name STRING, age INT NOT NULL>",
        "STRUCTURED<'com.example.User', `name` STRING, `age` INT NOT NULL>",
    ),
    (
        "ROW(`a b` INT 'it''s', c ROW<d TIMESTAMP_LTZ(3) NOT NULL>)",
        "ROW<`a b` INT 'it''s', `c` ROW<`d` TIMESTAMP_LTZ(3) NOT NULL>>",
    ),
    ("ROW<>", "ROW<>"),
    ("NULL", "NULL"),
];

#[test]
fn text_round_trips() {
    for (text, summary) in TEXTS {
        let flink_type = FlinkType::parse(text).unwrap();
        assert_eq!(flink_type.to_string(), *summary, "{text}");
        assert_eq!(FlinkType::parse(summary).unwrap(), flink_type, "{text}");
        let serializable = flink_type.as_serializable_string();
        assert_eq!(
            FlinkType::parse(&serializable).unwrap(),
            flink_type,
            "{text}"
        );
    }
}

#[test]
fn arrow_round_trips() {
    for (text, _) in TEXTS {
        let flink_type = FlinkType::parse(text).unwrap();
        let field = flink_type.to_arrow_field("f");
        let back = FlinkType::from_field(&field);
        assert_eq!(back.to_string(), flink_type.to_string(), "{field:?}");
    }
}

#[test]
fn metadata_only_where_arrow_falls_short() {
    let metadata = |text: &str| {
        let field = FlinkType::parse(text).unwrap().to_arrow_field("f");
        field.metadata().get(TYPE_KEY).cloned()
    };
    assert_eq!(metadata("STRING NOT NULL"), None);
    assert_eq!(metadata("TIMESTAMP(3)"), None);
    assert_eq!(metadata("ARRAY<CHAR(2)>"), None);
    assert_eq!(metadata("CHAR(3) NOT NULL").as_deref(), Some("CHAR(3)"));
    assert_eq!(metadata("TIMESTAMP(0)").as_deref(), Some("TIMESTAMP(0)"));
}

#[test]
fn metadata_of_other_values_is_ignored() {
    let field = FlinkType::parse("CHAR(3)").unwrap().to_arrow_field("f");
    let field = field.with_data_type(arrow::datatypes::DataType::Int64);
    assert_eq!(FlinkType::from_field(&field).to_string(), "BIGINT");
}

#[test]
fn errors_name_what_is_wrong() {
    for (text, message) in [
        ("INTT", "'INTT' is no data type: unknown data type 'INTT'"),
        (
            "ARRAY<INT",
            "'ARRAY<INT' is no data type: expected '>', found end of text",
        ),
        ("INT INT", "'INT INT' is no data type: unexpected 'INT'"),
        (
            "DECIMAL(39, 2)",
            "'DECIMAL(39, 2)' is no data type: the precision of DECIMAL must be between 1 and 38, not 39",
        ),
        (
            "DESCRIPTOR",
            "the data type DESCRIPTOR is not supported yet",
        ),
        (
            "TIMESTAMP(3) WITH TIME ZONE",
            "the data type TIMESTAMP WITH TIME ZONE is not supported yet",
        ),
    ] {
        assert_eq!(FlinkType::parse(text).unwrap_err().to_string(), message);
    }
}
