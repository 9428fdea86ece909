"""Certification by hand, without an engine: `python tests/tui/gallery_certify.py [ABs] [blocks|ascii|pixels]`.

A sitting of made-up cubes, among them one in red, one with errors in its log, one that failed. An answer
goes through a real desk, so decisions, undo and history behave as with an engine.
"""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from textual.app import App

from console.hosting.operators import Desk
from engine import events as ev
from engine.board import Board
from engine.bus import Bus
from engine.questions import CERTIFY, LATER, Choice, Question
from engine.stores.answers import Answers
from screens.ask.questions import Questions
from screens.messages import BoardChanged
from screens.review.certify import Certify
from screens.review.reviewed import Cover, Finding, Picture, Review, Verdict
from screens.shown import LogPart, Slot
from screens.theme import DFOS

RECREATE = Question(
    id="move.recreate:SCIENCE:2094-01-16",
    kind="move.recreate",
    subject="moveProducts SCIENCE 2094-01-16",
    text="The science directory of this date already holds 14 products (41.2 GB).",
    choices=(
        Choice("keep", "Keep", "their names go back to PIPEFILE, 12 new ones join, versions anew"),
        Choice("recreate", "Recreate", "the 14 go to the trash until 2026-12-21; can be undone", needs_comment=True),
        Choice("stop", "Stop", "nothing is changed"),
    ),
    safe="keep",
    asked_by="cron",
    asked_at="2026-11-21T09:51:07",
)
COMMENTS = ("High_background", "Bad_alignment", "Flux_outlier", "Satellite_trail", "Thin_clouds")


class Observatory:
    """Engine link and library in one: thirty cubes on paper."""

    def __init__(self, count: int) -> None:
        self.board = Board()
        self.alive = True
        self.bus = Bus("gallery")
        self.bus.subscribe(self.board.fold)
        self.desk = Desk(Answers(sqlite3.connect(":memory:")), self.bus, time.time, "rh")
        self.answers = self.desk._answers
        self.bus.publish(
            ev.RunStarted("phoenix", "094.A-0116B = 2094-01-16", "MUSE_DEEP", "esorex", False, "muc09", "muse_ph3", 1)
        )
        self.bus.subscribe(lambda stamped: self._heard(stamped.event))
        for n in range(count):
            name, score = (
                f"MUSE.2014-10-{n % 28 + 1:02d}T{n % 24:02d}:57:32.{118 + n}_dpc.ab",
                "o.." if n == 2 else "...",
            )
            target = f"NGC300-P{n + 1}"
            self.bus.publish(
                ev.AbSeen(
                    name, "SCIENCE", "2094-01-16", "combine", "muse_exp_combine", "PIXTABLE_REDUCED", target,
                    n, (), 3600.0, "REVIEW", "", 0, 0.0, 3000.0, score,
                )
            )  # fmt: skip

    async def begin(self) -> None:
        """Ask everything; nobody waits for the answers but the board."""
        asked = [self.desk.ask(RECREATE)]
        for name in self.board.rows:
            choices = (Choice("accept", "Accept", "may move"), Choice("reject", "Reject", "stays", needs_comment=True))
            asked.append(self.desk.ask(Question(f"certify:{name}:1", CERTIFY, name, "2 products", choices, LATER)))
        self.tasks = [asyncio.ensure_future(one) for one in asked]

    def _heard(self, event: ev.Event) -> None:
        if isinstance(event, ev.QuestionAnswered) and event.id.startswith("certify:"):
            name, state = event.id.split(":", 1)[1].rsplit(":", 1)[0], "REVIEW"
            state = {"accept": "ACCEPTED", "reject": "REJECTED"}.get(event.choice, "REVIEW")
            self.bus.publish(ev.AbChanged(name, state))
            self.bus.publish(ev.AbDecided(name, state.lower(), event.comment, event.who, event.when))

    async def command(self, verb: str, **arguments: str | int) -> str:
        return f"{verb}: done"

    async def answer(self, number: int, choice: str, comment: str = "") -> str:
        await asyncio.sleep(0.02)
        self.desk.answered(number, choice, comment, "rh")
        return "saved"

    async def log(self, ab: str, offset: int = 0) -> LogPart:
        return LogPart("[ INFO ] all is well\n" * 200 if not offset else "", 1, False, "r.log")

    async def ab_text(self, ab: str) -> str:
        return f"AB_NAME          {ab}\nRECIPE           muse_exp_combine\nPROCESS_STATUS   SUCCESSFUL\n" * 12

    async def why(self, ab: str) -> list[str]:
        return [f"{ab} is done and waits for a person's verdict."]

    async def review(self, ab: str) -> Review:
        n = self.board.rows[ab].order
        red, failed = n == 2, n == 4
        question = self.answers.find(f"certify:{ab}:1")
        return Review(
            ab=ab,
            target=self.board.rows[ab].target,
            pattern="DEEP40",
            run_id="094.A-0116B",
            findings=(
                Finding("state", "FAILED: no space" if failed else "SUCCESSFUL, 2 products, sums verified"),
                Finding("inputs", "37 of 40 combined" if red else "40 of 40 combined", "RED" if red else "ok"),
                Finding("aligned", 'worst 0.011"', "ok"),
                Finding("size", "319 x 321 x 3682", "ok"),
                Finding("backgr.", "+41 (limit -20)", "ok"),
                Finding("QCFLAG", "0010000000  HAS_SKY: no sky exposure", "not scored"),
                Finding("OB", 'A A A B   "thin clouds at start, seeing 0.8 to 1.1 arcsec, moon set"'),
            ),
            log_flags=("ERROR: muse_exp_combine: lost 3 frames", "WARNING: low flux") if n == 3 else (),
            history=tuple(
                Verdict(one.when, one.who, one.choice + "ed", one.comment)
                for one in self.answers.history(f"certify:{ab}:1")
            ),
            pictures=("IMAGE_FOV", "QC plot") if n != 1 else (),
            question=question.number,
            may_accept=not failed,
            why_not="its recipe failed and left no products" if failed else "",
        )

    async def picture(self, ab: str, name: str, width: int, height: int) -> Picture | None:
        await asyncio.sleep(0.05)
        n = self.board.rows[ab].order
        return field(n, min(width, height)) if name == "IMAGE_FOV" else plot(width, min(height, width * 3 // 4))

    async def cover(self, ab: str) -> list[Cover]:
        mine = [
            Cover("this run", f"MUSE.2014-10-22T0{i}:57:32.118_pst.ab", "scipost", "DONE", ".....o.", "clouds")
            for i in range(9)
        ]
        return [*mine, Cover("historical", "MUSE.2014-10-22T00:57:32.118_tpl.ab", "MUSE_R", "INGESTED", "...", "2016")]

    async def plugins(self) -> list[Slot]:
        return []

    async def question_details(self, number: int) -> list[str]:
        return [f"move r.MUSE.2014-10-22T23:57:32.118_dpc_{i:04d}.fits" for i in range(26)]


def field(seed: int, size: int) -> Picture:
    """Stars on a noisy sky."""
    rng = random.Random(seed)
    stars = [(rng.random() * size, rng.random() * size, rng.random() ** 3 * 900 + 60) for _ in range(12)]
    wide = size / 30
    values = bytearray()
    for y in range(size):
        for x in range(size):
            light = 28 + rng.gauss(0, 6)
            light += sum(f * math.exp(-((x - sx) ** 2 + (y - sy) ** 2) / 2 / wide**2) for sx, sy, f in stars)
            values.append(max(0, min(255, int(light))))
    return Picture(f"IMAGE_FOV {size} x {size}", size, size, bytes(values))


def plot(width: int, height: int) -> Picture:
    """A curve in red on white paper."""
    paper = bytearray(b"\xff" * (3 * width * height))
    for x in range(width):
        y = int(height / 2 + height / 3 * math.sin(x / width * 9))
        paper[3 * (y * width + x) : 3 * (y * width + x) + 3] = b"\xd0\x10\x10"
    return Picture("QC plot", width, height, bytes(paper))


class Gallery(App[None]):
    """Certification, and `Q` for the questions."""

    BINDINGS = [("Q", "questions")]  # noqa: RUF012
    COMMAND_PALETTE_BINDING = "ctrl+backslash"

    def __init__(self, count: int, graphics: str) -> None:
        super().__init__()
        self.observatory = Observatory(count)
        self.graphics = graphics

    async def on_mount(self) -> None:
        self.animation_level = "none"
        self.register_theme(DFOS)
        self.theme = DFOS.name
        await self.observatory.begin()
        self.observatory.bus.subscribe(self.pump)
        here = self.observatory
        await self.push_screen(Certify(here, here, comments=COMMENTS, graphics=self.graphics), lambda _: self.exit())

    def pump(self, stamped: ev.Stamped) -> None:
        from engine.board import Change

        row = getattr(stamped.event, "ab", "")
        for screen in self.screen_stack:
            screen.post_message(BoardChanged(Change((row,) if row else (), head=True)))

    def action_questions(self) -> None:
        self.push_screen(Questions(self.observatory, self.observatory))


if __name__ == "__main__":
    Gallery(int(sys.argv[1]) if len(sys.argv) > 1 else 12, sys.argv[2] if len(sys.argv) > 2 else "").run()
