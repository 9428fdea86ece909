"""Certification by keys only, at 80x24: verdicts, comments, undo, refusals, leaving and coming back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from engine import events as ev
from engine.errors import DfosError, UsageTrouble
from screens.glyphs import ASCII, UNICODE
from screens.monitor.log_view import LogView
from screens.review.certify import Certify
from screens.review.comment import CommentField
from screens.review.cover import Reading
from screens.review.jump import Jump
from screens.review.reviewed import Cover, Finding, Picture, Review, Verdict
from screens.widgets.confirm import Confirm
from screens.widgets.picture import PictureView
from tests.hand import Hand, hand_on
from tests.tui.conftest import NOW, FakeLibrary, FakeLink, Host, ab_seen, run_started, screen_text

COMMENTS = ("High_background", "Bad_alignment")


def name(n: int) -> str:
    return f"MUSE.2014-10-22T2{n // 10}:57:{n % 10}2.118_dpc.ab"


def review(n: int, **more: object) -> Review:
    known: dict[str, object] = {
        "ab": name(n),
        "target": f"NGC300-P{n + 1}",
        "pattern": "DEEP40",
        "run_id": "094.A-0116B",
        "findings": (
            Finding("state", "SUCCESSFUL, 2 products, sums verified"),
            Finding("inputs", "40 of 40 combined", "ok"),
            Finding("aligned", 'worst 0.011"', "ok"),
        ),
        "log_flags": (),
        "history": (),
        "pictures": ("IMAGE_FOV", "QC plot"),
        "question": n + 1,
        "may_accept": True,
    }
    known.update(more)
    return Review(**known)  # type: ignore[arg-type]


def sitting(link: FakeLink, library: FakeLibrary, count: int = 3, **reviews: Review) -> None:
    """`count` cubes that wait for a verdict, `reviews` by `ab<n>` where one is special."""
    events: list[ev.Event] = [run_started()]
    for n in range(count):
        events.append(
            ab_seen(name(n), "combine", "REVIEW", order=n, target=f"NGC300-P{n + 1}", score="..."),
        )
        library.reviews[name(n)] = reviews.get(f"ab{n}") or review(n)
        library.pictures[name(n), "IMAGE_FOV"] = Picture("IMAGE_FOV 4 x 4", 4, 4, bytes([0, 255] * 8))
        library.pictures[name(n), "QC plot"] = Picture("QC plot", 4, 2, b"\xff" * 24)
    link.fold(*events)


@asynccontextmanager
async def certifying(
    link: FakeLink, library: FakeLibrary, first: str = "", size: tuple[int, int] = (80, 24), **more: object
) -> AsyncIterator[tuple[Hand, Certify]]:
    screen = Certify(link, library, first, comments=COMMENTS, now=lambda: NOW, alphabet=UNICODE, **more)  # type: ignore[arg-type]
    app = Host(screen, link)
    async with hand_on(app, size) as pilot:
        yield pilot, screen


async def press(pilot: Hand, *keys: str) -> list[str]:
    await pilot.press(*keys)
    return screen_text(pilot.app)


async def typed(pilot: Hand, text: str) -> None:
    await pilot.press(*("space" if char == " " else char for char in text))


@pytest.mark.row(432)
@pytest.mark.row(434)
async def test_all_that_is_needed_to_judge_stands_on_80_by_24(link: FakeLink, library: FakeLibrary) -> None:
    history = (Verdict("2025-11-02T10:00:00", "rh", "accepted", "fine"),)
    sitting(link, library, 12, ab0=review(0, history=history, log_flags=("WARNING: low flux",)))
    async with certifying(link, library) as (pilot, _):
        lines = screen_text(pilot.app)
    assert lines[0] == " MUSE_DEEP  Certify 1 of 12 · 12 to go"
    assert lines[1] == " ◆ to certify: all 2 checks ok, 1 flagged in the log"
    assert "MUSE.2014-10-22T20:57:02.118_dpc  NGC300-P1  DEEP40  094.A-0116B" in lines[2]
    text = "\n".join(lines)
    assert "IMAGE_FOV 4 x 4" in lines[3] and "tab: QC plot" in lines[3]
    assert "▀" not in "".join(lines[:4]) and " ok" in text
    assert "40 of 40 combined" in text and 'worst 0.011"' in text
    assert "WARNING: low flux" in text
    assert "2025-11-02 10:00 accepted by rh" in text
    assert "1 High_background  2 Bad_alignment" in text
    assert "a accept   r reject   c comment" in lines[22]
    assert "A all green (12)" in lines[23] and "? keys" in lines[23]
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.row(361)
async def test_ten_abs_are_certified_by_keys_only(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library, 10)
    async with certifying(link, library) as (pilot, _):
        for n in range(10):
            if n == 3:
                await press(pilot, "r")
                await typed(pilot, "thin clouds")
                lines = await press(pilot, "enter")
            elif n == 5:
                lines = await press(pilot, "1", "a")
            else:
                lines = await press(pilot, "a")
            if n < 9:
                assert f"Certify {n + 2} of 10 · {9 - n} to go" in lines[0]
                assert lines[0].endswith("saved 10:26:40")
        assert "all decided" in lines[0]
        assert "all 10 are decided. u takes it back, esc leaves" in lines[21]
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, Certify)
    assert link.answers == [
        (n + 1, "reject" if n == 3 else "accept", {3: "thin clouds", 5: "High_background"}.get(n, ""))
        for n in range(10)
    ]


async def test_a_reject_asks_for_its_comment_and_esc_does_not_reject(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library) as (pilot, screen):
        lines = await press(pilot, "r")
        assert isinstance(screen.focused, CommentField)
        assert "why is it rejected?" in lines[21] and "enter reject with this comment" in lines[22]
        lines = await press(pilot, "enter")
        assert "why is it rejected?" in lines[21]
        await typed(pilot, "a r n")
        lines = await press(pilot, "escape")
        assert link.answers == []
        assert "Certify 1 of 3" in lines[0]
        assert "a r n" in lines[19]
        await press(pilot, "r")
    assert link.answers == [(1, "reject", "a r n")]


async def test_what_a_comment_may_not_hold_becomes_a_space(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library) as (pilot, screen):
        await press(pilot, "c")
        await typed(pilot, "a#b")
        field = screen.query_one(CommentField)
        field.insert("tab\there\x1b[2J", 3)
        await pilot.pause()
        assert field.value == "a btab here [2J"
        assert "without '#' and tabs" in screen_text(pilot.app)[21]
        await press(pilot, "enter", "a")
    assert link.answers == [(1, "accept", "a btab here [2J")]


async def test_a_refused_answer_says_why_and_costs_nothing(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    link.replies["answer"] = UsageTrouble("question 1 is closed", remedy="its AB runs again")
    async with certifying(link, library) as (pilot, _):
        await press(pilot, "2")
        lines = await press(pilot, "r")
        assert lines[21] == " not saved: question 1 is closed (its AB runs again)"
        assert "Certify 1 of 3 · 3 to go" in lines[0]
        assert "Bad_alignment" in lines[19]
        assert "saved" not in lines[0]
        del link.replies["answer"]
        lines = await press(pilot, "r")
    assert "Certify 2 of 3 · 2 to go · 1 rejected" in lines[0]


async def test_what_cannot_be_accepted_says_why_and_can_be_rejected(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library, ab0=review(0, may_accept=False, why_not="it has no products"))
    async with certifying(link, library) as (pilot, _):
        lines = await press(pilot, "a")
        assert lines[1] == " ◆ to certify: cannot be accepted: it has no products"
        assert "it cannot be accepted: it has no products; r rejects it" in lines[21]
        assert link.answers == []
        await press(pilot, "1", "r")
    assert link.answers == [(1, "reject", "High_background")]


async def test_no_verdict_without_evidence_or_question(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library, 2, ab1=review(1, question=0))
    del library.reviews[name(0)]
    library.reviews[name(1)] = review(1, question=0)
    async with certifying(link, library) as (pilot, _):
        lines = await press(pilot, "a")
        assert "the evidence cannot be had" in lines[1]
        assert "no verdict without evidence" in lines[21]
        lines = await press(pilot, "n", "a")
        assert "no question is open for this AB" in lines[21]
        library.reviews[name(0)] = review(0)
        lines = await press(pilot, "b")
        assert "all 2 checks ok" in lines[1], "a look-up that failed is made again"
    assert link.answers == []


async def test_undo_takes_the_last_verdict_back_and_keeps_its_comment(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library) as (pilot, _):
        lines = await press(pilot, "u")
        assert "nothing to undo" in lines[21]
        await press(pilot, "a", "1", "r")
        lines = await press(pilot, "u")
        assert "Certify 2 of 3 · 2 to go · 1 accepted" in lines[0]
        assert "High_background" in lines[19]
        assert "taken back" in lines[21]
        lines = await press(pilot, "u")
        assert "Certify 1 of 3 · 3 to go" in lines[0]
    assert [(number, choice) for number, choice, _ in link.answers] == [
        (1, "accept"),
        (2, "reject"),
        (2, "later"),
        (1, "later"),
    ]


async def test_an_undo_that_is_refused_leaves_the_decision(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library) as (pilot, _):
        await press(pilot, "a")
        link.replies["answer"] = UsageTrouble("its products have moved")
        lines = await press(pilot, "u")
        assert "not taken back: its products have moved" in lines[21]
        assert " ✓ accepted" in lines[1]


async def test_a_decided_ab_can_be_judged_anew(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    link.fold(ev.AbChanged(name(1), "ACCEPTED"), ev.AbDecided(name(1), "accepted", "fine", "mk", ""))
    async with certifying(link, library, name(1)) as (pilot, _):
        lines = screen_text(pilot.app)
        assert "Certify 2 of 3 · 2 to go · 1 accepted" in lines[0]
        assert lines[1] == ' ✓ accepted: "fine"'
        lines = await press(pilot, "2", "r")
        assert "Certify 3 of 3 · 2 to go · 1 rejected" in lines[0]
    assert link.answers == [(2, "reject", "Bad_alignment")]


async def test_all_green_are_accepted_after_a_question_that_says_how_many(link: FakeLink, library: FakeLibrary) -> None:
    red = (Finding("inputs", "37 of 40 combined", "RED"),)
    sitting(link, library, 5, ab1=review(1, findings=red), ab2=review(2, log_flags=("ERROR: lost",)))
    link.fold(ev.AbScored(name(3), "..o"))
    async with certifying(link, library) as (pilot, _):
        lines = await press(pilot, "A")
        assert isinstance(pilot.app.screen, Confirm)
        assert any("4 ABs without a verdict" in line for line in lines)
        await press(pilot, "enter")
        assert link.answers == [], "the safe choice is under the cursor"
        lines = await press(pilot, "A", "down", "enter")
        assert [number for number, _, _ in link.answers] == [1, 5]
        assert "accepted 2 of 4, left for you" in lines[21]
        assert "3 to go · 2 accepted" in lines[0]


async def test_a_typed_comment_survives_going_away_and_is_not_lost_by_leaving(
    link: FakeLink, library: FakeLibrary
) -> None:
    sitting(link, library)
    async with certifying(link, library) as (pilot, _):
        await press(pilot, "1")
        lines = await press(pilot, "n")
        assert "High_background" not in lines[19]
        lines = await press(pilot, "b")
        assert "High_background" in lines[19]
        lines = await press(pilot, "escape")
        assert "a comment without a verdict" in lines[21]
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, Certify)


async def test_leaving_and_coming_back_goes_on_where_it_was(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library) as (pilot, _):
        await press(pilot, "a", "escape")
    link.fold(ev.AbChanged(name(0), "ACCEPTED"), ev.AbDecided(name(0), "accepted", "", "mk", ""))
    async with certifying(link, library) as (pilot, _):
        assert "Certify 2 of 3 · 2 to go · 1 accepted" in screen_text(pilot.app)[0]


async def test_jump_by_number_name_and_arrows(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library, 12)
    async with certifying(link, library) as (pilot, _):
        await press(pilot, "j")
        assert isinstance(pilot.app.screen, Jump)
        lines = await press(pilot, "7", "enter")
        assert "Certify 7 of 12" in lines[0]
        await press(pilot, "j")
        await typed(pilot, "p11")
        lines = await press(pilot, "enter")
        assert "Certify 11 of 12" in lines[0]
        lines = await press(pilot, "j", "up", "enter")
        assert "Certify 10 of 12" in lines[0]
        lines = await press(pilot, "j", "x", "enter", "escape")
        assert "Certify 10 of 12" in lines[0]


async def test_the_next_ab_was_looked_up_ahead_and_nothing_twice(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library) as (pilot, _):
        assert ("review", name(1)) in library.asked
        assert ("picture", f"{name(1)} IMAGE_FOV") in library.asked
        assert ("review", name(2)) not in library.asked
        await press(pilot, "n", "b", "n")
    reviewed = [about for what, about in library.asked if what == "review"]
    assert sorted(reviewed) == sorted(set(reviewed))


async def test_tab_switches_the_picture_for_this_and_the_next_abs(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library, 3, ab2=review(2, pictures=()))
    async with certifying(link, library) as (pilot, screen):
        lines = await press(pilot, "tab")
        assert lines[3].startswith(" QC plot") and "tab: IMAGE_FOV" in lines[3]
        lines = await press(pilot, "a")
        assert lines[3].startswith(" QC plot")
        assert screen.query_one(PictureView).picture == library.pictures[name(1), "QC plot"]
        lines = await press(pilot, "a", "tab")
        assert "there is no other picture" in lines[21]
        assert any("no picture" in line for line in lines)


async def test_a_long_picture_name_leaves_the_caption_readable(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library, 1, ab0=review(0, pictures=("IMAGE_FOV", "r.MUSE.2014-10-22T23:57:32.243_dpc.png")))
    async with certifying(link, library) as (pilot, _):
        assert screen_text(pilot.app)[3].startswith(" IMAGE_FOV 4 x 4") and "tab: more" in screen_text(pilot.app)[3]


async def test_a_picture_that_cannot_be_had_says_so(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    library.pictures.clear()
    async with certifying(link, library) as (pilot, _):
        assert any("IMAGE_FOV cannot be had" in line for line in screen_text(pilot.app))


async def test_a_wide_terminal_has_a_larger_picture(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library, size=(160, 48)) as (pilot, screen):
        width, height = screen.query_one(PictureView).wanted
        assert width == 68 and height > 70
        await pilot.resize_terminal(80, 24)
        assert screen.query_one(PictureView).wanted == (34, 28)
        assert all(len(line) <= 80 for line in screen_text(pilot.app))


async def test_without_colour_and_in_ascii_nothing_is_missing(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    app = Host(Certify(link, library, comments=COMMENTS, alphabet=ASCII, now=lambda: NOW), link)
    async with hand_on(app) as pilot:
        lines = screen_text(app)
        assert all(line.isascii() for line in lines)
        assert " * to certify: all 2 checks ok" in lines[1]
        assert any("@" in line[:34] or "#" in line[:34] or "=" in line[:34] for line in lines[4:18])
        for key in ("j", "A", "V"):
            await pilot.press(key)
            assert all(line.isascii() for line in screen_text(app))
            await pilot.press("escape")


@pytest.mark.row(355)
async def test_the_coversheet_lists_both_groups(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    library.covers[name(0)] = [
        Cover(
            "this run", "MUSE.2014-10-22T23:57:32.118_pst.ab", "scipost", "DONE", ".....o.", "clouds in the first half"
        ),
        Cover("historical", "MUSE.2014-10-22T23:57:32.118_tpl.ab", "tpl", "INGESTED", "...", "MUSE_R"),
    ]
    async with certifying(link, library) as (pilot, _):
        lines = await press(pilot, "V")
        assert isinstance(pilot.app.screen, Reading)
    text = "\n".join(lines)
    assert "ABs of this run that went in: 1" in text
    assert "MUSE.2014-10-22T23:57:32.118_pst" in text and ".....o." in text and "clouds in the first half" in text
    assert "historical ABs for comparison: 1" in text
    assert "MUSE.2014-10-22T23:57:32.118_tpl" in text


async def test_ab_text_log_and_keys_are_one_key_away(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    library.texts[name(0)] = "AB_NAME [bold]x[/bold]\x1b[2J\n"
    async with certifying(link, library) as (pilot, _):
        lines = await press(pilot, "v")
        assert any("AB_NAME [bold]x[/bold]�[2J" in line for line in lines)
        await press(pilot, "escape", "l")
        assert isinstance(pilot.app.screen, LogView)
        lines = await press(pilot, "escape", "question_mark")
        assert any("its products may move" in line for line in lines)
        lines = await press(pilot, "escape", "z")
        assert "'z' does nothing here" in lines[21]


async def test_hostile_evidence_is_only_text(link: FakeLink, library: FakeLibrary) -> None:
    evil = "\x1b]0;x\x07[red]\n" * 3 + "x" * 300
    sitting(link, library, 1, ab0=review(0, target=evil, findings=(Finding(evil, evil, evil),), log_flags=(evil,)))
    link.fold(ab_seen(name(0), "combine", "REVIEW", order=0, target=evil))
    async with certifying(link, library) as (pilot, _):
        lines = screen_text(pilot.app)
    assert all(char.isprintable() for line in lines for char in line)
    assert all(len(line) <= 80 for line in lines)


async def test_decisions_of_another_console_show_and_the_eye_stays(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library, name(1)) as (pilot, _):
        host = pilot.app
        assert isinstance(host, Host)
        host.play(ev.AbChanged(name(0), "REJECTED", "clouds"), ev.AbDecided(name(0), "rejected", "clouds", "mk", ""))
        await pilot.pause()
        assert "Certify 2 of 3 · 2 to go · 1 rejected" in screen_text(host)[0]
        library.reviews[name(1)] = review(1, may_accept=False, why_not="it runs again")
        host.play(ev.AbChanged(name(1), "RUNNING"))
        await pilot.pause()
        lines = screen_text(host)
        assert "▶ running: cannot be accepted: it runs again" in lines[1]
        host.play(ab_seen(name(7), "combine", "REVIEW", order=0))
        await pilot.pause()
        assert "Certify 3 of 4" in screen_text(host)[0]


async def test_nothing_to_certify(link: FakeLink, library: FakeLibrary) -> None:
    link.fold(run_started())
    async with certifying(link, library) as (pilot, _):
        lines = screen_text(pilot.app)
        assert "Certify: nothing to do" in lines[0] and "No AB waits for a verdict" in lines[1]
        for key in ("a", "r", "A", "u", "j", "l", "w", "v", "V", "tab", "c", "n", "1", "up"):
            await press(pilot, key)
        sitting(link, library)
        host = pilot.app
        assert isinstance(host, Host)
        host.play(ev.HostSeen(1, 2))
        await pilot.pause()
        assert "Certify 1 of 3" in screen_text(host)[0]


async def test_a_board_that_is_read_anew_loses_nothing(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library) as (pilot, _):
        host = pilot.app
        assert isinstance(host, Host)
        await press(pilot, "a", "1")
        rows = dict(link.board.rows)
        link.board.rows.clear()
        link.alive = False
        host.play(ev.HostSeen(1, 2))
        await pilot.pause()
        lines = screen_text(host)
        assert "engine silent" in lines[0] and "High_background" in lines[19]
        link.replies["answer"] = DfosError("the engine does not answer")
        for key in ("a", "n", "b", "j", "escape", "A", "tab", "u"):
            lines = await press(pilot, key)
        assert "not taken back: the engine does not answer" in lines[21]
        link.replies.clear()
        link.alive = True
        link.board.rows.update(rows)
        host.play(ev.HostSeen(1, 3))
        await pilot.pause()
        assert "Certify 1 of 3 · 2 to go · 1 accepted" in screen_text(host)[0]
        lines = await press(pilot, "n")
        assert "High_background" in lines[19]


async def test_an_ab_that_left_review_makes_room_for_the_next(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    async with certifying(link, library) as (pilot, _):
        host = pilot.app
        assert isinstance(host, Host)
        await press(pilot, "1")
        del link.board.rows[name(0)]
        host.play(ev.HostSeen(1, 2))
        await pilot.pause()
        lines = screen_text(host)
        assert "Certify 1 of 2" in lines[0] and "NGC300-P2" in lines[2]
        assert "118_dpc is no longer in review" in lines[21]
        assert "High_background" not in lines[19]


async def test_a_silent_engine_is_said_and_a_slow_one_can_be_left(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library)
    never = asyncio.Event()

    async def answer(number: int, choice: str, comment: str = "") -> str:
        await never.wait()
        raise DfosError("gone")

    link.answer = answer  # type: ignore[method-assign]
    link.alive = False
    async with certifying(link, library) as (pilot, _):
        assert "engine silent" in screen_text(pilot.app)[0]
        await pilot.press("a", "a")
        assert "still being saved" in screen_text(pilot.app)[21]
        await pilot.press("escape")
        assert "still saving; esc again leaves" in screen_text(pilot.app)[21]
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, Certify)
