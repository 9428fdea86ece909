"""A plan on paper: saved to be looked at, carried out only while the tree still gives the same plan."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.core.dates import date_label, mode_label
from engine.errors import DfosError, UsageTrouble
from engine.release.move.plan import MovePlan, digest_of

FORMAT = "dfos move plan 1"


@dataclass(frozen=True, slots=True)
class Saved:
    """What a saved plan says: its MODE and DATE, whether it recreates, the AB it is restricted to, its digest.

    `undecided` ABs had no verdict and `conflicts` were in the way when it was made: it cannot be carried out.
    """

    mode: str
    date: str
    recreate: bool
    only: str
    digest: str
    undecided: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


def text_of(plan: MovePlan) -> str:
    """The plan as JSON, for people and for `read`."""
    data = {"format": FORMAT, "digest": plan.digest, "lines": plan.describe(), "plan": plan.to_dict()}
    return json.dumps(data, indent=1) + "\n"


def read(path: Path) -> Saved:
    """A saved plan. UsageTrouble when the file is none, or not as it was saved. What it would do is not taken from
    it: the plan is made anew, and must come out the same."""
    try:
        data = json.loads(path.read_text("utf-8"))
        plan = data["plan"]
        if data["format"] != FORMAT:
            raise ValueError(data["format"])
        mode, date = mode_label(str(plan["mode"])), date_label(str(plan["date"]))
        edited = digest_of(plan) != data["digest"]
        undecided, conflicts = tuple(map(str, plan["undecided"])), tuple(map(str, plan["conflicts"]))
        saved = Saved(mode, date, plan["recreate"] is True, str(plan["only"]), data["digest"], undecided, conflicts)
    except OSError as trouble:
        raise UsageTrouble(f"cannot be read: {trouble.strerror}", where=str(path)) from None
    except (ValueError, KeyError, TypeError, DfosError):
        raise UsageTrouble(
            "this is no plan of moveProducts", where=str(path), remedy="save one with --plan-out"
        ) from None
    if edited:
        raise UsageTrouble(
            "the plan was edited after it was saved",
            where=str(path),
            remedy="nothing was moved; save a new one",
        )
    return saved


def write(plan: MovePlan, path: Path) -> None:
    """Save a plan in a new file. UsageTrouble when there is one of this name, or it cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text_of(plan))
    except FileExistsError:
        raise UsageTrouble(
            "there is a file of this name already", where=str(path), remedy="nothing was overwritten; take another name"
        ) from None
    except OSError as trouble:
        raise UsageTrouble(f"the plan cannot be saved: {trouble.strerror}", where=str(path)) from trouble
