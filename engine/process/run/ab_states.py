"""The state of every AB of a pool, and what its end means for those that depend on it.

Every change of state goes through `become`, which knows the legal ones and publishes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from engine import events as ev
from engine.bus import Bus
from engine.core.status import AT_WORK, ENDED_BADLY, ENDED_WELL, may_become
from engine.errors import DfosError
from engine.process.plan.pool import Entry, below
from engine.process.plan.ready import Ready
from engine.process.run.job import Found

ENDED = ENDED_WELL | ENDED_BADLY
_BLOCKING = frozenset({"FAILED", "BLOCKED", "STALE"})


class AbStates:
    """Where the ABs of a pool stand. `outside` says why an AB of another pool holds, '' when it does not."""

    def __init__(self, bus: Bus, entries: dict[str, Entry], ready: Ready, outside: Callable[[str], str]) -> None:
        self.entries = entries
        self._bus = bus
        self._ready = ready
        self._outside = outside

    def become(
        self,
        entry: Entry,
        state: str,
        reason: str = "",
        *,
        stream: int = 0,
        started: float = 0.0,
        duration: float = 0.0,
    ) -> None:
        """Change an AB's state, or its reason, and say so. DfosError when that change is not legal."""
        old = entry.state
        if not may_become(old, state):
            raise DfosError(f"{old} may not become {state}", where=entry.ab)
        if old == state and entry.reason == reason and not stream:
            return
        if (old in ENDED) != (state in ENDED):
            if old in ENDED:
                self._ready.unfinished(entry)
            else:
                self._ready.finished(entry)
        entry.state, entry.reason = state, reason
        self._bus.publish(ev.AbChanged(entry.ab, state, reason, stream, started, duration))

    # --- at first ---------------------------------------------------------------------------

    def show(self, rows: Mapping[str, Mapping[str, object]], found: Mapping[str, Found]) -> None:
        """Show every AB as its file, its last row in the journal and recovery say; parents come first."""
        for entry in self.entries.values():
            known = rows.get(entry.ab, {})
            self._first(entry, str(known.get("state") or ""), str(known.get("reason") or ""), found.get(entry.ab))
            if entry.state not in ENDED:
                self._ready.unfinished(entry)
            self._bus.publish(_seen(entry, known))

    def _first(self, entry: Entry, known: str, reason: str, found: Found | None) -> None:
        for parent in entry.parents:
            if parent not in self.entries:
                entry.outside = entry.outside or self._outside(parent)
            elif self.entries[parent].state not in ENDED_WELL:
                entry.missing += 1
                entry.awaited = parent
        if found:
            entry.state, entry.started = "INTERRUPTED", found.attempt.started
            entry.reason = "its recipe still runs" if found.recipe else "ended while no engine was there"
        elif entry.status == "SUCCESSFUL":
            entry.state = known if known in ENDED_WELL or known == "STALE" else "DONE"
        elif entry.status == "FAILED":
            entry.state, entry.reason = "FAILED", (reason if known == "FAILED" else "failed in an earlier run")
        else:
            entry.state, entry.reason = self._waiting(entry)
            if entry.state == "CREATED":
                self._ready.add(entry)

    def _waiting(self, entry: Entry) -> tuple[str, str]:
        """PARENT, BLOCKED, or CREATED when it may start, with the reason: from what it and its parents are."""
        if entry.refused:
            return "BLOCKED", entry.refused
        blocker = next((p for p in entry.parents if p in self.entries and self.entries[p].state in _BLOCKING), "")
        if blocker:
            return "BLOCKED", _blocked_by(self.entries[blocker])
        if entry.missing:
            return "PARENT", f"waits for {entry.awaited}"
        return ("PARENT", entry.outside) if entry.outside else ("CREATED", "")

    # --- when an AB has ended ---------------------------------------------------------------

    def done(self, entry: Entry) -> None:
        """An AB is done: those that waited for nothing else are ready."""
        entry.status = "SUCCESSFUL"
        for name in entry.children:
            child = self.entries[name]
            child.missing -= 1
            if child.state != "PARENT":
                continue
            if child.missing:
                if child.awaited == entry.ab:
                    child.awaited = self._unfinished_parent(child)
                    self.become(child, "PARENT", f"waits for {child.awaited}")
            elif child.outside:
                self.become(child, "PARENT", child.outside)
            else:
                self._ready.add(child)

    def failed(self, entry: Entry) -> None:
        """An AB has failed: whatever depends on it is blocked."""
        entry.status = "FAILED"
        for child in below(self.entries, entry.ab):
            if child.state not in ENDED and child.state not in AT_WORK:
                self.become(child, "BLOCKED", _blocked_by(entry))

    def again(self, entries: Iterable[Entry]) -> None:
        """These ABs are to run again: as if they had never run, as far as their parents let them."""
        entries = list(entries)
        self._ready.drop({entry.ab for entry in entries})
        for entry in entries:
            entry.status = "CREATED"
            if entry.state != "CREATED":
                self.become(entry, "CREATED")
        for entry in sorted(entries, key=lambda entry: entry.order):
            unmet = [p for p in entry.parents if p in self.entries and self.entries[p].state not in ENDED_WELL]
            entry.missing, entry.awaited = len(unmet), unmet[-1] if unmet else ""
            state, reason = self._waiting(entry)
            if state == "CREATED":
                self._ready.add(entry)
            else:
                self.become(entry, state, reason)

    def _unfinished_parent(self, entry: Entry) -> str:
        return next(
            (p for p in reversed(entry.parents) if p in self.entries and self.entries[p].state not in ENDED_WELL), ""
        )


def _blocked_by(entry: Entry) -> str:
    if entry.state == "BLOCKED":
        return entry.reason
    return f"{entry.ab} {'FAILED' if entry.state == 'FAILED' else 'is stale'}"


def _seen(entry: Entry, known: Mapping[str, object]) -> ev.AbSeen:
    if entry.status == "CREATED" and entry.state != "INTERRUPTED":  # it runs again: nothing of the last time counts
        known = {name: known.get(name) for name in ("verdict", "comment")}
    text = {name: str(known.get(name) or "") for name in ("score", "message", "verdict", "comment")}
    return ev.AbSeen(
        entry.ab,
        entry.mode,
        entry.date,
        entry.kind.name,
        entry.recipe,
        entry.raw_type,
        entry.target,
        entry.order,
        entry.parents,
        entry.forecast_s,
        entry.state,
        entry.reason,
        started=entry.started or float(str(known.get("started") or 0.0)),
        duration_s=float(str(known.get("duration_s") or 0.0)),
        score=text["score"],
        message=text["message"],
        verdict=text["verdict"],
        comment=text["comment"],
    )
