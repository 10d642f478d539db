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
from tidemill.table.catalog import CatalogDatabase
from tidemill.table.model_descriptor import ModelDescriptor
from tidemill.util.exceptions import (
    DatabaseAlreadyExistException,
    DatabaseNotExistException,
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
