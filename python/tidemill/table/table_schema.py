"""Names and types of a table's columns, in PyFlink's older form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.table.composite_types import RowField, RowType
from tidemill.table.sql_text import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.table.catalog_schema import ResolvedSchema
    from tidemill.table.logical_types import DataType

__all__ = ["TableSchema"]


class TableSchema:
    """Names and types of columns.

    Parameters
    ----------
    field_names
        The names.
    data_types
        As many types.
    """

    class Builder:
        """Collects fields."""

        def __init__(self) -> None:
            """Start with none."""
            self._names: list[str] = []
            self._types: list[DataType] = []

        def field(self, name: str, data_type: DataType) -> TableSchema.Builder:
            """Append a field."""
            self._names.append(name)
            self._types.append(data_type)
            return self

        def build(self) -> TableSchema:
            """Make the schema."""
            return TableSchema(self._names, self._types)

    def __init__(
        self,
        field_names: Sequence[str] | None = None,
        data_types: Sequence[DataType] | None = None,
        j_table_schema: object = None,
    ) -> None:
        """Copy names and types; PyFlink's third way is of a Java object and not used."""
        del j_table_schema
        self._names = list(field_names or ())
        self._types = list(data_types or ())
        self._lines = [
            f"{name}: {data_type.as_summary_string()}"
            for name, data_type in zip(self._names, self._types, strict=True)
        ]

    @staticmethod
    def of_resolved(schema: ResolvedSchema) -> TableSchema:
        """Take names and types of a resolved schema, and show what else it has."""
        made = TableSchema(schema.get_column_names(), schema.get_column_data_types())
        lines = [
            column.as_summary_string().removeprefix(quote_identifier(column.get_name()))
            for column in schema.get_columns()
        ]
        made._lines = [
            f"{name}:{line}" for name, line in zip(schema.get_column_names(), lines, strict=True)
        ]
        for spec in schema.get_watermark_specs():
            name = spec.get_rowtime_attribute()
            text = spec.as_summary_string().replace(quote_identifier(name), name, 1)
            made._lines.append(text)
        key = schema.get_primary_key()
        if key is not None:
            columns = ", ".join(key.get_columns())
            made._lines.append(f"CONSTRAINT {key.get_name()} PRIMARY KEY ({columns})")
        return made

    @staticmethod
    def builder() -> TableSchema.Builder:
        """Start a builder."""
        return TableSchema.Builder()

    def copy(self) -> TableSchema:
        """Copy the schema."""
        return TableSchema(self._names, self._types)

    def get_field_count(self) -> int:
        """Count the fields."""
        return len(self._names)

    def get_field_names(self) -> list[str]:
        """Give the names."""
        return list(self._names)

    def get_field_name(self, field_index: int) -> str | None:
        """Give a name, or None if there is no such field."""
        return self._names[field_index] if 0 <= field_index < len(self._names) else None

    def get_field_data_types(self) -> list[DataType]:
        """Give the types."""
        return list(self._types)

    def get_field_data_type(self, field: int | str) -> DataType | None:
        """Give a type by position or name, or None if there is no such field."""
        if isinstance(field, str):
            if field not in self._names:
                return None
            field = self._names.index(field)
        return self._types[field] if 0 <= field < len(self._types) else None

    def to_row_data_type(self) -> RowType:
        """Give the schema as a type."""
        return RowType(
            [
                RowField(name, data_type)
                for name, data_type in zip(self._names, self._types, strict=True)
            ],
            nullable=False,
        )

    def __eq__(self, other: object) -> bool:
        """Compare names and types."""
        return isinstance(other, TableSchema) and (self._names, self._types) == (
            other._names,
            other._types,
        )

    def __hash__(self) -> int:
        """Hash names and types."""
        return hash((tuple(self._names), tuple(self._types)))

    def __repr__(self) -> str:
        """Show one line a field, as Flink does."""
        return "root\n" + "".join(f" |-- {line}\n" for line in self._lines)
