"""Many files on their way, grouped into journal steps by where they come from and go to. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from engine.atomic.journal import Step

MOST = 1000  # files of one step


def shifts(
    phase: str, moves: Iterable[tuple[PurePath, PurePath]], words: str, event: Mapping[str, Any] | None = None
) -> Iterator[Step]:
    """Steps that move files (from, to). `words` say what happens, e.g. `place`.

    `event` is the template of an event per file: `{old}`, `{new}`, `{path}` and `{size}` are filled in from the
    names and from `sizes`, a mapping of source path to bytes; see `events_of`.
    """
    folders: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for source, target in moves:
        source_dir, _, old = str(source).rpartition("/")
        target_dir, _, new = str(target).rpartition("/")
        folders.setdefault((source_dir, target_dir), []).append((old, new))
    sizes = (event or {}).get("sizes", {})
    for (source_dir, target_dir), names in folders.items():
        pairs = iter(names)
        while batch := list(itertools.islice(pairs, MOST)):
            told = None
            if event:
                told = {key: value for key, value in event.items() if key != "sizes"}
                told["sizes"] = [sizes.get(f"{source_dir}/{old}", 0) for old, _ in batch]
            what = batch[0][1] if len(batch) == 1 else f"{len(batch)} files"
            data = {"source": source_dir, "target": target_dir, "names": batch}
            yield Step(phase, "shift", data, f"{words} {what}", told)


def events_of(step: Step) -> Iterator[dict[str, Any]]:
    """The events of one step that is done, as plain data: one, or one per file that was shifted."""
    if step.event is None:
        return
    if step.act != "shift":
        yield dict(step.event)
        return
    template = {key: value for key, value in step.event.items() if key != "sizes"}
    for (old, new), size in zip(step.data["names"], step.event["sizes"], strict=True):
        known = {"{old}": old, "{new}": new, "{size}": size, "{path}": str(Path(step.data["target"]) / new)}
        yield {
            key: known[value] if isinstance(value, str) and value in known else value for key, value in template.items()
        }
