"""docs/safety.md names every test of tests/faults and has no row that none of them fills."""

from __future__ import annotations

from pathlib import Path

from tests.faults.matrix import PAGE, rows


def test_every_fault_test_is_named(repository: Path) -> None:
    text = PAGE.read_text("utf-8")
    missing = [path.name for path in (repository / "tests/faults").glob("test_*.py") if path.name not in text]
    assert not missing


def test_the_table_is_filled_by_tests_that_exist(repository: Path) -> None:
    """Each row begins with words that stand in a test; what a test records must be a row, it says so itself."""
    found = rows(PAGE.read_text("utf-8"))
    sources = "".join(path.read_text("utf-8") for path in (repository / "tests/faults").glob("*.py"))
    assert len(found) > 20
    for what, (calls, states) in found.items():
        assert calls and states
        first = what.removeprefix("undo of ").partition(",")[0].partition(" (")[0]
        assert first in sources, what
