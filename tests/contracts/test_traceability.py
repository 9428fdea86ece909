"""Every checklist row of this version is shown by a test. What is skipped without need fails, see conftest.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROW_TESTS, WHOLE
from tests.rows import ROWS


def page() -> str:
    lines = [
        "# Traceability",
        "",
        "Each checklist row that holds, and the tests that show it. Written by"
        " `make test ARGS=--write-traceability`; a test proves that they exist; what is skipped without need fails.",
        "",
        "| row | what holds | shown by |",
        "|---|---|---|",
    ]
    for number, what in sorted(ROWS.items()):
        tests = "<br>".join(f"`{name}`" for name in sorted(ROW_TESTS[number]))
        lines.append(f"| {number} | {what} | {tests} |")
    return "\n".join(lines) + "\n"


def test_every_row_is_shown_by_tests(request: pytest.FixtureRequest, repository: Path) -> None:
    strange = sorted(set(ROW_TESTS) - set(ROWS))
    assert not strange, f"rows {strange} are marked but not listed in tests/rows.py"
    if request.config.stash[WHOLE]:
        missing = sorted(number for number in ROWS if not ROW_TESTS[number])
        assert not missing, f"no test shows rows {missing}"
        path = repository / "docs" / "traceability.md"
        if request.config.getoption("--write-traceability"):
            path.write_text(page())
        assert path.read_text() == page(), "call: make test ARGS=--write-traceability"
