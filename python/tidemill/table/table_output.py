"""Ways out of a `Table`: Arrow, pandas and polars.

A query that ends gives its final rows. One that never ends gives the rows of a moment: it runs for
a second (or as long as the caller says), is stopped, and a warning says so.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill._native.engine import Query

__all__ = ["SnapshotWarning", "TableOutput"]

DEFAULT_SECONDS = 1.0


class SnapshotWarning(UserWarning):
    """The rows are those of a moment, because the table never ends."""


class TableOutput:
    """The ways out; `Table` derives from it."""

    def query(self) -> Query:
        """Plan the query anew."""
        raise NotImplementedError

    def to_arrow(self, *, seconds: float = DEFAULT_SECONDS) -> Any:
        """Run the query and give the resulting table as a ``pyarrow.Table``.

        Parameters
        ----------
        seconds
            How long a query that never ends runs before its rows are taken; others run to their
            end.

        Warns
        -----
        SnapshotWarning
            If the query never ends: the rows are those of the moment.
        """
        import pyarrow as pa  # noqa: PLC0415 - only who asks for Arrow needs the package

        return pa.table(self._stream(seconds))

    def to_pandas(self, *, seconds: float = DEFAULT_SECONDS) -> Any:
        """Run the query and give the table as a ``pandas.DataFrame``; see `to_arrow`."""
        return self.to_arrow(seconds=seconds).to_pandas(date_as_object=True)

    def to_polars(self, *, seconds: float = DEFAULT_SECONDS) -> Any:
        """Run the query and give the table as a ``polars.DataFrame``; see `to_arrow`."""
        import polars as pl  # noqa: PLC0415 - only who asks for polars needs the package

        return pl.DataFrame(self._stream(seconds))

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Give the rows to any library that reads Arrow streams; see `to_arrow`."""
        return self._stream(DEFAULT_SECONDS).__arrow_c_stream__(requested_schema)

    def _stream(self, seconds: float) -> Any:
        query = self.query()
        if query.ends():
            return query.to_arrow()[0]
        rows, ended = query.to_arrow(max(1, int(seconds * 1000)))
        if not ended:
            warnings.warn(
                f"this table never ends: these are its rows after {seconds:g} s; limit it, or use "
                "execute().collect() to follow it",
                SnapshotWarning,
                stacklevel=_levels_to_the_caller(),
            )
        return rows


def _levels_to_the_caller() -> int:
    """Count the frames from the caller of this function to the first outside of the package."""
    package = __name__.partition(".")[0]
    n_levels = 1
    frame = sys._getframe(1)  # noqa: SLF001 - warnings has nothing for it before Python 3.12
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame = frame.f_back
        n_levels += 1
    return n_levels
