"""HTML pages of a move: links edited so that each leads to the same file from the new place (step 2.15). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.release.links.links import relinked
from engine.release.move.plan import AbUpdate, Carry, Page
from engine.release.move.survey import Snapshot


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages that move with edited links, pages that stand there already and change, and links that lead nowhere."""

    moving: tuple[Page, ...]
    standing: tuple[AbUpdate, ...]
    warnings: tuple[str, ...]


def pages(
    seen: Snapshot, carried: Iterable[Carry], moved: Mapping[str, str], leaving: Collection[str] = frozenset()
) -> Pages:
    """What becomes of the pages; `moved` maps every path that changes, old to new, `leaving` go to the trash."""
    moving, standing, warnings = [], [], []
    targets = {entry.source: entry for entry in carried}

    def stays(path: str) -> bool:
        return path in seen.links and path not in leaving

    for path, carry in targets.items():
        if path.lower().endswith((".html", ".htm")) and path not in seen.pages:
            warnings.append(f"{Path(path).name}: no page whose links could be edited ({carry.size} bytes)")
    for path, html in seen.pages.items():
        entry = targets.get(path)
        new = entry.target if entry else path
        if entry is None and (path in moved or path in leaving):
            continue
        edited = relinked(html, old=Path(path), new=Path(new), moved=moved, exists=stays)
        if entry:
            warnings += [f"{Path(path).name}: its link {link} leads nowhere" for link in edited.dead]
        if edited.html == html:
            continue
        text = edited.html.decode("utf-8", "surrogateescape")
        if entry:
            moving.append(Page(path, new, text, entry.size))
        else:
            standing.append(AbUpdate(Path(path).name, "", path, text))
    return Pages(tuple(moving), tuple(standing), tuple(warnings))
