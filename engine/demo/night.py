"""What the demo's telescope looks at, and when: targets, star fields, dithers, pointing errors.

Pure: the same spec gives the same nights. RA, DEC in degrees, offsets in arcsec on the sky, times as
datetime in UT.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

RUN = "094.A-0116B"
PROGRAMME = "094.A-0116(B)"
PSEUDO_DATE = "2094-01-16"
BIAS_NIGHT = "2014-10-22"
BIASES = 3

_FIRST_NIGHT = datetime(2014, 10, 22, 23, 57, 32)
_BIAS_START = datetime(2014, 10, 22, 20, 41, 17)
_SLOT = timedelta(seconds=671)
_SLOTS_PER_NIGHT = 45
_OB_SIZE = 6
_NAMES = ("HUDF-A", "NGC300-P1", "47TUC-C", "ABELL370", "LBQS0302", "SGRB2", "PKS1610", "TARGET")


@dataclass(frozen=True, slots=True)
class Star:
    """A star: offsets east and north of the field centre (arcsec), total flux (units of `instrument`)."""

    east: float
    north: float
    flux: float


@dataclass(frozen=True, slots=True)
class Target:
    """A field on the sky: name, centre (degrees), stars."""

    name: str
    ra: float
    dec: float
    stars: tuple[Star, ...]


@dataclass(frozen=True, slots=True)
class Exposure:
    """One raw frame: `east`/`north` is the dither, `error_*` what the header's pointing is wrong by (arcsec)."""

    type: str  # OBJECT, SKY or BIAS
    target: Target | None
    start: datetime
    template: datetime
    night: str
    ob: int
    number: int
    east: float = 0.0
    north: float = 0.0
    error_east: float = 0.0
    error_north: float = 0.0

    @property
    def stamp(self) -> str:
        """Time stamp as in file names, milliseconds included."""
        return self.start.isoformat(timespec="milliseconds")

    @property
    def root(self) -> str:
        """The archive name without `.fits`, e.g. `MUSE.2014-10-22T23:57:32.118`."""
        return f"MUSE.{self.stamp}"

    @property
    def mjd(self) -> float:
        """Start of the exposure, MJD in days."""
        return (self.start - datetime(1858, 11, 17)) / timedelta(days=1)


def targets(count: int, seed: int) -> tuple[Target, ...]:
    """`count` star fields of nine stars each on a jittered grid, bright enough for the alignment."""
    dice = random.Random(seed)  # noqa: S311
    found = []
    for index in range(count):
        name = _NAMES[index] if index < len(_NAMES) - 1 else f"{_NAMES[-1]}{index + 1}"
        stars = tuple(
            Star(
                round(column * 2.0 + dice.uniform(-0.3, 0.3), 4),
                round(row * 2.2 + dice.uniform(-0.3, 0.3), 4),
                round(dice.uniform(1.2e4, 6e4), 1),
            )
            for row in (-1, 0, 1)
            for column in (-1, 0, 1)
        )
        found.append(Target(name, round(30.0 + 7.31 * index, 5), round(-27.8 - 1.7 * index % 40, 5), stars))
    return tuple(found)


def biases(seed: int) -> tuple[Exposure, ...]:
    """The bias frames of the afternoon before the first night."""
    dice = random.Random(seed + 1)  # noqa: S311
    starts = [_at(_BIAS_START + timedelta(seconds=48 * i), dice) for i in range(BIASES)]
    return tuple(Exposure("BIAS", None, start, starts[0], BIAS_NIGHT, 200177, i + 1) for i, start in enumerate(starts))


def observations(fields: tuple[Target, ...], exposures: int, sky: int, seed: int) -> tuple[Exposure, ...]:
    """OBJECT and SKY frames of all targets in time order; a target is visited in at least two OBs where it can be."""
    dice = random.Random(seed + 2)  # noqa: S311
    size = max(1, min(_OB_SIZE, (exposures + 1) // 2))
    visits = -(-exposures // size)
    taken: list[Exposure] = []
    done = dict.fromkeys(fields, 0)
    night, slot = -1, _SLOTS_PER_NIGHT
    for visit in range(visits):
        slot = _SLOTS_PER_NIGHT  # every visit is another night
        for place, field in enumerate(fields):
            types = ["OBJECT"] * min(size, exposures - done[field])
            types[1:1] = ["SKY"] * len(range(visit, sky, visits))
            ob = 1134385 + place * 100 + visit
            template: datetime | None = None
            for kind in types:
                if slot >= _SLOTS_PER_NIGHT:
                    night, slot = night + 1, 0
                start = _at(_FIRST_NIGHT + timedelta(days=night) + slot * _SLOT, dice)
                template = template or start
                slot += 1
                label = (_FIRST_NIGHT + timedelta(days=night)).date().isoformat()
                number = done[field] if kind == "OBJECT" else 0
                shifts = _shifts(number, dice) if kind == "OBJECT" else (0.0, 0.0, 0.0, 0.0)
                taken.append(Exposure(kind, field, start, template, label, ob, number + 1, *shifts))
                done[field] += kind == "OBJECT"
    return tuple(taken)


def _shifts(number: int, dice: random.Random) -> tuple[float, float, float, float]:
    """Dither and pointing error; the very first exposure of a target points well."""
    dither = (round(dice.uniform(-0.35, 0.35), 4), round(dice.uniform(-0.35, 0.35), 4))
    error = (round(dice.uniform(-0.6, 0.6), 4), round(dice.uniform(-0.6, 0.6), 4)) if number else (0.0, 0.0)
    return (*dither, *error)


def _at(start: datetime, dice: random.Random) -> datetime:
    return start + timedelta(milliseconds=dice.randrange(1000))
