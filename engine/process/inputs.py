"""The files an AB needs, found where they are now (ab-lifecycle section 3.3).

A path is taken as written; a product whose AB was moved meanwhile is found in the final
directory of its date by PIPEFILE; else the AB fails and names what is missing.
"""

from __future__ import annotations

import os
from pathlib import Path

from config.tree import DfoTree
from engine.core.ab import AB
from engine.errors import BadFits, RecipeTrouble
from engine.headers.cards import keywords


class Inputs:
    """Finds inputs; remembers the PIPEFILEs of final directories while they do not change."""

    def __init__(self, tree: DfoTree) -> None:
        self.tree = tree
        self._known: dict[Path, tuple[int, dict[str, Path]]] = {}
        self._allowed = [Path(os.path.normpath(tree.root))]
        self._allowed += [Path(os.path.normpath(place)) for place in tree.variables.values() if place.startswith("/")]

    def of(self, ab: AB) -> list[tuple[Path, str]]:
        """What the recipe reads, in order, with tags. RecipeTrouble names the first missing input and what to do.

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
        for text, tag in needs:
            place = self.find(text)
            if place is None:
                missing.append(f"{self.tree.shorten(self.tree.expand(text))} ({tag})")
            else:
                found.append((place, tag))
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise RecipeTrouble(
                f"missing input {missing[0]}{more}",
                remedy="process the AB that makes it, or bring the file there, then r",
            )
        return found

    def find(self, text: str) -> Path | None:
        """Where the file of an AB line is; None when nowhere. RecipeTrouble for a path outside the account."""
        path = Path(os.path.normpath(self.tree.expand(text)))
        if not any(path.is_relative_to(place) for place in self._allowed):
            raise RecipeTrouble(
                f"input {text} lies outside the account's directories", remedy="correct the path in the AB"
            )
        if path.is_file():
            return path
        date, name = path.parent.name, path.name
        for final in (self.tree.cal / date, self.tree.sci / date):
            if found := self._by_pipefile(final).get(name):
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
        for path in sorted(place.glob("*.fits")):
            try:
                pipefile = keywords(path, ["PIPEFILE"]).get("PIPEFILE")
            except BadFits:
                continue
            if isinstance(pipefile, str):
                found.setdefault(pipefile, path)
        self._known[place] = (changed, found)
        return found
