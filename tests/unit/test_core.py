"""Labels, states, scores, the cascade, the board, the bus, the queue."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import events as ev
from engine.board import Board
from engine.bus import Bus
from engine.core.ab import AB, parse
from engine.core.cascade import cascade
from engine.core.dates import date_label, mode_label, pseudo_date
from engine.core.score import colour
from engine.core.status import ENDED_BADLY, ENDED_WELL, LEGAL, STATES, may_become
from engine.errors import BadCascade, UsageTrouble
from engine.stores.orders import ENDED, PARKED, RUNNING, Order, Orders


@pytest.mark.row(22)
def test_dates_are_labels() -> None:
    for text in ("2099-99-99", "2094-01-16", "2095-09-34", "2014-07-12"):
        assert date_label(text) == text
    for text in ("2014-7-1", "2014-07-12 ", "2014/07/12", "", "../14-07-12", "２０１４-07-12"):
        with pytest.raises(UsageTrouble):
            date_label(text)


@pytest.mark.row(21)
def test_modes() -> None:
    assert mode_label("CALIB") == "CALIB"
    with pytest.raises(UsageTrouble, match="CALIB or SCIENCE"):
        mode_label("GEN")


def test_pseudo_dates() -> None:
    assert pseudo_date("094.A-0116B") == "2094-01-16"
    assert pseudo_date("095.B-0934A") == "2095-09-34"
    assert pseudo_date("60.A-9100A") == "2060-91-00"
    for run in ("0100.D-0123A", "105.20AB.001", "", "094.A-0116B/.."):
        with pytest.raises(UsageTrouble, match="registry"):
            pseudo_date(run)


def test_states_have_symbols_words_and_legal_moves() -> None:
    assert set(LEGAL) == set(STATES)
    assert all(target in STATES for targets in LEGAL.values() for target in targets)
    assert all(
        state.symbol and state.word and len(state.ascii) == 1 and state.ascii.isascii() for state in STATES.values()
    )
    assert not ENDED_WELL & ENDED_BADLY
    assert not may_become("INGESTED", "CREATED") and may_become("FAILED", "CREATED") and may_become("DONE", "DONE")


def test_score_colours() -> None:
    assert [colour(marks) for marks in ("...", ".o-", "..-", "", "---")] == ["green", "red", "green", "grey", "grey"]


def block(name: str, *sof: str, waitfor: tuple[str, ...] = ()) -> AB:
    root = "r." + name.removesuffix(".ab")
    text = f"AB_NAME {name}\nRAW_TYPE X\nRECIPE y\nDATE 2094-01-16\nPROD_ROOT_NAME {root}\nPROCESS_STATUS CREATED\n"
    text += "".join(f"SOF_CONTENT $DFS_PRODUCT/X/2094-01-16/{path} T\n" for path in sof)
    text += "".join(f"WAITFOR {parent}\n" for parent in waitfor)
    return parse(text.encode(), name)


def test_parents_are_found_in_what_an_ab_reads() -> None:
    found = cascade(
        [
            block("M.3_dpc.ab", "r.M.2_pst_0000.fits", waitfor=("M.9_dal.ab",)),
            block("M.2_pst.ab", "r.M.1_0002.fits"),
            block("M.1.ab"),
        ],
        {},
    )
    assert found.order == ("M.1.ab", "M.2_pst.ab", "M.3_dpc.ab")
    assert found.parents["M.3_dpc.ab"] == ("M.9_dal.ab", "M.2_pst.ab")
    assert found.below("M.1.ab") == ("M.2_pst.ab", "M.3_dpc.ab")
    assert found.above("M.3_dpc.ab") == ("M.9_dal.ab", "M.2_pst.ab", "M.1.ab")


def test_a_circle_is_named() -> None:
    with pytest.raises(BadCascade, match=r"M\.1\.ab, M\.2\.ab"):
        cascade([block("M.1.ab", waitfor=("M.2.ab",)), block("M.2.ab", waitfor=("M.1.ab",))], {})


@given(st.integers(1, 30), st.data())
def test_order_never_puts_a_child_before_its_parent(count: int, data: st.DataObject) -> None:
    blocks = [
        block(
            f"M.{i}.ab",
            waitfor=tuple(f"M.{j}.ab" for j in data.draw(st.sets(st.integers(0, i - 1), max_size=3)) if i) if i else (),
        )
        for i in range(count)
    ]
    shuffled = data.draw(st.permutations(blocks))
    ranks = {f"M.{i}.ab": data.draw(st.integers(1, 6)) for i in range(count)}
    found = cascade(shuffled, ranks)
    place = {name: index for index, name in enumerate(found.order)}
    assert sorted(place) == sorted(b.name for b in blocks)
    assert all(place[parent] < place[name] for name, above in found.parents.items() for parent in above)


def seen(name: str, order: int, state: str = "CREATED", parents: tuple[str, ...] = ()) -> ev.AbSeen:
    return ev.AbSeen(name, "SCIENCE", "2094-01-16", "scipost", "r", "X", "T", order, parents, 100.0, state)


names, states, short = st.sampled_from("abcdx"), st.sampled_from(sorted(STATES)), st.text(max_size=5)
small, some = st.integers(0, 3), st.floats(0, 9)
stream = st.lists(
    st.one_of(
        st.builds(seen, st.sampled_from("abcd"), st.integers(0, 9), states),
        st.builds(ev.AbChanged, names, states, short, small, some, some),
        st.builds(ev.AbScored, names, st.just("..o")),
        st.builds(ev.GateClosed, short, some, small, some, st.just("suspend")),
        st.builds(ev.GateOpened, st.just(""), some),
        st.builds(ev.Notice, st.just("info"), short),
        st.builds(ev.ModeChanged, st.just("running"), st.just("")),
    ),
    max_size=30,
)


@given(stream, st.data())
def test_folding_in_two_parts_equals_folding_whole(events: list[ev.Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    whole, first = Board(), Board()
    for i, event in enumerate(events):
        whole.fold(ev.Stamped("r", i, float(i), event))
        if i < cut:
            first.fold(ev.Stamped("r", i, float(i), event))
    later = Board()
    for event in first.snapshot():
        later.fold(ev.Stamped("r", 0, 0.0, event))
    for i, event in enumerate(events[cut:], cut):
        later.fold(ev.Stamped("r", i, float(i), event))
    assert later.rows == whole.rows and +later.counts == +whole.counts
    assert (later.mode, later.gate.closed, later.gate.total_s) == (whole.mode, whole.gate.closed, whole.gate.total_s)


@pytest.mark.row(335)
def test_remaining_time_follows_streams_chain_and_own_pace() -> None:
    board = Board()

    def fold(*events: ev.Event) -> None:
        for event in events:
            board.fold(ev.Stamped("r", 1, 0.0, event))

    fold(ev.StreamsChanged(3), *(seen(f"{i}", i) for i in range(6)), seen("dpc", 9, parents=("5",)))
    assert board.remaining_s(0.0) == pytest.approx(700 / 3)
    fold(*(ev.AbChanged(f"{i}", "DONE", duration_s=50.0) for i in range(5)))
    assert board.remaining_s(0.0) == pytest.approx(100.0)  # 5 then dpc, each at half its forecast
    fold(ev.AbChanged("5", "RUNNING", stream=1, started=10.0))
    assert board.remaining_s(30.0) == pytest.approx(80.0)
    assert board.in_streams()[1].ab == "5"


def test_a_listener_that_raises_is_unsubscribed_and_reported() -> None:
    bus, heard = Bus("r", lambda: 5.0), []

    def bad(_: ev.Stamped) -> None:
        raise ValueError("boom")

    bus.subscribe(bad)
    leave = bus.subscribe(lambda stamped: heard.append(stamped))
    bus.publish(ev.Notice("info", "one"))
    bus.publish(ev.Notice("info", "two"))
    texts = [stamped.event.text for stamped in heard]
    assert texts[1:] == ["one", "two"] or texts[0] == "one"
    assert sum("boom" in text for text in texts) == 1
    assert {stamped.at for stamped in heard} == {5.0}
    leave()
    bus.publish(ev.Notice("info", "three"))
    assert len(heard) == 3


def test_the_queue_collapses_resumes_and_remembers() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    orders = Orders(connection)
    one = orders.give(Order("SCIENCE", "2094-01-16", "CPM", run_id="094.A-0116B"), "t")
    assert orders.give(Order("SCIENCE", "2094-01-16", "CPM", run_id="094.A-0116B", auto=True), "t").number == one.number
    two = orders.give(Order("CALIB", "2014-10-22", "P"), "t")
    orders.mark(one.number, RUNNING, run="r1")
    assert [order.number for order in orders.waiting()] == [one.number, two.number]
    orders.mark(one.number, PARKED, code=3, when="t2", text="1 question")
    assert [order.number for order in orders.waiting(PARKED)] == [one.number]
    orders.mark(one.number, ENDED, code=0, when="t3", text="done")
    assert [order.number for order in Orders(connection).waiting()] == [two.number]
    assert one.pool == "094.A-0116B = 2094-01-16" and two.pool == "CALIB 2014-10-22"
    for wrong in (Order("GEN", "2014-10-22", "P"), Order("CALIB", "2014-1", "P"), Order("CALIB", "2014-10-22", "X")):
        with pytest.raises(UsageTrouble):
            orders.give(wrong, "t")
