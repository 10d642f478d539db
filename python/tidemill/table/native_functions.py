"""Compiled functions of other packages, offered in DataFusion's capsules.

An object with ``__datafusion_scalar_udf__``, ``__datafusion_aggregate_udf__`` or
``__datafusion_table_function__`` is called through the package ``datafusion``, which reads such
capsules: columns go there and come back as Arrow, without a copy.

A panic of compiled code ends the process that calls it, because it cannot leave a function of C. A
function that is not trusted is called in a worker (``python.execution-mode`` = ``process``),
where a panic fails the job alone. An object that cannot be pickled goes there as what makes it: a
class, or a function without arguments.

A capsule is a struct of pointers whose shape hangs on the version of DataFusion, and does not tell
it. The libraries do: their panic messages name the crate. Two that differ, or one that does not
tell, are refused before anything of the capsule is called.
"""

from __future__ import annotations

import ctypes
import importlib
import mmap
import pickle
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.common import Row
from tidemill.table.type_parser import parse_data_type
from tidemill.table.udf import AggregateFunction, ScalarFunction, TableFunction, udaf, udf, udtf
from tidemill.util.exceptions import UnsupportedOperationException, ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tidemill.table.logical_types import DataType
    from tidemill.table.udf_wrappers import UserDefinedFunctionWrapper

__all__ = ["native_function"]

_SCALAR = "datafusion_scalar_udf"
_AGGREGATE = "datafusion_aggregate_udf"
_TABLE = "datafusion_table_function"
_MARK = re.compile(rb"datafusion-ffi-(\d+)\.(\d+)\.(\d+)")
#: Words of a capsule's struct that are looked at: all of them are that long.
_N_WORDS = 16


def native_function(
    name: str,
    function: Any,
    input_types: Sequence[DataType | str] | None,
    result_type: DataType | str | None,
) -> UserDefinedFunctionWrapper:
    """Make a function of an object with a capsule.

    Parameters
    ----------
    name
        What it is called in messages.
    function
        The object, or what makes it when called without arguments.
    input_types
        Types of the arguments; a table function may do without.
    result_type
        Type of the result, or of the rows of a table function. A scalar or an aggregate function
        says it itself.

    Raises
    ------
    ValidationException
        If the object has no capsule, or types are missing.
    UnsupportedOperationException
        If the package ``datafusion`` is missing or of another version than the object.
    """
    make = function if isinstance(function, type) or not _kind_of(function) else None
    if make is not None and callable(make):
        function = make()
    kind = _kind_of(function)
    if not kind:
        msg = (
            f"'{name}' is no native function: {type(function).__name__} has none of "
            f"__{_SCALAR}__, __{_AGGREGATE}__ and __{_TABLE}__"
        )
        raise ValidationException(msg)
    runtime = _runtime(name)
    _check_version(name, getattr(function, f"__{kind}__"), runtime)
    if kind == _TABLE:
        if result_type is None:
            msg = f"the native table function '{name}' needs result_type, the type of its rows"
            raise ValidationException(msg)
        rows = _NativeTable(name, function, make)
        made: UserDefinedFunctionWrapper = udtf(rows, input_types, result_type, name=name)
        return made
    if not input_types:
        msg = f"the native function '{name}' needs input_types, the types of its arguments"
        raise ValidationException(msg)
    if kind == _AGGREGATE:
        aggregate = _NativeAggregate(name, function, make)
        made = udaf(aggregate, input_types, result_type or "INT", "BYTES", name=name)
        prepared: _Native = aggregate
    else:
        scalar = _NativeScalar(name, function, make)
        made = udf(scalar, input_types, result_type or "INT", name=name, func_type="arrow")
        prepared = scalar
    prepared.argument_types = [_arrow_type(declared) for declared in made.input_types or []]
    if result_type is None:
        made.result_type = _type_of_arrow(prepared.result_type())
    return made


def _kind_of(function: Any) -> str:
    """Give the name of the capsule that an object has, without underscores; empty if none."""
    return next((it for it in (_SCALAR, _AGGREGATE, _TABLE) if hasattr(function, f"__{it}__")), "")


def _is_found_by_name(kind: type) -> bool:
    """Tell whether another process finds a class where it says that it is."""
    return getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


class _Native:
    """A function of the package ``datafusion``, over columns."""

    def __init__(self, name: str, function: Any, make: Callable[[], Any] | None = None) -> None:
        self.name = name
        self.function = function
        #: What has made the function, if that is known.
        self.make = make
        #: Arrow's types of the arguments.
        self.argument_types: list[Any] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> _Native:
        """Give a copy for another job, which shares the compiled function."""
        own = object.__new__(type(self))
        own.__dict__.update(self.__dict__)
        memo[id(self)] = own
        return own

    def __getstate__(self) -> dict[str, Any]:
        """Give what goes to a worker process: what makes the function, in its place."""
        state = dict(self.__dict__)
        if self.make is not None:
            if isinstance(self.make, type) and not _is_found_by_name(self.make):
                name = f"{self.make.__module__}.{self.make.__qualname__}"
                msg = (
                    f"the class behind '{self.name}' is not found by its name {name}; register a "
                    "function that makes the object, such as lambda: package.Class()"
                )
                raise pickle.PicklingError(msg)
            del state["function"]
            return state
        try:
            pickle.dumps(self.function)
        except Exception as error:
            kind = type(self.function).__name__
            msg = (
                f"the object of type {kind} behind '{self.name}' cannot be pickled; register "
                f"its class, or a function that makes it, in its place: {error}"
            )
            raise pickle.PicklingError(msg) from error
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what came, and make the function anew."""
        self.__dict__.update(state)
        if self.make is not None:
            self.function = self.make()

    def _expression(self, datafusion: Any) -> Any:
        raise NotImplementedError

    def evaluate(self, columns: Sequence[Any]) -> Any:
        """Give the column of results."""
        return self._planned(columns).to_arrow_table().column("value").combine_chunks()

    def result_type(self) -> Any:
        """Give Arrow's type of the results; nothing is computed."""
        pyarrow = importlib.import_module("pyarrow")
        columns = [pyarrow.array([], type=it) for it in self.argument_types]
        return self._planned(columns).schema().field("value").type

    def _planned(self, columns: Sequence[Any]) -> Any:
        pyarrow = importlib.import_module("pyarrow")
        names = [str(idx) for idx in range(len(columns))]
        batch = pyarrow.record_batch(list(columns), names=names)
        datafusion, context = self._context()
        arguments = [datafusion.col(name) for name in names]
        call = self._expression(datafusion)(*arguments).alias("value")
        return self._applied(context.create_dataframe([[batch]]), call)

    def _applied(self, frame: Any, call: Any) -> Any:
        return frame.select(call)

    def _context(self) -> tuple[Any, Any]:
        datafusion = importlib.import_module("datafusion")
        # One partition, so that results stay in the order of the rows.
        config = datafusion.SessionConfig().with_target_partitions(1)
        return datafusion, datafusion.SessionContext(config)


class _NativeScalar(_Native, ScalarFunction):
    def eval(self, *args: Any) -> Any:
        return self.evaluate(args)

    def _expression(self, datafusion: Any) -> Any:
        return datafusion.ScalarUDF.from_pycapsule(self.function)


class _NativeAggregate(_Native, AggregateFunction):
    """Keeps the rows of a group: a capsule's accumulators cannot be saved, nor take rows back."""

    def create_accumulator(self) -> list[tuple[Any, ...]]:
        return []

    def accumulate(self, accumulator: list[tuple[Any, ...]], *args: Any) -> None:
        accumulator.append(args)

    def retract(self, accumulator: list[tuple[Any, ...]], *args: Any) -> None:
        accumulator.remove(args)

    def merge(
        self, accumulator: list[tuple[Any, ...]], accumulators: Iterable[list[tuple[Any, ...]]]
    ) -> None:
        for other in accumulators:
            accumulator.extend(other)

    def get_value(self, accumulator: list[tuple[Any, ...]]) -> Any:
        if not accumulator:
            return None
        pyarrow = importlib.import_module("pyarrow")
        arrays = [
            pyarrow.array(list(map(_plain, column)), type=arrow_type)
            for column, arrow_type in zip(
                zip(*accumulator, strict=True), self.argument_types, strict=True
            )
        ]
        return self.evaluate(arrays)[0].as_py()

    def _expression(self, datafusion: Any) -> Any:
        return datafusion.AggregateUDF.from_pycapsule(self.function)

    def _applied(self, frame: Any, call: Any) -> Any:
        return frame.aggregate([], [call])


class _NativeTable(_Native, TableFunction):
    def eval(self, *args: Any) -> Iterable[tuple[Any, ...]]:
        datafusion, context = self._context()
        rows = datafusion.TableFunction(self.name, self.function)
        provider = rows(*(datafusion.lit(value) for value in args))
        for batch in context.read_table(provider).collect():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _plain(value: Any) -> Any:
    """Give a row as Arrow takes it; other values as they are."""
    return value.as_dict(recursive=True) if isinstance(value, Row) else value


def _arrow_type(data_type: DataType) -> Any:
    """Give the Arrow type in which values of a type come."""
    from tidemill._native import engine  # noqa: PLC0415 (only native functions need it)

    pyarrow = importlib.import_module("pyarrow")
    return pyarrow.field(engine.arrow_field("value", data_type.as_serializable_string())).type


def _type_of_arrow(arrow_type: Any) -> DataType:
    from tidemill._native import engine  # noqa: PLC0415 (only native functions need it)

    pyarrow = importlib.import_module("pyarrow")
    return parse_data_type(engine.flink_type(pyarrow.field("value", arrow_type)))


def _runtime(name: str) -> Any:
    try:
        importlib.import_module("pyarrow")
        return importlib.import_module("datafusion")
    except ImportError as error:
        msg = f"the native function '{name}' needs the packages datafusion and pyarrow: {error}"
        raise UnsupportedOperationException(msg) from error


def _check_version(name: str, make_capsule: Callable[..., Any], runtime: Any) -> None:
    """Refuse capsules whose struct may have another shape."""
    mine = _version(Path(runtime._internal.__file__))  # noqa: SLF001 (the extension module)
    try:
        capsule = make_capsule()
    except TypeError:
        # Newer table functions ask for the session in which they will be called.
        capsule = make_capsule(runtime.SessionContext())
    library = _library_of(capsule)
    theirs = None if library is None else _version(library)
    if theirs is None or mine is None or theirs[0] != mine[0]:
        built = "that cannot be told" if theirs is None else ".".join(map(str, theirs))
        has = "that cannot be told" if mine is None else ".".join(map(str, mine))
        msg = (
            f"the native function '{name}' was built for a version of DataFusion {built}, "
            f"and the package datafusion has {has}"
            if theirs is None
            else f"the native function '{name}' was built for DataFusion {built}, and the package "
            f"datafusion has {has}"
        )
        raise UnsupportedOperationException(msg)


def _version(library: Path) -> tuple[int, ...] | None:
    """Find the version of DataFusion's interface in a library."""
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        found = _MARK.search(mapped)
        return None if found is None else tuple(map(int, found.groups()))


def _library_of(capsule: Any) -> Path | None:
    """Find the library that has made a capsule: the one whose code its struct points to."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    words = (ctypes.c_uint64 * _N_WORDS).from_address(address)
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return None
    for line in maps.read_text().splitlines():
        parts = line.split(maxsplit=5)
        if len(parts) < 6 or "x" not in parts[1] or not parts[5].startswith("/"):  # noqa: PLR2004
            continue
        first, last = (int(bound, 16) for bound in parts[0].split("-"))
        if any(first <= word < last for word in words):
            return Path(parts[5])
    return None
