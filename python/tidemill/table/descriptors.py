"""Descriptors of the older API: ``t_env.connect(Kafka()…).with_format(Json()…).with_schema(…)``.

Each descriptor collects properties with the keys of that time, ``connector.type`` and its like; the
whole becomes a CREATE TABLE with these keys, which the catalog reads as today's options.

```text
  connect(Kafka()) ─ with_format(Json()) ─ with_schema(Schema()) ─ create_temporary_table(name)
        connector.*             format.*         columns, watermark       CREATE TABLE … WITH (…)
```
"""

from __future__ import annotations

import datetime as dt
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from tidemill.table.descriptor_connectors import (
    CustomConnectorDescriptor,
    Elasticsearch,
    FileSystem,
    HBase,
    Jdbc,
    Kafka,
)
from tidemill.table.descriptor_formats import (
    Avro,
    Csv,
    CustomFormatDescriptor,
    Descriptor,
    Json,
    OldCsv,
    type_text,
)
from tidemill.table.sql_text import constant, quote_identifier, quote_path, quote_string
from tidemill.table.table_schema import TableSchema
from tidemill.util.exceptions import ValidationException, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidemill.table.logical_types import DataType

__all__ = [
    "Avro",
    "ConnectTableDescriptor",
    "Csv",
    "CsvTableSink",
    "CsvTableSource",
    "CustomConnectorDescriptor",
    "CustomFormatDescriptor",
    "Descriptor",
    "Elasticsearch",
    "FileSystem",
    "HBase",
    "Jdbc",
    "Json",
    "Kafka",
    "OldCsv",
    "Rowtime",
    "Schema",
    "WriteMode",
    "create_table",
]


class Rowtime(Descriptor):
    """Where event time comes from and how late rows may be."""

    def timestamps_from_field(self, field_name: str) -> Rowtime:
        """Take the time of a row from a field of the input."""
        self._properties["rowtime.timestamps.type"] = "from-field"
        self._properties["rowtime.timestamps.from"] = field_name
        return self

    def timestamps_from_source(self) -> Rowtime:
        """Take the time of a row from the connector's record."""
        self._properties["rowtime.timestamps.type"] = "from-source"
        return self

    def timestamps_from_extractor(self, extractor: str) -> Rowtime:
        """Name an extractor of a JVM, which is refused when the table is made."""
        self._properties["rowtime.timestamps.type"] = "custom"
        self._properties["rowtime.timestamps.class"] = str(extractor)
        return self

    def watermarks_periodic_ascending(self) -> Rowtime:
        """Expect rows in the order of their times."""
        self._properties["rowtime.watermarks.type"] = "periodic-ascending"
        return self

    def watermarks_periodic_bounded(self, delay: int) -> Rowtime:
        """Expect rows to be late by some milliseconds at most."""
        self._properties["rowtime.watermarks.type"] = "periodic-bounded"
        self._properties["rowtime.watermarks.delay"] = str(delay)
        return self

    def watermarks_from_source(self) -> Rowtime:
        """Take the watermark of the connector."""
        self._properties["rowtime.watermarks.type"] = "from-source"
        return self

    def watermarks_from_strategy(self, strategy: str) -> Rowtime:
        """Name a strategy of a JVM, which is refused when the table is made."""
        self._properties["rowtime.watermarks.type"] = "custom"
        self._properties["rowtime.watermarks.class"] = str(strategy)
        return self


class Schema(Descriptor):
    """The columns of a table.

    Parameters
    ----------
    schema
        A table schema whose fields to take.
    fields
        Names and types.
    rowtime
        The event time of the last field.
    """

    def __init__(
        self,
        schema: TableSchema | None = None,
        fields: Mapping[str, DataType | str] | None = None,
        rowtime: Rowtime | None = None,
    ) -> None:
        """Add what is given."""
        super().__init__()
        # Name, type and what else is said about each column.
        self._columns: list[tuple[str, str, dict[str, str]]] = []
        if schema is not None:
            self.schema(schema)
        if fields is not None:
            self.fields(fields)
        if rowtime is not None:
            self.rowtime(rowtime)

    def schema(self, table_schema: TableSchema) -> Schema:
        """Add the fields of a table schema."""
        for name, data_type in zip(
            table_schema.get_field_names(), table_schema.get_field_data_types(), strict=True
        ):
            self.field(name, data_type)
        return self

    def field(self, field_name: str, field_type: DataType | str) -> Schema:
        """Add a field."""
        self._columns.append((field_name, type_text(field_type), {}))
        return self

    def fields(self, fields: Mapping[str, DataType | str]) -> Schema:
        """Add fields."""
        for name, data_type in fields.items():
            self.field(name, data_type)
        return self

    def from_origin_field(self, origin_field_name: str) -> Schema:
        """Take the last field from one of another name in the input."""
        self._last()["from"] = origin_field_name
        return self

    def proctime(self) -> Schema:
        """Make the last field the time of processing."""
        self._last()["proctime"] = "true"
        return self

    def rowtime(self, rowtime: Rowtime) -> Schema:
        """Make the last field the event time."""
        self._last().update(rowtime.to_properties())
        return self

    def to_properties(self) -> dict[str, str]:
        """Give the schema as properties."""
        properties: dict[str, str] = {}
        for index, (name, data_type, further) in enumerate(self._columns):
            properties[f"schema.{index}.name"] = name
            properties[f"schema.{index}.data-type"] = data_type
            for key, value in further.items():
                properties[f"schema.{index}.{key}"] = value
        return properties

    def to_sql(self) -> str:
        """Write the columns for CREATE TABLE.

        Raises
        ------
        UnsupportedOperationException
            For extractors and strategies of a JVM.
        """
        lines: list[str] = []
        for name, data_type, further in self._columns:
            lines += _column_lines(name, data_type, further)
        return "(\n" + ",\n".join(f"  {line}" for line in lines) + "\n)"

    def _last(self) -> dict[str, str]:
        if not self._columns:
            msg = "No field previously defined. Use field() before."
            raise ValidationException(msg)
        return self._columns[-1][2]


class ConnectTableDescriptor:
    """A table that is described by `connect`.

    Parameters
    ----------
    execute
        Executes a statement.
    connector
        The connector.
    """

    def __init__(self, execute: Callable[[str], Any], connector: Descriptor) -> None:
        """Keep both."""
        self._execute = execute
        self._properties = dict(connector.to_properties())
        self._schema: Schema | None = None

    def with_format(self, format_descriptor: Descriptor) -> ConnectTableDescriptor:
        """Set the format."""
        self._properties.update(format_descriptor.to_properties())
        return self

    def with_schema(self, schema: Schema) -> ConnectTableDescriptor:
        """Set the columns."""
        self._schema = schema
        return self

    def in_append_mode(self) -> ConnectTableDescriptor:
        """Say that rows are only added."""
        return self._mode("append")

    def in_retract_mode(self) -> ConnectTableDescriptor:
        """Say that rows are added and removed."""
        return self._mode("retract")

    def in_upsert_mode(self) -> ConnectTableDescriptor:
        """Say that rows are replaced by a key."""
        return self._mode("upsert")

    def _mode(self, mode: str) -> ConnectTableDescriptor:
        self._properties["update-mode"] = mode
        return self

    def create_temporary_table(self, path: str) -> None:
        """Register the table, to be read and written."""
        self._execute(self.to_sql(quote_path(path)))

    def register_table_source(self, name: str) -> ConnectTableDescriptor:
        """Register the table, to be read."""
        self.create_temporary_table(name)
        return self

    def register_table_sink(self, name: str) -> ConnectTableDescriptor:
        """Register the table, to be written."""
        self.create_temporary_table(name)
        return self

    def register_table_source_and_sink(self, name: str) -> ConnectTableDescriptor:
        """Register the table, to be read and written."""
        self.create_temporary_table(name)
        return self

    def to_properties(self) -> dict[str, str]:
        """Give all as properties."""
        schema = {} if self._schema is None else self._schema.to_properties()
        return {**self._properties, **schema}

    def to_sql(self, path: str) -> str:
        """Write CREATE TABLE under a quoted path.

        Raises
        ------
        ValidationException
            If no schema is given.
        """
        if self._schema is None:
            msg = "Table schema must be explicitly defined: use with_schema(Schema()…)"
            raise ValidationException(msg)
        return create_table(path, self._schema.to_sql(), self._properties)


class WriteMode(IntEnum):
    """Whether a `CsvTableSink` may replace a file."""

    NO_OVERWRITE = 0
    OVERWRITE = 1


class _CsvTable:
    """Columns of csv files."""

    def __init__(
        self,
        field_names: Sequence[str],
        field_types: Sequence[DataType],
        path: str,
        field_delimiter: str,
    ) -> None:
        self._schema = Schema(TableSchema(field_names, field_types))
        self._path = path
        self._delimiter = field_delimiter

    def to_sql(self, path: str) -> str:
        """Write CREATE TABLE under a quoted path."""
        properties = {
            "connector.type": "filesystem",
            "connector.path": self._path,
            "format.type": "csv",
            "format.field-delimiter": self._delimiter,
        }
        return create_table(path, self._schema.to_sql(), properties)


class CsvTableSource(_CsvTable):
    """Csv files to be read.

    Parameters
    ----------
    source_path
        The file or folder.
    field_names
        Names of the columns.
    field_types
        Their types.
    """

    def __init__(
        self,
        source_path: str,
        field_names: Sequence[str],
        field_types: Sequence[DataType],
        field_delim: str = ",",
    ) -> None:
        super().__init__(field_names, field_types, source_path, field_delim)


class CsvTableSink(_CsvTable):
    """Csv files to be written.

    Parameters
    ----------
    field_names
        Names of the columns.
    field_types
        Their types.
    path
        The folder.
    field_delimiter
        What stands between values.
    num_files
        How many files; the engine writes one a worker.
    write_mode
        Whether a file may be replaced; rows are added in any case.
    """

    def __init__(
        self,
        field_names: Sequence[str],
        field_types: Sequence[DataType],
        path: str,
        field_delimiter: str = ",",
        num_files: int = -1,
        write_mode: WriteMode | None = None,
    ) -> None:
        del num_files, write_mode
        super().__init__(field_names, field_types, path, field_delimiter)


def create_table(path: str, schema: str, properties: Mapping[str, str]) -> str:
    """Write CREATE TABLE under a quoted path."""
    options = ",\n".join(
        f"  {quote_string(key)} = {quote_string(value)}" for key, value in properties.items()
    )
    return f"CREATE TEMPORARY TABLE {path} {schema} WITH (\n{options}\n)"


def _column_lines(name: str, data_type: str, further: Mapping[str, str]) -> list[str]:
    quoted = quote_identifier(name)
    if further.get("proctime") == "true":
        return [f"{quoted} AS PROCTIME()"]
    if "rowtime.timestamps.type" not in further:
        origin = further.get("from", name)
        if origin == name:
            return [f"{quoted} {data_type}"]
        return [
            f"{quote_identifier(origin)} {data_type}",
            f"{quoted} AS {quote_identifier(origin)}",
        ]
    kind = further["rowtime.timestamps.type"]
    if kind == "custom":
        refuse("a timestamp extractor of a JVM (use timestamps_from_field)")
    lines: list[str] = []
    if kind == "from-source":
        lines.append(f"{quoted} TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'")
    else:
        origin = quote_identifier(further["rowtime.timestamps.from"])
        if origin == quoted:
            lines.append(f"{quoted} TIMESTAMP(3)")
        else:
            lines += [f"{origin} TIMESTAMP(3)", f"{quoted} AS {origin}"]
    watermark = further.get("rowtime.watermarks.type", "periodic-ascending")
    if watermark == "custom":
        refuse("a watermark strategy of a JVM (use watermarks_periodic_bounded)")
    if watermark == "from-source":
        lines.append(f"WATERMARK FOR {quoted} AS SOURCE_WATERMARK()")
    else:
        delay_ms = int(further.get("rowtime.watermarks.delay", "1"))
        interval = constant(dt.timedelta(milliseconds=delay_ms))
        lines.append(f"WATERMARK FOR {quoted} AS {quoted} - {interval}")
    return lines
