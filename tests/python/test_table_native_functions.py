"""Compiled functions of other packages, in DataFusion's capsules.

The package ``geodatafusion`` has such functions; without it and ``datafusion`` only refusals are
tested.
"""

from __future__ import annotations

from typing import Any

import pytest
from tidemill.table import EnvironmentSettings, TableEnvironment, native_functions
from tidemill.util.exceptions import (
    UnsupportedOperationException,
    UserDefinedFunctionException,
    ValidationException,
)


def environment() -> TableEnvironment:
    """Make an environment with a table of points."""
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("parallelism.default", "1")
    rows = [(1.0, 2.0), (3.0, 5.0), (None, 1.0)]
    env.create_temporary_view("t", env.from_elements(rows, ["x", "y"]))
    return env


def values(env: TableEnvironment, sql: str) -> list[Any]:
    """Give the first column of a query's rows."""
    with env.execute_sql(sql).collect() as rows:
        return [row[0] for row in rows]


def native() -> Any:
    """Give the functions of the other package."""
    pytest.importorskip("datafusion")
    return pytest.importorskip("geodatafusion.native")


def test_a_scalar_function_says_its_result_type() -> None:
    functions = native()
    env = environment()
    point = functions.MakePoint()
    env.register_native_function("make_point", point, input_types=["DOUBLE", "DOUBLE"])
    row = values(env, "SELECT make_point(x, y) FROM t WHERE x = 3")[0]
    assert list(row) == [3.0, 5.0]
    with pytest.raises(ValidationException, match="it takes"):
        env.execute_sql("SELECT make_point('a', 'b') FROM t")


def test_an_aggregate_function_sees_the_rows_of_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = pytest.importorskip("datafusion.functions")
    env = environment()
    # No package at hand has an aggregate for plain numbers: DataFusion's own stands for it.
    aggregate = native_functions._NativeAggregate
    monkeypatch.setattr(aggregate, "_expression", lambda *_: functions.sum)
    monkeypatch.setattr(native_functions, "_check_version", lambda *_: None)
    exported = type("Exported", (), {"__datafusion_aggregate_udf__": None})()
    env.register_native_function("total", exported, input_types=["DOUBLE"])
    assert values(env, "SELECT total(y) FROM t") == [8.0]
    assert values(env, "SELECT total(s) FROM (SELECT total(y) AS s FROM t)")[-1] == 8.0


def test_what_is_no_native_function_is_refused() -> None:
    with pytest.raises(ValidationException, match="has none of __datafusion_scalar_udf__"):
        environment().register_native_function("f", object(), input_types=["INT"])


def test_another_version_is_refused_before_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = native()
    versions = iter([(55, 2, 0), (50, 1, 0)])
    monkeypatch.setattr(native_functions, "_version", lambda _: next(versions))
    with pytest.raises(UnsupportedOperationException, match=r"built for DataFusion 50\.1\.0"):
        environment().register_native_function(
            "f", functions.MakePoint(), input_types=["DOUBLE", "DOUBLE"]
        )


def test_types_of_arguments_are_needed() -> None:
    functions = native()
    with pytest.raises(ValidationException, match="needs input_types"):
        environment().register_native_function("f", functions.MakePoint())


def test_an_object_that_cannot_be_pickled_is_made_anew_in_a_worker() -> None:
    functions = native()
    env = environment()
    env.get_config().set("python.execution-mode", "process")
    types = ["DOUBLE", "DOUBLE"]
    env.register_native_function("made", make_point, input_types=types)
    row = values(env, "SELECT made(x, y) FROM t WHERE x = 3")[0]
    assert list(row) == [3.0, 5.0]
    env.register_native_function("held", functions.MakePoint(), input_types=types)
    with pytest.raises(UserDefinedFunctionException, match="or a function that makes it"):
        values(env, "SELECT held(x, y) FROM t")
    # Its name is not where it is.
    env.register_native_function("named", functions.MakePoint, input_types=types)
    with pytest.raises(UserDefinedFunctionException, match="is not found by its name"):
        values(env, "SELECT named(x, y) FROM t")


def make_point() -> Any:
    """Make the function anew."""
    import geodatafusion.native

    return geodatafusion.native.MakePoint()
