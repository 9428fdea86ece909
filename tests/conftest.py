"""For the whole suite: which checklist row each test shows, and what ran."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.process.ab.pipeline import plugin_dir
from tests.oca_rules import INSTALLED
from tests.postgres import programs

ROW_TESTS: dict[int, set[str]] = defaultdict(set)
OUTCOMES: dict[str, str] = {}
WHOLE = pytest.StashKey[bool]()
_LAST = "test_traceability.py"

# The same examples every time, however slow the machine: a law that fails, fails for everybody.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-traceability", action="store_true", help="write docs/traceability.md from the marks")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[WHOLE] = not config.option.keyword and not config.option.markexpr and config.args in (["tests"], [])


def base(nodeid: str) -> str:
    """The test function of a node, without its parameters."""
    return nodeid.partition("[")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LAST in item.nodeid)
    missing = _missing()
    for item in items:
        for mark in item.iter_markers("row"):
            for number in mark.args:
                ROW_TESTS[number].add(base(item.nodeid))
        real = item.get_closest_marker("real")
        needed = real.args[0] if real and real.args else "esorex"
        if real and needed in missing and not os.environ.get("DFOS_REAL_REQUIRED"):
            item.add_marker(pytest.mark.skip(reason=f"{missing[needed]} is not installed on this machine"))


def _missing() -> dict[str, str]:
    """What real tests may need and this machine has not: as a marker names it, and in words."""
    found = {}
    if shutil.which("esorex") is None or not plugin_dir("MUSE"):
        found["esorex"] = "esorex with the MUSE recipes"
    if programs() is None:
        found["postgres"] = "PostgreSQL's server"
    if not INSTALLED:
        found["oca"] = "a pipeline with its rule file (cpl-plugin-muse ...)"
    if shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") is None:
        found["sshd"] = "OpenSSH's server"
    return found


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = base(report.nodeid)
    if report.when == "call" or report.outcome != "passed":
        worst = OUTCOMES.get(name)
        OUTCOMES[name] = report.outcome if worst in (None, "passed") else worst


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent
