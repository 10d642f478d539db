"""Input formats of a JVM, by name."""

from __future__ import annotations

from typing import NoReturn

from tidemill.util.exceptions import refuse

__all__ = ["InputFormat"]


class InputFormat:
    """A reader written in Java: use a table with a connector, or a Python iterable, instead."""

    def get_java_object(self) -> NoReturn:
        """Refuse: there is no JVM."""
        refuse("a Java object (there is no JVM)")
