"""Options with a key, a type and maybe a default: ``ConfigOptions.key("a").int_type()…``."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

__all__ = ["ConfigOption", "ConfigOptions"]

T = TypeVar("T")


class ConfigOption(Generic[T]):
    """An option.

    Parameters
    ----------
    key
        The key.
    value_type
        The Python type of its values.
    default
        The value where none is set.
    """

    def __init__(self, key: str, value_type: type[T], default: T | None) -> None:
        """Keep the three."""
        self.key = key
        self.value_type = value_type
        self.default = default

    def parse(self, text: str | None) -> T | None:
        """Read the value of a text; the default where there is none."""
        if text is None:
            return self.default
        value: Any = text.strip().lower() == "true" if self.value_type is bool else text
        return self.value_type(value)  # type: ignore[call-arg]

    def __eq__(self, other: object) -> bool:
        """Compare all parts."""
        return isinstance(other, ConfigOption) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the key."""
        return hash(self.key)

    def __repr__(self) -> str:
        """Show key and default."""
        return f"Key: '{self.key}' , default: {self.default}"


class ConfigOptions:
    """Starts the builders of options."""

    class TypedConfigOptionBuilder(Generic[T]):
        """An option with key and type."""

        def __init__(self, key: str, value_type: type[T]) -> None:
            self._key = key
            self._value_type = value_type

        def default_value(self, value: T) -> ConfigOption[T]:
            """Make the option with a default."""
            return ConfigOption(self._key, self._value_type, value)

        def no_default_value(self) -> ConfigOption[T]:
            """Make the option without a default."""
            return ConfigOption(self._key, self._value_type, None)

    class OptionBuilder:
        """An option with a key."""

        def __init__(self, key: str) -> None:
            self._key = key

        def boolean_type(self) -> ConfigOptions.TypedConfigOptionBuilder[bool]:
            """Take truth values."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, bool)

        def int_type(self) -> ConfigOptions.TypedConfigOptionBuilder[int]:
            """Take whole numbers."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, int)

        def long_type(self) -> ConfigOptions.TypedConfigOptionBuilder[int]:
            """Take whole numbers."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, int)

        def float_type(self) -> ConfigOptions.TypedConfigOptionBuilder[float]:
            """Take numbers."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, float)

        def double_type(self) -> ConfigOptions.TypedConfigOptionBuilder[float]:
            """Take numbers."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, float)

        def string_type(self) -> ConfigOptions.TypedConfigOptionBuilder[str]:
            """Take text."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, str)

    @staticmethod
    def key(key: str) -> ConfigOptions.OptionBuilder:
        """Start the builder of an option."""
        return ConfigOptions.OptionBuilder(key)
