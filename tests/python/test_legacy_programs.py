"""Programs written for releases 1.9 to 1.13, as they were printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tidemill.dataset import ExecutionEnvironment
from tidemill.datastream import StreamExecutionEnvironment, TimeCharacteristic
from tidemill.table import (
    BatchTableEnvironment,
    CsvTableSink,
    CsvTableSource,
    DataTypes,
    EnvironmentSettings,
    StreamTableEnvironment,
    TableConfig,
    TableEnvironment,
)
from tidemill.table.descriptors import FileSystem, Json, Kafka, OldCsv, Rowtime, Schema
from tidemill.table.udf import ScalarFunction, udf, udtf
from tidemill.table.window import Over, Tumble
from tidemill.util.exceptions import TableException, UnsupportedOperationException

if TYPE_CHECKING:
    from pathlib import Path

ACCESS_LOG = """\
b7a1,27.184.139.25,10,100,/a
b7a2,202.96.128.86,20,300,/b
b7a3,27.184.139.26,30,500,/c
"""


@pytest.fixture
def t_env() -> StreamTableEnvironment:
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_stream_time_characteristic(TimeCharacteristic.EventTime)
    env.set_parallelism(1)
    settings = EnvironmentSettings.new_instance().in_streaming_mode().use_blink_planner().build()
    return StreamTableEnvironment.create(env, environment_settings=settings)


def written(folder: Path) -> list[str]:
    return sorted(
        line
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith((".", "_"))
        for line in path.read_text().splitlines()
    )


def test_the_cdn_program(tmp_path: Path, t_env: StreamTableEnvironment) -> None:
    # As in the article, with files in the place of Kafka and a view of the result.
    (tmp_path / "access_log.csv").write_text(ACCESS_LOG)
    t_env.sql_update(f"""
        CREATE TABLE cdn_access_log (
            uuid VARCHAR,
            client_ip VARCHAR,
            request_time BIGINT,
            response_size BIGINT,
            uri VARCHAR
        ) WITH (
            'connector.type' = 'filesystem',
            'connector.version' = 'universal',
            'connector.path' = '{tmp_path}/access_log.csv',
            'format.type' = 'csv',
            'format.ignore-parse-errors' = 'true'
        )
    """)
    t_env.sql_update("""
        CREATE TABLE cdn_access_statistic (
            province VARCHAR,
            access_count BIGINT,
            total_download BIGINT,
            download_speed DOUBLE
        ) WITH ('connector.type' = 'print')
    """)

    @udf(input_types=[DataTypes.STRING()], result_type=DataTypes.STRING())
    def ip_to_province(ip: str) -> str:
        return {"27": "Hebei", "202": "Guangdong"}[ip.split(".", maxsplit=1)[0]]

    t_env.register_function("ip_to_province", ip_to_province)
    statistics = (
        t_env.from_path("cdn_access_log")
        .select("uuid, ip_to_province(client_ip) as province, response_size, request_time")
        .group_by("province")
        .select(
            "province, count(uuid) as access_count, sum(response_size) as total_download, "
            "sum(response_size) * 1.0 / sum(request_time) as download_speed"
        )
    )
    assert repr(statistics.get_schema()).splitlines()[-1] == " |-- download_speed: DOUBLE"
    statistics.insert_into("cdn_access_statistic")
    result = t_env.execute("pyFlink_parse_cdn_log")
    assert result.get_net_runtime() >= 0
    final = {
        row[0]: list(row)[1:]
        for row in statistics.execute().collect()
        if str(row.get_row_kind()) in {"+I", "+U"}
    }
    assert final == {"Hebei": [2, 600, 15.0], "Guangdong": [1, 300, 15.0]}


def test_insert_into_has_both_meanings(tmp_path: Path, t_env: StreamTableEnvironment) -> None:
    table = t_env.from_elements([(1,)], ["a"])
    for name in ("sink1", "sink2"):
        t_env.execute_sql(
            f"CREATE TABLE {name} (a BIGINT) WITH ('connector' = 'filesystem', "
            f"'format' = 'csv', 'path' = '{tmp_path}/{name}')"
        )
    # Today's: a pipeline that is executed is not pending any more.
    table.insert_into("sink1").execute().wait()
    with pytest.raises(TableException, match="No operators defined in streaming topology"):
        t_env.execute("nothing")
    # Yesterday's: what nobody executed runs with the environment.
    table.insert_into("sink2")
    t_env.insert_into("sink2", table)
    t_env.sql_update("INSERT INTO sink2 SELECT CAST(9 AS BIGINT)")
    t_env.execute("all")
    assert written(tmp_path / "sink1") == ["1"]
    assert written(tmp_path / "sink2") == ["1", "1", "9"]


def test_connect_with_descriptors(tmp_path: Path, t_env: StreamTableEnvironment) -> None:
    (tmp_path / "in.csv").write_text("1|a\n2|b\n")
    t_env.connect(FileSystem().path(f"{tmp_path}/in.csv")).with_format(
        OldCsv().field_delimiter("|").field("a", DataTypes.INT()).field("b", DataTypes.STRING())
    ).with_schema(
        Schema().field("a", DataTypes.INT()).field("b", DataTypes.STRING())
    ).create_temporary_table("source")
    rows = [tuple(row) for row in t_env.scan("source").select("b, a + 1").execute().collect()]
    assert rows == [("a", 2), ("b", 3)]


def test_descriptors_become_a_statement(t_env: StreamTableEnvironment) -> None:
    described = (
        t_env.connect(
            Kafka()
            .version("universal")
            .topic("Rides")
            .start_from_earliest()
            .property("zookeeper.connect", "zookeeper:2181")
            .property("bootstrap.servers", "kafka:9092")
        )
        .with_format(Json().fail_on_missing_field(True))  # noqa: FBT003 - PyFlink's signature
        .with_schema(
            Schema()
            .field("id", DataTypes.BIGINT())
            .field("ts", DataTypes.TIMESTAMP(3))
            .rowtime(
                Rowtime().timestamps_from_field("eventTime").watermarks_periodic_bounded(60000)
            )
        )
        .in_append_mode()
    )
    described.create_temporary_table("rides")
    assert (
        t_env.execute_sql("SHOW CREATE TABLE rides").collect().next()[0]
        == """\
CREATE TEMPORARY TABLE `default_catalog`.`default_database`.`rides` (
  `id` BIGINT,
  `eventTime` TIMESTAMP(3),
  `ts` AS `eventTime`,
  WATERMARK FOR `ts` AS `ts` - INTERVAL '1' MINUTE
)
WITH (
  'connector' = 'kafka',
  'format' = 'json',
  'json.fail-on-missing-field' = 'true',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'topic' = 'Rides'
)
"""
    )


def test_csv_sources_and_sinks(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("1,x\n2,y\n")
    t_env = BatchTableEnvironment.create(
        ExecutionEnvironment.get_execution_environment(), TableConfig()
    )
    types = [DataTypes.INT(), DataTypes.STRING()]
    t_env.register_table_source("s", CsvTableSource(f"{tmp_path}/in.csv", ["a", "b"], types))
    t_env.register_table_sink("r", CsvTableSink(["a", "b"], types, f"{tmp_path}/out", "|"))
    t_env.scan("s").where("a > 1").insert_into("r")
    t_env.execute("copy")
    assert written(tmp_path / "out") == ['2|"y"']


def test_functions_and_lateral_joins(t_env: StreamTableEnvironment) -> None:
    class SubtractOne(ScalarFunction):
        def eval(self, i: int) -> int:
            return i - 1

    t_env.register_function("add_one", udf(lambda i: i + 1, DataTypes.BIGINT(), DataTypes.BIGINT()))
    t_env.register_function(
        "subtract_one", udf(SubtractOne(), DataTypes.BIGINT(), DataTypes.BIGINT())
    )
    t_env.register_function(
        "add", udf(lambda a, b: a + b, result_type=DataTypes.BIGINT(), udf_type="pandas")
    )
    t_env.register_function(
        "split",
        udtf(
            lambda line: [(word, len(word)) for word in line.split()],
            DataTypes.STRING(),
            [DataTypes.STRING(), DataTypes.INT()],
        ),
    )
    t = t_env.from_elements([(1, 2, "a bc")], ["a", "b", "line"])
    rows = t.select("add(add_one(a), subtract_one(b)), line, 1").execute().collect()
    assert [tuple(row) for row in rows] == [(3, "a bc", 1)]
    rows = t.join_lateral("split(line) as (word, length)").select("word, length").execute()
    assert [tuple(row) for row in rows.collect()] == [("a", 1), ("bc", 2)]
    rows = t.join_lateral("split(line) as (w, l)", "l > 1").select("w").execute()
    assert [tuple(row) for row in rows.collect()] == [("bc",)]


def test_java_functions_are_refused(t_env: StreamTableEnvironment) -> None:
    with pytest.raises(UnsupportedOperationException, match="register_native_function"):
        t_env.register_java_function("f", "org.example.F")


def test_settings_that_mean_nothing_any_more() -> None:
    for builder in (
        EnvironmentSettings.new_instance().use_old_planner(),
        EnvironmentSettings.new_instance().use_any_planner().in_batch_mode(),
    ):
        TableEnvironment.create(builder.build()).execute_sql("SELECT 1")
    config = TableConfig()
    config.set_null_check(False)
    assert config.get_null_check()
    with pytest.raises(ValueError, match="cannot be used at the same time"):
        StreamTableEnvironment.create(
            StreamExecutionEnvironment.get_execution_environment(),
            table_config=config,
            environment_settings=EnvironmentSettings.in_streaming_mode(),
        )


def test_windows_as_text() -> None:
    window = Tumble.over("10.minutes").on("rowtime").alias("w").spec
    assert (str(window.size), str(window.time_field)) == ("0:10:00", "rowtime")
    over = Over.partition_by("a").order_by("rowtime").preceding("2.rows").following("current_row")
    assert str(over.alias("w").spec.preceding) == "rowInterval(2)"
