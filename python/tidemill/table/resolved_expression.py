"""An expression with its type, as schemas of tables have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.table.expression import Expression
from tidemill.table.expression_nodes import SqlText

if TYPE_CHECKING:
    from tidemill.table.logical_types import DataType

__all__ = ["ResolvedExpression"]


class ResolvedExpression(Expression):
    """An expression that the engine has resolved.

    Parameters
    ----------
    text
        Its SQL text.
    data_type
        Its type.
    """

    def __init__(self, text: str, data_type: DataType) -> None:
        """Keep both."""
        super().__init__(SqlText(text))
        self._text = text
        self._data_type = data_type

    def get_output_data_type(self) -> DataType:
        """Give the type."""
        return self._data_type

    def get_resolved_children(self) -> list[ResolvedExpression]:
        """Give the parts: none, the expression is known as text."""
        return []

    def as_serializable_string(self) -> str:
        """Give the SQL text."""
        return self._text

    def as_summary_string(self) -> str:
        """Give the SQL text."""
        return self._text

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        """Compare text and type."""
        if not isinstance(other, ResolvedExpression):
            return NotImplemented
        return (self._text, self._data_type) == (other._text, other._data_type)

    def __hash__(self) -> int:
        """Hash text and type."""
        return hash((self._text, self._data_type))

    def __str__(self) -> str:
        """Give the SQL text."""
        return self._text
