"""The registry of pseudo-dates: look-up first, rule second, a person where neither is enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.dates import date_label
from engine.errors import DfosError, UsageTrouble
from engine.questions import PSEUDO_DATE
from engine.stores.pseudo_dates import LabelNeeded, PseudoDates

NOW = "2026-01-01T00:00:00"


@pytest.fixture
def registry(tmp_path: Path) -> PseudoDates:
    return PseudoDates.below(tmp_path)


def test_the_documented_run_gets_its_documented_label(registry: PseudoDates) -> None:
    assert registry.resolve("094.A-0116B") == "2094-01-16"
    assert registry.label_of("094.A-0116B") is None
    registry.record("094.A-0116B", registry.resolve("094.A-0116B"), NOW)
    assert registry.label_of("094.A-0116B") == "2094-01-16"
    assert registry.run_of("2094-01-16") == "094.A-0116B"
    assert registry.path.read_text().splitlines()[1] == f"094.A-0116B 2094-01-16 {NOW}"


@pytest.mark.row(22)
def test_labels_need_not_be_days(registry: PseudoDates) -> None:
    assert registry.resolve("095.B-0934A") == "2095-09-34"
    assert registry.resolve("60.A-9100A") == "2060-91-00"


def test_the_table_wins_over_the_rule(registry: PseudoDates) -> None:
    registry.record("094.A-0116B", "2194-01-16", NOW)
    assert registry.resolve("094.A-0116B") == "2194-01-16"


def test_a_taken_label_is_asked_and_never_auto_answered(registry: PseudoDates) -> None:
    registry.record("094.A-0116A", "2094-01-16", NOW)
    with pytest.raises(LabelNeeded) as caught:
        registry.resolve("094.A-0116B")
    question = caught.value.question
    assert caught.value.exit_code == 3
    assert "stands for run 094.A-0116A already" in question.text
    assert (question.kind, question.auto, question.safe) == (PSEUDO_DATE, None, "refuse")
    registry.record("094.A-0116B", caught.value.proposed, NOW)
    assert registry.resolve("094.A-0116B") == caught.value.proposed != "2094-01-16"


@pytest.mark.parametrize("run_id", ["0100.D-0123A", "1100.A-0528A", "105.20AB.001"])
def test_a_run_the_rule_does_not_cover_is_asked(registry: PseudoDates, run_id: str) -> None:
    with pytest.raises(LabelNeeded, match="no rule") as caught:
        registry.resolve(run_id)
    assert date_label(caught.value.proposed) == caught.value.proposed
    assert not registry.path.exists()


def test_comments_and_order_survive_a_new_line(registry: PseudoDates) -> None:
    registry.path.parent.mkdir(parents=True)
    registry.path.write_text("# mine\n\n094.D-0114B  2094-01-14\t2015-01-01T00:00:00 # by hand")
    registry.record("095.B-0934A", "2095-09-34", NOW)
    assert registry.path.read_text() == (
        "# mine\n\n094.D-0114B  2094-01-14\t2015-01-01T00:00:00 # by hand\n095.B-0934A 2095-09-34 " + NOW + "\n"
    )
    registry.record("095.B-0934A", "2095-09-34", NOW)
    assert registry.path.read_text().count("095.B-0934A") == 1


@pytest.mark.parametrize(
    ("run_id", "label", "created"),
    [
        ("094.A-0116B", "2094-01-17", NOW),
        ("094.A-0116C", "2094-01-16", NOW),
        ("094.A-0117C", "2094-1-17", NOW),
        ("a b", "2094-01-18", NOW),
        ("../../x", "2094-01-18", NOW),
        ("094.A-0118A", "2094-01-18", "now\n094.A-0119A"),
    ],
)
def test_nothing_is_recorded_over_something_else(registry: PseudoDates, run_id: str, label: str, created: str) -> None:
    registry.record("094.A-0116B", "2094-01-16", NOW)
    before = registry.path.read_bytes()
    with pytest.raises(UsageTrouble):
        registry.record(run_id, label, created)
    assert registry.path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        b"094.A-0116B 2094-01-16\n",
        b"094.A-0116B 2094-1-16 now\n",
        b"094.A-0116B 2094-01-16 a\n094.A-0116B 2094-01-17 b\n",
        b"094.A-0116B 2094-01-16 a\n094.A-0116C 2094-01-16 b\n",
        b"\xff\xfe\n",
    ],
)
def test_a_damaged_table_is_named_and_left_alone(registry: PseudoDates, text: bytes) -> None:
    registry.path.parent.mkdir(parents=True)
    registry.path.write_bytes(text)
    with pytest.raises(DfosError, match=r"pseudo_dates\.txt"):
        registry.record("095.B-0934A", "2095-09-34", NOW)
    assert registry.path.read_bytes() == text
