"""updateAB: final names and places written back into ABs. Pure.

PRODUCTS lines get their final names and REAL or VIRTUAL (CALIB), EXISTING or MISSING (SCIENCE); PROD_PATH the
final directory; MCALIB and MASSOC lines REAL and the final name of a calibration that stands in its final directory,
else VIRTUAL; LOG_NAME the name of the log that is there. Everything else keeps its bytes, except the UPDATED stamp.
Source: the updateAB page (ab-lifecycle section 11).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from posixpath import basename, dirname

from engine.core.ab import AB, Calib, Expected

_SUFFIXES = (".fits.fz", ".fits", ".tfits")  # of products with data; .hdr stands for one that was slimmed
_GRAPHICS = ("gif", "png", "jpg", "jpeg", "ps")


@dataclass(frozen=True, slots=True)
class Places:
    """Where products of a pool stand after a move.

    `names`: final name by any name they had (PIPEFILE, earlier final name); `path`: their directory
    as ABs write it; `parents`: full path, as ABs write it, of master calibrations by PIPEFILE or name, with or
    without the directory they are in (`2014-10-22/<name>`).
    `checked`: MCALIB and MASSOC lines are looked at; `complete`: `parents` knows every one that stands, so that
    others are VIRTUAL. `there`: names of all logs and graphics, None where nobody looked; `unkept`: formats of
    graphics (`gif`) that nobody keeps, so that none is missed.
    """

    names: Mapping[str, str]
    path: str
    parents: Mapping[str, str]
    checked: bool = True
    complete: bool = False
    there: frozenset[str] | None = None
    unkept: frozenset[str] = field(default_factory=frozenset)


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
    """The AB with final names and places; the same AB when nothing changes and it was stamped before."""
    states = ("REAL", "VIRTUAL") if ab.mode == "CALIB" else ("EXISTING", "MISSING")
    fresh = ab.mapped("PRODUCTS", lambda value: _product(value, places, states))
    if places.checked:
        for key in ("MCALIB", "MASSOC"):
            fresh = fresh.mapped(key, lambda value: _calib(value, places))
    if any(product.state == states[0] for product in fresh.products):
        fresh = fresh.with_value("PROD_PATH", places.path)
    log = _log(fresh, places)
    if log != fresh.get("LOG_NAME"):
        fresh = fresh.with_value("LOG_NAME", log)
    if certificate:
        fresh = _certified(fresh, certificate)
    return ab if fresh.lines == ab.lines and ab.get("UPDATED") else fresh.with_value("UPDATED", stamp)


def missing(ab: AB, places: Places) -> tuple[str, ...]:
    """Logs and graphics that the AB names and that are not there, each as a few words; () where nobody looked."""
    if places.there is None:
        return ()
    found = []
    log = basename(_log(ab, places))
    if not log and not ab.runs_no_recipe:
        found.append("it names no pipeline log")
    elif log and log not in places.there:
        found.append(f"pipeline log {log} is missing")
    for value in ab.further:
        name = basename(value.split()[0]) if value.split() else ""
        kind = name.rpartition(".")[2].lower()
        if name and name not in places.there and name not in places.names and kind not in places.unkept:
            found.append(f"{'graphic' if kind in _GRAPHICS else 'further file'} {name} is missing")
    return tuple(dict.fromkeys(found))


def product_names(files: Iterable[tuple[str, str]]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Current name of every product by any name it had, and PIPEFILEs that several products claim.

    `files` are the names in a final directory with the PIPEFILE of each ('' where unknown). `x.fits`, `x.fits.fz`,
    `x.tfits` and `x.hdr` are one product; it is called by its FITS file, by its `.fits` name where only `.hdr` stands.
    """
    stems: dict[str, dict[str, str]] = {}
    pipefiles: dict[str, str] = {}
    for name, pipefile in sorted(files):
        suffix = next((end for end in (*_SUFFIXES, ".hdr") if name.endswith(end)), "")
        if suffix and not any(char.isspace() for char in name):  # a line of an AB could not hold it
            stem = name.removesuffix(suffix)
            stems.setdefault(stem, {})[suffix] = name
            pipefiles[stem] = pipefiles.get(stem) or pipefile
    names: dict[str, str] = {}
    for stem, found in stems.items():
        current = next((found[suffix] for suffix in (".fits", ".tfits", ".fits.fz") if suffix in found), "")
        names |= {stem + suffix: current or stem + suffix for suffix in _SUFFIXES}
    claimed: dict[str, str] = {}
    twice = []
    for stem, pipefile in pipefiles.items():
        if pipefile in claimed and names[claimed[pipefile] + ".fits"] != names[stem + ".fits"]:
            twice.append(pipefile)
        elif pipefile:
            claimed[pipefile] = stem
            names.setdefault(pipefile, names[stem + ".fits"])
    return names, tuple(dict.fromkeys(twice))


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
    name = basename(words[1])
    final = places.parents.get(f"{basename(dirname(words[1]))}/{name}") or places.parents.get(name)
    if final is None and not places.complete:
        return value
    state, path = ("REAL", final) if final else ("VIRTUAL", words[1])
    return _kept(
        value, replace(Calib(words[0], words[1], words[2], tuple(words[3:])), state=state, path=path).columns()
    )


def _log(ab: AB, places: Places) -> str:
    """LOG_NAME as it should be: as written, or the name of the log that stands there instead."""
    written, usual = ab.get("LOG_NAME"), f"{ab.root}.log"
    if places.there is None or basename(written) in places.there or usual not in places.there:
        return written
    return usual


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
