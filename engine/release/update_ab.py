"""updateAB: final names and places written back into ABs. Pure.

PRODUCTS lines get their final names and REAL or VIRTUAL (CALIB), EXISTING or MISSING (SCIENCE);
PROD_PATH the final directory; MCALIB lines REAL and their final names where the parent stands in
its final directory. Everything else keeps its bytes, except the UPDATED stamp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from posixpath import basename

from engine.core.ab import AB, Calib, Expected


@dataclass(frozen=True, slots=True)
class Places:
    """Where products of a pool stand after a move.

    `names`: final name by any name they had (PIPEFILE, earlier final name); `path`: their directory
    as ABs write it; `parents`: full path, as ABs write it, of master calibrations by PIPEFILE.
    """

    names: Mapping[str, str]
    path: str
    parents: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Who decided, when (UTC, ISO), what, and why: written into the AB for those who come later.

    `by` names the reviewed AB where the verdict was given on another one.
    """

    verdict: str
    who: str
    when: str
    comment: str
    pattern: str = ""
    by: str = ""


def updated(ab: AB, places: Places, stamp: str, certificate: Certificate | None = None) -> AB:
    """The AB with final names and places; the same AB when nothing changes."""
    states = ("REAL", "VIRTUAL") if ab.mode == "CALIB" else ("EXISTING", "MISSING")
    fresh = ab.mapped("PRODUCTS", lambda value: _product(value, places, states))
    fresh = fresh.mapped("MCALIB", lambda value: _calib(value, places))
    if any(product.state == states[0] for product in fresh.products):
        fresh = fresh.with_value("PROD_PATH", places.path)
    if certificate:
        fresh = _certified(fresh, certificate)
    return ab if fresh.lines == ab.lines else fresh.with_value("UPDATED", stamp)


def one_line(text: str) -> str:
    """Text as an AB or a log may hold it: one line, no '#' (it would start a comment)."""
    return " ".join(text.replace("#", " ").split())


def _product(value: str, places: Places, states: tuple[str, str]) -> str:
    words = value.split()
    final = places.names.get(words[0])
    line = Expected(final or words[0], words[1], states[0] if final else states[1]).columns()
    rest = words[3:]
    return _kept(value, " ".join([line, *rest]))


def _calib(value: str, places: Places) -> str:
    words = value.split()
    final = places.parents.get(basename(words[1]))
    if final is None:
        return value
    return _kept(
        value, replace(Calib(words[0], words[1], words[2], tuple(words[3:])), state="REAL", path=final).columns()
    )


def _kept(old: str, new: str) -> str:
    """The old text where only its spacing differs from the new one."""
    return old if old.split() == new.split() else new


def _certified(ab: AB, certificate: Certificate) -> AB:
    signed = f"{certificate.verdict} by {certificate.who} at {certificate.when}"
    signed += f" with {certificate.by}" if certificate.by not in ("", ab.name) else ""
    ab = ab.with_value("CERTIFIED", one_line(signed))
    if certificate.pattern:
        ab = ab.with_value("PATTERN", certificate.pattern)
    comment = one_line(certificate.comment)
    if comment and comment not in ab.values("COMMENT"):
        ab = ab.with_values("COMMENT", [*ab.values("COMMENT"), comment])
    return ab
