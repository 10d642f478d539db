"""The resolved schema of a table: physical, computed and metadata columns.

The engine reports names and types; what else a column has (its expression, its metadata key) is
shown by ``DESCRIBE``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.table.composite_types import RowField, RowType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.table.logical_types import DataType

__all__ = ["Column", "PhysicalColumn", "ResolvedSchema"]


class Column:
    """A column of a resolved schema.

    Parameters
    ----------
    name
        The name.
    data_type
        The type.
    comment
        The comment, if it has one.
    """

    def __init__(self, name: str, data_type: DataType, comment: str | None = None) -> None:
        """Keep the three."""
        self._name = name
        self._data_type = data_type
        self._comment = comment

    @staticmethod
    def physical(name: str, data_type: DataType) -> PhysicalColumn:
        """Make a column that is stored."""
        return PhysicalColumn(name, data_type)

    def get_name(self) -> str:
        """Give the name."""
        return self._name

    def get_data_type(self) -> DataType:
        """Give the type."""
        return self._data_type

    def get_comment(self) -> str | None:
        """Give the comment."""
        return self._comment

    def with_comment(self, comment: str) -> Column:
        """Give the column with a comment."""
        return type(self)(self._name, self._data_type, comment)

    def rename(self, new_name: str) -> Column:
        """Give the column with another name."""
        return type(self)(new_name, self._data_type, self._comment)

    def copy(self, new_type: DataType) -> Column:
        """Give the column with another type."""
        return type(self)(self._name, new_type, self._comment)

    def is_physical(self) -> bool:
        """Tell whether the column is stored."""
        return isinstance(self, PhysicalColumn)

    def is_persisted(self) -> bool:
        """Tell whether the column is written to a sink."""
        return self.is_physical()

    def as_summary_string(self) -> str:
        """Give name and type."""
        return f"`{self._name}` {self._data_type.as_summary_string()}"

    def __eq__(self, other: object) -> bool:
        """Compare name, type and comment."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash name and type."""
        return hash((self._name, self._data_type))

    def __repr__(self) -> str:
        """Show name and type."""
        return self.as_summary_string()


class PhysicalColumn(Column):
    """A column that is stored."""


class ResolvedSchema:
    """The columns of a table or result.

    Parameters
    ----------
    columns
        The columns, in order.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        """Copy the columns."""
        self._columns = list(columns)

    @staticmethod
    def of(columns: Sequence[Column]) -> ResolvedSchema:
        """Make a schema of columns."""
        return ResolvedSchema(columns)

    @staticmethod
    def physical(
        column_names: Sequence[str], column_data_types: Sequence[DataType]
    ) -> ResolvedSchema:
        """Make a schema of names and types."""
        return ResolvedSchema(
            [Column.physical(*pair) for pair in zip(column_names, column_data_types, strict=True)]
        )

    def get_column_count(self) -> int:
        """Count the columns."""
        return len(self._columns)

    def get_columns(self) -> list[Column]:
        """Give the columns."""
        return list(self._columns)

    def get_column_names(self) -> list[str]:
        """Give the names."""
        return [column.get_name() for column in self._columns]

    def get_column_data_types(self) -> list[DataType]:
        """Give the types."""
        return [column.get_data_type() for column in self._columns]

    def get_column(self, column_index_or_name: int | str) -> Column | None:
        """Give a column by position or name, or None if there is no such column."""
        if isinstance(column_index_or_name, str):
            matches = (c for c in self._columns if c.get_name() == column_index_or_name)
            return next(matches, None)
        if 0 <= column_index_or_name < len(self._columns):
            return self._columns[column_index_or_name]
        return None

    def to_physical_row_data_type(self) -> RowType:
        """Give the stored columns as a type."""
        return RowType(
            [RowField(c.get_name(), c.get_data_type()) for c in self._columns if c.is_physical()],
            nullable=False,
        )

    def __eq__(self, other: object) -> bool:
        """Compare the columns."""
        return isinstance(other, ResolvedSchema) and self._columns == other._columns

    def __hash__(self) -> int:
        """Hash the columns."""
        return hash(tuple(self._columns))

    def __str__(self) -> str:
        """Show the columns as Flink does."""
        columns = ",\n".join(f"  {column.as_summary_string()}" for column in self._columns)
        return f"(\n{columns}\n)"

    __repr__ = __str__
