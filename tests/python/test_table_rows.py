"""Rows behave as PyFlink's."""

from __future__ import annotations

import pickle

import pytest
from tidemill.common import Row, RowKind


def test_values_by_position_and_by_name() -> None:
    assert list(Row(1, "x")) == [1, "x"]
    row = Row(id=1, name="x")
    assert (row.id, row["name"], row[0]) == (1, "x", 1)


def test_a_row_of_names_makes_rows() -> None:
    person = Row("id", "name")
    assert person(1, "x").as_dict() == {"id": 1, "name": "x"}


def test_positions_and_names_do_not_mix() -> None:
    with pytest.raises(ValueError, match="both args and kwargs"):
        Row(1, name="x")


def test_kinds_are_part_of_equality() -> None:
    assert Row(1) == Row(1)
    assert Row.of_kind(RowKind.DELETE, 1) != Row(1)
    assert str(Row.of_kind(RowKind.UPDATE_BEFORE, 1).get_row_kind()) == "-U"


def test_as_dict_needs_names_and_can_go_deeper() -> None:
    with pytest.raises(TypeError, match="without field names"):
        Row(1).as_dict()
    row = Row(a=Row(b=1), c=[Row(d=2)])
    assert row.as_dict(recursive=True) == {"a": {"b": 1}, "c": [{"d": 2}]}


def test_an_unknown_field_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no field 'x', its fields are \[a, b\]"):
        _ = Row(a=1, b=2).x


def test_text_and_pickle() -> None:
    row = Row.of_kind(RowKind.UPDATE_AFTER, id=1, name="x")
    assert repr(row) == "Row(id=1, name='x')"
    assert pickle.loads(pickle.dumps(row)) == row  # noqa: S301 - our own bytes
