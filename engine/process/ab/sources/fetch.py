"""Inputs that are not on disk are brought there: verified, never over another file, once for all ABs that want them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config import sources as config
from engine import threads
from engine.atomic import fs
from engine.context import Context
from engine.core.sizes import counted
from engine.errors import DfosError, RecipeTrouble
from engine.events import Notice, Progressed
from engine.headers.verify import verify
from engine.process.ab.sources.directory import DirectorySource
from engine.process.ab.sources.protocol import Fetched, Source, SourceAway

_UNSEALED = re.compile(r"HDU \d+: no (CHECKSUM|DATASUM)")
_LOOK_S = 0.5  # seconds between two looks whether the AB is still wanted
RAW, PRODUCTS = "raw", "products"


@dataclass(frozen=True, slots=True)
class Asked:
    """A source with the settings it is asked by."""

    source: Source
    files: str
    tries: int
    retry_s: float


class Fetcher:
    """The sources of an account. `active` tells whether there are any."""

    def __init__(self, context: Context, asked: Sequence[Asked] | None = None) -> None:
        self._context = context
        self._tree = context.tree
        self._asked = list(asked) if asked is not None else None
        self._under_way: dict[Path, asyncio.Task[str]] = {}
        self._done = self._of = 0
        self.active = bool(context.settings.sources if asked is None else asked)

    async def provide(self, targets: Iterable[Path], wanted: Callable[[], bool] = lambda: True) -> None:
        """Bring these files to their places. RecipeTrouble names the first that could not be had, and why.

        `wanted` says whether somebody still waits; downloads under way go on for others.
        """
        tasks = self._tasks(dict.fromkeys(targets))
        while wanted():
            _, left = await asyncio.wait(tasks.values(), timeout=_LOOK_S) if tasks else ((), ())
            if not left:
                break
        failed = [(path, why) for path, task in tasks.items() if task.done() and (why := task.result())]
        if failed:
            path, why = failed[0]
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            raise RecipeTrouble(
                f"missing input {self._tree.shorten(path)}{more}: {why}", remedy="bring the file there, then r"
            )

    async def close(self) -> None:
        """End what is under way; halves are left under hidden names and replaced by the next try."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        for asked in self._asked or ():
            await asked.source.close()

    # --- each file once ---------------------------------------------------------------------

    def _tasks(self, targets: Collection[Path]) -> dict[Path, asyncio.Task[str]]:
        fresh: dict[tuple[Path, str], list[Path]] = {}
        for path in targets:
            known = self._under_way.get(path)
            if known is None or (known.done() and (known.cancelled() or known.result() or not path.exists())):
                fresh.setdefault((path.parent, self._kind(path)), []).append(path)
        for (folder, kind), paths in fresh.items():
            batch = asyncio.create_task(self._batch(folder, kind, [path.name for path in paths]))
            for path in paths:
                self._under_way[path] = asyncio.create_task(_one_of(batch, path.name))
        self._of += sum(map(len, fresh.values()))
        return {path: self._under_way[path] for path in targets}

    def _kind(self, path: Path) -> str:
        return RAW if path.is_relative_to(self._tree.raw) else PRODUCTS

    async def _batch(self, folder: Path, kind: str, names: list[str]) -> dict[str, str]:
        """Why each of the names could not be had; '' for those that are there now."""
        why = {name: "in none of the sources" for name in names}
        try:
            await threads.to_end(fs.make_dir, folder)
            for asked in self._sources():
                left = [name for name, reason in why.items() if reason]
                if left and asked.files in ("all", kind):
                    why |= await self._tried(asked, folder, left, why)
        except (DfosError, OSError) as trouble:
            why = {name: reason and str(trouble) for name, reason in why.items()}
        self._done += len(names)
        lacking = sum(map(bool, why.values()))
        text = f"{counted(len(names) - lacking, 'file')} fetched" + (f", {lacking} not to be had" if lacking else "")
        self._context.bus.publish(Progressed("fetch", self._done, self._of, text))
        return why

    async def _tried(self, asked: Asked, folder: Path, names: list[str], known: dict[str, str]) -> dict[str, str]:
        """Ask one source until nothing is left that another try could bring."""
        why = {name: known[name] for name in names}
        left, wait = names, asked.retry_s
        for number in range(asked.tries):
            if number:
                await asyncio.sleep(wait)
                wait *= 2
            try:
                found = await asked.source.fetch(left, folder)
            except SourceAway as trouble:
                why |= dict.fromkeys(left, str(trouble))
                continue
            placed = await threads.to_end(_placed, asked, folder, found)
            why |= placed
            for name in (name for name, reason in placed.items() if not reason):
                text = f"{name} fetched from {asked.source.name}, {found[name].size / 1e6:.1f} MB"
                self._context.bus.publish(Notice("info", text))
            left = [name for name, reason in placed.items() if reason]
            if not left:
                break
        return why

    def _sources(self) -> list[Asked]:
        if self._asked is None:
            self._asked = sources_of(self._context)
        return self._asked


async def _one_of(batch: asyncio.Task[dict[str, str]], name: str) -> str:
    return (await asyncio.shield(batch))[name]


def _placed(asked: Asked, folder: Path, found: Mapping[str, Fetched]) -> dict[str, str]:
    """Verify what came and give it its name; why not, by name. Blocking, durable."""
    why: dict[str, str] = {}
    for name, file in found.items():
        target, hidden = folder / name, fs.hidden(folder / name)
        reason = file.trouble or damage(hidden, file.size)
        if reason:
            reason += f" (from {asked.source.name})"
        elif not os.path.lexists(target):
            fs.publish(hidden, target)
        elif not target.is_file():  # a file that somebody else brought meanwhile is as good
            reason = "something else stands in its place"
        fs.remove(hidden)
        why[name] = reason
    return why


def damage(path: Path, size: int) -> str:
    """What is wrong with a file that came, '' when it is whole: its size, its end, its checksums where it has any."""
    try:
        came = path.stat().st_size
    except OSError as trouble:
        return f"it did not come: {trouble.strerror}"
    if came != size:
        return f"{came} of {size} bytes came"
    if not path.name.removesuffix(".dfos~").endswith(".fits"):
        return ""
    problems = [text for text in verify(path).problems if not _UNSEALED.match(text)]
    return f"it came damaged: {problems[0]}" if problems else ""


def sources_of(context: Context) -> list[Asked]:
    """The configured sources, nothing connected yet. DfosError when known_hosts is not to be trusted."""
    return [Asked(_source(context, one), one.files, one.tries, one.retry_s) for one in context.settings.sources]


def _source(context: Context, one: config.Source) -> Source:
    tree = context.tree
    if one.kind == "directory":
        return DirectorySource(tree.expand(one.directory), one.parallel)
    from engine.process.ab.sources.sftp import SftpSource  # its library is slow to load
    from engine.transfer.export.host_keys import file_of, read

    known = read(file_of(tree, context.settings.export))
    return SftpSource(one, tree.expand(one.key) if one.key else None, known)
