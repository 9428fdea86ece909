"""One AB of a cascade that was handed over, on the host that got it: recipe, judgement, delivery, AB.

What depends on it reads its products from $DFS_PRODUCT, so all is finished here; the engine reads the AB when it is
back. The journal is not touched: a database is not shared between hosts.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import signal
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from config.schema import Settings
from config.tree import DIRECTORIES, DfoTree
from engine.atomic import fs
from engine.board import Board
from engine.bus import Bus
from engine.context import Context
from engine.core.cascade import Kind, kind_of
from engine.errors import DfosError
from engine.kinds import kinds_of
from engine.process.ab.pipeline import Pipeline
from engine.process.ab.process_ab import ProcessAb
from engine.process.executors.local import LocalExecutor
from engine.process.executors.protocol import Running
from engine.process.run.job import Task
from engine.questions import Answer, Parked, Question
from engine.stores.abs import read

ENTRY = "console.detached"
_ENDED = (-signal.SIGTERM, -signal.SIGINT)
_TOLD_S = 5.0


@dataclass(frozen=True, slots=True)
class Account:
    """What a host must know of the account whose ABs it runs: written once per hand-over, read by every job."""

    settings: Settings
    tree: DfoTree
    pipeline: Pipeline
    who: str

    def write(self, place: Path) -> Path:
        """Leave it for the jobs in a directory; the file, the same one for the same account and settings."""
        tree = {name: str(getattr(self.tree, name)) for name in ("root", *DIRECTORIES.values())}
        data = {
            "settings": self.settings.model_dump(mode="json"),
            "tree": tree,
            "variables": dict(self.tree.variables),
            "pipeline": asdict(self.pipeline),
            "who": self.who,
        }
        text = json.dumps(data, sort_keys=True).encode()
        path = place / f"account-{hashlib.sha256(text).hexdigest()[:12]}.run"
        place.mkdir(parents=True, exist_ok=True)
        fs.replace(path, text)
        return path

    @classmethod
    def read(cls, path: Path) -> Account:
        """What `write` left; DfosError when it cannot be read."""
        try:
            data = json.loads(path.read_bytes())
            places: dict[str, Any] = {name: Path(text) for name, text in data["tree"].items()}
            known = {field.name for field in fields(Pipeline)}
            pipeline: dict[str, Any] = {name: value for name, value in data["pipeline"].items() if name in known}
            pipeline["program"] = tuple(pipeline["program"])
            return cls(
                Settings.model_validate(data["settings"]),
                DfoTree(**places, variables=data["variables"]),
                Pipeline(**pipeline),
                str(data["who"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as trouble:
            raise DfosError(f"no account can be read: {trouble}", where=str(path)) from None


async def run(account: Account, ab: str, attempt: int, workdir: str, token: str, plugins: Mapping[str, Any]) -> int:
    """Process one AB here; 0 when it is SUCCESSFUL, 1 when it has FAILED, 2 when it was told to end."""
    context = Context(
        account.settings,
        account.tree,
        Bus("detached", time.time),
        Board(),
        _Nobody(),
        sqlite3.connect(":memory:"),
        account.who,
        True,
    )
    job = ProcessAb(context, account.pipeline, LocalExecutor(tied=True), plugins)
    known = read(job.ground.store.path(ab))
    kind = kind_of(known, kinds_of(account.settings)) or Kind(known.recipe, known.recipe, known.tag, (), 1, 1)
    watcher = _Watcher()
    task = Task(ab, kind, 1, 0, attempt, workdir, token, time.time(), None, watcher)

    def told() -> None:
        task.aborted = "told to end by its batch system"
        ended.set()
        if task.recipe:
            ending.append(asyncio.ensure_future(task.recipe.terminate(5.0)))

    ending: list[asyncio.Future[None]] = []
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    try:
        result = await job.run(task)
        if result.state == "FAILED" and watcher.rc in _ENDED:
            with contextlib.suppress(TimeoutError):  # a batch system may tell the recipe before it tells us
                async with asyncio.timeout(_TOLD_S):
                    await ended.wait()
            if task.aborted:
                job.reset([ab])
                return 2
    finally:
        await asyncio.gather(*ending, return_exceptions=True)
        with contextlib.suppress(DfosError):
            await job.close()
        context.db.close()
    return {"DONE": 0, "FAILED": 1}.get(result.state, 2)


class _Nobody:
    """Nobody is there to answer."""

    async def ask(self, question: Question) -> Answer:
        raise Parked(question)


class _Watcher:
    """Remembers how the recipe ended."""

    rc: int | None = None

    def spawned(self, task: Task, recipe: Running) -> None:
        """The recipe runs."""

    def exited(self, task: Task, rc: int | None) -> None:
        """The recipe has ended."""
        self.rc = rc
