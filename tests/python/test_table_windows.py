"""Group windows of the Table API over numbers of rows: recorded answers of Flink 2.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tidemill.table import EnvironmentSettings, TableEnvironment
from tidemill.table.expressions import col, lit, row_interval
from tidemill.table.window import Slide, Tumble
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from pathlib import Path

    from tidemill.table import Table
    from tidemill.table.window import GroupWindow

KEYS = "aaabaaabaaa"


@pytest.fixture
def numbered(tmp_path: Path) -> Table:
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("parallelism.default", "1")
    text = "".join(f"{number},{key}\n" for number, key in enumerate(KEYS, 1))
    (tmp_path / "rows.csv").write_text(text)
    env.execute_sql(
        "CREATE TABLE numbered (id INT, k STRING, pt AS PROCTIME()) WITH "
        f"('connector' = 'filesystem', 'format' = 'csv', 'path' = '{tmp_path}')"
    )
    return env.from_path("numbered")


def sums(table: Table, window: GroupWindow, *keys: str) -> list[Any]:
    grouped = table.window(window).group_by(col("w"), *map(col, keys))
    counted = grouped.select(*map(col, keys), col("id").count.alias("c"), col("id").sum.alias("s"))
    with counted.execute().collect() as changes:
        return [tuple(row) for row in changes]


def tumble(size: int) -> GroupWindow:
    return Tumble.over(row_interval(size)).on(col("pt")).alias("w")


def slide(size: int, every: int) -> GroupWindow:
    return Slide.over(row_interval(size)).every(row_interval(every)).on(col("pt")).alias("w")


def test_windows_of_rows_follow_each_other(numbered: Table) -> None:
    assert sums(numbered, tumble(3)) == [(3, 6), (3, 15), (3, 24)]
    expected = [("a", 2, 3), ("a", 2, 8), ("a", 2, 13), ("b", 2, 12), ("a", 2, 19)]
    assert sums(numbered, tumble(2), "k") == expected


def test_windows_of_rows_slide(numbered: Table) -> None:
    assert sums(numbered, slide(4, 2)) == [(4, 10), (4, 18), (4, 26), (4, 34)]
    assert sums(numbered, slide(2, 3), "k") == [
        ("a", 2, 3),
        ("a", 2, 11),
        ("b", 2, 12),
        ("a", 2, 19),
    ]


def test_windows_of_rows_have_no_times(numbered: Table) -> None:
    grouped = numbered.window(tumble(2)).group_by(col("w"))
    with pytest.raises(ValidationException, match="has no start, end or time"):
        grouped.select(col("w").start)
    mixed = Slide.over(row_interval(2)).every(lit(2).seconds).on(col("pt")).alias("w")
    with pytest.raises(ValidationException, match="same type of size and slide"):
        sums(numbered, mixed)


def test_sums_of_floats_have_their_precision_after_every_addition(tmp_path: Path) -> None:
    # Flink's own example of sliding windows, with its answers.
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("parallelism.default", "1")
    prices = ((30.2, 4), (53.1, 2), (3.1, 3), (16.1, 7))
    text = "".join(f"{price},1970-01-01 00:00:0{second}\n" for price, second in prices)
    (tmp_path / "prices.csv").write_text(text)
    env.execute_sql(
        "CREATE TABLE prices (price FLOAT, ts TIMESTAMP(3), "
        "WATERMARK FOR ts AS ts - INTERVAL '3' SECOND) WITH "
        f"('connector' = 'filesystem', 'format' = 'csv', 'path' = '{tmp_path}')"
    )
    window = Slide.over(lit(5).seconds).every(lit(2).seconds).on(col("ts")).alias("w")
    sums = env.from_path("prices").window(window).group_by(col("w")).select(col("price").sum)
    with sums.execute().collect() as rows:
        assert [row[0] for row in rows] == [53.1, 86.399994, 86.399994, 46.300003, 16.1]
    floats = ", ".join(f"(CAST({price} AS FLOAT))" for price in (53.1, 3.1, 30.2))
    query = f"SELECT SUM(price), AVG(price) FROM (VALUES {floats}) AS t(price)"
    with env.execute_sql(query).collect() as rows:
        assert tuple(list(rows)[-1]) == (86.399994, 28.8)
