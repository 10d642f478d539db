"""The input history, kept in IPython's own database.

IPython writes every cell on a thread, but the next cell waits for that thread's lock; with a flush
to the disk in every transaction a cell took 10 to 20 ms instead of half a millisecond. Our
connections leave the flushing to the operating system: what a killed kernel has written is kept,
only a crash of the whole machine can lose the last lines.

Source: https://www.sqlite.org/pragma.html#pragma_synchronous
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite3 import Connection


def open_database(*args: Any, **options: Any) -> Connection:
    """Open the history's database; what ``sqlite3.connect`` takes as its ``factory``.

    Parameters
    ----------
    *args, **options
        What ``sqlite3.connect`` was given.
    """
    from sqlite3 import Connection  # noqa: PLC0415 (keeps the kernel's start short)

    options.pop("factory", None)
    database = Connection(*args, **options)
    database.execute("PRAGMA synchronous = OFF")
    return database
