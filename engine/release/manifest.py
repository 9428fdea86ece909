"""Before and after: one text per run that says what every file was, where it came from and where it went.

`$DFO_LST_DIR/manifest_<MODE>_<DATE>_<transaction>.txt`, one line per file: SHA-256 (hex, `-` where the file was
not read), bytes, what it is, before, after. Tabs between, paths with the account's variables, `-` for nowhere,
characters that would break a line percent-encoded. Whoever asks in five years needs no program of ours to read it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote

from config.tree import DfoTree
from engine.atomic.journal import Step, Transaction

UNREAD = "-"
_NAME = re.compile(r"manifest_(CALIB|SCIENCE)_(\d{4}-\d{2}-\d{2})_([a-zA-Z]+-\d{6})\.txt")
_LINE = re.compile(r"([0-9a-f]{64}|-)\t(\d+)\t([a-z]+)\t([^\t]+)\t([^\t]+)")
_SAFE = re.compile(r"[A-Za-z0-9_./:+~=@,-]*", re.ASCII)
_PLAIN = "/:.,+=@~ !&()[]{}'"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a run. `before` and `after` are absolute paths, '' for nowhere; `size` in bytes."""

    sha256: str
    size: int
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One run: the file, its MODE and DATE, the transaction, and its entries. `damaged` lines could not be read."""

    path: Path
    mode: str
    date: str
    transaction: str
    entries: tuple[Entry, ...]
    damaged: int = 0


def of_text(text: str, what: str, after: str) -> Entry:
    """The entry of a file that the run writes anew."""
    content = text.encode("utf-8", "surrogateescape")
    return Entry(hashlib.sha256(content).hexdigest(), len(content), what, "", after)


def file_of(tree: DfoTree, transaction: Transaction) -> Path:
    """Where the manifest of a transaction stands."""
    return tree.lst / f"manifest_{transaction.mode}_{transaction.date}_{transaction.label}.txt"


def text_of(tree: DfoTree, transaction: Transaction, entries: Iterable[Entry]) -> str:
    """The manifest as text."""
    head = (
        f"# {transaction.label}: {transaction.summary}\n"
        f"# begun {transaction.begun} UT by {transaction.who}\n"
        "# sha256, bytes, what, before, after\n"
    )
    folders: dict[str, str] = {}

    def written(path: str) -> str:
        if not path:
            return "-"
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            variable, slash, rest = _divided(tree.shorten(Path(folder)))
            folders[folder] = f"{variable}{slash}{_quoted(rest)}"
        return f"{folders[folder]}/{_quoted(name)}"

    lines = (
        f"{entry.sha256}\t{entry.size}\t{entry.what}\t{written(entry.before)}\t{written(entry.after)}\n"
        for entry in entries
    )
    return quote(head, safe="# \n,:.$/()[]@+-'") + "".join(lines)


def manifest_step(tree: DfoTree, transaction: Transaction, entries: Iterable[Entry]) -> Step:
    """The journal step that writes the manifest of a transaction: after all its files stand, before its flags."""
    path = file_of(tree, transaction)
    data = {"path": str(path), "text": text_of(tree, transaction, entries)}
    return Step("write the manifest", "write", data, f"write {path.name}")


def _quoted(text: str) -> str:
    return text if _SAFE.fullmatch(text) else quote(text, safe=_PLAIN, errors="surrogateescape")


def _divided(text: str) -> tuple[str, str, str]:
    """The variable that a path begins with ('': none), what divides, and the rest."""
    return text.partition("/") if text.startswith("$") else ("", "", text)


def _read(tree: DfoTree, text: str) -> str:
    if text == "-":
        return ""
    variable, slash, rest = _divided(text)
    return str(tree.lengthen(f"{variable}{slash}{unquote(rest, errors='surrogateescape')}"))


def read(tree: DfoTree, path: Path) -> Manifest | None:
    """A manifest; None when the name is not that of one. Lines that are damaged are counted, not guessed."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    entries, damaged = entries_of(tree, path.read_text("utf-8", "surrogateescape"))
    return Manifest(path, match[1], match[2], match[3], entries, damaged)


def entries_of(tree: DfoTree, text: str) -> tuple[tuple[Entry, ...], int]:
    """The entries of a manifest's text, and how many of its lines are damaged."""
    entries, damaged = [], 0
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            damaged += 1
            continue
        sha, size, what, before, after = found.groups()
        entries.append(Entry(sha, int(size), what, _read(tree, before), _read(tree, after)))
    return tuple(entries), damaged


def of_date(tree: DfoTree, date: str, mode: str = "") -> Iterator[Manifest]:
    """The manifests of a DATE, oldest run first."""
    found = []
    for path in tree.lst.glob(f"manifest_{mode or '*'}_{date}_*.txt"):
        manifest = read(tree, path)
        if manifest is not None:
            found.append(manifest)
    return iter(sorted(found, key=lambda one: (one.transaction.rpartition("-")[2], one.transaction)))


def standing(manifests: Iterable[Manifest]) -> dict[str, Entry]:
    """What should stand where after all these runs: the last entry by path.

    A run that moved a file without reading it (a mere rename) leaves its checksum as it was known.
    """
    found: dict[str, Entry] = {}
    for manifest in manifests:
        gone = {entry.before: found.pop(entry.before, None) for entry in manifest.entries if entry.before}
        for entry in manifest.entries:
            known = gone.get(entry.before)
            if entry.sha256 == UNREAD and known is not None and known.size == entry.size:
                entry = replace(entry, sha256=known.sha256)
            if entry.after:
                found[entry.after] = entry
    return found
