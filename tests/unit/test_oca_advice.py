"""What to do next: every mistake in a rule file is told with its place, its cause, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.cli.main import dfos
from engine.create.oca.lint import check
from engine.create.oca.load import load
from engine.create.oca.read import read
from engine.create.oca.source import BadRules

AROUND = 'if KEY == "a" then { DO.CATG = "A"; }\n'


@pytest.mark.parametrize(
    ("rule", "column", "said"),
    [
        ("if A = 1 then { B = 1; }", 6, "write == to compare"),
        ("if A == 1 { B = 1; }", 11, "'then' is missing before it"),
        ("if A == 1 then { B = 1 }", 24, "a semicolon is missing before it"),
        ("if A == 1 && C == 2 then { B = 1; }", 11, "write 'and'"),
        ("if A == 1 || C == 2 then { B = 1; }", 11, "write 'or'"),
        ("if !(A == 1) then { B = 1; }", 4, "write 'not', or !="),
        ("if A <> 1 then { B = 1; }", 7, "write !="),
        ("if 1 < A < 3 then { B = 1; }", 10, "two comparisons, joined by 'and'"),
        ("if A == 1 then { B = 1; } else { B = 2; }", 32, "there is no else"),
        ("if A == \u201cx\u201d then { B = 1; }", 9, "straight quotes"),
        ("if A ==\u00a01 then { B = 1; }", 8, "only looks like one"),
        ("if \u00c4 == 1 then { B = 1; }", 4, "letters of ASCII"),
        ("if A == 1 # why\nthen { B = 1; }", 11, "a comment begins with //"),
        ("if A == 1; then { B = 1; }", 10, "goes on with 'then'"),
        ("if A == 1 C == 2 then { B = 1; }", 11, "join conditions"),
        ("A == 1 then { B = 1; }", 3, "a rule begins with 'if'"),
        ("if A == 1 then { B = 1; } }", 27, "one '}' is too much here"),
        ("if A == 1 then { B = 1;\nselect execute(A) from inputFiles;", 1, "'}' is missing before it"),
        (f"if {'(' * 70}A == 1{')' * 70} then {{ B = 1; }}", 68, "divide it"),
    ],
)
def test_a_mistake_is_told_with_what_to_write_instead(rule: str, column: int, said: str) -> None:
    rules = read(f"{AROUND}{rule}\n{AROUND}", "t.oca")
    (problem,) = [one for one in rules.problems if one.level == "error"]
    assert said in problem.text and "left out" in problem.text
    assert (problem.at.file, problem.at.column) == ("t.oca", column)
    assert len(rules.classification) >= 2  # the rules around it are read


@pytest.mark.parametrize(
    "text",
    [
        *(
            "#endif\n",
            "#ifdef A\n",
            "#if A > 3\n#endif\n",
            "#define 1 x\n",
            "#define A(b) c##b\n",
            "#define A(b,b) x\n",
        ),
        *("#include <a b\n", '#include "away.h"\n', '#include "../up.h"\n', '#include "self.h"\n', "\0", "\xac\xed"),
        "#define A(b) b\nif A(1,2) then {}\n",
    ],
)
def test_what_cannot_be_read_at_all_is_told_with_a_way_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "self.h"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadRules, match=r"self\.h") as caught:
        load(path)
    assert caught.value.where and caught.value.remedy


def test_what_cannot_be_carried_out_is_an_error_of_the_check(tmp_path: Path) -> None:
    path = tmp_path / "x.oca"
    path.write_text(
        AROUND + 'select execute(A) from inputFiles where SIG.FRAME == 1 or KEY == "a";\naction A { recipe r; }'
    )
    assert dfos(["oca", "check", str(path)]) == 2
    (problem,) = [one for one in check(load(path)) if one.level == "error"]
    assert (problem.code, problem.at.line) == ("bad-event", 2) and "joined" in problem.text


def test_a_prefix_that_means_nothing_is_told() -> None:
    rules = read("""
        if inputFile.KEY == "a" then { DO.CATG = "A"; }
        select execute(A) from inputFiles where inputFile.KEY == KEY and LF.KEY == "a" and SIG.TEMPLATE == 1;
        action A { select file as X from calibFiles where LF.KEY == inputFile.KEY; recipe r; }""")
    found = [(one.at.line, one.text.rpartition(": ")[2]) for one in check(rules) if one.code == "prefix"]
    assert found == [
        (2, "inputFile.KEY is read as KEY"),
        (3, "inputFile.KEY is read as KEY"),
        (4, "LF.KEY is read as KEY"),
    ]


def test_of_each_kind_of_finding_twenty_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.oca"
    path.write_text(AROUND + "".join(f'if KEY like "{n}" then {{ K{n} = 1; }}\n' for n in range(50)))
    assert dfos(["oca", "check", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("like-plain" in line for line in lines) == 20 + 1
    assert "30 like-plain; --all" in lines[-2] and "50 info" in lines[-1]
    assert dfos(["oca", "check", "--all", str(path)]) == 0
    assert sum("like-plain" in line for line in capsys.readouterr().out.splitlines()) == 50
