"""The files an AB needs, found where they are now (ab-lifecycle section 3.3).

A path is taken as written; a product whose AB was moved meanwhile is found in the final
directory of its date by PIPEFILE; else the AB fails and names what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from config.tree import DfoTree
from engine.core.ab import AB
from engine.core.product import stem_of
from engine.errors import RecipeTrouble
from engine.headers.pipefile import pipefile_of


def ab_of(product: str) -> str:
    """The name of the AB that a pipeline product is named after: `X_tpl.ab` of `r.X_tpl_0000.fits`."""
    return f"{product.rpartition('_')[0].removeprefix('r.')}.ab"


class MissingInput(RecipeTrouble):
    """Inputs are not on disk. `targets` is where those belong that a source may have."""

    targets: tuple[Path, ...] = ()


class Inputs:
    """Finds inputs; remembers the PIPEFILEs of final directories while they do not change."""

    def __init__(self, tree: DfoTree) -> None:
        self.tree = tree
        self._known: dict[Path, tuple[int, dict[str, Path]]] = {}
        places = [str(tree.root), *(place for place in tree.variables.values() if place.startswith("/"))]
        self._allowed = tuple(f"{os.path.normpath(place).rstrip('/')}/" for place in dict.fromkeys(places))

    def of(self, ab: AB) -> list[tuple[Path, str]]:
        """What the recipe reads, in order, with tags. MissingInput names the first missing one and what to do.

        An AB without SOF_CONTENT lines is fed its RAWFILE and MCALIB lines.
        """
        needs = [(entry.path, entry.tag) for entry in ab.sof]
        if not needs:
            needs = [(entry.path, entry.tag) for entry in ab.raws]
            needs += [(calib.path, calib.catg) for calib in ab.calibs]
        if not needs:
            raise RecipeTrouble("no inputs: the AB has no SOF_CONTENT line", remedy="create the AB again")
        found: list[tuple[Path, str]] = []
        missing: list[str] = []
        maker = ""
        targets: dict[Path, None] = {}
        for text, tag in needs:
            place = self.find(text)
            if place is not None:
                found.append((place, tag))
                continue
            path = self.tree.expand(text)
            missing.append(f"{self.tree.shorten(path)} ({tag})")
            if not maker and path.is_relative_to(self.tree.product) and path.name.startswith("r."):
                maker = f"process {ab_of(path.name)}, or "
            if target := self.target(text):
                targets[target] = None
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            trouble = MissingInput(
                f"missing input {missing[0]}{more}",
                remedy=f"{maker}bring the file there, then r",
            )
            trouble.targets = tuple(targets)
            raise trouble
        return found

    def as_read(self, ab: AB, found: Sequence[tuple[Path, str]]) -> AB:
        """The AB whose MCALIB lines say what is read: the product of a parent that ran again, not the one that moved.

        `found` is what `of` gave. The line is VIRTUAL again, as before the parent moved. Blocking.
        """
        read = {entry.path for entry in ab.sof}
        moved = [calib.path for calib in ab.calibs if calib.state == "REAL" and calib.path not in read]
        if not moved:
            return ab
        product = self.tree.product
        pairs = zip(ab.sof, found, strict=False)
        places = {path.name: entry.path for entry, (path, _) in pairs if path.is_relative_to(product)}
        now = {written: places[name] for written in moved if (name := self._pipefile(written)) in places}

        def line(value: str) -> str:
            state, written, *rest = value.split()
            return " ".join(("VIRTUAL", now[written], *rest)) if state == "REAL" and written in now else value

        return ab.mapped("MCALIB", line) if now else ab

    def _pipefile(self, written: str) -> str:
        path = self.tree.expand(written)
        return pipefile_of(path) or pipefile_of(path.with_name(f"{stem_of(path.name)}.hdr"))

    def targets(self, ab: AB) -> tuple[Path, ...]:
        """Where the missing inputs of an AB belong that a source may have. Blocking."""
        try:
            self.of(ab)
        except MissingInput as trouble:
            return trouble.targets
        return ()

    def target(self, text: str) -> Path | None:
        """Where the missing file of an AB line belongs, if a source may have it: raw, or a product by final name.

        A product that has moved is known by the header that was left of it.
        """
        path = Path(os.path.normpath(self.tree.expand(text)))
        if path.is_relative_to(self.tree.product):
            date, name = path.parent.name, path.name
            for final in (self.tree.cal / date, self.tree.sci / date):
                if header := self._by_pipefile(final).get(name):
                    return header.with_name(f"{stem_of(header.name)}.fits")
            return None
        if path.suffix != ".fits" or path.name.startswith("."):
            return None
        return path if any(path.is_relative_to(p) for p in (self.tree.raw, self.tree.cal, self.tree.sci)) else None

    def find(self, text: str) -> Path | None:
        """Where the file of an AB line is; None when nowhere. RecipeTrouble for a path outside the account."""
        path = Path(plain := os.path.normpath(self.tree.filled(text)))
        if not f"{plain}/".startswith(self._allowed):
            raise RecipeTrouble(
                f"input {text} lies outside the account's directories", remedy="correct the path in the AB"
            )
        if path.is_file():
            return path
        date, name = path.parent.name, path.name
        for final in (self.tree.cal / date, self.tree.sci / date):
            found = self._by_pipefile(final).get(name)
            if found and found.suffix == ".fits":
                return found
        return None

    def _by_pipefile(self, place: Path) -> dict[str, Path]:
        try:
            changed = place.stat().st_mtime_ns
        except OSError:
            return {}
        known = self._known.get(place)
        if known and known[0] == changed:
            return known[1]
        found: dict[str, Path] = {}
        for path in [*sorted(place.glob("*.fits")), *sorted(place.glob("*.hdr"))]:
            if pipefile := pipefile_of(path):
                found.setdefault(pipefile, path)
        self._known[place] = (changed, found)
        return found
