"""One sitting of certification: which ABs, where the operator is, what was decided here.

Pure bookkeeping over the board. The board is the truth; a decision saved a moment ago is
remembered here until the board has heard of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.board import Board, Row
from engine.core.score import colour
from engine.core.status import STATES

ACCEPT, REJECT = "accept", "reject"
_REVIEWED = ("REVIEW", "ACCEPTED", "REJECTED")
_STATE = {ACCEPT: "ACCEPTED", REJECT: "REJECTED", "": "REVIEW"}


def word_of(state: str) -> str:
    """A state as the operator reads it."""
    known = STATES.get(state)
    return known.word if known else state or "not known to the engine"


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision saved in this sitting: accept, reject or '' (withdrawn); `seen` is the state it replaced."""

    choice: str
    comment: str
    seen: str


def _reviewed(row: Row) -> bool:
    """Waits for a verdict, or has one of its own: what merely follows a verdict is not reviewed."""
    return row.state == "REVIEW" or (row.state in _REVIEWED and bool(row.verdict))


@dataclass
class Sitting:
    """The ABs in review and already decided, in execution order; `current` is on the screen."""

    board: Board
    current: str = ""
    names: list[str] = field(default_factory=list)
    drafts: dict[str, str] = field(default_factory=dict)  # comments typed and not used yet
    numbers: dict[str, int] = field(default_factory=dict)  # questions answered here
    undoable: list[str] = field(default_factory=list)
    _own: dict[str, Decision] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> bool:
        """Read the board again; True when the list of ABs changed.

        `current` stays as long as its AB exists. A board that knows nothing (the engine is being
        looked for) changes nothing; it will be back.
        """
        rows = self.board.rows
        for ab, decision in tuple(self._own.items()):
            if rows and (ab not in rows or rows[ab].state != decision.seen):
                del self._own[ab]
        wanted = [row for row in rows.values() if _reviewed(row) or row.ab in (self.current, *self._own)]
        names = [row.ab for row in sorted(wanted, key=lambda row: (row.order, row.ab))]
        changed, self.names = names != self.names, names
        if names and self.current not in names:
            self.current = self.next_undecided("") or names[0]
        return changed

    def state(self, ab: str) -> str:
        """REVIEW, ACCEPTED, REJECTED, or what else the AB is in; '' when the board does not know it."""
        own, row = self._own.get(ab), self.board.rows.get(ab)
        if own:
            return _STATE[own.choice]
        return row.state if row else ""

    def comment(self, ab: str) -> str:
        """The comment of the decision that counts."""
        own, row = self._own.get(ab), self.board.rows.get(ab)
        if own:
            return own.comment
        return row.comment if row else ""

    def target(self, ab: str) -> str:
        """The AB's target."""
        row = self.board.rows.get(ab)
        return row.target if row else ""

    def score(self, ab: str) -> str:
        """The AB's score digest."""
        row = self.board.rows.get(ab)
        return row.score if row else ""

    @property
    def undecided(self) -> list[str]:
        """ABs that wait for a verdict."""
        return [ab for ab in self.names if self.state(ab) == "REVIEW"]

    @property
    def green(self) -> list[str]:
        """Undecided ABs whose scores are all green."""
        return [ab for ab in self.undecided if colour(self.score(ab)) == "green"]

    def count(self, state: str) -> int:
        """How many ABs are in a state."""
        return sum(self.state(ab) == state for ab in self.names)

    @property
    def place(self) -> int:
        """1 for the first AB; 0 when there is none."""
        return self.names.index(self.current) + 1 if self.current in self.names else 0

    def next_undecided(self, after: str) -> str:
        """The next AB without a verdict, from the beginning again after the last; '' when all are decided."""
        start = self.names.index(after) + 1 if after in self.names else 0
        around = self.names[start:] + self.names[:start]
        return next((ab for ab in around if self.state(ab) == "REVIEW" and ab != after), "")

    def neighbour(self, by: int) -> str:
        """The AB `by` places on; '' at either end."""
        at = self.place - 1 + by
        return self.names[at] if 0 <= at < len(self.names) else ""

    def decided(self, ab: str, choice: str, comment: str, number: int) -> None:
        """Take note of a decision that was saved; '' withdraws it."""
        row = self.board.rows.get(ab)
        self._own[ab] = Decision(choice, comment, row.state if row else "")
        self.numbers[ab] = number
        self.undoable = [name for name in self.undoable if name != ab]
        if choice:
            self.drafts.pop(ab, None)
            self.undoable.append(ab)
