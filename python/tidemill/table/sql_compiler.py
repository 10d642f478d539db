"""The one place where the Table API becomes SQL text.

```text
  Expression nodes ──compile_node──┐
                                   ├──▶ Flink SQL text ──▶ the session
  relations (operations.py) ───────┘
```

Every operator is parenthesized, identifiers are always quoted: the text is for the parser and
for EXPLAIN, and it must mean the same wherever it runs. Functions that were defined in Python and
have no name yet get one from the `functions` argument.
"""

from __future__ import annotations

# ruff: noqa: S608 - making SQL text is the purpose; names and literals are quoted
from typing import TYPE_CHECKING, TypeAlias

from tidemill.table.expression_nodes import (
    Alias,
    Call,
    Column,
    Field,
    FunctionCall,
    Keyword,
    Literal,
    Node,
    OverCall,
    SqlText,
    SubQuery,
    TypeLiteral,
    children,
)
from tidemill.table.operations import (
    Aggregate,
    Distinct,
    Filter,
    Join,
    Lateral,
    Limit,
    OrderBy,
    Project,
    Query,
    Relation,
    Scan,
    SetOperation,
)
from tidemill.table.sql_text import constant, quote_identifier, quote_path
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidemill.table.composite_types import RowType
    from tidemill.table.expression import Expression
    from tidemill.table.udf import UserDefinedFunctionWrapper

    FunctionNames: TypeAlias = Callable[[UserDefinedFunctionWrapper], str]

__all__ = [
    "AGGREGATES",
    "compile_expression",
    "compile_node",
    "compile_relation",
    "compile_values",
    "contains_aggregate",
    "is_aggregate",
]

_INFIX = {
    "plus": "+",
    "minus": "-",
    "times": "*",
    "divide": "/",
    "mod": "%",
    "equals": "=",
    "notEquals": "<>",
    "greaterThan": ">",
    "greaterThanOrEqual": ">=",
    "lessThan": "<",
    "lessThanOrEqual": "<=",
    "and": "AND",
    "or": "OR",
}
_POSTFIX = {
    "isNull": "IS NULL",
    "isNotNull": "IS NOT NULL",
    "isTrue": "IS TRUE",
    "isFalse": "IS FALSE",
    "isNotTrue": "IS NOT TRUE",
    "isNotFalse": "IS NOT FALSE",
    "asc": "ASC",
    "desc": "DESC",
}
AGGREGATES = {
    "count": "COUNT",
    "sum": "SUM",
    "sum0": "SUM",
    "avg": "AVG",
    "min": "MIN",
    "max": "MAX",
    "stddevPop": "STDDEV_POP",
    "stddevSamp": "STDDEV_SAMP",
    "varPop": "VAR_POP",
    "varSamp": "VAR_SAMP",
    "collect": "COLLECT",
    "firstValue": "FIRST_VALUE",
    "lastValue": "LAST_VALUE",
    "listAgg": "LISTAGG",
    "arrayAgg": "ARRAY_AGG",
    "percentile": "PERCENTILE",
    "jsonObjectAgg": "JSON_OBJECTAGG",
    "jsonArrayAgg": "JSON_ARRAYAGG",
    "bitmapBuildAgg": "BITMAP_BUILD_AGG",
    "bitmapBuildCardinalityAgg": "BITMAP_BUILD_CARDINALITY_AGG",
    "bitmapAndAgg": "BITMAP_AND_AGG",
    "bitmapAndCardinalityAgg": "BITMAP_AND_CARDINALITY_AGG",
    "bitmapOrAgg": "BITMAP_OR_AGG",
    "bitmapOrCardinalityAgg": "BITMAP_OR_CARDINALITY_AGG",
    "bitmapXorAgg": "BITMAP_XOR_AGG",
    "bitmapXorCardinalityAgg": "BITMAP_XOR_CARDINALITY_AGG",
}
# What a registered name can call that makes one row of many.
_AGGREGATE_NAMES = frozenset(AGGREGATES.values()) | {"VARIANCE", "APPROX_COUNT_DISTINCT"}
# Functions that only an over window gives a meaning, and that take no frame.
_NAVIGATION = {"lag": "LAG", "lead": "LEAD"}
# Calls that a table's operation takes apart before they get here.
_UNRESOLVED = {
    "over": "an over window, see Table.over_window",
    "windowStart": "the start of a window, see Table.window",
    "windowEnd": "the end of a window, see Table.window",
    "rowtime": "the row time of a window, see Table.window",
    "proctime": "the processing time of a window, see Table.window",
    "withColumns": "a list of columns",
    "withoutColumns": "a list of columns",
    "rangeTo": "a range of columns",
    "flatten": "a row taken apart",
    "getAt": "a field by its position",
    "rowInterval": "a number of rows",
    "currentRow": "the bound of an over window",
    "currentRange": "the bound of an over window",
    "unboundedRow": "the bound of an over window",
    "unboundedRange": "the bound of an over window",
}
# Shapes that are neither operators nor plain calls; `{0}` is the first argument.
_TEMPLATES = {
    "not": "(NOT {0})",
    "minusPrefix": "(-{0})",
    "cast": "CAST({0} AS {1})",
    "tryCast": "TRY_CAST({0} AS {1})",
    "ifThenElse": "CASE WHEN {0} THEN {1} ELSE {2} END",
    "between": "({0} BETWEEN {1} AND {2})",
    "notBetween": "({0} NOT BETWEEN {1} AND {2})",
    "like": "({0} LIKE {1})",
    "likeEscape": "({0} LIKE {1} ESCAPE {2})",
    "similar": "({0} SIMILAR TO {1})",
    "at": "{0}[{1}]",
    "trimBoth": "TRIM(BOTH {1} FROM {0})",
    "trimLeading": "TRIM(LEADING {1} FROM {0})",
    "trimTrailing": "TRIM(TRAILING {1} FROM {0})",
    "get": "{0}.{1}",
    "overlay": "OVERLAY({0} PLACING {1} FROM {2})",
    "overlayFor": "OVERLAY({0} PLACING {1} FROM {2} FOR {3})",
    "extract": "EXTRACT({1} FROM {0})",
    "floorTo": "FLOOR({0} TO {1})",
    "ceilTo": "CEIL({0} TO {1})",
    "position": "POSITION({0} IN {1})",
    "toDate": "CAST({0} AS DATE)",
    "toTime": "CAST({0} AS TIME)",
    "toTimestamp": "CAST({0} AS TIMESTAMP(3))",
    "sum0": "COALESCE(SUM({0}), 0)",
    "isJson": "({0} {1})",
    "asArgument": "{1} => {0}",
    "temporalOverlaps": "(({0}, {1}) OVERLAPS ({2}, {3}))",
    "jsonObjectAgg": "JSON_OBJECTAGG(KEY {1} VALUE {2} {0})",
    "jsonArrayAgg": "JSON_ARRAYAGG({1} {0})",
}
_NO_PARENTHESES = {
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
}


def compile_expression(expression: Expression, functions: FunctionNames | None = None) -> str:
    """Write an expression.

    Parameters
    ----------
    expression
        The expression.
    functions
        Gives the session's name of a Python function. Without it such calls are refused.

    Raises
    ------
    ValidationException
        If a literal or a call cannot be written in SQL.
    """
    return compile_node(expression.node, functions)


def compile_node(node: Node, functions: FunctionNames | None = None) -> str:
    """Write a node; see `compile_expression`."""
    if isinstance(node, Alias):
        if len(node.names) != 1:
            msg = f"an expression with several names, {node}, needs a table function"
            raise ValidationException(msg)
        return f"{compile_node(node.expression, functions)} AS {quote_identifier(node.names[0])}"
    if isinstance(node, OverCall):
        return _over(node, functions)
    if isinstance(node, SubQuery):
        return f"({compile_relation(node.relation, functions)})"
    if not isinstance(node, Call | FunctionCall):
        return _leaf(node)
    arguments = [compile_node(argument, functions) for argument in node.arguments]
    if isinstance(node, Call):
        return _call(node, arguments)
    if functions is None:
        msg = f"function '{node.function.name}' cannot be called here: register it first"
        raise ValidationException(msg)
    return f"{quote_identifier(functions(node.function))}({', '.join(arguments)})"


def compile_relation(  # noqa: C901, PLR0911 - one return a relation
    relation: Relation, functions: FunctionNames | None
) -> str:
    """Write a tree of operations as one query.

    Parameters
    ----------
    relation
        The tree.
    functions
        Gives the session's name of a Python function.

    Raises
    ------
    ValidationException
        As `compile_expression`.
    """
    if isinstance(relation, Scan):
        return f"SELECT * FROM {relation.path}"
    if isinstance(relation, Query):
        return relation.sql
    if isinstance(relation, SetOperation):
        left = compile_relation(relation.left, functions)
        right = compile_relation(relation.right, functions)
        return f"({left}) {relation.operator} ({right})"
    if isinstance(relation, Distinct):
        return f"SELECT DISTINCT * FROM {_from(relation.input, functions)}"
    if isinstance(relation, Join):
        return _join(relation, functions)
    if isinstance(relation, Lateral):
        return _lateral(relation, functions)
    if isinstance(relation, OrderBy | Limit):
        return _ordered(relation, functions)
    columns, keys = "*", ""
    source: Relation = relation
    if isinstance(source, Project | Aggregate):
        columns = ", ".join(compile_node(node, functions) for node in source.expressions)
        if isinstance(source, Aggregate) and source.keys:
            keys = " GROUP BY " + ", ".join(compile_node(key, functions) for key in source.keys)
        source = source.input
    where = ""
    if isinstance(source, Filter):
        where = f" WHERE {compile_node(source.predicate, functions)}"
        source = source.input
    return f"SELECT {columns} FROM {_from(source, functions)}{where}{keys}"


def compile_values(
    elements: Sequence[Node], row_type: RowType | None, functions: FunctionNames | None
) -> str:
    """Write rows that are given as expressions: the parts of each ``row(…)``, or one value a row.

    Raises
    ------
    ValueError
        If a row has not as many parts as the first, or as `row_type` has fields.
    """
    rows = [
        element.arguments if isinstance(element, Call) and element.name == "ROW" else (element,)
        for element in elements
    ]
    names = [f"f{idx}" for idx in range(len(rows[0]))]
    types = None
    if row_type is not None:
        names = row_type.field_names()
        types = [field.data_type.nullable().as_serializable_string() for field in row_type]
    lines = []
    for row in rows:
        if len(row) != len(names):
            msg = f"a row of {len(row)} values does not fit {len(names)} columns"
            raise ValueError(msg)
        cells = [compile_node(part, functions) for part in row]
        if types is not None:
            pairs = zip(cells, types, strict=True)
            cells = [f"CAST({cell} AS {data_type})" for cell, data_type in pairs]
        lines.append(f"({', '.join(cells)})")
    columns = ", ".join(map(quote_identifier, names))
    return f"SELECT * FROM (VALUES {', '.join(lines)}) AS `values`({columns})"


def contains_aggregate(node: Node) -> bool:
    """Tell whether an aggregate function is called in the node, outside of an over window."""
    if isinstance(node, OverCall):
        return False
    return is_aggregate(node) or any(map(contains_aggregate, children(node)))


def is_aggregate(node: Node) -> bool:
    """Tell whether the node itself is a call of an aggregate function."""
    if isinstance(node, FunctionCall):
        return node.function.kind in ("aggregate", "table_aggregate")
    if not isinstance(node, Call):
        return False
    if node.name == "distinct":
        return is_aggregate(node.arguments[0])
    if node.registered:
        return node.name.upper() in _AGGREGATE_NAMES
    return node.name in AGGREGATES


def _leaf(node: Column | Literal | TypeLiteral | SqlText | Keyword | Field) -> str:
    if isinstance(node, Column):
        return "*" if node.name == "*" else quote_identifier(node.name)
    if isinstance(node, Literal):
        return _literal(node)
    if isinstance(node, SqlText):
        return f"({node.text})"
    if isinstance(node, Keyword):
        return node.word
    if isinstance(node, Field):
        return quote_identifier(node.name)
    return node.data_type.as_serializable_string().removesuffix(" NOT NULL")


def _from(relation: Relation, functions: FunctionNames | None) -> str:
    if isinstance(relation, Scan):
        return relation.path
    return f"({compile_relation(relation, functions)})"


def _join(join: Join, functions: FunctionNames | None) -> str:
    left, right = _from(join.left, functions), _from(join.right, functions)
    if join.predicate is None:
        return f"SELECT * FROM {left} CROSS JOIN {right}"
    condition = compile_node(join.predicate, functions)
    return f"SELECT * FROM {left} {join.kind} JOIN {right} ON {condition}"


def _lateral(lateral: Lateral, functions: FunctionNames | None) -> str:
    source = _from(lateral.input, functions)
    call = compile_node(lateral.call, functions)
    names = ", ".join(map(quote_identifier, lateral.names))
    is_array = isinstance(lateral.call, Column)  # what a table aggregate function gave
    function = f"LATERAL TABLE({f'__rows_of_group({call})' if is_array else call})"
    table = f"{function} AS {quote_identifier('T$')}" + (f"({names})" if names else "")
    if lateral.kind == "INNER" and lateral.predicate is None:
        return f"SELECT * FROM {source} CROSS JOIN {table}"
    condition = "TRUE"
    if lateral.predicate is not None:
        condition = compile_node(lateral.predicate, functions)
    return f"SELECT * FROM {source} {lateral.kind} JOIN {table} ON {condition}"


def _ordered(relation: OrderBy | Limit, functions: FunctionNames | None) -> str:
    # ORDER BY and LIMIT stand in one SELECT: an order inside of a subquery means nothing in SQL.
    limit = ""
    source: Relation = relation
    if isinstance(source, Limit):
        if source.fetch is not None:
            limit += f" LIMIT {source.fetch}"
        if source.offset:
            limit += f" OFFSET {source.offset}"
        source = source.input
    order = ""
    if isinstance(source, OrderBy):
        order = " ORDER BY " + ", ".join(compile_node(key, functions) for key in source.keys)
        source = source.input
    return f"SELECT * FROM {_from(source, functions)}{order}{limit}"


def _over(over: OverCall, functions: FunctionNames | None) -> str:
    parts: list[str] = []
    if over.partition_by:
        keys = ", ".join(compile_node(key, functions) for key in over.partition_by)
        parts.append(f"PARTITION BY {keys}")
    if over.order_by is not None:
        parts.append(f"ORDER BY {compile_node(over.order_by, functions)}")
    aggregate = over.aggregate
    if not (isinstance(aggregate, Call) and aggregate.name in _NAVIGATION):
        parts.append(_frame(over))
    return f"{compile_node(aggregate, functions)} OVER ({' '.join(parts)})"


def _frame(over: OverCall) -> str:
    in_rows = _counts_rows(over.preceding)
    start = _bound(over.preceding, "PRECEDING")
    end = "CURRENT ROW"
    if over.following is not None:
        if in_rows != _counts_rows(over.following):
            msg = "the bounds of an over window are both rows or both times"
            raise ValidationException(msg)
        end = _bound(over.following, "FOLLOWING")
    return f"{'ROWS' if in_rows else 'RANGE'} BETWEEN {start} AND {end}"


def _counts_rows(bound: Node) -> bool:
    if isinstance(bound, Call):
        return bound.name in ("rowInterval", "currentRow", "unboundedRow")
    return isinstance(bound, Literal) and isinstance(bound.value, int)


def _bound(bound: Node, side: str) -> str:
    if isinstance(bound, Call) and bound.name in ("unboundedRow", "unboundedRange"):
        return f"UNBOUNDED {side}"
    if isinstance(bound, Call) and bound.name in ("currentRow", "currentRange"):
        return "CURRENT ROW"
    if isinstance(bound, Call) and bound.name == "rowInterval":
        bound = bound.arguments[0]
    if not isinstance(bound, Literal | SqlText):
        msg = f"an over window needs literal or unbounded bounds, not {bound}"
        raise ValidationException(msg)
    text = str(bound.value) if isinstance(bound, Literal) and isinstance(bound.value, int) else ""
    return f"{text or compile_node(bound)} {side}"


def _call(node: Call, arguments: list[str]) -> str:  # noqa: C901, PLR0911 - one return a shape
    name = node.name
    if node.registered:
        return f"{quote_path(name)}({', '.join(arguments)})"
    if name in _INFIX:
        return "(" + f" {_INFIX[name]} ".join(arguments) + ")"
    if name in ("asc", "desc"):
        return f"{arguments[0]} {_POSTFIX[name]}"
    if name in _POSTFIX:
        return f"({arguments[0]} {_POSTFIX[name]})"
    if name in _TEMPLATES:
        return _TEMPLATES[name].format(*arguments)
    if name == "in":
        values = ", ".join(arguments[1:])
        is_query = isinstance(node.arguments[1], SubQuery)
        return f"({arguments[0]} IN {values if is_query else f'({values})'})"
    if name.endswith("[]"):
        return f"{name[:-2]}[{', '.join(arguments)}]"
    if name.endswith("()"):
        return f"{name[:-2]}({arguments[0]}, {' '.join(arguments[1:])})"
    if name in ("jsonObject", "jsonArray"):
        return _json_constructor(name, arguments)
    if name == "distinct":
        return _distinct(node, arguments[0])
    if name in _UNRESOLVED:
        msg = f"{node} means nothing here: it is {_UNRESOLVED[name]}"
        raise ValidationException(msg)
    sql_name = AGGREGATES.get(name) or _NAVIGATION.get(name, name)
    if not arguments and sql_name in _NO_PARENTHESES:
        return sql_name
    return f"{sql_name}({', '.join(arguments)})"


def _json_constructor(name: str, arguments: list[str]) -> str:
    on_null, *values = arguments
    sql_name = "JSON_ARRAY" if name == "jsonArray" else "JSON_OBJECT"
    if not values:
        return f"{sql_name}()"
    if name == "jsonObject":
        pairs = zip(values[::2], values[1::2], strict=True)
        values = [f"KEY {key} VALUE {value}" for key, value in pairs]
    return f"{sql_name}({', '.join(values)} {on_null})"


def _distinct(node: Call, aggregate: str) -> str:
    inner = node.arguments[0]
    if not is_aggregate(inner) or "(" not in aggregate:
        msg = f"{node}: distinct applies to an aggregate function"
        raise ValidationException(msg)
    if isinstance(inner, Call) and inner.name == "sum0":
        return aggregate.replace("SUM(", "SUM(DISTINCT ", 1)
    name, arguments = aggregate.split("(", 1)
    return f"{name}(DISTINCT {arguments}"


def _literal(node: Literal) -> str:
    if node.data_type is not None:
        target = node.data_type.as_serializable_string().removesuffix(" NOT NULL")
        return f"CAST({constant(node.value)} AS {target})"
    if node.value is None:
        msg = "a NULL literal needs a type: use null_of(data_type)"
        raise ValidationException(msg)
    return constant(node.value)
