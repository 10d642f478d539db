"""Schemas as Flink shows them, tables of a catalog with what makes them, and databases."""

from __future__ import annotations

import pytest
from tidemill.table import (
    DataTypes,
    EnvironmentSettings,
    Schema,
    TableDescriptor,
    TableEnvironment,
)
from tidemill.table.catalog import (
    CatalogBaseTable,
    CatalogDatabase,
    CatalogPartition,
    CatalogPartitionSpec,
    ObjectPath,
)
from tidemill.table.model_descriptor import ModelDescriptor
from tidemill.util.exceptions import (
    DatabaseAlreadyExistException,
    DatabaseNotExistException,
    FunctionNotExistException,
    PartitionAlreadyExistsException,
    PartitionNotExistException,
    TableNotExistException,
    TableNotPartitionedException,
    ValidationException,
)

# Recorded with Flink 2.3.
UNRESOLVED = """\
(
  `a` INT NOT NULL,
  `b` [STRING],
  `c` AS [a + 1],
  `m` BIGINT METADATA FROM 'mm' VIRTUAL,
  `ts` TIMESTAMP(3),
  WATERMARK FOR `ts` AS [ts - INTERVAL '5' SECOND],
  CONSTRAINT `PK_a` PRIMARY KEY (`a`) NOT ENFORCED
)"""
RESOLVED = """\
(
  `a` INT NOT NULL,
  `c` INT NOT NULL AS `a` + 1,
  `ts` TIMESTAMP(3) *ROWTIME*,
  WATERMARK FOR `ts`: TIMESTAMP(3) AS `ts` - INTERVAL '5' SECOND,
  CONSTRAINT `PK_a` PRIMARY KEY (`a`) NOT ENFORCED
)"""


@pytest.fixture
def env() -> TableEnvironment:
    return TableEnvironment.create(EnvironmentSettings.in_streaming_mode())


def schema(*, metadata: bool = True) -> Schema:
    builder = Schema.new_builder().column("a", DataTypes.INT().not_null())
    if metadata:
        builder.column("b", "STRING")
    builder.column_by_expression("c", "a + 1")
    if metadata:
        builder.column_by_metadata("m", DataTypes.BIGINT(), "mm", is_virtual=True)
    builder.column("ts", DataTypes.TIMESTAMP(3)).watermark("ts", "ts - INTERVAL '5' SECOND")
    return builder.primary_key("a").build()


def test_a_schema_shows_what_is_not_resolved_in_brackets() -> None:
    assert str(schema()) == UNRESOLVED
    described = TableDescriptor.for_connector("datagen").schema(schema()).comment("x").build()
    assert str(described) == f"{UNRESOLVED}\nCOMMENT 'x'\nWITH (\n  'connector' = 'datagen'\n)"


def test_a_primary_key_needs_columns_and_a_column_a_name() -> None:
    with pytest.raises(ValidationException, match="at least a single column"):
        Schema.new_builder().primary_key()
    with pytest.raises(ValidationException, match="must be text, not 1"):
        Schema.new_builder().column(1, "INT")  # type: ignore[arg-type] - the mistake


def test_a_table_of_a_catalog_has_all_of_its_schema(env: TableEnvironment) -> None:
    described = TableDescriptor.for_connector("datagen").schema(schema(metadata=False)).build()
    env.create_table("t", described)
    resolved = env.from_path("t").get_resolved_schema()
    assert str(resolved) == RESOLVED
    key = resolved.get_primary_key()
    assert key is not None
    assert key.get_columns() == ["a"]
    assert str(env.from_path("t").get_schema()) == (
        "root\n |-- a: INT NOT NULL\n |-- c: INT NOT NULL AS `a` + 1\n"
        " |-- ts: TIMESTAMP(3) *ROWTIME*\n"
        " |-- WATERMARK FOR ts: TIMESTAMP(3) AS `ts` - INTERVAL '5' SECOND\n"
        " |-- CONSTRAINT PK_a PRIMARY KEY (a)\n"
    )
    # A query has columns alone; time attributes stay what they are.
    assert str(env.sql_query("SELECT a, ts FROM t").get_resolved_schema()) == (
        "(\n  `a` INT NOT NULL,\n  `ts` TIMESTAMP(3) *ROWTIME*\n)"
    )


def test_the_schema_of_a_sink_can_be_looked_at(env: TableEnvironment) -> None:
    env.execute_sql("CREATE TABLE sink (i BIGINT, s STRING) WITH ('connector' = 'print')")
    assert env.from_path("sink").get_schema().get_field_names() == ["i", "s"]
    with pytest.raises(ValidationException, match="can only be used as a sink"):
        env.from_path("sink").execute()


def test_a_database_keeps_properties_and_comment(env: TableEnvironment) -> None:
    env.execute_sql("CREATE CATALOG c WITH ('type' = 'generic_in_memory')")
    env.execute_sql("CREATE DATABASE c.db COMMENT 'words' WITH ('k' = 'v')")
    catalog = env.get_catalog("c")
    assert catalog is not None
    database = catalog.get_database("db")
    assert (database.get_properties(), database.get_comment()) == ({"k": "v"}, "words")
    # Not what the statement does, which adds properties.
    catalog.alter_database("db", CatalogDatabase.create_instance({"z": "y"}, "others"), False)  # noqa: FBT003 - PyFlink's signature
    database = catalog.get_database("db")
    assert (database.get_properties(), database.get_comment()) == ({"z": "y"}, "others")
    with pytest.raises(DatabaseAlreadyExistException):
        catalog.create_database("db", database, False)  # noqa: FBT003 - PyFlink's signature
    catalog.drop_database("db", False)  # noqa: FBT003 - PyFlink's signature
    with pytest.raises(DatabaseNotExistException):
        catalog.drop_database("db", False)  # noqa: FBT003 - PyFlink's signature


def test_temporary_models_have_a_list_of_their_own(env: TableEnvironment) -> None:
    columns = Schema.new_builder().column("i", DataTypes.STRING()).build()
    model = (
        ModelDescriptor.for_provider("openai").input_schema(columns).output_schema(columns).build()
    )
    assert str(model).startswith("(\n  `i` STRING\n)\n(\n  `i` STRING\n)\nWITH (")
    env.create_temporary_model("m1", model)
    env.create_model("m2", model)
    assert (env.list_models(), env.list_temporary_models()) == (["m2"], ["m1"])
    assert env.drop_temporary_model("m1")
    assert not env.drop_temporary_model("m1")


def test_a_table_of_a_catalog_can_be_made_again_of_its_description(env: TableEnvironment) -> None:
    env.execute_sql("CREATE CATALOG c WITH ('type' = 'generic_in_memory')")
    catalog = env.get_catalog("c")
    assert catalog is not None
    assert catalog.get_default_database() == "default"
    described = CatalogBaseTable.create_table(
        Schema.new_builder().column("a", "STRING").column_by_expression("b", "UPPER(a)").build(),
        ["a"],
        {"connector": "datagen"},
    )
    first, second = ObjectPath("default", "t1"), ObjectPath("default", "t2")
    catalog.create_table(first, described, False)  # noqa: FBT003 - PyFlink's signature
    catalog.create_table(second, catalog.get_table(first), False)  # noqa: FBT003 - PyFlink's signature
    assert str(catalog.get_table(second).get_unresolved_schema()) == (
        "(\n  `a` STRING,\n  `b` AS [UPPER(`a`)]\n)"
    )
    nothing = ObjectPath("default", "nothing")
    with pytest.raises(TableNotExistException):
        catalog.drop_table(nothing, False)  # noqa: FBT003 - PyFlink's signature
    with pytest.raises(TableNotExistException):
        catalog.rename_table(nothing, "t3", False)  # noqa: FBT003 - PyFlink's signature
    with pytest.raises(FunctionNotExistException):
        catalog.drop_function(nothing, False)  # noqa: FBT003 - PyFlink's signature


def test_the_partitions_of_a_table(env: TableEnvironment) -> None:
    env.execute_sql("CREATE CATALOG c WITH ('type' = 'generic_in_memory')")
    env.use_catalog("c")
    env.execute_sql(
        "CREATE TABLE t (a INT, b STRING, c STRING) PARTITIONED BY (b, c) "
        "WITH ('connector' = 'filesystem', 'path' = '/nowhere', 'format' = 'csv')"
    )
    env.execute_sql("CREATE TABLE plain (a INT) WITH ('connector' = 'datagen')")
    catalog = env.get_catalog("c")
    assert catalog is not None
    path = ObjectPath("default", "t")
    one = CatalogPartitionSpec({"b": "1", "c": "x"})
    two = CatalogPartitionSpec({"b": "2", "c": "x"})
    partition = CatalogPartition.create_instance({"k": "v"})
    for spec in (one, two):
        catalog.create_partition(path, spec, partition, False)  # noqa: FBT003 - PyFlink's signature
    assert catalog.list_partitions(path) == [one, two]
    assert catalog.list_partitions(path, CatalogPartitionSpec({"b": "2"})) == [two]
    assert str(one) == "CatalogPartitionSpec{{b=1, c=x}}"
    with pytest.raises(PartitionAlreadyExistsException):
        catalog.create_partition(path, one, partition, False)  # noqa: FBT003 - PyFlink's signature
    catalog.drop_partition(path, one, False)  # noqa: FBT003 - PyFlink's signature
    assert not catalog.partition_exists(path, one)
    with pytest.raises(PartitionNotExistException):
        catalog.drop_partition(path, one, False)  # noqa: FBT003 - PyFlink's signature
    with pytest.raises(TableNotPartitionedException):
        catalog.list_partitions(ObjectPath("default", "plain"))
    assert catalog.get_table_statistics(path).get_row_count() == -1
