"""Score bits (config/qcflags/<INSTRUMENT>.yaml): what each character of QCFLAG means (decision 24)."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from config.data_file import validated
from config.section import Section

CONDITION = re.compile(r"([a-z][a-z0-9_]*) (<|<=|>|>=|==|!=) (-?\d+(?:\.\d+)?(?:e-?\d+)?)")


class Bit(Section):
    """One bit: 0 is good, 1 is flagged."""

    name: str = Field(description="its name", pattern=r"[A-Za-z][A-Za-z0-9_]*")
    good: tuple[str, ...] = Field(description="0 when all of these hold: <value> <operator> <number>")
    meaning: str = Field(description="the predicate in the source's words")
    unknown: str = Field("0", pattern="[01]", description="the bit when a value is not known")

    @field_validator("good")
    @classmethod
    def _conditions(cls, good: tuple[str, ...]) -> tuple[str, ...]:
        for condition in good:
            if not CONDITION.fullmatch(condition):
                raise ValueError(f"'{condition}' is no condition")
        return good


class Flags(Section):
    """The score bits of an instrument."""

    source: str = Field(description="where they are from")
    first: int = Field(1, ge=0, le=1, description="number of the first bit")
    catgs: tuple[str, ...] = Field(description="PRO.CATGs (with * and ?) of the products that get QCFLAG")
    log: dict[str, str] = Field({}, description="values counted in the recipe's log: name, regular expression")
    bits: tuple[Bit, ...] = Field(description="all bits, in order")
    types: dict[str, int] = Field(description="how many of them a data type has")

    @model_validator(mode="after")
    def _fit(self) -> Flags:
        for name, width in self.types.items():
            if not 1 <= width <= len(self.bits):
                raise ValueError(f"{name} has {width} bits, {len(self.bits)} are defined")
        for pattern in self.log.values():
            try:
                re.compile(pattern)
            except re.error as trouble:
                raise ValueError(f"'{pattern}' is no regular expression: {trouble}") from None
        return self


def flags(instrument: str, config_dir: Path | None) -> Flags:
    """The score bits of an instrument; ConfigTrouble when there are none, or they make no sense."""
    return validated(Flags, "qcflags", instrument, config_dir)
