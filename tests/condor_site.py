"""The HTCondor pool as an engine under test. One pool for the whole session; a directory per test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.process.executors.htcondor import HTCondor
from engine.process.executors.htcondor_ads import Site as JobSite
from engine.process.executors.htcondor_queue import Contact
from engine.process.executors.records import Records
from tests.condor_pool import Pool
from tests.condor_root import lacking, place
from tests.executors import Site, needs


def contact(pool: Pool) -> Contact:
    """How an executor reaches a pool."""
    return Contact(pool.address, "", pool.client)


def condor_site(pool: Pool, root: Path) -> Site:
    """The engine under test, its jobs below `root`, which user ops of the pool may write to."""
    for directory in (root, root / "records"):
        directory.mkdir(exist_ok=True)
        directory.chmod(0o777)
    code = (
        "from engine.process.executors.htcondor import HTCondor\n"
        "from engine.process.executors.htcondor_ads import Site\n"
        "from engine.process.executors.htcondor_queue import Contact\n"
        "from engine.process.executors.records import Records\n"
        "import os; os.umask(0)\n"
        f"executor = HTCondor(Records(root / 'records'), Contact({pool.address!r}, '', {pool.client!r}), Site())\n"
    )

    def make() -> HTCondor:
        return HTCondor(Records(root / "records"), contact(pool), JobSite())

    return Site("htcondor", root, make, code, patience_s=60.0, python="/usr/bin/python3")


@pytest.fixture(scope="session")
def _one_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    lack = lacking()
    needs(not lack, lack)
    pool = Pool(place(), tmp_path_factory.mktemp("condor"), tmp_path_factory.getbasetemp())
    yield pool
    pool.stop()


@pytest.fixture
def condor_pool(_one_pool: Pool) -> Iterator[Pool]:
    """A running pool that sees the tests' directories; what we write its user may change."""
    before = os.umask(0)  # real operators have one name on both sides, here it is root and ops
    yield _one_pool
    os.umask(before)
