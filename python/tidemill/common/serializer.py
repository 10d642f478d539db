"""How values become bytes on a stream."""

from __future__ import annotations

import abc
from typing import IO, Any, Generic, TypeVar

__all__ = ["TypeSerializer"]

T = TypeVar("T")


class TypeSerializer(abc.ABC, Generic[T]):
    """Writes values of one type and reads them back."""

    @abc.abstractmethod
    def serialize(self, element: T, stream: IO[bytes]) -> None:
        """Write a value."""

    @abc.abstractmethod
    def deserialize(self, stream: IO[bytes]) -> T:
        """Read a value.

        Raises
        ------
        EOFError
            If the stream ends before the value does.
        """

    def __eq__(self, other: object) -> bool:
        """Compare the kind."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """Hash the kind."""
        return hash(type(self))

    def _get_coder(self) -> Any:
        return self
