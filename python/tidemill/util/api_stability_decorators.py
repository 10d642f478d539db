"""Decorators that say in the documentation how stable a class or function is."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from textwrap import dedent
from typing import Any, TypeVar

__all__ = ["Deprecated", "Experimental", "Internal", "Public", "PublicEvolving"]

T = TypeVar("T")
_MARK = "__stability_decorators"


class _Decorator(ABC):
    """Adds a sentence to the documentation of what it decorates."""

    @abstractmethod
    def get_directive(self, func_or_cls: Any) -> str:
        """Give the sentence."""

    def __call__(self, func_or_cls: T) -> T:
        """Add the sentence; to a class's public methods too."""
        directive = dedent(self.get_directive(func_or_cls))
        _document(func_or_cls, directive)
        marks = set(getattr(func_or_cls, _MARK, ()))
        setattr(func_or_cls, _MARK, marks | {type(self)})
        if inspect.isclass(func_or_cls):
            for name, member in inspect.getmembers(func_or_cls):
                if not name.startswith("_") and inspect.isfunction(member):
                    _document(member, directive)
        return func_or_cls

    @staticmethod
    def _kind(func_or_cls: Any) -> str:
        if inspect.isfunction(func_or_cls):
            return "function"
        return "class" if inspect.isclass(func_or_cls) else "API"


class Deprecated(_Decorator):
    """Marks what will go.

    Parameters
    ----------
    since
        The release since which.
    detail
        What to use instead.
    """

    def __init__(self, since: str, detail: str | None = None) -> None:
        self.since = since
        self.detail = detail

    def get_directive(self, func_or_cls: Any) -> str:
        """Give the sentence."""
        del func_or_cls
        text = f".. deprecated:: {self.since}"
        return text if self.detail is None else f"{text}\n   {self.detail}"

    def __call__(self, func_or_cls: T) -> T:
        """Add the sentence."""
        return super().__call__(func_or_cls)


class Experimental(_Decorator):
    """Marks what may change or go at any time."""

    def get_directive(self, func_or_cls: Any) -> str:
        """Give the sentence."""
        return f".. caution:: This *{self._kind(func_or_cls)}* is experimental."

    def __call__(self, func_or_cls: T) -> T:
        """Add the sentence."""
        return super().__call__(func_or_cls)


class Internal(_Decorator):
    """Marks what is for the package itself."""

    def get_directive(self, func_or_cls: Any) -> str:
        """Give the sentence."""
        return f".. caution:: This *{self._kind(func_or_cls)}* is internal."

    def __call__(self, func_or_cls: T) -> T:
        """Add the sentence."""
        return super().__call__(func_or_cls)


class Public(_Decorator):
    """Marks what stays within a major release."""

    def get_directive(self, func_or_cls: Any) -> str:
        """Give the sentence."""
        return f".. note:: This *{self._kind(func_or_cls)}* is public and stable."

    def __call__(self, func_or_cls: T) -> T:
        """Add the sentence."""
        return super().__call__(func_or_cls)


class PublicEvolving(_Decorator):
    """Marks what is public and may change between minor releases."""

    def get_directive(self, func_or_cls: Any) -> str:
        """Give the sentence."""
        return f".. note:: This *{self._kind(func_or_cls)}* is public and evolving."

    def __call__(self, func_or_cls: T) -> T:
        """Add the sentence."""
        return super().__call__(func_or_cls)


def _document(target: Any, directive: str) -> None:
    text = dedent(target.__doc__ or "")
    if directive not in text:
        target.__doc__ = f"{text}\n{directive}"
