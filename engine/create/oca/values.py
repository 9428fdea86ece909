"""What values of keys mean in rules: when two are equal, which is smaller, what a pattern matches.

A missing value is None; every comparison with it is false. Strings have no trailing blanks (FITS), leading
blanks count. A string that is a complete number meets a number as a number; booleans meet booleans only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable
from functools import lru_cache
from operator import add, ge, gt, le, lt, mul, sub, truediv
from typing import Any

Value = str | int | float | bool

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST = 64  # characters of a string that may be a number
_JOINED = 4096  # characters of a text that rules put together
_LARGEST = 1 << 63  # integers beyond are calculated as floats
_ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_SUMS: dict[str, Callable[[float, float], float]] = {"+": add, "-": sub, "*": mul, "/": truediv, "%": math.fmod}


def plain(value: object) -> Value | None:
    """The value as rules see it: no trailing blanks, None for what is no value at all or no finite number."""
    if isinstance(value, str):
        return value.rstrip(" ")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) else None


def number(value: Value | None) -> int | float | None:
    """The value as a number; a string counts when all of it is one. None for anything else."""
    if isinstance(value, str):
        text = value.strip(" ")
        if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
            return None
        found = int(text) if text.lstrip("+-").isdigit() else float(text)
        return found if math.isfinite(found) else None
    return None if isinstance(value, bool) else value


def equal(left: Value | None, right: Value | None, tolerance: float = 0.0) -> bool:
    """True when both are there and mean the same; numbers within the tolerance."""
    if left is None or right is None:
        return False
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    one, other = number(left), number(right)
    if one is None or other is None:
        return False
    return one == other or (tolerance > 0 and abs(one - other) <= tolerance)


def ordered(op: str, left: Value | None, right: Value | None) -> bool:
    """`left op right` for < <= > >=: numbers by value, two strings by their characters, anything else false."""
    if isinstance(left, str) and isinstance(right, str):
        return _ORDER[op](left, right)
    one, other = number(left), number(right)
    return one is not None and other is not None and _ORDER[op](one, other)


def calculated(op: str, left: Value | None, right: Value | None) -> int | float | str | None:
    """`left op right` for + - * / %; None where an operand is no number, or the result is none.

    `+` with a text joins (rules of X-SHOOTER write "[" + TPL.EXPNO + "]"); a text that grows without end is none.
    """
    if isinstance(left, bool | None) or isinstance(right, bool | None):
        return None
    if isinstance(left, str) or isinstance(right, str):
        joined = f"{left}{right}" if op == "+" else ""
        return plain(joined) if op == "+" and len(joined) <= _JOINED else None
    try:
        result = _SUMS[op](left, right)
        if isinstance(result, int) and abs(result) >= _LARGEST:
            result = float(result)
    except (ArithmeticError, ValueError):
        return None
    return result if math.isfinite(result) else None


def is_kind(value: Value | None, kind: str) -> bool:
    """`value is kind`: string, undefined, number, int, float or boolean."""
    match kind:
        case "undefined":
            return value is None
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, float)
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)


def bucket(value: Value | None, tolerance: float = 0.0) -> Hashable:
    """A hashable such that equal values have equal ones; None for a missing value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return (value,)
    as_number = number(value)
    if as_number is None:
        return value
    return "\0number" if tolerance else as_number


def group_value(value: Value | None) -> Hashable:
    """What files are grouped by: 2 and 2.0 together, "2" apart from them, missing a value of its own."""
    return (value,) if isinstance(value, bool) else value


@lru_cache(maxsize=4096)
def like(pattern: str) -> Callable[[str], bool]:
    """What tells whether a whole value matches: `%` is any run of characters, everything else stands for itself."""
    first, *rest = pattern.split("%")
    if not rest:
        return pattern.__eq__
    last = rest.pop()
    middle = [part for part in rest if part]
    if not first and not last and len(middle) == 1:
        only = middle[0]
        return lambda text: only in text
    shortest = len(first) + len(last)

    def matches(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for part in middle:
            at = text.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True

    return matches
