"""The declared schema of a table, built by hand: ``Schema.new_builder().column(…).build()``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tidemill.table.composite_types import RowType
from tidemill.table.sql_compiler import compile_expression
from tidemill.table.sql_text import quote_identifier, quote_string
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.table.catalog_schema import ResolvedSchema
    from tidemill.table.expression import Expression
    from tidemill.table.logical_types import DataType

__all__ = ["Schema"]


class _Line(NamedTuple):
    """A line between the parentheses: as SQL, and as Flink shows it."""

    sql: str
    shown: str


class _Part(NamedTuple):
    """A type or an expression: its SQL, and how Flink shows it: in brackets if it is text."""

    sql: str
    shown: str


def _type(data_type: str | DataType) -> _Part:
    if isinstance(data_type, str):
        return _Part(data_type, f"[{data_type}]")
    return _Part(data_type.as_serializable_string(), data_type.as_summary_string())


def _computed(expression: str | Expression) -> _Part:
    if isinstance(expression, str):
        return _Part(expression, f"[{expression}]")
    return _Part(compile_expression(expression), str(expression))


class Schema:
    """Columns, watermark and primary key, as lines of CREATE TABLE.

    Parameters
    ----------
    lines
        The lines between the parentheses.
    """

    class Builder:
        """Collects columns and constraints."""

        def __init__(self) -> None:
            """Start with none."""
            self._lines: list[_Line] = []

        def column(self, column_name: str, data_type: str | DataType) -> Schema.Builder:
            """Append a stored column."""
            return self._add(column_name, "", _type(data_type))

        def column_by_expression(self, column_name: str, expr: str | Expression) -> Schema.Builder:
            """Append a computed column."""
            return self._add(column_name, "AS ", _computed(expr))

        def column_by_metadata(
            self,
            column_name: str,
            data_type: str | DataType,
            metadata_key: str | None = None,
            is_virtual: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
        ) -> Schema.Builder:
            """Append a column that the connector fills."""
            end = " METADATA"
            if metadata_key is not None:
                end += f" FROM {quote_string(metadata_key)}"
            return self._add(column_name, "", _type(data_type), end + " VIRTUAL" * is_virtual)

        def watermark(self, column_name: str, watermark_expr: str | Expression) -> Schema.Builder:
            """Declare the event time of the table."""
            start = f"WATERMARK FOR {quote_identifier(column_name)} AS "
            part = _computed(watermark_expr)
            self._lines.append(_Line(start + part.sql, start + part.shown))
            return self

        def primary_key(self, *column_names: str) -> Schema.Builder:
            """Declare the primary key."""
            return self._key(f"PK_{'_'.join(column_names)}", column_names)

        def primary_key_named(self, constraint_name: str, *column_names: str) -> Schema.Builder:
            """Declare the primary key with a name."""
            return self._key(constraint_name, column_names)

        def from_fields(
            self, field_names: Sequence[str], field_data_types: Sequence[str | DataType]
        ) -> Schema.Builder:
            """Append stored columns."""
            for name, data_type in zip(field_names, field_data_types, strict=True):
                self.column(name, data_type)
            return self

        def from_row_data_type(self, data_type: DataType) -> Schema.Builder:
            """Append the fields of a row type.

            Raises
            ------
            ValidationException
                If the type is not a row.
            """
            if not isinstance(data_type, RowType):
                msg = f"a schema cannot be made of {data_type.as_summary_string()}, it needs a ROW"
                raise ValidationException(msg)
            return self.from_fields(data_type.field_names(), data_type.field_types())

        def from_schema(self, unresolved_schema: Schema) -> Schema.Builder:
            """Append all of another schema."""
            self._lines.extend(unresolved_schema._lines)
            return self

        def from_resolved_schema(self, resolved_schema: ResolvedSchema) -> Schema.Builder:
            """Append the columns of a resolved schema."""
            return self.from_fields(
                resolved_schema.get_column_names(), resolved_schema.get_column_data_types()
            )

        def build(self) -> Schema:
            """Make the schema."""
            return Schema(self._lines)

        def _add(self, name: str, start: str, part: _Part, end: str = "") -> Schema.Builder:
            if not isinstance(name, str):
                msg = f"the name of a column must be text, not {name!r}"
                raise ValidationException(msg)
            head = f"{quote_identifier(name)} {start}"
            self._lines.append(_Line(head + part.sql + end, head + part.shown + end))
            return self

        def _key(self, name: str, column_names: Sequence[str]) -> Schema.Builder:
            if not column_names:
                msg = "Primary key constraint must be defined for at least a single column."
                raise ValidationException(msg)
            names = ", ".join(map(quote_identifier, column_names))
            line = f"CONSTRAINT {quote_identifier(name)} PRIMARY KEY ({names}) NOT ENFORCED"
            self._lines.append(_Line(line, line))
            return self

    def __init__(self, lines: Sequence[_Line]) -> None:
        """Copy the lines."""
        self._lines = tuple(lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines between the parentheses, as SQL."""
        return tuple(line.sql for line in self._lines)

    def to_sql(self) -> str:
        """Write the columns and constraints of CREATE TABLE, in parentheses."""
        return "(\n" + ",\n".join(f"  {line}" for line in self.lines) + "\n)"

    def with_physical_columns(self, row_type: RowType) -> Schema:
        """Put columns of a row type that are not declared before those that are."""
        declared = {_declared_name(line) for line in self.lines}
        missing = Schema.new_builder()
        for field in row_type:
            if field.name not in declared:
                missing.column(field.name, field.data_type)
        return missing.from_schema(self).build()

    def column_names(self) -> list[str]:
        """Give the names of all columns that are declared."""
        return [name for name in map(_declared_name, self.lines) if name]

    def has_physical_columns(self) -> bool:
        """Tell whether a stored column is declared."""
        return any(_is_physical(line) for line in self.lines)

    @staticmethod
    def new_builder() -> Schema.Builder:
        """Start a builder."""
        return Schema.Builder()

    def __eq__(self, other: object) -> bool:
        """Compare the lines."""
        return isinstance(other, Schema) and self.lines == other.lines

    def __hash__(self) -> int:
        """Hash the lines."""
        return hash(self.lines)

    def __str__(self) -> str:
        """Show the lines as Flink does."""
        return "(\n" + ",\n".join(f"  {line.shown}" for line in self._lines) + "\n)"

    __repr__ = __str__


def _is_physical(line: str) -> bool:
    name = _declared_name(line)
    rest = line[len(quote_identifier(name)) :].lstrip().upper() if name else "AS"
    return not rest.startswith("AS ") and rest != "AS" and " METADATA" not in rest


def _declared_name(line: str) -> str:
    """Give the name of the column that a line declares; nothing for watermarks and keys."""
    if not line.startswith("`"):
        return ""
    return line[1 : line.replace("``", "  ").index("`", 1)].replace("``", "`")
