"""Functions on their way to a worker process, and their arrival there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.util.exceptions import UnsupportedOperationException

if TYPE_CHECKING:
    from tidemill.table.udf_runtime import FunctionRunner

__all__ = ["dump", "load"]


def dump(runner: FunctionRunner) -> bytes:
    """Pickle a function with what it refers to; what is importable goes by name.

    Raises
    ------
    UnsupportedOperationException
        If it holds something that cannot leave the process (a lock, an open file).
    """
    import cloudpickle  # noqa: PLC0415 (only functions that run in processes need it)

    try:
        pickled: bytes = cloudpickle.dumps((runner.wrapper, dict(runner.parameters())))
    except Exception as error:
        msg = f"it cannot run in a process of its own, because it cannot be pickled: {error}"
        raise UnsupportedOperationException(msg) from error
    return pickled


def load(pickled: bytes) -> FunctionRunner:
    """Unpickle a function."""
    import pickle  # noqa: PLC0415 (only workers need it)

    from tidemill.table.udf_runtime import runner_of  # noqa: PLC0415 (imports this module)

    wrapper, parameters = pickle.loads(pickled)  # noqa: S301 (from the process that started us)
    return runner_of(wrapper, lambda: parameters)
