"""Which AB may start now, why the others may not, and what an operator may order meanwhile (decision 12).

An AB starts when its parents are done, its kind has room, a stream is free, the gate is open
and nobody has paused. The work per finished AB does not depend on the size of the pool.
"""

from __future__ import annotations

from engine import events as ev
from engine import threads
from engine.core.status import AT_WORK
from engine.errors import UsageTrouble
from engine.process.plan.pool import below
from engine.process.run.scheduler import Scheduler

_RELEASED = frozenset({"MOVED", "INGESTED"})


class Streams(Scheduler):
    """The streams of one pool: prepared, run, and under the orders of an operator. `who` signs an order."""

    def pause(self, who: str) -> None:
        """Start nothing new; what runs goes on."""
        self._order("paused", f"paused by {who}")

    def resume(self, who: str = "") -> None:
        """Go on after a pause, or after a stop that has not ended yet."""
        self._order("running", f"resumed by {who}" if who else "")

    def stop(self, who: str) -> None:
        """Finish what runs, start nothing new, then end cleanly."""
        self._order("stopping", f"stopped by {who}")

    def abort(self, who: str) -> None:
        """Terminate the recipes; their ABs are interrupted and run again at the next start."""
        self._order("aborting", f"aborted by {who}")
        self._work.abort(f"aborted by {who}")

    def _order(self, mode: str, why: str) -> None:
        if self.mode == "aborting":
            raise UsageTrouble("the run is being aborted", remedy="start it again afterwards")
        self._still()
        self._switch(mode, why)
        self._work.heed(mode, why)

    def override(self, who: str) -> None:
        """Run in spite of the foreign tasks that are there now; recorded. UsageTrouble in AUTO."""
        if self.context.auto:
            raise UsageTrouble("the gate may only be overridden by an operator", remedy="use the console")
        if self._aside is None or self.gate is None or not self.gate.closed:
            raise UsageTrouble("the gate is open", remedy="nothing to override")
        self.gate.override(who)
        self._aside.apply()
        self._look_again()

    def set_streams(self, count: int, kind: str = "") -> None:
        """Change the number of streams, in all or of one kind; what runs beyond a lower number finishes."""
        if count < 1:
            raise UsageTrouble(f"{count} streams", remedy="at least 1; use pause to start nothing new")
        if not kind:
            self.streams = count
            self.context.bus.publish(ev.StreamsChanged(count))
        elif kind not in self.widths:
            raise UsageTrouble(f"no kind '{kind}' in this pool", remedy="use " + ", ".join(sorted(self.widths)))
        else:
            self.widths[kind] = count
            self._say("info", f"{kind}: {count} at once")
        self._replan()
        self._kick()

    async def retry(self, ab: str) -> list[str]:
        """Run an AB again, and everything that depends on it; their names.

        UsageTrouble when one of them runs or its products have left. Nothing starts while their files are written:
        it might be one of them.
        """
        self._still()
        if ab not in self.entries:
            raise UsageTrouble(f"{ab} is not in this pool", remedy="check the name")
        again = [self.entries[ab], *below(self.entries, ab)]
        for entry in again:
            if entry.state in AT_WORK or entry.stream:
                raise UsageTrouble(f"{entry.ab} is {entry.state.lower()}", remedy="wait for it, or abort")
            if entry.state in _RELEASED:
                raise UsageTrouble(f"the products of {entry.ab} have moved", remedy="undo the move first")
        names = [entry.ab for entry in again]
        self._resetting += 1
        try:
            await threads.to_end(self.job.reset, names)
            self._states.again(again)
            self._replan()
        finally:
            self._resetting -= 1
            self._kick()
        return names

    def _still(self) -> None:
        if self.over:
            raise UsageTrouble("the run is over", remedy="start it again")

    def why(self, ab: str) -> list[str]:
        """Why an AB is not running: the chain, one sentence a line, ending with what to do."""
        from engine.process.run.why import why

        return why(self, ab)
