"""An engine and a library that exist only on paper, and an app to mount one screen in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual.app import App
from textual.screen import Screen

from config.tree import DfoTree
from console.account import open_tree
from engine import events as ev
from engine.board import Board, Change
from engine.questions import Choice, Question
from screens.in_turn import InTurn
from screens.messages import BoardChanged, Leave, OpenCertify, OpenQuestions, joined
from screens.queue.queued import Job, JobCall, JobFile, Ordered, WorkPlace
from screens.release.released import Plan, Run, Thrown, Undo, Virtual
from screens.review.reviewed import Cover, Picture, Review
from screens.shown import Forecast, LogPart, MoreMemory, QcPanel, Slot, Width
from screens.theme import DFOS
from tests.accounts import built, copied
from tests.engines import end_engine

NOW = 1_414_060_000.0  # 2014-10-23T10:26:40Z

# kind: recipe, tag, RAW_TYPE, forecast in seconds
KINDS = {
    "bias": ("muse_bias", "_tpl", "BIAS", 60.0),
    "sky_basic": ("muse_scibasic", "", "SKY", 240.0),
    "create_sky": ("muse_create_sky", "_sky", "PIXTABLE_SKY", 120.0),
    "scibasic": ("muse_scibasic", "", "OBJECT", 240.0),
    "scipost": ("muse_scipost", "_pst", "PIXTABLE_OBJECT", 840.0),
    "align": ("muse_exp_align", "_dal", "IMAGE_FOV", 60.0),
    "combine": ("muse_exp_combine", "_dpc", "PIXTABLE_REDUCED", 3600.0),
}


def ab_seen(ab: str, kind: str = "scipost", state: str = "CREATED", **more: object) -> ev.AbSeen:
    """An AB as the engine announces it; anything may be said otherwise."""
    recipe, _, raw_type, forecast = KINDS.get(kind, ("none", "", "OBJECT", 60.0))
    known: dict[str, object] = {
        "mode": "SCIENCE",
        "date": "2094-01-14",
        "kind": kind,
        "recipe": recipe,
        "raw_type": raw_type,
        "target": "NGC300",
        "order": 1,
        "parents": (),
        "forecast_s": forecast,
    }
    known.update(more)
    return ev.AbSeen(ab=ab, state=state, **known)  # type: ignore[arg-type]


def run_started(**more: object) -> ev.RunStarted:
    """The first event of a run."""
    known: dict[str, object] = {
        "what": "MUSE_DEEP",
        "pool": "094.D-0114B = 2094-01-14",
        "instance": "MUSE_DEEP",
        "pipeline": "esorex 3.13.7 muse 2.8.9",
        "standin": False,
        "host": "muc09",
        "user": "muse_ph3",
        "pid": 4711,
    }
    known.update(more)
    return ev.RunStarted(**known)  # type: ignore[arg-type]


def deep_run(exposures: int = 4, target: str = "NGC300", state: str = "CREATED") -> list[ev.Event]:
    """A deep run of one target: scibasic, scipost, alignment, combination, in execution order."""
    found: list[ev.Event] = [run_started(), ev.StreamsChanged(3)]
    stamps = [f"2014-10-23T{i // 6 % 24:02d}:{i % 6 * 10:02d}:{i % 60:02d}.{i % 1000:03d}" for i in range(exposures)]
    for i, stamp in enumerate(stamps):
        found.append(ab_seen(f"MUSE.{stamp}.ab", "scibasic", state, order=i, target=target))
    for i, stamp in enumerate(stamps):
        parents = (f"MUSE.{stamp}.ab",)
        found.append(
            ab_seen(f"MUSE.{stamp}_pst.ab", "scipost", state, order=exposures + i, target=target, parents=parents)
        )
    reduced = tuple(f"MUSE.{stamp}_pst.ab" for stamp in stamps)
    align = f"MUSE.{stamps[0]}_dal.ab"
    found.append(ab_seen(align, "align", state, order=2 * exposures, target=target, parents=reduced))
    found.append(
        ab_seen(
            f"MUSE.{stamps[0]}_dpc.ab",
            "combine",
            state,
            order=2 * exposures + 1,
            target=target,
            parents=(align, *reduced),
        )
    )
    return found


def certify_question(ab: str, number: int = 1) -> Question:
    """The question an AB's certification asks."""
    return Question(
        id=f"certify:{ab}:1",
        kind="certify.ab",
        subject=ab,
        text="accept the products?",
        choices=(
            Choice("accept", "Accept", "its products may move"),
            Choice("reject", "Reject", "its products stay where they are", needs_comment=True),
        ),
        safe="later",
        number=number,
    )


@dataclass
class FakeLink:
    """An EngineLink that records what it is told. `replies` by verb; a reply that is an exception is raised."""

    board: Board = field(default_factory=Board)
    alive: bool = True
    commands: list[tuple[str, dict[str, str | int]]] = field(default_factory=list)
    answers: list[tuple[int, str, str]] = field(default_factory=list)
    replies: dict[str, str | Exception] = field(default_factory=dict)
    seq: int = 0

    async def command(self, verb: str, **arguments: str | int) -> str:
        self.commands.append((verb, arguments))
        reply = self.replies.get(verb, f"{verb}: done")
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def answer(self, number: int, choice: str, comment: str = "") -> str:
        question = self.board.questions.get(number)
        if question is not None:
            question.checked(choice, comment)
        self.answers.append((number, choice, comment))
        reply = self.replies.get("answer", f"{choice}: saved")
        if isinstance(reply, Exception):
            raise reply
        return reply

    def fold(self, *events: ev.Event, at: float = NOW) -> Change:
        """Take events into the board, as the app's pump does."""
        change = Change()
        for event in events:
            self.seq += 1
            change = joined(change, self.board.fold(ev.Stamped("run", self.seq, at, event)))
        return change


@dataclass
class FakeLibrary:
    """A Library of canned data, by AB name."""

    logs: dict[str, str] = field(default_factory=dict)
    forecasts: dict[tuple[str, str], Forecast] = field(default_factory=dict)
    panels: dict[str, QcPanel] = field(default_factory=dict)
    growing: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    whys: dict[str, list[str]] = field(default_factory=dict)
    reviews: dict[str, Review] = field(default_factory=dict)
    pictures: dict[tuple[str, str], Picture] = field(default_factory=dict)
    covers: dict[str, list[Cover]] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)
    details: dict[int, list[str]] = field(default_factory=dict)
    plans: dict[tuple[str, str, bool], Plan] = field(default_factory=dict)
    headers: dict[str, list[str]] = field(default_factory=dict)
    waiting: list[Job] = field(default_factory=list)
    files: dict[str, list[JobFile]] = field(default_factory=dict)
    calls: dict[str, list[JobCall]] = field(default_factory=dict)
    ordered: list[Ordered] = field(default_factory=list)
    place: WorkPlace = field(default_factory=lambda: WorkPlace("this host", "8 cores", True))
    journal: list[Run] = field(default_factory=list)
    steps: dict[int, list[str]] = field(default_factory=dict)
    virtual: list[Virtual] = field(default_factory=list)
    undos: dict[tuple[str, str], Undo] = field(default_factory=dict)
    thrown: list[Thrown] = field(default_factory=list)
    thrown_names: dict[str, list[str]] = field(default_factory=dict)
    more: dict[str, MoreMemory] = field(default_factory=dict)
    wide: list[Width] = field(default_factory=list)
    trouble: Exception | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def _asked(self, what: str, about: str) -> None:
        self.asked.append((what, about))
        if self.trouble is not None:
            raise self.trouble

    async def log(self, ab: str, offset: int = 0) -> LogPart:
        self._asked("log", ab)
        data = self.logs.get(ab, "").encode("utf-8", "surrogateescape")
        return LogPart(data[offset:].decode("utf-8", "surrogateescape"), len(data), ab in self.growing, f"{ab}.log")

    async def ab_text(self, ab: str) -> str:
        self._asked("ab_text", ab)
        return self.texts.get(ab, f"AB_NAME {ab}\nRECIPE muse_scipost\nPROCESS_STATUS CREATED\n")

    async def why(self, ab: str) -> list[str]:
        self._asked("why", ab)
        return self.whys.get(ab, [f"{ab} waits for nothing."])

    async def more_memory(self, ab: str) -> MoreMemory | None:
        self._asked("more_memory", ab)
        return self.more.get(ab)

    async def widths(self) -> list[Width]:
        self._asked("widths", "")
        return list(self.wide)

    async def review(self, ab: str) -> Review:
        self._asked("review", ab)
        return self.reviews[ab]

    async def picture(self, ab: str, name: str, width: int, height: int) -> Picture | None:
        self._asked("picture", f"{ab} {name}")
        return self.pictures.get((ab, name))

    async def cover(self, ab: str) -> list[Cover]:
        self._asked("cover", ab)
        return self.covers.get(ab, [])

    async def plugins(self) -> list[Slot]:
        self._asked("plugins", "")
        return self.slots

    async def question_details(self, number: int) -> list[str]:
        self._asked("question_details", str(number))
        return self.details.get(number, [])

    async def plan(self, mode: str, date: str, recreate: bool = False) -> Plan:
        self._asked("plan", f"{mode} {date} {recreate}")
        return self.plans[mode, date, recreate]

    async def save_plan(self, plan: Plan, path: str) -> str:
        self._asked("save_plan", f"{plan.digest} {path}")
        return f"saved in {path}"

    async def header(self, path: str) -> list[str]:
        self._asked("header", path)
        return self.headers[path]

    async def jobs(self) -> list[Job]:
        self._asked("jobs", "")
        return list(self.waiting)

    async def job_log(self, job: Job) -> list[str]:
        return [f"MU_0.fits 10 - 2014-10-23T08:00:00 1 INGESTED {job.date}"]

    async def job_files(self, job: Job) -> list[JobFile]:
        self._asked("job_files", job.line)
        return self.files.get(job.line, [])

    async def job_calls(self, job: Job) -> list[JobCall]:
        self._asked("job_calls", job.line)
        return self.calls.get(job.name, [])

    async def orders(self) -> list[Ordered]:
        self._asked("orders", "")
        return list(self.ordered)

    async def at_work(self) -> WorkPlace:
        self._asked("at_work", "")
        return self.place

    async def runs(self) -> list[Run]:
        self._asked("runs", "")
        return list(self.journal)

    async def run_steps(self, number: int) -> list[str]:
        self._asked("run_steps", str(number))
        return self.steps.get(number, [])

    async def undo(self, mode: str, date: str, *, keep_created: bool = False) -> Undo:
        self._asked("undo", f"{mode} {date}{'' if keep_created else ' createAB too'}")
        return self.undos.get((mode, date), Undo(mode, date))

    async def trash(self) -> list[Thrown]:
        self._asked("trash", "")
        return list(self.thrown)

    async def vcal(self) -> list[Virtual]:
        self._asked("vcal", "")
        return list(self.virtual)

    async def forecast(self, mode: str, date: str) -> Forecast:
        self._asked("forecast", f"{mode} {date}")
        return self.forecasts[mode, date]

    async def qc(self, ab: str) -> QcPanel:
        self._asked("qc", ab)
        return self.panels.get(ab, QcPanel(ab, "", note="no QC yet"))

    async def thrown_files(self, thrown: Thrown) -> list[str]:
        self._asked("thrown_files", thrown.label)
        return self.thrown_names.get(thrown.label, [])


class Host(InTurn):
    """Mounts one screen; folds events into the link's board; keeps the wishes that reached it."""

    def __init__(self, screen: Screen[object], link: FakeLink) -> None:
        super().__init__(ansi_color=True)
        self.first = screen
        self.link = link
        self.wishes: list[object] = []
        self.animation_level = "none"
        self.register_theme(DFOS)
        self.theme = DFOS.name

    def on_mount(self) -> None:
        self.push_screen(self.first)

    def play(self, *events: ev.Event, at: float = NOW) -> None:
        """Fold events into the board and tell every screen, as the console's pump does."""
        change = self.link.fold(*events, at=at)
        for screen in self.screen_stack:
            screen.post_message(BoardChanged(change))

    def on_open_certify(self, wish: OpenCertify) -> None:
        self.wishes.append(wish)

    def on_open_questions(self, wish: OpenQuestions) -> None:
        self.wishes.append(wish)

    def on_console_leave(self, wish: Leave) -> None:
        self.wishes.append(wish)


def screen_text(app: App[object]) -> list[str]:
    """The lines an operator sees, without colour."""
    return ["".join(segment.text for segment in strip).rstrip() for strip in app.screen._compositor.render_strips()]


def fold_all(link: FakeLink, events: Iterable[ev.Event], at: float = NOW) -> None:
    """Fold many events before a screen is mounted."""
    link.fold(*events, at=at)


@pytest.fixture
def link() -> FakeLink:
    """An engine with an empty board."""
    return FakeLink()


@pytest.fixture
def library() -> FakeLibrary:
    """An empty library."""
    return FakeLibrary()


@pytest.fixture(scope="session")
def uncertified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A strict demo account whose combination waits for a verdict."""
    words = ["--targets", "1", "--exposures", "2", "--sky", "0", "--strict", "--auto"]
    return built(tmp_path_factory.mktemp("strict") / "account", *words, code=3)


@pytest.fixture
def parked(uncertified: Path, tmp_path: Path) -> Iterator[DfoTree]:
    """The same, for one test."""
    root = copied(uncertified, tmp_path / "account")
    tree = open_tree(root, {})
    yield tree
    end_engine(tree)
