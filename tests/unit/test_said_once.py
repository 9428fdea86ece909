"""States, modes and reasons in sentences: nothing is said twice, whoever says it."""

from __future__ import annotations

import pytest

from console.cli import status
from console.link.headless import line_of
from engine import events as ev
from engine.board import Board
from engine.core.status import said
from engine.process.run.why import why_known
from screens.glyphs import ASCII
from screens.widgets.board_lines import ready_text, situation_line
from screens.widgets.facts import facts, relatives

NOW = 1_414_060_000.0


def board_of(*events: ev.Event) -> Board:
    board = Board()
    for number, event in enumerate(events, 1):
        board.fold(ev.Stamped("run", number, NOW, event))
    return board


def seen(ab: str, state: str, reason: str = "", parents: tuple[str, ...] = ()) -> ev.AbSeen:
    pool = ("SCIENCE", "2094-01-14", "scipost", "muse_scipost", "PIXTABLE_OBJECT", "NGC300")
    return ev.AbSeen(ab, *pool, 1, parents, 60.0, state, reason)


@pytest.mark.parametrize(
    ("word", "reason", "phrase"),
    [
        ("paused", "", "paused"),
        ("paused", "paused by root", "paused by root"),
        ("paused", "paused: espresso autoDaily since 09:38", "paused: espresso autoDaily since 09:38"),
        ("paused", "by root", "paused: by root"),
        ("FAILED", "failed in an earlier run", "FAILED in an earlier run"),
        ("FAILED", "no space left", "FAILED: no space left"),
        ("waits for AB", "waits for A.ab", "waits for A.ab"),
        ("waits for stream", "waits until all before rank 4 have ended", "waits until all before rank 4 have ended"),
        ("blocked", "A.ab FAILED", "blocked: A.ab FAILED"),
        ("done", "doneness unknown", "done: doneness unknown"),
    ],
)
def test_a_word_and_its_reason_are_one_phrase(word: str, reason: str, phrase: str) -> None:
    assert said(word, reason) == phrase


def test_a_pause_is_said_once_in_the_header_and_in_the_lines_of_a_headless_run() -> None:
    paused = ev.ModeChanged("paused", "paused by root")
    board = board_of(seen("A.ab", "CREATED"), paused)
    header = "".join(text for text, _ in situation_line(board, True, None, NOW, 80, ASCII)).strip()
    assert header == "paused by root"
    assert line_of(ev.Stamped("run", 9, NOW, paused), board) == "paused by root"
    assert line_of(ev.Stamped("run", 9, NOW, ev.AbChanged("A.ab", "PAUSED", "paused by root")), board) == (
        "A.ab (scipost NGC300) paused by root"
    )
    assert line_of(ev.Stamped("run", 9, NOW, ev.AbChanged("A.ab", "BLOCKED", "B.ab FAILED")), board) == (
        "A.ab (scipost NGC300) blocked: B.ab FAILED"
    )
    failed = ev.AbChanged("A.ab", "FAILED", "no flat", 0, NOW, 2.0)
    assert line_of(ev.Stamped("run", 9, NOW, failed), board) == "A.ab (scipost NGC300) FAILED 2.0 s: no flat"


def test_why_without_a_run_says_each_state_once_and_what_to_do() -> None:
    board = board_of(
        seen("A.ab", "FAILED", "no flat"),
        seen("B.ab", "BLOCKED", "A.ab FAILED", ("A.ab",)),
        seen("C.ab", "CREATED"),
        seen("D.ab", "PARENT", "waits for C.ab", ("C.ab",)),
    )
    assert why_known(board, "B.ab") == [
        "B.ab is blocked: A.ab FAILED.",
        "A.ab is FAILED: no flat.",
        "Remove the cause (`l` shows the log), then `r` (or dfos retry A.ab) runs it again with what depends on it.",
    ]
    assert why_known(board, "D.ab")[:2] == ["D.ab waits for C.ab.", "C.ab is created."]
    assert facts(board.rows["D.ab"], board, NOW, ASCII)[0] == "state     - waits for C.ab"
    assert relatives(["B.ab"], board, ASCII) == ["  ! B  scipost  blocked: A.ab FAILED"]


@pytest.mark.parametrize(("code", "text"), [(0, "run ended"), (3, "waits for you"), (130, "run ended")])
def test_a_run_that_ended_with_open_questions_waits_for_a_person(code: int, text: str) -> None:
    board = board_of(seen("A.ab", "REVIEW"), ev.RunEnded(code, "1 to certify"))
    assert ready_text(board, None, NOW) == text


@pytest.mark.parametrize(
    ("state", "reasons", "remedy"),
    [
        ("PARENT", ("waits for B.ab", "waits for A.ab"), "WAITFOR"),
        ("BLOCKED", ("a circle: A.ab waits for B.ab waits for A.ab",) * 2, "WAITFOR"),
        ("CREATED", ("", ""), "WAITFOR"),
    ],
)
def test_a_circle_is_told_once_and_names_the_wrong_line(state: str, reasons: tuple[str, str], remedy: str) -> None:
    board = _board(("A.ab", state, reasons[0], ("B.ab",)), ("B.ab", state, reasons[1], ("A.ab",)))
    lines = why_known(board, "A.ab")
    assert len(lines) <= 4 and remedy in lines[-1], lines


@pytest.mark.parametrize(
    ("state", "reason", "remedy"),
    [
        ("BLOCKED", "refused: needs 160 GB of memory, this host has 100 GB for recipes", "larger host"),
        ("BLOCKED", "refused: 126 inputs, at most 125 are combined (admission.refuse_above)", "fewer inputs"),
        ("BLOCKED", "waits for an answer: 121 inputs", "Answer"),
        ("PARENT", "waits for X.ab, which is in no pool of this account", "remove the WAITFOR"),
        ("SLOT", "waits for disk: needs 10 GB, 1 GB free", "Free space"),
        ("SLOT", "waits for a stream", "start processing"),
    ],
)
def test_every_reason_ends_in_what_helps_and_children_come_to_it(state: str, reason: str, remedy: str) -> None:
    held = "BLOCKED" if state == "BLOCKED" else "PARENT"
    inherited = reason if state == "BLOCKED" else "waits for A.ab"
    board = _board(("A.ab", state, reason, ("X.ab",)), ("B.ab", held, inherited, ("A.ab",)))
    assert remedy in why_known(board, "A.ab")[-1]
    first, *_, last = why_known(board, "B.ab")
    assert first == "B.ab waits for A.ab." and remedy in last


def _board(*rows: tuple[str, str, str, tuple[str, ...]]) -> Board:
    board = Board()
    for order, (ab, state, reason, parents) in enumerate(rows, 1):
        seen = ev.AbSeen(ab, "CALIB", "2014-10-22", "bias", "r", "BIAS", "", order, parents, 0.0, state, reason)
        board.fold(ev.Stamped("r", order, 0.0, seen))
    return board


def test_status_tells_what_waits_for_disk_from_what_waits_for_a_stream() -> None:
    row = {"kind": "bias", "score": "", "duration_s": 0.0, "state": "SLOT", "message": ""}
    found = {
        "account": "x",
        "engine": None,
        "done": 0,
        "total": 2,
        "order": None,
        "standin": 0,
        **dict.fromkeys(("interrupted", "refused", "questions"), ()),
        "abs": [
            {**row, "ab": "A.ab", "reason": "waits for disk: needs 10 GB, 1 GB free"},
            {**row, "ab": "B.ab", "reason": "waits for a stream"},
        ],
    }
    lines = status._lines(found, True)
    assert lines[1] == "  1 waits for disk, 1 waits for stream"
    assert lines[2] == "  A.ab (bias) waits for disk: needs 10 GB, 1 GB free"


def test_status_tells_stale_abs_what_a_batch_system_holds_and_what_plugins_complained_of() -> None:
    row = {"kind": "bias", "score": "", "duration_s": 0.0, "reason": "", "message": ""}
    held = [
        {**row, "ab": f"H{n}.ab", "state": "PAUSED", "reason": f"slurm {n}: held by an administrator"} for n in (1, 2)
    ]
    down = {**row, "ab": "D.ab", "state": "RUNNING", "reason": "slurm 3: not reachable since 03:12"}
    stale = {**row, "ab": "S.ab", "state": "STALE", "reason": "B.ab was made anew"}
    odd = {**row, "ab": "P.ab", "state": "DONE", "message": "POST_PLUGIN: pgi_x: no such file"}
    plain = {**row, "ab": "Q.ab", "state": "DONE", "message": "3 WARNING: seeing"}
    found = {
        "account": "x", "engine": None, "done": 2, "total": 6, "order": None,
        "standin": 0,
        **dict.fromkeys(("interrupted", "refused", "questions"), ()),
        "abs": [*held, down, stale, odd, plain],
    }  # fmt: skip
    lines = status._lines(found, False)[2:]
    assert lines == [
        "  S.ab (bias) stale: B.ab was made anew",
        "  2 ABs paused, slurm: held by an administrator",
        "  1 AB running, slurm: not reachable since 03:12",
        "  P.ab (bias) POST_PLUGIN: pgi_x: no such file",
    ]


def test_an_ab_that_runs_again_shows_nothing_of_the_last_time() -> None:
    board = board_of(seen("A.ab", "RUNNING"), ev.AbChanged("A.ab", "DONE", "", 0, NOW, 7.0), ev.AbScored("A.ab", "..."))
    assert board.rows["A.ab"].duration_s == 7.0
    for state in ("CREATED", "PARENT"):
        board.fold(ev.Stamped("run", 9, NOW, ev.AbChanged("A.ab", state)))
        row = board.rows["A.ab"]
        assert (row.duration_s, row.score, row.started) == (0.0, "", 0.0)
