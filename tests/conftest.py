"""For the whole suite: which checklist row each test shows, and what ran."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from engine.process.pipeline import plugin_dir

ROW_TESTS: dict[int, set[str]] = defaultdict(set)
OUTCOMES: dict[str, str] = {}
WHOLE = pytest.StashKey[bool]()
_LAST = "test_traceability.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-traceability", action="store_true", help="write docs/traceability.md from the marks")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[WHOLE] = not config.option.keyword and not config.option.markexpr and config.args in (["tests"], [])


def base(nodeid: str) -> str:
    """The test function of a node, without its parameters."""
    return nodeid.partition("[")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LAST in item.nodeid)
    real_missing = shutil.which("esorex") is None or not plugin_dir("MUSE")
    for item in items:
        for mark in item.iter_markers("row"):
            for number in mark.args:
                ROW_TESTS[number].add(base(item.nodeid))
        if item.get_closest_marker("real") and real_missing and not os.environ.get("DFOS_REAL_REQUIRED"):
            item.add_marker(pytest.mark.skip(reason="esorex with the MUSE recipes is not installed on this machine"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = base(report.nodeid)
    if report.when == "call" or report.outcome != "passed":
        worst = OUTCOMES.get(name)
        OUTCOMES[name] = report.outcome if worst in (None, "passed") else worst


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent
