"""What a check of rules says, one rule at a time; and `dfos oca check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.cli.main import dfos
from engine.create.oca.lint import check
from engine.create.oca.read import read

KNOWN = 'if A == "1" then { DO.CATG = "FLAT"; }\n'
RUN = 'select execute(A) from inputFiles where SIG.FRAME == 1 and DO.CATG == "FLAT";\n'
ACTION = "action A { recipe r; }\n"


def codes(text: str) -> list[str]:
    """The codes of all findings."""
    return [problem.code for problem in check(read(KNOWN + RUN + ACTION + text, "t.oca"))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ('select execute(A) from inputFiles where SIG.FRAME == 1 and DO.CATG == "GONE";', ["never-assigned"]),
        ('select execute(A) from inputFiles where SIG.FRAME == 1 and DO.CATG like "G%";', ["never-assigned"]),
        ('select execute(A) from inputFiles where SIG.FRAME == 1 and DO.CATG like "F%";', []),
        (
            "if P is string then { DO.CATG = P; }"
            'select execute(A) from inputFiles where SIG.FRAME == 1 and DO.CATG == "G";',
            [],
        ),
        ("action B { recipe r; }", ["never-executed"]),
        ("select execute(B) from inputFiles where SIG.FRAME == 1;", ["no-action"]),
        (ACTION, ["action-again"]),
        ('select execute(A) from inputFiles where DO.CATG == "FLAT" group by K;', ["two-ways"]),
        ('if B like "x" then { X = 1; }', ["like-plain"]),
        ("if B < C or B >= C then { X = 1; }", ["always-true"]),
        ("if B < C or B > C then { X = 1; }", []),
        ('if B == 2 then { DO.CATG = " FLAT"; }', ["blank"]),
        ('if A like "%1%" then { DO.CATG = "DARK"; }', ["overruled"]),
        ('if L is undefined then { L = "a"; } if T then { L = "b"; } if T then { L = L + "c"; }', []),
        (
            "select execute(B) from inputFiles where SIG.FRAME == 1;"
            'action B { recipe r; product P { DO.CATG = "P"; } }'
            'action A2 { recipe r; select file as P from calibFiles where DO.CATG == "P"; }',
            ["never-executed"],
        ),
        ("if A == 1 or B == 2 and C == 3 then { X = 1; }", ["mixed"]),
        ("if A == 1 or (B == 2 and C == 3) then { X = 1; }", []),
        ("minRet = 2;", ["limits-unused"]),
        ("select execute(2D) from inputFiles where SIG.FRAME == 1; action 2D { recipe r; }", ["digit"]),
        ("select execute(B) from inputFiles where SIG.FRAME == 1; action B { }", ["no-recipe"]),
        ("select execute(B) from inputFiles where SIG.FRAME == 1; action B { recipe r; recipe s; }", ["recipe-twice"]),
        (
            "select execute(B) from inputFiles where SIG.FRAME == 1;"
            "action B { minRet = 3; maxRet = 2; select file as X from rawFiles; recipe r; }",
            ["limits-odd"],
        ),
        (
            'select execute(B) from inputFiles where SIG.FRAME == 1; action B { recipe r { "a"; "--b=1" "--b=2"; } }',
            ["option", "semicolon", "option-twice"],
        ),
    ],
)
def test_each_finding(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def test_a_key_that_rules_set_for_others_only() -> None:
    rules = """
        if DPR.CATG == "CALIB" then { DO.CATG = "FLAT"; WARM = TEMP > 5; }
        if DPR.CATG == "TECHNICAL" then { DO.CATG = "AMPL"; }
        if PRO.CATG == "TABLE" then { DO.CATG = "TABLE"; WARM = TEMP > 5; }
        select execute(FLAT) from inputFiles where SIG.FRAME == 1 and DO.CATG == "FLAT";
        select execute(AMPL) from inputFiles where SIG.FRAME == 1 and DO.CATG == "AMPL";
        action FLAT { select file as TABLE from calibFiles where inputFile.WARM == WARM; recipe r; }
        action AMPL { select file as TABLE from calibFiles where inputFile.WARM == WARM; recipe r; }"""
    (problem,) = check(read(rules))
    assert problem.code == "key-missing" and problem.at.line == 8 and '"AMPL": TABLE' in problem.text


def test_the_command_shows_places_and_says_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.oca"
    path.write_text(KNOWN + 'if B == and then {}\nif B like "\x1b" then { X = 1; }\n')
    assert dfos(["oca", "check", str(path)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["x.oca:2:9", "error", "syntax"]
    assert "2 classification" in lines[-1] and "1 error" in lines[-1] and "left out" in lines[-1]
    assert "\x1b" not in "".join(lines)
    assert dfos(["oca", "check", "--json", str(path)]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["partial"] and told["problems"][0]["line"] == 2 and told["problems"][0]["level"] == "error"


def test_the_command_says_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub" / "x.h"
    path.write_text('#include "common.h"\n')
    (tmp_path / "common.h").write_text(KNOWN)
    assert dfos(["oca", "check", str(path)]) == 2
    assert "'common.h' is not there" in capsys.readouterr().err
    assert dfos(["oca", "check", "--below", str(tmp_path), str(path)]) == 0
    assert "1 classification" in capsys.readouterr().out


def made(name: str, needs: str, rest: str) -> str:
    return f'action {name} {{ select file as {needs} from calibFiles where PRO.CATG == "{needs}"; {rest} }}\n'


def product(catg: str) -> str:
    return f'recipe r; product {catg} {{ PRO.CATG = "{catg}"; }}'


def test_actions_that_need_each_other_are_told_with_both_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.oca"
    path.write_text(made("AA", "MB", product("MA")) + made("BB", "MA", product("MB")) + made("CC", "MA", "recipe c;"))
    assert dfos(["oca", "check", "--json", str(path)]) == 0
    (told,) = (one for one in json.loads(capsys.readouterr().out)["problems"] if one["code"] == "circle")
    assert (told["level"], told["line"]) == ("warning", 1)
    assert told["text"].startswith("AA needs products of BB (x.oca:2:1), which needs those of AA: ")


def test_a_circle_by_the_recipes_of_the_instrument_that_the_file_is_named_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = made("A", "MASTER_FLAT", "recipe muse_bias;") + made("B", "MASTER_BIAS", "recipe muse_flat;")
    for name, expected in (("muse.oca", True), ("MUSE.RLS", True), ("x.oca", False)):
        (tmp_path / name).write_text(rules)
        assert dfos(["oca", "check", str(tmp_path / name)]) == 0
        assert ("A needs products of B" in capsys.readouterr().out) is expected


def test_a_long_circle_is_told_once_and_shortly() -> None:
    names = [f"A{n}" for n in range(2_000)]
    rules = read("".join(made(name, f"A{(n + 1) % 2_000}", "recipe r;") for n, name in enumerate(names)))
    (problem,) = (one for one in check(rules, {name: [name] for name in names}) if one.code == "circle")
    assert "1996 more" in problem.text and len(problem.text) < 300
