"""The resolved schema of a table: physical, computed and metadata columns, watermark and key."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from tidemill.table.composite_types import RowField, RowType
from tidemill.table.sql_text import quote_identifier, quote_string

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.table.logical_types import DataType
    from tidemill.table.resolved_expression import ResolvedExpression

__all__ = [
    "Column",
    "ComputedColumn",
    "Constraint",
    "MetadataColumn",
    "PhysicalColumn",
    "ResolvedSchema",
    "UniqueConstraint",
    "WatermarkSpec",
]


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
        self._time_attribute: str | None = None

    @staticmethod
    def physical(name: str, data_type: DataType) -> PhysicalColumn:
        """Make a column that is stored."""
        return PhysicalColumn(name, data_type)

    @staticmethod
    def computed(name: str, resolved_expression: ResolvedExpression) -> ComputedColumn:
        """Make a column that is computed of others."""
        return ComputedColumn(name, resolved_expression)

    @staticmethod
    def metadata(
        name: str,
        data_type: DataType,
        metadata_key: str | None,
        is_virtual: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> MetadataColumn:
        """Make a column that the connector fills; a virtual one is not written to a sink."""
        return MetadataColumn(name, data_type, metadata_key, is_virtual)

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
        return self._with("_comment", comment)

    def rename(self, new_name: str) -> Column:
        """Give the column with another name."""
        return self._with("_name", new_name)

    def copy(self, new_type: DataType) -> Column:
        """Give the column with another type."""
        return self._with("_data_type", new_type)

    def as_time_attribute(self, kind: str) -> Column:
        """Give the column as an attribute of time, ``ROWTIME`` or ``PROCTIME``."""
        return self._with("_time_attribute", kind)

    def is_physical(self) -> bool:
        """Tell whether the column is stored."""
        return False

    def is_persisted(self) -> bool:
        """Tell whether the column is written to a sink."""
        return False

    def explain_extras(self) -> str | None:
        """Tell what makes the column more than a stored one."""
        return None

    def as_summary_string(self) -> str:
        """Give name, type and what else there is."""
        text = f"{quote_identifier(self._name)} {self._data_type.as_summary_string()}"
        if self._time_attribute is not None:
            text += f" *{self._time_attribute}*"
        extras = self.explain_extras()
        if extras is not None:
            text += f" {extras}"
        if self._comment is not None:
            text += f" COMMENT {quote_string(self._comment)}"
        return text

    def _with(self, attribute: str, value: object) -> Column:
        changed = object.__new__(type(self))
        changed.__dict__.update(self.__dict__)
        changed.__dict__[attribute] = value
        return changed

    def __eq__(self, other: object) -> bool:
        """Compare all that the columns are made of."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash name and type."""
        return hash((self._name, self._data_type))

    def __repr__(self) -> str:
        """Show name and type."""
        return self.as_summary_string()


class PhysicalColumn(Column):
    """A column that is stored."""

    def copy(self, new_data_type: DataType) -> Column:
        """Give the column with another type."""
        return self._with("_data_type", new_data_type)

    def is_physical(self) -> bool:
        """Tell that the column is stored."""
        return True

    def is_persisted(self) -> bool:
        """Tell that the column is written to a sink."""
        return True


class ComputedColumn(Column):
    """A column that is computed of others.

    Parameters
    ----------
    name
        The name.
    expression
        How it is computed.
    comment
        The comment, if it has one.
    """

    def __init__(
        self, name: str, expression: ResolvedExpression, comment: str | None = None
    ) -> None:
        """Keep the three."""
        super().__init__(name, expression.get_output_data_type(), comment)
        self._expression = expression

    def get_expression(self) -> ResolvedExpression:
        """Give how it is computed."""
        return self._expression

    def copy(self, new_data_type: DataType) -> Column:
        """Give the column with another type."""
        return self._with("_data_type", new_data_type)

    def explain_extras(self) -> str | None:
        """Give how it is computed."""
        return f"AS {self._expression.as_summary_string()}"


class MetadataColumn(Column):
    """A column that the connector fills.

    Parameters
    ----------
    name
        The name.
    data_type
        The type.
    metadata_key
        What the connector calls it; the column's own name if None.
    is_virtual
        Whether it is not written to a sink.
    comment
        The comment, if it has one.
    """

    def __init__(
        self,
        name: str,
        data_type: DataType,
        metadata_key: str | None,
        is_virtual: bool,  # noqa: FBT001 - PyFlink's signature
        comment: str | None = None,
    ) -> None:
        """Keep all five."""
        super().__init__(name, data_type, comment)
        self._metadata_key = metadata_key
        self._is_virtual = is_virtual

    def get_metadata_key(self) -> str | None:
        """Give what the connector calls it."""
        return self._metadata_key

    def is_virtual(self) -> bool:
        """Tell whether it is not written to a sink."""
        return self._is_virtual

    def is_persisted(self) -> bool:
        """Tell whether it is written to a sink."""
        return not self._is_virtual

    def copy(self, new_data_type: DataType) -> Column:
        """Give the column with another type."""
        return self._with("_data_type", new_data_type)

    def explain_extras(self) -> str | None:
        """Give the key and whether the column is virtual."""
        text = "METADATA"
        if self._metadata_key is not None:
            text += f" FROM {quote_string(self._metadata_key)}"
        return text + (" VIRTUAL" if self._is_virtual else "")


class WatermarkSpec:
    """The event time of a table.

    Parameters
    ----------
    rowtime_attribute
        The column.
    watermark_expression
        How its watermark is computed.
    """

    def __init__(self, rowtime_attribute: str, watermark_expression: ResolvedExpression) -> None:
        """Keep both."""
        self._rowtime_attribute = rowtime_attribute
        self._watermark_expression = watermark_expression

    @staticmethod
    def of(rowtime_attribute: str, watermark_expression: ResolvedExpression) -> WatermarkSpec:
        """Make the declaration of a watermark."""
        return WatermarkSpec(rowtime_attribute, watermark_expression)

    def get_rowtime_attribute(self) -> str:
        """Give the column."""
        return self._rowtime_attribute

    def get_watermark_expression(self) -> ResolvedExpression:
        """Give how its watermark is computed."""
        return self._watermark_expression

    def as_summary_string(self) -> str:
        """Give the declaration."""
        expression = self._watermark_expression
        data_type = expression.get_output_data_type().as_summary_string()
        column = quote_identifier(self._rowtime_attribute)
        return f"WATERMARK FOR {column}: {data_type} AS {expression.as_summary_string()}"

    def __eq__(self, other: object) -> bool:
        """Compare column and expression."""
        return isinstance(other, WatermarkSpec) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self.as_summary_string())

    def __repr__(self) -> str:
        """Show the declaration."""
        return self.as_summary_string()


class Constraint:
    """A constraint of a table.

    Parameters
    ----------
    name
        The name.
    enforced
        Whether writing checks it.
    constraint_type
        What it says.
    """

    class ConstraintType(Enum):
        """What a constraint says."""

        PRIMARY_KEY = 0
        UNIQUE_KEY = 1

    def __init__(
        self,
        name: str,
        enforced: bool,  # noqa: FBT001 - PyFlink's signature
        constraint_type: ConstraintType,
    ) -> None:
        """Keep the three."""
        self._name = name
        self._enforced = enforced
        self._type = constraint_type

    def get_name(self) -> str:
        """Give the name."""
        return self._name

    def is_enforced(self) -> bool:
        """Tell whether writing checks it."""
        return self._enforced

    def get_type(self) -> ConstraintType:
        """Give what it says."""
        return self._type

    def as_summary_string(self) -> str:
        """Give the declaration."""
        enforced = "ENFORCED" if self._enforced else "NOT ENFORCED"
        return f"CONSTRAINT {quote_identifier(self._name)} {self._type.name} {enforced}"

    def __eq__(self, other: object) -> bool:
        """Compare all that the constraints are made of."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self.as_summary_string())

    def __repr__(self) -> str:
        """Show the declaration."""
        return self.as_summary_string()


class UniqueConstraint(Constraint):
    """Columns whose values identify a row.

    Parameters
    ----------
    name
        The name.
    columns
        The columns.
    """

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        """Keep both."""
        super().__init__(name, False, Constraint.ConstraintType.PRIMARY_KEY)  # noqa: FBT003 - PyFlink's signature
        self._columns = list(columns)

    @staticmethod
    def primary_key(name: str, columns: Sequence[str]) -> UniqueConstraint:
        """Make a primary key."""
        return UniqueConstraint(name, columns)

    def get_columns(self) -> list[str]:
        """Give the columns."""
        return list(self._columns)

    def get_type_string(self) -> str:
        """Give the words of SQL for it."""
        return "PRIMARY KEY"

    def as_summary_string(self) -> str:
        """Give the declaration."""
        columns = ", ".join(map(quote_identifier, self._columns))
        return f"CONSTRAINT {quote_identifier(self._name)} PRIMARY KEY ({columns}) NOT ENFORCED"


class ResolvedSchema:
    """The columns of a table or result.

    Parameters
    ----------
    columns
        The columns, in order.
    watermark_specs
        The declarations of watermarks.
    primary_key
        The primary key, if there is one.
    j_resolved_schema
        PyFlink's way to make one of a Java object; not used.
    """

    def __init__(
        self,
        columns: Sequence[Column] | None = None,
        watermark_specs: Sequence[WatermarkSpec] | None = None,
        primary_key: UniqueConstraint | None = None,
        j_resolved_schema: object = None,
    ) -> None:
        """Copy the parts."""
        del j_resolved_schema
        self._columns = list(columns or ())
        self._watermark_specs = list(watermark_specs or ())
        self._primary_key = primary_key

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

    def get_watermark_specs(self) -> list[WatermarkSpec]:
        """Give the declarations of watermarks."""
        return list(self._watermark_specs)

    def get_primary_key(self) -> UniqueConstraint | None:
        """Give the primary key, or None if there is none."""
        return self._primary_key

    def get_primary_key_indexes(self) -> list[int]:
        """Give the positions of the primary key's columns."""
        if self._primary_key is None:
            return []
        names = self.get_column_names()
        return [names.index(name) for name in self._primary_key.get_columns()]

    def to_source_row_data_type(self) -> RowType:
        """Give all columns as a type."""
        return _row_type(self._columns)

    def to_physical_row_data_type(self) -> RowType:
        """Give the stored columns as a type."""
        return _row_type([column for column in self._columns if column.is_physical()])

    def to_sink_row_data_type(self) -> RowType:
        """Give the columns that are written to a sink as a type."""
        return _row_type([column for column in self._columns if column.is_persisted()])

    def __eq__(self, other: object) -> bool:
        """Compare the parts."""
        return isinstance(other, ResolvedSchema) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the columns."""
        return hash(tuple(self._columns))

    def __str__(self) -> str:
        """Show the schema as Flink does."""
        parts = [column.as_summary_string() for column in self._columns]
        parts += [spec.as_summary_string() for spec in self._watermark_specs]
        if self._primary_key is not None:
            parts.append(self._primary_key.as_summary_string())
        lines = ",\n".join(f"  {part}" for part in parts)
        return f"(\n{lines}\n)"

    __repr__ = __str__


def _row_type(columns: Sequence[Column]) -> RowType:
    return RowType([RowField(c.get_name(), c.get_data_type()) for c in columns], nullable=False)
