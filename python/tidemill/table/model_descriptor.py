"""A model described by a builder instead of by CREATE MODEL; it becomes just that text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.table.sql_text import quote_string

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.table.schema import Schema

__all__ = ["ModelDescriptor"]


class ModelDescriptor:
    """A model: the columns it takes and gives, and its options.

    Parameters
    ----------
    options
        What stands in WITH, the provider among it.
    input_schema
        The columns that it takes.
    output_schema
        The columns that it gives.
    comment
        The comment.
    """

    class Builder:
        """Collects the parts of a model."""

        def __init__(self, options: Mapping[str, str]) -> None:
            """Start with options only."""
            self._options = dict(options)
            self._input_schema: Schema | None = None
            self._output_schema: Schema | None = None
            self._comment: str | None = None

        def input_schema(self, input_schema: Schema) -> ModelDescriptor.Builder:
            """Set the columns that the model takes."""
            self._input_schema = input_schema
            return self

        def output_schema(self, output_schema: Schema) -> ModelDescriptor.Builder:
            """Set the columns that the model gives."""
            self._output_schema = output_schema
            return self

        def option(self, key: str, value: str) -> ModelDescriptor.Builder:
            """Set an option."""
            self._options[str(key)] = str(value)
            return self

        def comment(self, comment: str) -> ModelDescriptor.Builder:
            """Set the comment."""
            self._comment = comment
            return self

        def build(self) -> ModelDescriptor:
            """Make the descriptor."""
            return ModelDescriptor(
                self._options, self._input_schema, self._output_schema, self._comment
            )

    def __init__(
        self,
        options: Mapping[str, str],
        input_schema: Schema | None,
        output_schema: Schema | None,
        comment: str | None,
    ) -> None:
        """Copy the parts."""
        self._options = dict(options)
        self._input_schema = input_schema
        self._output_schema = output_schema
        self._comment = comment

    @staticmethod
    def for_provider(provider: str) -> ModelDescriptor.Builder:
        """Start a builder for a provider, e.g. ``openai``."""
        return ModelDescriptor.Builder({"provider": provider})

    def get_options(self) -> dict[str, str]:
        """Give the options."""
        return dict(self._options)

    def get_input_schema(self) -> Schema | None:
        """Give the columns that the model takes."""
        return self._input_schema

    def get_output_schema(self) -> Schema | None:
        """Give the columns that the model gives."""
        return self._output_schema

    def get_comment(self) -> str | None:
        """Give the comment."""
        return self._comment

    def __eq__(self, other: object) -> bool:
        """Compare the parts."""
        return isinstance(other, ModelDescriptor) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(str(self))

    def to_sql(self) -> str:
        """Write what stands behind the name in CREATE MODEL."""
        lines: list[str] = []
        if self._input_schema is not None:
            lines.append(f"INPUT {self._input_schema.to_sql()}")
        if self._output_schema is not None:
            lines.append(f"OUTPUT {self._output_schema.to_sql()}")
        return "\n".join([*lines, *self._last_lines()])

    def __str__(self) -> str:
        """Show the parts as Flink does."""
        schemas = (self._input_schema, self._output_schema)
        shown = [str(schema) for schema in schemas if schema is not None]
        return "\n".join([*shown, *self._last_lines()])

    def _last_lines(self) -> list[str]:
        lines: list[str] = []
        if self._comment:
            lines.append(f"COMMENT {quote_string(self._comment)}")
        options = ",\n".join(
            f"  {quote_string(key)} = {quote_string(value)}" for key, value in self._options.items()
        )
        lines.append(f"WITH (\n{options}\n)")
        return lines
