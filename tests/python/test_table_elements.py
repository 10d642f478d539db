"""`from_elements`: names, inferred types, and what does not fit a declared type."""

from __future__ import annotations

from array import array
from collections import namedtuple
from typing import Any

import pytest
from tidemill.common import Row
from tidemill.table import DataTypes, EnvironmentSettings, TableEnvironment
from tidemill.table.expressions import lit, null_of, row
from tidemill.util.exceptions import ValidationException


@pytest.fixture
def env() -> TableEnvironment:
    return TableEnvironment.create(EnvironmentSettings.in_streaming_mode())


def rows(table: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in table.execute().collect()]


def one_column(data_type: Any) -> Any:
    return DataTypes.ROW([DataTypes.FIELD("a", data_type)])


def test_values_without_a_name_are_numbered_and_names_without_a_value_are_left_out(
    env: TableEnvironment,
) -> None:
    assert env.from_elements([(1, "x")], ["a"]).get_schema().get_field_names() == ["a", "_2"]
    assert env.from_elements([(1,)], ["a", "b"]).get_schema().get_field_names() == ["a"]
    assert env.from_elements([(1, 2)]).get_schema().get_field_names() == ["_1", "_2"]


def test_names_come_from_dictionaries_rows_named_tuples_and_objects(env: TableEnvironment) -> None:
    class Point:
        def __init__(self) -> None:
            self.y, self.x = 2, 1

    pair = namedtuple("pair", "x y")  # noqa: PYI024 - as programs write it
    for element in ({"y": 2, "x": 1}, Row(x=1, y=2), pair(1, 2), Point()):
        table = env.from_elements([element])
        assert table.get_schema().get_field_names() == ["x", "y"]
        assert rows(table) == [(1, 2)]


def test_arrays_of_numbers_keep_their_kind(env: TableEnvironment) -> None:
    table = env.from_elements([(array("i", [1, 2]), array("d", [1.5]), array("B", [200]))])
    texts = [t.as_summary_string() for t in table.get_schema().get_field_data_types()]
    assert texts == ["ARRAY<INT NOT NULL>", "ARRAY<DOUBLE NOT NULL>", "ARRAY<SMALLINT NOT NULL>"]
    assert rows(table) == [([1, 2], [1.5], [200])]


def test_a_name_stands_once(env: TableEnvironment) -> None:
    with pytest.raises(ValidationException, match="found twice: a"):
        env.from_elements([(1, 2)], ["a", "a"])


@pytest.mark.parametrize(
    ("data_type", "value", "message"),
    [
        (DataTypes.TINYINT(), 128, "128 is out of the range of TINYINT"),
        (DataTypes.BIGINT(), 2**63, "out of the range of BIGINT"),
        (DataTypes.INT().not_null(), None, "None does not fit the type INT NOT NULL"),
        (DataTypes.VARCHAR(3), "abcd", r"the length 4 of 'abcd' does not fit VARCHAR\(3\)"),
        (DataTypes.CHAR(3), "ab", r"the length 2 of 'ab' does not fit CHAR\(3\)"),
        (DataTypes.VARBINARY(1), b"ab", r"the length 2 of b'ab' does not fit VARBINARY\(1\)"),
        (DataTypes.ARRAY(DataTypes.SMALLINT()), [1, 40000], "40000 is out of the range"),
        (DataTypes.MAP(DataTypes.STRING(), DataTypes.INT()), {"k": 2**31}, "out of the range"),
        (one_column(DataTypes.CHAR(1)), ("xy",), "field 'a': the length 2"),
        (one_column(DataTypes.CHAR(1)), ("x", "y"), "has 2 values, its type has 1 fields"),
    ],
)
def test_what_is_too_large_or_null_is_a_value_error(
    env: TableEnvironment, data_type: Any, value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=f"column 'a', row 1: .*{message}"):
        env.from_elements([(_fitting(data_type),), (value,)], one_column(data_type))


def _fitting(data_type: Any) -> Any:
    if data_type == DataTypes.CHAR(3):
        return "abc"
    return None if data_type.is_nullable() else 1


def test_a_value_of_another_kind_is_a_type_error(env: TableEnvironment) -> None:
    for data_type, value in [
        (DataTypes.INT(), True),
        (DataTypes.INT(), "1"),
        (DataTypes.STRING(), 1),
        (DataTypes.BOOLEAN(), 1),
    ]:
        with pytest.raises(TypeError, match=r"column 'a', row 0: .* does not fit the type"):
            env.from_elements([(value,)], one_column(data_type))


def test_an_element_has_as_many_values_as_columns(env: TableEnvironment) -> None:
    with pytest.raises(ValueError, match="has 2 values, the schema has 1 columns"):
        env.from_elements([(1, 2)], one_column(DataTypes.INT()))


def test_without_verification_anything_may_stand_for_a_text(env: TableEnvironment) -> None:
    table = env.from_elements([(1,), (None,)], one_column(DataTypes.VARCHAR(1)), False)  # noqa: FBT003
    assert rows(table) == [("1",), (None,)]


def test_elements_may_be_expressions(env: TableEnvironment) -> None:
    schema = DataTypes.ROW(
        [DataTypes.FIELD("n", DataTypes.SMALLINT()), DataTypes.FIELD("s", DataTypes.STRING())]
    )
    elements = [row(1, "a"), row(lit(1) + 1, null_of(DataTypes.STRING()))]
    table = env.from_elements(elements, schema)
    types = [data_type.nullable() for data_type in table.get_schema().get_field_data_types()]
    assert types == schema.field_types()
    assert rows(table) == [(1, "a"), (2, None)]
    assert env.from_elements(elements).get_schema().get_field_names() == ["f0", "f1"]
    assert rows(env.from_elements([lit(1), lit(2)])) == [(1,), (2,)]
    with pytest.raises(ValueError, match="either all elements are expressions or none"):
        env.from_elements([row(1), (1,)])
    with pytest.raises(ValueError, match="a row of 1 values does not fit 2 columns"):
        env.from_elements([row(1)], schema)


def test_pandas_is_asked_for_by_name(env: TableEnvironment) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(TypeError, match=r"takes a pandas.DataFrame, not list"):
        env.from_pandas([1, 2])
