"""Formats of the older API: `Csv`, `OldCsv`, `Json`, `Avro`; see `descriptors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.table.composite_types import RowType
from tidemill.table.logical_types import DataType
from tidemill.table.type_parser import parse_data_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.table.table_schema import TableSchema

__all__ = [
    "Avro",
    "Csv",
    "CustomFormatDescriptor",
    "Descriptor",
    "FormatDescriptor",
    "Json",
    "OldCsv",
    "type_text",
]


class Descriptor:
    """A builder over properties."""

    def __init__(self) -> None:
        self._properties: dict[str, str] = {}

    def to_properties(self) -> dict[str, str]:
        """Give the properties."""
        return dict(self._properties)


class FormatDescriptor(Descriptor):
    """A format.

    Parameters
    ----------
    format_type
        Its name.
    version
        Version of its properties.
    """

    def __init__(self, format_type: str, version: int = 1) -> None:
        super().__init__()
        self._properties["format.type"] = format_type
        self._properties["format.property-version"] = str(version)

    def _set(self, key: str, value: object) -> None:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        self._properties[f"format.{key}"] = text


class OldCsv(FormatDescriptor):
    """Csv without a standard."""

    def __init__(
        self,
        schema: TableSchema | None = None,
        field_delimiter: str | None = None,
        line_delimiter: str | None = None,
        quote_character: str | None = None,
        comment_prefix: str | None = None,
        ignore_parse_errors: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
        ignore_first_line: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> None:
        super().__init__("csv")
        if schema is not None:
            self.schema(schema)
        for set_part, value in (
            (self.field_delimiter, field_delimiter),
            (self.line_delimiter, line_delimiter),
            (self.quote_character, quote_character),
            (self.comment_prefix, comment_prefix),
        ):
            if value is not None:
                set_part(value)
        if ignore_parse_errors:
            self.ignore_parse_errors()
        if ignore_first_line:
            self.ignore_first_line()

    def field_delimiter(self, delimiter: str) -> OldCsv:
        """Set what stands between values."""
        self._set("field-delimiter", delimiter)
        return self

    def line_delimiter(self, delimiter: str) -> OldCsv:
        """Set what stands between rows."""
        self._set("line-delimiter", delimiter)
        return self

    def schema(self, table_schema: TableSchema) -> OldCsv:
        """Declare the fields of the file; those of the table count."""
        del table_schema
        return self

    def field(self, field_name: str, field_type: DataType | str) -> OldCsv:
        """Declare a field of the file; those of the table count."""
        del field_name, field_type
        return self

    def quote_character(self, quote_character: str) -> OldCsv:
        """Set what stands around texts."""
        self._set("quote-character", quote_character)
        return self

    def comment_prefix(self, prefix: str) -> OldCsv:
        """Set what comments begin with."""
        self._set("comment-prefix", prefix)
        return self

    def ignore_parse_errors(self) -> OldCsv:
        """Leave rows out that cannot be read."""
        self._set("ignore-parse-errors", "true")
        return self

    def ignore_first_line(self) -> OldCsv:
        """Leave the first line out."""
        self._set("ignore-first-line", "true")
        return self


class Csv(FormatDescriptor):
    """Csv as RFC 4180 has it."""

    def __init__(self) -> None:
        super().__init__("csv")

    def field_delimiter(self, delimiter: str) -> Csv:
        """Set what stands between values."""
        self._set("field-delimiter", delimiter)
        return self

    def line_delimiter(self, delimiter: str) -> Csv:
        """Set what stands between rows."""
        self._set("line-delimiter", delimiter)
        return self

    def quote_character(self, quote_character: str) -> Csv:
        """Set what stands around texts."""
        self._set("quote-character", quote_character)
        return self

    def disable_quote_character(self) -> Csv:
        """Take quotes as text."""
        self._set("disable-quote-character", "true")
        return self

    def allow_comments(self) -> Csv:
        """Leave lines out that begin with ``#``."""
        self._set("allow-comments", "true")
        return self

    def ignore_parse_errors(self) -> Csv:
        """Leave rows out that cannot be read."""
        self._set("ignore-parse-errors", "true")
        return self

    def array_element_delimiter(self, delimiter: str) -> Csv:
        """Set what stands between elements."""
        self._set("array-element-delimiter", delimiter)
        return self

    def escape_character(self, escape_character: str) -> Csv:
        """Set what takes the meaning of the next letter."""
        self._set("escape-character", escape_character)
        return self

    def null_literal(self, null_literal: str) -> Csv:
        """Set what stands for NULL."""
        self._set("null-literal", null_literal)
        return self

    def schema(self, schema_data_type: DataType | str) -> Csv:
        """Declare the fields of the file; those of the table count."""
        _check_row(schema_data_type)
        return self

    def derive_schema(self) -> Csv:
        """Take the fields of the table, as always."""
        return self


class Json(FormatDescriptor):
    """Json objects."""

    def __init__(
        self,
        json_schema: str | None = None,
        schema: DataType | None = None,
        derive_schema: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> None:
        super().__init__("json")
        del derive_schema
        if json_schema is not None:
            self.json_schema(json_schema)
        if schema is not None:
            self.schema(schema)

    def fail_on_missing_field(self, fail_on_missing_field: bool) -> Json:  # noqa: FBT001 - PyFlink's signature
        """Set whether an object without a field is an error."""
        self._set("fail-on-missing-field", bool(fail_on_missing_field))
        return self

    def ignore_parse_errors(self, ignore_parse_errors: bool = True) -> Json:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Set whether rows are left out that cannot be read."""
        self._set("ignore-parse-errors", bool(ignore_parse_errors))
        return self

    def json_schema(self, json_schema: str) -> Json:
        """Declare the fields of the file; those of the table count."""
        del json_schema
        return self

    def schema(self, schema_data_type: DataType | str) -> Json:
        """Declare the fields of the file; those of the table count."""
        _check_row(schema_data_type)
        return self

    def derive_schema(self) -> Json:
        """Take the fields of the table, as always."""
        return self


class Avro(FormatDescriptor):
    """Avro records."""

    def __init__(self, record_class: str | None = None, avro_schema: str | None = None) -> None:
        super().__init__("avro")
        if record_class is not None:
            self.record_class(record_class)
        if avro_schema is not None:
            self.avro_schema(avro_schema)

    def record_class(self, record_class: str) -> Avro:
        """Name a class of a JVM; the fields of the table count."""
        self._set("record-class", record_class)
        return self

    def avro_schema(self, avro_schema: str) -> Avro:
        """Declare the fields of the file."""
        self._set("avro-schema", avro_schema)
        return self


class CustomFormatDescriptor(FormatDescriptor):
    """A format by its properties."""

    def property(self, key: str, value: str) -> CustomFormatDescriptor:
        """Set a property."""
        self._set(key, value)
        return self

    def properties(self, property_dict: Mapping[str, str]) -> CustomFormatDescriptor:
        """Set properties."""
        for key, value in property_dict.items():
            self._set(key, value)
        return self


def type_text(data_type: DataType | str) -> str:
    """Give the SQL text of a type; the older API also writes ``BIG_DEC`` and its like."""
    if isinstance(data_type, DataType):
        return data_type.as_serializable_string()
    return _OLD_NAMES.get(data_type.upper(), data_type)


def _check_row(data_type: DataType | str) -> None:
    given = parse_data_type(data_type) if isinstance(data_type, str) else data_type
    if not isinstance(given, RowType):
        msg = f"a format's schema is a ROW, not {given.as_summary_string()}"
        raise TypeError(msg)


# The type names of properties before release 1.9 that SQL has not.
_OLD_NAMES = {
    "BYTE": "TINYINT",
    "SHORT": "SMALLINT",
    "LONG": "BIGINT",
    "BIG_DEC": "DECIMAL(38, 18)",
    "SQL_DATE": "DATE",
    "SQL_TIME": "TIME",
    "SQL_TIMESTAMP": "TIMESTAMP(3)",
}
