"""Whole programs, as users bring them from PyFlink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.datastream import StreamExecutionEnvironment
from tidemill.table import DataTypes, EnvironmentSettings, StreamTableEnvironment, TableEnvironment
from tidemill.table.expressions import call, col, lit
from tidemill.table.udf import udf

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TEXT = "to be or not to be that is the question"

ACCESS_LOG = """\
b7a1,27.184.139.25,10,100,/a
b7a2,202.96.128.86,20,300,/b
this line is broken
b7a3,27.184.139.26,30,500,/c
b7a4,202.96.128.87,forty,700,/d
"""


def test_word_count(capsys: pytest.CaptureFixture[str]) -> None:
    t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    t_env.get_config().set("parallelism.default", "1")
    schema = DataTypes.ROW([DataTypes.FIELD("word", DataTypes.STRING())])
    words = t_env.from_elements([(word,) for word in TEXT.split()], schema)
    counts = words.group_by(col("word")).select(col("word"), lit(1).count.alias("count"))
    counts.filter(col("count") > 1).execute().print()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "| op |                           word |                count |"
    assert [line[2:4] + line[30:37] for line in lines[3:-2]] == ["+U     to", "+U     be"]


def test_the_cdn_job(tmp_path: Path) -> None:
    (tmp_path / "access.csv").write_text(ACCESS_LOG)
    env = StreamExecutionEnvironment.get_execution_environment()
    t_env = StreamTableEnvironment.create(
        env, environment_settings=EnvironmentSettings.new_instance().in_streaming_mode().build()
    )
    t_env.execute_sql(f"""
        CREATE TABLE access_log (
            `uuid` VARCHAR, client_ip VARCHAR, request_time BIGINT,
            response_size BIGINT, uri VARCHAR
        ) WITH (
            'connector' = 'filesystem', 'path' = '{tmp_path}',
            'format' = 'csv', 'csv.ignore-parse-errors' = 'true'
        )
    """)

    @udf(input_types=[DataTypes.STRING()], result_type=DataTypes.STRING())
    def ip_to_province(ip: str) -> str:
        return {"27": "河北省", "202": "广东省"}[ip.split(".", maxsplit=1)[0]]

    t_env.create_temporary_function("ip_to_province", ip_to_province)
    statistics = (
        t_env.from_path("access_log")
        .filter(col("request_time").is_not_null)
        .select(
            col("uuid"),
            call("ip_to_province", col("client_ip")).alias("province"),
            col("response_size"),
            col("request_time"),
        )
        .group_by(col("province"))
        .select(
            col("province"),
            col("uuid").count.alias("access_count"),
            col("response_size").sum.alias("total_download"),
            (col("response_size").sum * 1.0 / col("request_time").sum).alias("download_speed"),
        )
    )
    final: dict[str, list[object]] = {}
    for row in statistics.execute().collect():
        if str(row.get_row_kind()) in {"+I", "+U"}:
            final[row[0]] = list(row)[1:]
    assert final == {"河北省": [2, 600, 15.0], "广东省": [1, 300, 15.0]}
