"""Every rule file that the installed pipelines bring is read as it is, and what is odd in it is known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.create.oca.lexer import Sheet, words
from engine.create.oca.lint import check
from engine.create.oca.load import load, text_of
from engine.create.oca.logic import walk
from engine.create.oca.model import Compare, Rules
from engine.create.oca.preprocess import plain
from engine.create.oca.read import read
from engine.create.oca.source import BadRules
from engine.create.oca.text import canonical
from tests.executors import needs
from tests.oca_rules import INSTALLED, bare

pytestmark = pytest.mark.real("oca")

# classification, organisation, actions, associations, grouped: counted in the files themselves
COUNTS = {
    "amber": (35, 14, 4, 7, 0),
    "giraf": (37, 7, 7, 40, 0),
    "hawki": (77, 11, 8, 21, 8),
    "muse": (47, 12, 16, 85, 3),
    "naco": (50, 21, 13, 4, 0),
    "uves": (394, 49, 38, 269, 3),
    "vimos": (84, 21, 20, 88, 0),
    "visir": (75, 39, 14, 27, 0),
}
_ALWAYS = ((2296, "always-true"), (2302, "always-true"), (2308, "never-assigned"), (2327, "always-true"))
FINDINGS: dict[str, list[tuple[int, str]]] = {
    "amber": [],
    "giraf": [(288, "option-twice")],
    "hawki": [(33, "overruled"), (37, "overruled"), (397, "never-assigned"), (411, "never-assigned")],
    "muse": [(553, "key-missing")]
    + [(line, "never-executed") for line in (601, 724, 774)]
    + [(780, "limit-alone"), (947, "never-assigned"), (960, "never-executed")],
    "naco": [],
    "uves": [(line, "never-assigned") for line in (1662, 1663, 1669)]
    + [(1686, "two-ways"), (1747, "limits-unused"), (1771, "limits-unused"), *_ALWAYS]
    + [(line, "always-true") for line in (2333, 2342, 2348)]
    + [(2354, "never-assigned"), (2434, "limits-twice"), (2451, "never-executed")],
    "vimos": [(line, "like-plain") for line in (174, 178, 182, 186)]
    + [(600, "never-executed"), (620, "never-executed")],
    "visir": [],
}


@pytest.fixture(params=COUNTS)
def instrument(request: pytest.FixtureRequest) -> str:
    needs(request.param in INSTALLED, f"cpl-plugin-{request.param}")
    return str(request.param)


@pytest.fixture
def rules(instrument: str) -> Rules:
    return load(INSTALLED[instrument])


def operators(rules: Rules) -> list[str]:
    conditions = [rule.test for rule in rules.classification]
    conditions += [rule.where for rule in rules.organisation if rule.where]
    conditions += [each.where for action in rules.actions for each in action.associations if each.where]
    return [node.op for condition in conditions for node in walk(condition) if isinstance(node, Compare)]


@pytest.mark.row(99)
def test_all_of_it_is_read(instrument: str, rules: Rules) -> None:
    associations = [each for action in rules.actions for each in action.associations]
    grouped = sum(bool(rule.group_by) for rule in rules.organisation)
    found = (len(rules.classification), len(rules.organisation), len(rules.actions), len(associations), grouped)
    assert found == COUNTS[instrument] and not rules.partial
    assert operators(rules).count("?=") == (212 if instrument == "vimos" else 0)
    assert operators(rules).count("regexp") == (2 if instrument == "muse" else 0)
    switched_off = {"muse": 30, "giraf": 6, "vimos": 4}.get(instrument, 0)
    assert sum(each.max_ret == 0 for each in associations) == switched_off


def test_what_is_odd_is_known_exactly(instrument: str, rules: Rules) -> None:
    assert [(problem.at.line, problem.code) for problem in check(rules)] == FINDINGS[instrument]


def test_written_and_read_again_it_says_the_same(rules: Rules) -> None:
    again = read(canonical(rules), rules.name)
    assert bare(again) == bare(rules)


def test_the_pre_processor_changes_nothing(instrument: str, rules: Rules, tmp_path: Path) -> None:
    (tmp_path / "rules.oca").write_bytes(INSTALLED[instrument].read_bytes())
    whole = tmp_path / "all.h"
    whole.write_text('#define NOTHING_OF_THIS_NAME x\n#include "rules.oca"\n')
    included = load(whole)
    assert bare(included) == bare(rules)
    lines = [rule.at.line for rule in included.classification]
    assert lines == [rule.at.line for rule in rules.classification]
    assert {rule.at.file for rule in included.actions} == {"rules.oca"}


def test_line_breaks_and_blanks_are_one(instrument: str, rules: Rules, tmp_path: Path) -> None:
    text = plain(text_of(INSTALLED[instrument]), "x").text
    assert bare(read(text.replace("\n", " "))) == bare(rules)
    strings = re.compile(r'("[^"\n]*")| ')
    assert bare(read(strings.sub(lambda match: match[1] or "\n", text))) == bare(rules)
    (tmp_path / "crlf.oca").write_bytes(INSTALLED[instrument].read_bytes().replace(b"\n", b"\r\n"))
    assert bare(load(tmp_path / "crlf.oca")) == bare(rules)


def test_keywords_may_have_any_case(instrument: str, rules: Rules) -> None:
    source = plain(text_of(INSTALLED[instrument]), "x")
    loud = source.text
    for word in words(Sheet(source)):
        if word.type not in ("NAME", "STRING"):
            loud = loud[: word.offset] + word.text.upper() + loud[word.offset + len(word.text) :]
    assert bare(read(loud)) == bare(rules)


def test_a_lost_word_never_costs_more_than_its_rule(instrument: str, rules: Rules) -> None:
    source = plain(text_of(INSTALLED[instrument]), "x")
    every = list(words(Sheet(source)))
    whole = sum(COUNTS[instrument][:3])
    for word in every[:: max(1, len(every) // 12)]:
        text = source.text[: word.offset] + source.text[word.offset + len(word.text) :]
        again = read(text)
        assert len(again.classification) + len(again.organisation) + len(again.actions) >= whole - 1, (
            word.text,
            word.at,
        )


@pytest.mark.parametrize(
    "path", sorted(Path("/usr/share/cpl-plugins").glob("*/gasgano/config/*.rul")), ids=lambda path: path.name
)
def test_java_objects_are_refused(path: Path) -> None:
    with pytest.raises(BadRules, match="Java objects"):
        load(path)


def test_the_command_tells_the_same_and_what_the_table_of_recipes_shows(
    instrument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from console.cli.main import dfos

    assert dfos(["oca", "check", "--json", str(INSTALLED[instrument])]) == 0
    told = json.loads(capsys.readouterr().out)
    found = [(problem["line"], problem["code"]) for problem in told["problems"]]
    assert [problem for problem in found if problem[1] != "circle"] == FINDINGS[instrument]
    assert [line for line, code in found if code == "circle"] == ([519] if instrument == "vimos" else [])
