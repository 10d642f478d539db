"""The Python half of calling user-defined functions.

The engine's worker threads attach to the interpreter once a batch and call into here; the loop
over the rows of a ``general`` function is native. Nothing here waits for the engine.

```text
  worker ─ batch ─▶ native runtime ─ attach ─▶ FunctionRunner.open() once ─▶ the user's callable
```
"""

from __future__ import annotations

import atexit
import importlib
import sys
import threading
import traceback
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidemill.table import worker_functions
from tidemill.table.udf import FunctionContext, UserDefinedFunction, as_wrapper
from tidemill.util.exceptions import UnsupportedOperationException, ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from tidemill.table.udf import UserDefinedScalarFunctionWrapper

__all__ = ["Definition", "FunctionRunner", "define", "load_definition"]

_MAX_VALUE_CHARS = 60
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
    """A registered function: opened on first use, closed at the end of the process.

    Parameters
    ----------
    wrapper
        The function with its types.
    parameters
        The session's options, which the function can read when it is opened.
    """

    def __init__(
        self, wrapper: UserDefinedScalarFunctionWrapper, parameters: Mapping[str, str]
    ) -> None:
        """Keep both; nothing is called yet."""
        self.wrapper = wrapper
        self.parameters = parameters
        self._lock = threading.Lock()  # several workers may come first
        self._is_open = False

    def open_function(self) -> Any:
        """Open the function if it is not open, and give it."""
        function = self.wrapper.function
        if isinstance(function, UserDefinedFunction):
            with self._lock:
                if not self._is_open:
                    context = FunctionContext(None, self.parameters, self.wrapper.name)
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
        function = self.open_function()
        call: Callable[..., Any] = function.eval if hasattr(function, "eval") else function
        if self.wrapper.func_type == "general":
            return call
        return _vectorized(call, self.wrapper.func_type)

    def pickled(self) -> bytes:
        """Pickle the function for a worker process."""
        return worker_functions.dump(self)

    def close(self) -> None:
        """Close the function if it is open."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                function: Any = self.wrapper.function
                function.close()


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
    own = [frame for frame in frames if frame.filename != __file__]
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


def define(wrapper: UserDefinedScalarFunctionWrapper, parameters: Mapping[str, str]) -> Definition:
    """Describe a function for the engine; see `FunctionRunner` for `parameters`."""
    types = wrapper.input_types
    return Definition(
        runner=FunctionRunner(wrapper, parameters),
        kind=wrapper.func_type,
        argument_types=None if types is None else [t.as_serializable_string() for t in types],
        result_type=wrapper.result_type.as_serializable_string(),
        deterministic=wrapper.is_deterministic,
        reuse_results=wrapper.reuses_results,
    )


def load_definition(path: str) -> Definition:
    """Import the function that ``CREATE FUNCTION … AS 'module.name' LANGUAGE PYTHON`` names.

    Raises
    ------
    ValidationException
        If there is no such module or name.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name:
        msg = f"'{path}' does not name a Python function: write 'module.function'"
        raise ValidationException(msg)
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        msg = f"Python function '{path}' cannot be loaded: {error}"
        raise ValidationException(msg) from error
    return define(as_wrapper(function), {})


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 1] + "…"


def _vectorized(function: Callable[..., Any], func_type: str) -> Callable[..., Any]:
    """Adapt a function of series or arrays to columns that come as pyarrow arrays."""
    package = "pyarrow" if func_type == "arrow" else "pandas"
    try:
        pyarrow = importlib.import_module("pyarrow")
        pandas = importlib.import_module("pandas") if func_type == "pandas" else None
    except ImportError as error:
        msg = f"a function with func_type='{func_type}' needs the package {package}: {error}"
        raise UnsupportedOperationException(msg) from error

    def call_with_arrays(result_type: Any, n_rows: int, *columns: Any) -> Any:
        arrays = [pyarrow.array(column) for column in columns]
        if pandas is None:
            result = function(*arrays)
        else:
            result = function(*(array.to_pandas() for array in arrays))
        if not hasattr(result, "__len__"):
            msg = f"a vectorized function must return a column, not {type(result).__name__}"
            raise TypeError(msg)
        if len(result) != n_rows:
            msg = f"the function returned {len(result)} values for {n_rows} rows"
            raise ValueError(msg)
        target = pyarrow.field(result_type).type
        if isinstance(result, pyarrow.ChunkedArray):
            result = result.combine_chunks()
        if isinstance(result, pyarrow.Array):
            return result if result.type == target else result.cast(target)
        return pyarrow.Array.from_pandas(result, type=target)

    return call_with_arrays


def _close_all() -> None:
    for runner in list(_open_runners):
        runner.close()


atexit.register(_close_all)
