"""Tables of data streams and back, for `StreamTableEnvironment`.

A stream of a collection becomes a table of its elements. Streams with operations of their own come
with the DataStream API, and say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.datastream.data_stream import DataStream
from tidemill.table.base_environment import TableEnvironment
from tidemill.table.composite_types import RowType
from tidemill.table.schema import Schema
from tidemill.table.type_parser import parse_data_type
from tidemill.util.exceptions import ValidationException, refuse

if TYPE_CHECKING:
    from tidemill.common.typeinfo import TypeInformation
    from tidemill.table.changelog_mode import ChangelogMode
    from tidemill.table.expression import Expression
    from tidemill.table.table import Table

__all__ = ["StreamTables"]


class StreamTables(TableEnvironment):
    """Conversions between tables and streams."""

    def from_data_stream(
        self, data_stream: DataStream, *fields_or_schema: Expression | Schema | str
    ) -> Table:
        """Make a table of a stream.

        Parameters
        ----------
        data_stream
            The stream.
        fields_or_schema
            Columns by their names, with aliases where they change; or a `Schema`, which can add
            computed columns and a watermark.
        """
        schemas = [part for part in fields_or_schema if isinstance(part, Schema)]
        if schemas:
            return self._declared(data_stream, schemas[0])
        table = self._elements(data_stream)
        fields = [part for part in fields_or_schema if not isinstance(part, Schema)]
        if not fields:
            return table
        names = [node.name for node in table.parse(fields) if hasattr(node, "name")]
        if len(names) == len(fields) and not set(names) <= set(table.column_names()):
            return table.alias(*names)
        return table.select(*fields)

    def from_changelog_stream(
        self,
        data_stream: DataStream,
        schema: Schema | None = None,
        changelog_mode: ChangelogMode | None = None,
    ) -> Table:
        """Refuse: streams of changes come with the DataStream API."""
        del data_stream, schema, changelog_mode
        refuse("from_changelog_stream")

    def to_data_stream(self, table: Table) -> DataStream:
        """Refuse: streams of rows come with the DataStream API."""
        del table
        refuse("to_data_stream (collect the table's rows by execute().collect())")

    def to_changelog_stream(
        self,
        table: Table,
        target_schema: Schema | None = None,
        changelog_mode: ChangelogMode | None = None,
    ) -> DataStream:
        """Refuse: streams of changes come with the DataStream API."""
        del table, target_schema, changelog_mode
        refuse("to_changelog_stream (collect the table's changes by execute().collect())")

    def to_append_stream(self, table: Table, type_info: TypeInformation) -> DataStream:
        """Refuse: streams of rows come with the DataStream API."""
        del table, type_info
        refuse("to_append_stream (collect the table's rows by execute().collect())")

    def to_retract_stream(self, table: Table, type_info: TypeInformation) -> DataStream:
        """Refuse: streams of changes come with the DataStream API."""
        del table, type_info
        refuse("to_retract_stream (collect the table's changes by execute().collect())")

    def _table_of_stream(self, data_stream: Any, *fields_or_schema: Any) -> Table:
        if not isinstance(data_stream, DataStream):
            return super()._table_of_stream(data_stream, *fields_or_schema)
        return self.from_data_stream(data_stream, *fields_or_schema)

    def _elements(self, data_stream: DataStream) -> Table:
        return self.from_elements(data_stream.elements, _row_type(data_stream))

    def _declared(self, data_stream: DataStream, schema: Schema) -> Table:
        """Make a table of a stream whose columns, computed ones and watermark are declared."""
        row_type = _row_type(data_stream)
        if row_type is None:
            msg = "a stream with a schema needs a type_info"
            raise ValidationException(msg)
        return self.from_rows(data_stream.elements, row_type, schema)


def _row_type(data_stream: DataStream) -> RowType | None:
    type_info = data_stream.get_type()
    if type_info is None:
        return None
    data_type = parse_data_type(type_info.sql_type())
    return data_type if isinstance(data_type, RowType) else RowType().add("f0", data_type)
