"""Job files of $DFO_JOB_DIR: execAB_ and execQC_ hold one call per AB, JOBS_NIGHT and JOBS_AUTO name such files.

Ours and those of the classic tool read alike (createJob page: "execAB and execQC calls"). JOBS_NIGHT and JOBS_AUTO
may hold processAB and processQC calls themselves, and name any other file of $DFO_JOB_DIR that holds some. A line
that is no call we know is never run: it is reported with its number, and stays where it is.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import fs, lock
from engine.core.ab import tag_of
from engine.errors import BadAb, UsageTrouble

EXEC_AB, EXEC_QC = "processAB", "processQC"
FILES = {EXEC_AB: "execAB", EXEC_QC: "execQC"}
QUEUES = ("JOBS_NIGHT", "JOBS_AUTO")
_LARGEST = 64 << 20  # bytes; a month of 20,000 ABs has 1.3 MB
_WORD = r"""(?:"[^"`;|&<>()]+"|'[^';|&<>()]+'|[\w./~${}:+,=@%-]+)"""  # nothing that a shell would run
_OUTPUT = re.compile(  # where a classic call sends its words, in ksh or csh; ours keep logs
    rf"\s*(?:(?:[12&]?>{{1,2}}|>{{1,2}}&)!?\s*{_WORD}|2>&1|\|&?\s*tee(?:\s+-a)?\s+{_WORD}|(?<![&|])&)\s*$"
)
_COMMENT = re.compile(r"\s#.*$")
_CALL = re.compile(
    r"""(?:nice(?:\s+(?:-n\s*)?[-+]{0,2}\d+)?\s+)?(?:[\w./~${}:+-]*/)?(?P<tool>processAB|processQC)\s+-a\s+
        (?P<quote>["']?)(?:(?P<place>[\w./~${}:+-]*)/)?(?P<ab>[^\s/"']+)(?P=quote)""",
    re.VERBOSE,
)
_HERE = ("$DFO_AB_DIR", "${DFO_AB_DIR}")
_JOBS_HERE = ("$DFO_JOB_DIR", "${DFO_JOB_DIR}")
_NAMED = re.compile(
    r"""(?:nice(?:\s+(?:-n\s*)?[-+]{0,2}\d+)?\s+)?(?:(?:sh|ksh|bash|csh|tcsh|source|\.)\s+)?
        (?P<quote>["']?)(?:(?P<place>[\w./~${}:+-]*)/)?(?P<name>\w[\w.:+-]*)(?P=quote)""",
    re.VERBOSE | re.ASCII,
)
_EXEC = re.compile(r"exec(?:AB|QC)_(?P<mode>CALIB|SCIENCE)_(?P<date>\d{4}-\d{2}-\d{2})(?:_[\w.:\-]+)?", re.ASCII)
_OTHERS = {  # what may stand in JOBS_AUTO and is no processing (preimg-hotfly-headers, automatic1 page)
    "execHC_": "health plots are not made here",
    "JOBS_": "names a list of jobs, no job file",
    "ingestProducts": "belongs into JOBS_INGEST",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: processAB or processQC, and the AB; `place` is its directory as written, '' for $DFO_AB_DIR."""

    tool: str
    ab: str
    place: str = ""

    @property
    def line(self) -> str:
        """The call as it stands in the file."""
        return f"{self.tool} -a {self.ab}"


@dataclass(frozen=True, slots=True)
class Strange:
    """A line that is no call we know: file:line, its text, and what is wrong with it."""

    where: str
    text: str
    why: str = "no processAB or processQC call"


@dataclass(frozen=True, slots=True)
class JobFile:
    """What a job file says: its calls in order, each once, and the lines nobody knows."""

    path: Path
    calls: tuple[Call, ...]
    strange: tuple[Strange, ...]


@dataclass(frozen=True, slots=True)
class Queued:
    """A line of JOBS_NIGHT or JOBS_AUTO: it names a job file, or is a call itself; else it is `strange`, and `why`.

    `place` is the directory of the job file as written, '' for $DFO_JOB_DIR.
    """

    where: str
    line: str
    name: str = ""
    place: str = ""
    call: Call | None = None
    why: str = ""

    @property
    def strange(self) -> bool:
        """True when the line is nothing that can be carried out."""
        return not self.name and self.call is None

    @property
    def job(self) -> str:
        """What is carried out, in a few words: the name of the job file, or the call."""
        return self.call.line if self.call else self.name


def name_of(tool: str, mode: str, date: str, part: str = "") -> str:
    """`execAB_<MODE>_<DATE>`, with `_<part>` behind it for a sub-cascade."""
    return f"{FILES[tool]}_{mode}_{date}" + (f"_{part}" if part else "")


def job_text(head: Iterable[str], calls: Iterable[Call]) -> str:
    """A job file: what it is as comments, then one call per line."""
    return "".join(f"# {line}".rstrip() + "\n" for line in head) + "".join(f"{call.line}\n" for call in calls)


def parse(data: bytes, path: Path) -> JobFile:
    """The calls of a job file; a call that stands there twice counts once."""
    calls: dict[Call, None] = {}
    strange: list[Strange] = []
    for number, line in _lines(data):
        found = _read(f"{path}:{number}", line)
        if isinstance(found, Call):
            calls[found] = None
        else:
            strange.append(found)
    return JobFile(path, tuple(calls), tuple(strange))


def read(path: Path) -> JobFile:
    """The calls of a job file on disk. UsageTrouble when it cannot be read or is no text."""
    return parse(_bytes(path), path)


def queue(path: Path) -> list[Queued]:
    """The lines of JOBS_NIGHT or JOBS_AUTO, oldest first, identical ones once; [] when there is no such file.

    UsageTrouble when something else stands there.
    """
    if not os.path.lexists(path):
        return []
    found: dict[str, Queued] = {}
    for number, line in _lines(_bytes(path)):
        found.setdefault(line, _queued(path, f"{path}:{number}", line))
    return list(found.values())


def entry_of(tree: DfoTree, queue_name: str, line: str) -> Queued:
    """A line of JOBS_NIGHT or JOBS_AUTO as it stands there. UsageTrouble when it does not, or cannot be carried out."""
    entry = next((entry for entry in queue(tree.job / queue_name) if entry.line == line), None)
    if entry is None:
        raise UsageTrouble(f"{line} does not stand in {queue_name}", remedy="dfos jobs lists what does")
    if entry.strange:
        raise UsageTrouble(f"{entry.why}: {line}", where=entry.where, remedy="correct the line by hand")
    return entry


def job_of(tree: DfoTree, entry: Queued) -> JobFile:
    """What a line of JOBS_NIGHT or JOBS_AUTO means. UsageTrouble when its file cannot be read, or is not ours."""
    if entry.call:
        return JobFile(Path(entry.where), (entry.call,), ())
    if entry.place and os.path.realpath(tree.expand(entry.place)) != os.path.realpath(tree.job):
        raise UsageTrouble(
            f"{entry.place}/{entry.name} is not in $DFO_JOB_DIR", where=entry.where, remedy="correct the line by hand"
        )
    return read(tree.job / entry.name)


def pool_of(name: str) -> tuple[str, str]:
    """MODE and DATE in the name of a job file; both '' where it is called otherwise."""
    match = _EXEC.fullmatch(name)
    return (match["mode"], match["date"]) if match else ("", "")


def done(tree: DfoTree, path: Path, line: str) -> bool:
    """Take a line that was carried out of JOBS_NIGHT or JOBS_AUTO, durably; every other line stays as it is.

    False when it did not stand there.
    """
    with lock.shared_file(tree, path):
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        rest = [other for other in lines if _text(other) != line]
        if len(rest) != len(lines):
            fs.replace(path, b"".join(rest))
        return len(rest) != len(lines)


def free(path: Path) -> None:
    """UsageTrouble when a job file cannot be written here: something stands there that is no file."""
    if os.path.lexists(path) and not path.is_file():
        raise UsageTrouble("is no file", where=str(path), remedy="move it away")


def _read(where: str, line: str) -> Call | Strange:
    """The call of a line, or why it is none."""
    match = _CALL.fullmatch(_bare(line))
    if not match:
        return Strange(where, line)
    try:
        tag_of(match["ab"])
    except BadAb as trouble:
        return Strange(where, line, str(trouble))
    place = match["place"] or ""
    return Call(match["tool"], match["ab"], "" if place in _HERE else place)


def _queued(path: Path, where: str, line: str) -> Queued:
    """A line of JOBS_NIGHT or JOBS_AUTO. A file of another name than createJob's must be there and hold calls."""
    bare = _bare(line)
    found = _read(where, line)
    if isinstance(found, Call) or _CALL.fullmatch(bare):
        return Queued(where, line, call=found) if isinstance(found, Call) else Queued(where, line, why=found.why)
    word = bare.split("/")[-1]
    why = next((why for start, why in _OTHERS.items() if word.startswith(start)), "")
    match = _NAMED.fullmatch(bare)
    if why or not match:
        return Queued(where, line, why=why or "names no job file, and is no processAB or processQC call")
    place = "" if match["place"] in (None, ".", *_JOBS_HERE) else match["place"]
    if not _EXEC.fullmatch(match["name"]):
        try:
            calls = read(path.parent / match["name"]).calls
        except UsageTrouble:
            return Queued(where, line, why="names no job file of $DFO_JOB_DIR, and is no processAB or processQC call")
        if not calls:
            return Queued(where, line, why=f"{match['name']} holds no processAB or processQC call")
    return Queued(where, line, match["name"], place)


def _bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe that nobody writes to would keep us for ever
            raise UsageTrouble("is no file", where=str(path), remedy="move it away; createJob makes job files")
        if status.st_size > _LARGEST:
            raise UsageTrouble(f"larger than {_LARGEST >> 20} MB, not a job file", where=str(path))
        data = path.read_bytes()
    except OSError as trouble:
        raise UsageTrouble(
            f"cannot be read: {trouble.strerror}", where=str(path), remedy="createJob makes it"
        ) from None
    if b"\0" in data:
        raise UsageTrouble("binary data, not a job file", where=str(path), remedy="createJob makes it anew")
    return data


def _lines(data: bytes) -> Iterable[tuple[int, str]]:
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = _text(raw)
        if line and not line.startswith("#"):
            yield number, line


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()


def _bare(line: str) -> str:
    line = _COMMENT.sub("", line)
    while (shorter := _OUTPUT.sub("", line)) != line:
        line = shorter
    return line
