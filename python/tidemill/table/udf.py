"""User-defined scalar functions: `udf`, `ScalarFunction` and `FunctionContext`.

A function becomes callable in expressions and, after ``create_temporary_function``, in SQL. The
engine calls it batch by batch; see `udf_runtime` for what happens then.
"""

from __future__ import annotations

import abc
import functools
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

from tidemill.table.composite_types import RowField, RowType
from tidemill.table.expression import Expression, to_node
from tidemill.table.expression_nodes import FunctionCall
from tidemill.table.logical_types import DataType
from tidemill.table.type_inference import type_of_hint
from tidemill.table.type_parser import parse_data_type
from tidemill.util.exceptions import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    FuncType = Literal["general", "pandas", "arrow"]
    InputTypes = DataType | str | RowField | Sequence[DataType | str | RowField]

__all__ = [
    "FunctionContext",
    "ScalarFunction",
    "UserDefinedFunction",
    "udaf",
    "udf",
    "udtaf",
    "udtf",
]

_FUNC_TYPES = ("general", "pandas", "arrow")


class FunctionContext:
    """What a function learns when it is opened.

    Parameters
    ----------
    base_metric_group
        Metrics; None here.
    job_parameters
        The session's options.
    """

    def __init__(
        self,
        base_metric_group: Any,
        job_parameters: Mapping[str, str],
        task_name: str | None = None,
        task_name_with_subtasks: str | None = None,
        number_of_parallel_subtasks: int | None = None,
        max_number_of_parallel_subtasks: int | None = None,
        index_of_this_subtask: int | None = None,
        attempt_number: int | None = None,
    ) -> None:
        """Keep the parameters."""
        self._metric_group = base_metric_group
        self._job_parameters = dict(job_parameters)
        self._task_name = task_name or ""
        self._task_name_with_subtasks = task_name_with_subtasks or self._task_name
        self._n_subtasks = number_of_parallel_subtasks or 1
        self._max_n_subtasks = max_number_of_parallel_subtasks or self._n_subtasks
        self._subtask_idx = index_of_this_subtask or 0
        self._attempt_number = attempt_number or 0

    def get_metric_group(self) -> Any:
        """Refuse: metrics of functions are not there yet."""
        if self._metric_group is None:
            refuse("a metric group of a function")
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


class UserDefinedFunction:
    """Base of functions that are classes."""

    def open(self, function_context: FunctionContext) -> None:
        """Prepare; called once before the first row."""

    def close(self) -> None:
        """Clean up; called once when the process or the registration ends."""

    def is_deterministic(self) -> bool:
        """Tell whether equal arguments give equal results."""
        return True


class ScalarFunction(UserDefinedFunction, abc.ABC):
    """A function that gives one value a row."""

    @abc.abstractmethod
    def eval(self, *args: Any) -> Any:
        """Compute the value."""


class UserDefinedScalarFunctionWrapper:
    """A function with its types, made by `udf`.

    Parameters
    ----------
    function
        The callable or the instance of `ScalarFunction`.
    input_types
        Types that arguments are converted to; None takes them as they come.
    result_type
        Type of the results.
    deterministic
        What the user said; None if nothing.
    name
        The name in plans and messages.
    func_type
        ``general``: called with the values of a row. ``pandas``, ``arrow``: called with one
        series or array a column, giving one of the same length.
    """

    def __init__(
        self,
        function: Callable[..., Any] | ScalarFunction,
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
        self.func_type = func_type
        self._deterministic = deterministic
        self.__doc__ = getattr(function, "__doc__", None)

    @property
    def is_deterministic(self) -> bool:
        """Whether equal arguments give equal results; true if the user said nothing."""
        if self._deterministic is not None:
            return self._deterministic
        if isinstance(self.function, ScalarFunction):
            return self.function.is_deterministic()
        return True

    @property
    def reuses_results(self) -> bool:
        """Whether one result may serve all equal rows of a batch.

        Only if the user declared ``deterministic=True``: whoever says nothing can count on one
        call a row, so that counters and prints inside of a function behave as expected.
        """
        return self._deterministic is True

    def __call__(self, *args: Any) -> Expression:
        """Call the function in an expression."""
        return Expression(FunctionCall(self, tuple(map(to_node, args))))

    def __repr__(self) -> str:
        """Show name and result type."""
        return f"<udf {self.name} -> {self.result_type.as_summary_string()}>"


@overload
def udf(
    f: Callable[..., Any] | ScalarFunction | type[ScalarFunction],
    input_types: InputTypes | None = None,
    result_type: DataType | str | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    name: str | None = None,
    func_type: FuncType = "general",
) -> UserDefinedScalarFunctionWrapper: ...


@overload
def udf(
    f: None = None,
    input_types: InputTypes | None = None,
    result_type: DataType | str | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    name: str | None = None,
    func_type: FuncType = "general",
) -> Callable[[Any], UserDefinedScalarFunctionWrapper]: ...


def udf(
    f: Callable[..., Any] | ScalarFunction | type[ScalarFunction] | None = None,
    input_types: InputTypes | None = None,
    result_type: DataType | str | None = None,
    deterministic: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    name: str | None = None,
    func_type: FuncType = "general",
) -> UserDefinedScalarFunctionWrapper | Callable[[Any], UserDefinedScalarFunctionWrapper]:
    """Make a scalar function of a Python callable; also a decorator.

    Parameters
    ----------
    f
        A function, lambda, partial, callable object, or a `ScalarFunction`.
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
        ``general``, ``pandas`` or ``arrow``.

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
    if func_type not in _FUNC_TYPES:
        msg = f"the func_type must be one of 'general', 'pandas', 'arrow', got '{func_type}'"
        raise ValueError(msg)

    def wrap(function: Any) -> UserDefinedScalarFunctionWrapper:
        return _wrap(function, input_types, result_type, deterministic, name, func_type)

    return wrap if f is None else wrap(f)


def udtf(*args: Any, **kwargs: Any) -> NoReturn:
    """Refuse: table functions are not there yet."""
    del args, kwargs
    feature = "udtf, a user-defined table function,"
    refuse(feature)


def udaf(*args: Any, **kwargs: Any) -> NoReturn:
    """Refuse: aggregate functions in Python are not there yet."""
    del args, kwargs
    feature = "udaf, a user-defined aggregate function,"
    refuse(feature)


def udtaf(*args: Any, **kwargs: Any) -> NoReturn:
    """Refuse: table aggregate functions are not there yet."""
    del args, kwargs
    feature = "udtaf, a user-defined table aggregate function,"
    refuse(feature)


def as_wrapper(function: Any) -> UserDefinedScalarFunctionWrapper:
    """Take what programs register: a wrapper, a `ScalarFunction`, or an annotated callable."""
    if isinstance(function, UserDefinedScalarFunctionWrapper):
        return function
    return _wrap(function, None, None, None, None, "general")


def _wrap(
    function: Any,
    input_types: InputTypes | None,
    result_type: DataType | str | None,
    deterministic: bool | None,  # noqa: FBT001 - internal
    name: str | None,
    func_type: FuncType,
) -> UserDefinedScalarFunctionWrapper:
    if isinstance(function, type) and issubclass(function, ScalarFunction):
        function = function()
    if not callable(function) and not isinstance(function, ScalarFunction):
        msg = f"a function must be callable or a ScalarFunction, got {type(function).__name__}"
        raise TypeError(msg)
    name = name or _name_of(function)
    if result_type is None:
        target = function.eval if isinstance(function, ScalarFunction) else function
        result = type_of_hint(target, name)
    else:
        result = _to_type(result_type)
    types = None if input_types is None else _to_types(input_types)
    return UserDefinedScalarFunctionWrapper(function, types, result, deterministic, name, func_type)


def _name_of(function: Any) -> str:
    if isinstance(function, functools.partial):
        return _name_of(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def _to_types(types: Any) -> list[DataType]:
    if isinstance(types, DataType | str | RowField):
        if isinstance(types, RowType):
            return types.field_types()
        return [_to_type(types)]
    return [_to_type(data_type) for data_type in types]


def _to_type(data_type: DataType | str | RowField) -> DataType:
    if isinstance(data_type, RowField):
        return data_type.data_type
    if isinstance(data_type, DataType):
        return data_type
    return parse_data_type(data_type)
