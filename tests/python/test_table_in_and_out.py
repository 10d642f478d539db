"""Rows from Python iterables, and tables as Arrow, pandas and polars; values of every type."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tidemill.common import Row
from tidemill.table import DataTypes, EnvironmentSettings, TableEnvironment
from tidemill.table.expressions import col
from tidemill.table.table_output import SnapshotWarning
from tidemill.util.exceptions import DataException, TidemillError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SCHEMA = "ROW<id BIGINT, name STRING>"


@pytest.fixture
def env() -> TableEnvironment:
    made = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    made.get_config().set("parallelism.default", "1")
    return made


def rows(table: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in table.execute().collect()]


def test_a_generator_is_read_while_the_query_runs(env: TableEnvironment) -> None:
    asked = []

    def numbers() -> Iterator[tuple[int, str]]:
        for number in itertools.count():
            asked.append(number)
            yield number, f"n{number}"

    table = env.from_iterable(numbers, SCHEMA)
    assert asked == []
    with table.filter(col("id") % 2 == 0).execute().collect() as found:
        assert [tuple(found.next()) for _ in range(2)] == [(0, "n0"), (2, "n2")]
    # A function makes a new generator for each query.
    with table.execute().collect() as found:
        assert tuple(found.next()) == (0, "n0")


def test_an_async_generator(env: TableEnvironment) -> None:
    async def numbers() -> AsyncIterator[Row]:
        for number in range(3):
            await asyncio.sleep(0.001)
            yield Row(number, None)

    table = env.from_iterable(numbers, SCHEMA, bounded=True)
    assert rows(table) == [(0, None), (1, None), (2, None)]
    assert table.to_arrow().num_rows == 3


def test_lists_dictionaries_and_single_values(env: TableEnvironment) -> None:
    table = env.from_iterable([{"name": "x", "id": 1}, (2, "y")], SCHEMA)
    assert rows(table) == [(1, "x"), (2, "y")]
    assert rows(table) == [(1, "x"), (2, "y")]
    assert rows(env.from_iterable(iter([1, 2]), DataTypes.BIGINT())) == [(1,), (2,)]


def test_a_generator_is_read_once(env: TableEnvironment) -> None:
    table = env.from_iterable(iter([(1, "a")]), SCHEMA)
    assert rows(table) == [(1, "a")]
    with pytest.raises(TidemillError, match="give the function that makes it"):
        rows(table)


def test_errors_of_an_iterable(env: TableEnvironment) -> None:
    def failing() -> Iterator[tuple[int, str]]:
        yield 1, "a"
        msg = "the sensor is gone"
        raise OSError(msg)

    found = env.from_iterable(failing, SCHEMA).execute().collect()
    with pytest.raises(DataException, match="the sensor is gone"):
        list(found)
    with pytest.raises(DataException, match="column 'id', row 0: 'x' of type str"):
        rows(env.from_iterable([("x", "y")], SCHEMA))


def test_frames(env: TableEnvironment) -> None:
    pl = pytest.importorskip("polars")
    pa = pytest.importorskip("pyarrow")
    table = env.from_polars(pl.DataFrame({"a": [1, None], "b": ["x", "y"]}))
    assert rows(table) == [(1, "x"), (None, "y")]
    assert table.to_polars().rows() == [(1, "x"), (None, "y")]
    # Any library that reads Arrow streams takes a table.
    assert pl.DataFrame(table).rows() == [(1, "x"), (None, "y")]
    assert pa.table(table).to_pylist() == [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]
    assert rows(env.from_arrow(table, ["c", "d"]).select(col("c"))) == [(1,), (None,)]


def test_a_cached_table_does_not_run_again(env: TableEnvironment) -> None:
    n_runs = []

    def numbers() -> Iterator[tuple[int, str]]:
        n_runs.append(1)
        yield 1, "a"

    cached = env.from_iterable(numbers, SCHEMA, bounded=True).cache()
    assert rows(cached) == rows(cached.select(col("id"), col("name"))) == [(1, "a")]
    assert len(n_runs) == 1


def test_an_endless_table_gives_its_rows_of_a_moment(env: TableEnvironment) -> None:
    table = env.from_iterable(lambda: ((n, "x") for n in itertools.count()), SCHEMA)
    with pytest.warns(SnapshotWarning, match="never ends") as caught:
        assert len(table.to_pandas(seconds=1.5)) > 0
    assert caught[0].filename == __file__  # the line of the user's program


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("TRUE", True),
        ("CAST(1.10 AS DECIMAL(5, 2))", Decimal("1.10")),
        ("X'4142'", b"AB"),
        ("DATE '2020-01-02'", dt.date(2020, 1, 2)),
        ("TIME '10:11:12'", dt.time(10, 11, 12)),
        (
            "TIMESTAMP '2020-01-02 03:04:05.123456'",
            dt.datetime(2020, 1, 2, 3, 4, 5, 123456),  # noqa: DTZ001 - without a zone
        ),
        ("INTERVAL '1 02:03:04' DAY TO SECOND", dt.timedelta(days=1, seconds=7384)),
        ("ARRAY[1, CAST(NULL AS INT)]", [1, None]),
        ("MAP['k', 1]", {"k": 1}),
        ("CAST(NULL AS STRING)", None),
        ("CAST('NaN' AS DOUBLE) > 0", False),
    ],
)
def test_values(env: TableEnvironment, sql: str, value: object) -> None:
    found = env.sql_query(f"SELECT {sql} AS x").execute().collect().next()
    assert (found[0], found.as_dict()) == (value, {"x": value})


def test_points_of_time(env: TableEnvironment) -> None:
    env.get_config().set("table.local-time-zone", "Asia/Shanghai")
    sql = "SELECT TO_TIMESTAMP_LTZ(1577934245123, 3) AS x"
    found = env.sql_query(sql).execute().collect().next()[0]
    assert found.timestamp() == 1577934245.123


def test_rows_inside_of_rows_have_names(env: TableEnvironment) -> None:
    table = env.from_elements(
        [(1, Row(2, [Row("x")]))],
        DataTypes.ROW(
            [
                DataTypes.FIELD("a", DataTypes.INT()),
                DataTypes.FIELD(
                    "r",
                    DataTypes.ROW(
                        [
                            DataTypes.FIELD("p", DataTypes.INT()),
                            DataTypes.FIELD(
                                "q",
                                DataTypes.ARRAY(
                                    DataTypes.ROW([DataTypes.FIELD("s", DataTypes.STRING())])
                                ),
                            ),
                        ]
                    ),
                ),
            ]
        ),
    )
    found = table.execute().collect().next()
    assert found.r.p == 2
    assert found.as_dict(recursive=True) == {"a": 1, "r": {"p": 2, "q": [{"s": "x"}]}}
