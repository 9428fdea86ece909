"""Orders that must be confirmed: what each would do, how many, and whether it can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.board import Board, Row
from engine.core.sizes import counted
from engine.core.status import AT_WORK
from screens.glyphs import duration
from screens.widgets.family import rerun_of

MOST = 8  # ABs named one by one

Order = tuple[str, dict[str, str | int]]


@dataclass(frozen=True, slots=True)
class Sure:
    """A confirmation: title, what would happen, both choices, and the orders that follow the unsafe one."""

    title: str
    text: tuple[str, ...]
    do: str
    leave: str
    orders: tuple[Order, ...]


def stop(board: Board, running: Sequence[Row]) -> Sure:
    """Finish what runs, then end."""
    ended = sum(board.counts[state] for state in ("FAILED", *AT_WORK))
    left = board.total - board.done - ended
    many = f"{counted(len(running), 'AB')} that {'runs' if len(running) == 1 else 'run'} now will finish."
    text = (
        many if running else "Nothing runs.",
        f"{counted(left, 'AB')} will not be started; a later run takes them up. Nothing is lost.",
    )
    return Sure("Stop the run?", text, "Stop: finish what runs, then end", "Go on", (("stop", {}),))


def abort(running: Sequence[Row], now: float) -> Sure:
    """Terminate the recipes."""
    title, do, leave = "Abort the run?", "Abort: terminate the recipes", "Go on"
    if not running:
        return Sure(title, ("No recipe runs; the run ends at once and can be started again.",), do, leave, _ABORT)
    named = [f"{_name(row.ab)}  {row.recipe}, at work for {duration(row.running_s(now)) or '0 s'}" for row in running]
    lost = sum(row.running_s(now) for row in running)
    text = (
        f"Terminates {counted(len(running), 'recipe')}:",
        *_first(named),
        f"{duration(lost) or 'Little'} of computing is lost. The ABs can be run again; finished products stay.",
    )
    return Sure(title, text, do, leave, _ABORT)


_ABORT: tuple[Order, ...] = (("abort", {}),)


_NOT_AGAIN = {
    "BLOCKED": "nothing it waits for has failed",
    "MOVED": "its products have moved",
    "INGESTED": "its products are in the archive",
    "RUNNING": "it runs",
    "SUSPENDED": "it runs",
    "JUDGED": "it runs",
}


def rerun(row: Row, board: Board) -> Sure | str:
    """Run an AB again with what depends on it; a sentence when there is nothing to run again."""
    plan = rerun_of(row.ab, board.rows)
    name = _name(row.ab)
    if not plan.roots:
        return f"{name} does not run again: {_NOT_AGAIN.get(row.state, 'it has not run yet')}"
    if plan.roots == (row.ab,):
        text = [f"{name} runs again."]
    else:
        text = [f"{name} is blocked. What blocks it runs again:", *_first([_name(root) for root in plan.roots])]
    followers = len(plan.followers)
    verb = "depends" if followers == 1 else "depend"
    text.append(f"{counted(followers, 'AB')} that {verb} on it will follow." if followers else "Nothing depends on it.")
    if any(board.rows[name].state in ("REVIEW", "ACCEPTED", "REJECTED") for name in (*plan.roots, *plan.followers)):
        text.append("Verdicts on them no longer count; they are asked anew.")
    orders: tuple[Order, ...] = tuple(("retry", {"ab": root}) for root in plan.roots)
    return Sure("Run again?", tuple(text), f"Run {counted(len(plan.roots), 'AB')} again", "Leave it", orders)


def release(board: Board) -> Sure:
    """Move what is certified."""
    count, open_ = counted(board.counts["ACCEPTED"], "accepted AB"), board.counts["DONE"] + board.counts["REVIEW"]
    first = (f"{counted(open_, 'AB')} without a verdict are certified first, as configured.",) if open_ else ()
    text = (
        *first,
        f"The products of {count} get their final names and places; their ABs are updated."
        if board.counts["ACCEPTED"]
        else "What is accepted gets its final names and places; its ABs are updated.",
        "Journalled: an interrupted move resumes. What the configuration does not save goes to the trash.",
    )
    return Sure("Move the certified products?", text, "Move", "Not now", (("release", {}),))


def ingest(board: Board) -> Sure:
    """Hand over to the archive."""
    count = counted(board.counts["MOVED"], "moved AB")
    text = (
        f"The products of {count} go to the archive, with the calls queued earlier.",
        "What the archive has confirmed cannot be taken back.",
    )
    return Sure("Ingest?", text, "Ingest", "Not now", (("ingest", {}),))


def override(board: Board) -> Sure | str:
    """Run in spite of the gate; a sentence when nothing holds us."""
    if not board.gate.closed:
        return "nothing holds us; there is nothing to override"
    text = (f"Held by {board.gate.reason}.", "Both will be slower. Who ordered it is recorded.")
    return Sure("Run anyway?", text, "Run anyway", "Wait", (("override", {}),))


def _name(ab: str) -> str:
    return ab.removesuffix(".ab")


def _first(names: Sequence[str]) -> list[str]:
    more = [f"and {len(names) - MOST} more"] if len(names) > MOST else []
    return [f"  {name}" for name in names[:MOST]] + more
