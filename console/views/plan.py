"""A plan of a move as a screen shows it: lines of plain data, so that it travels from the engine to a console."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.core.product import FATES
from engine.release.move.plan import MovePlan
from screens.release.released import Plan, PlanLine


def lines_of(plan: MovePlan) -> list[PlanLine]:
    """Every file the plan speaks of: what is in the way first, then products, then what goes with them."""
    lines = [_trouble("CONFLICT", text) for text in plan.conflicts]
    lines += [PlanLine("verdict?", name, "(C certifies it)") for name in plan.undecided]
    lines += [_trouble("unknown", text) for text in plan.unknown]
    lines += [_trouble("warning", text) for text in plan.warnings]
    for fate in sorted(plan.fates, key=lambda fate: FATES.index(fate.fate)):  # stable: what moves first
        product = fate.product
        to = fate.final or f"({fate.why.removeprefix(f'{product.ab}: ')})"
        name = product.pipefile or Path(product.path).name
        lines.append(PlanLine(fate.fate, name, to, product.size, product.raw_type, product.path))
    lines += [
        PlanLine("rename", Path(c.source).name, Path(c.target).name, c.size, "", c.source)
        for c in plan.pool
        if c.source.endswith(".fits")
    ]
    retired = (*plan.retired_first, *plan.retired_last)
    lines += [PlanLine("retire", Path(entry.path).name, f"({entry.why})", entry.size) for entry in retired]
    lines += [PlanLine(c.what, Path(c.source).name, _place(c.target), c.size) for c in plan.carried]
    lines += [PlanLine("page", Path(p.source).name, f"{_place(p.target)}, links edited", p.size) for p in plan.pages]
    lines += [PlanLine("AB", entry.name, f"{_place(entry.target)}, updated") for entry in plan.abs]
    lines += [PlanLine("stays", name, f"({why})") for name, why in plan.stay]
    lines += [PlanLine("note", name, "would be accepted by score") for name in plan.by_score]
    lines += [PlanLine("note", text) for text in plan.notes]
    return lines


def data_of(plan: MovePlan, saved: Mapping[str, str], now: float) -> dict[str, Any]:
    """The plan as plain data; `saved` gives the SAVE_MODE of raw types, `now` when it was begun (s since 1970)."""
    held, held_size = _held(Path(plan.final_dir))
    raw_types = dict.fromkeys(Path(folder).parent.name for folder in plan.folders)
    return {
        "mode": plan.mode,
        "date": plan.date,
        "place": "/".join(Path(plan.final_dir).parts[-2:]),
        "digest": plan.digest,
        "recreate": plan.recreate,
        "made": now,
        "size": plan.size,
        "held": held,
        "held_size": held_size,
        "undecided": list(plan.undecided),
        "raw_types": [(name, saved.get(name, "")) for name in raw_types],
        "lines": [(x.fate, x.name, x.to, x.size, x.group, x.path) for x in lines_of(plan)],
    }


def plan_from(data: Mapping[str, Any]) -> Plan:
    """The inverse of `data_of`."""
    known = dict(data)
    lines = tuple(PlanLine(*line) for line in known.pop("lines"))
    raw_types = tuple((str(name), str(save)) for name, save in known.pop("raw_types"))
    return Plan(lines=lines, raw_types=raw_types, undecided=tuple(known.pop("undecided")), **known)


def _trouble(fate: str, text: str) -> PlanLine:
    """`name: why` in two; texts without a name as they are."""
    name, colon, why = text.partition(": ")
    return PlanLine(fate, name.rpartition("/")[2], why) if colon else PlanLine(fate, text)


def _place(target: str) -> str:
    return "/".join(Path(target).parts[-2:])


def _held(place: Path) -> tuple[int, int]:
    """Files that stand in the final place now, and their bytes."""
    try:
        with os.scandir(place) as entries:
            sizes = [entry.stat().st_size for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    except OSError:
        return 0, 0
    return len(sizes), sum(sizes)
