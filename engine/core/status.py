"""AB states: the word, the symbol, the legal moves, and what floats up on the monitor.

Only CREATED, SUCCESSFUL and FAILED are ever written into an AB file (AB_structure);
every other state is derived. States follow `PROCESS_STATUS` by `in_ab`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class State:
    """One AB state.

    `word` is what the operator reads, `symbol`/`ascii` what stands before it, `rank` the
    progress order, `display` the order when failures float up (smallest first),
    `in_ab` the PROCESS_STATUS an AB file carries in this state.
    """

    name: str
    word: str
    symbol: str
    ascii: str
    rank: int
    display: int
    in_ab: str
    meaning: str


_TABLE = (
    #      name           word            sym  ascii rank disp in_ab
    State("CREATED", "created", "·", ".", 0, 70, "CREATED", "known, nothing asked of it yet"),
    State("PARENT", "waits for AB", "…", "-", 1, 60, "CREATED", "needs products of another AB first"),
    State("BLOCKED", "blocked", "!", "!", 2, 15, "CREATED", "something it needs failed"),
    State("SLOT", "waits for stream", "=", "=", 3, 50, "CREATED", "ready; no free stream of its kind"),
    State("PAUSED", "paused", "‖", "|", 4, 40, "CREATED", "ready; held by the gate or the operator"),
    State("RUNNING", "running", "▶", ">", 5, 30, "CREATED", "its recipe runs"),
    State("SUSPENDED", "suspended", "‖", "|", 5, 31, "CREATED", "its recipe is stopped (SIGSTOP)"),
    State("JUDGED", "checking", "▷", ">", 6, 32, "CREATED", "recipe ended; products are being verified"),
    State("INTERRUPTED", "interrupted", "?", "?", 6, 12, "CREATED", "the engine or recipe was killed"),
    State("STALE", "stale", "~", "~", 6, 20, "SUCCESSFUL", "an input was made anew after it ran"),
    State("FAILED", "FAILED", "✗", "x", 7, 10, "FAILED", "the recipe or its products failed"),
    State("DONE", "done", "✓", "+", 8, 80, "SUCCESSFUL", "products verified in $DFS_PRODUCT"),
    State("REVIEW", "to certify", "◆", "*", 9, 25, "SUCCESSFUL", "waits for a person's verdict"),
    State("REJECTED", "rejected", "⊘", "R", 10, 35, "SUCCESSFUL", "rejected; its products stay where they are"),
    State("ACCEPTED", "accepted", "✓", "A", 11, 81, "SUCCESSFUL", "certified; may move"),
    State("MOVED", "moved", "→", "M", 12, 90, "SUCCESSFUL", "products at their final place and name"),
    State("INGESTED", "ingested", "■", "I", 13, 95, "SUCCESSFUL", "the archive has confirmed every product"),
)
STATES: dict[str, State] = {state.name: state for state in _TABLE}

# Who may follow whom. A re-run (any ended state -> CREATED) is always legal.
_WAITING = {"CREATED", "PARENT", "BLOCKED", "SLOT", "PAUSED"}
LEGAL: dict[str, set[str]] = {
    **{name: _WAITING | {"RUNNING", "FAILED", "INTERRUPTED", "DONE"} for name in _WAITING},
    "RUNNING": {"SLOT", "PAUSED", "SUSPENDED", "JUDGED", "FAILED", "INTERRUPTED", "DONE"},
    "SUSPENDED": {"SLOT", "PAUSED", "RUNNING", "FAILED", "INTERRUPTED"},
    "JUDGED": {"DONE", "FAILED", "INTERRUPTED"},
    "INTERRUPTED": _WAITING | {"RUNNING", "JUDGED", "FAILED", "DONE"},
    "FAILED": _WAITING | {"STALE"},
    "DONE": _WAITING | {"REVIEW", "ACCEPTED", "REJECTED", "MOVED", "STALE"},
    "STALE": _WAITING,
    "REVIEW": _WAITING | {"ACCEPTED", "REJECTED", "STALE"},
    "REJECTED": _WAITING | {"REVIEW", "ACCEPTED", "STALE"},
    "ACCEPTED": _WAITING | {"REVIEW", "REJECTED", "MOVED", "STALE"},
    "MOVED": {"INGESTED", "MOVED", "ACCEPTED"},  # undone
    "INGESTED": {"INGESTED"},
}

ENDED_WELL = frozenset({"DONE", "REVIEW", "ACCEPTED", "REJECTED", "MOVED", "INGESTED"})
ENDED_BADLY = frozenset({"FAILED", "BLOCKED", "INTERRUPTED", "STALE"})
AT_WORK = frozenset({"RUNNING", "SUSPENDED", "JUDGED"})


def may_become(old: str, new: str) -> bool:
    """True when an AB in state `old` may become `new` (the same state is always legal)."""
    return old == new or new in LEGAL[old]


def waits_for(state: str, reason: str) -> str:
    """A state in the words it is counted by: what is ready and waits for memory or disk does not wait for a stream."""
    if state == "SLOT" and reason.startswith(("waits for memory", "waits for disk")):
        return reason.partition(":")[0]
    return STATES[state].word


def lacked_memory(state: str, reason: str) -> bool:
    """True for a FAILED AB whose job was ended for its memory: its reason names the way to give it more."""
    return state == "FAILED" and "--memory" in reason


def said(word: str, reason: str) -> str:
    """A state or mode with its reason, nothing said twice: `paused by root`, not `paused: paused by root`."""
    if not reason:
        return word
    rest = reason[len(word) :]
    if reason[: len(word)].casefold() == word.casefold() and not rest[:1].isalnum():
        return word + rest
    if word.startswith("waits ") and reason.startswith("waits "):
        return reason
    return f"{word}: {reason}"
