"""The picture of the monitor in README.md: the real screen, on a board built from events.

`python -m benchmarks.picture docs/monitor.svg`. The clock of the screen is given, so that the same
code draws the same picture.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import cast

from textual.app import App

from engine import events as ev
from engine.board import Board
from engine.core.status import STATES
from engine.questions import CERTIFY, LATER, Choice, Question
from screens.links import Library
from screens.monitor.ab_monitor import AbMonitor
from screens.theme import DFOS

SIZE = (100, 28)
NOW = 1414116062.0  # 2014-10-24 02:01:02 UT
RANKS = ("sky_basic", "create_sky", "scibasic", "scipost", "align", "combine")
KINDS = {  # recipe, RAW_TYPE, tag, expected seconds
    "sky_basic": ("muse_scibasic", "SKY", "", 240),
    "create_sky": ("muse_create_sky", "PIXTABLE_SKY", "_sky", 240),
    "scibasic": ("muse_scibasic", "OBJECT", "", 240),
    "scipost": ("muse_scipost", "PIXTABLE_OBJECT", "_pst", 1200),
    "align": ("muse_exp_align", "IMAGE_FOV", "_dal", 600),
    "combine": ("muse_exp_combine", "PIXTABLE_REDUCED", "_dpc", 8000),
}
SCORES = {"scibasic": ".", "sky_basic": ".", "create_sky": ".", "scipost": "..", "align": "..", "combine": "...."}
HUDF = ("22T23:57:32.243", "23T00:19:54.618", "23T23:57:32.237")
NGC = ("23T00:31:05.480", "23T00:53:27.481", "24T00:08:43.687")
FULL = "work area full: 0.4 GB free, needs about 3.1 GB more"


class Onlooker:
    """A link without an engine behind it: a board to look at."""

    alive = True

    def __init__(self) -> None:
        self.board = Board()

    def say(self, at: float, *events: ev.Event) -> None:
        """Fold events into the board."""
        for event in events:
            self.board.fold(ev.Stamped("picture", 0, at, event))

    async def command(self, verb: str, **arguments: str | int) -> str:
        """Nobody presses a key here."""
        return verb

    async def answer(self, number: int, choice: str, comment: str = "") -> str:
        """Nobody answers here."""
        return choice


class Shown(App[None]):
    """The monitor alone, in the console's own colours."""

    def __init__(self, link: Onlooker) -> None:
        super().__init__(ansi_color=True)
        self.register_theme(DFOS)
        self.theme = DFOS.name
        self.link = link

    def on_mount(self) -> None:
        """Show it; it looks nothing up by itself."""
        self.push_screen(AbMonitor(self.link, cast(Library, None), ascii=False, clock=lambda: NOW))


def name(stamp: str, kind: str) -> str:
    return f"MUSE.2014-10-{stamp}{KINDS[kind][2]}.ab"


def seen(stamp: str, kind: str, target: str, parents: tuple[str, ...] = ()) -> ev.AbSeen:
    recipe, raw_type, _, forecast = KINDS[kind]
    order = RANKS.index(kind)
    return ev.AbSeen(
        name(stamp, kind),
        "SCIENCE",
        "2094-01-16",
        kind,
        recipe,
        raw_type,
        target,
        order,
        parents,
        float(forecast),
        "CREATED",
    )


def cascade(target: str, sky: str, exposures: tuple[str, ...]) -> list[ev.Event]:
    """The ABs of one target of a deep run."""
    tables = tuple(name(stamp, "scipost") for stamp in exposures)
    return [
        seen(sky, "sky_basic", target),
        seen(sky, "create_sky", target, (name(sky, "sky_basic"),)),
        *(seen(stamp, "scibasic", target) for stamp in exposures),
        *(seen(stamp, "scipost", target, (name(stamp, "scibasic"), name(sky, "create_sky"))) for stamp in exposures),
        seen(exposures[0], "align", target, tables),
        seen(exposures[0], "combine", target, (*tables, name(exposures[0], "align"))),
    ]


def ended(stamp: str, kind: str, began: float, took: float, stream: int) -> list[ev.Event]:
    ab, at = name(stamp, kind), NOW - began
    return [ev.AbChanged(ab, "DONE", "", stream, at, took), ev.AbScored(ab, SCORES[kind])]


def night(link: Onlooker) -> None:
    """A night in the middle of its work: one target ready to certify, one with a failure and what follows from it."""
    run = "094.A-0116B = 2094-01-16"
    link.say(
        NOW - 9000,
        ev.RunStarted("process", run, "MUSE_DEEP", "esorex 3.13.6, muse 2.8.7", False, "ph3", "muse", 4711),
        *cascade("HUDF-A", "23T00:08:43.937", HUDF),
        *cascade("NGC300-P1", "23T00:42:16.734", NGC),
        ev.StreamsChanged(3),
        ev.ModeChanged("running", ""),
        ev.PhaseStarted("process", f"20 ABs of {run}"),
        *ended("23T00:08:43.937", "sky_basic", 8900, 231, 1),
        *ended("23T00:42:16.734", "sky_basic", 8660, 236, 1),
        *ended("23T00:08:43.937", "create_sky", 8640, 214, 3),
        *ended("23T00:42:16.734", "create_sky", 8400, 219, 3),
    )
    for number, stamp in enumerate((*HUDF, *NGC)):
        link.say(NOW - 7000, *ended(stamp, "scibasic", 8880 - 240 * number, 228 + 3 * number, number % 3 + 1))
    for number, stamp in enumerate(HUDF):
        link.say(NOW - 5000, *ended(stamp, "scipost", 7200 - 30 * number, 1143 + 31 * number, number + 1))
    question = Question(
        id="certify:picture:1",
        kind=CERTIFY,
        subject=name(HUDF[0], "combine"),
        text="Certify",
        choices=(Choice("accept", "Accept", ""), Choice("reject", "Reject", "", True)),
        safe=LATER,
        number=1,
    )
    link.say(
        NOW - 900,
        *ended(HUDF[0], "align", 5900, 311, 1),
        ev.AbChanged(name(HUDF[0], "combine"), "DONE", "", 1, NOW - 5560, 4637),
        ev.AbScored(name(HUDF[0], "combine"), "...."),
        ev.AbChanged(name(HUDF[0], "combine"), "REVIEW"),
        ev.QuestionAsked(1, question.to_dict(), True),
        ev.AbChanged(name(NGC[0], "align"), "BLOCKED", f"{name(NGC[1], 'scipost')} FAILED"),
        ev.AbChanged(name(NGC[0], "combine"), "BLOCKED", f"{name(NGC[1], 'scipost')} FAILED"),
        ev.AbChanged(name(NGC[0], "scipost"), "RUNNING", "", 2, NOW - 764),
        ev.AbChanged(name(NGC[2], "scipost"), "RUNNING", "", 3, NOW - 187),
        ev.HostSeen(61, 38),
    )
    link.say(NOW - 21, ev.AbChanged(name(NGC[1], "scipost"), "FAILED", FULL, 1, NOW - 272, 251))
    unknown = {row.state for row in link.board.rows.values()} - STATES.keys()
    assert not unknown, unknown


async def picture() -> str:
    """The monitor as SVG."""
    link = Onlooker()
    night(link)
    app = Shown(link)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("F", "g")
        await pilot.pause()
        drawn = app.export_screenshot(title="dfos console")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # a page must not fetch fonts from afar


def main() -> None:
    Path(sys.argv[1]).write_text(asyncio.run(picture()), encoding="utf-8")


if __name__ == "__main__":
    main()
