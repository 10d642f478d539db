"""Options that a program was started with, as ``tidemill run -D key=value`` gives them.

They are the first options of every environment that the program makes; its own come after.
"""

from __future__ import annotations

__all__ = ["launch_options", "set_launch_options"]

_options: dict[str, str] = {}


def launch_options() -> dict[str, str]:
    """Give the options."""
    return dict(_options)


def set_launch_options(options: dict[str, str]) -> None:
    """Replace the options."""
    _options.clear()
    _options.update(options)
