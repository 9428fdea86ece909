"""How fast a phase goes and how long it still takes, by the times the engine stamped on its events."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """`done` of `of` steps at time `at`; measured from `begun` steps at time `since` on (seconds since 1970).

    `bytes_done` were moved or delivered since the phase was first heard of; `bytes_of` is their total, 0 when
    unknown.
    """

    since: float = 0.0
    begun: int = 0
    at: float = 0.0
    done: int = 0
    of: int = 0
    bytes_begun: int = 0
    bytes_done: int = 0
    bytes_of: int = 0

    def take(self, at: float, done: int, of: int) -> None:
        """Hear how far it is. A count that falls back begins anew."""
        if not self.since or done < self.done or of != self.of:
            self.since, self.begun, self.bytes_begun = at, done, self.bytes_done
        self.at, self.done, self.of = at, done, of

    @property
    def rate(self) -> float:
        """Steps per second; 0 while unknown."""
        spent = self.at - self.since
        return (self.done - self.begun) / spent if spent > 0 else 0.0

    @property
    def bytes_rate(self) -> float:
        """Bytes per second; 0 while unknown."""
        spent = self.at - self.since
        return (self.bytes_done - self.bytes_begun) / spent if spent > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds still needed at this rate; None while unknown."""
        return (self.of - self.done) / self.rate if self.rate > 0 else None
