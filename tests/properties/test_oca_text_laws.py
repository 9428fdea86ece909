"""Laws of reading rules: text and model say the same, and no damage costs more than its own rule."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.create.oca.lexer import Sheet, words
from engine.create.oca.lint import check
from engine.create.oca.model import Rules
from engine.create.oca.preprocess import plain
from engine.create.oca.read import read
from engine.create.oca.text import canonical
from tests.oca_rules import RULES, bare

TEXT = """
if (T) then { DO.CATG = "UNDEFINED"; }
if DPR.CATG == "CALIB" and DPR.TYPE like "%FLAT%" then { DO.CATG = "FLAT"; WARM = DET.TEMP > 100.; }
if DPR.CATG == "CALIB" and (DPR.TYPE == "BIAS" or DPR.TYPE == "DARK") then
{
  DO.CATG = DPR.TYPE;
}
if PRO.CATG is string then { DO.CATG = PRO.CATG; }
if A.B == 1 then { if C == 2 then { X = 3; } Y = 4; }
select execute(MOSCAL) from inputFiles where SIG.TEMPLATE == 1 and LF.DO.CATG == "FLAT";
minRet = 3;
select execute(SETUP) from inputFiles where DO.CATG == "FLAT" group by INS.FILT1.NAME as (GRP_A,grp);
action MOSCAL { minRet = 0; maxRet = 0; select file as BPM from calibFiles where DO.CATG == "BPM"; recipe r1; }
action SETUP
{
  select file as DARK from rawFiles where DO.CATG == "DARK" and INS.FILT2.ID ?= inputFile.INS.FILT2.ID;
  recipe my_flat { "--method=median --merge"; "--range=1,2:3,4"; };
  product MASTER_FLAT { PRO.CATG = "MASTER_FLAT"; }
}
action LAST { recipe r2; }
"""
SOURCE = plain(TEXT, "t.oca")
WORDS = list(words(Sheet(SOURCE)))
WHOLE = read(TEXT, "t.oca")


def counted(rules: Rules) -> int:
    return len(rules.classification) + len(rules.organisation) + len(rules.actions)


@given(RULES)
def test_the_text_of_a_model_reads_as_the_model(rules: Rules) -> None:
    text = canonical(rules)
    again = read(text)
    assert not again.partial, again.problems
    assert bare(again) == bare(rules)
    assert canonical(again) == text


@given(RULES)
def test_all_rules_can_be_checked(rules: Rules) -> None:
    assert all(problem.level in ("error", "warning", "info") for problem in check(rules))


@given(st.integers(0, len(WORDS) - 1))
def test_a_lost_word_costs_at_most_its_own_rule(index: int) -> None:
    word = WORDS[index]
    text = TEXT[: word.offset] + " " * len(word.text) + TEXT[word.offset + len(word.text) :]
    rules = read(text, "t.oca")
    assert counted(rules) >= counted(WHOLE) - 1
    said = {bare(node) for group in (WHOLE.classification, WHOLE.organisation, WHOLE.actions) for node in group}
    kept = {bare(node) for group in (rules.classification, rules.organisation, rules.actions) for node in group}
    assert len(said - kept) <= 2, "the rule itself, and a limit may pass on to its neighbour"
    for problem in rules.problems:
        assert problem.at.file == "t.oca" and 1 <= problem.at.line <= TEXT.count("\n") + 1 and problem.at.column >= 1


@given(
    st.integers(0, len(WORDS) - 1), st.sampled_from(["and", "}", "{", "(", ")", ";", '"', "§", "if", "/*", "==", "5"])
)
def test_a_word_too_much_is_told_or_harmless(index: int, more: str) -> None:
    offset = WORDS[index].offset
    rules = read(f"{TEXT[:offset]} {more} {TEXT[offset:]}", "t.oca")
    lost = counted(WHOLE) - counted(rules)
    assert rules.partial or bare(rules) == bare(WHOLE) or lost <= 0
    if more not in ("/*", "}", "{"):
        assert lost <= 1


@given(st.text(max_size=200))
def test_any_text_at_all_is_read_somehow(text: str) -> None:
    rules = read(text, "t.oca")
    assert all(problem.at.line >= 1 and problem.at.column >= 1 for problem in rules.problems)


@given(st.lists(st.sampled_from([" ", "\n", "\t", "\r\n", " // x\n", "/* y\n */", "\n\n"]), min_size=5, max_size=5))
def test_white_space_and_comments_never_matter(spaces: list[str]) -> None:
    pieces = [word.text for word in WORDS]
    text = "".join(piece + spaces[index % len(spaces)] for index, piece in enumerate(pieces))
    assert bare(read(text.replace("\r\n", "\n"))) == bare(WHOLE)
