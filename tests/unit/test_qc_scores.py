"""Scores, score bits, and how the values of an AB become calls of qc1Ingest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigTrouble
from config.qcflag_rules import Flags, flags
from config.score_rules import ScoreRule, ScoreSet, Statistics, score_set
from engine.core.score import digest
from engine.errors import UsageTrouble
from engine.headers.cards import keywords
from engine.process.qc.flag import decoded, encoded, from_log, write
from engine.process.qc.qc1 import mjd_of, parsed
from engine.process.qc.scores import Past, Scored, from_history, scored
from tests.fakes import make_fits

LIMITS = {"cube_pixels_min": 100.0, "align_limit_arcsec": 0.2}
SINGLE = {
    "missing": 0, "made": 3, "wanted": 3, "valid": 2000, "size": "44 x 48 x 63", "valid_fraction": 0.99,
    "histo_bkg": 0.9, "num_sat": 0, "num_src": 9, "lshift_max": 0.01,
}  # fmt: skip
DEEP = {
    "valid": 2000,
    "size": "x",
    "combined": 3,
    "exposures": 3,
    "not_combined": 0,
    "align_worst": 0.003,
    "aligned": "a",
}


def none(param: str, statistics: Statistics) -> Past:
    return Past(trouble="no history")


def marks(name: str, values: dict[str, object]) -> str:
    found = scored(score_set(name, None), values, LIMITS, none)  # type: ignore[arg-type]
    return digest(tuple(one.score for one in found))


@pytest.mark.row(371)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "......."),
        ({"missing": 1}, "o......"),
        ({"valid": 99}, ".o....."),
        ({"valid": None, "valid_fraction": None}, ".oo...."),
        ({"valid_fraction": 0.1}, "..o...."),
        ({"histo_bkg": -20.1}, "...o..."),
        ({"num_sat": 300, "num_src": 0}, "....oo."),
        ({"lshift_max": None}, "......-"),
        ({"lshift_max": 0.51}, "......o"),
    ],
)
def test_seven_scores_of_a_single_cube(change: dict[str, object], expected: str) -> None:
    assert marks("muse_single", {**SINGLE, **change}) == expected


@pytest.mark.row(372)
@pytest.mark.row(373)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "..."),
        ({"valid": None}, "o.."),
        ({"not_combined": 1, "combined": 2}, ".o."),
        ({"not_combined": None}, ".o."),
        ({"align_worst": 0.21}, "..o"),
        ({"align_worst": None}, "..-"),
    ],
)
def test_three_scores_of_a_deep_cube(change: dict[str, object], expected: str) -> None:
    assert marks("muse_deep", {**DEEP, **change}) == expected


def test_without_any_value_nothing_is_green() -> None:
    assert set(marks("muse_single", {})) == {"-"} and set(marks("generic", {})) == set()


def one(rule: ScoreRule, value: float, history: list[float]) -> Scored:
    points = tuple((float(day), number) for day, number in enumerate(history))
    (found,) = scored(ScoreSet(source="t", scores=(rule,)), {"x": value}, {}, lambda param, statistics: Past(points))
    return found


TREND = ScoreRule(name="trend", param="x", statistics=Statistics(percent=10, least=3))


def test_statistical_limits_come_from_the_history() -> None:
    good, bad = one(TREND, 10.9, [9, 10, 11]), one(TREND, 11.1, [9, 10, 11])
    assert (good.score.mark, bad.score.mark) == (".", "o")
    assert (good.low, good.high, good.points) == (9.0, 11.0, 3) and good.score.limit == "9 to 11"


def test_too_few_points_are_grey_and_say_so() -> None:
    few = one(TREND, 10.0, [9, 10])
    assert few.score.mark == "-" and few.score.remark == "2 of at least 3 points of history"


def test_a_missing_history_is_grey_and_says_why() -> None:
    (found,) = scored(ScoreSet(source="t", scores=(TREND,)), {"x": 1.0}, {}, none)
    assert (found.score.mark, found.score.remark) == ("-", "no history")


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.floats(0.1, 10))
def test_the_mean_of_a_history_is_always_within_its_limits(history: list[float], sigma: float) -> None:
    low, high = from_history(Statistics(sigma=sigma), history)
    mean = sum(history) / len(history)
    assert low is not None and high is not None and low - 1e-6 <= mean <= high + 1e-6
    assert from_history(Statistics(sigma=sigma, side="high"), history) == (None, high)


def test_an_accounts_own_definitions_count_first(tmp_path: Path) -> None:
    own = tmp_path / "scores" / "muse_deep.yaml"
    own.parent.mkdir()
    own.write_text("source: ours\nscores:\n  - {name: size, param: valid, low: 3000}\n")
    found = scored(score_set("muse_deep", tmp_path), DEEP, LIMITS, none)
    assert [score.score.mark for score in found] == ["o"]


@pytest.mark.parametrize(
    "text",
    [
        "source: x\nscores:\n  - {name: a, param: b, low: 1, lo: 2}\n",
        "source: x\nscores:\n  - {name: a, param: b}\n  - {name: a, param: c}\n",
        "source: x\nscores:\n  - {name: a, param: b, statistics: {days: 3}}\n",
        "source: x\nscores:\n  - {name: a, param: b, statistics: {percent: 3, sigma: 1}}\n",
        "scores: !!python/object:os.system x\n",
        "- 1\n",
    ],
)
def test_definitions_that_make_no_sense_are_told_with_their_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "bad.yaml").write_text(text)
    with pytest.raises(ConfigTrouble, match=r"bad\.yaml"):
        score_set("bad", tmp_path)


@pytest.mark.parametrize("name", ["../x", "", "a/b", "nothing"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigTrouble):
        score_set(name, None)


# --- QCFLAG ---------------------------------------------------------------------------------

CLEAN = {
    "sky_errors": 0, "is_sky": 0, "has_sky": 1, "arc_days": 0.5, "sky_flat": 1, "num_sat": 0, "num_src": 3,
    "histo_bkg": 1.0, "lshift_max": 0.1, "align_offset_deg": 1e-5, "align_unmatched": 0, "templates": 1,
}  # fmt: skip


@pytest.mark.row(374)
@pytest.mark.row(376)
@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        ("DATACUBE_SINGLE", {}, "000000000"),
        ("DATACUBE_SINGLE", {"has_sky": 0}, "001000000"),
        ("DATACUBE_SKY", {"is_sky": 1, "has_sky": 0}, "011000000"),
        ("DATACUBE_SINGLE", {"has_sky": 0, "histo_bkg": -25.0}, "001000010"),
        ("DATACUBE_COMBINED", {}, "00000000000"),
        ("DATACUBE_COMBINED", {"has_sky": 0}, "00100000000"),
        ("DATACUBE_SKY_COMB", {"is_sky": 1, "has_sky": 0}, "01100000000"),
        ("DATACUBE_DEEP", {}, "0000000000"),
        ("DATACUBE_DEEP", {"align_offset_deg": 6e-5}, "0000000001"),
        ("DATACUBE_DEEP", {"align_offset_deg": None}, "0000000001"),
        ("DATACUBE_DEEP", {"align_unmatched": 1}, "0000000001"),
        ("DATACUBE_DEEP", {"num_sat": 300, "num_src": 0, "lshift_max": 0.5, "arc_days": 1.6}, "0001011010"),
    ],
)
def test_the_test_vectors_of_the_page(kind: str, change: dict[str, float | None], expected: str) -> None:
    assert encoded(flags("MUSE", None), kind, {**CLEAN, **change}) == expected


@pytest.mark.row(375)
def test_every_bit_is_told_in_words() -> None:
    bits = decoded(flags("MUSE", None), "0010000000")
    assert [(bit.number, bit.name) for bit in bits if bit.flagged] == [(3, "HAS_SKY")]
    assert len(bits) == 10 and bits[5].meaning == "saturated raw pixels < 300"
    assert [bit.number for bit in decoded(flags("GIRAFFE", None), "0" * 11)] == list(range(11))
    assert [bit.name for bit in decoded(flags("KMOS", None), "0000001") if bit.flagged] == ["SKY_SUBTRACT"]


@pytest.mark.parametrize("text", ["", "0010", "00100000002", "0b10000000", "०" * 10, "0" * 12])
def test_what_is_no_qcflag_is_refused(text: str) -> None:
    with pytest.raises(UsageTrouble, match="is no QCFLAG"):
        decoded(flags("MUSE", None), text)


@given(st.dictionaries(st.sampled_from(sorted(CLEAN)), st.one_of(st.none(), st.floats(-1e9, 1e9)), max_size=12))
def test_a_qcflag_always_has_the_width_of_its_type_and_can_be_decoded(values: dict[str, float | None]) -> None:
    rules = flags("MUSE", None)
    for kind, width in rules.types.items():
        text = encoded(rules, kind, values)
        assert len(text) == width and len(decoded(rules, text, kind)) == width


@pytest.mark.row(374)
def test_qcflag_is_a_string_in_the_header_and_is_written_once(tmp_path: Path) -> None:
    path = make_fits(tmp_path / "cube.fits", "DATACUBE_FINAL")
    other = make_fits(tmp_path / "table.fits", "PIXTABLE_REDUCED")
    rules = flags("MUSE", None)
    assert write(rules, "0010000000", [(path, "DATACUBE_FINAL"), (other, "PIXTABLE_REDUCED")]) == ["cube.fits"]
    assert keywords(path, ["QCFLAG"]) == {"QCFLAG": "0010000000"} and not keywords(other, ["QCFLAG"])
    before = path.stat().st_mtime_ns
    write(rules, "0010000000", [(path, "DATACUBE_FINAL")])
    assert path.stat().st_mtime_ns == before, "an unchanged flag touches nothing"


def test_errors_of_the_sky_fit_are_counted_in_the_log() -> None:
    log = "[WARNING] muse_scipost: sky line fit failed\n[ INFO  ] sky fit\n[ ERROR ] sky mask could not be read\n"
    assert from_log(flags("MUSE", None), log) == {"sky_errors": 2}


def test_a_definition_with_a_wrong_condition_is_refused() -> None:
    with pytest.raises(ValueError, match="is no condition"):
        Flags(
            source="x", catgs=(), types={"A": 1},
            bits=[{"name": "X", "good": ["__import__('os')"], "meaning": ""}],  # type: ignore[arg-type]
        )  # fmt: skip


# --- calls of qc1Ingest ---------------------------------------------------------------------


def test_calls_are_read_back_in_any_order() -> None:
    assert parsed("qc1Ingest -abmaglim -26.5 -target 'NGC 300' -table muse_sci_single") == (
        "muse_sci_single",
        {"abmaglim": "-26.5", "target": "NGC 300"},
    )


@pytest.mark.parametrize(
    "line",
    ["", "# qc1Ingest -table x", "rm -rf /", "qc1Ingest -table", "qc1Ingest 'x", "qc1Ingest table x", "qc1Ingest -a 1"],
)
def test_lines_that_are_no_calls_are_none(line: str) -> None:
    assert parsed(line) is None


def test_the_time_of_an_ab_is_in_its_name() -> None:
    assert mjd_of("MUSE.2014-10-22T23:57:32.118_dpc.ab") == pytest.approx(56952.998288, abs=1e-6)
    assert mjd_of("MUSE.2094-99-99_x.ab") == 0.0
