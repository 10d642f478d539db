"""A stream of the elements of a collection, on its way into a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.util.exceptions import UnsupportedOperationException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.common.typeinfo import TypeInformation

__all__ = ["DataStream"]


class DataStream:
    """The elements of a collection; operations on streams are not there yet.

    Parameters
    ----------
    elements
        The elements.
    type_info
        Their type, or None to find it.
    """

    def __init__(self, elements: Sequence[Any], type_info: TypeInformation | None) -> None:
        """Keep both."""
        self._elements = list(elements)
        self._type_info = type_info

    @property
    def elements(self) -> list[Any]:
        """The elements."""
        return self._elements

    def get_type(self) -> TypeInformation | None:
        """Give the type of the elements, if it was declared."""
        return self._type_info

    def __getattr__(self, name: str) -> Any:
        """Refuse what comes with the DataStream API.

        Raises
        ------
        UnsupportedOperationException
            For the name of any operation.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        msg = f"DataStream.{name} is not supported yet"
        raise UnsupportedOperationException(msg)
