"""Association blocks: parse, ask, edit, render — byte-faithful.

An AB is a text file of `KEY value...` lines (AB_structure); `#` starts a comment unless
quoted. Unknown qualifiers, comments, order and spacing survive every edit; parse then
render is the same bytes. Bytes that are not UTF-8 survive too (surrogateescape).
Column layout of list lines: ab-lifecycle section 3.2 (inferred there, adopted by decision 9).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from engine.errors import BadAb

STATUSES = ("CREATED", "SUCCESSFUL", "FAILED")
RETIRED = "RETIRED"  # state of a product that was made, and retired when nobody needed it any more
_REQUIRED = ("AB_NAME", "RAW_TYPE", "RECIPE", "DATE", "PROD_ROOT_NAME", "PROCESS_STATUS")
_NAME = re.compile(r"(?P<stem>[A-Z0-9_]+\.[0-9T:.\-]+?)(?:_(?P<tag>[a-z0-9]+))?\.ab")
_SAFE = re.compile(r"[A-Za-z0-9_.:+\-]+")
# A line, or (first) one of the usual sort: printable ASCII, no comment. What it matches `_line` reads the same way.
_LINES = re.compile(r"""(([!"$-~]+)[ \t]+)([!"$-~](?:[ -"$-~\t]*[!"$-~])?)([ \t]*)(\r?\n)|[^\n]*\n|[^\n]+""")
_COMMENT = re.compile(r"(^|\s)#")


class Line(NamedTuple):
    """One line of an AB as written: `head` + `value` + `tail` + `end` is the line again.

    `head` is the key with the spacing around it, `tail` the spacing and comment behind the value.
    """

    key: str
    head: str
    value: str
    tail: str
    end: str

    @property
    def text(self) -> str:
        """The line without its line end."""
        return self.head + self.value + self.tail


@dataclass(frozen=True, slots=True)
class Input:
    """A file that goes into the recipe: RAWFILE, RASSOC or SOF_CONTENT."""

    path: str
    tag: str


@dataclass(frozen=True, slots=True)
class Calib:
    """An MCALIB or MASSOC line: state (REAL|VIRTUAL), path, PRO.CATG, rest of the columns."""

    state: str
    path: str
    catg: str
    rest: tuple[str, ...] = ()

    def columns(self) -> str:
        """The line's value as written into an AB."""
        return " ".join((self.state, self.path, self.catg, *self.rest))


@dataclass(frozen=True, slots=True)
class Expected:
    """A PRODUCTS line: name, PRO.CATG, state (VIRTUAL|REAL|EXISTING|MISSING|RETIRED)."""

    name: str
    catg: str
    state: str

    def columns(self) -> str:
        """The line's value as written into an AB."""
        return f"{self.name} {self.catg} {self.state}"


@dataclass(frozen=True)
class AB:
    """One association block. `where` names the file it came from, for messages."""

    lines: tuple[Line, ...]
    where: str

    def get(self, key: str, default: str = "") -> str:
        """The value of a qualifier; the last line wins when it stands twice."""
        for line in reversed(self.lines):
            if line.key == key:
                return line.value
        return default

    def values(self, key: str) -> tuple[str, ...]:
        """All values of a repeated qualifier, in order."""
        return tuple(line.value for line in self.lines if line.key == key)

    # --- the qualifiers that the tools ask for -------------------------------------------

    @property
    def name(self) -> str:
        """AB_NAME, e.g. `MUSE.2014-10-22T23:57:32.118_dpc.ab`; the tag is part of the identity."""
        return self.get("AB_NAME")

    @property
    def tag(self) -> str:
        """The grouping tag: '', 'pst', 'sky', 'dal', 'dpc', 'tpl', ..."""
        found = _NAME.fullmatch(self.name)
        return (found["tag"] or "") if found else ""

    @property
    def root(self) -> str:
        """PROD_ROOT_NAME, the stem of product and log names, e.g. `r.MUSE.2014-..._dpc`."""
        return self.get("PROD_ROOT_NAME")

    @property
    def recipe(self) -> str:
        """RECIPE; `none` means: do not process."""
        return self.get("RECIPE")

    @property
    def runs_no_recipe(self) -> bool:
        """True for RECIPE none/NONE."""
        return self.recipe.lower() == "none"

    @property
    def raw_type(self) -> str:
        """RAW_TYPE: also the directory of its products under $DFS_PRODUCT."""
        return self.get("RAW_TYPE")

    @property
    def date(self) -> str:
        """DATE label or pseudo-date."""
        return self.get("DATE")

    @property
    def mode(self) -> str:
        """CALIB or SCIENCE, from BATCH_ID `<MODE>_<DATE>`, else from DPR_CATG."""
        mode = self.get("BATCH_ID").partition("_")[0]
        return mode if mode in ("CALIB", "SCIENCE") else self.get("DPR_CATG", "SCIENCE")

    @property
    def status(self) -> str:
        """PROCESS_STATUS: CREATED, SUCCESSFUL or FAILED."""
        return self.get("PROCESS_STATUS")

    @property
    def target(self) -> str:
        """TARGET as the operator chose it for the deep run; '' for calibrations."""
        return self.get("TARGET")

    @property
    def run_id(self) -> str:
        """RUN_ID (deep runs) or OBS_PROG_ID."""
        return self.get("RUN_ID") or self.get("OBS_PROG_ID")

    @property
    def crowded(self) -> bool:
        """PROC_MODE=CROWDED."""
        return self.get("PROC_MODE") == "CROWDED"

    @property
    def params(self) -> tuple[str, ...]:
        """Recipe options, verbatim, in order (trailing points included)."""
        return self.values("RECIPE_PARAM")

    @property
    def raws(self) -> tuple[Input, ...]:
        """RAWFILE lines."""
        return tuple(_input(value) for value in self.values("RAWFILE"))

    @property
    def sof(self) -> tuple[Input, ...]:
        """SOF_CONTENT lines: what the recipe reads, in order."""
        return tuple(_input(value) for value in self.values("SOF_CONTENT"))

    @property
    def calibs(self) -> tuple[Calib, ...]:
        """MCALIB lines."""
        return tuple(_calib(value) for value in self.values("MCALIB"))

    @property
    def waitfor(self) -> tuple[str, ...]:
        """Names of ABs that must be done first."""
        return self.values("WAITFOR")

    @property
    def products(self) -> tuple[Expected, ...]:
        """PRODUCTS lines: what the recipe should make, or what it has made."""
        return tuple(_expected(value) for value in self.values("PRODUCTS"))

    @property
    def further(self) -> tuple[str, ...]:
        """FURTHER lines: plots, coversheet, logs."""
        return self.values("FURTHER")

    # --- edits: every one returns a new AB; lines not named keep their bytes --------------

    def with_value(self, key: str, value: str) -> AB:
        """The AB with qualifier `key` set: in place where it stands, appended otherwise."""
        _printable(key, value, self.where)
        for index in range(len(self.lines) - 1, -1, -1):
            line = self.lines[index]
            if line.key == key:
                head = line.head if line.head[-1:].isspace() else line.head + " "
                changed = Line(key, head, value, line.tail, line.end)
                return AB((*self.lines[:index], changed, *self.lines[index + 1 :]), self.where)
        return self._appended([_new(key, value, self._eol())])

    def with_values(self, key: str, values: Iterable[str]) -> AB:
        """The AB with all lines of a repeated qualifier replaced, in the place of the first one."""
        values = list(values)
        for value in values:
            _printable(key, value, self.where)
        old = [line for line in self.lines if line.key == key]
        fresh = [
            old[i]._replace(value=value) if i < len(old) else _new(key, value, self._eol(), old)
            for i, value in enumerate(values)
        ]
        if not old:
            return self._appended(fresh)
        first = self.lines.index(old[0])
        before = [line for line in self.lines[:first]]
        after = [line for line in self.lines[first:] if line.key != key]
        return AB(tuple(_ended(before + fresh + after, self._eol())), self.where)

    def mapped(self, key: str, change: Callable[[str], str]) -> AB:
        """The AB with `change` applied to each value of `key`; spacing and comments stay."""
        lines = (line._replace(value=change(line.value)) if line.key == key else line for line in self.lines)
        return AB(tuple(lines), self.where)

    def render(self) -> bytes:
        """The file's bytes."""
        return "".join([part for line in self.lines for part in line[1:]]).encode("utf-8", "surrogateescape")

    def _eol(self) -> str:
        return next((line.end for line in self.lines if line.end), "\n")

    def _appended(self, fresh: list[Line]) -> AB:
        if self.lines and self.lines[-1].end and len(fresh) == 1:
            return AB((*self.lines, *fresh), self.where)
        return AB(tuple(_ended([*self.lines, *fresh], self._eol())), self.where)


def parse(data: bytes, where: str) -> AB:
    """The AB in `data`; BadAb with file:line when it cannot be one.

    `where` is the file's name for messages. Checks what processing relies on: the required
    qualifiers, names that are safe as file names, the columns of list lines, PROCESS_STATUS.
    """
    text = data.decode("utf-8", "surrogateescape")
    ab = AB(tuple([_read(found) for found in _LINES.finditer(text)]), where)
    if b"\0" in data:
        raise BadAb("binary data in an AB file", where=where, remedy="restore the file from its source")
    _check(ab)
    return ab


def tag_of(name: str) -> str:
    """The tag in an AB name; BadAb when the name is not an AB's."""
    found = _NAME.fullmatch(name)
    if not found:
        raise BadAb(f"'{name}' is not an AB name", remedy="expected <INSTRUMENT>.<stamp>[_<tag>].ab")
    return found["tag"] or ""


def _read(found: re.Match[str]) -> Line:
    head, key, value, tail, end = found.groups()
    return _line(found[0]) if key is None else Line(key, head, value, tail, end)


def _line(text: str) -> Line:
    body = text.rstrip("\r\n")
    end = text[len(body) :]
    stripped = body.lstrip()
    if not stripped or stripped.startswith("#"):
        return Line("", "", "", body, end)
    key = stripped.split(None, 1)[0].partition("#")[0]
    start = len(body) - len(stripped) + len(key)
    start = len(body) - len(body[start:].lstrip())
    stop = _comment_at(body, start) if "#" in stripped else len(body)
    value = body[start:stop].rstrip()
    return Line(key, body[:start], value, body[start + len(value) :], end)


def _comment_at(body: str, start: int) -> int:
    quote = ""
    for index in range(start, len(body)):
        char = body[index]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and (index == start or body[index - 1].isspace()):
            quote = char if char in body[index + 1 :] else ""
        elif char == "#" and (index == start or body[index - 1].isspace()):
            return index
    return len(body)


def _check(ab: AB) -> None:
    values = {line.key: line.value for line in ab.lines}
    if not values.keys() - {""}:
        raise BadAb("the file is empty", where=ab.where, remedy="create the AB again")
    missing = [key for key in _REQUIRED if not values.get(key)]
    if missing:
        raise BadAb(
            f"qualifier {', '.join(missing)} missing",
            where=f"{ab.where}:{len(ab.lines)}",
            remedy="add the line, or create the AB again",
        )
    if not _NAME.fullmatch(values["AB_NAME"]):
        raise BadAb(f"AB_NAME '{ab.name}' is not an AB name", where=_place(ab, "AB_NAME"))
    for key in ("RAW_TYPE", "RECIPE", "DATE", "PROD_ROOT_NAME"):
        if not _SAFE.fullmatch(values[key]) or values[key].startswith((".", "-")):
            raise BadAb(
                f"{key} '{values[key]}' may not be used as a name",
                where=_place(ab, key),
                remedy="letters, digits and _ . : + - only",
            )
    if values["PROCESS_STATUS"] not in STATUSES:
        raise BadAb(
            f"PROCESS_STATUS '{ab.status}' is none of {', '.join(STATUSES)}", where=_place(ab, "PROCESS_STATUS")
        )
    for i, (key, _, value, _, _) in enumerate(ab.lines, 1):
        if reader := _READERS.get(key):
            try:
                reader(value)
            except BadAb as trouble:
                raise BadAb(trouble.what, where=f"{ab.where}:{i}", remedy=trouble.remedy) from None


def _place(ab: AB, key: str) -> str:
    """Where a qualifier stands, file:line; the last line counts when it stands twice."""
    return f"{ab.where}:{max(i for i, line in enumerate(ab.lines, 1) if line.key == key)}"


def _columns(value: str, least: int, layout: str) -> list[str]:
    words = value.split()
    if len(words) < least:
        raise BadAb(f"'{value}' has {len(words)} columns", remedy=f"expected: {layout}")
    return words


def _input(value: str) -> Input:
    words = _columns(value, 2, "<path> <tag>")
    return Input(words[0], words[1])


def _calib(value: str) -> Calib:
    words = _columns(value, 3, "REAL|VIRTUAL <path> <PRO.CATG> [<dt> OK|NOK]")
    if words[0] not in ("REAL", "VIRTUAL"):
        raise BadAb(f"'{words[0]}' is neither REAL nor VIRTUAL", remedy="fix the first column")
    return Calib(words[0], words[1], words[2], tuple(words[3:]))


def _expected(value: str) -> Expected:
    words = _columns(value, 2, "<name> <PRO.CATG> [VIRTUAL|REAL|EXISTING|MISSING]")
    if "/" in words[0] or words[0].startswith("."):
        raise BadAb(f"product name '{words[0]}' leaves its directory", remedy="a plain file name is needed")
    return Expected(words[0], words[1], words[2] if len(words) > 2 else "VIRTUAL")


_READERS: dict[str, Callable[[str], object]] = {
    "RAWFILE": _input,
    "RASSOC": _input,
    "SOF_CONTENT": _input,
    "MCALIB": _calib,
    "MASSOC": _calib,
    "PRODUCTS": _expected,
    "WAITFOR": tag_of,
}


def _printable(key: str, value: str, where: str) -> None:
    if "\n" in value or "\r" in value:
        raise BadAb(f"a value of {key} may not hold a line break", where=where)
    if _COMMENT.search(value):
        raise BadAb(f"a value of {key} may not hold ' #', it starts a comment", where=where)


def _new(key: str, value: str, end: str, like: list[Line] | None = None) -> Line:
    return Line(key, like[-1].head if like else f"{key:<16} ", value, "", end)


def _ended(lines: list[Line], end: str) -> list[Line]:
    """Only the very last line may lack its line end."""
    return [line._replace(end=end) if not line.end and line is not lines[-1] else line for line in lines]
