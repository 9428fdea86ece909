"""The delivery of an export to one web server: what is there already, what goes, what cannot."""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from config.export import Target
from config.schema import Settings
from config.tree import DfoTree
from engine import events as ev
from engine.context import Context
from engine.errors import DfosError
from engine.release.links.links import exported
from engine.stores.database import connect
from engine.transfer.export.delivery import Content, deliver, left_over, opened, proven
from engine.transfer.export.host_keys import RemoteTrouble, file_of, hops, read
from engine.transfer.export.plan import LOGS, PLOTS, Plan, Upload, shown
from engine.transfer.export.sftp import FileTrouble, Sftp, There, connected
from engine.transfer.export.states import Delivered, ExportStates

Folders = Mapping[str, dict[bytes, There]]
_NOTED = 100  # files that are noted together
_FRESH_S = 2.0  # a file as young as this may change again without its time telling


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the files at one server. `trouble` says why it could not be used to the end.

    `sent` files with `sent_bytes` went, `there` were equal already; `failed` are (name, why); `strangers` are
    names in the directories there that nobody here has.
    """

    target: str
    sent: int = 0
    sent_bytes: int = 0
    there: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    trouble: str = ""
    strangers: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True when the server has everything."""
        return not self.trouble and not self.failed

    @property
    def text(self) -> str:
        """One line."""
        words = f"{self.target}: {self.sent} files sent ({self.sent_bytes / 1e6:.1f} MB), {self.there} there already"
        if self.failed:
            words += f", {len(self.failed)} not delivered, first {self.failed[0][0]}: {self.failed[0][1]}"
        return f"{words}; {self.trouble}" if self.trouble else words


def root_of(settings: Settings, target: Target) -> str:
    """The tree of this release on a server."""
    return f"{target.directory.rstrip('/')}/{target.release or settings.instance}"


def states_of(context: Context, target: Target) -> ExportStates:
    """What is noted of a server's tree."""
    return ExportStates(context.db, place_of(context.settings, target))


def place_of(settings: Settings, target: Target) -> str:
    """What `ExportStates` knows a server's tree by."""
    return f"{hops(target)[-1]}:{root_of(settings, target)}"


def access(settings: Settings, tree: DfoTree, target: Target) -> tuple[Target, Path | None, str]:
    """What a login needs: the server, the key file (None: the agent), the text of known_hosts."""
    return target, tree.expand(target.key) if target.key else None, read(file_of(tree, settings.export))


async def folders(sftp: Sftp, root: str, parts: tuple[str, ...], *, make: bool) -> Folders:
    """What stands in the directories of a release on the server; they are made when they may be.

    RemoteTrouble when one leads out of the configured tree.
    """
    found: dict[str, dict[bytes, There]] = {}
    base = os.fsencode(root)
    for part in parts:
        folder = base + b"/" + os.fsencode(part)
        if make:
            await sftp.make_dir(folder)
        elif await sftp.stat(folder, follow=True) is None:
            found[part] = {}
            continue
        inside = (await sftp.real(base)).rstrip(b"/") + b"/" + os.fsencode(part)
        if await sftp.real(folder) != inside:
            raise RemoteTrouble(
                f"on the server, {root}/{part} leads out of {root}", remedy="put a directory in place of the link"
            )
        found[part] = await sftp.listed(folder)
    return found


class Server:
    """The delivery of a plan to one server. Files that are whole there are noted, also when it ends early."""

    def __init__(self, context: Context, plan: Plan, name: str, target: Target) -> None:
        self._context, self._plan, self._name, self._target = context, plan, name, target
        self._root = root_of(context.settings, target)
        self._states = states_of(context, target)
        self._remote = _Remote(context, target, {str(upload.path): upload.remote for upload in plan.files})
        self._noted: list[Delivered] = []
        self._failed: list[tuple[str, str]] = []
        self._strangers: tuple[str, ...] = ()
        self._whole: dict[str, set[bytes]] = {part: set() for part in plan.parts}
        self._sent = self._sent_bytes = self._there = self._files = self._bytes = 0
        self._began = context.clock()

    async def run(self) -> Outcome:
        """Deliver everything that can be delivered."""
        trouble = ""
        try:
            async with connected(*access(self._context.settings, self._context.tree, self._target)) as sftp:
                await self._all(sftp)
        except DfosError as found:
            trouble = str(found)
            self._say("error", f"export to {self._name}: {trouble}")
        except asyncssh.SFTPError as found:
            trouble = f"the server refuses: {found.reason}"
            self._say("error", f"export to {self._name}: {trouble}")
        finally:
            self._flush()
        return Outcome(
            self._name, self._sent, self._sent_bytes, self._there, tuple(self._failed), trouble, self._strangers
        )

    async def _all(self, sftp: Sftp) -> None:
        found = await folders(sftp, self._root, self._plan.parts, make=True)
        waiting = iter(self._plan.files)
        tasks = [asyncio.create_task(self._work(sftp, waiting, found)) for _ in range(self._target.parallel)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._sweep(sftp, found)

    async def _work(self, sftp: Sftp, waiting: Iterator[Upload], found: Folders) -> None:
        for upload in waiting:
            part, name = posixpath.split(upload.remote)
            heard = _Heard(self._more, upload.size)
            try:
                await self._one(sftp, upload, os.fsencode(name), part, found[part], heard)
                self._whole[part].add(os.fsencode(name))
            except FileTrouble as trouble:
                self._failed.append((shown(upload.remote), str(trouble)))
                self._say("error", f"not exported to {self._name}: {shown(upload.remote)}: {trouble}")
            self._files += 1
            heard.rest()

    async def _one(
        self,
        sftp: Sftp,
        upload: Upload,
        name: bytes,
        part: str,
        there: dict[bytes, There],
        heard: Callable[[int], None],
    ) -> None:
        """One file: equal already, or sent."""
        folder, stands = os.fsencode(f"{self._root}/{part}"), there.get(name)
        if stands and stands.folder:
            raise FileTrouble("on the server, a directory has this name", remedy="take it away there")
        known = self._states.get(upload.remote)
        read_back = int(self._context.settings.export.read_back_mb * 1e6)
        unchanged = known is not None and (known.size, known.mtime_ns) == (upload.size, upload.mtime_ns)
        sha256 = known.sha256 if known and unchanged and not upload.html else ""
        try:
            async with opened(upload, self._edited, sha256) as content:
                if stands and await self._equal(sftp, upload, folder + b"/" + name, content, stands, known, read_back):
                    self._there += 1
                    return
                mtime = upload.mtime_ns // 1_000_000_000
                stands, proof = await deliver(sftp, content, folder, name, there, mtime, read_back, heard)
                self._sent += 1
                self._sent_bytes += content.size
                self._note(upload, content, stands, proof)
        except asyncssh.SFTPError as trouble:
            raise await self._refused(sftp, trouble, folder, upload.size) from None

    async def _equal(
        self,
        sftp: Sftp,
        upload: Upload,
        path: bytes,
        content: Content,
        stands: There,
        known: Delivered | None,
        read_back: int,
    ) -> bool:
        """Whether the server has this very content: as noted and untouched since, or proven anew."""
        if not stands.file:
            return False
        untouched = known is not None and (known.there_size, known.there_mtime) == (stands.size, stands.mtime)
        if known and untouched and known.sha256 == content.sha256:
            return True
        as_left = content.size <= read_back or stands.mtime == upload.mtime_ns // 1_000_000_000
        if (known and untouched) or not as_left:
            return False
        proof = await proven(sftp, path, content, read_back)
        if proof:
            self._note(upload, content, stands, proof)
        return bool(proof)

    async def _refused(self, sftp: Sftp, trouble: asyncssh.SFTPError, folder: bytes, size: int) -> RemoteTrouble:
        """What the server's refusal means: a full disk ends the export, anything else is this file's."""
        free = await sftp.free(folder)
        full = isinstance(trouble, asyncssh.SFTPNoSpaceOnFilesystem | asyncssh.SFTPQuotaExceeded)
        if full or (isinstance(trouble, asyncssh.SFTPFailure) and free is not None and free < size):
            left = f", {free / 1e6:.1f} MB are free" if free is not None else ""
            return RemoteTrouble(f"its disk is full{left}", remedy="make room there; it goes on where it was")
        return FileTrouble(f"the server refuses: {trouble.reason}")

    async def _sweep(self, sftp: Sftp, found: Folders) -> None:
        """Take away what interrupted uploads of other versions left; tell what nobody here has."""
        strangers: list[str] = []
        for part, names in found.items():
            for name in left_over(names, self._whole[part]):
                await sftp.remove(os.fsencode(f"{self._root}/{part}/") + name)
            ours = {os.fsencode(posixpath.basename(upload.remote)) for upload in self._plan.files}
            strangers += [
                shown(f"{part}/{os.fsdecode(name)}") for name in names if name not in ours and name[:1] != b"."
            ]
        self._strangers = tuple(strangers)
        if strangers:
            self._say("info", f"{self._name} also has {len(strangers)} files that are not here, first {strangers[0]}")

    def _edited(self, html: bytes, upload: Upload) -> tuple[bytes, tuple[str, ...]]:
        found = exported(html, place=str(upload.path), remote=self._remote)
        return found.html, found.dead

    def _note(self, upload: Upload, content: Content, stands: There, proof: str) -> None:
        if content.dead:
            text = f"{shown(upload.remote)}: {len(content.dead)} links to what is not exported were taken out"
            self._say("info", text)
        noted = Delivered(
            upload.remote,
            upload.size,
            upload.mtime_ns,
            content.sha256,
            stands.size,
            stands.mtime if self._context.clock() - stands.mtime > _FRESH_S else -1,
            proof,
            self._context.utc(),
        )
        self._noted.append(noted)
        if len(self._noted) >= _NOTED:
            self._flush()

    def _flush(self) -> None:
        if self._noted:
            self._states.save(self._noted)
            self._noted = []

    def _more(self, count: int) -> None:
        self._bytes += count
        total, spent = self._plan.total_bytes, self._context.clock() - self._began
        left = f", {spent / self._bytes * (total - self._bytes):.0f} s left" if self._bytes and spent > 1 else ""
        text = f"{self._name}: {self._bytes / 1e6:.1f} of {total / 1e6:.1f} MB{left}"
        self._context.bus.publish(ev.Progressed("export", self._files, len(self._plan.files), text))

    def _say(self, level: str, text: str) -> None:
        self._context.bus.publish(ev.Notice(level, text))


class _Heard:
    """Counts the bytes of one file, never more than it was planned with (a page gets longer or shorter on the way)."""

    def __init__(self, more: Callable[[int], None], size: int) -> None:
        self._more, self._left = more, size

    def __call__(self, count: int) -> None:
        count = min(count, self._left)
        self._left -= count
        self._more(count)

    def rest(self) -> None:
        """The file is dealt with, one way or the other."""
        self(self._left)


class _Remote(Mapping[str, str]):
    """Where every exported file stands on a server, by its local path: those of this export, and those there before.

    Asked from another thread, so it looks up earlier ones with a connection of its own.
    """

    def __init__(self, context: Context, target: Target, names: Mapping[str, str]) -> None:
        self._names, self._tree = names, context.tree
        self._place = place_of(context.settings, target)

    def __getitem__(self, path: str) -> str:
        found = self._names.get(path) or self._earlier(path)
        if not found:
            raise KeyError(path)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _earlier(self, path: str) -> str:
        for part, base in ((LOGS, self._tree.log), (PLOTS, self._tree.plt)):
            if path.startswith(f"{base}/") and path.count("/") == str(base).count("/") + 2:
                remote = part + path.removeprefix(str(base))
                db = connect(self._tree.journal, readonly=True)
                try:
                    return remote if ExportStates(db, self._place, readonly=True).get(remote) else ""
                finally:
                    db.close()
        return ""
