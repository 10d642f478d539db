"""The name of a job."""

from __future__ import annotations

__all__ = ["JobID"]


class JobID:
    """Identifies a job of this process.

    Parameters
    ----------
    text
        The id as the engine shows it.
    """

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    def __str__(self) -> str:
        """Give the text."""
        return self._text

    def __repr__(self) -> str:
        """Show the text."""
        return f"JobID({self._text!r})"

    def __eq__(self, other: object) -> bool:
        """Compare the text."""
        return isinstance(other, JobID) and self._text == other._text

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self._text)
