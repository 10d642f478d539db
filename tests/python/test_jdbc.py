"""Tables of databases: SQLite, which every Python has."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tidemill.datastream import StreamExecutionEnvironment
from tidemill.table import (
    DataTypes,
    EnvironmentSettings,
    StreamTableEnvironment,
    TableEnvironment,
)
from tidemill.table.catalog import ObjectPath
from tidemill.table.udf import udf

if TYPE_CHECKING:
    from pathlib import Path

ACCESS_LOG = """\
b7a1,27.184.139.25,10,100,/a
b7a2,202.96.128.86,20,300,/b
b7a3,27.184.139.26,30,500,/c
"""


def run(database: Path, *statements: str) -> list[tuple[object, ...]]:
    """Run statements in the database itself; the rows of the last one."""
    rows: list[tuple[object, ...]] = []
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        connection.commit()
    return rows


def test_the_cdn_program_fills_a_database(tmp_path: Path) -> None:
    # The program of the article: the old interface, no PRIMARY KEY in the table of the database,
    # whose rows are known by what the query groups by.
    (tmp_path / "access_log.csv").write_text(ACCESS_LOG)
    database = tmp_path / "cdn.db"
    run(
        database,
        "CREATE TABLE cdn_access_statistic (province VARCHAR(255) PRIMARY KEY, "
        "access_count BIGINT, total_download BIGINT, download_speed DOUBLE)",
        "INSERT INTO cdn_access_statistic VALUES ('Hebei', 0, 0, 0), ('Hunan', 7, 7, 7)",
    )
    env = StreamExecutionEnvironment.get_execution_environment()
    settings = EnvironmentSettings.new_instance().use_blink_planner().build()
    t_env = StreamTableEnvironment.create(env, environment_settings=settings)
    t_env.sql_update(f"""
        CREATE TABLE cdn_access_log (
            uuid VARCHAR,
            client_ip VARCHAR,
            request_time BIGINT,
            response_size BIGINT,
            uri VARCHAR
        ) WITH (
            'connector.type' = 'filesystem',
            'connector.path' = '{tmp_path}/access_log.csv',
            'format.type' = 'csv',
            'format.ignore-parse-errors' = 'true'
        )
    """)
    t_env.sql_update(f"""
        CREATE TABLE cdn_access_statistic (
            province VARCHAR,
            access_count BIGINT,
            total_download BIGINT,
            download_speed DOUBLE
        ) WITH (
            'connector.type' = 'jdbc',
            'connector.url' = 'jdbc:sqlite:{database}',
            'connector.table' = 'cdn_access_statistic',
            'connector.username' = 'root',
            'connector.password' = 'root',
            'connector.write.flush.interval' = '1s'
        )
    """)

    @udf(input_types=[DataTypes.STRING()], result_type=DataTypes.STRING())
    def ip_to_province(ip: str) -> str:
        return {"27": "Hebei", "202": "Guangdong"}[ip.split(".", maxsplit=1)[0]]

    t_env.register_function("ip_to_province", ip_to_province)
    (
        t_env.from_path("cdn_access_log")
        .select("uuid, ip_to_province(client_ip) as province, response_size, request_time")
        .group_by("province")
        .select(
            "province, count(uuid) as access_count, sum(response_size) as total_download, "
            "sum(response_size) * 1.0 / sum(request_time) as download_speed"
        )
        .insert_into("cdn_access_statistic")
    )
    t_env.execute("pyFlink_parse_cdn_log")
    assert run(database, "SELECT * FROM cdn_access_statistic ORDER BY province") == [
        ("Guangdong", 1, 300, 15.0),
        ("Hebei", 2, 600, 15.0),
        ("Hunan", 7, 7, 7.0),
    ]


def test_passwords_are_not_shown() -> None:
    t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    t_env.execute_sql(
        "CREATE TABLE secret (a INT) WITH ('connector' = 'jdbc', 'table-name' = 't', "
        "'url' = 'jdbc:mysql://me:pw1@db/x?password=pw2', 'username' = 'me', 'password' = 'pw3')"
    )
    with t_env.execute_sql("SHOW CREATE TABLE secret").collect() as rows:
        text = str(next(iter(rows))[0])
    assert "'password' = '******'" in text
    assert "'url' = 'jdbc:mysql://me:******@db/x?password=******'" in text
    assert "pw" not in text
    # A description that may be created again has everything.
    catalog = t_env.get_catalog("default_catalog")
    assert catalog is not None
    options = catalog.get_table(ObjectPath("default_database", "secret")).get_options()
    assert options["password"] == "pw3"  # noqa: S105 - of no database


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_a_table_is_read_and_written(tmp_path: Path, mode: str) -> None:
    database = tmp_path / "shop.db"
    run(
        database,
        "CREATE TABLE orders (id INTEGER, customer TEXT, amount TEXT)",
        "CREATE TABLE totals (customer TEXT PRIMARY KEY, total TEXT, n INTEGER)",
        "INSERT INTO orders VALUES (1, 'ann', '10.50'), (2, 'bob', '1.25'), (3, 'ann', '0.25')",
    )
    settings = EnvironmentSettings.new_instance()
    settings = settings.in_batch_mode() if mode == "batch" else settings.in_streaming_mode()
    t_env = TableEnvironment.create(settings.build())
    for name, columns in (
        ("orders", "id INT, customer STRING, amount DECIMAL(10, 2)"),
        (
            "totals",
            "customer STRING, total DECIMAL(38, 2), n BIGINT, PRIMARY KEY (customer) NOT ENFORCED",
        ),
    ):
        t_env.execute_sql(
            f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'jdbc', "
            f"'url' = 'jdbc:sqlite:{database}', 'table-name' = '{name}')"
        )
    t_env.execute_sql(
        "INSERT INTO totals SELECT customer, SUM(amount), COUNT(*) FROM orders GROUP BY customer"
    ).wait()
    assert run(database, "SELECT * FROM totals ORDER BY customer") == [
        ("ann", "10.75", 2),
        ("bob", "1.25", 1),
    ]
    with t_env.execute_sql("SELECT customer FROM totals WHERE n > 1").collect() as rows:
        assert [row[0] for row in rows] == ["ann"]
