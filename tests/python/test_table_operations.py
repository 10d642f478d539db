"""Operations of the Table API, each by the table that it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tidemill.common import Row
from tidemill.table import DataTypes, EnvironmentSettings, TableEnvironment
from tidemill.table.expressions import call, call_sql, col, concat, lit
from tidemill.table.table_output import SnapshotWarning
from tidemill.table.udf import udf
from tidemill.table.window import Tumble
from tidemill.util.exceptions import UserDefinedFunctionException, ValidationException

if TYPE_CHECKING:
    from tidemill.table import Table

pytest.importorskip("pyarrow")


@pytest.fixture
def env() -> TableEnvironment:
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("parallelism.default", "1")
    return env


@pytest.fixture
def words(env: TableEnvironment) -> Table:
    return env.from_elements([("a", 1), ("b", 2), ("a", 3)], ["word", "n"])


def rows(table: Table) -> list[Any]:
    """Give the rows of the resulting table as tuples, sorted."""
    return sorted(tuple(row.values()) for row in table.to_arrow().to_pylist())


def test_select(words: Table) -> None:
    table = words.select(col("n") + 1, col("word").upper_case.alias("w"), lit("x"))
    assert table.get_schema().get_field_names() == ["_c0", "w", "_c2"]
    assert rows(table) == [(2, "A", "x"), (3, "B", "x"), (4, "A", "x")]


def test_columns_are_attributes(words: Table) -> None:
    assert rows(words.select(words.n)) == [(1,), (2,), (3,)]
    with pytest.raises(AttributeError, match=r"available columns: \[word, n\]"):
        _ = words.nope


def test_filter(words: Table) -> None:
    assert rows(words.filter(col("n") > 1).where(col("word") == "a")) == [("a", 3)]


def test_group_by(words: Table) -> None:
    table = words.group_by(col("word")).select(
        col("word"), lit(1).count.alias("c"), col("n").sum.alias("s"), col("n").max
    )
    assert table.get_schema().get_field_names() == ["word", "c", "s", "EXPR$2"]
    assert rows(table) == [("a", 2, 4, 3), ("b", 1, 2, 2)]


def test_group_by_an_expression(words: Table) -> None:
    table = words.group_by((col("n") % 2).alias("odd")).select(col("odd"), col("n").count)
    assert rows(table) == [(0, 1), (1, 2)]


def test_aggregates_without_groups(words: Table) -> None:
    assert rows(words.select(col("n").sum.alias("s"), col("n").count.distinct)) == [(6, 3)]


def test_distinct_and_set_operations(words: Table) -> None:
    keys = words.select(col("word"))
    assert rows(keys.distinct()) == [("a",), ("b",)]
    assert rows(keys.union_all(keys.distinct())) == [("a",), ("a",), ("a",), ("b",), ("b",)]


def test_columns_come_and_go(words: Table) -> None:
    assert words.alias("w").get_schema().get_field_names() == ["w", "n"]
    assert words.rename_columns(col("n").alias("m")).get_schema().get_field_names() == ["word", "m"]
    assert words.drop_columns(col("n")).get_schema().get_field_names() == ["word"]
    added = words.add_columns((col("n") * 2).alias("twice"))
    assert rows(added) == [("a", 1, 2), ("a", 3, 6), ("b", 2, 4)]
    replaced = words.add_or_replace_columns((col("n") * 2).alias("n"))
    assert rows(replaced) == [("a", 2), ("a", 6), ("b", 4)]
    with pytest.raises(ValidationException, match="exists already"):
        words.add_columns(col("n").alias("word"))
    with pytest.raises(ValidationException, match=r"Cannot resolve field \[x\]"):
        words.drop_columns(col("x"))


def test_order_and_limit(words: Table) -> None:
    top = words.order_by(col("n").desc).limit(2)
    assert rows(top) == [("a", 3), ("b", 2)]
    assert rows(words.order_by(col("n").asc).offset(1).fetch(1)) == [("b", 2)]


def test_an_unknown_column_is_reported_where_it_is_written(words: Table) -> None:
    with pytest.raises(ValidationException, match="nope"):
        words.select(col("nope"))
    with pytest.raises(TypeError, match=r"use col\('name'\)"):
        words.select(1)  # type: ignore[arg-type]


def test_a_function_in_an_expression(words: Table) -> None:
    shout = udf(lambda text: text + "!", result_type=DataTypes.STRING(), name="shout")
    assert rows(words.select(shout(col("word"))).distinct()) == [("a!",), ("b!",)]


def test_a_registered_function(env: TableEnvironment, words: Table) -> None:
    @udf(result_type="BIGINT", input_types=["BIGINT"])
    def twice(n: int) -> int:
        return 2 * n

    env.create_temporary_system_function("twice", twice)
    assert "twice" in env.list_user_defined_functions()
    env.create_temporary_view("words", words)
    assert rows(env.sql_query("SELECT TWICE(n) FROM words")) == [(2,), (4,), (6,)]
    assert rows(words.select(call("twice", col("n")))) == [(2,), (4,), (6,)]
    assert rows(words.select(call_sql("twice(n) + 1"))) == [(3,), (5,), (7,)]
    assert env.drop_temporary_system_function("twice")


def test_elements_with_a_schema(env: TableEnvironment) -> None:
    schema = DataTypes.ROW(
        [
            DataTypes.FIELD("id", DataTypes.INT()),
            DataTypes.FIELD("tags", DataTypes.ARRAY(DataTypes.STRING())),
        ]
    )
    table = env.from_elements([(1, ["x"]), Row(tags=[], id=2), {"id": 3}], schema)
    assert table.get_schema().get_field_data_types() == schema.field_types()
    assert rows(table.filter(col("id") < 3)) == [(1, ["x"]), (2, [])]
    with pytest.raises(TypeError, match="column 'id', row 0: 'x' of type str does not fit"):
        env.from_elements([("x", [])], schema)
    with pytest.raises(ValueError, match="2 values, the schema has 1 columns"):
        env.from_elements([(1, 2)], DataTypes.ROW([DataTypes.FIELD("a", DataTypes.INT())]))


def test_pandas_goes_in_and_out(env: TableEnvironment) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    table = env.from_pandas(frame)
    assert table.get_schema().get_field_names() == ["a", "b"]
    assert table.to_pandas().a.tolist() == [1, 2]
    assert env.from_pandas(frame, ["c", "d"]).get_schema().get_field_names() == ["c", "d"]


def test_an_endless_table_gives_its_rows_of_a_moment(env: TableEnvironment) -> None:
    env.execute_sql("CREATE TABLE ticks (n BIGINT) WITH ('connector' = 'datagen')")
    with pytest.warns(SnapshotWarning, match="never ends: these are its rows after 1.5 s"):
        frame = env.sql_query("SELECT COUNT(*) AS n FROM ticks").to_pandas(seconds=1.5)
    assert len(frame) == 1
    assert frame.n[0] > 0


def test_a_limit_ends_an_endless_table(env: TableEnvironment) -> None:
    env.execute_sql("CREATE TABLE ticks (n BIGINT) WITH ('connector' = 'datagen')")
    assert len(env.sql_query("SELECT n FROM ticks LIMIT 2").to_pandas()) == 2
    assert len(env.sql_query("SELECT n FROM ticks").limit(2).to_pandas()) == 2
    assert env.from_path("ticks").fetch(3).to_arrow().num_rows == 3


def test_a_table_shows_its_columns(words: Table) -> None:
    assert repr(words) == "Table(word STRING, n BIGINT)"


def test_a_function_is_not_called_by_two_threads_at_once(env: TableEnvironment) -> None:
    env.get_config().set("parallelism.default", "2")
    inside: list[int] = []

    @udf(result_type="BIGINT")
    def alone(n: int) -> int:
        inside.append(n)
        sum(range(200))
        assert len(inside) == 1
        inside.clear()
        return n

    numbers = env.from_elements([(n,) for n in range(20_000)], ["n"])
    assert rows(numbers.select(alone(col("n")).sum.alias("s"))) == [(199_990_000,)]


def test_a_function_defined_again_is_the_new_one(env: TableEnvironment, words: Table) -> None:
    env.create_temporary_view("words", words)
    for result in ("old", "new"):
        function = udf(lambda _, result=result: result, result_type="STRING", name="f")
        env.create_temporary_function("f", function)
        assert rows(env.sql_query("SELECT DISTINCT f(n) FROM words")) == [(result,)]


def test_functions_in_batch_mode() -> None:
    env = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    env.create_temporary_function("twice", udf(lambda n: 2 * n, result_type="BIGINT", name="twice"))
    env.create_temporary_view("t", env.from_elements([(1,), (2,)], ["n"]))
    result = env.execute_sql("SELECT SUM(twice(n)) AS s FROM t").collect()
    assert [row.s for row in result] == [6]


def test_rows_of_values_are_kept_as_long_as_they_are_read(env: TableEnvironment) -> None:
    import gc

    def names() -> list[str]:
        return [row[0] for row in env.execute_sql("SHOW TABLES").collect()]

    table = env.from_elements([(1,)], ["a"])
    assert names() == []
    scan = table.relation.path  # type: ignore[union-attr]
    derived = table.select(col("a") + 1)
    env.create_temporary_view("v", table)
    del table, derived
    gc.collect()
    assert rows(env.from_path("v")) == [(1,)]
    env.drop_temporary_view("v")
    gc.collect()
    with pytest.raises(ValidationException, match="cannot find table"):
        env.sql_query(f"SELECT * FROM {scan}")


def test_columns_without_a_name_are_numbered_behind_the_others(env: TableEnvironment) -> None:
    table = env.from_elements([(1, "a")], ["i", "s"])
    assert table.add_columns(concat(col("s"), "!")).column_names() == ["i", "s", "_c2"]
    assert table.add_or_replace_columns(concat(col("s"), "!")).column_names() == ["i", "s", "_c2"]


def test_an_offset_waits_for_its_fetch() -> None:
    env = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    table = env.from_elements([(3,), (1,), (2,)], ["i"]).order_by(col("i"))
    with table.offset(1).fetch(1).execute().collect() as rows:
        assert [row[0] for row in rows] == [2]


def test_what_is_no_number_of_rows_and_no_table_is_refused(env: TableEnvironment) -> None:
    table = env.from_elements([(1,)], ["i"])
    with pytest.raises(TypeError, match="fetch is a number of rows, not 'x'"):
        table.limit("x")  # type: ignore[arg-type] - the mistake
    with pytest.raises(ValidationException, match="Offset should be greater or equal 0"):
        table.offset(-1)
    with pytest.raises(TypeError, match="another table is needed, not int"):
        table.union_all(5)  # type: ignore[arg-type] - the mistake
    with pytest.raises(ValidationException, match="at least one column"):
        table.drop_columns(col("i"))
    with pytest.raises(ValidationException, match="must be a condition, but 'i' is not BOOLEAN"):
        table.where(col("i"))


def test_slips_are_told_with_what_to_write(env: TableEnvironment) -> None:
    table = env.from_elements([(1,)], ["i"])
    with pytest.raises(AttributeError, match=r"table\.execute\(\)\.print\(\)"):
        table.print()
    with pytest.raises(TypeError, match="TumbleWithSizeOnTime is no whole window"):
        table.window(Tumble.over(lit(1).minutes).on(col("i")))  # type: ignore[arg-type] - the mistake


def test_a_missing_await_is_told(env: TableEnvironment) -> None:
    async def answer() -> int:
        return 1

    @udf(result_type="INT")
    async def forgetful(number: int) -> Any:
        del number
        return answer()

    table = env.from_elements([(1,)], ["i"])
    env.get_config().set("table.exec.async-scalar.retry-strategy", "NO_RETRY")
    with pytest.raises(UserDefinedFunctionException, match="is an 'await' missing"):
        list(table.select(forgetful(col("i"))).execute().collect())
