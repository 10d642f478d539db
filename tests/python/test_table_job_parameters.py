"""What functions find as job parameters, and under which names they appear."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from tidemill.table import EnvironmentSettings, FunctionContext, ScalarFunction, TableEnvironment
from tidemill.table.expressions import col
from tidemill.table.udf import udf
from tidemill.util.exceptions import UserDefinedFunctionException, ValidationException


class Parameter(ScalarFunction):
    """Gives the parameter that its argument names."""

    def open(self, function_context: FunctionContext) -> None:
        """Keep the context."""
        self.context = function_context

    def eval(self, *args: Any) -> str:
        """Look the parameter up."""
        return self.context.get_job_parameter(args[0], "none")


@pytest.fixture
def env() -> TableEnvironment:
    return TableEnvironment.create(EnvironmentSettings.in_streaming_mode())


def asked(env: TableEnvironment, *keys: str) -> list[str]:
    table = env.from_elements([(key,) for key in keys], ["key"])
    table = table.select(udf(Parameter(), result_type="STRING")(col("key")))
    return [row[0] for row in table.execute().collect()]


@pytest.mark.parametrize(
    "text", ["a:1,b:'x,y:z',c : it", "{a: 1, b: 'x,y:z', c: it}", "'a':'1','b':'x,y:z','c':'it'"]
)
def test_global_parameters_are_a_map(env: TableEnvironment, text: str) -> None:
    env.get_config().set("pipeline.global-job-parameters", text)
    assert asked(env, "a", "b", "c", "d") == ["1", "x,y:z", "it", "none"]


def test_parameters_are_read_when_a_job_starts(env: TableEnvironment) -> None:
    env.create_temporary_view("keys", env.from_elements([("mine",)], ["key"]))
    for mode in ("thread", "process"):
        env.get_config().set("python.execution-mode", mode)
        env.create_temporary_function(mode, udf(Parameter(), result_type="STRING"))
        env.get_config().set("mine", mode)
        found = env.execute_sql(f"SELECT {mode}(key) FROM keys").collect()
        assert [row[0] for row in found] == [mode]


def test_a_function_does_not_keep_its_environment() -> None:
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    assert asked(env, "a") == ["none"]
    other = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    owner = weakref.ref(env)
    del env
    gc.collect()
    assert owner() is None
    assert asked(other, "a") == ["none"]


def test_functions_in_place_are_named_as_the_user_named_them(env: TableEnvironment) -> None:
    def broken(number: int) -> int:
        return number // 0

    table = env.from_elements([(1,)], ["n"])
    with pytest.raises(UserDefinedFunctionException, match=r"^function 'broken' failed: Zero"):
        list(table.select(udf(broken, result_type="BIGINT")(col("n"))).execute().collect())
    typed = udf(broken, input_types=["STRING"], result_type="BIGINT")
    with pytest.raises(ValidationException, match=r"function 'broken\(BIGINT\)'; it takes"):
        table.select(typed(col("n"))).execute()


def test_a_row_of_one_value_is_f0(env: TableEnvironment) -> None:
    table = env.from_elements([(1,)], ["n"])
    mapped = table.map(udf(lambda row: row.n + 1, result_type="BIGINT"))
    assert mapped.get_schema().get_field_names() == ["f0"]
    assert [tuple(row) for row in mapped.execute().collect()] == [(2,)]
