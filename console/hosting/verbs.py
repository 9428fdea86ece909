"""What consoles may order an engine to do: one method per verb.

`who` is the user at the other end of the socket. Replies are one line to show, or plain data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from console.hosting.board_of import refuse_if_moved
from console.hosting.job_verbs import JobVerbs
from console.hosting.release_verbs import ReleaseVerbs
from console.plugins.find import slots
from engine import events as ev
from engine import threads
from engine.core.status import may_become
from engine.errors import UsageTrouble
from engine.process.run.run_pool import Streams, reset
from engine.process.run.why import why_known
from engine.questions import CERTIFY, LATER, Answer, Question
from engine.stores.batch_jobs import ask_for
from engine.stores.orders import ENDED, PARKED, Order
from engine.stores.verdicts import ACCEPTED, WORDS
from engine.workflows.under_way import Ended


class Verbs(ReleaseVerbs, JobVerbs):
    """The commands of one engine's consoles."""

    async def __call__(self, verb: str, arguments: dict[str, Any], who: str) -> Any:
        """Carry out one command; the reply is one line to show, or plain data. UsageTrouble when it may not be."""
        action = getattr(self, f"_do_{verb}", None)
        if action is None:
            raise UsageTrouble(f"'{verb}' is no command of the engine")
        return await action(who, **arguments)

    def _running(self) -> Streams:
        if self._host.streams is None:
            raise UsageTrouble("nothing is being processed", remedy="start it first")
        return self._host.streams

    async def _do_pause(self, who: str) -> str:
        self._running().pause(who)
        return "paused: nothing new starts; what runs goes on"

    async def _do_resume(self, who: str) -> str:
        self._running().resume(who)
        return "goes on"

    async def _do_stop(self, who: str) -> str:
        self._running().stop(who)
        return "stops when what runs has finished"

    async def _do_abort(self, who: str) -> str:
        self._running().abort(who)
        return "aborted: recipes are being terminated; they run again at the next start"

    async def _do_override(self, who: str) -> str:
        self._running().override(who)
        return "runs in spite of the foreign task; recorded"

    async def _do_streams(self, who: str, n: int, kind: str = "") -> str:
        """`n` streams from now on, of a kind or of all together; 0: as configured."""
        host, running = self._host, self._host.streams
        if running is not None and kind not in ("", *host.settings.kinds):
            running.set_streams(int(n), kind)  # of a recipe without a kind: there is no configured one
            return f"{kind}: {n} at once, in this run"
        count = host.widths.change(kind, int(n), who)
        if running is None:
            host.bus.publish(ev.StreamsChanged(host.widths.settings().streams))
        elif kind in ("", *running.widths):
            running.set_streams(count, kind)
        host.bus.publish(ev.WidthsDiffer(host.widths.differs()))
        return f"{kind}: {count} at once" if kind else f"{count} streams"

    async def _do_widths(self, who: str) -> list[dict[str, Any]]:
        """How many run at once, of all together and of each kind."""
        return [asdict(one) for one in self._host.widths.all()]

    async def _do_retry(self, who: str, ab: str, memory: str = "") -> str:
        if memory:
            ask_for(self._host.db, ab, memory, who)
        running = self._host.streams
        if running is not None and not running.over:
            names = await running.retry(ab)
            self._withdraw(names)
            return f"{len(names)} ABs run again"
        row = self._host.board.rows.get(ab)
        if row is None:
            raise UsageTrouble(f"{ab} is not known here")
        names = await self._reset(ab, row.mode, row.date)
        self._withdraw(names)
        order = Order(row.mode, row.date, "P", run_id=self._host.orders.run_of(row.mode, row.date), who=who)
        self._host.give(order, anew=True)  # one that is at work may be past its recipes
        return f"{len(names)} ABs run again"

    async def _do_memory(self, who: str, ab: str) -> dict[str, Any] | None:
        """What an AB would be given whose last job was ended for its memory; None when that was not so."""
        from engine.process.plan.more_memory import more_memory
        from engine.stores.abs import AbStore, read

        file = await asyncio.to_thread(read, AbStore(self._host.tree).path(ab))
        found = more_memory(self._host.db, self._host.settings, file)
        return asdict(found) if found else None

    def _withdraw(self, names: Sequence[str]) -> None:
        """Questions about ABs that run again no longer matter."""
        for question in self._host.answers.open():
            if question.kind == CERTIFY and question.subject in names:
                self._host.desk.withdraw(question.id, "its AB runs again")

    async def _reset(self, ab: str, mode: str, date: str) -> list[str]:
        return await threads.to_end(reset, self._host.tree, self._host.settings, ab, mode, date)

    async def _do_answer(self, who: str, number: int, choice: str, comment: str = "") -> str:
        question = self._host.answers.find(int(number))
        refuse_if_moved(question, self._host.board, self._host.tree)
        answer = self._host.desk.answered(int(number), choice, comment, who)
        self._show_verdict(question, answer)
        if question.kind == CERTIFY:
            self._host.think_again()
        else:
            self._host.look_at_parked()
        return "left open" if choice == LATER else f"saved: {choice}"

    def _show_verdict(self, question: Question, answer: Answer) -> None:
        """A verdict shows at once, although what follows from it is the order's business."""
        row = self._host.board.rows.get(question.subject)
        if question.kind != CERTIFY or row is None:
            return
        verdict = WORDS.get(answer.choice, "")
        state = {ACCEPTED: "ACCEPTED", "": "REVIEW"}.get(verdict, "REJECTED")
        self._host.bus.publish(ev.AbDecided(row.ab, verdict, answer.comment, answer.who, answer.when))
        if may_become(row.state, state):
            self._host.bus.publish(ev.AbChanged(row.ab, state, answer.comment))

    async def _do_comments(self, who: str) -> list[str]:
        return list(self._host.settings.certification.comments)

    async def _do_history(self, who: str) -> str:
        return str(self._host.tree.expand(self._host.settings.history)) if self._host.settings.history else ""

    async def _do_slots(self, who: str) -> list[tuple[str, str, bool, str]]:
        return slots(self._host.settings, self._host.tree)

    async def _do_why(self, who: str, ab: str) -> list[str]:
        if self._host.streams is not None and ab in self._host.streams.entries:
            return self._host.streams.why(ab)
        return why_known(self._host.board, ab)

    async def _do_ended(self, who: str, number: int) -> dict[str, Any]:
        """How an order that stands in the queue ended; replies when it has."""
        order = self._host.orders.numbered(int(number))
        if order["state"] in (ENDED, PARKED):
            return order
        self._host.wake()
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._host.waiting.setdefault(int(number), []).append(future)
        return asdict(await future)

    async def _do_process(self, who: str) -> str:
        return self._give_pools("P", who)

    async def _do_release(self, who: str) -> str:
        return self._give_pools("M", who)

    async def _do_ingest(self, who: str) -> str:
        return self._give_pools("I", who)

    async def _do_quit(self, who: str) -> str:
        if self._host.streams is not None:
            raise UsageTrouble("ABs are being processed", remedy="stop or abort first")
        self._host.end(f"ended by {who}")
        return "the engine ends"

    def _give_pools(self, parts: str, who: str) -> str:
        rows = self._host.board.rows.values()
        staying = [row for row in rows if row.state not in ("MOVED", "INGESTED")]
        pools = dict.fromkeys((row.mode, row.date) for row in (rows if parts == "I" else staying or rows))
        if not pools:
            raise UsageTrouble("no ABs are known here", remedy="create them first: phoenix -C")
        for mode, date in pools:
            self._host.give(
                Order(mode, date, parts, run_id=self._host.orders.run_of(mode, date), recover=True, who=who)
            )
        return f"{len(pools)} orders given"
