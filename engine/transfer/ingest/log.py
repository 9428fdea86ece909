"""The log of an ingestion: `$DFO_LST_DIR/list_ingest_<MODE>_<DATE>.txt`, one line per file and result.

A line is `name size SHA-256 time attempt result`; blanks and the like in a name stand there as %20. Before v1.2
of the classic tool the file was called `list_ingest_<DATE>.txt`; both are read (layout of the lines inferred).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from config.tree import DfoTree
from engine.atomic import fs
from engine.transfer.ingest.states import INGESTED, Item

_LINE = re.compile(r"(\S+) (\d+) ([0-9a-f]{64}|-) (\d{4}-\d\d-\d\dT\S+) (\d+) (.+)")
_PLAIN = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"  # what stays as it is; % does not, so that names can be read back


@dataclass(frozen=True, slots=True)
class Logged:
    """One line: what became of a file. `text` is the line itself; a line of an older layout has only that."""

    text: str
    name: str = ""
    size: int = 0
    sha256: str = ""
    when: str = ""
    attempt: int = 0
    result: str = ""

    @property
    def ingested(self) -> bool:
        """The archive had confirmed the file."""
        return self.result == INGESTED or self.result.startswith(f"{INGESTED} ")


def log_path(tree: DfoTree, mode: str, date: str) -> Path:
    """Where the log is written."""
    return tree.lst / f"list_ingest_{mode}_{date}.txt"


def ingest_log(tree: DfoTree, mode: str, date: str) -> list[Logged]:
    """The lines of the log, oldest first, those of an older log of the date before them."""
    found = []
    for path in (tree.lst / f"list_ingest_{date}.txt", log_path(tree, mode, date)):
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        found += [_logged(line) for line in text.splitlines() if line.strip()]
    return found


def line_of(item: Item, when: str, result: str) -> str:
    """The line about an item."""
    words = " ".join(result.split())
    as_name = f" as {_quoted(item.stored_as)}" if item.stored_as and item.state == INGESTED else ""
    return f"{_quoted(item.name)} {item.size} {item.sha256 or '-'} {when} {item.tries} {words}{as_name}"


def append(path: Path, lines: Sequence[str]) -> None:
    """Add lines, durably."""
    if lines:
        fs.append(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


def mend(path: Path, wanted: Iterable[str]) -> None:
    """Bring the log in line with the database: a crash may have cut its last line, or come before it."""
    fs.make_dir(path.parent)
    text = path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else ""
    lines, known = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n"), list(wanted)
    if not text:
        lines = []
    elif not text.endswith("\n") and any(line.startswith(lines[-1]) for line in known):
        lines.pop()
    present = set(lines)
    mended = "".join(f"{line}\n" for line in [*lines, *(line for line in known if line not in present)])
    if mended != text:
        fs.replace(path, mended.encode("utf-8", "surrogateescape"))


def _logged(line: str) -> Logged:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        return Logged(line.strip())
    name, size, sha256, when, attempt, result = match.groups()
    return Logged(line.strip(), unquote(name), int(size), sha256.strip("-"), when, int(attempt), result)


def _quoted(name: str) -> str:
    return quote(name, safe=_PLAIN, errors="surrogateescape") if not name.isascii() or not _is_plain(name) else name


def _is_plain(name: str) -> bool:
    return name.isprintable() and " " not in name and "%" not in name
