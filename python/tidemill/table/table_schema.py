"""Names and types of a table's columns, in PyFlink's older form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.table.composite_types import RowField, RowType

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        return isinstance(other, TableSchema) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash names and types."""
        return hash((tuple(self._names), tuple(self._types)))

    def __repr__(self) -> str:
        """Show one line a field, as Flink does."""
        lines = (
            f" |-- {name}: {data_type.as_summary_string()}\n"
            for name, data_type in zip(self._names, self._types, strict=True)
        )
        return "root\n" + "".join(lines)
