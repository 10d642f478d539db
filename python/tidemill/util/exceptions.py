"""The exceptions of the Python API.

All derive from `TidemillError`, which PyFlink's programs may also catch as ``JavaException`` or
``Py4JJavaError`` (`tidemill.compat.py4j`). Their text is what the user should read: the sentence,
and for a wrong statement the line with a caret. A notebook shows just that and the line of the
cell, without the frames of this package (``_render_traceback_`` is IPython's hook for it).

```text
  TidemillError ─┬─ TableException ─┬─ ValidationException ── SqlParserException
                 │                  │        └── InvalidTypeException
                 │                  ├─ UnsupportedOperationException
                 │                  └─ CatalogException ── TableNotExistException …
                 ├─ UserDefinedFunctionException   a Python function failed
                 ├─ WaitTimeoutException           a job takes longer than one would wait
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

from tidemill.compat.py4j.protocol import Py4JJavaError

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
    "InvalidTypeException",
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
    "WaitTimeoutException",
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
_TABLE_API = "org.apache.flink.table.api"
_CATALOG = "org.apache.flink.table.catalog.exceptions"
_RED = "\x1b[31m"
_RESET = "\x1b[0m"


class JavaException(Py4JJavaError):
    """Base of what PyFlink raises for an exception of the JVM.

    Parameters
    ----------
    stack_trace
        The text.
    """

    def __init__(self, stack_trace: str) -> None:
        super().__init__(stack_trace)

    @property
    def stack_trace(self) -> str:
        """The text, which here has no frames."""
        return str(self)


class TidemillError(JavaException):
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

    java_class = f"{_TABLE_API}.TableException"


class ValidationException(TableException):
    """A statement or an operation makes no sense here: unknown names, types that do not fit."""

    java_class = f"{_TABLE_API}.ValidationException"


class SqlParserException(ValidationException):
    """A text is not a statement."""

    java_class = f"{_TABLE_API}.SqlParserException"


class ExpressionParserException(ValidationException):
    """A text is not an expression."""

    java_class = f"{_TABLE_API}.ExpressionParserException"


class InvalidTypeException(ValidationException, AssertionError):
    """The parts of a type do not go together; PyFlink asserts that they do."""


class WaitTimeoutException(TidemillError, TimeoutError):
    """A job still runs at the end of the time that one wanted to wait for it."""

    java_class = "java.util.concurrent.TimeoutException"


class UnsupportedOperationException(TableException):
    """The operation exists in Flink and does not run here."""

    java_class = "java.lang.UnsupportedOperationException"


class CatalogException(TableException):
    """A catalog refused an operation."""

    java_class = f"{_CATALOG}.CatalogException"


class DatabaseNotExistException(CatalogException):
    """The database does not exist."""

    java_class = f"{_CATALOG}.DatabaseNotExistException"


class DatabaseAlreadyExistException(CatalogException):
    """The database exists already."""

    java_class = f"{_CATALOG}.DatabaseAlreadyExistException"


class DatabaseNotEmptyException(CatalogException):
    """The database has tables."""

    java_class = f"{_CATALOG}.DatabaseNotEmptyException"


class TableNotExistException(CatalogException):
    """The table does not exist."""

    java_class = f"{_CATALOG}.TableNotExistException"


class TableAlreadyExistException(CatalogException):
    """The table exists already."""

    java_class = f"{_CATALOG}.TableAlreadyExistException"


class FunctionNotExistException(CatalogException):
    """The function does not exist."""

    java_class = f"{_CATALOG}.FunctionNotExistException"


class FunctionAlreadyExistException(CatalogException):
    """The function exists already."""

    java_class = f"{_CATALOG}.FunctionAlreadyExistException"


class ModelNotExistException(CatalogException):
    """The model does not exist."""

    java_class = f"{_CATALOG}.ModelNotExistException"


class ModelAlreadyExistException(CatalogException):
    """The model exists already."""

    java_class = f"{_CATALOG}.ModelAlreadyExistException"


class PartitionNotExistException(CatalogException):
    """The partition does not exist."""

    java_class = f"{_CATALOG}.PartitionNotExistException"


class PartitionAlreadyExistsException(CatalogException):
    """The partition exists already."""

    java_class = f"{_CATALOG}.PartitionAlreadyExistsException"


class PartitionSpecInvalidException(CatalogException):
    """The columns do not say which partition."""

    java_class = f"{_CATALOG}.PartitionSpecInvalidException"


class TableNotPartitionedException(CatalogException):
    """The table has no partitions."""

    java_class = f"{_CATALOG}.TableNotPartitionedException"


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
