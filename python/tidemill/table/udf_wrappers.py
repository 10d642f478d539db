"""Functions with their types, as `udf` and its like make them.

A wrapper is what expressions hold and what a session registers. Operations on whole rows
(``table.map(f)``) use a variant of the function that puts its arguments together into one row or
one data frame, see `UserDefinedFunctionWrapper.for_row`.
"""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tidemill.common.types import new_row
from tidemill.table.composite_types import MapType, RowField, RowType
from tidemill.table.logical_types import DataType
from tidemill.table.type_inference import type_of_hint
from tidemill.table.type_parser import parse_data_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidemill.table.expression import Expression

    FuncType = Literal["general", "pandas", "arrow", "polars"]
    InputTypes = DataType | str | RowField | Sequence[DataType | str | RowField]
    ResultTypes = DataType | str | Sequence[DataType | str]
    FunctionKind = Literal["scalar", "table", "aggregate", "table_aggregate"]

__all__ = [
    "UserDefinedAggregateFunctionWrapper",
    "UserDefinedFunctionWrapper",
    "UserDefinedScalarFunctionWrapper",
    "UserDefinedTableFunctionWrapper",
    "as_wrapper",
    "values_of",
    "wrap_aggregate",
    "wrap_scalar",
    "wrap_table",
]

_FUNC_TYPES = ("general", "pandas", "arrow", "polars")


class UserDefinedFunctionWrapper:
    """A function with its types.

    Parameters
    ----------
    function
        The callable, or the instance of a class of `tidemill.table.udf`.
    input_types
        Types that arguments are converted to; None takes them as they come.
    result_type
        Type of the results; a row type for functions that give rows.
    deterministic
        What the user said; None if nothing.
    name
        The name in plans and messages.
    func_type
        ``general``: called with the values of a row. ``pandas``, ``arrow``, ``polars``: called
        with one series or array a column, giving one of the same length.
    """

    kind: ClassVar[FunctionKind] = "scalar"
    _word = "udf"

    def __init__(
        self,
        function: Any,
        input_types: Sequence[DataType] | None,
        result_type: DataType,
        deterministic: bool | None,  # noqa: FBT001 - internal
        name: str,
        func_type: FuncType,
    ) -> None:
        """Keep the properties."""
        self.function = function
        self.input_types = input_types
        self.result_type = result_type
        self.name = name
        self.func_type: FuncType = func_type
        # Names of the columns that the function takes as one row; None where it takes values.
        self.row_names: tuple[str, ...] | None = None
        self.alias_names: tuple[str, ...] = ()
        self._deterministic = deterministic
        self._row_variants: dict[tuple[str, ...], UserDefinedFunctionWrapper] = {}
        self.__doc__ = getattr(function, "__doc__", None)

    @property
    def is_deterministic(self) -> bool:
        """Whether equal arguments give equal results; true if the user said nothing."""
        if self._deterministic is not None:
            return self._deterministic
        is_deterministic = getattr(self.function, "is_deterministic", None)
        return bool(is_deterministic()) if callable(is_deterministic) else True

    @property
    def reuses_results(self) -> bool:
        """Whether one result may serve all equal rows of a batch.

        Only if the user declared ``deterministic=True``: whoever says nothing can count on one
        call a row, so that counters and prints inside of a function behave as expected.
        """
        return self._deterministic is True and not self.is_async

    @property
    def is_async(self) -> bool:
        """Whether calls give awaitables."""
        return inspect.iscoroutinefunction(self.callable)

    @property
    def callable(self) -> Any:
        """What is called with the arguments: the function, or the ``eval`` of its class."""
        return getattr(self.function, "eval", self.function)

    def for_row(self, names: Sequence[str]) -> UserDefinedFunctionWrapper:
        """Give the variant that puts its arguments together into a row with these names."""
        key = tuple(names)
        if key not in self._row_variants:
            variant = copy.copy(self)
            variant.row_names = key
            variant.input_types = None
            self._row_variants[key] = variant
        return self._row_variants[key]

    def row_callable(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Adapt the function to single values where it takes rows."""
        names = self.row_names
        if names is None:
            return function
        if self.func_type != "general":
            return functools.partial(_call_with_frame, function, self.func_type, names)
        fields = list(names)
        return lambda *values: function(new_row(list(values), fields))

    def alias(self, *alias_names: str) -> UserDefinedFunctionWrapper:
        """Name the columns that the function gives; for operations on whole rows."""
        named = copy.copy(self)
        named.alias_names = alias_names
        return named

    def __call__(self, *args: Any) -> Expression:
        """Call the function in an expression."""
        # Expressions are much code, which workers do without.
        from tidemill.table.expression import Expression, to_node  # noqa: PLC0415
        from tidemill.table.expression_nodes import FunctionCall  # noqa: PLC0415

        return Expression(FunctionCall(self, tuple(map(to_node, args))))

    def __repr__(self) -> str:
        """Show name and result type."""
        return f"<{self._word} {self.name} -> {self.result_type.as_summary_string()}>"


class UserDefinedScalarFunctionWrapper(UserDefinedFunctionWrapper):
    """A function that gives a value a row."""


class UserDefinedTableFunctionWrapper(UserDefinedFunctionWrapper):
    """A function that gives rows a row."""

    kind: ClassVar[FunctionKind] = "table"
    _word = "udtf"

    def rows_of(self, result: Any) -> list[list[Any]]:
        """Give what one call returned as rows: of an iterable each item, else the thing itself."""
        if result is None:
            return []
        if isinstance(result, list | range) or inspect.isgenerator(result):
            return [values_of(item) for item in result]
        return [values_of(result)]


class UserDefinedAggregateFunctionWrapper(UserDefinedFunctionWrapper):
    """A function that gives a value, or rows, a group."""

    kind: ClassVar[FunctionKind] = "aggregate"
    _word = "udaf"
    accumulator_type: DataType | None = None


class UserDefinedTableAggregateFunctionWrapper(UserDefinedAggregateFunctionWrapper):
    """A function that gives rows a group."""

    kind: ClassVar[FunctionKind] = "table_aggregate"
    _word = "udtaf"


def wrap_scalar(
    function: Any,
    input_types: InputTypes | None = None,
    result_type: DataType | str | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - internal
    name: str | None = None,
    func_type: FuncType = "general",
) -> UserDefinedScalarFunctionWrapper:
    """Make a scalar function; see `tidemill.table.udf.udf`."""
    function, name = _prepared(function, name, func_type)
    target = getattr(function, "eval", function)
    result = type_of_hint(target, name) if result_type is None else _to_type(result_type)
    return UserDefinedScalarFunctionWrapper(
        function, _to_types(input_types), result, deterministic, name, func_type
    )


def wrap_table(
    function: Any,
    input_types: InputTypes | None = None,
    result_types: ResultTypes | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - internal
    name: str | None = None,
) -> UserDefinedTableFunctionWrapper:
    """Make a table function; see `tidemill.table.udf.udtf`."""
    function, name = _prepared(function, name, "general")
    if result_types is None:
        msg = f"table function '{name}' needs result_types, e.g. udtf(..., result_types=['INT'])"
        raise TypeError(msg)
    return UserDefinedTableFunctionWrapper(
        function, _to_types(input_types), _row_type(result_types), deterministic, name, "general"
    )


def wrap_aggregate(
    function: Any,
    input_types: InputTypes | None,
    types: tuple[DataType | str | None, DataType | str | None],
    deterministic: bool | None,  # noqa: FBT001 - internal
    name: str | None,
    func_type: FuncType,
    kind: Literal["aggregate", "table_aggregate"],
) -> UserDefinedAggregateFunctionWrapper:
    """Make an aggregate function; `types` are those of the result and of the accumulator."""
    if func_type not in _FUNC_TYPES or (kind == "table_aggregate" and func_type != "general"):
        known = "', '".join(_FUNC_TYPES)
        msg = f"the func_type must be one of '{known}', got '{func_type}'"
        raise ValueError(msg)
    function, name = _prepared(function, name, func_type)
    result_type, accumulator_type = types
    if func_type == "general":
        if not hasattr(function, "accumulate"):
            msg = f"aggregate function '{name}' must be an AggregateFunction"
            raise TypeError(msg)
        accumulator_type = accumulator_type or function.get_accumulator_type()
    if result_type is None:
        if not hasattr(function, "get_result_type"):
            msg = f"aggregate function '{name}' needs a result_type"
            raise TypeError(msg)
        result_type = function.get_result_type()
    result = _to_type(result_type)
    if func_type != "general" and isinstance(result, MapType):
        msg = f"a {func_type} aggregate function cannot give {result.as_summary_string()}"
        raise TypeError(msg)
    make = (
        UserDefinedAggregateFunctionWrapper
        if kind == "aggregate"
        else UserDefinedTableAggregateFunctionWrapper
    )
    wrapper = make(function, _to_types(input_types), result, deterministic, name, func_type)
    wrapper.accumulator_type = None if accumulator_type is None else _to_type(accumulator_type)
    return wrapper


def as_wrapper(function: Any) -> UserDefinedFunctionWrapper:
    """Take what programs register: a wrapper, an instance of a class, or an annotated callable."""
    if isinstance(function, UserDefinedFunctionWrapper):
        return function
    made = function() if isinstance(function, type) else function
    if hasattr(made, "emit_value"):
        return wrap_aggregate(made, None, (None, None), None, None, "general", "table_aggregate")
    if hasattr(made, "accumulate"):
        return wrap_aggregate(made, None, (None, None), None, None, "general", "aggregate")
    return wrap_scalar(made)


def _prepared(function: Any, name: str | None, func_type: str) -> tuple[Any, str]:
    """Make an instance of a class, and find the name."""
    if func_type not in _FUNC_TYPES:
        known = ", ".join(f"'{known}'" for known in _FUNC_TYPES)
        msg = f"the func_type must be one of {known}, got '{func_type}'"
        raise ValueError(msg)
    if isinstance(function, type):
        function = function()
    if not callable(function) and not any(hasattr(function, m) for m in ("eval", "accumulate")):
        msg = (
            "Invalid function: not a function or callable (__call__ is not defined): "
            f"{type(function).__name__}"
        )
        raise TypeError(msg)
    return function, name or _name_of(function)


def _name_of(function: Any) -> str:
    if isinstance(function, functools.partial):
        return _name_of(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def _call_with_frame(
    function: Callable[..., Any], func_type: FuncType, names: tuple[str, ...], *columns: Any
) -> Any:
    """Call a function of one frame: a data frame of pandas or polars, or a record batch."""
    # Only vectorized functions need the packages.
    if func_type == "arrow":
        import pyarrow as pa  # noqa: PLC0415

        return function(pa.RecordBatch.from_arrays(list(columns), names=list(names)))
    package = importlib.import_module(func_type)
    return function(package.DataFrame(dict(zip(names, columns, strict=True))))


def values_of(item: Any) -> list[Any]:
    """Give what stands for a row as a list: the values of a row or tuple, or the thing itself."""
    values = getattr(item, "_values", item)
    return list(values) if isinstance(values, tuple) or values is not item else [item]


def _row_type(types: ResultTypes) -> RowType:
    """Give the type of a table function's rows; the names of a ROW made of objects are lost."""
    if isinstance(types, str):
        parsed = parse_data_type(types)
        return parsed if isinstance(parsed, RowType) else RowType([RowField("f0", parsed)])
    if isinstance(types, RowType):
        parts = types.field_types()
    elif isinstance(types, DataType):
        parts = [types]
    else:
        parts = [_to_type(part) for part in types]
    return RowType([RowField(f"f{index}", part) for index, part in enumerate(parts)])


def _to_types(types: InputTypes | None) -> list[DataType] | None:
    if types is None:
        return None
    if isinstance(types, RowType):
        return types.field_types()
    if isinstance(types, DataType | str | RowField):
        return [_to_type(types)]
    return [_to_type(data_type) for data_type in types]


def _to_type(data_type: DataType | str | RowField) -> DataType:
    if isinstance(data_type, RowField):
        return data_type.data_type
    if isinstance(data_type, DataType):
        return data_type
    if isinstance(data_type, str):
        return parse_data_type(data_type)
    msg = f"Invalid type: a DataType or str is needed, got {data_type!r}"
    raise TypeError(msg)
