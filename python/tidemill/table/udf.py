"""User-defined functions: the classes that programs derive from, and `udf` and its like.

A function becomes callable in expressions and, after ``create_temporary_function``, in SQL. The
engine calls it batch by batch; see `udf_runtime` for what happens then.

| made by | derives from | gives |
| --- | --- | --- |
| `udf` | `ScalarFunction`, `AsyncScalarFunction` | a value a row |
| `udtf` | `TableFunction` | any number of rows a row |
| `udaf` | `AggregateFunction` | a value a group |
| `udtaf` | `TableAggregateFunction` | any number of rows a group |
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, overload

from tidemill.metrics.metricbase import MetricGroup
from tidemill.table.udf_wrappers import (
    UserDefinedAggregateFunctionWrapper,
    UserDefinedFunctionWrapper,
    UserDefinedScalarFunctionWrapper,
    UserDefinedTableFunctionWrapper,
    wrap_aggregate,
    wrap_scalar,
    wrap_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tidemill.table.logical_types import DataType
    from tidemill.table.udf_wrappers import FuncType, InputTypes, ResultTypes

__all__ = [
    "AggregateFunction",
    "AsyncScalarFunction",
    "FunctionContext",
    "ImperativeAggregateFunction",
    "ScalarFunction",
    "TableAggregateFunction",
    "TableFunction",
    "UserDefinedAggregateFunctionWrapper",
    "UserDefinedFunction",
    "UserDefinedFunctionWrapper",
    "UserDefinedScalarFunctionWrapper",
    "UserDefinedTableFunctionWrapper",
    "udaf",
    "udf",
    "udtaf",
    "udtf",
]


class FunctionContext:
    """What a function learns when it is opened.

    Parameters
    ----------
    base_metric_group
        Where the function's metrics hang.
    job_parameters
        The session's options.
    """

    def __init__(
        self,
        base_metric_group: MetricGroup | None,
        job_parameters: Mapping[str, str],
        task_name: str | None = None,
        task_name_with_subtasks: str | None = None,
        number_of_parallel_subtasks: int | None = None,
        max_number_of_parallel_subtasks: int | None = None,
        index_of_this_subtask: int | None = None,
        attempt_number: int | None = None,
    ) -> None:
        """Keep the parameters."""
        self._metric_group = MetricGroup() if base_metric_group is None else base_metric_group
        self._job_parameters = dict(job_parameters)
        self._task_name = task_name or ""
        self._task_name_with_subtasks = task_name_with_subtasks or self._task_name
        self._n_subtasks = number_of_parallel_subtasks or 1
        self._max_n_subtasks = max_number_of_parallel_subtasks or self._n_subtasks
        self._subtask_idx = index_of_this_subtask or 0
        self._attempt_number = attempt_number or 0

    def get_metric_group(self) -> MetricGroup:
        """Give the group to register counters, gauges, meters and distributions with."""
        return self._metric_group

    def get_job_parameter(self, key: str, default_value: str) -> str:
        """Give an option of the session, or the default."""
        return self._job_parameters.get(key, default_value)

    def get_task_name(self) -> str:
        """Give the name of the function."""
        return self._task_name

    def get_task_name_with_subtasks(self) -> str:
        """Give the name of the function."""
        return self._task_name_with_subtasks

    def get_number_of_parallel_subtasks(self) -> int:
        """Give 1: all workers of a process share a function."""
        return self._n_subtasks

    def get_max_number_of_parallel_subtasks(self) -> int:
        """Give 1, as `get_number_of_parallel_subtasks`."""
        return self._max_n_subtasks

    def get_index_of_this_subtask(self) -> int:
        """Give 0."""
        return self._subtask_idx

    def get_attempt_number(self) -> int:
        """Give 0: jobs do not restart by themselves."""
        return self._attempt_number


class UserDefinedFunction(abc.ABC):  # noqa: B024 - the derived classes have the abstract methods
    """Base of functions that are classes."""

    def open(self, function_context: FunctionContext) -> None:  # noqa: B027 - overriding is optional
        """Prepare; called once before the first row."""

    def close(self) -> None:  # noqa: B027 - overriding is optional
        """Clean up; called once when the process or the registration ends."""

    def is_deterministic(self) -> bool:
        """Tell whether equal arguments give equal results."""
        return True


class ScalarFunction(UserDefinedFunction):
    """A function that gives one value a row."""

    @abc.abstractmethod
    def eval(self, *args: Any) -> Any:
        """Compute the value."""


class AsyncScalarFunction(UserDefinedFunction):
    """A function that gives one value a row and waits for others meanwhile.

    The calls of a batch run at the same time, up to
    ``table.exec.async-scalar.max-concurrent-operations``; results stay with their rows.
    """

    @abc.abstractmethod
    async def eval(self, *args: Any) -> Any:
        """Compute the value."""


class TableFunction(UserDefinedFunction):
    """A function that gives any number of rows a row."""

    @abc.abstractmethod
    def eval(self, *args: Any) -> Any:
        """Yield, or return a list of, values, tuples or rows; or return a single one."""


class ImperativeAggregateFunction(UserDefinedFunction):
    """Base of functions that make one accumulator of many rows."""

    @abc.abstractmethod
    def create_accumulator(self) -> Any:
        """Make the accumulator of no rows."""

    @abc.abstractmethod
    def accumulate(self, accumulator: Any, *args: Any) -> None:
        """Take a row into the accumulator."""

    def retract(self, accumulator: Any, *args: Any) -> None:
        """Take a row out of the accumulator again; needed where inputs change."""
        del accumulator, args
        msg = "Method retract is not implemented"
        raise RuntimeError(msg)

    def merge(self, accumulator: Any, accumulators: Any) -> None:
        """Take other accumulators into this one; needed for sessions and two-phase aggregation."""
        del accumulator, accumulators
        msg = "Method merge is not implemented"
        raise RuntimeError(msg)

    def get_result_type(self) -> DataType | str:
        """Give the type of the results."""
        msg = "Method get_result_type is not implemented"
        raise RuntimeError(msg)

    def get_accumulator_type(self) -> DataType | str:
        """Give the type of the accumulator."""
        msg = "Method get_accumulator_type is not implemented"
        raise RuntimeError(msg)


class AggregateFunction(ImperativeAggregateFunction):
    """A function that gives one value a group."""

    @abc.abstractmethod
    def get_value(self, accumulator: Any) -> Any:
        """Compute the result of an accumulator."""


class TableAggregateFunction(ImperativeAggregateFunction):
    """A function that gives any number of rows a group."""

    @abc.abstractmethod
    def emit_value(self, accumulator: Any) -> Iterable[Any]:
        """Yield the rows of an accumulator."""


@overload
def udf(
    f: Callable[..., Any] | ScalarFunction | AsyncScalarFunction | type,
    input_types: InputTypes | None = None,
    result_type: DataType | str | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    name: str | None = None,
    func_type: FuncType = "general",
    udf_type: FuncType | None = None,
) -> UserDefinedScalarFunctionWrapper: ...


@overload
def udf(
    f: None = None,
    input_types: InputTypes | None = None,
    result_type: DataType | str | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    name: str | None = None,
    func_type: FuncType = "general",
    udf_type: FuncType | None = None,
) -> Callable[[Any], UserDefinedScalarFunctionWrapper]: ...


def udf(
    f: Callable[..., Any] | ScalarFunction | AsyncScalarFunction | type | None = None,
    input_types: InputTypes | None = None,
    result_type: DataType | str | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    name: str | None = None,
    func_type: FuncType = "general",
    udf_type: FuncType | None = None,
) -> UserDefinedScalarFunctionWrapper | Callable[[Any], UserDefinedScalarFunctionWrapper]:
    """Make a scalar function of a Python callable; also a decorator.

    Parameters
    ----------
    f
        A function (``async`` too), lambda, partial, callable object, or a `ScalarFunction`.
    input_types
        Types that arguments are converted to, as `DataType` or as text such as ``'BIGINT'``.
        Without them arguments are passed as they come.
    result_type
        Type of the result. Without it the return annotation is used.
    deterministic
        Whether equal arguments give equal results. If declared true, equal rows of a batch are
        computed once.
    name
        Name in plans and messages; the callable's own name if not given.
    func_type
        ``general``: called with the values of a row. ``pandas``, ``arrow``, ``polars``: called
        with a series or an array a column.
    udf_type
        The name of `func_type` up to release 1.12.

    Raises
    ------
    TypeError
        If the function is not callable, or its result type is neither given nor annotated.

    Examples
    --------
    >>> @udf(result_type="BIGINT")
    ... def add_one(i):
    ...     return i + 1
    >>> add_one
    <udf add_one -> BIGINT>
    """

    def wrap(function: Any) -> UserDefinedScalarFunctionWrapper:
        kind = udf_type or func_type
        return wrap_scalar(function, input_types, result_type, deterministic, name, kind)

    return wrap if f is None else wrap(f)


def udtf(
    f: Callable[..., Any] | TableFunction | type | None = None,
    input_types: InputTypes | None = None,
    result_types: ResultTypes | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    name: str | None = None,
) -> Any:
    """Make a table function of a Python callable; also a decorator.

    Parameters
    ----------
    f
        A function that yields or returns rows, or a `TableFunction`.
    input_types
        As for `udf`.
    result_types
        The types of the columns: a list, a ``DataTypes.ROW``, one type, or text. Columns are
        named ``f0``, ``f1`` … where the call has no alias; a text such as ``'ROW<a INT>'`` gives
        names of its own.
    deterministic
        As for `udf`.
    name
        As for `udf`.

    Examples
    --------
    >>> @udtf(result_types=["STRING", "INT"])
    ... def words(line):
    ...     for word in line.split():
    ...         yield word, len(word)
    >>> words
    <udtf words -> ROW<`f0` STRING, `f1` INT>>
    """

    def wrap(function: Any) -> UserDefinedTableFunctionWrapper:
        return wrap_table(function, input_types, result_types, deterministic, name)

    return wrap if f is None else wrap(f)


def udaf(
    f: Callable[..., Any] | AggregateFunction | type | None = None,
    input_types: InputTypes | None = None,
    result_type: DataType | str | None = None,
    accumulator_type: DataType | str | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    name: str | None = None,
    func_type: FuncType = "general",
) -> Any:
    """Make an aggregate function of an `AggregateFunction` or a vectorized callable.

    Parameters
    ----------
    f
        An `AggregateFunction`; with ``func_type="pandas"`` also a function of series.
    input_types
        As for `udf`.
    result_type
        Type of the result; that of ``get_result_type`` if not given.
    accumulator_type
        Type of the accumulator; that of ``get_accumulator_type`` if not given.
    deterministic
        As for `udf`.
    name
        As for `udf`.
    func_type
        ``general`` or ``pandas``.
    """

    def wrap(function: Any) -> UserDefinedAggregateFunctionWrapper:
        return wrap_aggregate(
            function,
            input_types,
            (result_type, accumulator_type),
            deterministic,
            name,
            func_type,
            "aggregate",
        )

    return wrap if f is None else wrap(f)


def udtaf(
    f: Callable[..., Any] | TableAggregateFunction | type | None = None,
    input_types: InputTypes | None = None,
    result_type: DataType | str | None = None,
    accumulator_type: DataType | str | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    name: str | None = None,
    func_type: FuncType = "general",
) -> Any:
    """Make a table aggregate function of a `TableAggregateFunction`; see `udaf`."""

    def wrap(function: Any) -> UserDefinedAggregateFunctionWrapper:
        if func_type != "general":
            msg = f"func_type of a table aggregate function must be 'general', got '{func_type}'"
            raise ValueError(msg)
        return wrap_aggregate(
            function,
            input_types,
            (result_type, accumulator_type),
            deterministic,
            name,
            func_type,
            "table_aggregate",
        )

    return wrap if f is None else wrap(f)
