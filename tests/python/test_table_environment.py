"""Statements, catalog, options and jobs of a `TableEnvironment`."""

from __future__ import annotations

import datetime as dt

import pytest
from tidemill.common import Configuration, JobStatus
from tidemill.datastream import StreamExecutionEnvironment
from tidemill.table import (
    DataTypes,
    EnvironmentSettings,
    ExplainDetail,
    ResultKind,
    Schema,
    StreamTableEnvironment,
    TableDescriptor,
    TableEnvironment,
)
from tidemill.table.environment import current_environment
from tidemill.util.exceptions import SqlParserException, TableException, ValidationException

UNBOUNDED = """
CREATE TABLE ticks (n BIGINT) WITH (
    'connector' = 'datagen', 'rows-per-second' = '1000', 'fields.n.kind' = 'random'
)
"""


@pytest.fixture
def env() -> TableEnvironment:
    return TableEnvironment.create(EnvironmentSettings.in_streaming_mode())


def test_the_environment_created_last_is_the_current_one(env: TableEnvironment) -> None:
    assert current_environment() is env


def test_ddl_says_ok_and_starts_no_job(env: TableEnvironment) -> None:
    result = env.execute_sql("CREATE TABLE t (a INT) WITH ('connector' = 'blackhole')")
    assert result.get_result_kind() is ResultKind.SUCCESS
    assert result.get_job_client() is None
    assert [list(row) for row in result.collect()] == [["OK"]]
    assert env.list_tables() == ["t"]


def test_options_go_both_ways(env: TableEnvironment) -> None:
    env.get_config().set("parallelism.default", "1")
    assert env.get_config().get("parallelism.default", None) == "1"
    env.get_config().get_configuration().set_string("pipeline.name", "x")
    assert env.get_config().to_map()["pipeline.name"] == "x"
    env.get_config().set_local_timezone("Asia/Shanghai")
    assert env.get_config().get_local_timezone() == "Asia/Shanghai"


def test_options_of_the_settings() -> None:
    configuration = Configuration().set_string("pipeline.name", "from settings")
    settings = EnvironmentSettings.new_instance().with_configuration(configuration).build()
    assert (
        TableEnvironment.create(settings).get_config().get("pipeline.name", "") == "from settings"
    )


def test_a_stream_environment_gives_its_parallelism() -> None:
    stream_env = StreamExecutionEnvironment.get_execution_environment().set_parallelism(1)
    env = StreamTableEnvironment.create(stream_env)
    assert env.get_config().get("parallelism.default", None) == "1"


def test_catalog_and_database(env: TableEnvironment) -> None:
    assert env.get_current_catalog() == "default_catalog"
    assert env.get_current_database() == "default_database"
    env.execute_sql("CREATE DATABASE other")
    env.use_database("other")
    assert env.get_current_database() == "other"
    assert set(env.list_databases()) == {"default_database", "other"}


def test_views_are_listed_and_dropped(env: TableEnvironment) -> None:
    env.create_temporary_view("v", env.from_elements([(1,)], ["a"]))
    assert env.list_views() == ["v"]
    assert [row[0] for row in env.execute_sql("SELECT a FROM v").collect()] == [1]
    assert env.drop_temporary_view("v")
    assert not env.drop_temporary_view("v")


def test_a_table_from_a_descriptor(env: TableEnvironment) -> None:
    schema = Schema.new_builder().column("n", DataTypes.BIGINT()).build()
    descriptor = (
        TableDescriptor.for_connector("datagen")
        .schema(schema)
        .option("number-of-rows", "3")
        .option("fields.n.kind", "sequence")
        .option("fields.n.start", "1")
        .option("fields.n.end", "3")
        .build()
    )
    env.create_temporary_table("numbers", descriptor)
    assert sorted(row[0] for row in env.from_path("numbers").execute().collect()) == [1, 2, 3]


def test_errors_show_the_place(env: TableEnvironment) -> None:
    with pytest.raises(SqlParserException) as error:
        env.execute_sql("SELEC 1")
    assert "^" in str(error.value)
    env.create_temporary_view("v", env.from_elements([(1, "x")], ["amount", "name"]))
    with pytest.raises(ValidationException) as error:
        env.execute_sql("SELECT amout FROM v")
    assert "amout" in str(error.value)
    assert "SELECT amout FROM v" in str(error.value)


def test_a_notebook_shows_the_message_without_frames(env: TableEnvironment) -> None:
    with pytest.raises(ValidationException) as error:
        env.execute_sql("SELECT a FROM missing")
    lines = error.value._render_traceback_()
    assert "ValidationException" in lines[0]
    assert not any("File " in line for line in lines)
    assert lines[-1].endswith('env.execute_sql("SELECT a FROM missing")')


def test_an_insert_runs_as_a_job(env: TableEnvironment) -> None:
    env.execute_sql("CREATE TABLE s (a BIGINT) WITH ('connector' = 'blackhole')")
    result = env.from_elements([(1,), (2,)], ["a"]).execute_insert("s")
    result.wait()
    client = result.get_job_client()
    assert client is not None
    assert client.get_job_status().result() is JobStatus.FINISHED
    assert client.get_job_execution_result().result().get_net_runtime() >= 0
    assert result.get_table_schema().get_field_names() == ["default_catalog.default_database.s"]


def test_a_job_is_cancelled(env: TableEnvironment) -> None:
    env.execute_sql(UNBOUNDED)
    env.execute_sql("CREATE TABLE s (n BIGINT) WITH ('connector' = 'blackhole')")
    result = env.execute_sql("INSERT INTO s SELECT n FROM ticks")
    client = result.get_job_client()
    assert client is not None
    assert client.get_job_status().result() is JobStatus.RUNNING
    with pytest.raises(TimeoutError):
        result.wait(50)
    client.cancel().result()
    assert client.get_job_status().result() is JobStatus.CANCELED


def test_a_statement_set_is_one_job(env: TableEnvironment) -> None:
    env.execute_sql("CREATE TABLE s1 (a BIGINT) WITH ('connector' = 'blackhole')")
    env.execute_sql("CREATE TABLE s2 (a BIGINT) WITH ('connector' = 'blackhole')")
    table = env.from_elements([(1,), (2,)], ["a"])
    env.create_temporary_view("t", table)
    statements = env.create_statement_set()
    statements.add_insert("s1", table).add_insert_sql("INSERT INTO s2 SELECT a + 1 FROM t")
    statements.execute().wait()
    with pytest.raises(TableException, match="at least one INSERT"):
        statements.execute()


def test_explain_has_the_plan(env: TableEnvironment) -> None:
    table = env.from_elements([(1,)], ["a"]).distinct()
    assert "== Optimized Physical Plan ==" in table.explain()
    assert "changelogMode" in table.explain(ExplainDetail.CHANGELOG_MODE)


def test_a_table_has_a_name_in_sql(env: TableEnvironment) -> None:
    table = env.from_elements([(1,), (2,)], ["a"])
    rows = env.sql_query(f"SELECT SUM(a) AS s FROM {table}").to_arrow()
    assert rows.to_pylist() == [{"s": 3}]


def test_idle_state_retention_is_a_timedelta(env: TableEnvironment) -> None:
    config = env.get_config()
    config.set_idle_state_retention(dt.timedelta(hours=1))
    assert config.get("table.exec.state.ttl", None) == "1 h"
    assert config.get_idle_state_retention() == dt.timedelta(hours=1)
    config.set("table.exec.state.ttl", "90 s")
    assert config.get_idle_state_retention() == dt.timedelta(seconds=90)
    assert config.get_min_idle_state_retention_time() == 90_000


def test_a_time_zone_may_be_a_distance_from_greenwich(env: TableEnvironment) -> None:
    env.get_config().set_local_timezone("GMT+08:00")
    assert env.get_config().get_local_timezone() == "GMT+08:00"
    with env.execute_sql("SELECT CAST(TO_TIMESTAMP_LTZ(0, 3) AS STRING)").collect() as rows:
        assert [row[0] for row in rows] == ["1970-01-01 08:00:00.000"]


def test_options_that_are_not_of_their_type_are_no_defaults() -> None:
    configuration = Configuration().set_string("n", "many")
    for get in (configuration.get_integer, configuration.get_boolean, configuration.get_float):
        with pytest.raises(ValueError, match="Could not parse value 'many' for key 'n'"):
            get("n", 1)


def test_details_of_a_plan_may_be_words(env: TableEnvironment) -> None:
    assert "changelogMode" in env.explain_sql("SELECT 1", "changelog_mode")  # type: ignore[arg-type] - PyFlink takes any
    with pytest.raises(ValidationException, match="is no detail of a plan"):
        env.explain_sql("SELECT 1", "nope")  # type: ignore[arg-type] - the mistake


def test_a_compiled_plan_explains_what_runs(env: TableEnvironment) -> None:
    env.execute_sql("CREATE TABLE sink (n INT) WITH ('connector' = 'blackhole')")
    plan = env.compile_plan_sql("INSERT INTO sink SELECT 1")
    assert plan.explain().startswith("== Optimized Execution Plan ==")


def test_an_environment_of_streams_may_run_in_batch_mode() -> None:
    streams = StreamExecutionEnvironment.get_execution_environment()
    env = StreamTableEnvironment.create(streams, EnvironmentSettings.in_batch_mode())
    counted = env.sql_query("SELECT COUNT(*) FROM (VALUES (1), (2)) t(a)")
    with counted.execute().collect() as rows:
        assert [tuple(row) for row in rows] == [(2,)]
