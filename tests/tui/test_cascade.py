"""The cascade as a tree: which AB waits for what; it follows the engine and keeps the cursor on its AB."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import events as ev
from engine.board import Board, Row
from screens.glyphs import ASCII, UNICODE, Glyphs
from screens.monitor.cascade import CascadeScreen
from screens.monitor.cascade_tree import NEEDED, NEEDS, Node, tree
from tests.hand import hand_on
from tests.tui.conftest import NOW, FakeLibrary, FakeLink, Host, ab_seen, deep_run, fold_all, screen_text


def rows_of(parents: dict[str, tuple[str, ...]], states: dict[str, str] | None = None) -> dict[str, Row]:
    board = Board()
    for order, (name, needs) in enumerate(parents.items(), 1):
        state = (states or {}).get(name, "CREATED")
        board.fold(ev.Stamped("r", order, NOW, ab_seen(name, state=state, parents=needs, order=order)))
    return board.rows


DIAMOND = {"bias.ab": (), "flat.ab": ("bias.ab",), "wave.ab": ("bias.ab",), "sci.ab": ("flat.ab", "wave.ab")}


def shape(nodes: list[Node]) -> list[str]:
    return [
        f"{'  ' * node.depth}{node.ab}{' again' if node.again else ''}{f' +{node.hidden}' if node.hidden else ''}"
        for node in nodes
    ]


def test_below_an_ab_stands_what_it_needs_each_drawn_whole_once() -> None:
    assert shape(tree(rows_of(DIAMOND), NEEDS)) == ["sci.ab", "  flat.ab", "    bias.ab", "  wave.ab", "    bias.ab"]
    assert shape(tree(rows_of(DIAMOND), NEEDED)) == ["bias.ab", "  flat.ab", "    sci.ab", "  wave.ab", "    sci.ab"]
    deeper = {**DIAMOND, "more.ab": ("sci.ab",)}
    assert "    sci.ab again" in shape(tree(rows_of(deeper), NEEDED))


def test_what_is_done_is_counted_where_it_would_stand() -> None:
    states = {"bias.ab": "DONE", "wave.ab": "DONE"}
    assert shape(tree(rows_of(DIAMOND, states), NEEDS, unfinished=True)) == [
        "sci.ab",
        "  flat.ab",
        "    flat.ab +1",
        "  sci.ab +1",
    ]


def test_abs_that_wait_for_each_other_or_for_strangers_are_drawn_too() -> None:
    rows = rows_of({"a.ab": ("b.ab",), "b.ab": ("a.ab",), "c.ab": ("nobody.ab",)})
    nodes = tree(rows, NEEDS)
    assert {node.ab for node in nodes} == {"a.ab", "b.ab", "c.ab", "nobody.ab"}
    assert [node.outside for node in nodes if node.ab == "nobody.ab"] == [True]


@given(st.dictionaries(st.integers(0, 30), st.sets(st.integers(0, 30), max_size=4), max_size=30), st.booleans())
def test_every_ab_stands_there_and_is_drawn_whole_exactly_once(graph: dict[int, set[int]], round_: bool) -> None:
    rows = rows_of({f"{name}.ab": tuple(f"{parent}.ab" for parent in sorted(graph[name])) for name in graph})
    nodes = tree(rows, NEEDED if round_ else NEEDS)
    assert {node.ab for node in nodes} >= set(rows)
    whole = [node.ab for node in nodes if not node.again and not node.outside]
    leaves = {name for name in rows if whole.count(name) > 1}
    for name in leaves:  # drawn more than once without a hint only where nothing hangs on it
        assert not (rows[name].parents if not round_ else [r for r in rows.values() if name in r.parents])


def test_a_thousand_levels_and_ten_thousand_abs() -> None:
    chain = {f"{n}.ab": ((f"{n - 1}.ab",) if n % 1000 else ()) for n in range(10_000)}
    nodes = tree(rows_of(chain), NEEDS)
    assert len(nodes) == 10_000
    assert max(node.depth for node in nodes) == 999


@pytest.mark.row(331)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
async def test_at_80_columns(link: FakeLink, library: FakeLibrary, glyphs: Glyphs) -> None:
    fold_all(link, deep_run(3))
    app = Host(CascadeScreen("", link, library, glyphs, lambda: NOW), link)
    async with hand_on(app) as pilot:
        said = screen_text(app)
        assert all(len(line) <= 80 for line in said)
        assert "below an AB: what it needs" in said[2]
        assert any("combine" in line for line in said[4:6])
        await pilot.press("d")
        assert "below an AB: what needs it" in screen_text(app)[2]


async def test_states_follow_and_the_cursor_stays_with_its_ab(link: FakeLink, library: FakeLibrary) -> None:
    fold_all(link, deep_run(3))
    name = next(row.ab for row in link.board.rows.values() if row.kind == "scipost")
    screen = CascadeScreen(name, link, library, UNICODE, lambda: NOW)
    app = Host(screen, link)
    async with hand_on(app) as pilot:
        assert screen.current is not None and screen.current.ab == name
        app.play(ev.AbChanged(name, "FAILED", "no space in work area"))
        await pilot.pause()
        assert any("FAILED" in line and "no space" in line for line in screen_text(app))
        for key in ("d", "h", "o", "o"):
            await pilot.press(key)
            assert screen.current is not None and screen.current.ab == name
        await pilot.press("home", "f")
        assert screen.current is not None and screen.current.ab == name


async def test_an_empty_account(link: FakeLink, library: FakeLibrary) -> None:
    app = Host(CascadeScreen("", link, library, ASCII, lambda: NOW), link)
    async with hand_on(app) as pilot:
        for key in ("enter", "d", "h", "o", "w", "l", "f", "down"):
            await pilot.press(key)
        await pilot.pause()
        assert "no AB is known here" in "\n".join(screen_text(app))


async def test_reasons_and_kinds_are_readable_and_the_day_stays_where_it_tells_abs_apart(
    link: FakeLink, library: FakeLibrary
) -> None:
    a, b, c, d = (f"MUSE.2014-10-{day}T01:00:0{n}.000.ab" for n, day in enumerate((22, 22, 23, 23)))
    needs = {a: (), b: (a,), c: (), d: (b, c)}
    for order, (name, parents) in enumerate(needs.items(), 1):
        reason = f"waits for {parents[0]}" if parents else ""
        seen = ab_seen(name, state="PARENT" if parents else "SLOT", reason=reason, parents=parents, order=order)
        fold_all(link, [replace(seen, kind="uves_cal_mbias")])
    app = Host(CascadeScreen("", link, library, UNICODE, lambda: NOW), link)
    async with hand_on(app):
        said = "\n".join(screen_text(app))
        assert "waits for 22T01:00:01.000" in said and "uves_cal_mbias" in said
        assert "├ 22T01:00:01.000" in said and "│ └ 22T01:00:00.000" in said


async def test_all_done_is_said_and_what_is_to_certify_stays(link: FakeLink, library: FakeLibrary) -> None:
    fold_all(link, [ab_seen("a.ab", state="DONE")])
    app = Host(CascadeScreen("", link, library, UNICODE, lambda: NOW), link)
    async with hand_on(app) as pilot:
        await pilot.press("h")
        assert "h shows it" in "\n".join(screen_text(app))
    states = {"bias.ab": "DONE", "flat.ab": "REVIEW"}
    assert "  flat.ab" in shape(tree(rows_of(DIAMOND, states), NEEDS, unfinished=True))


async def test_why_offers_to_run_again_only_what_can_run_again(link: FakeLink, library: FakeLibrary) -> None:
    fold_all(link, deep_run(3, state="DONE"))
    done, gone = list(link.board.rows)[:2]
    link.fold(ev.AbChanged(gone, "MOVED"))
    for name, offered in ((done, True), (gone, False)):
        screen = CascadeScreen(name, link, library, UNICODE, lambda: NOW)
        app = Host(screen, link)
        async with hand_on(app) as pilot:
            await pilot.press("w")
            assert ("r run again" in "\n".join(screen_text(app))) == offered
