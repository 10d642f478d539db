"""The Python half of calling user-defined aggregate functions.

The engine numbers the groups of a query densely; the accumulators stand in a list in that order,
on each worker its own. A batch of rows is one call, and Python's own ``map`` loops over it.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NoReturn

from tidemill.common.types import new_row
from tidemill.table.udf_runtime import FunctionRunner, column_maker, describe_failure
from tidemill.table.udf_wrappers import values_of
from tidemill.util.exceptions import UserDefinedFunctionException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["AggregateRunner", "GroupStates"]


class AggregateRunner(FunctionRunner):
    """A registered aggregate function."""

    def open(self) -> Callable[[], GroupStates]:
        """Open the function if it is not open; what is given makes the accumulators of a worker."""
        function = self.open_function()
        if self.wrapper.func_type != "general":
            call = self.wrapper.row_callable(_of_columns(function))
            function = _Columns(call, column_maker(self.wrapper.func_type))
        elif self.wrapper.row_names is not None:
            function = _OfRows(function, list(self.wrapper.row_names))
        return lambda: GroupStates(function)


class GroupStates:
    """The accumulators of the groups of one worker.

    Parameters
    ----------
    function
        An aggregate function: ``create_accumulator``, ``accumulate``, ``get_value`` and, where
        they are needed, ``retract`` and ``merge``.
    """

    def __init__(self, function: Any) -> None:
        """Begin without groups."""
        self._function = function
        self._create = function.create_accumulator
        self._accumulate = function.accumulate
        self._retract = function.retract
        self._merge = function.merge
        self._value = getattr(function, "get_value", None) or _listed(function.emit_value)
        self._states: list[Any] = []

    def note_types(self, arrays: Sequence[Any]) -> None:
        """Take the types of the arguments, as Arrow arrays without values."""
        note = getattr(self._function, "note_types", None)
        if note is not None:
            note(arrays)

    def update(
        self,
        groups: Sequence[int],
        signs: Sequence[int] | None,
        counted: Sequence[bool] | None,
        columns: tuple[Sequence[Any], ...],
    ) -> None:
        """Take rows into their groups' accumulators, or out of them where the sign is negative."""
        states = self._of(groups)
        n_done = 0
        try:
            if signs is None and counted is None:
                for n_done, _ in enumerate(map(self._accumulate, states, *columns), 1):  # noqa: B007
                    pass
                return
            for n_done, state in enumerate(states):
                if counted is None or counted[n_done]:
                    is_added = signs is None or signs[n_done] > 0
                    step = self._accumulate if is_added else self._retract
                    step(state, *(column[n_done] for column in columns))
        except Exception as error:  # noqa: BLE001 (of the user's function)
            _fail(error, [column[n_done] for column in columns])

    def update_each(
        self,
        groups: Sequence[int],
        signs: Sequence[int] | None,
        counted: Sequence[bool] | None,
        columns: tuple[Sequence[Any], ...],
    ) -> list[Any]:
        """Do as `update`, and give the value of the row's group after each row."""
        values = []
        row_idx = 0
        try:
            for row_idx, state in enumerate(self._of(groups)):
                if counted is None or counted[row_idx]:
                    is_added = signs is None or signs[row_idx] > 0
                    step = self._accumulate if is_added else self._retract
                    step(state, *(column[row_idx] for column in columns))
                values.append(self._value(state))
        except Exception as error:  # noqa: BLE001 (of the user's function)
            _fail(error, [column[row_idx] for column in columns])
        return values

    def read(self, groups: Sequence[int]) -> list[Any]:
        """Give the values of these groups."""
        try:
            return list(map(self._value, self._of(groups)))
        except Exception as error:  # noqa: BLE001 (of the user's function)
            _fail(error, None)

    def clear(self, group: int) -> None:
        """Forget a group."""
        if group < len(self._states):
            self._states[group] = None

    def save(self, groups: Sequence[int]) -> list[bytes | None]:
        """Give the accumulators of these groups as bytes; None for one that has seen no row."""
        states = self._states
        found = (states[group] if group < len(states) else None for group in groups)
        try:
            return [None if state is None else pickle.dumps(state) for state in found]
        except Exception as error:  # noqa: BLE001 (of what the user keeps in it)
            _fail(error, None)

    def restore(self, groups: Sequence[int], saved: Sequence[bytes | None]) -> None:
        """Put accumulators that `save` gave into their groups; merge where there is one."""
        try:
            for group, content in zip(groups, saved, strict=True):
                if content is None:
                    continue
                state = pickle.loads(content)  # noqa: S301 (of a checkpoint of ours)
                self._grow(group)
                mine = self._states[group]
                if mine is None:
                    self._states[group] = state
                else:
                    self._merge(mine, [state])
        except Exception as error:  # noqa: BLE001 (of the user's function)
            _fail(error, None)

    def _of(self, groups: Sequence[int]) -> list[Any]:
        """Give the accumulators of these groups, making those that are missing."""
        self._grow(max(groups, default=-1))
        states = self._states
        for group in groups:
            if states[group] is None:
                states[group] = self._create()
        return [states[group] for group in groups]

    def _grow(self, group: int) -> None:
        missing = group + 1 - len(self._states)
        if missing > 0:
            self._states.extend([None] * missing)


class _Columns:
    """A function of whole columns as one that takes rows: it keeps them until it is asked."""

    def __init__(self, function: Callable[..., Any], column: Callable[[Any], Any]) -> None:
        import pyarrow as pa  # noqa: PLC0415 (only such functions need it)

        self._function = function
        self._column = column
        self._array = pa.array
        self._types: list[Any] = []

    def note_types(self, arrays: Sequence[Any]) -> None:
        self._types = [self._array(none).type for none in arrays]

    def create_accumulator(self) -> _Rows:
        return _Rows()

    def accumulate(self, rows: _Rows, *args: Any) -> None:
        if not rows:
            rows.types = self._types
        rows.append(args)

    def retract(self, rows: _Rows, *args: Any) -> None:
        rows.remove(args)

    def merge(self, rows: _Rows, others: Iterable[_Rows]) -> None:
        for other in others:
            rows.types = rows.types or other.types
            rows.extend(other)

    def get_value(self, rows: _Rows) -> Any:
        if not rows:
            return None
        # Through Arrow, so that a series has the type that it has in a function of columns.
        columns = (
            self._column(self._array(column, data_type))
            for column, data_type in zip(zip(*rows, strict=True), rows.types, strict=True)
        )
        value = self._function(*columns)
        # Scalars of numpy and of Arrow.
        plain = getattr(value, "item", None) or getattr(value, "as_py", None)
        return value if plain is None else plain()


class _Rows(list[tuple[Any, ...]]):
    """The rows of a group, and the types of their values."""

    types: list[Any] = []  # noqa: RUF012 - replaced, never changed


class _OfRows:
    """A function that takes rows as one that takes their values."""

    def __init__(self, function: Any, names: list[str]) -> None:
        self._accumulate = function.accumulate
        self._retract = function.retract
        self._names = names
        self.create_accumulator = function.create_accumulator
        self.merge = function.merge
        self.get_value = getattr(function, "get_value", None)
        self.emit_value = getattr(function, "emit_value", None)

    def accumulate(self, state: Any, *args: Any) -> None:
        self._accumulate(state, new_row(list(args), self._names))

    def retract(self, state: Any, *args: Any) -> None:
        self._retract(state, new_row(list(args), self._names))


def _of_columns(function: Any) -> Callable[..., Any]:
    """Give a function of columns; an `AggregateFunction` takes them all at once."""
    if not hasattr(function, "accumulate"):
        return function  # type: ignore[no-any-return]

    def call(*columns: Any) -> Any:
        state = function.create_accumulator()
        function.accumulate(state, *columns)
        return function.get_value(state)

    return call


def _listed(emit: Callable[[Any], Iterable[Any]]) -> Callable[[Any], list[Any]]:
    """Adapt a function that yields the rows of a group to one that gives them as a list."""
    return lambda state: [values_of(item) for item in emit(state)]


def _fail(error: Exception, arguments: Sequence[Any] | None) -> NoReturn:
    """Raise what the engine tells the user of a function that failed."""
    trace = error.__traceback__
    raise UserDefinedFunctionException(
        describe_failure(error, None if trace is None else trace.tb_next, arguments)
    ) from error
