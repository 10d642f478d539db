"""A table described by a builder instead of by CREATE TABLE; it becomes just that text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.table.sql_text import quote_identifier, quote_string
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.table.schema import Schema

__all__ = ["FormatDescriptor", "TableDescriptor"]


class FormatDescriptor:
    """A format with its options.

    Parameters
    ----------
    format_name
        Identifier, e.g. ``csv``.
    options
        Options without the format's prefix.
    """

    class Builder:
        """Collects options."""

        def __init__(self, format_name: str) -> None:
            """Start without options."""
            self._format = format_name
            self._options: dict[str, str] = {}

        def option(self, key: str, value: str) -> FormatDescriptor.Builder:
            """Set an option."""
            self._options[str(key)] = str(value)
            return self

        def build(self) -> FormatDescriptor:
            """Make the descriptor."""
            return FormatDescriptor(self._format, self._options)

    def __init__(self, format_name: str, options: Mapping[str, str]) -> None:
        """Copy the options."""
        self._format = format_name
        self._options = dict(options)

    @staticmethod
    def for_format(format: str) -> FormatDescriptor.Builder:  # noqa: A002 - PyFlink's signature
        """Start a builder."""
        return FormatDescriptor.Builder(format)

    def get_format(self) -> str:
        """Give the identifier."""
        return self._format

    def get_options(self) -> dict[str, str]:
        """Give the options without the prefix."""
        return dict(self._options)

    def __str__(self) -> str:
        """Show the format with its options, e.g. ``csv[{field-delimiter=;}]``."""
        options = ", ".join(f"{key}={value}" for key, value in self._options.items())
        return f"{self._format}[{{{options}}}]" if options else self._format


class TableDescriptor:
    """A table: its schema and its options.

    Parameters
    ----------
    schema
        The schema, or None where the table's query gives it.
    options
        What stands in WITH.
    partition_keys
        Columns of PARTITIONED BY.
    comment
        The comment.
    """

    class Builder:
        """Collects the parts of a table."""

        def __init__(self, options: Mapping[str, str]) -> None:
            """Start with options only."""
            self._options = dict(options)
            self._schema: Schema | None = None
            self._partition_keys: list[str] = []
            self._comment: str | None = None

        def schema(self, schema: Schema) -> TableDescriptor.Builder:
            """Set the schema."""
            self._schema = schema
            return self

        def option(self, key: str, value: str) -> TableDescriptor.Builder:
            """Set an option."""
            self._options[str(key)] = str(value)
            return self

        def format(
            self,
            format: str | FormatDescriptor,  # noqa: A002 - PyFlink's signature
            format_option: str | None = None,
        ) -> TableDescriptor.Builder:
            """Set the format; `format_option` is ``format``, ``key.format`` or ``value.format``."""
            key = format_option or "format"
            name = format if isinstance(format, str) else format.get_format()
            self._options[key] = name
            if isinstance(format, FormatDescriptor):
                prefix = key.removesuffix("format") + name
                for option, value in format.get_options().items():
                    self._options[f"{prefix}.{option}"] = value
            return self

        def partitioned_by(self, *partition_keys: str) -> TableDescriptor.Builder:
            """Set the partition columns."""
            self._partition_keys = list(partition_keys)
            return self

        def comment(self, comment: str) -> TableDescriptor.Builder:
            """Set the comment."""
            self._comment = comment
            return self

        def build(self) -> TableDescriptor:
            """Make the descriptor."""
            return TableDescriptor(self._schema, self._options, self._partition_keys, self._comment)

    def __init__(
        self,
        schema: Schema | None,
        options: Mapping[str, str],
        partition_keys: Sequence[str],
        comment: str | None,
    ) -> None:
        """Copy the parts."""
        self._schema = schema
        self._options = dict(options)
        self._partition_keys = list(partition_keys)
        self._comment = comment

    @staticmethod
    def for_connector(connector: str) -> TableDescriptor.Builder:
        """Start a builder for a connector, e.g. ``filesystem``."""
        return TableDescriptor.Builder({"connector": connector})

    def get_schema(self) -> Schema | None:
        """Give the schema."""
        return self._schema

    def get_options(self) -> dict[str, str]:
        """Give the options."""
        return dict(self._options)

    def get_partition_keys(self) -> list[str]:
        """Give the partition columns."""
        return list(self._partition_keys)

    def get_comment(self) -> str | None:
        """Give the comment."""
        return self._comment

    def to_sql(self, path: str, *, temporary: bool, if_not_exists: bool = False) -> str:
        """Write CREATE TABLE for this table under a path.

        Raises
        ------
        ValidationException
            If there is no schema.
        """
        if self._schema is None:
            msg = f"table '{path}' needs a schema"
            raise ValidationException(msg)
        words = "TEMPORARY TABLE" if temporary else "TABLE"
        exists = " IF NOT EXISTS" if if_not_exists else ""
        head = f"CREATE {words}{exists} {path} {self._schema.to_sql()}"
        return "\n".join([head, *self._last_lines()])

    def __str__(self) -> str:
        """Show the parts as Flink does."""
        shown = [] if self._schema is None else [str(self._schema)]
        return "\n".join([*shown, *self._last_lines()])

    def _last_lines(self) -> list[str]:
        lines: list[str] = []
        if self._comment:
            lines.append(f"COMMENT {quote_string(self._comment)}")
        if self._partition_keys:
            keys = ", ".join(map(quote_identifier, self._partition_keys))
            lines.append(f"PARTITIONED BY ({keys})")
        options = ",\n".join(
            f"  {quote_string(key)} = {quote_string(value)}" for key, value in self._options.items()
        )
        lines.append(f"WITH (\n{options}\n)")
        return lines
