"""Texts over a screen: the coversheet's lines."""

from __future__ import annotations

import pytest

from screens.glyphs import ASCII, UNICODE
from screens.review.cover import cover_lines, plain_lines
from screens.review.reviewed import Cover

PST = Cover("this run", "MUSE.2014-10-22T23:57:32.118_pst.ab", "scipost", "DONE", ".....o.", "thin clouds at the start")
TPL = Cover("historical", "MUSE.2014-10-22T23:57:32.118_tpl.ab", "tpl", "", "", "")


def text(*cover: Cover, width: int = 76) -> list[str]:
    return ["".join(part for part, _ in line) for line in cover_lines(cover, width, UNICODE)]


@pytest.mark.row(355)
def test_both_groups_are_there_even_when_one_is_empty() -> None:
    told = text(PST)
    assert told[0] == " ABs of this run that went in: 1"
    assert " historical ABs for comparison: none" in told
    assert text(TPL)[0] == " ABs of this run that went in: none"


def test_a_remark_that_does_not_fit_gets_its_own_line() -> None:
    narrow, wide = text(PST), text(PST, width=120)
    assert narrow[2] == "   thin clouds at the start"
    assert wide[1].endswith(".....o. thin clouds at the start")
    assert len(narrow) == len(wide) + 1


def test_groups_nobody_foresaw_are_shown_too() -> None:
    assert " twilight flats: 1" in text(Cover("twilight flats", "A.ab", "flat", "FAILED", "", ""))


def test_lines_are_harmless_and_ascii_where_asked() -> None:
    lines = plain_lines(["a\x1b[2Jb", "", "ü" * 100], 40, ASCII)
    told = ["".join(part for part, _ in line) for line in lines]
    assert all(line.isascii() and line.isprintable() and len(line) <= 40 for line in told)
    assert told[1] == " "
