"""Hostile YAML ends in a trouble that names file and line; never in a crash, never in a wrong value."""

from __future__ import annotations

from itertools import pairwise

import pytest

from config.errors import ConfigTrouble
from config.yaml_file import read_value, read_yaml


@pytest.mark.parametrize(
    ("data", "line", "word"),
    [
        (b"a: 1\nb:\n\tc: 2\n", 3, "tab"),
        (b"a: 1\nb: 2\na: 3\n", 3, "stands already in line 1"),
        (b"a: 1\nb: \xff\xfe\n", 2, "UTF-8"),
        (b"a: 1\nb: \x00\n", 2, "binary"),
        (b"- 1\n- 2\n", 1, "holds no keys"),
        (b"just text\n", 1, "holds no keys"),
        (b"a: 1\nb: !!python/object/apply:os.system ['true']\n", 2, "not allowed"),
        (b"a: !!binary aGFsbG8=\n", 1, "not allowed"),
        (b"a: [1,\n\n", 3, "not YAML"),
        (b"a: 'open\n", 2, "not YAML"),
        (b"a: 1\n---\nb: 2\n", 2, "not YAML"),
        (b"a: 1\nb: *nobody\n", 2, "not YAML"),
        (b"x: &x {a: 1}\ny:\n  <<: *x\n", 3, "'<<' is not read"),
        (b"? [a, b]\n: 1\n", 1, "cannot be a key"),
        (b"a: .inf\n", 1, "not allowed"),
        (b"a: &a\n  b: *a\n", 1, "nested more than 40"),
        (b"[" * 400_000, 1, "nested more than 40"),
        (b"{a: " * 100_000, 1, "nested more than 40"),
        (b"a: " + b"x" * 1_000_001, 1, "longer than"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(data: bytes, line: int, word: str) -> None:
    with pytest.raises(ConfigTrouble) as caught:
        read_yaml(data, "dfos.yaml")
    assert caught.value.problems[0].startswith(f"dfos.yaml:{line}: ")
    assert word in caught.value.problems[0]
    assert caught.value.exit_code == 2


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    names = "abcdefghi"
    lines = ["a: &a [" + ", ".join(["x"] * 10) + "]"]
    lines += [f"{one}: &{one} [" + ", ".join([f"*{before}"] * 10) + "]" for before, one in pairwise(names)]
    with pytest.raises(ConfigTrouble, match="more than 20000 values"):
        read_yaml("\n".join(lines).encode(), "bomb.yaml")


def test_all_repeated_keys_are_listed_in_one_go() -> None:
    with pytest.raises(ConfigTrouble) as caught:
        read_yaml(b"a: 1\na: 2\nb: {c: 1, c: 2}\n", "f")
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["2", "3"]


def test_values_are_what_the_operator_wrote() -> None:
    found = read_yaml(
        b"\xef\xbb\xbfdate: 2094-01-16\r\ntime: 12:30\r\nyes_no: yes\r\nn: 010\r\nx: 1.5\r\nlist: [a, 1]\r\nnone:\r\n",
        "f",
    )
    assert found.data == {
        "date": "2094-01-16",
        "time": "12:30",
        "yes_no": True,
        "n": 10,
        "x": 1.5,
        "list": ("a", 1),
        "none": None,
    }
    assert found.lines["list", 1] == 6
    assert read_yaml(b"# nothing but a comment\n", "f").data == {}
    assert read_value("[a, b]", "--set x") == ("a", "b")
