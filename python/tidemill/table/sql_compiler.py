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
import datetime as dt
import decimal
import math
from typing import TYPE_CHECKING, Any, TypeAlias

from tidemill.table.expression_nodes import (
    Alias,
    Call,
    Column,
    Field,
    FunctionCall,
    Keyword,
    Literal,
    Node,
    SqlText,
    TypeLiteral,
    walk,
)
from tidemill.table.operations import (
    Aggregate,
    Distinct,
    Filter,
    Join,
    Limit,
    OrderBy,
    Project,
    Query,
    Relation,
    Scan,
    SetOperation,
)
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.table.expression import Expression
    from tidemill.table.udf import UserDefinedScalarFunctionWrapper

    FunctionNames: TypeAlias = Callable[[UserDefinedScalarFunctionWrapper], str]

__all__ = [
    "AGGREGATES",
    "compile_expression",
    "compile_node",
    "compile_relation",
    "contains_aggregate",
    "quote_identifier",
    "quote_path",
    "quote_string",
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
}
_NO_PARENTHESES = {
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
}
_INT_MAX = 2**31 - 1
_BIGINT_MAX = 2**63 - 1


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
    if not isinstance(node, Call | FunctionCall):
        return _leaf(node)
    arguments = [compile_node(argument, functions) for argument in node.arguments]
    if isinstance(node, Call):
        return _call(node, arguments)
    if functions is None:
        msg = f"function '{node.function.name}' cannot be called here: register it first"
        raise ValidationException(msg)
    return f"{quote_identifier(functions(node.function))}({', '.join(arguments)})"


def compile_relation(  # noqa: PLR0911 - one return a relation
    relation: Relation, functions: FunctionNames
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


def contains_aggregate(node: Node) -> bool:
    """Tell whether an aggregate function is called somewhere in the node."""
    return any(isinstance(part, Call) and part.name in AGGREGATES for part in walk(node))


def quote_identifier(name: str) -> str:
    """Put a name in back-ticks."""
    return "`" + name.replace("`", "``") + "`"


def quote_path(path: str) -> str:
    """Put each part of a path ``catalog.database.table`` in back-ticks.

    Raises
    ------
    ValidationException
        If a part is empty or back-ticks do not match.
    """
    return ".".join(map(quote_identifier, split_path(path)))


def split_path(path: str) -> list[str]:
    """Split a path at the points outside of back-ticks and remove those; see `quote_path`."""
    parts: list[str] = []
    part, quoted, position = "", False, 0
    while position < len(path):
        character = path[position]
        if character == "`" and quoted and path[position + 1 : position + 2] == "`":
            part += "`"
            position += 1
        elif character == "`":
            quoted = not quoted
        elif character == "." and not quoted:
            parts.append(part.strip())
            part = ""
        else:
            part += character
        position += 1
    parts.append(part.strip())
    if quoted or not all(parts):
        msg = f"'{path}' is not a path like 'table', 'database.table' or 'catalog.database.table'"
        raise ValidationException(msg)
    return parts


def quote_string(text: str) -> str:
    """Write a character literal."""
    return "'" + text.replace("'", "''") + "'"


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


def _from(relation: Relation, functions: FunctionNames) -> str:
    if isinstance(relation, Scan):
        return relation.path
    return f"({compile_relation(relation, functions)})"


def _join(join: Join, functions: FunctionNames) -> str:
    left, right = _from(join.left, functions), _from(join.right, functions)
    if join.predicate is None:
        return f"SELECT * FROM {left} CROSS JOIN {right}"
    condition = compile_node(join.predicate, functions)
    return f"SELECT * FROM {left} {join.kind} JOIN {right} ON {condition}"


def _ordered(relation: OrderBy | Limit, functions: FunctionNames) -> str:
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


def _call(node: Call, arguments: list[str]) -> str:  # noqa: PLR0911 - one return a shape
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
        return f"({arguments[0]} IN ({', '.join(arguments[1:])}))"
    if name.endswith("[]"):
        return f"{name[:-2]}[{', '.join(arguments)}]"
    if name == "distinct":
        return _distinct(node, arguments[0])
    sql_name = AGGREGATES.get(name, name)
    if not arguments and sql_name in _NO_PARENTHESES:
        return sql_name
    return f"{sql_name}({', '.join(arguments)})"


def _distinct(node: Call, aggregate: str) -> str:
    inner = node.arguments[0]
    if not (isinstance(inner, Call) and inner.name in AGGREGATES and inner.name != "sum0"):
        msg = f"{node}: distinct applies to an aggregate function"
        raise ValidationException(msg)
    name, arguments = aggregate.split("(", 1)
    return f"{name}(DISTINCT {arguments}"


def _literal(node: Literal) -> str:
    if node.data_type is not None:
        target = node.data_type.as_serializable_string().removesuffix(" NOT NULL")
        return f"CAST({_constant(node.value)} AS {target})"
    if node.value is None:
        msg = "a NULL literal needs a type: use null_of(data_type)"
        raise ValidationException(msg)
    return _constant(node.value)


def _constant(value: Any) -> str:  # noqa: C901, PLR0911 - one return a type
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, decimal.Decimal):
        text = format(value, "f")
        return text if "." in text else f"{text}."
    if isinstance(value, str):
        return quote_string(value)
    if isinstance(value, bytes | bytearray):
        return f"X'{value.hex()}'"
    if isinstance(value, dt.datetime):
        return f"TIMESTAMP '{value.replace(tzinfo=None).isoformat(sep=' ')}'"
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, dt.time):
        return f"TIME '{value.isoformat()}'"
    if isinstance(value, dt.timedelta):
        return _interval(value)
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(map(_constant, value))}]"
    msg = f"{value!r} of type {type(value).__name__} cannot be a literal"
    raise ValidationException(msg)


def _integer(value: int) -> str:
    if not -_BIGINT_MAX - 1 <= value <= _BIGINT_MAX:
        msg = f"the literal {value} does not fit into BIGINT"
        raise ValidationException(msg)
    if -_INT_MAX - 1 <= value <= _INT_MAX:
        return str(value)
    return f"CAST({value} AS BIGINT)"


def _double(value: float) -> str:
    if not math.isfinite(value):
        # Java's spellings are the ones that CAST reads.
        text = "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        return f"CAST('{text}' AS DOUBLE)"
    text = repr(value)
    return text if "e" in text else f"{text}E0"


def _interval(value: dt.timedelta) -> str:
    sign = "-" if value < dt.timedelta(0) else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    millis = value.microseconds // 1000
    text = f"{value.days} {hours:02d}:{minutes:02d}:{seconds:02d}.{millis:03d}"
    digits = max(2, len(str(value.days)))
    return f"INTERVAL {sign}'{text}' DAY({digits}) TO SECOND(3)"
