"""Results that come later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CompletableFuture"]

T = TypeVar("T")


class CompletableFuture(Generic[T]):
    """A value that is computed when it is asked for.

    Parameters
    ----------
    compute
        Gives the value, waiting for it as long as it takes. Called once.
    is_done
        Tells whether `compute` would return at once.
    """

    def __init__(self, compute: Callable[[], T], is_done: Callable[[], bool] | None = None) -> None:
        """Keep the functions; nothing is computed yet."""
        self._compute = compute
        self._is_done = is_done
        self._value: list[T] = []
        self._exception: BaseException | None = None

    def result(self) -> T:
        """Wait for the value.

        Raises
        ------
        Exception
            Whatever the computation raised.
        """
        if self._exception is not None:
            raise self._exception
        if not self._value:
            try:
                self._value.append(self._compute())
            except Exception as exception:
                self._exception = exception
                raise
        return self._value[0]

    def exception(self) -> BaseException | None:
        """Wait for the value and give the exception that came instead, if any."""
        try:
            self.result()
        except Exception as exception:  # noqa: BLE001 - the exception is the answer
            return exception
        return None

    def done(self) -> bool:
        """Tell whether `result` returns at once."""
        if self._value or self._exception is not None:
            return True
        return self._is_done() if self._is_done is not None else True

    def cancel(self) -> bool:
        """Tell that this future cannot be cancelled; stop its job instead."""
        return False

    def cancelled(self) -> bool:
        """Tell that this future was not cancelled."""
        return False
