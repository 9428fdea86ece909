"""The ABs of the account: read from $DFO_AB_DIR, rewritten whole.

The only writer of AB files. A bad file is reported and left alone; the others go on.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import fs
from engine.core.ab import AB, parse
from engine.core.dates import within
from engine.errors import BadAb

_LARGEST = 16 << 20  # bytes; an AB of 1,000 inputs has 0.3 MB


@dataclass(frozen=True, slots=True)
class Refused:
    """An AB file that could not be read: file:line and why."""

    where: str
    why: str


_Mark = tuple[int, int, int]  # what changes whenever a file is replaced or edited: inode, time, size


def read(path: Path | str) -> AB:
    """The AB in a file; BadAb with file:line, also when the file cannot be read or lies about its name."""
    return _read(os.fspath(path))[0]


def _read(path: str) -> tuple[AB, _Mark]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe must not hold us
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise BadAb("not a file", where=path, remedy="move it away")
            if found.st_size > _LARGEST:
                raise BadAb(f"larger than {_LARGEST >> 20} MB, not an AB", where=path)
            data = os.read(handle, found.st_size + 1)
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise BadAb("the AB file is gone", where=path, remedy="put it back, or create the AB again") from None
    except OSError as trouble:
        raise BadAb(f"cannot be read: {trouble.strerror}", where=path, remedy="check its permissions") from None
    ab = parse(data, path)
    if ab.name != path.rpartition("/")[2]:
        raise BadAb(f"AB_NAME says {ab.name}", where=path, remedy="rename the file or correct AB_NAME")
    return ab, _mark(found)


class Unchanged:
    """ABs that are read twice shortly after each other, parsed once while their files stay the same."""

    def __init__(self, store: AbStore) -> None:
        self._place = str(store.path(""))
        self._seen: dict[str, tuple[AB, _Mark]] = {}

    def read(self, name: str, *, last: bool = False) -> AB:
        """The AB as its file is now; BadAb as `read`. It is not kept any longer after the `last` time."""
        path = f"{self._place}/{name}"
        seen = self._seen.pop(name, None)
        if seen is None or not _same(path, seen[1]):
            seen = _read(path)
        if not last:
            self._seen[name] = seen
        return seen[0]


def _mark(found: os.stat_result) -> _Mark:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _same(path: str, mark: _Mark) -> bool:
    try:
        return _mark(os.stat(path)) == mark  # noqa: PTH116 - 2 us, a Path takes 8
    except OSError:
        return False


class AbStore:
    """ABs by name. `load` reads a pool; `write` replaces one file durably."""

    def __init__(self, tree: DfoTree) -> None:
        self.tree = tree
        self.refused: list[Refused] = []
        self._place = str(tree.ab)

    def path(self, name: str) -> Path:
        """Where the AB stands while it is worked on."""
        return self.tree.ab / name

    def load(self, mode: str = "", date: str = "") -> list[AB]:
        """All ABs of $DFO_AB_DIR, of one MODE and DATE (or month) if given; AB_list order first, then by name.

        `refused` names the files that could not be read.
        """
        self.refused = []
        found: dict[str, AB] = {}
        for path in sorted(self.tree.ab.glob("*.ab")):
            if path.name.startswith("."):
                continue
            try:
                ab = read(path)
            except BadAb as trouble:
                self.refused.append(Refused(trouble.where, str(trouble.what)))
                continue
            if (not mode or ab.mode == mode) and (not date or within(date, ab.date)):
                found[ab.name] = ab
        listed = [name for name in self._listed(mode, date) if name in found]
        return [found[name] for name in dict.fromkeys([*listed, *found])]

    def knows(self, mode: str, date: str) -> bool:
        """True when anything of a MODE and DATE stands in the account: its list, products, logs, final directory."""
        tree = self.tree
        places = (self.ab_list(mode, date), tree.log / date, tree.plt / date, tree.final(mode) / date)
        return any(place.exists() for place in places) or next(tree.product.glob(f"*/{date}"), None) is not None

    def write(self, ab: AB) -> None:
        """Replace the AB's file, whole or not at all."""
        fs.replace(f"{self._place}/{ab.name}", ab.render())

    def ab_list(self, mode: str, date: str) -> Path:
        """`$DFO_MON_DIR/AB_list_<MODE>_<DATE>`: the ABs of a pool in execution order."""
        return self.tree.mon / f"AB_list_{mode}_{date}"

    def write_list(self, mode: str, date: str, abs_: list[AB]) -> None:
        """Write the AB_list: name, RAW_TYPE, setup, AB_EVENT."""
        lines = [
            " ".join((ab.name, ab.raw_type, ",".join(ab.values("RAW_MATCH_KEY")) or "-", ab.get("AB_EVENT") or "-"))
            for ab in abs_
        ]
        fs.replace(self.ab_list(mode, date), "".join(line + "\n" for line in lines).encode())

    def _listed(self, mode: str, date: str) -> list[str]:
        lists = sorted(self.tree.mon.glob("AB_list_*"))
        if mode and date:
            lists = [path for path in lists if within(date, path.name.removeprefix(f"AB_list_{mode}_"))]
        names: list[str] = []
        for path in lists:
            if path.is_file():
                names += [line.split()[0] for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
        return names
