"""dfos verify: does everything that was released still stand as it was, years later?

The manifests of a DATE say what should: no engine, no journal and no archive is asked, and nothing is changed. The
account may stand somewhere else by now, manifests hold paths with variables. What lies in working directories or in
the trash may go its way; what was distributed may not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from config.tree import DfoTree
from engine.atomic.trash import INDEX
from engine.core.dates import MODES, date_label, mode_label
from engine.release import manifest
from engine.release.lineage import Lineage, renamed_words
from engine.release.manifest import UNREAD, Entry

MISSING, CHANGED, UNREADABLE, UNKNOWN, DAMAGED = "missing", "changed", "unreadable", "unknown", "damaged"
RENAMED = "renamed"
_BLOCK = 1 << 20
Told = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a file: missing, changed, unreadable, renamed (by hand), unknown (nobody put it there), or a
    damaged manifest."""

    kind: str
    path: str
    detail: str


@dataclass
class Report:
    """What `verify` found. `whole` files (`size` bytes) are as they were; `slimmed` ones stand as headers (.hdr);
    of `unread` ones only the size was ever known; `notes` are no findings."""

    date: str
    manifests: tuple[str, ...] = ()
    whole: int = 0
    size: int = 0
    slimmed: int = 0
    unread: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return asdict(self)


def verify_date(
    tree: DfoTree, date: str, mode: str = "", *, today: str = "", told: Told = lambda done, of, path: None
) -> Report:
    """Check everything the manifests of a DATE (of one MODE if given) say should stand.

    `today` (UTC, ISO) decides what has expired in the trash; `told(bytes, of bytes, path)` hears how far it is. Reads
    whole files.
    """
    date_label(date)
    if mode:
        mode_label(mode)
    found = list(manifest.of_date(tree, date, mode))
    report = Report(date, tuple(item.path.name for item in found))
    for item in found:
        if item.damaged:
            lines = "line" if item.damaged == 1 else "lines"
            report.findings.append(
                Finding(DAMAGED, tree.shorten(item.path), f"{item.damaged} {lines} of this manifest cannot be read")
            )
    stands = manifest.standing(found)
    released = {path: entry for path, entry in stands.items() if not _at_work(tree, path)}
    check = _Check(tree, report, today, told)
    check.all(released)
    _strangers(tree, report, released, check.renamed)
    return report


def _at_work(tree: DfoTree, path: str) -> bool:
    """Working directories: what an undo put back there is processed, edited and removed again."""
    place = Path(path)
    if place.parent == tree.mon and place.name.startswith("AB_list_"):
        return True
    return any(place.is_relative_to(folder) for folder in (tree.product, tree.ab, tree.dfs_log, tree.vcal, tree.tmp))


class _Check:
    """File by file."""

    def __init__(self, tree: DfoTree, report: Report, today: str, told: Told) -> None:
        self._tree = tree
        self._report = report
        self._today = today
        self._told = told
        self.renamed: set[str] = set()  # what was renamed by hand, under the names it has now
        self._lineage = cache(lambda mode: Lineage(tree, mode, report.date))
        self._until: dict[Path, str | None] = {}
        self._done = 0
        self._of = 0

    def all(self, released: dict[str, Entry]) -> None:
        """Check them all, in the order of their paths."""
        self._of = sum(entry.size for entry in released.values())
        for path in sorted(released):
            entry = released[path]
            try:
                self._one(Path(path), entry)
            except OSError as trouble:
                self._add(UNREADABLE, path, trouble.strerror or str(trouble))
            self._done += entry.size if entry.sha256 == UNREAD else 0

    def _add(self, kind: str, path: str | Path, detail: str) -> None:
        self._report.findings.append(Finding(kind, self._tree.shorten(Path(path)), detail))

    def _one(self, path: Path, entry: Entry) -> None:
        try:
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            self._gone(path, entry)
            return
        if entry.sha256 == UNREAD:
            if size != entry.size and entry.size:
                self._add(CHANGED, path, f"{size} bytes, it had {entry.size}")
                return
            self._report.unread += 1
        elif size != entry.size:
            self._add(CHANGED, path, f"{size} bytes, it had {entry.size}")
            return
        elif self._read(path) != entry.sha256:
            self._add(CHANGED, path, "other content, same size")
            return
        self._report.whole += 1
        self._report.size += size

    def _read(self, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                self._done += len(block)
                self._told(self._done, self._of, path.name)
        return digest.hexdigest()

    def _gone(self, path: Path, entry: Entry) -> None:
        if path.is_relative_to(self._tree.trash):
            self._gone_from_trash(path)
        elif path.name.endswith(".fits") and path.with_suffix(".hdr").is_file():
            self._report.slimmed += 1
        elif now := self._by_hand(path, entry):
            self.renamed.add(str(now))
            self._add(RENAMED, path, f"{now.name}: {renamed_words(now)}")
        else:
            why = ", a link that leads nowhere" if path.is_symlink() else ""
            self._add(MISSING, path, f"{entry.what}, {entry.size} bytes{why}")

    def _by_hand(self, path: Path, entry: Entry) -> Path | None:
        for mode in MODES:
            if path.parent == self._tree.final(mode) / self._report.date and not path.is_symlink():
                return self._lineage(mode).by_hand(path, entry.size, entry.sha256)
        return None

    def _gone_from_trash(self, path: Path) -> None:
        """Gone too early is a loss; after its day, or with its whole directory, it was emptied."""
        place = self._tree.trash.joinpath(*path.relative_to(self._tree.trash).parts[:2])
        fresh = place not in self._until
        until = self._until.setdefault(place, _until(place))
        if until is None:
            if fresh:
                self._report.notes.append(f"{place.name} is no longer in the trash")
        elif until >= self._today:
            self._add(MISSING, path, f"gone from the trash, where it was to stay until {until}")


def _until(place: Path) -> str | None:
    """The day until which a directory of the trash is kept; None when it is gone."""
    try:
        return str(json.loads((place / INDEX).read_text("utf-8"))["until"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _strangers(tree: DfoTree, report: Report, released: dict[str, Entry], renamed: set[str]) -> None:
    """Files nobody distributed, in the directories of what was distributed."""
    folders = {Path(path).parent for path in released if not Path(path).is_relative_to(tree.trash)}
    for folder in sorted(place for place in folders if report.date in place.parts):
        try:
            names = sorted(path for path in folder.iterdir() if not path.is_dir())
        except FileNotFoundError:
            continue
        except OSError as trouble:
            report.findings.append(Finding(UNREADABLE, tree.shorten(folder), trouble.strerror or str(trouble)))
            continue
        for path in names:
            header_of = str(path.with_suffix(".fits")) if path.suffix == ".hdr" else ""
            if str(path) not in renamed and str(path) not in released and header_of not in released:
                report.findings.append(Finding(UNKNOWN, tree.shorten(path), "no manifest knows it"))


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each kind."""
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.kind] = counts.get(finding.kind, 0) + 1
    return counts
