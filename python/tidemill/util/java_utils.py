"""Helpers around a JVM, which is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from tidemill.util.exceptions import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["add_jars_to_context_class_loader"]


def add_jars_to_context_class_loader(jar_urls: Sequence[str]) -> NoReturn:
    """Refuse: there is no JVM."""
    refuse(f"the jars {list(jar_urls)} (there is no JVM: connectors and formats are built in)")
