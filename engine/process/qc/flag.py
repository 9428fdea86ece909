"""QCFLAG: the score bits as a string of 0 and 1, the first bit leftmost (decision 24). Never a number."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from config.qcflag_rules import CONDITION, Bit, Flags
from engine.errors import UsageTrouble
from engine.headers.cards import keywords, set_cards
from engine.process.qc.subject import Value

KEY = "QCFLAG"
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decoded:
    """One bit of a QCFLAG in words."""

    number: int
    name: str
    flagged: bool
    meaning: str


def encoded(flags: Flags, data_type: str, values: Mapping[str, Value]) -> str:
    """The QCFLAG of a data type. UsageTrouble when the instrument has no such type."""
    return "".join(_bit(bit, values) for bit in flags.bits[: _width(flags, data_type)])


def decoded(flags: Flags, text: str, data_type: str = "") -> tuple[Decoded, ...]:
    """What every bit says. UsageTrouble when it is no QCFLAG of that data type (of any, where none is named)."""
    widths = {_width(flags, data_type)} if data_type else set(flags.types.values())
    if set(text) - {"0", "1"} or len(text) not in widths:
        wanted = " or ".join(str(width) for width in sorted(widths))
        raise UsageTrouble(f"'{text[:40]}' is no QCFLAG", remedy=f"{wanted} characters of 0 and 1")
    return tuple(
        Decoded(number, bit.name, char == "1", bit.meaning)
        for number, (char, bit) in enumerate(zip(text, flags.bits, strict=False), flags.first)
    )


def from_log(flags: Flags, log: str) -> dict[str, Value]:
    """Values that are counted in the log of a recipe."""
    return {name: len(re.findall(pattern, log, re.MULTILINE)) for name, pattern in flags.log.items()}


def write(flags: Flags, text: str, products: Sequence[tuple[Path, str]]) -> list[str]:
    """Write QCFLAG into the headers of the products (path, PRO.CATG) it is for; their names. Blocking.

    A product that has it already is not touched. BadFits when one cannot be changed.
    """
    done = []
    for path, catg in products:
        if not any(fnmatchcase(catg, pattern) for pattern in flags.catgs):
            continue
        if keywords(path, [KEY]) != {KEY: text}:
            set_cards(path, {KEY: text})
        done.append(path.name)
    return done


def _width(flags: Flags, data_type: str) -> int:
    if data_type not in flags.types:
        raise UsageTrouble(f"there are no score bits for '{data_type}'", remedy=", ".join(flags.types))
    return flags.types[data_type]


def _bit(bit: Bit, values: Mapping[str, Value]) -> str:
    for condition in bit.good:
        found = CONDITION.fullmatch(condition)
        assert found is not None  # noqa: S101 - the definition was validated
        name, sign, number = found.groups()
        value = values.get(name)
        if not isinstance(value, int | float):
            return bit.unknown
        if not _OPERATORS[sign](value, float(number)):
            return "1"
    return "0"
