"""The judge: did a recipe really succeed? (esorex-facts section 3)

Exit code 0 is not success. The log, the list of products and every product's bytes are
looked at, and the reason given is one the operator can act on. A recipe whose exit code nobody
knows (its engine died) is judged by the same evidence.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import BadFits
from engine.headers.cards import hdu_at, keywords
from engine.headers.verify import verify
from engine.process.ab.pipeline import OPEN_LOG, OWN_LOG, PRODUCTS

_LEVEL = re.compile(rb"\[\s*(ERROR|WARNING)\s*\]\s*(.*)")
_SPEAKER = re.compile(r"^[\w.\-]*:?\s*(?:\[tid=\d+\])?\s*")
_DUMPED = re.compile(r"\[\d+/\d+\]\s*'(.*?)'\s*\(\d+\)(?: at (\w+))?")
_BARE = re.compile(
    r"\[\d+/\d+\]\s*'(?:[^:']+|[^:']*: Propagating [^']*)'\s*\(\d+\)"
)  # a dumped error without what it is about
_HARMLESS = ("Unable to open directory", "Run-time version", "Writing of output sof omitted")
_TELLING = re.compile(
    r"Could not open the input file|Unable to open SOF|Unable to find recipe|not recognized|Type mismatch|"
    r"No valid raw tag|Bad file format|requires at least|only makes sense|didn't work|Required \d+, found|"
    r"Missing required|failed to allocate|[Nn]o space left|flux calibrated",
)
_EMPTY = re.compile(r"Dumping (?:the|all) |Execution of recipe|Error occurred|see log for details")
_DROPPED = re.compile(r"we already have IFU|exposure.*Ignoring|Ignoring.*exposure")
_CODES = {
    9: "an input or the set of frames is missing",
    13: "the recipe is unknown to the pipeline",
    66: "the products could not be moved",
    255: "the recipe failed",
}
_SIGNALS = {
    signal.SIGSEGV: "crashed (segmentation fault); an input the recipe cannot digest, or a fault of the recipe",
    signal.SIGBUS: "crashed (bus error); is a disk full or an input truncated?",
    signal.SIGABRT: "aborted; most likely out of memory",
    signal.SIGKILL: "killed; by the system for lack of memory, or by somebody",
    signal.SIGXFSZ: "ended because a file would have become larger than this account may write",
}
_UNWRITTEN = re.compile(r"error writing to FITS file|No space left on device|error closing FITS file|\(?status = 106")
_LONGEST = 200


@dataclass
class LogEvidence:
    """What the log of a recipe says: counts, and the lines that matter (sanitised)."""

    warnings: int = 0
    errors: int = 0
    first_warning: str = ""
    cause: str = ""
    dropped: str = ""
    failed: bool = False
    unwritten: bool = False  # CFITSIO or the system could not write

    @property
    def message(self) -> str:
        """For the message column: counts and the first line; '' when there is nothing to say."""
        counts = [f"{self.errors} ERROR"] if self.errors else []
        counts += [f"{self.warnings} WARNING"] if self.warnings else []
        first = self.cause or self.first_warning
        return f"{', '.join(counts)}: {first}" if counts else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an AB must yield: number of products per required PRO.CATG, and of exposures (0: not counted)."""

    required: Mapping[str, int] = field(default_factory=dict)
    exposures: int = 0
    offsets: bool = False
    limit_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Made:
    """A product as the recipe left it: name in the work directory and PRO.CATG by the list of products."""

    name: str
    catg: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement: `state` DONE, FAILED or INTERRUPTED, the reason, a line for the monitor, the products."""

    state: str
    reason: str = ""
    message: str = ""
    products: tuple[Made, ...] = ()


def sanitised(text: str) -> str:
    """One line without control characters, at most 200 characters."""
    clean = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 3] + "..."


def read_log(lines: Iterable[bytes]) -> LogEvidence:
    """The evidence in the lines of a log."""
    found = LogEvidence()
    candidates: list[tuple[int, str]] = []
    for line in lines:
        if b"CxLib-ERROR" in line or b"failed to allocate" in line:
            candidates.append((0, sanitised(line.decode("utf-8", "replace"))))
            continue
        match = _LEVEL.search(line)
        if not match:
            continue
        text = sanitised(match[2].decode("utf-8", "replace"))
        if any(harmless in text for harmless in _HARMLESS):
            continue
        spoken = _SPEAKER.sub("", text, count=1) or text
        if match[1] == b"WARNING":
            found.warnings += 1
            found.first_warning = found.first_warning or spoken
            if _DROPPED.search(text) and not found.dropped:
                found.dropped = spoken
        else:
            found.errors += 1
            found.failed = found.failed or "Execution of recipe" in text
            found.unwritten = found.unwritten or bool(_UNWRITTEN.search(text))
        if _TELLING.search(text):
            candidates.append((1, _quoted(spoken)))
        elif match[1] == b"ERROR" and not _EMPTY.search(text):
            candidates.append((3 if _BARE.search(text) else 2, _quoted(spoken)))
    found.cause = min(candidates, key=lambda item: item[0])[1] if candidates and found.errors else ""
    if candidates and min(candidates)[0] == 0:
        found.cause = min(candidates)[1]
    return found


def read_log_file(path: Path) -> LogEvidence:
    """The evidence in a log file; a log that cannot be read says nothing."""
    try:
        with path.open("rb") as file:
            return read_log(file)
    except OSError:
        return LogEvidence()


def judge(
    workdir: Path,
    rc: int | None,
    log: LogEvidence,
    wanted: Wanted,
    *,
    timed_out: bool = False,
    changed: Mapping[str, str] | None = None,
) -> Verdict:
    """Judge the run in `workdir`. `rc` as subprocess gives it, None when unknown.

    `changed` are PRO.CATGs that an interrupted delivery has already given to products, by name.
    """
    found = _judged(workdir, rc, log, wanted, timed_out, changed or {})
    return Verdict(found.state, sanitised(found.reason), log.message, found.products)


def _judged(
    workdir: Path, rc: int | None, log: LogEvidence, wanted: Wanted, timed_out: bool, changed: Mapping[str, str]
) -> Verdict:
    def failed(reason: str, *, disk: bool = True) -> Verdict:
        full = _disk_full(workdir, products, log.unwritten) if disk or log.unwritten else ""
        return Verdict("FAILED", full or reason)

    products, trouble = _listed(workdir)
    if timed_out:
        return failed(f"time limit of {_duration(wanted.limit_s)} exceeded; terminated", disk=False)
    if rc is not None and rc < 0:
        return failed(_signal_words(-rc, log))
    if rc:
        return failed(_code_words(rc, log))
    if rc is None and trouble and not log.errors:
        return Verdict("INTERRUPTED", "its recipe ended without a result while no engine was there")
    if rc is None and log.failed:
        return failed(f"the recipe failed: {log.cause}")
    if (
        trouble
        and rc == 0
        and not (wanted.required or log.errors or log.unwritten or os.path.lexists(f"{workdir}/{PRODUCTS}"))
    ):
        return Verdict("DONE")  # nothing was asked of it, and it made nothing
    if trouble:
        return failed(f"{trouble}{': ' + log.cause if log.cause else ''}")
    for made in products:
        problems = verify(workdir / made.name).problems
        if problems:
            return failed(f"{made.name} is damaged: {problems[0]}")
    if rc == 0 and (workdir / OPEN_LOG).exists() and not (workdir / OWN_LOG).exists():
        return failed("the pipeline could not close its log; is the work area full?")
    if log.errors:
        return failed(f"exit code 0, but the log has {log.errors} ERROR: {log.cause}", disk=False)
    if log.dropped:
        return failed(f"an exposure was dropped: {log.dropped}", disk=False)
    wrong = _wrong_products(workdir, products, wanted, changed)
    return failed(wrong, disk=False) if wrong else Verdict("DONE", "", "", products)


def _listed(workdir: Path) -> tuple[tuple[Made, ...], str]:
    """The products by the pipeline's list, or what is wrong with the list."""
    try:
        data = Path(f"{workdir}/{PRODUCTS}").read_bytes()
    except OSError:
        return (), "the pipeline wrote no list of products"
    if not data.strip():
        return (), "the list of products is empty"
    try:
        found = tuple(Made(str(entry["name"]), str(entry["category"])) for entry in json.loads(data))
    except (ValueError, TypeError, KeyError):
        return (), "the list of products cannot be read"
    if not found:
        return (), "the recipe made no products"
    for made in found:
        if "/" in made.name.removeprefix("./") or made.name.startswith(".."):
            return (), f"a product lies outside the work directory: {made.name}"
    return found, ""


def _wrong_products(workdir: Path, products: tuple[Made, ...], wanted: Wanted, changed: Mapping[str, str]) -> str:
    counts = Counter(made.catg for made in products)
    for catg, number in wanted.required.items():
        if counts[catg] < number:
            return f"{number - counts[catg]} of {number} {catg} missing among the products"
    for made in products:
        try:
            values = keywords(workdir / made.name, ["PRO.CATG", "PRO.DATANCOM"])
        except BadFits as trouble:
            return f"{made.name} is damaged: {trouble.what}"
        stated = values.get("PRO.CATG")
        if stated not in (made.catg, changed.get(made.name, made.catg)):
            return f"{made.name}: PRO.CATG is {stated}, the list of products says {made.catg}"
        combined = values.get("PRO.DATANCOM")
        if wanted.exposures and made.catg in wanted.required and combined != wanted.exposures:
            return f"{made.name}: {combined} of {wanted.exposures} exposures combined (PRO.DATANCOM)"
    return ""


def _disk_full(workdir: Path, products: tuple[Made, ...], unwritten: bool) -> str:
    """The reason when the work area is full: products lack bytes, or next to nothing is free.

    `unwritten`: the recipe said that it could not write; CPL may then have taken the half product away.
    """
    try:
        room = os.statvfs(workdir)
    except OSError:
        return ""
    free = room.f_bavail * room.f_frsize
    names = {made.name for made in products} | {path.name for path in workdir.glob("*.fits")}
    lacking = sum(max(0, wanted_size(workdir / name) - _size(workdir / name)) for name in names)
    whole = room.f_blocks * room.f_frsize
    if free > max(lacking, 1 << 16) or (not lacking and free > whole // 1000):
        if not unwritten:
            return ""
        return (
            f"the recipe could not write: work area full or failing, {_bytes(free)} free now;"
            " free space or change process.work_area, then r"
        )
    needs = f", needs about {_bytes(lacking)} more" if lacking else ""
    return f"work area full: {_bytes(free)} free{needs}; free space or change process.work_area, then r"


def wanted_size(path: Path) -> int:
    """How large a FITS file should be by its headers, bytes; 0 when they cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return 0
    try:
        end = 0
        while part := hdu_at(file, end, path.name):
            end = part.end
    except BadFits:
        pass
    finally:
        os.close(file)
    return end


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _signal_words(number: int, log: LogEvidence) -> str:
    try:
        name = signal.Signals(number)
        words = _SIGNALS.get(name, f"terminated from outside ({name.name})")
    except ValueError:
        words = "terminated"
    return f"the recipe was ended by signal {number}: {words}" + (f" [{log.cause}]" if log.cause else "")


def _code_words(rc: int, log: LogEvidence) -> str:
    if rc > 128 and rc != 255:
        return _signal_words(rc - 128, log)
    words = _CODES.get(rc, "the recipe returned a CPL error")
    return f"{words} (exit code {rc}): {log.cause or 'the log does not say why'}"


def _quoted(text: str) -> str:
    found = _DUMPED.search(text)
    if not found:
        return text
    return f"{found[1]} (in {found[2]})" if found[2] and _BARE.search(text) else found[1]


def _bytes(number: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} B"


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{seconds:g} s"
