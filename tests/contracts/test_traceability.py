"""Every checklist row of this version is shown by a test that exists and ran. Runs last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import OUTCOMES, ROW_TESTS, WHOLE
from tests.rows import ROWS


def page() -> str:
    lines = [
        "# Traceability",
        "",
        "Each checklist row that holds, and the tests that show it. Written by"
        " `make test ARGS=--write-traceability`; a test proves that these tests exist and ran.",
        "",
        "| row | what holds | shown by |",
        "|---|---|---|",
    ]
    for number, what in sorted(ROWS.items()):
        tests = "<br>".join(f"`{name}`" for name in sorted(ROW_TESTS[number]))
        lines.append(f"| {number} | {what} | {tests} |")
    return "\n".join(lines) + "\n"


def test_every_row_is_shown_by_tests_that_ran(request: pytest.FixtureRequest, repository: Path) -> None:
    if request.config.stash[WHOLE]:
        missing = sorted(number for number in ROWS if not ROW_TESTS[number])
        assert not missing, f"no test shows rows {missing}"
        strange = sorted(set(ROW_TESTS) - set(ROWS))
        assert not strange, f"rows {strange} are marked in tests but not listed in tests/rows.py"
        path = repository / "docs" / "traceability.md"
        if request.config.getoption("--write-traceability"):
            path.write_text(page())
        assert path.read_text() == page(), "call: make test ARGS=--write-traceability"
    marked = {name for names in ROW_TESTS.values() for name in names}
    not_ran = {
        name: OUTCOMES.get(name, "never ran") for name in marked if OUTCOMES.get(name) not in ("passed", "skipped")
    }
    assert not not_ran


def test_skipped_tests_are_only_real_ones(request: pytest.FixtureRequest) -> None:
    items = {item.nodeid.partition("[")[0]: item for item in request.session.items}
    for name, outcome in OUTCOMES.items():
        if outcome == "skipped":
            assert items[name].get_closest_marker("real"), f"{name} is skipped without being a real one"
