"""A typed view of string options, with the methods of ``pyflink.common.Configuration``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Configuration"]

T = TypeVar("T")


class Configuration:
    """A set of options.

    Parameters
    ----------
    other
        Options to start from; they are copied.

    Examples
    --------
    >>> Configuration().set_integer("parallelism.default", 2).to_dict()
    {'parallelism.default': '2'}
    """

    def __init__(self, other: Configuration | None = None, j_configuration: object = None) -> None:
        """Copy the options of `other`; PyFlink's second way is of a Java object and not used."""
        del j_configuration
        self._options: dict[str, str] = {}
        self._bytes: dict[str, bytes] = {}
        if other is not None:
            self.add_all(other)

    @staticmethod
    def from_dict(map: dict[str, str]) -> Configuration:  # noqa: A002 - PyFlink's signature
        """Make a configuration of keys and values."""
        configuration = Configuration()
        for key, value in map.items():
            configuration.set_string(key, str(value))
        return configuration

    def set_string(self, key: str, value: str) -> Configuration:
        """Set an option."""
        self._options[key] = value
        return self

    def get_string(self, key: str, default_value: str | None) -> str | None:
        """Give an option, or the default."""
        return self._options.get(key, default_value)

    def set_integer(self, key: str, value: int) -> Configuration:
        """Set a whole number."""
        return self.set_string(key, str(int(value)))

    def get_integer(self, key: str, default_value: int) -> int:
        """Give a whole number, or the default.

        Raises
        ------
        ValueError
            If the text of the option is not a whole number.
        """
        return self._parsed(key, default_value, int)

    def set_boolean(self, key: str, value: bool) -> Configuration:  # noqa: FBT001 - PyFlink's signature
        """Set a truth value."""
        return self.set_string(key, "true" if value else "false")

    def get_boolean(self, key: str, default_value: bool) -> bool:  # noqa: FBT001 - PyFlink's signature
        """Give a truth value, or the default.

        Raises
        ------
        ValueError
            If the text of the option is not 'true' or 'false'.
        """
        return self._parsed(key, default_value, _truth)

    def set_float(self, key: str, value: float) -> Configuration:
        """Set a number."""
        return self.set_string(key, str(float(value)))

    def get_float(self, key: str, default_value: float) -> float:
        """Give a number, or the default.

        Raises
        ------
        ValueError
            If the text of the option is not a number.
        """
        return self._parsed(key, default_value, float)

    def _parsed(self, key: str, default_value: T, parse: Callable[[str], T]) -> T:
        """Give an option as what its text stands for, or the default."""
        text = self._options.get(key)
        if text is None:
            return default_value
        try:
            return parse(text.strip())
        except ValueError as error:
            msg = f"Could not parse value '{text}' for key '{key}'."
            raise ValueError(msg) from error

    def set_bytearray(self, key: str, value: bytearray) -> Configuration:
        """Set bytes."""
        self._bytes[key] = bytes(value)
        return self

    def get_bytearray(self, key: str, default_value: bytearray) -> bytearray:
        """Give bytes, or the default."""
        value = self._bytes.get(key)
        return default_value if value is None else bytearray(value)

    def key_set(self) -> set[str]:
        """Give the keys."""
        return {*self._options, *self._bytes}

    def add_all_to_dict(self, target_dict: dict[str, str]) -> None:
        """Copy the options into a dictionary."""
        target_dict.update(self._options)

    def add_all(self, other: Configuration, prefix: str | None = None) -> Configuration:
        """Copy another configuration's options, each key behind the prefix."""
        for key, value in other._options.items():
            self._options[(prefix or "") + key] = value
        for key, bytes_value in other._bytes.items():
            self._bytes[(prefix or "") + key] = bytes_value
        return self

    def contains_key(self, key: str) -> bool:
        """Tell whether the option is set."""
        return key in self._options or key in self._bytes

    def remove_config(self, key: str) -> bool:
        """Remove the option; tell whether it was set."""
        found = self.contains_key(key)
        self._options.pop(key, None)
        self._bytes.pop(key, None)
        return found

    def to_dict(self) -> dict[str, str]:
        """Give keys and values."""
        return dict(self._options)

    @staticmethod
    def parse_list_value(value: str) -> list[str]:
        """Split a list option, ``[a, b]`` or ``a;b``, into its items."""
        text = value.strip()
        if not text:
            return []
        if text.startswith("[") and text.endswith("]"):
            return [item.strip().strip("'\"") for item in text[1:-1].split(",") if item.strip()]
        return [item.strip() for item in text.split(";") if item.strip()]

    def __eq__(self, other: object) -> bool:
        """Compare the options."""
        if not isinstance(other, Configuration):
            return NotImplemented
        return self._options == other._options and self._bytes == other._bytes

    def __hash__(self) -> int:
        """Hash the options as they are now."""
        return hash((frozenset(self._options.items()), frozenset(self._bytes.items())))

    def __str__(self) -> str:
        """Show the options."""
        return f"{{{', '.join(f'{key}={value}' for key, value in self._options.items())}}}"


def _truth(text: str) -> bool:
    word = text.lower()
    if word not in ("true", "false"):
        msg = f"{text} is neither true nor false"
        raise ValueError(msg)
    return word == "true"
