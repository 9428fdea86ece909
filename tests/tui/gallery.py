"""The monitor on a run that exists only on paper: `python -m tests.tui.gallery [calm|live|empty] [--ascii]`."""

from __future__ import annotations

import itertools
import sys
import time

from engine import events as ev
from engine.questions import Choice, Question
from screens.monitor.ab_monitor import AbMonitor
from screens.shown import Slot
from tests.tui.conftest import FakeLibrary, FakeLink, Host, certify_question, deep_run, run_started


def night(link: FakeLink, now: float) -> None:
    """A night in the middle of its work, with a failure and what follows from it."""
    link.fold(*deep_run(12), *deep_run(6, "M83")[2:0], at=now)
    names = list(link.board.rows)
    basic, post = names[:12], names[12:24]
    link.fold(
        ev.ModeChanged("running", ""),
        ev.PhaseStarted("process", "44 ABs in 3 streams"),
        ev.HostSeen(61, 38),
        *(ev.AbChanged(ab, "DONE", "", i % 3 + 1, now - 9000 + 200 * i, 200 + 7 * i) for i, ab in enumerate(basic)),
        *(ev.AbScored(ab, "...") for ab in basic),
        *(ev.AbChanged(ab, "REVIEW", "", 1, now - 4000, 843 + i) for i, ab in enumerate(post[:3])),
        *(ev.AbScored(ab, "....o.." if i else ".......") for i, ab in enumerate(post[:3])),
        ev.AbChanged(post[3], "FAILED", "no space in work area, needs 3.1 GB more", 2, now - 600, 251),
        ev.AbChanged(post[4], "RUNNING", "", 1, now - 760),
        ev.AbMessage(post[4], "resampling 40% done, 3 of 24 IFUs left"),
        ev.AbChanged(post[5], "RUNNING", "", 3, now - 182),
        *(ev.AbChanged(ab, "SLOT") for ab in post[6:9]),
        *(ev.AbChanged(ab, "PARENT", "waits for its scibasic") for ab in post[9:]),
        ev.AbChanged(names[24], "BLOCKED", "1 of 12 failed", 0),
        ev.AbChanged(names[25], "BLOCKED", "_dal is blocked", 0),
        ev.QuestionAsked(1, certify_question(post[0]).to_dict(), True),
        ev.QuestionAsked(
            2,
            Question(
                "move:2094-01-14",
                "move.recreate",
                "SCIENCE 2094-01-14",
                "the date directory exists",
                (Choice("keep", "Keep", "names go back"), Choice("stop", "Stop", "nothing")),
                "stop",
                number=2,
            ).to_dict(),
            True,
        ),
        at=now - 60,
    )
    link.fold(ev.Notice("info", f"{post[3]} FAILED: no space in work area, needs 3.1 GB more"), at=now - 51)


def main() -> None:
    """Show it."""
    words = sys.argv[1:]
    link, library = FakeLink(), FakeLibrary()
    now = time.time()
    if "empty" not in words:
        night(link, now)
    if "gate" in words:
        link.fold(ev.GateClosed("espresso autoDaily", now - 200, 3, 720.0, "start-only"), at=now)
    if "demo" in words:
        link.fold(run_started(instance="MUSE_DEEP demo", standin=True), at=now)
    if "dead" in words:
        link.alive = False
    if "many" in words:
        link.fold(*deep_run(5000), at=now)
    names = list(link.board.rows)
    for name in names[:50]:
        library.logs[name] = (
            "".join(f"09:41:{i % 60:02d} [ INFO  ] muse_scipost: [tid=000] line {i} of the log\n" for i in range(300))
            + "09:59:01 [ ERROR ] muse_scipost: no space left on device\n"
        )
        library.growing.add(name)
    if names:
        library.whys[names[-1]] = [
            f"{names[-1]} waits for its alignment {names[-2]};",
            f"that waits for {names[15]}, which FAILED at 09:40:51: no space in work area (needs 3.1 GB, 0.4 GB free).",
            "Free space or change WORK_AREA, then r runs it again with what depends on it.",
        ]
    library.slots = [
        Slot("CERTIF_PGI", "pgi_phoenix_MUSE_certif", True, "built in"),
        Slot("FINAL_PLUGIN", "pgi_phoenix_MUSE_moveP", False, "not an executable in $DFO_BIN_DIR"),
        Slot("HDR_PGI", "", True, ""),
    ]
    app = Host(AbMonitor(link, library, ascii="--ascii" in words or None), link)  # type: ignore[arg-type]
    if "live" in words:
        waiting = itertools.cycle(names)

        def step() -> None:
            name = next(waiting)
            app.play(ev.AbChanged(name, "RUNNING", "", 2, time.time()), at=time.time())

        app.set_interval(2.0, step)
    app.run()
    print([type(wish).__name__ for wish in app.wishes], link.commands)  # noqa: T201


if __name__ == "__main__":
    main()
