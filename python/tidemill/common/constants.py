"""Bounds of points of time."""

from __future__ import annotations

__all__: list[str] = []

MIN_LONG_VALUE = -(2**63)
MAX_LONG_VALUE = 2**63 - 1
