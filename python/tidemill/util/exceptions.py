"""The exceptions of the Python API.

All derive from `TidemillError`. Their text is what the user should read: the sentence, and for a
wrong statement the line with a caret. A notebook shows just that and the line of the cell, without
the frames of this package (``_render_traceback_`` is IPython's hook for it).

```text
  TidemillError ─┬─ TableException ─┬─ ValidationException ── SqlParserException
                 │                  ├─ UnsupportedOperationException
                 │                  └─ CatalogException ── TableNotExistException …
                 ├─ UserDefinedFunctionException   a Python function failed
                 ├─ DataException                  a row could not be read or computed
                 └─ ConnectorException             the world outside answered with an error
```
"""

from __future__ import annotations

# ruff: noqa: N818 - the names are PyFlink's
import linecache
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = [
    "CatalogException",
    "ConnectorException",
    "DataException",
    "DatabaseAlreadyExistException",
    "DatabaseNotEmptyException",
    "DatabaseNotExistException",
    "ExpressionParserException",
    "FunctionAlreadyExistException",
    "FunctionNotExistException",
    "JavaException",
    "ModelAlreadyExistException",
    "ModelNotExistException",
    "PartitionAlreadyExistsException",
    "PartitionNotExistException",
    "PartitionSpecInvalidException",
    "SqlParserException",
    "TableAlreadyExistException",
    "TableException",
    "TableNotExistException",
    "TableNotPartitionedException",
    "TidemillError",
    "UnsupportedOperationException",
    "UserDefinedFunctionException",
    "ValidationException",
    "capture_java_exception",
    "convert_py4j_exception",
    "install_exception_handler",
    "install_py4j_hooks",
    "refuse",
]

F = TypeVar("F", bound="Callable[..., Any]")

_PACKAGE = str(Path(__file__).parents[1])
# What stands between a notebook and the user's cell.
_HOSTS = frozenset({"IPython", "asyncio", "contextlib", "runpy"})
_RED = "\x1b[31m"
_RESET = "\x1b[0m"


class TidemillError(Exception):
    """Base of all exceptions that this package raises by itself."""

    def _render_traceback_(self) -> list[str]:
        """Give IPython the lines to show instead of a traceback."""
        first, *rest = str(self).split("\n")
        lines = [f"{_RED}{type(self).__name__}{_RESET}: {first}", *rest]
        place = _users_line(self.__traceback__)
        return lines if place is None else [*lines, place]


def _users_line(trace: TracebackType | None) -> str | None:
    """Find the line of the user's program that led here; none for a SQL cell."""
    place = None
    for frame, number in traceback.walk_tb(trace):
        file = frame.f_code.co_filename
        module = str(frame.f_globals.get("__name__", ""))
        if file.startswith(_PACKAGE) or module.split(".", maxsplit=1)[0] in _HOSTS:
            continue
        source = linecache.getline(file, number, frame.f_globals).strip()
        if source.startswith("get_ipython()."):
            # A SQL cell or a magic: the message has its own excerpt.
            return None
        where = "cell line" if file.startswith("<") or module == "__main__" else f"{file}, line"
        place = f"  at {where} {number}: {source}"
    return place


class TableException(TidemillError):
    """A statement or a table operation cannot be planned or run."""


class ValidationException(TableException):
    """A statement or an operation makes no sense here: unknown names, types that do not fit."""


class SqlParserException(ValidationException):
    """A text is not a statement."""


class ExpressionParserException(ValidationException):
    """A text is not an expression."""


class UnsupportedOperationException(TableException):
    """The operation exists in Flink and does not run here."""


class CatalogException(TableException):
    """A catalog refused an operation."""


class DatabaseNotExistException(CatalogException):
    """The database does not exist."""


class DatabaseAlreadyExistException(CatalogException):
    """The database exists already."""


class DatabaseNotEmptyException(CatalogException):
    """The database has tables."""


class TableNotExistException(CatalogException):
    """The table does not exist."""


class TableAlreadyExistException(CatalogException):
    """The table exists already."""


class FunctionNotExistException(CatalogException):
    """The function does not exist."""


class FunctionAlreadyExistException(CatalogException):
    """The function exists already."""


class ModelNotExistException(CatalogException):
    """The model does not exist."""


class ModelAlreadyExistException(CatalogException):
    """The model exists already."""


class PartitionNotExistException(CatalogException):
    """The partition does not exist."""


class PartitionAlreadyExistsException(CatalogException):
    """The partition exists already."""


class PartitionSpecInvalidException(CatalogException):
    """The columns do not say which partition."""


class TableNotPartitionedException(CatalogException):
    """The table has no partitions."""


class JavaException(TidemillError):
    """An exception of a JVM; never raised, because there is none.

    Parameters
    ----------
    stack_trace
        The frames.
    """

    def __init__(self, stack_trace: str) -> None:
        super().__init__(stack_trace)


def capture_java_exception(f: F) -> F:
    """Give the function as it is: no exception comes from a JVM."""
    return f


def convert_py4j_exception(e: BaseException) -> BaseException:
    """Give the exception as it is: no exception comes from a JVM."""
    return e


def install_exception_handler() -> None:
    """Change nothing: exceptions are Python's."""


def install_py4j_hooks() -> None:
    """Change nothing: there is no gateway to a JVM."""


def refuse(feature: str) -> NoReturn:
    """Say that a feature does not run here.

    Raises
    ------
    UnsupportedOperationException
        Always.
    """
    msg = f"{feature} is not supported yet"
    raise UnsupportedOperationException(msg)


class DataException(TidemillError):
    """A row could not be read, converted or computed."""


class ConnectorException(TidemillError):
    """The world outside answered with an error."""


class UserDefinedFunctionException(TidemillError):
    """A user's function raised; the text has the frames of the function and the failing row."""
