"""What the fields alone cannot say: settings that contradict each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import combinations

from config import archive, sources
from config.export import wrong
from config.legacy import nearest
from config.naming_rules import naming_troubles
from config.schema import Settings

# certification is mandatory there and never automatic (decisions 15 and 16)
REVIEWED_BY_A_PERSON = ("MUSE_R", "MUSE_DEEP")
_SAFE = re.compile(r"[A-Za-z0-9_.+\-]+")
Where = Callable[[tuple[str | int, ...]], str]


def contradictions(settings: Settings, where: Where) -> list[str]:
    """Every contradiction as a sentence beginning with `file:line`."""
    found = [
        *_kinds(settings, where),
        *_review(settings, where),
        *_move(settings, where),
        *naming_troubles(settings.rename, where),
    ]
    found += _export(settings, where)
    found += [f"{where(('archive', key))}: archive.{key}: {what}" for key, what in archive.wrong(settings.archive)]
    for index, source in enumerate(settings.sources):
        found += [f"{where(('sources', index, key))}: sources.{key}: {what}" for key, what in sources.wrong(source)]
    for index, watched in enumerate(settings.gate.watch):
        try:
            re.compile(watched.pattern)
        except re.error as trouble:
            place = where(("gate", "watch", index, "pattern"))
            found.append(f"{place}: gate.watch: '{watched.pattern}' is not a regular expression: {trouble}")
    return found


def _kinds(settings: Settings, where: Where) -> Iterator[str]:
    for (one, first), (two, second) in combinations(settings.kinds.items(), 2):
        both = not first.raw_types or not second.raw_types or set(first.raw_types) & set(second.raw_types)
        if (first.recipe, first.tag) == (second.recipe, second.tag) and both:
            yield (
                f"{where(('kinds', two))}: kinds '{one}' and '{two}' take the same ABs"
                f" ({first.recipe}, tag '{first.tag}'); give them different raw_types"
            )


def _review(settings: Settings, where: Where) -> Iterator[str]:
    certification = settings.certification
    for kind in certification.review:
        if kind not in settings.kinds:
            hint = nearest(kind, list(settings.kinds))
            yield f"{where(('certification', 'review'))}: certification.review: there is no kind '{kind}'{hint}"
    if settings.instance not in REVIEWED_BY_A_PERSON:
        return
    only = f"{settings.instance} is reviewed by a person"
    if certification.mode != "interactive":
        place = where(("certification", "mode"))
        yield f"{place}: certification.mode: {certification.mode} is not legal, {only}; use interactive"
    for raw_type, mode in certification.modes.items():
        if mode != "interactive":
            place = where(("certification", "modes", raw_type))
            yield f"{place}: certification.modes.{raw_type}: {mode} is not legal, {only}; use interactive"
    if settings.all_parts:
        yield f"{where(('all_parts',)) or where(('instance',))}: all_parts: yes is not legal, {only}; use no"


def _move(settings: Settings, where: Where) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for index, row in enumerate(settings.move.raw_types):
        place = where(("move", "raw_types", index))
        if not _SAFE.fullmatch(row.raw_type) or row.raw_type.startswith("."):
            yield f"{place}: move.raw_types: '{row.raw_type}' cannot be the name of a directory"
        if (row.raw_type, row.mode) in seen:
            yield f"{place}: move.raw_types: '{row.raw_type}' of {row.mode} stands there twice"
        seen.add((row.raw_type, row.mode))


def _export(settings: Settings, where: Where) -> Iterator[str]:
    for name, target in settings.export.targets.items():
        for key, what in wrong(name, target):
            path = ("export", "targets", name, *([key] if key else []))
            yield f"{where(path)}: {'.'.join(path)}: {what}"
