"""The door to a JVM, which is not there."""

from __future__ import annotations

from typing import NoReturn

from tidemill.util.exceptions import refuse

__all__ = ["get_gateway"]


def get_gateway() -> NoReturn:
    """Refuse: there is no JVM."""
    refuse("the gateway to a JVM (there is none: use the Python API)")
