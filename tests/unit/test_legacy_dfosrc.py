"""`.dfosrc` is read, never executed."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.dfosrc import DfosRc, read_dfosrc

BASE = {"HOME": "/home/muse", "DFOS_ROOT": "/home/muse"}


def read(tmp_path: Path, *texts: str | bytes) -> DfosRc:
    files = []
    for number, text in enumerate(texts):
        path = tmp_path / f"rc{number}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        files.append(path)
    return read_dfosrc(files, BASE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("export A=/x/y", "/x/y"),
        ("A=/x; export A", "/x"),
        ("export A=/x B=/y", "/x"),
        ("A=/x", "/x"),
        ("declare -x A=/x", "/x"),
        ("setenv A /x", "/x"),
        ('setenv A "/x y"', "/x y"),
        ("setenv A", ""),
        ("  export A=/x   # comment", "/x"),
        ("export A='/x $HOME'", "/x $HOME"),
        ('export A="$HOME/x"', "/home/muse/x"),
        ("export A=${HOME}/x", "/home/muse/x"),
        ("export A=~/x", "/home/muse/x"),
        ("export A=/x#y", "/x#y"),
        ("export A=/x\\ y", "/x y"),
        ("export A=/x\\\n/y", "/x/y"),
        ("export A=\"a\"'b'c", "abc"),
        ('export "A=/x"', "/x"),
        ("B=/b\nexport A=$B/x", "/b/x"),
        ("export A=1\nexport A=2", "2"),
        ("export A=/x\r\n", "/x"),
        ('export A="\\$HOME"', "$HOME"),
        ("export A=5$", "5$"),
    ],
)
def test_both_shells_are_understood(tmp_path: Path, text: str, value: str) -> None:
    found = read(tmp_path, text)
    assert found.problems == ()
    assert found.variables["A"] == value


def test_the_line_of_each_variable_is_known(tmp_path: Path) -> None:
    found = read(tmp_path, "# one\n\nexport DFO_RAW_DIR=/raw\n", "export DFO_CAL_DIR=/cal\nexport DFO_RAW_DIR=/other\n")
    assert found.variables == {"DFO_RAW_DIR": "/other", "DFO_CAL_DIR": "/cal"}
    assert found.origins["DFO_RAW_DIR"] == f"{tmp_path}/rc1:2"


@pytest.mark.parametrize(
    "text",
    [
        "source /etc/profile",
        ". ~/.bashrc",
        "alias ll='ls -l'",
        "umask 022",
        "rm -rf $HOME",
        "A=1 make",
        "(export A=1)",
        "false && export A=1",
        "export A=1 | cat",
        "export A=1 > /tmp/x",
        "if ( $?X ) setenv A 1",
        "export OTHER=$(hostname)",
        "export PATH=$NOWHERE:/bin",
    ],
)
def test_what_a_shell_could_do_is_left_out_and_told(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text + "\nexport B=after\n")
    assert found.variables == {"B": "after"}
    assert found.problems == ()
    assert found.notices[0].startswith(f"{tmp_path}/rc0:1: ")


@pytest.mark.parametrize(
    "text",
    [
        "if [ -d /x ]; then\n  export A=1\nelse\n  export A=2\nfi",
        "if [ -d /x ]\nthen\n  if true; then\n export A=1\n fi\nfi",
        "if ( $?A ) then\n setenv A 1\nelse if ( 1 ) then\n setenv A 3\nelse\n setenv A 2\nendif",
        "case $X in\n a) export A=1;;\nesac",
        "for i in 1 2; do\n export A=$i\ndone",
        "while true; do export A=1; done",
        "foreach i ( a b )\n setenv A $i\nend",
        "function f {\n export A=1\n}",
        "f () {\n export A=1\n}",
        "cat <<EOF\nexport A=1\nEOF",
        "if true; then export A=1; fi",
    ],
)
def test_shell_logic_is_skipped_as_a_block(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text + "\nexport B=after\n")
    assert found.variables == {"B": "after"}
    assert found.problems == ()
    assert found.notices


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("export DFO_RAW_DIR=$(pwd)/raw", "command substitution is never executed"),
        ("export DFO_RAW_DIR=`pwd`/raw", "command substitution is never executed"),
        ('export DFO_RAW_DIR="$(touch pwned)"', "command substitution is never executed"),
        ("export DFO_RAW_DIR=$NOPE/raw", "$NOPE is not set before this line"),
        ("export DFO_RAW_DIR=${X:-/raw}", "only $NAME and ${NAME} are"),
        ("export DFO_RAW_DIR='/raw", "never closed"),
        ('export DFO_RAW_DIR="/raw', "never closed"),
        ("export DFO_RAW_DIR=${HOME", "never closed"),
        ("if true; then\nexport A=1", "never closed"),
        ("export DFO_RAW_DIR=/a\x07b", "control characters"),
        ("setenv DFO_RAW_DIR /a b", "put quotes around it"),
        ("a\0b", "binary"),
        (b"# \xff", "UTF-8"),
        ("#" * 1_000_001, "longer than"),
    ],
)
def test_what_cannot_be_read_is_a_located_problem(tmp_path: Path, text: str | bytes, word: str) -> None:
    found = read(tmp_path, text)
    assert "DFO_RAW_DIR" not in found.variables
    assert found.problems[0].startswith(f"{tmp_path}/rc0")
    assert word in found.problems[0]
    assert not (tmp_path / "pwned").exists()


def test_a_variable_that_hangs_on_a_refused_one_names_the_cause(tmp_path: Path) -> None:
    found = read(tmp_path, "BASE=$(pwd)\nexport DFO_RAW_DIR=$BASE/raw\n")
    assert f"$BASE has no value, see {tmp_path}/rc0:1" in found.problems[0]


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert "cannot be read" in read_dfosrc([tmp_path / "none"], BASE).problems[0]


def test_unset_takes_a_variable_back(tmp_path: Path) -> None:
    assert read(tmp_path, "export A=1\nunset A\nsetenv B 1\nunsetenv B\n").variables == {}
