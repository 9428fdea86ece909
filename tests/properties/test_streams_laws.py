from __future__ import annotations

import asyncio
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.board import Board
from engine.core.ab import AB
from engine.events import AbChanged, Stamped
from engine.process.run.job import Result, Task
from engine.process.run.streams import Streams
from engine.stores.attempts import Attempts
from tests.builders import folded, make_ab, make_context, record
from tests.fakes import PaperJob

_KINDS = ("scibasic", "scipost", "align", "combine")
_SLOW = settings(max_examples=40)


class Shuffled(PaperJob):
    """ABs take a random number of turns."""

    def __init__(self, seed: int, fails: set[str]) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.fails = fails

    async def run(self, task: Task) -> Result:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)
        self.results[task.ab] = Result("FAILED", "no") if task.ab in self.fails else Result("DONE")
        return await super().run(task)


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[AB], set[str], int]:
    count = draw(st.integers(1, 14))
    abs_: list[AB] = []
    for number in range(count):
        parents = draw(st.sets(st.sampled_from([ab.name for ab in abs_]), max_size=3)) if abs_ else set()
        abs_.append(
            make_ab(
                f"MUSE.2014-10-22T00:{number:02d}:00.000",
                draw(st.sampled_from(_KINDS)),
                waitfor=sorted(parents),
            )
        )
    fails = {ab.name for ab in abs_ if draw(st.integers(0, 5)) == 0}
    return draw(st.permutations(abs_)), fails, draw(st.integers(1, 5))


@_SLOW
@given(pools(), st.integers(0, 1000), st.booleans())
def test_no_stream_exceeds_its_width_and_children_follow_parents(
    pool: tuple[list[AB], set[str], int], seed: int, barriers: bool
) -> None:
    abs_, fails, width = pool
    with TemporaryDirectory() as root:
        context = make_context(Path(root), streams=width, barriers=barriers)
        events = record(context)
        job = Shuffled(seed, fails)
        streams = Streams(context, abs_, job, Attempts(context.db))
        outcome = asyncio.run(streams.run())
        entries = streams.entries
        context.db.close()

    assert job.most.get("", 0) <= width
    for name, entry in entries.items():
        assert job.most.get(entry.kind.name, 0) <= entry.kind.streams
        assert job.started.count(name) <= 1
        if name in job.started:
            for parent in entry.parents:
                assert job.ended.index(parent) < len(job.ended)
                assert job.started.index(parent) < job.started.index(name)
                assert parent not in fails
    # every AB ended: done, failed, or blocked by something that failed
    assert len(outcome.done) + len(outcome.failed) + len(outcome.blocked) == len(abs_)
    assert set(outcome.failed) == fails & set(job.started)
    for name in outcome.blocked:
        assert any(parent in outcome.failed + outcome.blocked for parent in entries[name].parents)
    busy = [event.stream for event in events if isinstance(event, AbChanged) and event.state == "RUNNING"]
    assert all(1 <= stream <= width for stream in busy)


@_SLOW
@given(pools(), st.integers(0, 1000))
def test_the_rows_in_the_journal_are_the_board(pool: tuple[list[AB], set[str], int], seed: int) -> None:
    abs_, fails, width = pool
    with TemporaryDirectory() as root:
        context = make_context(Path(root), streams=width)
        attempts = Attempts(context.db)
        asyncio.run(Streams(context, abs_, Shuffled(seed, fails), attempts).run())
        again = Board()
        fold = folded(again)
        for number, event in enumerate(Attempts(context.db).seen()):
            fold(Stamped("run", number, 0.0, event))
        assert again.rows == context.board.rows
        assert not attempts.open()
        context.db.close()
