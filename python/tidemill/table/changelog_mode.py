"""Which kinds of changes a table has."""

from __future__ import annotations

from tidemill.common.types import RowKind

__all__ = ["ChangelogMode"]


class ChangelogMode:
    """A set of kinds of changes.

    Parameters
    ----------
    kinds
        The kinds.
    """

    def __init__(self, kinds: frozenset[RowKind]) -> None:
        """Keep the kinds."""
        self._kinds = kinds

    @staticmethod
    def insert_only() -> ChangelogMode:
        """Have insertions alone."""
        return ChangelogMode(frozenset({RowKind.INSERT}))

    @staticmethod
    def upsert() -> ChangelogMode:
        """Have all but the rows before an update, which a key finds."""
        return ChangelogMode(frozenset(RowKind) - {RowKind.UPDATE_BEFORE})

    @staticmethod
    def all() -> ChangelogMode:
        """Have all kinds."""
        return ChangelogMode(frozenset(RowKind))

    def get_contained_kinds(self) -> set[RowKind]:
        """Give the kinds."""
        return set(self._kinds)

    def __eq__(self, other: object) -> bool:
        """Compare the kinds."""
        return isinstance(other, ChangelogMode) and self._kinds == other._kinds

    def __hash__(self) -> int:
        """Hash the kinds."""
        return hash(self._kinds)

    def __repr__(self) -> str:
        """Show the kinds as Flink does."""
        names = {
            RowKind.INSERT: "INSERT",
            RowKind.UPDATE_BEFORE: "UPDATE_BEFORE",
            RowKind.UPDATE_AFTER: "UPDATE_AFTER",
            RowKind.DELETE: "DELETE",
        }
        return f"[{', '.join(text for kind, text in names.items() if kind in self._kinds)}]"
