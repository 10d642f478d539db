"""The declared schema of a table, built by hand: ``Schema.new_builder().column(…).build()``."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def _type_text(data_type: str | DataType) -> str:
    return data_type if isinstance(data_type, str) else data_type.as_serializable_string()


def _expression_text(expression: str | Expression) -> str:
    return expression if isinstance(expression, str) else compile_expression(expression)


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
            self._lines: list[str] = []

        def column(self, column_name: str, data_type: str | DataType) -> Schema.Builder:
            """Append a stored column."""
            self._lines.append(f"{quote_identifier(column_name)} {_type_text(data_type)}")
            return self

        def column_by_expression(self, column_name: str, expr: str | Expression) -> Schema.Builder:
            """Append a computed column."""
            self._lines.append(f"{quote_identifier(column_name)} AS {_expression_text(expr)}")
            return self

        def column_by_metadata(
            self,
            column_name: str,
            data_type: str | DataType,
            metadata_key: str | None = None,
            is_virtual: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
        ) -> Schema.Builder:
            """Append a column that the connector fills."""
            line = f"{quote_identifier(column_name)} {_type_text(data_type)} METADATA"
            if metadata_key is not None:
                line += f" FROM {quote_string(metadata_key)}"
            self._lines.append(line + (" VIRTUAL" if is_virtual else ""))
            return self

        def watermark(self, column_name: str, watermark_expr: str | Expression) -> Schema.Builder:
            """Declare the event time of the table."""
            text = _expression_text(watermark_expr)
            self._lines.append(f"WATERMARK FOR {quote_identifier(column_name)} AS {text}")
            return self

        def primary_key(self, *column_names: str) -> Schema.Builder:
            """Declare the primary key."""
            return self._key("", column_names)

        def primary_key_named(self, constraint_name: str, *column_names: str) -> Schema.Builder:
            """Declare the primary key with a name."""
            return self._key(f"CONSTRAINT {quote_identifier(constraint_name)} ", column_names)

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
            self._lines.extend(unresolved_schema.lines)
            return self

        def from_resolved_schema(self, resolved_schema: ResolvedSchema) -> Schema.Builder:
            """Append the columns of a resolved schema."""
            return self.from_fields(
                resolved_schema.get_column_names(), resolved_schema.get_column_data_types()
            )

        def build(self) -> Schema:
            """Make the schema."""
            return Schema(self._lines)

        def _key(self, prefix: str, column_names: Sequence[str]) -> Schema.Builder:
            names = ", ".join(map(quote_identifier, column_names))
            self._lines.append(f"{prefix}PRIMARY KEY ({names}) NOT ENFORCED")
            return self

    def __init__(self, lines: Sequence[str]) -> None:
        """Copy the lines."""
        self.lines = tuple(lines)

    def with_physical_columns(self, row_type: RowType) -> Schema:
        """Put columns of a row type that are not declared before those that are."""
        declared = {_declared_name(line) for line in self.lines}
        lines = [
            f"{quote_identifier(field.name)} {field.data_type.as_serializable_string()}"
            for field in row_type
            if field.name not in declared
        ]
        return Schema((*lines, *self.lines))

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
        return "(\n" + ",\n".join(f"  {line}" for line in self.lines) + "\n)"

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
