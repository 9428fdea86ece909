"""A directory of this machine as a source, e.g. a mounted pool."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine import threads
from engine.atomic import place as placing
from engine.errors import MoveTrouble
from engine.process.ab.sources.protocol import Fetched, SourceAway


class DirectorySource:
    """Files as `<directory>/<DATE>/<name>` or `<directory>/<name>`; copied, not linked: the pool is somebody else's."""

    def __init__(self, directory: Path, parallel: int = 2) -> None:
        self.name = str(directory)
        self._directory = directory
        self._turns = asyncio.Semaphore(parallel)

    async def fetch(self, names: Sequence[str], into: Path) -> Mapping[str, Fetched]:
        """Copy what is there."""
        if not await asyncio.to_thread(self._directory.is_dir):
            raise SourceAway("the directory is not there", where=self.name, remedy="is it mounted?")
        found = await asyncio.gather(*(self._one(name, into) for name in names))
        return {name: file for name, file in zip(names, found, strict=True) if file}

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _one(self, name: str, into: Path) -> Fetched | None:
        async with self._turns:
            return await threads.to_end(self._copied, name, into)

    def _copied(self, name: str, into: Path) -> Fetched | None:
        for source in (self._directory / into.name / name, self._directory / name):
            try:
                seen = source.stat()
                if not stat.S_ISREG(seen.st_mode):
                    return Fetched(0, f"{source} is not a file")
                placing.copy_hidden(source, into / name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, MoveTrouble) as trouble:
                why = trouble.strerror or str(trouble) if isinstance(trouble, OSError) else trouble.what
                return Fetched(0, f"{source}: {why}")
            return Fetched(seen.st_size)
        return None
