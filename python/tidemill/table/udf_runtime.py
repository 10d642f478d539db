"""The Python half of calling user-defined functions.

The engine's worker threads attach to the interpreter once a batch and call into here; the loop
over the rows of a ``general`` function is native. Nothing here waits for the engine.

```text
  worker ─ batch ─▶ native runtime ─ attach ─▶ FunctionRunner.open() once ─▶ the user's callable
```
"""

from __future__ import annotations

import atexit
import copy
import importlib
import json
import sys
import threading
import traceback
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.metrics.metricbase import MetricGroup
from tidemill.table import worker_functions
from tidemill.table.composite_types import ArrayType, RowType
from tidemill.table.job_parameters import current_parameters
from tidemill.table.udf import FunctionContext, UserDefinedFunction
from tidemill.table.udf_wrappers import UserDefinedTableFunctionWrapper, as_wrapper
from tidemill.util.exceptions import UnsupportedOperationException, ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from tidemill.table.udf_wrappers import UserDefinedFunctionWrapper

__all__ = [
    "Definition",
    "FunctionRunner",
    "column_maker",
    "define",
    "load_definition",
    "runner_of",
]

_MAX_VALUE_CHARS = 60
_AGGREGATES = ("aggregate", "table_aggregate")
# Frames of the package, and of the event loop that runs asynchronous functions.
_OTHERS = (Path(__file__).parent, Path(threading.__file__).parent / "asyncio")
_open_runners: weakref.WeakSet[FunctionRunner] = weakref.WeakSet()


@dataclass(frozen=True)
class Definition:
    """What the engine needs to know of a function; types are Flink's texts."""

    runner: FunctionRunner
    kind: str
    argument_types: list[str] | None
    result_type: str
    deterministic: bool
    reuse_results: bool


class FunctionRunner:
    """A registered function: opened on first use, closed when the last job that uses it ends.

    Parameters
    ----------
    wrapper
        The function with its types.
    parameters
        Reads the session's options, which the function can ask for when it is opened.
    """

    def __init__(
        self, wrapper: UserDefinedFunctionWrapper, parameters: Callable[[], Mapping[str, str]]
    ) -> None:
        """Keep both; nothing is called yet."""
        self.wrapper = wrapper
        self.parameters = parameters
        self._lock = threading.Lock()  # several workers may come first
        self._is_open = False
        self.is_for_job = False
        self.metrics = MetricGroup()
        self._interrupt: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        return self.wrapper.name

    def for_job(self) -> FunctionRunner:
        """Give a runner of the same function for one job, which copies the function to open it."""
        own = type(self)(self.wrapper, self.parameters)
        own.is_for_job = True
        return own

    def _copy_function(self) -> None:
        """Take a copy of an object of the user: what it keeps is then that of one job.

        In Flink a job has a copy too. What cannot be copied is shared, as functions are.
        """
        if self.is_for_job and isinstance(self.wrapper.function, UserDefinedFunction):
            wrapper = copy.copy(self.wrapper)
            try:
                wrapper.function = copy.deepcopy(wrapper.function)
            except Exception:  # noqa: BLE001 - of the user's class
                wrapper.function = copy.copy(wrapper.function)
            self.wrapper = wrapper

    def open_function(self) -> Any:
        """Open the function if it is not open, and give it."""
        function = self.wrapper.function
        if isinstance(function, UserDefinedFunction):
            with self._lock:
                if not self._is_open:
                    self._copy_function()
                    function = self.wrapper.function
                    self.metrics = MetricGroup()  # each job counts from nothing
                    context = FunctionContext(self.metrics, self.parameters(), self.wrapper.name)
                    function.open(context)
                    self._is_open = True
                    _open_runners.add(self)
        return function

    def open(self) -> Callable[..., Any]:
        """Open the function if it is not open, and give what is to be called for each batch or row.

        Raises
        ------
        UnsupportedOperationException
            If a vectorized function needs a package that is not installed.
        """
        self.open_function()
        wrapper = self.wrapper
        call = wrapper.row_callable(wrapper.callable)
        if isinstance(wrapper, UserDefinedTableFunctionWrapper):
            return lambda *values: wrapper.rows_of(call(*values))
        if wrapper.is_async:
            from tidemill.table.udf_async import ConcurrentCalls  # noqa: PLC0415 - brings asyncio

            calls = ConcurrentCalls(call, self.parameters())
            self._interrupt = calls.interrupt
            return calls
        if wrapper.func_type == "general":
            return call
        return _vectorized(call, wrapper.func_type, wrapper.result_type.as_summary_string())

    def interrupt(self) -> None:
        """Break off calls in other threads that the calling thread waits for."""
        if self._interrupt is not None:
            self._interrupt()

    def pickled(self) -> bytes:
        """Pickle the function for a worker process."""
        return worker_functions.dump(self)

    def output(self) -> Any:
        """Give what takes the function's prints to the cell that runs now; None without cells."""
        module = sys.modules.get("tidemill.kernel.output")
        return None if module is None else module.function_output(self.name)

    def metrics_json(self) -> str:
        """Write what the function has measured, as the engine reads it."""
        return json.dumps(self.metrics.described())

    def close(self) -> None:
        """Close the function if it is open; it may be opened again."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self.wrapper.function.close()


def describe_failure(
    error: BaseException, trace: TracebackType | None, arguments: Sequence[Any] | None
) -> str:
    """Write what a user needs to find the error: the exception, the row's values, the frames.

    Called by the engine when a function raised; `trace` begins at the user's function. `arguments`
    is None if the failing row is not known, as in vectorized functions.
    """
    first = "".join(traceback.format_exception_only(type(error), error)).strip()
    if arguments is not None:
        first += f" (arguments: {', '.join(map(_shorten, arguments))})"
    frames = traceback.extract_tb(trace)
    own = [frame for frame in frames if Path(frame.filename).parent not in _OTHERS]
    if not own:
        return first
    lines = "".join(traceback.format_list(own)).rstrip()
    for file in {frame.filename for frame in own}:
        lines = lines.replace(f'File "{file}"', _place(file))
    return f"{first}\nTraceback (most recent call last):\n{lines}"


def _place(file: str) -> str:
    """Name a file as the tracebacks of this process do: ``Cell In[3]`` for a cell of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    described = None if shell is None else shell.compile.format_code_name(file)
    return f'File "{file}"' if described is None else " ".join(described)


def define(
    wrapper: UserDefinedFunctionWrapper, parameters: Callable[[], Mapping[str, str]]
) -> Definition:
    """Describe a function for the engine; see `FunctionRunner` for `parameters`.

    A function that gives rows is to the engine one that gives an array of rows.
    """
    types = wrapper.input_types
    result_type = wrapper.result_type
    if wrapper.kind in ("table", "table_aggregate"):
        row_type = (
            result_type if isinstance(result_type, RowType) else RowType().add("f0", result_type)
        )
        result_type = ArrayType(row_type.not_null())
    aggregates = wrapper.kind in _AGGREGATES
    return Definition(
        runner=runner_of(wrapper, parameters),
        kind="aggregate" if aggregates else wrapper.func_type,
        argument_types=None if types is None else [t.as_serializable_string() for t in types],
        result_type=result_type.as_serializable_string(),
        deterministic=wrapper.is_deterministic,
        reuse_results=wrapper.reuses_results,
    )


def runner_of(
    wrapper: UserDefinedFunctionWrapper, parameters: Callable[[], Mapping[str, str]]
) -> FunctionRunner:
    """Make what opens and closes a function of any kind."""
    from tidemill.table.aggregate_runtime import AggregateRunner  # noqa: PLC0415 - imports this module

    make = AggregateRunner if wrapper.kind in _AGGREGATES else FunctionRunner
    return make(wrapper, parameters)


def load_definition(path: str, options: Iterable[tuple[str, str]] = ()) -> Definition:
    """Import the function that ``CREATE FUNCTION … AS 'module.name' LANGUAGE PYTHON`` names.

    `options` are those that say what is importable.

    Raises
    ------
    ValidationException
        If there is no such module or name.
    """
    from tidemill.table.worker_launch import extend_path  # noqa: PLC0415 - workers do without

    module_name, _, name = path.rpartition(".")
    if not module_name:
        msg = f"'{path}' does not name a Python function: write 'module.function'"
        raise ValidationException(msg)
    extend_path(options)
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        msg = f"Python function '{path}' cannot be loaded: {error}"
        raise ValidationException(msg) from error
    return define(as_wrapper(function), current_parameters())


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 1] + "…"


def _vectorized(function: Callable[..., Any], func_type: str, declared: str) -> Callable[..., Any]:
    """Adapt a function of series or arrays to columns that come as pyarrow arrays.

    `declared` is the type of its results, for messages.
    """
    make = column_maker(func_type)
    pyarrow = importlib.import_module("pyarrow")

    def call_with_arrays(result_type: Any, n_rows: int, *columns: Any) -> Any:
        result = function(*(make(pyarrow.array(column)) for column in columns))
        target = pyarrow.field(result_type).type
        try:
            return _column(pyarrow, result, target, n_rows)
        except pyarrow.ArrowException as error:
            kind = getattr(result, "dtype", None) or getattr(result, "type", type(result).__name__)
            msg = f"its result of type {kind} does not fit the declared type {declared}: {error}"
            raise TypeError(msg) from None

    return call_with_arrays


def column_maker(func_type: str) -> Callable[[Any], Any]:
    """Give what makes the columns of a vectorized function of pyarrow arrays.

    Raises
    ------
    UnsupportedOperationException
        If the package is not installed.
    """
    try:
        importlib.import_module("pyarrow")
        package = None if func_type == "arrow" else importlib.import_module(func_type)
    except ImportError as error:
        needed = "pyarrow" if func_type == "arrow" else f"{func_type} and pyarrow"
        msg = f"a function with func_type='{func_type}' needs the package {needed}: {error}"
        raise UnsupportedOperationException(msg) from error
    if package is None:
        return lambda array: array
    return _pandas if func_type == "pandas" else package.from_arrow


def _pandas(array: Any) -> Any:
    """Give a pyarrow array as a series; one of rows as a frame, where a NULL has NULLs."""
    pyarrow = importlib.import_module("pyarrow")
    if not pyarrow.types.is_struct(array.type):
        return array.to_pandas()
    pandas = importlib.import_module("pandas")
    parts = [part.to_pandas() for part in array.flatten()]
    names = [array.type.field(index).name for index in range(len(parts))]
    return pandas.DataFrame(dict(zip(names, parts, strict=True)))


def _column(pyarrow: Any, result: Any, target: Any, n_rows: int) -> Any:
    """Give what a vectorized function returned as an array of the declared type."""
    if not hasattr(result, "__len__"):
        msg = f"a vectorized function must return a column, not {type(result).__name__}"
        raise TypeError(msg)
    if len(result) != n_rows:
        msg = f"the function returned {len(result)} values for {n_rows} rows"
        raise ValueError(msg)
    if hasattr(result, "to_arrow"):
        result = result.to_arrow()
    if isinstance(result, pyarrow.Table | pyarrow.RecordBatch):
        fields = [target.field(index) for index in range(target.num_fields)]
        table = pyarrow.table(result).combine_chunks()
        parts = [
            column.cast(field.type).combine_chunks()
            for column, field in zip(table.columns, fields, strict=True)
        ]
        return pyarrow.StructArray.from_arrays(parts, fields=fields)
    if hasattr(result, "to_dict") and hasattr(result, "columns"):
        # A data frame is a column of rows, by position.
        fields = [target.field(index) for index in range(target.num_fields)]
        parts = [
            pyarrow.Array.from_pandas(result.iloc[:, index], type=field.type)
            for index, field in enumerate(fields)
        ]
        return pyarrow.StructArray.from_arrays(parts, fields=fields)
    if isinstance(result, pyarrow.ChunkedArray):
        result = result.combine_chunks()
    if isinstance(result, pyarrow.Array):
        return result if result.type == target else result.cast(target)
    return pyarrow.Array.from_pandas(result, type=target)


def _close_all() -> None:
    for runner in list(_open_runners):
        runner.close()


atexit.register(_close_all)
