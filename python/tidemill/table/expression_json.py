"""Methods of `Expression` on JSON texts and on bitmaps.

The options of the JSON functions are words in SQL (``NULL ON EMPTY``); they become `Keyword`
arguments behind the plain ones, which `sql_compiler` writes without commas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.table.expression_functions import CallableNode
from tidemill.table.expression_nodes import Keyword
from tidemill.table.expression_units import (
    JsonExistsOnError,
    JsonQueryOnEmptyOrError,
    JsonQueryWrapper,
    JsonType,
    JsonValueOnEmptyOrError,
)
from tidemill.table.logical_types import DataType, VarCharType

if TYPE_CHECKING:
    from tidemill.table.expression import Expression

__all__ = ["BitmapFunctions", "JsonFunctions"]

_WRAPPERS = {
    JsonQueryWrapper.WITHOUT_ARRAY: "WITHOUT ARRAY WRAPPER",
    JsonQueryWrapper.CONDITIONAL_ARRAY: "WITH CONDITIONAL ARRAY WRAPPER",
    JsonQueryWrapper.UNCONDITIONAL_ARRAY: "WITH UNCONDITIONAL ARRAY WRAPPER",
}


class JsonFunctions(CallableNode):
    """Functions of JSON texts."""

    def is_json(self, json_type: JsonType | None = None) -> Expression:
        """IS JSON, with the kind of value if one is given."""
        words = "IS JSON" if json_type is None else f"IS JSON {json_type.name}"
        return self._call("isJson", _word(words))

    def json_exists(self, path: str, on_error: JsonExistsOnError | None = None) -> Expression:
        """JSON_EXISTS."""
        words = [] if on_error is None else [_word(f"{on_error.name} ON ERROR")]
        return self._call("JSON_EXISTS()", path, *words)

    def json_value(
        self,
        path: str,
        returning_type: DataType | None = None,
        on_empty: JsonValueOnEmptyOrError = JsonValueOnEmptyOrError.NULL,
        default_on_empty: Any = None,
        on_error: JsonValueOnEmptyOrError = JsonValueOnEmptyOrError.NULL,
        default_on_error: Any = None,
    ) -> Expression:
        """JSON_VALUE, as text if no type is given."""
        result = VarCharType() if returning_type is None else returning_type
        words = [_word(f"RETURNING {result.as_serializable_string().removesuffix(' NOT NULL')}")]
        for behavior, default, event in (
            (on_empty, default_on_empty, "EMPTY"),
            (on_error, default_on_error, "ERROR"),
        ):
            if behavior is JsonValueOnEmptyOrError.DEFAULT:
                words += [_word("DEFAULT"), default, _word(f"ON {event}")]
            elif behavior is not JsonValueOnEmptyOrError.NULL:
                words.append(_word(f"{behavior.name} ON {event}"))
        return self._call("JSON_VALUE()", path, *words)

    def json_query(
        self,
        path: str,
        wrapping_behavior: JsonQueryWrapper = JsonQueryWrapper.WITHOUT_ARRAY,
        on_empty: JsonQueryOnEmptyOrError = JsonQueryOnEmptyOrError.NULL,
        on_error: JsonQueryOnEmptyOrError = JsonQueryOnEmptyOrError.NULL,
    ) -> Expression:
        """JSON_QUERY."""
        return self._call(
            "JSON_QUERY()",
            path,
            _word(_WRAPPERS[wrapping_behavior]),
            _word(f"{on_empty.name.replace('_', ' ')} ON EMPTY"),
            _word(f"{on_error.name.replace('_', ' ')} ON ERROR"),
        )


class BitmapFunctions(CallableNode):
    """Functions of bitmaps, and the aggregate functions that make them."""

    def bitmap_build(self) -> Expression:
        """BITMAP_BUILD: a bitmap of an array."""
        return self._call("BITMAP_BUILD")

    def bitmap_build_agg(self) -> Expression:
        """BITMAP_BUILD_AGG: a bitmap of the values of a group."""
        return self._call("bitmapBuildAgg")

    def bitmap_build_cardinality_agg(self) -> Expression:
        """BITMAP_BUILD_CARDINALITY_AGG."""
        return self._call("bitmapBuildCardinalityAgg")

    def bitmap_cardinality(self) -> Expression:
        """BITMAP_CARDINALITY."""
        return self._call("BITMAP_CARDINALITY")

    def bitmap_from_bytes(self) -> Expression:
        """BITMAP_FROM_BYTES."""
        return self._call("BITMAP_FROM_BYTES")

    def bitmap_to_array(self) -> Expression:
        """BITMAP_TO_ARRAY."""
        return self._call("BITMAP_TO_ARRAY")

    def bitmap_to_bytes(self) -> Expression:
        """BITMAP_TO_BYTES."""
        return self._call("BITMAP_TO_BYTES")

    def bitmap_to_string(self) -> Expression:
        """BITMAP_TO_STRING."""
        return self._call("BITMAP_TO_STRING")

    def bitmap_and(self, bitmap2: Any) -> Expression:
        """BITMAP_AND."""
        return self._call("BITMAP_AND", bitmap2)

    def bitmap_andnot(self, bitmap2: Any) -> Expression:
        """BITMAP_ANDNOT."""
        return self._call("BITMAP_ANDNOT", bitmap2)

    def bitmap_or(self, bitmap2: Any) -> Expression:
        """BITMAP_OR."""
        return self._call("BITMAP_OR", bitmap2)

    def bitmap_xor(self, bitmap2: Any) -> Expression:
        """BITMAP_XOR."""
        return self._call("BITMAP_XOR", bitmap2)

    def bitmap_and_agg(self) -> Expression:
        """BITMAP_AND_AGG."""
        return self._call("bitmapAndAgg")

    def bitmap_and_cardinality_agg(self) -> Expression:
        """BITMAP_AND_CARDINALITY_AGG."""
        return self._call("bitmapAndCardinalityAgg")

    def bitmap_or_agg(self) -> Expression:
        """BITMAP_OR_AGG."""
        return self._call("bitmapOrAgg")

    def bitmap_or_cardinality_agg(self) -> Expression:
        """BITMAP_OR_CARDINALITY_AGG."""
        return self._call("bitmapOrCardinalityAgg")

    def bitmap_xor_agg(self) -> Expression:
        """BITMAP_XOR_AGG."""
        return self._call("bitmapXorAgg")

    def bitmap_xor_cardinality_agg(self) -> Expression:
        """BITMAP_XOR_CARDINALITY_AGG."""
        return self._call("bitmapXorCardinalityAgg")


def _word(text: str) -> Any:
    from tidemill.table.expression import Expression  # noqa: PLC0415 - the two files need each other

    return Expression(Keyword(text))
