"""Arithmetic that a model may ask for: parsed by hand, never `eval`, and bounded in every way.

expression = term { ("+" | "-") term }
term       = factor { ("*" | "/" | "//" | "%") factor }
factor     = ("-" | "+") factor | power        ("-2**2" is -4, as in Python)
power      = atom [ ("**" | "^") factor ]
atom       = number | name "(" expression { "," expression } ")" | "(" expression ")"
"""

import re
from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    localcontext,
)

from pellucid.core.errors import InvalidInput

MAX_LENGTH = 500
MAX_DEPTH = 40
MAX_EXPONENT = 1_000

_TOKEN = re.compile(
    r"\s*(?:((?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|//|\S))"
)
# Decimal, because 0.1 + 0.2 is 0.3 to whoever asks; overflow and division by zero raise.
_CONTEXT = Context(prec=28, Emax=300, Emin=-300)


def calculate(expression: str) -> Decimal:
    """Return the value of `expression`.

    It may use + - * / // % ** and abs, ceil, floor, max, min, round, sqrt. Raises InvalidInput,
    with what is wrong and where, for everything that is no arithmetic.
    """
    if len(expression) > MAX_LENGTH:
        raise InvalidInput(f"The expression is longer than {MAX_LENGTH} characters.")
    with localcontext(_CONTEXT):
        try:
            return _Parser(expression).value()
        except DecimalException as error:
            name = type(error).__name__
            raise InvalidInput(f"{expression!r} has no value: {name}.") from error


def format_number(value: Decimal) -> str:
    """Write a number plainly: no exponent, no zeros at its end."""
    if value == value.to_integral_value():
        return f"{value.to_integral_value():f}"
    return f"{value.normalize():f}"


class _Parser:
    """Reads one expression, left to right, with one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._place = 0
        self._token = ""
        self._advance()

    def value(self) -> Decimal:
        """Return the value of the whole text."""
        value = self._expression()
        if self._token:
            raise self._unexpected()
        return +value  # rounds to the context

    def _advance(self) -> None:
        rest = _TOKEN.match(self._text, self._at)
        if rest is None:
            self._place, self._token = len(self._text), ""
            return
        self._place, self._at = rest.start(rest.lastindex or 0), rest.end()
        self._token = rest[rest.lastindex or 0].strip()

    def _unexpected(self) -> InvalidInput:
        found = repr(self._token) if self._token else "the end"
        hint = " Write numbers without thousands separators." if self._token == "," else ""
        return InvalidInput(
            f"{self._text!r}: {found} at character {self._place} is not expected.{hint}"
        )

    def _take(self, token: str) -> None:
        if self._token != token:
            raise self._unexpected()
        self._advance()

    def _expression(self) -> Decimal:
        value = self._term()
        while self._token in {"+", "-"}:
            sign = self._token
            self._advance()
            right = self._term()
            value = value + right if sign == "+" else value - right
        return value

    def _term(self) -> Decimal:
        value = self._factor()
        while self._token in {"*", "/", "//", "%"}:
            operator = self._token
            self._advance()
            value = _OPERATORS[operator](value, self._factor())
        return value

    def _factor(self) -> Decimal:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidInput(f"The expression is nested deeper than {MAX_DEPTH}.")
        if self._token in {"+", "-"}:
            sign = self._token
            self._advance()
            value = self._factor() if sign == "+" else -self._factor()
        else:
            value = self._power()
        self._depth -= 1
        return value

    def _power(self) -> Decimal:
        base = self._atom()
        if self._token not in {"**", "^"}:
            return base
        self._advance()
        exponent = self._factor()
        if abs(exponent) > MAX_EXPONENT:
            raise InvalidInput(f"Exponents beyond {MAX_EXPONENT} are not calculated.")
        return base**exponent

    def _atom(self) -> Decimal:
        token = self._token
        if token == "(":
            self._advance()
            value = self._expression()
            self._take(")")
            return value
        if token[:1].isdigit() or token[:1] == ".":
            return self._number(token)
        if token.isidentifier():
            return self._call(token)
        raise self._unexpected()

    def _number(self, token: str) -> Decimal:
        try:
            value = Decimal(token)
        except DecimalException as error:
            raise self._unexpected() from error
        self._advance()
        return value

    def _call(self, name: str) -> Decimal:
        function = _FUNCTIONS.get(name)
        if function is None:
            known = ", ".join(sorted(_FUNCTIONS))
            raise InvalidInput(f"{name!r} is no function of the calculator; it has {known}.")
        self._advance()
        self._take("(")
        arguments = [self._expression()]
        while self._token == ",":
            self._advance()
            arguments.append(self._expression())
        self._take(")")
        return function(name, arguments)


def _one(step: Callable[[Decimal], Decimal]) -> Callable[[str, list[Decimal]], Decimal]:
    def call(name: str, arguments: list[Decimal]) -> Decimal:
        if len(arguments) != 1:
            raise InvalidInput(f"{name} takes 1 number, not {len(arguments)}.")
        return step(arguments[0])

    return call


def _round(name: str, arguments: list[Decimal]) -> Decimal:
    if len(arguments) > 2:
        raise InvalidInput(f"{name} takes 1 or 2 numbers, not {len(arguments)}.")
    digits = int(arguments[1]) if len(arguments) == 2 else 0
    if abs(digits) > 20:
        raise InvalidInput("round goes to at most 20 digits.")
    return arguments[0].quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


_OPERATORS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: (a / b).to_integral_value(ROUND_FLOOR),
    "%": lambda a, b: a - b * (a / b).to_integral_value(ROUND_FLOOR),
}

_FUNCTIONS: dict[str, Callable[[str, list[Decimal]], Decimal]] = {
    "abs": _one(abs),
    "ceil": _one(lambda x: x.to_integral_value(ROUND_CEILING)),
    "floor": _one(lambda x: x.to_integral_value(ROUND_FLOOR)),
    "max": lambda _, values: max(values),
    "min": lambda _, values: min(values),
    "round": _round,
    "sqrt": _one(Decimal.sqrt),
}
