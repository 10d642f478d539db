"""Lists and maps as accumulators of aggregate functions."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["DataView", "ListView", "MapView"]

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class DataView(abc.ABC):
    """A collection inside of an accumulator."""

    @abc.abstractmethod
    def clear(self) -> None:
        """Remove everything."""


class ListView(DataView, Generic[T]):
    """A list inside of an accumulator."""

    def __init__(self) -> None:
        self._list: list[T] = []

    def get(self) -> Iterable[T]:
        """Give the values in order."""
        return self._list

    def add(self, value: T) -> None:
        """Append a value."""
        self._list.append(value)

    def add_all(self, values: Iterable[T]) -> None:
        """Append values."""
        self._list.extend(values)

    def clear(self) -> None:
        """Remove everything."""
        self._list = []

    def __iter__(self) -> Iterator[T]:
        """Give the values in order."""
        return iter(self._list)

    def __eq__(self, other: object) -> bool:
        """Compare the values."""
        return isinstance(other, ListView) and list(self) == list(other)

    def __hash__(self) -> int:
        """Hash the values, which must be hashable."""
        return hash(tuple(self._list))

    def __repr__(self) -> str:
        """Show the values."""
        return f"ListView({self._list!r})"


class MapView(DataView, Generic[K, V]):
    """A map inside of an accumulator."""

    def __init__(self) -> None:
        self._map: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Give the value of a key, or None."""
        return self._map.get(key)

    def put(self, key: K, value: V) -> None:
        """Set the value of a key."""
        self._map[key] = value

    def put_all(self, dict_value: Mapping[K, V]) -> None:
        """Set the values of keys."""
        self._map.update(dict_value)

    def remove(self, key: K) -> None:
        """Remove a key that is there."""
        del self._map[key]

    def contains(self, key: K) -> bool:
        """Tell whether a key is there."""
        return key in self._map

    def items(self) -> Iterable[tuple[K, V]]:
        """Give keys and values."""
        return self._map.items()

    def keys(self) -> Iterable[K]:
        """Give the keys."""
        return self._map.keys()

    def values(self) -> Iterable[V]:
        """Give the values."""
        return self._map.values()

    def is_empty(self) -> bool:
        """Tell whether there is nothing."""
        return not self._map

    def clear(self) -> None:
        """Remove everything."""
        self._map.clear()

    def __getitem__(self, key: K) -> V:
        """Give the value of a key that is there."""
        return self._map[key]

    def __setitem__(self, key: K, value: V) -> None:
        """Set the value of a key."""
        self._map[key] = value

    def __delitem__(self, key: K) -> None:
        """Remove a key that is there."""
        del self._map[key]

    def __contains__(self, key: K) -> bool:
        """Tell whether a key is there."""
        return key in self._map

    def __iter__(self) -> Iterator[K]:
        """Give the keys."""
        return iter(self._map)

    def __eq__(self, other: object) -> bool:
        """Compare keys and values."""
        return isinstance(other, MapView) and dict(self.items()) == dict(other.items())

    def __hash__(self) -> int:
        """Hash the keys."""
        return hash(frozenset(self._map))

    def __repr__(self) -> str:
        """Show keys and values."""
        return f"MapView({self._map!r})"
