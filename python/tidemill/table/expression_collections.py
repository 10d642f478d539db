"""More methods of `Expression` by family: arrays and maps, hashes and codes, further text.

As in `expression_functions`, each is one call of the SQL function that its docstring names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.table.expression_functions import CallableNode

if TYPE_CHECKING:
    from tidemill.table.expression import Expression

__all__ = ["CodeFunctions", "CollectionFunctions", "MoreStringFunctions"]


class CollectionFunctions(CallableNode):
    """Functions of arrays and maps."""

    def array_append(self, addition: Any) -> Expression:
        """ARRAY_APPEND."""
        return self._call("ARRAY_APPEND", addition)

    def array_concat(self, *arrays: Any) -> Expression:
        """ARRAY_CONCAT."""
        return self._call("ARRAY_CONCAT", *arrays)

    def array_contains(self, needle: Any) -> Expression:
        """ARRAY_CONTAINS."""
        return self._call("ARRAY_CONTAINS", needle)

    def array_distinct(self) -> Expression:
        """ARRAY_DISTINCT."""
        return self._call("ARRAY_DISTINCT")

    def array_except(self, array: Any) -> Expression:
        """ARRAY_EXCEPT."""
        return self._call("ARRAY_EXCEPT", array)

    def array_intersect(self, array: Any) -> Expression:
        """ARRAY_INTERSECT."""
        return self._call("ARRAY_INTERSECT", array)

    def array_join(self, delimiter: Any, null_replacement: Any = None) -> Expression:
        """ARRAY_JOIN."""
        return self._call("ARRAY_JOIN", delimiter, *_given(null_replacement))

    def array_max(self) -> Expression:
        """ARRAY_MAX."""
        return self._call("ARRAY_MAX")

    def array_min(self) -> Expression:
        """ARRAY_MIN."""
        return self._call("ARRAY_MIN")

    def array_position(self, needle: Any) -> Expression:
        """ARRAY_POSITION, counting from 1; 0 if it is not in."""
        return self._call("ARRAY_POSITION", needle)

    def array_prepend(self, addition: Any) -> Expression:
        """ARRAY_PREPEND."""
        return self._call("ARRAY_PREPEND", addition)

    def array_remove(self, needle: Any) -> Expression:
        """ARRAY_REMOVE."""
        return self._call("ARRAY_REMOVE", needle)

    def array_reverse(self) -> Expression:
        """ARRAY_REVERSE."""
        return self._call("ARRAY_REVERSE")

    def array_slice(self, start_offset: Any, end_offset: Any = None) -> Expression:
        """ARRAY_SLICE."""
        return self._call("ARRAY_SLICE", start_offset, *_given(end_offset))

    def array_sort(self, ascending_order: Any = None, null_first: Any = None) -> Expression:
        """ARRAY_SORT."""
        return self._call("ARRAY_SORT", *_given(ascending_order), *_given(null_first))

    def array_union(self, array: Any) -> Expression:
        """ARRAY_UNION."""
        return self._call("ARRAY_UNION", array)

    @property
    def element(self) -> Expression:
        """ELEMENT: the only element of an array."""
        return self._call("ELEMENT")

    @property
    def map_entries(self) -> Expression:
        """MAP_ENTRIES."""
        return self._call("MAP_ENTRIES")

    @property
    def map_keys(self) -> Expression:
        """MAP_KEYS."""
        return self._call("MAP_KEYS")

    @property
    def map_values(self) -> Expression:
        """MAP_VALUES."""
        return self._call("MAP_VALUES")

    def map_union(self, *maps: Any) -> Expression:
        """MAP_UNION."""
        return self._call("MAP_UNION", *maps)


class CodeFunctions(CallableNode):
    """Hashes, encodings and addresses."""

    @property
    def sha1(self) -> Expression:
        """SHA1."""
        return self._call("SHA1")

    @property
    def sha224(self) -> Expression:
        """SHA224."""
        return self._call("SHA224")

    @property
    def sha384(self) -> Expression:
        """SHA384."""
        return self._call("SHA384")

    @property
    def sha512(self) -> Expression:
        """SHA512."""
        return self._call("SHA512")

    def sha2(self, hash_length: Any) -> Expression:
        """SHA2."""
        return self._call("SHA2", hash_length)

    @property
    def unhex(self) -> Expression:
        """UNHEX."""
        return self._call("UNHEX")

    @property
    def chr(self) -> Expression:
        """CHR."""
        return self._call("CHR")

    def url_decode(self) -> Expression:
        """URL_DECODE."""
        return self._call("URL_DECODE")

    def url_encode(self) -> Expression:
        """URL_ENCODE."""
        return self._call("URL_ENCODE")

    def parse_url(self, part_to_extract: Any, key: Any = None) -> Expression:
        """PARSE_URL."""
        return self._call("PARSE_URL", part_to_extract, *_given(key))

    def json_quote(self) -> Expression:
        """JSON_QUOTE."""
        return self._call("JSON_QUOTE")

    def json_unquote(self) -> Expression:
        """JSON_UNQUOTE."""
        return self._call("JSON_UNQUOTE")

    def inet_aton(self) -> Expression:
        """INET_ATON."""
        return self._call("INET_ATON")

    def inet_ntoa(self) -> Expression:
        """INET_NTOA."""
        return self._call("INET_NTOA")


class MoreStringFunctions(CallableNode):
    """Functions of text that are used less often."""

    def btrim(self, trim_str: Any = None) -> Expression:
        """BTRIM."""
        return self._call("BTRIM", *_given(trim_str))

    def elt(self, expr: Any, *exprs: Any) -> Expression:
        """ELT."""
        return self._call("ELT", expr, *exprs)

    def locate(self, s: Any, pos: Any = None) -> Expression:
        """LOCATE."""
        return self._call("LOCATE", s, *_given(pos))

    def overlay(self, new_string: Any, starting: Any, length: Any = None) -> Expression:
        """OVERLAY."""
        if length is None:
            return self._call("overlay", new_string, starting)
        return self._call("overlayFor", new_string, starting, length)

    def printf(self, *obj: Any) -> Expression:
        """PRINTF."""
        return self._call("PRINTF", *obj)

    def regexp_count(self, regex: Any) -> Expression:
        """REGEXP_COUNT."""
        return self._call("REGEXP_COUNT", regex)

    def regexp_extract_all(self, regex: Any, extract_index: Any = None) -> Expression:
        """REGEXP_EXTRACT_ALL."""
        return self._call("REGEXP_EXTRACT_ALL", regex, *_given(extract_index))

    def regexp_instr(self, regex: Any) -> Expression:
        """REGEXP_INSTR."""
        return self._call("REGEXP_INSTR", regex)

    def regexp_substr(self, regex: Any) -> Expression:
        """REGEXP_SUBSTR."""
        return self._call("REGEXP_SUBSTR", regex)

    def split(self, delimiter: Any) -> Expression:
        """SPLIT."""
        return self._call("SPLIT", delimiter)

    def str_to_map(self, list_delimiter: Any = None, key_value_delimiter: Any = None) -> Expression:
        """STR_TO_MAP."""
        return self._call("STR_TO_MAP", *_given(list_delimiter), *_given(key_value_delimiter))

    def translate(self, from_str: Any, to_str: Any) -> Expression:
        """TRANSLATE."""
        return self._call("TRANSLATE", from_str, to_str)


def _given(value: Any) -> tuple[Any, ...]:
    return () if value is None else (value,)
