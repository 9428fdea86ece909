"""What the monitor's keys open: an AB from every side, and what there is beside the ABs."""

from __future__ import annotations

from typing import Any

from engine.board import Row
from screens.links import Library
from screens.messages import OpenCertify, OpenQuestions
from screens.monitor.ab_detail import AbDetail
from screens.monitor.cascade import CascadeScreen
from screens.monitor.forecast import ForecastScreen
from screens.monitor.log_view import LogView
from screens.monitor.more_memory import Asking, offered
from screens.monitor.order_keys import OrderKeys
from screens.monitor.plugins import PluginsScreen
from screens.monitor.qc import QcScreen
from screens.monitor.why import WhyScreen
from screens.monitor.widths import ask_widths
from screens.queue.jobs import JobsScreen
from screens.release.plan import PlanScreen
from screens.release.recovery import RecoveryScreen
from screens.release.trash import TrashScreen
from screens.release.vcal import VcalScreen
from screens.widgets.family import rerun_of

_GONE = ("MOVED", "INGESTED")  # states of ABs whose products have left


class LookKeys(OrderKeys):
    """A screen of ABs whose actions open other screens."""

    library: Library

    def action_open(self) -> None:
        """All about it."""
        self.with_row(lambda row: self.app.push_screen(AbDetail(row.ab, *self._given())))

    def action_log(self) -> None:
        """Its log."""
        self.with_row(lambda row: self.app.push_screen(LogView(row.ab, *self._given())))

    def _given(self) -> tuple[Any, ...]:
        return self.link, self.library, self.glyphs, self.clock

    def action_why(self) -> None:
        """Why it is not running."""
        self.with_row(self._ask_why)

    def _ask_why(self, row: Row) -> None:
        again = bool(rerun_of(row.ab, self.link.board.rows).roots)
        more = bool(offered(row.ab, self.link))
        self.app.push_screen(WhyScreen(row.ab, self.library, self.glyphs, again=again, more=more), self._after_why)

    def _after_why(self, wish: str | None) -> None:
        if wish == "retry":
            self.action_rerun()
        elif wish == "memory":
            self.action_more_memory()
        elif wish == "log":
            self.action_log()

    def action_more_memory(self) -> None:
        """Run again with more memory."""
        self.with_row(lambda row: Asking(self, self.link, self.library, self.glyphs, self.say).about(row.ab))

    def action_widths(self) -> None:
        """How many run at once."""
        ask_widths(self, self.link, self.library, self.glyphs, self.say)

    def action_cascade(self) -> None:
        """Which AB waits for what."""
        row = self.list.current
        self.app.push_screen(CascadeScreen(row.ab if row else "", *self._given()))

    def action_qc(self) -> None:
        """Its QC."""
        self.with_row(lambda row: self.app.push_screen(QcScreen(row.ab, *self._given())))

    def action_forecast(self) -> None:
        """What processing takes."""
        row = self.list.current or next(iter(self.link.board.rows.values()), None)
        if row is None:
            self.say("no ABs are known here; there is nothing to process")
        else:
            self.app.push_screen(ForecastScreen(row.mode, row.date, *self._given()))

    def action_certify(self) -> None:
        """Judge it."""
        self.with_row(lambda row: self.post_message(OpenCertify(row.ab)))

    def action_certify_next(self) -> None:
        """Judge what waits."""
        self.post_message(OpenCertify())

    def action_questions(self) -> None:
        """Open questions."""
        self.post_message(OpenQuestions())

    def action_plugins(self) -> None:
        """Plugin slots."""
        self.app.push_screen(PluginsScreen(*self._given()))

    def action_plan(self) -> None:
        """What a move of the selected AB's date would do."""
        pool = self._pool_to_move()
        if pool is None:
            self.say("no ABs are known here; there is nothing to move")
        else:
            self.app.push_screen(PlanScreen(*pool, *self._given()))

    def _pool_to_move(self) -> tuple[str, str] | None:
        """MODE and DATE of the selected AB; once that AB has moved, of the first that has not, if there is one."""
        row, rows = self.list.current, self.link.board.rows.values()
        if row is None or row.state in _GONE:
            row = next((other for other in rows if other.state not in _GONE), row or next(iter(rows), None))
        return None if row is None else (row.mode, row.date)

    def action_jobs(self) -> None:
        """Queued calls."""
        self.app.push_screen(JobsScreen(*self._given()))

    def action_runs(self) -> None:
        """The journal."""
        self.app.push_screen(RecoveryScreen(*self._given()))

    def action_vcal(self) -> None:
        """Virtual calibrations."""
        self.app.push_screen(VcalScreen(*self._given()))

    def action_trash(self) -> None:
        """The trash."""
        self.app.push_screen(TrashScreen(*self._given()))
