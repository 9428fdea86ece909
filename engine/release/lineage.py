"""Every name the products of a MODE and DATE have had, run by run, as the manifests of that date tell it.

A final name may have belonged to several products one after the other (version letters shift), so a name means
something only together with the run after which it was written down.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import fs
from engine.core.product import SUFFIXES
from engine.headers.pipefile import pipefile_of
from engine.release import manifest
from engine.release.rename.naming import stem
from engine.release.rename.rn_files import NAME

BY_HAND = "rn_files was run by hand"
_PRODUCTS = (*SUFFIXES, ".tfits")
NOW = 1 << 62  # later than every run


@dataclass
class Life:
    """One product: after which run (number) it stood where (path), oldest first; 0 is before all of them."""

    stays: list[tuple[int, str]] = field(default_factory=list)

    @property
    def last(self) -> Path:
        """Where it should stand now."""
        return Path(self.stays[-1][1])

    def at(self, run: int) -> str:
        """Where it stood after a run; '' when it was not known yet."""
        return next((path for number, path in reversed(self.stays) if number <= run), "")


class Lineage:
    """The products of a MODE and DATE and their names. Reads the manifests once."""

    def __init__(self, tree: DfoTree, mode: str, date: str) -> None:
        self.place = tree.final(mode) / date
        self._logs = tree.log / date
        self._scripted = _pairs(self.place / NAME)
        self._lives: list[Life] = []
        self._here: dict[str, Life] = {}  # by folder and stem: what stands there after the last run
        self._held: dict[str, list[Life]] = {}  # by stem: those that ever stood in the final directory under it
        self._written: dict[str, list[tuple[int, str]]] = {}
        self.labels: dict[int, str] = {}  # of the runs, e.g. move-000001
        for one in manifest.of_date(tree, date, mode):
            self._follow(one)

    def _follow(self, one: manifest.Manifest) -> None:
        run, kind = int(one.transaction.rpartition("-")[2]), one.transaction.rpartition("-")[0]
        self.labels[run] = one.transaction
        moved = [entry for entry in one.entries if entry.before.endswith(_PRODUCTS)]
        taken = [(entry, self._here.pop(_key(entry.before), None)) for entry in moved]
        for entry, life in taken:
            if life is None:
                life = Life()
                self._lives.append(life)
                self._stays(life, 0, entry.before)
            if entry.after:
                self._stays(life, run, entry.after)
                self._here[_key(entry.after)] = life
        for entry in one.entries:
            path = Path(entry.after)
            if not entry.before and path.parent == self._logs and kind != "undo":
                self._written.setdefault(path.name, []).append((run, entry.sha256))

    def _stays(self, life: Life, run: int, path: str) -> None:
        life.stays.append((run, path))
        if Path(path).parent == self.place:
            self._held.setdefault(stem(Path(path).name), []).append(life)

    def standing(self) -> Iterator[Life]:
        """The products that should stand in the final directory now."""
        return (life for life in self._lives if life.last.parent == self.place and self._here.get(_key(life.last)))

    def run_of(self, path: Path) -> int | None:
        """After which run the AB at `path` was written as it stands; None when none of ours wrote it.

        An undo puts an older text back, which means what it meant then.
        """
        runs = self._written.get(path.name, [])
        if path.parent != self._logs or not runs:
            return None
        try:
            sha = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            return None
        return next((run for run, known in reversed(runs) if known == sha), runs[-1][0])

    def life_of(self, name: str, run: int) -> Life | None:
        """The product that was called `name` in the final directory after a run, else the last one before that."""
        lives = self._held.get(stem(name), [])
        same = {str(self.place / stem(name))}
        for life in lives:
            if _key(life.at(run)) in same:
                return life
        return max(
            (life for life in lives if any(number <= run and _key(path) in same for number, path in life.stays)),
            key=lambda life: max(number for number, path in life.stays if number <= run and _key(path) in same),
            default=None,
        )

    def names_of(self, life: Life) -> list[str]:
        """Under which names a product may stand in its final directory, likeliest first; none when it left that.

        Its earlier names count too, its PIPEFILE among them, where no other product bears them now: names
        are also changed by hand, e.g. with rn_files.
        """
        if life.last.parent != self.place:
            return []
        found = [life.last.name]
        for name in dict.fromkeys(Path(path).name for _, path in reversed(life.stays)):
            other = self._here.get(str(self.place / stem(name)))
            if other is None and name not in found:
                found.append(name)
        return found + [self._scripted[stem(name)] for name in found[:1] if stem(name) in self._scripted]

    def by_hand(self, path: Path, size: int, sha256: str = manifest.UNREAD) -> Path | None:
        """Where the product stands now that should stand at `path`, if it was renamed by hand; None if not.

        It must be a product this place knows under that other name, of the same size and SHA-256 (`-`: not asked).
        """
        life = self._here.get(_key(path))
        for name in self.names_of(life)[1:] if life is not None else []:
            other = path.with_name(name)
            if other == path or other.is_symlink() or not other.is_file() or other.stat().st_size != size:
                continue
            if sha256 == manifest.UNREAD or fs.sha256(other) == sha256:
                return other
        return None

    def called(self, name: str, run: int | None) -> list[str]:
        """Under which names the product that was called `name` may stand now; none when nobody knows it.

        `run` is that of `run_of`: an AB that none of our runs wrote is likely older than they are.
        """
        life = self.life_of(name, run) if run is not None else self.life_of(name, 0) or self.life_of(name, NOW)
        if life is not None:
            return self.names_of(life)
        return [self._scripted[stem(name)]] if stem(name) in self._scripted else []


def _key(path: str | Path) -> str:
    folder, _, name = str(path).rpartition("/")
    return f"{folder}/{stem(name)}"


def renamed_words(now: Path) -> str:
    """What is said of a product that was renamed by hand to `now`, and how the right names come back."""
    if stem(pipefile_of(now)) == stem(now.name):
        return f"called by its PIPEFILE ({BY_HAND}); ./rn_files gives the final names back"
    return f"called by another name of it ({BY_HAND}); ./rn_files -r gives the PIPEFILE names back"


def _pairs(script: Path) -> dict[str, str]:
    """The other name by the stem of each name in an rn_files; none when there is no such script."""
    try:
        text = script.read_text("utf-8", "surrogateescape")
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("rn "):
            try:
                _, old, new = shlex.split(line)
            except ValueError:
                continue
            found |= {stem(old): new, stem(new): old}
    return found
