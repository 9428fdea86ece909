"""The HTCondor pool as an engine under test. One pool for the whole session; a directory per test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.process.executors.htcondor import HTCondor
from engine.process.executors.htcondor_ads import Site as JobSite
from engine.process.executors.htcondor_queue import Contact
from engine.process.executors.records import Records
from tests.condor_pool import Pool
from tests.condor_root import lacking, place
from tests.executors import Site, needs

ANSWER_S = 90.0  # only what never answers takes as long
_POOL = pytest.StashKey[Pool]()


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
        f"contact = Contact({pool.address!r}, '', {pool.client!r})\n"
        f"executor = HTCondor(Records(root / 'records'), contact, Site('/usr/bin/python3'), answer_s={ANSWER_S})\n"
    )

    def make() -> HTCondor:
        return HTCondor(Records(root / "records"), contact(pool), JobSite("/usr/bin/python3"), answer_s=ANSWER_S)

    return Site("htcondor", root, make, code, memory_enforced=True, python="/usr/bin/python3")


def the_pool(request: pytest.FixtureRequest) -> Pool:
    """The pool of this test session, started when first asked for, without jobs. It sees the tests' directories.

    For the rest of the test its user may change what we write: real operators have one name on both sides.
    """
    lack = lacking()
    needs(not lack, lack)
    found = request.config.stash.get(_POOL, None)
    if found is None:
        places: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        found = Pool(place(), places.mktemp("condor"), places.getbasetemp())
        request.config.add_cleanup(found.stop)
        request.config.stash[_POOL] = found
    found.clean()
    before = os.umask(0)
    request.addfinalizer(lambda: os.umask(before))
    return found
