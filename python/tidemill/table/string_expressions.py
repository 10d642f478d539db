"""The string expressions of the older Table API: ``"word, count(1) as n"``.

Every operation that takes expressions also takes text, as it did up to release 1.12. The text has
a grammar of its own, which is not SQL: ``&&`` and ``||`` have one precedence, functions can stand
behind their first argument (``a.sum``), ``1.0`` is a DOUBLE and ``===`` compares.

```text
  list       := item ("," item)*
  item       := name "TO" name | number "TO" number | logic ["as" name | "as" "(" name,* ")"]
  logic      := comparison (("&&" | "||") comparison)*
  comparison := term [("==" | "=" | "!=" | "<>" | "<" …) term]
  term       := product (("+" | "-") product)*
  product    := unary (("*" | "/" | "%") unary)*
  unary      := ["!" | "-" | "+"] suffixed ["over" name]
  suffixed   := atom ("." name ["(" … ")"])*
  atom       := "(" logic ")" | number | text | "*" | name | name "(" … ")"
```

Source: the grammar of ``PlannerExpressionParserImpl``, Flink 1.11, as a reader of expressions
sees it. What a name means is in `string_functions`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from tidemill.table import string_functions
from tidemill.table.expression import Expression
from tidemill.table.expression_nodes import Call, Column, Keyword, Literal
from tidemill.table.logical_types import BigIntType, DataType, FloatType
from tidemill.table.string_functions import NotThatMany
from tidemill.util.exceptions import ExpressionParserException

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

__all__ = ["parse_expression", "parse_expressions", "to_expression", "to_expressions"]

_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:[lLpPfFdD](?![A-Za-z0-9_$]))?)"
    r"|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
    r"|(?P<name>[A-Za-z_$\u0080-\uffff][\w$]*)"
    r"|(?P<symbol>===|!==|==|!=|<>|>=|<=|&&|\|\||[-+*/%<>=!().,?])"
    r")"
)
_COMPARISONS = {
    "===": "equals",
    "==": "equals",
    "=": "equals",
    "!==": "notEquals",
    "!=": "notEquals",
    "<>": "notEquals",
    ">": "greaterThan",
    ">=": "greaterThanOrEqual",
    "<": "lessThan",
    "<=": "lessThanOrEqual",
}
_BOUNDS = {
    "current_range": "currentRange",
    "current_row": "currentRow",
    "unbounded_range": "unboundedRange",
    "unbounded_row": "unboundedRow",
}
_WORDS = {"true": True, "false": False}
_MAX_DEPTH = 200


def parse_expressions(text: str, user_functions: Collection[str] = ()) -> list[Expression]:
    """Read a comma-separated list.

    Parameters
    ----------
    text
        The list.
    user_functions
        Names of registered functions, which come before built-in ones.

    Raises
    ------
    ExpressionParserException
        If the text does not follow the grammar; the message has the column and a caret.
    """
    parser = _Parser(text, {name.lower() for name in user_functions})
    return parser.expression_list()


def parse_expression(text: str, user_functions: Collection[str] = ()) -> Expression:
    """Read one expression; see `parse_expressions`."""
    expressions = parse_expressions(text, user_functions)
    if len(expressions) != 1:
        msg = f"one expression is needed, '{text}' has {len(expressions)}"
        raise ExpressionParserException(msg)
    return expressions[0]


def to_expression(value: Any, user_functions: Collection[str] = ()) -> Expression:
    """Take an expression or its text.

    Raises
    ------
    TypeError
        If the value is neither.
    """
    if isinstance(value, Expression):
        return value
    if isinstance(value, str):
        return parse_expression(value, user_functions)
    msg = f"an expression is needed, not {value!r}: use col('name'), lit(value) or text"
    raise TypeError(msg)


def to_expressions(values: Iterable[Any], user_functions: Collection[str] = ()) -> list[Expression]:
    """Take expressions and texts of lists of expressions; see `to_expression`."""
    expressions: list[Expression] = []
    for value in values:
        if isinstance(value, str):
            expressions += parse_expressions(value, user_functions)
        else:
            expressions.append(to_expression(value))
    return expressions


@dataclass(frozen=True)
class _Token:
    kind: str  # number, text, name, symbol or end
    text: str
    position: int


class _Parser:
    """A recursive descent over the tokens of one text."""

    def __init__(self, text: str, user_functions: set[str]) -> None:
        self._text = text
        self._user_functions = user_functions
        self._tokens = self._tokenize()
        self._next = 0
        self._depth = 0

    def expression_list(self) -> list[Expression]:
        expressions = [self._item()]
        while self._accept(","):
            expressions.append(self._item())
        if self._peek().kind != "end":
            self._fail("'.' , an operator, ',' or the end expected")
        return expressions

    # ---- the levels of the grammar, from the loosest ----

    def _item(self) -> Expression:
        bound = self._range() or self._over_constant()
        if bound is not None:
            return bound
        expression = self._logic()
        if self._accept_word("as"):
            return self._alias(expression)
        return expression

    def _range(self) -> Expression | None:
        first, to = self._peek(), self._peek(1)
        if first.kind not in ("name", "number") or to.kind != "name" or to.text.lower() != "to":
            return None
        self._next += 2
        last = self._take(first.kind, f"a {first.kind} expected behind TO")
        values = (first.text, last) if first.kind == "name" else (int(first.text), int(last))
        return Expression(Call("rangeTo", tuple(map(Literal, values))))

    def _over_constant(self) -> Expression | None:
        name = _BOUNDS.get(self._peek().text.lower())
        if name is None or self._peek(1).text not in ("", ","):
            return None
        self._next += 1
        return Expression(Call(name, ()))

    def _alias(self, expression: Expression) -> Expression:
        if not self._accept("("):
            return expression.alias(self._take("name", "a name expected"))
        names = [self._take("name", "a name expected")]
        while self._accept(","):
            names.append(self._take("name", "a name expected"))
        self._expect(")")
        return expression.alias(*names)

    def _logic(self) -> Expression:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail(f"more than {_MAX_DEPTH} expressions inside of one another")
        left = self._comparison()
        while self._peek().text in ("&&", "||"):
            operator = self._advance().text
            right = self._comparison()
            left = left & right if operator == "&&" else left | right
        self._depth -= 1
        return left

    def _comparison(self) -> Expression:
        left = self._term()
        name = _COMPARISONS.get(self._peek().text)
        if name is None or self._peek().kind != "symbol":
            return left
        self._advance()
        return _call(name, left, self._term())

    def _term(self) -> Expression:
        left = self._product()
        while self._peek().kind == "symbol" and self._peek().text in ("+", "-"):
            name = "plus" if self._advance().text == "+" else "minus"
            left = _call(name, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._unary()
        names = {"*": "times", "/": "divide", "%": "mod"}
        while self._peek().kind == "symbol" and self._peek().text in names:
            left = _call(names[self._advance().text], left, self._unary())
        return left

    def _unary(self) -> Expression:
        if self._accept("!"):
            return _call("not", self._composite())
        if self._accept("-"):
            operand = self._composite()
            node = operand.node
            if isinstance(node, Literal) and isinstance(node.value, int | float):
                return Expression(Literal(-node.value, node.data_type))
            return _call("minusPrefix", operand)
        self._accept("+")
        return self._composite()

    def _composite(self) -> Expression:
        expression = self._suffixed()
        if self._accept_word("over"):
            return expression.over(Expression(Column(self._take("name", "a window expected"))))
        return expression

    def _suffixed(self) -> Expression:
        expression = self._atom()
        while self._accept("."):
            token = self._peek()
            if token.text == "?":
                name = self._advance().text
            else:
                name = self._take("name", "the name of a function expected behind '.'")
            has_arguments = self._accept("(")
            arguments = self._arguments() if has_arguments else []
            if arguments and name.lower() == "distinct":
                # `COUNT.distinct(a)`: what stands before the point is the function.
                expression = self._function(token, str(expression.node), arguments).distinct
            else:
                expression = self._function(token, name, [expression, *arguments])
        return expression

    def _atom(self) -> Expression:  # noqa: PLR0911 - one return a kind
        token = self._peek()
        if self._accept("("):
            expression = self._logic()
            self._expect(")")
            return expression
        if self._accept("*"):
            return Expression(Column("*"))
        if token.text == "?" and self._peek(1).text == "(":
            self._next += 2
            return self._function(token, "?", self._arguments())
        if token.kind == "number":
            return Expression(_number(self._advance().text))
        if token.kind == "text":
            quote = token.text[0]
            text = self._advance().text[1:-1].replace(quote * 2, quote)
            return Expression(Literal(text))
        if token.kind != "name":
            self._fail("a column, a literal, a function or '(' expected")
        name = self._advance().text
        if name.lower() in _WORDS and self._peek().text != "(":
            return Expression(Literal(_WORDS[name.lower()]))
        if self._accept("("):
            return self._prefixed(token, name)
        return Expression(Column(name))

    def _prefixed(self, token: _Token, name: str) -> Expression:
        lowered = name.lower()
        if lowered in ("null", "nullof"):
            data_type = self._type()
            self._expect(")")
            return Expression(Literal(None, data_type))
        arguments = self._arguments()
        if lowered == "trim" and arguments and isinstance(arguments[0], Keyword):
            arguments = [arguments[-1], *arguments[:-1]]
        return self._function(token, name, arguments)

    # ---- arguments and names ----

    def _arguments(self) -> list[Any]:
        arguments: list[Any] = []
        if self._accept(")"):
            return arguments
        while True:
            arguments.append(self._argument())
            if not self._accept(","):
                break
        self._expect(")")
        return arguments

    def _argument(self) -> Any:
        token = self._peek()
        if token.kind == "name" and self._peek(1).text in (",", ")"):
            if token.text.upper() in string_functions.WORDS:
                self._advance()
                return Keyword(token.text.upper())
            if token.text.upper() in string_functions.TYPES:
                return self._type()
        elif token.kind == "name" and token.text.upper() in string_functions.NESTED_TYPES:
            return self._type()
        bound = self._range()
        return self._logic() if bound is None else bound

    def _type(self) -> DataType:
        token = self._peek()
        name = self._take("name", "a type expected").upper()
        if name in string_functions.NESTED_TYPES:
            self._expect("(")
            parts = [self._type()]
            while self._accept(","):
                parts.append(self._type())
            self._expect(")")
            return string_functions.nested_type(name, parts)
        make: Callable[[], DataType] | None = string_functions.TYPES.get(name)
        if make is None:
            known = ", ".join([*string_functions.TYPES, *string_functions.NESTED_TYPES])
            self._fail(f"unknown type '{token.text}', known are {known}", token)
        return make()

    def _function(self, token: _Token, name: str, arguments: list[Any]) -> Expression:
        if name.lower() in self._user_functions:
            nodes = tuple(_node(argument) for argument in arguments)
            return Expression(Call(name, nodes, registered=True))
        try:
            return string_functions.call(name, arguments)
        except NotThatMany as error:
            return self._fail(str(error), token)

    # ---- tokens ----

    def _tokenize(self) -> list[_Token]:
        tokens: list[_Token] = []
        position, end = 0, len(self._text.rstrip())
        while position < end:
            match = _TOKEN.match(self._text, position)
            if match is None or match.lastgroup is None:
                bad = (
                    len(self._text[:position])
                    + len(self._text[position:])
                    - len(self._text[position:].lstrip())
                )
                self._fail("this character means nothing here", _Token("end", "", bad))
            tokens.append(
                _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
            )
            position = match.end()
        return tokens

    def _peek(self, ahead: int = 0) -> _Token:
        index = self._next + ahead
        if index < len(self._tokens):
            return self._tokens[index]
        return _Token("end", "", len(self._text.rstrip()))

    def _advance(self) -> _Token:
        token = self._peek()
        self._next += 1
        return token

    def _accept(self, symbol: str) -> bool:
        token = self._peek()
        if token.kind == "symbol" and token.text == symbol:
            self._next += 1
            return True
        return False

    def _accept_word(self, word: str) -> bool:
        token = self._peek()
        if token.kind == "name" and token.text.lower() == word:
            self._next += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            self._fail(f"'{symbol}' expected")

    def _take(self, kind: str, message: str) -> str:
        token = self._peek()
        if token.kind != kind:
            self._fail(message)
        return self._advance().text

    def _fail(self, message: str, token: _Token | None = None) -> NoReturn:
        position = (token or self._peek()).position
        line_start = self._text.rfind("\n", 0, position) + 1
        line = self._text[line_start:].split("\n", maxsplit=1)[0]
        msg = (
            f"Could not parse expression at column {position + 1}: {message}\n"
            f"{line}\n{' ' * (position - line_start)}^"
        )
        raise ExpressionParserException(msg)


def _call(name: str, *arguments: Expression) -> Expression:
    return Expression(Call(name, tuple(argument.node for argument in arguments)))


def _node(argument: Any) -> Any:
    return argument.node if isinstance(argument, Expression) else Literal(argument)


def _number(text: str) -> Literal:
    """Read a number: whole ones are INT or BIGINT, fractions DOUBLE, suffixes say otherwise."""
    suffix = text[-1].lower()
    if suffix == "l":
        return Literal(int(text[:-1]), BigIntType())
    if suffix == "p":
        import decimal  # noqa: PLC0415 - only for this suffix

        return Literal(decimal.Decimal(text[:-1]))
    if suffix == "f":
        return Literal(float(text[:-1]), FloatType())
    if suffix == "d":
        return Literal(float(text[:-1]))
    if re.fullmatch(r"\d+", text):
        return Literal(int(text))
    return Literal(float(text))
