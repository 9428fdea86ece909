"""Where runs are cut by the hundred."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: hundreds of runs with all their syncs."""
    shared = Path("/dev/shm")  # noqa: S108 - a memory disk
    root = Path(tempfile.mkdtemp(prefix="dfos-", dir=shared if shared.is_dir() else tmp_path))
    yield root
    shutil.rmtree(root)
