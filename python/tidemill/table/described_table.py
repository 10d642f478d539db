"""The resolved schema of a table of a catalog, of the rows that DESCRIBE gives of it.

A query has columns alone; a table also has what makes it: expressions, metadata, watermark, key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tidemill.table.catalog_schema import Column, ResolvedSchema, UniqueConstraint, WatermarkSpec
from tidemill.table.resolved_expression import ResolvedExpression
from tidemill.table.type_parser import parse_data_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["resolved_schema"]

_METADATA_KEY = re.compile(r"FROM '((?:[^']|'')*)'")


def resolved_schema(rows: Iterable[Sequence[Any]]) -> ResolvedSchema:
    """Make the schema of the rows of DESCRIBE.

    Parameters
    ----------
    rows
        Name, type, null, key, extras, watermark, and a comment if a column has one.
    """
    columns: list[Column] = []
    watermarks: list[WatermarkSpec] = []
    keys: list[str] = []
    for name, type_text, is_nullable, key, source, watermark, *comment in rows:
        text, _, attribute = str(type_text).partition(" *")
        data_type = parse_data_type(text)
        if not is_nullable:
            data_type = data_type.not_null()
        extras = str(source or "")
        if extras.startswith("AS "):
            expression = ResolvedExpression(extras.removeprefix("AS "), data_type)
            column: Column = Column.computed(name, expression)
        elif extras.startswith("METADATA"):
            found = _METADATA_KEY.search(extras)
            metadata_key = found[1].replace("''", "'") if found else None
            column = Column.metadata(name, data_type, metadata_key, extras.endswith("VIRTUAL"))
        else:
            column = Column.physical(name, data_type)
        if attribute:
            column = column.as_time_attribute(attribute.rstrip("*"))
        if comment and comment[0]:
            column = column.with_comment(comment[0])
        columns.append(column)
        if watermark:
            watermarks.append(WatermarkSpec.of(name, ResolvedExpression(watermark, data_type)))
        if str(key or "").startswith("PRI"):
            keys.append(name)
    constraint = UniqueConstraint.primary_key(f"PK_{'_'.join(keys)}", keys) if keys else None
    return ResolvedSchema(columns, watermarks, constraint)
