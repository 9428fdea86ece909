"""What jobs leave on disk, believed or not."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageTrouble
from engine.process.executors.protocol import JobRef, Status
from engine.process.executors.records import BadRecord, Records, file_name

_TOKEN = "a.ab:1:17"  # noqa: S105 - a mark, no secret
_GOOD = {"token": _TOKEN, "attempt": 1, "host": "n1", "pid": 4, "started": 1.5, "ended": 2.5, "code": 0, "signal": None}


def _left(place: Path, **changes: object) -> Records:
    records = Records(place)
    place.mkdir(exist_ok=True)
    records.record_path(_TOKEN).write_text(json.dumps({**_GOOD, **changes}))
    return records


def _status(records: Records) -> Status:
    ended = records.ended(_TOKEN)
    assert ended
    return ended.state(JobRef(_TOKEN, "slurm", "17")).status


def test_what_a_record_says(tmp_path: Path) -> None:
    assert Records(tmp_path / "none").ended(_TOKEN) is None
    ended = _left(tmp_path).ended(_TOKEN)
    assert ended and (ended.rc, ended.host, ended.ended) == (0, "n1", 2.5)
    assert _status(_left(tmp_path)) is Status.DONE
    assert _status(_left(tmp_path, code=9)) is Status.FAILED
    assert _status(_left(tmp_path, code=None, signal=15, told=15)) is Status.REMOVED
    assert _status(_left(tmp_path, code=0, told=15)) is Status.REMOVED, "told to end it may have left half a product"
    assert _status(_left(tmp_path, code=None, skipped="x did not end well")) is Status.REMOVED


def test_killed_with_all_the_memory_it_asked_for(tmp_path: Path) -> None:
    killed = {"code": None, "signal": signal.SIGKILL, "max_rss_mb": 3900, "asked_mb": 4000}
    ended = _left(tmp_path, **killed).ended(_TOKEN)
    assert ended and ended.lacked_memory
    state = ended.state(JobRef(_TOKEN, "slurm", "17"))
    assert state.memory_killed and state.reason == "out of memory: it used 3900 of 4000 MB"
    for other in ({"max_rss_mb": 100}, {"asked_mb": 0}, {"signal": 15}):
        ended = _left(tmp_path, **{**killed, **other}).ended(_TOKEN)
        assert ended and not ended.lacked_memory


@pytest.mark.parametrize(
    "changes",
    [
        {"token": "b.ab:1:17"},
        {"token": None},
        {"code": "0"},
        {"code": True},
        {"code": 0.0},
        {"code": -1},
        {"code": 256},
        {"code": 0, "signal": 9},
        {"code": None},
        {"signal": 0, "code": None},
        {"pid": "4"},
        {"ended": "now"},
        {"ended": float("nan")},
        {"max_rss_mb": float("inf")},
        {"max_rss_mb": [1]},
    ],
)
def test_a_record_that_makes_no_sense(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(BadRecord):
        _left(tmp_path, **changes).ended(_TOKEN)


@given(st.binary(max_size=200))
def test_whatever_lies_there_is_no_success(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    records = Records(tmp_path_factory.mktemp("r"))
    records.record_path(_TOKEN).write_bytes(data)
    with contextlib.suppress(BadRecord):
        assert records.ended(_TOKEN) is None


def test_files_that_lead_astray(tmp_path: Path) -> None:
    records = Records(tmp_path)
    path = records.record_path(_TOKEN)
    (tmp_path / "forged").write_text(json.dumps(_GOOD))
    path.symlink_to(tmp_path / "forged")
    with pytest.raises(BadRecord):
        records.ended(_TOKEN)
    path.unlink()
    os.mkfifo(path)
    assert records.ended(_TOKEN) is None, "nobody waits for a writer"
    path.unlink()
    path.mkdir()
    with pytest.raises(BadRecord):
        records.ended(_TOKEN)
    path.rmdir()
    path.write_text(json.dumps(_GOOD) + " " * 70000)
    with pytest.raises(BadRecord):
        records.ended(_TOKEN)
    path.write_text("[" * 60000)
    with pytest.raises(BadRecord):
        records.ended(_TOKEN)


def test_texts_of_others_are_shown_without_their_tricks(tmp_path: Path) -> None:
    ended = _left(tmp_path, host="n1\x1b[31m\n", code=1, trouble="x" * 1000).ended(_TOKEN)
    assert ended and ended.host == "n1[31m" and len(ended.trouble) == 500


@pytest.mark.parametrize("token", ["", "../x", "a b", "a\nb", "a|b", "ä", "x" * 300, "a\0", "-'\"$(id)"])
def test_what_is_no_token(token: str) -> None:
    name = ""
    try:
        name = file_name(token)
    except UsageTrouble:
        return
    assert "/" not in name and not name.startswith((".", "-"))


def test_tokens_have_files_of_their_own() -> None:
    names = {file_name(token) for token in ("a:b", "a_b", "a/b", "a:b:1", "a.b")}
    assert len(names) == 5


def test_what_never_began_can_be_taken_back_once(tmp_path: Path) -> None:
    records = Records(tmp_path)
    assert records.remove(_TOKEN) and _status(records) is Status.REMOVED
    assert not records.remove(_TOKEN) and records.known(_TOKEN)
    records.forget([_TOKEN])
    assert not records.known(_TOKEN) and not list(tmp_path.iterdir())
