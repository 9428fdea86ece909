"""A question on a plain terminal: lines, prompt, and what is typed behind it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from engine.errors import UsageTrouble
from engine.questions import Choice, Question
from screens.ask import plain

RECREATE = Question(
    id="move.recreate:SCIENCE:2094-01-14",
    kind="move.recreate",
    subject="moveProducts SCIENCE 2094-01-14",
    text="The science directory of this date already holds 14 products (41.2 GB).",
    choices=(
        Choice("keep", "Keep", "their names go back to PIPEFILE, 12 new ones join, versions anew"),
        Choice("recreate", "Recreate", "the 14 go to the trash until 2026-12-21; can be undone"),
        Choice("stop", "Stop", "nothing is changed", needs_comment=True),
    ),
    safe="keep",
    auto="keep",
    asked_by="cron",
    asked_at="2026-11-21T09:51:07",
    number=17,
)
CERTIFY = replace(RECREATE, id="certify:A.ab:1", kind="certify.ab", safe="later", auto=None)


@pytest.mark.row(432)
def test_the_question_is_numbered_lines_with_what_each_answer_does() -> None:
    assert plain.lines(RECREATE) == [
        "moveProducts SCIENCE 2094-01-14: The science directory of this date already holds 14 products (41.2 GB)."
        " (asked 2026-11-21 09:51 by cron)",
        "1 Keep: their names go back to PIPEFILE, 12 new ones join, versions anew",
        "2 Recreate: the 14 go to the trash until 2026-12-21; can be undone",
        "3 Stop: nothing is changed (needs a comment)",
    ]
    assert plain.prompt(RECREATE) == "number and comment, d for details, enter for 1 Keep: "


def test_leaving_a_question_open_is_offered_where_that_is_the_safe_answer() -> None:
    assert plain.lines(CERTIFY)[-1] == "4 Later: stays open, nothing is decided"
    assert plain.prompt(CERTIFY).endswith("enter for 4 Later: ")
    assert plain.read(CERTIFY, "") is None
    assert plain.read(CERTIFY, "4") is None
    assert plain.read(CERTIFY, "later") is None


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("", ("keep", "")),
        ("\n", ("keep", "")),
        ("2\n", ("recreate", "")),
        (" 2  second delivery \n", ("recreate", "second delivery")),
        ("Recreate", ("recreate", "")),
        ("KEEP as it is", ("keep", "as it is")),
        ("3 disk full", ("stop", "disk full")),
    ],
)
def test_what_is_typed_is_read(typed: str, answer: tuple[str, str]) -> None:
    assert plain.read(RECREATE, typed) == answer


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("0", "there is no choice 0"),
        ("5", "from 1 to 3"),
        ("99999999999999999999", "there is no choice"),
        ("3", "needs a comment"),
        ("stop  ", "needs a comment"),
        ("delete everything", "use keep, recreate, stop"),
        ("²", "use keep"),
        ("1 no # sign", "without '#'"),
        ("1 no\tsign", "without '#' and tabs"),
    ],
)
def test_what_cannot_be_an_answer_says_why(typed: str, says: str) -> None:
    with pytest.raises(UsageTrouble, match=says):
        plain.read(RECREATE, typed)


def test_a_terminal_obeys_nothing_that_a_question_holds() -> None:
    evil = replace(RECREATE, subject="\x1b[2J\x07 target\n1 Keep: harmless", asked_at="", asked_by="")
    shown = plain.lines(evil)
    assert len(shown) == 4
    assert all(char.isprintable() for line in shown for char in line)
    assert plain.details(evil, ["a\x1b]0;x"]) == ["a ]0;x"]


def test_details_fall_back_to_what_the_question_carries() -> None:
    assert plain.details(replace(RECREATE, details=("26 products",)), []) == ["26 products"]
    assert plain.details(RECREATE, []) == ["there are no details"]


def test_plain_means_without_the_screen_library() -> None:
    code = "import sys, screens.ask.plain; print({'textual', 'rich', 'asyncio'} & set(sys.modules) or 'light')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "light"
