"""The work area: one directory per attempt, and one account per area.

An area says in `.account` whose it is. Two accounts may not share one (processPreImg): their ABs could have the same
names, and one would find the other's recipes.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase

from config.schema import Settings
from config.tree import DfoTree
from engine.atomic import fs, lock
from engine.errors import Busy, RecipeTrouble

NOTE = ".account"
LOCK = ".lock"


class WorkArea:
    """`process.work_area` of an account."""

    def __init__(self, tree: DfoTree, settings: Settings) -> None:
        self.path = tree.expand(settings.process.work_area)
        self._account = str(tree.root)
        self._base = str(self.path)
        self._least_mb = settings.process.min_free_mb
        self._keep = settings.process.keep_work

    # --- whose it is ------------------------------------------------------------------------

    @contextlib.contextmanager
    def held(self, who: str) -> Iterator[None]:
        """Have it for this account while the block runs; Busy names the account that has it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as trouble:
            raise RecipeTrouble(
                f"the work area cannot be made: {trouble.strerror}", where=self._base, remedy="see process.work_area"
            ) from None
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(lock.held(self.path / LOCK, "processAB", who, f"the work area {self._base}"))
            except (Busy, PermissionError) as trouble:
                note = self._note()
                if isinstance(trouble, Busy) and note.get("account") == self._account:
                    raise
                raise self._taken(note) from None
            self._claim(who)
            yield

    def _claim(self, who: str) -> None:
        note = self._note()
        other = str(note.get("account", ""))
        if other and other != self._account and Path(other).is_dir() and any(self._left()):
            raise self._taken(note)
        if other != self._account or note.get("pid") != os.getpid():
            mine = {"account": self._account, "user": who, "host": socket.gethostname(), "pid": os.getpid()}
            fs.replace(self.path / NOTE, json.dumps(mine).encode() + b"\n")  # half a note would be nobody's

    def _left(self) -> Iterator[Path]:
        return (path for path in self.path.iterdir() if path.is_dir())

    def _note(self) -> dict[str, object]:
        try:
            note = json.loads((self.path / NOTE).read_bytes())
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _taken(self, note: dict[str, object]) -> Busy:
        owner = f"{note.get('account', 'another account')} ({note.get('user', '?')}, pid {note.get('pid', '?')})"
        return Busy(
            f"the work area {self._base} belongs to {owner}",
            remedy="give this account one of its own: process.work_area",
        )

    # --- its directories --------------------------------------------------------------------

    def of(self, ab: str) -> str:
        """The directory of all attempts at an AB."""
        return f"{self._base}/{ab.removesuffix('.ab')}"

    def attempt(self, ab: str, number: int) -> str:
        """`<area>/<AB stem>/<number>`, with a letter behind it when that stands there already."""
        first = f"{self.of(ab)}/{number}"
        names = itertools.chain([first], (f"{first}{letter}" for letter in ascii_lowercase))
        return next((name for name in names if not os.path.lexists(name)), first)

    def fresh(self, workdir: Path) -> None:
        """Make the directory of an attempt, which must be new; RecipeTrouble also when the area is full."""
        try:
            room = os.statvfs(self._base)
        except FileNotFoundError:
            self.path.mkdir(parents=True, exist_ok=True)
            room = os.statvfs(self._base)
        free = room.f_bavail * room.f_frsize / 1e6
        if free < self._least_mb:
            raise RecipeTrouble(
                f"work area full: {free:.0f} MB free, at least {self._least_mb} MB are wanted",
                where=self._base,
                remedy="free space or change process.work_area, then r",
            )
        with contextlib.suppress(FileExistsError):
            workdir.parent.mkdir()
        try:
            workdir.mkdir()
        except FileExistsError:
            raise RecipeTrouble(
                "the work directory of this attempt exists already; one directory per run",
                where=str(workdir),
                remedy="move it away, then r",
            ) from None

    def tidy(self, workdir: Path, *, failed: bool) -> None:
        """Take the directory of an attempt away, unless it is to be kept."""
        if self._keep == "always" or (failed and self._keep == "failed"):
            return
        try:
            with os.scandir(workdir) as found:
                names = [entry.path for entry in found]
            for name in names:
                os.unlink(name)  # noqa: PTH108 - no Path for files that go
            workdir.rmdir()
        except OSError as trouble:
            if trouble.errno != errno.ENOENT:
                shutil.rmtree(workdir, ignore_errors=True)
        with contextlib.suppress(OSError):
            workdir.parent.rmdir()
