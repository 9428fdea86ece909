"""Recipes on this machine: started, followed, suspended, ended, found again.

A recipe runs in its own session and process group, so that it outlives the engine and the
terminal. Its exit is seen through a pidfd (Linux 5.3), by polling where that is missing.
No shell, no pipe: output goes straight into the log file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine import processes, threads
from engine.core.ab import AB
from engine.core.cascade import Kind
from engine.errors import RecipeTrouble
from engine.process.executors import spawn
from engine.process.executors.protocol import Exit, Status
from engine.process.executors.wrapper import tied
from engine.processes import PROC, birth_of, boot_id, end_marked, environ, start_of, state_of
from engine.stores.attempts import Attempt

GRACE_S = 10.0
_NO_WORD = re.compile(r"[^A-Za-z0-9._+-]")
_POLL_S = 0.2
TOKEN = "DFOS_ATTEMPT"  # noqa: S105 - the environment variable that marks a recipe as ours


class Recipe:
    """A running recipe, a process of this host.

    `start` is its start in clock ticks since boot: with the pid it is unique. `token` marks it and what it starts.
    """

    def __init__(self, pid: int, start: int, *, child: bool, token: str = "", pidfd: bool = True) -> None:
        self.pid = pid
        self.start = start
        self.suspended = False
        self.queued = False
        self._child = child
        self._token = token
        self._loop = asyncio.get_running_loop()
        self._frozen_s = 0.0
        self._frozen_at = 0.0
        self._over: asyncio.Future[Exit] = self._loop.create_future()
        self._handle = processes.pidfd(pid) if pidfd else -1
        if self._handle >= 0:
            self._loop.add_reader(self._handle, self._gone)
        else:
            self._loop.call_later(_POLL_S, self._poll)
        if not child and start_of(pid) != start:  # it ended before we had a hold of it: the number may be another's
            self._loop.call_soon(self._gone)

    @property
    def ident(self) -> str:
        """`pid 4711`."""
        return f"pid {self.pid}"

    @property
    def status(self) -> Status:
        """It runs, or is frozen: nothing waits in a queue here."""
        return Status.SUSPENDED if self.suspended else Status.RUNNING

    @property
    def reason(self) -> str:
        """Nothing to say."""
        return ""

    def follow(self, told: Callable[[], object]) -> None:
        """Nothing changes without us."""

    @property
    def over(self) -> bool:
        """True when it has ended."""
        return self._over.done()

    async def wait(self) -> Exit:
        """Wait for its end. A cancelled wait leaves the recipe running."""
        return await asyncio.shield(self._over)

    def suspend(self) -> bool:
        """Freeze the whole group (SIGSTOP); cpu time stands still."""
        if not self.suspended and self._signal(signal.SIGSTOP):
            self.suspended, self._frozen_at = True, self._loop.time()
        return self.suspended

    def resume(self) -> None:
        """Let a frozen recipe go on (SIGCONT)."""
        if self.suspended:
            self.suspended = False
            self._frozen_s += self._loop.time() - self._frozen_at
        self._signal(signal.SIGCONT)

    @property
    def frozen_s(self) -> float:
        """Seconds it was frozen so far; they do not count against a time limit."""
        return self._frozen_s + (self._loop.time() - self._frozen_at if self.suspended else 0.0)

    async def terminate(self, grace_s: float = GRACE_S) -> None:
        """End it: SIGTERM, SIGCONT (a frozen process would not hear), SIGKILL after `grace_s` seconds."""
        self._signal(signal.SIGTERM)
        self.resume()
        try:
            async with asyncio.timeout(grace_s):
                await self.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.wait()
        if self._token:
            with contextlib.suppress(OSError):  # /proc cannot be listed: nobody can be looked for
                await threads.to_end(end_marked, TOKEN, self._token)  # what has left its group

    def leave(self) -> None:
        """Stop following it; it runs on."""
        self._close()

    def _signal(self, number: signal.Signals) -> bool:
        # A zombie keeps its pid until we reap it; for a foreign process pid and start must still match.
        if self.over or (not self._child and start_of(self.pid) != self.start):
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
            return True
        return False

    def _poll(self) -> None:
        if self._child:
            ended = True  # where somebody else has waited for it
            with contextlib.suppress(ChildProcessError):
                ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        else:
            ended = start_of(self.pid) != self.start
        if ended:
            self._gone()
        elif not self.over:
            self._loop.call_later(_POLL_S, self._poll)

    def _gone(self) -> None:
        self._close()
        if self.over:
            return
        if not self._child:
            self._over.set_result(Exit(None))
            return
        # Whatever the recipe left behind in its group; the zombie still reserves the number.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            status = os.waitpid(self.pid, 0)[1]
        except ChildProcessError:
            self._over.set_result(Exit(None))
            return
        self._over.set_result(Exit(os.waitstatus_to_exitcode(status)))

    def _close(self) -> None:
        if self._handle >= 0:
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
            self._handle = -1


class LocalExecutor:
    """Starts recipes on this host. `tied`: they die with this process, as what a batch system started must."""

    def __init__(self, *, pidfd: bool = True, tied: bool = False) -> None:
        self.boot = boot_id()
        self._pidfd = pidfd
        self._tied = tied

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | str,
        log: Path | str,
        env: Mapping[str, str],
        ab: AB | None = None,
        kind: Kind | None = None,
    ) -> Recipe:
        """Start a recipe with an argument list in `cwd`, its output appended to `log`; whose it is makes no difference.

        RecipeTrouble when the program cannot be started.
        """
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as trouble:
            raise RecipeTrouble(f"the log cannot be written: {trouble.strerror}", where=str(log)) from None
        try:
            text = str(cwd)
            if self._tied:
                pid = spawn.popen(argv, text, env, out, tied(os.getpid()))
            else:
                pid = spawn.started(argv, text, env, out)
        except (OSError, ValueError) as trouble:
            raise RecipeTrouble(
                f"{argv[0]} cannot be started: {getattr(trouble, 'strerror', None) or trouble}",
                where=str(cwd),
                remedy="is the pipeline installed? dfos doctor shows what is missing",
            ) from None
        finally:
            os.close(out)
        return Recipe(pid, birth_of(pid), child=True, token=env.get(TOKEN, ""), pidfd=self._pidfd)

    def reattach(self, pid: int, start: int, boot: str, token: str = "") -> Recipe | None:
        """Follow a recipe of an earlier engine; None when it is gone (or the machine was booted since)."""
        if boot != self.boot or not start or start_of(pid) != start:
            return None
        recipe = Recipe(pid, start, child=False, token=token, pidfd=self._pidfd)
        if state_of(pid) == "T":
            recipe.suspended, recipe._frozen_at = True, recipe._loop.time()
        return recipe

    async def found(self, attempt: Attempt) -> Recipe | None:
        """Follow the recipe of an attempt, by its pid, or by its token where the pid was not journalled yet."""
        if attempt.boot != self.boot:
            return None
        token = attempt.token
        if attempt.pid and attempt.pid_start:
            recipe = self.reattach(attempt.pid, attempt.pid_start, self.boot, token)
            if recipe is None and token:  # what it left behind is no recipe, and must not write any more
                await threads.to_end(end_marked, TOKEN, token)
            return recipe
        seen = await asyncio.to_thread(self.find, attempt.workdir, token)
        return self.reattach(*seen, attempt.boot, token) if seen else None

    async def close(self) -> None:
        """Nothing is kept open."""

    def find(self, workdir: Path | str, token: str = "") -> tuple[int, int] | None:
        """(pid, start) of the recipe of attempt `token`, or without one of any recipe of ours in `workdir` or below.

        Finds what was started but not yet journalled; None when there is none. An operator's shell in
        that directory is no recipe. What counts is the leader of the group.
        """
        base = os.path.realpath(workdir)
        mark = f"{TOKEN}={token}".encode()  # without a token: any recipe of ours in that directory
        for place in PROC.iterdir():
            if not place.name.isdigit() or int(place.name) == os.getpid():
                continue
            pid = int(place.name)
            if not (token or _works_in(pid, base)):
                continue
            if not any(entry == mark if token else entry.startswith(mark) for entry in environ(pid)):
                continue
            with contextlib.suppress(OSError):
                leader = os.getpgid(pid)
                if leader != os.getpgrp() and (start := start_of(leader)):
                    return leader, start
        return None


def environment(home: Path | str, threads: int, token: str, path: str = "") -> dict[str, str]:
    """The whole environment of a recipe: nothing of the caller's leaks in but PATH."""
    return {
        "HOME": str(home),
        "PATH": path or os.defpath,
        "LC_ALL": "C",
        "TZ": "UTC",
        "OMP_NUM_THREADS": str(threads),
        TOKEN: token,
    }


def new_token(ab: str, attempt: int) -> str:
    """A mark that tells one attempt from all others, a plain word for every batch system."""
    return f"{_NO_WORD.sub('_', ab)[:150]}:{attempt}:{time.time_ns():x}"


def _works_in(pid: int, base: str) -> bool:
    try:
        place = str((PROC / str(pid) / "cwd").readlink()).removesuffix(" (deleted)")
    except OSError:
        return False
    return place == base or place.startswith(base + "/")
