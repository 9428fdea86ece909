"""What jobs leave on disk: specs, claims and exit records, one directory for all of a work area.

The only word on success that counts (distributed-engines section 6). Whatever lies there may be
damaged, huge, a link or somebody else's: such a record is BadRecord, and its job counts as lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from engine.atomic import fs
from engine.errors import DfosError, UsageTrouble
from engine.process.executors import wrapper
from engine.process.executors.protocol import JobRef, JobSpec, JobState, Status

WRAPPER = Path(wrapper.__file__)
RECORDS = "records"  # below the work area
_MOST = 65536  # bytes of a claim or an exit record
_MOST_SPEC = 16 << 20  # of a spec: it names all it comes after
_TOKEN = re.compile(r"[A-Za-z0-9._:+/@=-]{1,200}")
_KINDS = (".spec.json", ".claim.json", ".json", ".hold", ".out", ".log")


class BadRecord(DfosError):
    """An exit record or claim that cannot be believed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who runs a job: host and process, since when (seconds since 1970), and the engine's number where it has one."""

    token: str
    attempt: int
    host: str
    pid: int
    started: float
    job: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended, by its wrapper.

    `told`: the signal it was told to end with, 0 for none; `skipped`: why it never ran. Times in
    seconds since 1970; memory in MB: the largest process of the recipe.
    """

    token: str
    attempt: int
    host: str
    pid: int
    started: float
    ended: float
    code: int | None
    signal: int | None
    max_rss_mb: float = 0.0
    asked_mb: float = 0.0
    told: int = 0
    skipped: str = ""
    job: str = ""
    trouble: str = ""

    @property
    def rc(self) -> int | None:
        """As subprocess gives it: negative is a signal; None when it never ran."""
        return self.code if self.signal is None else -self.signal

    @property
    def well(self) -> bool:
        """It ran to its end. One that was told to end may say 0 and have left half of its products."""
        return self.rc == 0 and not self.told

    @property
    def lacked_memory(self) -> bool:
        """Killed when it used what it had asked for, or nearly."""
        return self.signal == signal.SIGKILL and 0 < 0.9 * self.asked_mb <= self.max_rss_mb

    def state(self, ref: JobRef) -> JobState:
        """What it means for the job, if its engine says nothing else."""
        if self.skipped:
            status, reason = Status.REMOVED, self.skipped
        elif self.well:
            status, reason = Status.DONE, ""
        elif self.told:
            status, reason = Status.REMOVED, f"ended from outside (signal {self.told})"
        else:
            status, reason = Status.FAILED, self.trouble or _words(self)
        orphan = bool(self.skipped) and self.skipped != wrapper.REMOVED
        return JobState(ref, status, reason, self.rc, self.host, self.lacked_memory, round(self.max_rss_mb), orphan)


class Records:
    """The records in a directory that is seen under the same path by us and by the hosts that run jobs."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def write_spec(self, job: JobSpec, *, waits: bool = False) -> Path:
        """Write what the wrapper reads, durably; the path. `waits`: it holds the job back itself, as no queue does.

        UsageTrouble for a token that is no plain word.
        """
        self.place.mkdir(parents=True, exist_ok=True)
        token = job.token
        text = {
            "token": token,
            "attempt": job.attempt,
            "argv": list(job.argv),
            "cwd": str(job.cwd),
            "env": dict(job.env),
            "log": str(job.log),
            "claim": str(self.claim_path(token)),
            "record": str(self.record_path(token)),
            "after": {parent: str(self.record_path(parent)) for parent in job.after},
            "hold": str(self.hold_path(token)),
            "waits": waits,
            "memory_mb": job.resources.memory_mb,
        }
        fs.replace(self.spec_path(token), json.dumps(text, indent=1).encode())
        return self.spec_path(token)

    def claim(self, token: str) -> Claim | None:
        """Who runs or ran it; None when nobody does, or when the claim is just being written."""
        try:
            data = _read(self.claim_path(token))
        except BadRecord:
            return None
        if not data:
            return None
        values = _checked(data, token, self.claim_path(token))
        return Claim(**{name: values[name] for name in ("token", "attempt", "host", "pid", "started", "job")})

    def ended(self, token: str) -> Ended | None:
        """How a job ended; None when it has left no record. BadRecord when that cannot be believed."""
        path = self.record_path(token)
        data = _read(path)
        if not data:
            return None
        values = _checked(data, token, path)
        found = Ended(**values)
        if found.rc is None and not found.skipped:
            raise BadRecord("an exit record without an exit", where=str(path))
        return found

    def asked_mb(self, token: str) -> float:
        """What a job asked for, MB; 0 where that is not known."""
        try:
            spec = _read(self.spec_path(token), _MOST_SPEC)
            return float(_number(spec.get("memory_mb", 0), self.place, "memory_mb"))
        except BadRecord:
            return 0.0

    def awaited(self, tokens: Iterable[str]) -> set[str]:
        """What these jobs come after: those that have not begun yet will look at how it ended."""
        found: set[str] = set()
        for token in tokens:
            with contextlib.suppress(BadRecord):
                found.update(dict(_read(self.spec_path(token), _MOST_SPEC).get("after") or {}))
        return found

    def parents(self, job: JobSpec, alive: Container[str]) -> list[str]:
        """The parents that a job has still to wait for, of those the engine knows to be `alive` just now.

        UsageTrouble when one did not end well, or nobody knows it: an engine may take an unknown parent for one that
        ended well.
        """
        left = []
        for parent in job.after:
            ended = self.ended(parent)
            if ended and not ended.well:
                raise UsageTrouble(f"{parent} did not end well", where=job.token, remedy="run it again first")
            if not ended and parent not in alive:
                raise UsageTrouble(f"{parent} is not known", where=job.token, remedy="submit it first")
            left += [] if ended else [parent]
        return left

    def remove(self, token: str, attempt: int = 1) -> bool:
        """Take the claim of a job that has not begun, so that it never will; False when it has begun."""
        now = time.time()
        note = {"token": token, "attempt": attempt, "host": socket.gethostname(), "pid": os.getpid(), "started": now}
        try:
            wrapper.claim(self.claim_path(token), note)
        except FileExistsError:
            return False
        fs.replace(self.record_path(token), json.dumps(note | {"ended": now, "skipped": wrapper.REMOVED}).encode())
        return True

    def output(self, token: str) -> str:
        """The end of what the engine and the wrapper said about a job, at most 4 kB; '' when there is nothing."""
        try:
            with _opened(self.output_path(token)) as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
                end = file.read(4096)
        except OSError:
            return ""
        return end.decode("utf-8", "replace")

    def known(self, token: str) -> bool:
        """True when a job has begun, or ended: it is never submitted again."""
        return os.path.lexists(self.claim_path(token)) or os.path.lexists(self.record_path(token))

    def forget(self, tokens: Iterable[str]) -> None:
        """Take away all that is known of jobs whose end is kept elsewhere."""
        for token in tokens:
            for ending in _KINDS:
                with contextlib.suppress(OSError):
                    self._path(token, ending).unlink()

    def spec_path(self, token: str) -> Path:
        """What the wrapper reads."""
        return self._path(token, ".spec.json")

    def claim_path(self, token: str) -> Path:
        """Made exclusively before the recipe starts."""
        return self._path(token, ".claim.json")

    def record_path(self, token: str) -> Path:
        """The exit record."""
        return self._path(token, ".json")

    def hold_path(self, token: str) -> Path:
        """While it is there, a wrapper that waits itself does not start."""
        return self._path(token, ".hold")

    def output_path(self, token: str) -> Path:
        """What the wrapper and the engine say; the recipe's own output goes to its log."""
        return self._path(token, ".out")

    def log_path(self, token: str) -> Path:
        """For what a job says when its AB's log is none of its business."""
        return self._path(token, ".log")

    def _path(self, token: str, ending: str) -> Path:
        return self.place / f"{file_name(token)}{ending}"


def file_name(token: str) -> str:
    """A token as a file name: readable, and different for different tokens. UsageTrouble for what is no token."""
    if not _TOKEN.fullmatch(token):
        raise UsageTrouble(f"'{token[:80]!a}' is no token of a job", remedy="letters, digits and ._:+/@=- only")
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", token).lstrip(".")
    return f"{plain}-{hashlib.sha256(token.encode()).hexdigest()[:8]}"


def _words(ended: Ended) -> str:
    if ended.lacked_memory:
        return f"out of memory: it used {ended.max_rss_mb:.0f} of {ended.asked_mb:.0f} MB"
    return f"signal {ended.signal}" if ended.signal else f"exit code {ended.code}"


def _opened(path: Path) -> BinaryIO:
    # A link, a FIFO or a device must neither lead us away nor make us wait.
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK))


def _read(path: Path, most: int = _MOST) -> dict[str, Any]:
    """The object in a file; empty when there is no file, or nothing in it yet."""
    try:
        with _opened(path) as file:
            text = file.read(most + 1)
    except FileNotFoundError:
        return {}
    except OSError as trouble:
        raise BadRecord(f"cannot be read: {trouble.strerror}", where=str(path)) from None
    if not text:
        return {}
    try:
        data = json.loads(text) if len(text) <= most else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise BadRecord("is damaged", where=str(path))
    return data


def _checked(data: dict[str, Any], token: str, path: Path) -> dict[str, Any]:
    """The values with their types; BadRecord where one makes no sense or the record is another job's."""
    if data.get("token") != token:
        raise BadRecord("is of another job", where=str(path))
    values: dict[str, Any] = {"token": token}
    for name in ("attempt", "pid", "told"):
        values[name] = _number(data.get(name, 0), path, name)
    for name in ("code", "signal"):
        values[name] = None if data.get(name) is None else _number(data[name], path, name, most=255)
    for name in ("started", "ended", "max_rss_mb", "asked_mb"):
        values[name] = float(_number(data.get(name, 0), path, name, whole=False))
    for name in ("host", "job", "skipped", "trouble"):
        values[name] = _text(data.get(name, ""))
    if values["signal"] == 0 or (values["code"] is not None and values["signal"] is not None):
        raise BadRecord("has both an exit code and a signal, or signal 0", where=str(path))
    return values


def _number(value: object, path: Path, name: str, *, whole: bool = True, most: float = 2.0**53) -> Any:
    right = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, bool) or not right or not 0 <= value <= most:  # type: ignore[operator]
        raise BadRecord(f"{name} is {str(value)[:40]!a}", where=str(path))
    return value


def _text(value: object) -> str:
    return "".join(char for char in str(value) if char.isprintable())[:500]
