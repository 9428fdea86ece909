"""Parse then render is the same bytes, whatever stands in the file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.core.ab import AB, _line, parse
from engine.errors import BadAb

HEAD = (
    b"AB_NAME M.2014-01-01T00:00:00.000.ab\nRAW_TYPE X\nRECIPE y\nDATE 2099-99-99\n"
    b"PROD_ROOT_NAME r.M\nPROCESS_STATUS CREATED\n"
)
words = st.text(st.characters(blacklist_characters="\n\r\0", codec="utf-8"), max_size=30)


def parsed(data: bytes) -> AB | None:
    try:
        return parse(data, "x")
    except BadAb:
        return None


@given(st.binary(max_size=300))
def test_bytes_survive(tail: bytes) -> None:
    for data in (HEAD + tail, tail):
        block = parsed(data)
        assert block is None or block.render() == data


@given(st.lists(st.text("KEY_ v.\t\r\"'#\x0b\x1c\x85\xa0ä", max_size=12), max_size=6))
def test_lines_read_together_are_the_lines_read_one_by_one(lines: list[str]) -> None:
    block = parsed(HEAD + "\n".join(lines).encode())
    if block is not None:
        assert block.lines == tuple(_line(line.text + line.end) for line in block.lines)


@given(st.lists(words, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_lines_survive_and_an_edit_leaves_the_others(lines: list[str], end: str) -> None:
    data = HEAD + end.join(lines).encode()
    block = parsed(data)
    if block is None:
        return
    assert block.render() == data
    edited = block.with_value("PROCESS_STATUS", "FAILED")
    assert parse(edited.render(), "x").status == "FAILED"
    last = [i for i, line in enumerate(block.lines) if line.key == "PROCESS_STATUS"][-1]
    assert [line for i, line in enumerate(edited.lines) if i != last] == [
        line for i, line in enumerate(block.lines) if i != last
    ]


@given(st.lists(words.map(lambda word: "_".join(word.split()) or "w").filter(lambda w: "#" not in w), max_size=8))
def test_a_list_that_is_set_is_read_back(values: list[str]) -> None:
    block = parse(HEAD, "x").with_values("NOTE", values)
    assert list(parse(block.render(), "x").values("NOTE")) == values
