"""The lines around the list, the columns, and the order of ABs: pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine import events as ev
from engine.board import Board, Row
from engine.core.status import STATES
from screens.glyphs import ASCII, UNICODE, width_of
from screens.widgets.ab_order import AbOrder, matches, shared_prefix, terms_of
from screens.widgets.board_lines import (
    footer_spans,
    gauges_line,
    last_line,
    pane_lines,
    ready_text,
    situation_line,
    status_line,
    title_line,
)
from screens.widgets.columns import Measure, columns_for, heading, row_spans
from screens.widgets.family import rerun_of

NOW = 1_414_060_000.0
WIDTHS = st.integers(20, 240)


def row(ab: str = "MUSE.2014-10-23T01:22:10.331_pst.ab", state: str = "CREATED", **more: object) -> Row:
    known: dict[str, object] = {name: "" for name in Row.__slots__}
    known.update(
        ab=ab, mode="SCIENCE", date="2094-01-14", kind="scipost", recipe="muse_scipost", target="NGC300", order=1
    )
    known.update(parents=(), forecast_s=60.0, state=state, stream=0, started=0.0, duration_s=0.0)
    return Row(**{**known, **more})  # type: ignore[arg-type]


def board_of(*rows: Row, mode: str = "running", streams: int = 3) -> Board:
    board = Board(mode=mode, streams=streams, seen_at=NOW)
    for one in rows:
        board.rows[one.ab] = one
        board.counts[one.state] += 1
    return board


def said(spans: object) -> str:
    return "".join(text for text, _ in spans).rstrip()  # type: ignore[attr-defined]


@given(width=WIDTHS, state=st.sampled_from(sorted(STATES)), text=st.text(max_size=30), cursor=st.booleans())
def test_a_row_is_never_wider_than_its_terminal(width: int, state: str, text: str, cursor: bool) -> None:
    one = row(state=state, reason=text, target=text, message=text, score="..o", stream=3, started=NOW - 9)
    columns = columns_for(max(40, width), Measure.of({one.ab: one}, "", UNICODE))
    spans = row_spans(one, columns, "", NOW, UNICODE, cursor=cursor)
    assert sum(width_of(part) for part, _ in spans) <= max(40, width)
    assert sum(width_of(part) for part, _ in spans) == width_of(heading(columns, UNICODE, "", ""))
    assert STATES[state].word.split()[0] in said(spans) or text


def test_columns_come_with_the_width() -> None:
    names = {width: {column.name for column in columns_for(width, Measure())} for width in (40, 80, 120, 160)}
    assert names[40] >= {"ab", "state"}
    assert names[80] == {"ab", "kind", "target", "stream", "state", "time", "score"}
    assert names[120] == names[80] | {"recipe", "started"}
    assert names[160] == names[120] | {"message"}


def test_the_selected_row_is_marked_without_colour() -> None:
    one = row()
    columns = columns_for(80, Measure())
    assert said(row_spans(one, columns, "", NOW, ASCII, cursor=True)).startswith("> . ")
    assert said(row_spans(one, columns, "", NOW, ASCII)).startswith("  . ")


def test_a_reason_does_not_repeat_the_word() -> None:
    columns = columns_for(100, Measure())
    assert "blocked by 1 failed" in said(
        row_spans(row(state="BLOCKED", reason="blocked by 1 failed"), columns, "", NOW, ASCII)
    )
    assert "waits for _dal" in said(row_spans(row(state="PARENT", reason="waits for _dal"), columns, "", NOW, ASCII))
    assert "for AB waits" not in said(row_spans(row(state="PARENT", reason="waits for _dal"), columns, "", NOW, ASCII))


def test_the_status_line_gives_up_words_before_facts() -> None:
    states = ["DONE", "FAILED", "BLOCKED", "RUNNING", "REVIEW", "STALE", "INTERRUPTED", "REJECTED"]
    board = board_of(*(row(f"A{i}", state) for i, state in enumerate(states)))
    wide = said(status_line(board, 3000.0, NOW, 200, UNICODE))
    assert wide.startswith(" 3 of 8 done · 1 FAILED · 1 interrupted · 1 blocked · 1 stale · 1 running")
    assert wide.endswith("ready about 11:16")
    narrow = said(status_line(board, 3000.0, NOW, 80, UNICODE))
    assert "1 FAILED" in narrow and "(C)" in narrow and width_of(narrow) <= 80


def test_all_done_and_nothing_there_are_said() -> None:
    assert said(status_line(board_of(row(state="MOVED")), None, NOW, 80, UNICODE)) == " all 1 done"
    assert said(status_line(Board(), None, NOW, 80, UNICODE)) == " no ABs"
    assert "no run yet" in said(title_line(Board(), NOW, 80, UNICODE))


def test_ready_is_a_time_only_while_work_goes_on() -> None:
    board = board_of(row(state="RUNNING"))
    assert ready_text(board, 7300.0, NOW) == "ready about 12:25"
    board.mode = "paused"
    assert ready_text(board, 7300.0, NOW) == "2 h 01 min of work left"
    board.ended = ev.RunEnded(0, "done")
    assert ready_text(board, 7300.0, NOW) == "run ended"


def test_an_old_picture_and_a_silent_engine() -> None:
    board = board_of(row(state="RUNNING"))
    assert "silent" not in said(situation_line(board, True, None, NOW + 59, 80, UNICODE))
    assert "as of 10:26:40, engine silent for 1 min" in said(situation_line(board, True, None, NOW + 65, 80, UNICODE))
    assert "silent for 20 s" in said(situation_line(board, False, None, NOW + 20, 80, UNICODE))
    idle = board_of(row(state="DONE"))
    assert "silent" not in said(situation_line(idle, True, None, NOW + 9999, 80, UNICODE))


def test_names_by_instrument_and_time_keep_what_tells_them_apart() -> None:
    name = "UVES.2014-10-22T21:01:00.000_tpl.ab"
    assert UNICODE.fit_ends(name, 29) == "UVES.2…22T21:01:00.000_tpl.ab"
    for width in range(5, 60):
        text = UNICODE.fit_ends(f"r.{name}", width)
        assert width_of(text) == width
        if width >= 24:
            assert "22T21:01:00.000_tpl.ab" in text
    assert (
        UNICODE.fit_ends("MU_SCBD_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits", 21) == "MU_SCBD_32…N_OBJ.fits"
    )


def test_abs_without_targets_show_their_kinds_whole() -> None:
    board = board_of(row(state="DONE", target="", kind="uves_cal_mkmaster"))
    columns = columns_for(80, Measure.of(board.rows, "UVES.2014-10-22", UNICODE))
    widths = {column.name: column.width for column in columns}
    assert widths["kind"] == 17 and "target" not in widths and widths["state"] >= 14


def test_an_engine_that_ended_with_its_orders_is_not_called_silent() -> None:
    board = board_of(row(state="DONE"))
    board.ended = ev.RunEnded(0, "CALIB 2014-10-22: 1 AB done")
    line = said(situation_line(board, False, None, NOW + 9999, 80, UNICODE))
    assert "1 AB done" in line and "engine ended, E starts one" in line and "silent" not in line
    died = board_of(row(state="RUNNING"))
    died.ended = ev.RunEnded(0, "an earlier one")
    assert "silent for 20 s" in said(situation_line(died, False, None, NOW + 20, 80, UNICODE))


@given(count=st.integers(0, 30), width=st.integers(40, 240))
def test_the_gauges_fit_whatever_the_number_of_streams(count: int, width: int) -> None:
    busy = {
        i + 1: row(f"MUSE.2014-10-23T01:22:{i:02d}.331_pst.ab", "RUNNING", stream=i + 1, started=NOW - 90)
        for i in range(count)
    }
    board = board_of(*busy.values(), streams=max(3, count))
    board.host = ev.HostSeen(61, 38)
    line = said(gauges_line(board, busy, "MUSE.2014-10-23", NOW, width, UNICODE))
    assert width_of(line) <= width and line.startswith(" streams")


def test_progress_of_a_phase_takes_the_gauges_when_no_stream_works() -> None:
    board = board_of(row(state="ACCEPTED"))
    board.progress = ev.Progressed("move", 12, 26, "r.MUSE_0000.fits")
    line = said(gauges_line(board, {}, "", NOW, 80, ASCII))
    assert line.startswith(" move #######......... 12 of 26 ") and line.rstrip().endswith("r.MUSE_0000.fits")


def test_the_last_message_calls_abs_as_the_list_does() -> None:
    board = Board(last=(NOW, "MUSE.2014-10-23T01:22:10.331_pst.ab FAILED: no flat"))
    assert said(last_line(board, "MUSE.2014-10-23", 80, UNICODE)) == " 10:26:40 T01:22:10.331_pst FAILED: no flat"


@given(width=st.integers(60, 200), state=st.sampled_from(sorted(STATES)))
def test_the_footer_fits_and_always_knows_help_and_the_way_out(width: int, state: str) -> None:
    line = said(footer_spans(row(state=state), board_of(row(state=state)), True, width))
    assert width_of(line) <= width and "? keys" in line and "q leave, work goes on" in line


@given(width=st.integers(20, 60), text=st.text(max_size=200))
def test_the_pane_keeps_its_walls(width: int, text: str) -> None:
    one = row(state="FAILED", reason=text, message=text, parents=("gone.ab",))
    lines = pane_lines(one, board_of(one), NOW, width, 12, UNICODE)
    assert len(lines) == 12 and all(said(line).startswith(" │") for line in lines)


def test_names_lose_what_all_share_but_never_a_part_of_the_time() -> None:
    one, two = "MUSE.2014-10-23T01:22:10.331.ab", "MUSE.2014-10-23T01:22:10.447.ab"
    assert shared_prefix([one, two]) == "MUSE.2014-10-23"
    assert shared_prefix([one, "MUSE.2014-10-22T23:00:00.000.ab"]) == "MUSE.2014-10-"
    assert shared_prefix([one, "UVES.2014-10-22T23:00:00.000.ab"]) == ""
    assert shared_prefix([one]) == ""


def test_filter_terms() -> None:
    one = row(state="FAILED", score="..o")
    for text, found in (
        ("pst ngc", True),
        ("state:failed", True),
        ("state:done", False),
        ("!failed", False),
        ("!done kind:scip score:o", True),
        ("recipe:esorex", False),
        ("T01:22", True),
        ("! :", True),
    ):
        assert matches(one, terms_of(text)) is found, text


@given(
    st.lists(st.tuples(st.sampled_from(sorted(STATES)), st.integers(0, 9), st.floats(0, 9e4)), max_size=30),
    st.sampled_from(["order", "state", "target", "time", "score"]),
    st.booleans(),
)
def test_place_is_the_way_back_and_a_changed_ab_is_known_to_be_misplaced(
    made: list[tuple[str, int, float]], sort: str, failures: bool
) -> None:
    rows = {f"A{i}": row(f"A{i}", state, order=order, duration_s=d) for i, (state, order, d) in enumerate(made)}
    order = AbOrder()
    order.sort, order.failures_first = sort, failures
    order.rebuild(rows)
    assert [order.place[name] for name in order.names] == list(range(len(rows)))
    assert not any(order.misplaced(one) for one in rows.values())
    for one in rows.values():
        one.order += 100
        assert order.misplaced(one)


def test_running_again_takes_what_depends_on_it() -> None:
    rows = {
        one.ab: one
        for one in (
            row("a", "FAILED"),
            row("b", "DONE"),
            row("c", "BLOCKED", parents=("a", "b")),
            row("d", "BLOCKED", parents=("c",)),
        )
    }
    assert rerun_of("a", rows).roots == ("a",) and set(rerun_of("a", rows).followers) == {"c", "d"}
    assert rerun_of("d", rows).roots == ("a",)
    assert rerun_of("b", rows).roots == ("b",) and set(rerun_of("b", rows).followers) == {"c", "d"}
    rows["b"].state = "MOVED"
    assert rerun_of("b", rows).roots == ()
