"""The states of an AB: every illegal jump is refused, and the user guide says which are legal."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from engine.bus import Bus
from engine.core.cascade import Kind
from engine.core.status import LEGAL, STATES, may_become
from engine.errors import DfosError
from engine.process.plan.pool import Entry
from engine.process.plan.ready import Ready
from engine.process.run.ab_states import AbStates

WAITING = {"CREATED", "PARENT", "BLOCKED", "SLOT", "PAUSED"}


def entry(state: str) -> Entry:
    kind = Kind("bias", "muse_bias", "tpl", ("BIAS",), 1, 1)
    return Entry("A.ab", "CALIB", "2014-10-22", kind, "muse_bias", "BIAS", "", 0, 1, (), (), "CREATED", state)


@pytest.mark.row(124)
def test_every_illegal_jump_is_refused_and_changes_nothing() -> None:
    said: list[object] = []
    bus = Bus("run", lambda: 0.0)
    bus.subscribe(said.append)
    refused = 0
    for old, new in itertools.product(STATES, STATES):
        one = entry(old)
        states = AbStates(bus, {one.ab: one}, Ready({one.ab: one}), lambda name: "")
        if may_become(old, new):
            continue
        refused += 1
        with pytest.raises(DfosError, match=f"{old} may not become {new}"):
            states.become(one, new)
        assert one.state == old
    assert refused > 100 and said == []


@pytest.mark.row(124)
def test_what_moved_never_goes_back_by_itself_and_nothing_is_certified_unprocessed() -> None:
    for new in set(STATES) - {"MOVED", "INGESTED"}:
        assert not may_become("INGESTED", new)
    for old in WAITING | {"RUNNING", "FAILED", "INTERRUPTED", "STALE", "REJECTED", "REVIEW"}:
        assert not may_become(old, "MOVED") and not may_become(old, "INGESTED")
    for old in WAITING | {"RUNNING", "FAILED"}:
        assert not may_become(old, "ACCEPTED") and not may_become(old, "REVIEW")


@pytest.mark.row(124)
def test_the_guide_shows_the_same(repository: Path) -> None:
    text = (repository / "docs" / "user-guide.md").read_text()
    text = text.partition("### From state to state\n")[2].partition("\n##")[0]
    rows = dict(re.findall(r"^\| (\S[^|]*?) \| ([^|]*?) \|$", text, flags=re.MULTILINE))
    del rows["from"]
    names = {state.word: state.name for state in STATES.values()}
    told: dict[str, set[str]] = {}
    for old, words in rows.items():
        targets: set[str] = set()
        for word in words.split(", "):
            targets |= WAITING if word == "*waiting*" else {names[word]} if word != "-" else set()
        for name in WAITING if old == "*waiting*" else {names[old]}:
            told[name] = targets - {name}
    assert told == {name: targets - {name} for name, targets in LEGAL.items()}
