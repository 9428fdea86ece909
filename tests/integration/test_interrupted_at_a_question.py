"""moveProducts on a plain terminal, cut at its question: Ctrl-C, kill -9, a terminal that goes away. Real processes."""

from __future__ import annotations

import codecs
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.context import Context
from tests.accounts import DFOS
from tests.fakes import LIMIT_S
from tests.moving import account, called
from tests.released import MOVE, NIGHT, bias, processed

POOL = ("-m", "CALIB", "-d", NIGHT)
# Whoever runs the tests may ignore these signals: as a terminal has them, then the command.
_HEARING = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.{})
os.execv(sys.argv[1], sys.argv[1:])
"""


class Asked:
    """A moveProducts in mode INTER that asks on a terminal what becomes of the final directory."""

    def __init__(self, root: Path, *, deaf: bool = False) -> None:
        """`deaf`: begun in the background of a shell, which has SIGINT ignored."""
        self.context: Context = account(root, move={**MOVE.model_dump(mode="json"), "tool_mode": "INTER"})
        self.seen, self.text = "", codecs.getincrementaldecoder("utf-8")()  # what is read may end within a letter
        processed(self.context, bias(0))
        assert called(self.context, *POOL) == 0
        processed(self.context, bias(10))
        self.master, slave = pty.openpty()
        command = [*DFOS, "moveProducts", "--root", str(self.context.tree.root), *POOL]
        how = "SIG_IGN" if deaf else "SIG_DFL"
        self.move = subprocess.Popen(
            [sys.executable, "-c", _HEARING.format(how), *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.until("holds")

    def until(self, word: str) -> None:
        while word not in self.seen or not self.seen.endswith(": "):
            ready, _, _ = select.select([self.master], [], [], LIMIT_S)
            assert ready, self.seen
            self.seen += self.text.decode(os.read(self.master, 65536))

    def rest(self) -> str:
        """What it says until it has ended."""
        while select.select([self.master], [], [], LIMIT_S)[0]:
            try:
                self.seen += self.text.decode(os.read(self.master, 65536))
            except OSError:  # the last one has left the terminal
                return self.seen
        pytest.fail(f"it does not end: {self.seen}")

    def typed(self, text: str) -> None:
        os.write(self.master, text.encode())

    def dfos(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [*DFOS, words[0], "--root", str(self.context.tree.root), *words[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    def final(self) -> int:
        return len(list((self.context.tree.cal / NIGHT).glob("*.fits")))


@pytest.fixture
def asked(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Asked]:
    made = Asked(tmp_path, deaf=getattr(request, "param", "") == "in the background")
    yield made
    made.move.kill()
    made.move.wait()
    os.close(made.master)


@pytest.mark.parametrize(
    ("asked", "how"),
    [("", signal.SIGINT), ("", signal.SIGTERM), ("in the background", signal.SIGTERM)],
    indirect=["asked"],
)
def test_ctrl_c_ends_it_at_once_with_true_words(asked: Asked, how: int) -> None:
    asked.move.send_signal(how)
    said = asked.rest()
    assert asked.move.wait(timeout=LIMIT_S) == 130
    assert "nothing goes on; the same command asks again; open: question 1" in said
    assert "recipes" not in said and "Traceback" not in said
    assert asked.final() == 1


def test_a_line_is_read_whole_and_the_order_ends(asked: Asked) -> None:
    asked.typed("ke")
    asked.typed("ep\n")
    asked.rest()
    assert asked.move.wait(timeout=LIMIT_S) == 0 and asked.final() == 2


@pytest.mark.parametrize("end", ["kill", "ctrl-c", "hangup"])
def test_an_order_cut_at_its_question_is_called_interrupted_and_goes_on_with_the_answer(asked: Asked, end: str) -> None:
    if end == "hangup":
        asked.move.send_signal(signal.SIGHUP)
    else:
        asked.move.send_signal(signal.SIGKILL if end == "kill" else signal.SIGINT)
    asked.move.wait(timeout=LIMIT_S)
    told = asked.dfos("status")
    assert "no engine" in told and "CALIB 2014-10-22 M interrupted" in told and "running" not in told
    assert "has not ended and no engine lives" in told and "dfos console goes on with it" in told
    state = json.loads(asked.dfos("status", "--json"))
    assert state["order"]["state"] == "interrupted" and len(state["interrupted"]) == 1
    said = asked.dfos("answer", "1", "keep")
    assert "question 1: keep saved" in said and "1 product moved" in said
    assert asked.final() == 2
    assert "interrupted" not in asked.dfos("status")


def test_a_question_that_follows_is_withdrawn_when_the_first_is_answered_otherwise(asked: Asked) -> None:
    asked.typed("recreate\n")
    asked.until("Really empty")
    asked.move.kill()
    asked.move.wait(timeout=LIMIT_S)
    assert "Really empty" in asked.dfos("questions", code=3)
    said = asked.dfos("answer", "1", "keep")
    assert "more to answer" not in said and "1 product moved" in said
    assert asked.dfos("questions") == "no open questions\n" and asked.final() == 2


def test_an_answer_nothing_waits_for_says_how_it_goes_on(asked: Asked) -> None:
    asked.move.kill()
    asked.move.wait(timeout=LIMIT_S)
    from engine.stores.database import connect
    from engine.stores.orders import ENDED, Orders

    db = connect(asked.context.tree.journal)
    Orders(db).mark(2, ENDED, code=130, text="given up")
    db.close()
    said = asked.dfos("answer", "1", "keep")
    assert "give the command again" in said and asked.final() == 1
