"""Includes, macros, conditions and markers: messages name the operator's own file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.create.oca.load import load
from engine.create.oca.model import Rules
from engine.create.oca.read import read
from engine.create.oca.source import BadRules
from tests.effort import effort
from tests.oca_rules import bare

RULE = 'if A == {} then {{ X = "{}"; }}\n'


def put(directory: Path, **files: str) -> Path:
    """Files named `name.h`; gives the first."""
    for name, text in files.items():
        path = directory / f"{name}.h"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="latin-1")
    return directory / f"{next(iter(files))}.h"


def values(rules: Rules) -> list[object]:
    """What the rules set X to."""
    assert not rules.partial, rules.problems
    return [rule.body[0].value.value for rule in rules.classification]  # type: ignore[union-attr]


def test_a_macro_may_hold_half_a_clause(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        xyz='#include "xyz_organisation.h"\n',
        OCA_macro="#define TPL_GROUP   TPL.START as (TPL_A,tpl)  /* half a clause */\n"
        "#define SAME(key) inputFile.key == \\\n   key\n",
        xyz_organisation='#include "OCA_macro.h"\n'
        'select execute(A_BIAS) from inputFiles where RAW.TYPE == "BIAS" group by DET.READ.CURID, TPL_GROUP;\n'
        "action A_BIAS { select file as X from calibFiles where SAME(DET.DIT) and SAME ( K ); recipe r; }\n"
        "if A == and then { }\n",
    )
    rules = load(path)
    (organise,), (action,) = rules.organisation, rules.actions
    assert organise.group_by == ("DET.READ.CURID", "TPL.START") and (organise.event, organise.tag) == ("TPL_A", "tpl")
    assert str(organise.at) == "xyz_organisation.h:2:1"
    same = read(
        "action A_BIAS { select file as X from calibFiles "
        "where inputFile.DET.DIT == DET.DIT and inputFile.K==K; recipe r; }"
    )
    assert bare(action) == bare(same.actions[0])
    (problem,) = rules.problems
    assert str(problem.at) == "xyz_organisation.h:4:9"


def test_places_behind_a_macro_of_the_same_line_are_right(tmp_path: Path) -> None:
    rules = load(
        put(tmp_path, a="#define LONG this_is_a_very_long_key_indeed\nif LONG == 1\n and  LONG == and then {}\n")
    )
    assert [str(problem.at) for problem in rules.problems] == ["a.h:3:15"]


def test_conditions(tmp_path: Path) -> None:
    text = "#define YES\n" + "".join(
        f"{test}\n{RULE.format(1, name)}#else\n{RULE.format(2, 'not ' + name)}#endif\n"
        for name, test in {
            "yes": "#ifdef YES",
            "no": "#ifdef NO",
            "ifndef": "#ifndef NO",
            "one": "#if 1",
            "zero": "# if 0",
            "defined": "#if defined(YES)",
            "undefined": "#if !defined YES",
        }.items()
    )
    text += (
        "#if 0\n#ifdef YES\n"
        + RULE.format(1, "inner")
        + "#else\n#include <nowhere>\n#endif\n#elif 1\n"
        + RULE.format(1, "elif")
        + "#endif\n"
    )
    expected = ["yes", "not no", "ifndef", "one", "not zero", "defined", "not undefined", "elif"]
    assert values(load(put(tmp_path, a=text))) == expected


def test_macros_follow_c(tmp_path: Path) -> None:
    text = """#define DET OTHER
#define A_SELF A_SELF
#define TWICE(x) x x
#define PAIR(a,b) b == a
if DET.DIT == 1 and A_SELF == 2 and K == "DET // # A_SELF" and 2DET == 1 then { X = "a"; }
if PAIR((1), PAIR.K) and NODET == 2 then { X = "b"; }
#undef DET
if DET.DIT == 1 then { X = "c"; }
"""
    rules = load(put(tmp_path, a=text))
    expected = """if OTHER.DIT == 1 and A_SELF == 2 and K == "DET // # A_SELF" and 2DET == 1 then { X = "a"; }
        if PAIR.K == (1) and NODET == 2 then { X = "b"; } if DET.DIT == 1 then { X = "c"; }"""
    assert bare(rules) == bare(read(expected))
    assert [(problem.code, problem.at.line) for problem in rules.problems] == [("macro-key", 5)]


def test_line_markers_of_compiled_rules_lead_to_the_source(tmp_path: Path) -> None:
    path = tmp_path / "muse.RLS"
    path.write_text(
        '# 1 "muse.h"\n# 12 "muse_classification.h" 1\nif A == 1 then {}\nif A === 1 then {}\n#line 3\nif (;\n'
    )
    rules = load(path)
    assert [str(rule.at) for rule in rules.classification] == ["muse_classification.h:12:1"]
    assert [str(problem.at) for problem in rules.problems] == [
        "muse_classification.h:13:8",
        "muse_classification.h:3:5",
    ]


def test_hashes_are_comments_at_the_start_of_a_line_only(tmp_path: Path) -> None:
    text = "# it's a comment /* and this too\n  #### another\n" + RULE.format(1, "# no comment")
    assert values(load(put(tmp_path, a=text))) == ["# no comment"]


def test_an_include_circle_is_named_with_its_chain(tmp_path: Path) -> None:
    path = put(tmp_path, a='#include "b.h"', b='\n#include "c.h"', c='#include "a.h"')
    with pytest.raises(BadRules, match=r"c\.h:1:1: includes go in a circle: a\.h -> b\.h -> c\.h -> a\.h"):
        load(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.h", "sub/../../x.h", "~/x.h", "out.h"])
def test_nothing_outside_of_the_rule_directory_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.h").write_text("")
    path = put(tmp_path / "oca", a=f'#include "{name}"')
    (path.parent / "out.h").symlink_to(tmp_path / "x.h")
    with pytest.raises(BadRules, match=r"a\.h:1:1.*rule directory"):
        load(path)


def test_includes_are_found_beside_the_file_and_from_the_rule_directory(tmp_path: Path) -> None:
    path = put(
        tmp_path, **{"sub/a": '#include "b.h"\n#include "c.h"', "sub/b": RULE.format(1, "b"), "c": RULE.format(2, "c")}
    )
    rules = load(path, below=tmp_path)
    assert values(rules) == ["b", "c"]
    assert [str(rule.at) for rule in rules.classification] == ["sub/b.h:1:1", "c.h:1:1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('#include "gone.h"', "'gone.h' is not there"),
        ("#include gone.h", "file name in quotes"),
        ("#ifdef A\n", "no #endif"),
        ("\n#endif", r"a\.h:2:1: #endif without #if"),
        ("#if A > 1\n#endif", "only a number or defined"),
        ("#define 1", "#define is not understood"),
        ("#define A(x,x) x", "arguments of macro A"),
        ("#define A(x) #x\n", "# and ##"),
        ("#define A(x) x\nif A(1,2) == 1 then {}", r"a\.h:2:4: macro A takes 1 values, not 2"),
    ],
)
def test_mistakes_of_directives_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadRules, match=said):
        load(put(tmp_path, a=text))


BOMBS = {
    "doubling": "".join(f"#define A{n} A{n + 1} A{n + 1}\n" for n in range(60))
    + "#define A60 word\nif A0 == 1 then {}",
    "doubling of nothing": "".join(f"#define A{n} A{n + 1} A{n + 1}\n" for n in range(60))
    + "#define A60\nif A0 == 1 then {}",
    "deep": "".join(f"#define A{n} A{n + 1}\n" for n in range(5000)) + "if A0 == 1 then {}",
    "large": f"#define A {'word ' * 100_000}\n" + "A\n" * 2000,
    "arguments": "#define A(x) x x x x x x x x\nif " + "A(" * 60 + "y" + ")" * 60 + " then {}",
    "pairs": "".join(f"#define A{n}(x) A{n + 1}(x x)\n" for n in range(60))
    + "#define A60(x) x\nif A0(word) == 1 then {}",
    "itself": '#ifndef A0\n#include "b.h"\n#endif\n',
}


@pytest.mark.parametrize("name", BOMBS)
def test_macro_bombs_are_refused_soon(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, a=BOMBS[name], b='#include "c.h"\n' * 100, c='#include "d.h"\n' * 100, d="\n")

    def refused() -> None:
        with pytest.raises(BadRules, match=r"^\w\.h:\d+"):
            load(path)

    assert effort(refused) < 30_000_000


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xac\xed\x00\x05sr", "Java objects"),
        (b"SIMPLE  =\0", "binary file"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes | None, said: str) -> None:
    path = tmp_path / "x.rul"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadRules, match=said):
        load(path)
    with pytest.raises(BadRules, match="cannot be read"):
        load(tmp_path)


def test_other_alphabets_and_line_ends_are_read(tmp_path: Path) -> None:
    text = "// Grüße\r\n" + RULE.format(1, "a").replace("\n", "\r\n") + "/* é */ if B == and\r\n then {}"
    rules = load(put(tmp_path, a=text))
    assert len(rules.classification) == 1
    assert [str(problem.at) for problem in rules.problems] == ["a.h:3:17"]
    bom = tmp_path / "bom.h"
    bom.write_text("\ufeff" + RULE.format(1, "a"), encoding="utf-8")
    assert values(load(bom)) == ["a"]


def test_a_comment_without_end_is_told(tmp_path: Path) -> None:
    rules = load(put(tmp_path, a=RULE.format(1, "a") + "/* lost\n" + RULE.format(2, "b")))
    assert rules.partial and len(rules.classification) == 1
    assert str(rules.problems[0].at) == "a.h:2:1"


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe.oca", tmp_path / "loop.oca"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path, why in ((pipe, "is no file"), (tmp_path, "is no file"), (loop, "leads to itself")):
        with pytest.raises(BadRules, match=why):
            load(path)
    for name, why in (("pipe.oca", "is no file"), ("loop.oca", "leads to itself")):
        with pytest.raises(BadRules, match=why):
            load(put(tmp_path, main=f'#include "{name}"\n'))
