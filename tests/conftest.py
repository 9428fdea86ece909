"""For the whole suite: which checklist row each test shows, what may be skipped, examples that are always the same."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.process.ab.pipeline import plugin_dir
from tests.oca_rules import INSTALLED
from tests.postgres import programs

ROW_TESTS: dict[int, set[str]] = defaultdict(set)
WHOLE = pytest.StashKey[bool]()

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that does not run shows nothing: only a real one may be skipped, where its programs are missing."""
    report = yield
    if report.skipped and not item.get_closest_marker("real") and "real" not in item.path.parts:
        report.outcome, report.longrepr = "failed", "skipped without being a real one"
    return report


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent
