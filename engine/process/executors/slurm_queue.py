"""What `squeue` says of jobs, and the lanes of a cascade that Slurm has whole.

A lane is a job name: of the jobs of one name one runs at a time (`--dependency=singleton`), in the order of their
numbers. N lanes are N streams. Parents are submitted first, so whatever a job waits for has a smaller number:
lanes and `afterok` together cannot wait in a circle. One that is cancelled, or whose parent did not end well, leaves
its lane to the next.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.process.executors.protocol import JobSpec, Status

ASK = ("squeue", "-h", "-t", "all", "--me", "-o", "%i|%T|%N|%r|%E|%k|%j")
_STATES = {
    "PENDING": Status.PENDING,
    "CONFIGURING": Status.PENDING,
    "REQUEUED": Status.PENDING,
    "REQUEUE_FED": Status.PENDING,
    "REQUEUE_HOLD": Status.HELD,
    "SPECIAL_EXIT": Status.HELD,
    "RESV_DEL_HOLD": Status.HELD,
    "SUSPENDED": Status.SUSPENDED,
    "STOPPED": Status.SUSPENDED,
    "COMPLETED": Status.DONE,
    "CANCELLED": Status.REMOVED,
    "FAILED": Status.FAILED,
    "TIMEOUT": Status.FAILED,
    "DEADLINE": Status.FAILED,
    "OUT_OF_MEMORY": Status.FAILED,
    "NODE_FAIL": Status.LOST,
    "BOOT_FAIL": Status.LOST,
    "PREEMPTED": Status.LOST,
    "REVOKED": Status.LOST,
}
_WORDS = {
    "Priority": "waits for its turn",
    "Resources": "waits for a free node",
    "Dependency": "waits for other jobs",
    "BeginTime": "may not begin yet",
    "JobHeldUser": "held",
    "JobHeldAdmin": "held by an administrator",
    "None": "",
    "DependencyNeverSatisfied": "what it comes after did not end well",
}
_PLAIN = re.compile(r"[^A-Za-z0-9._+-]")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of squeue: `after` is what it has still to wait for, as Slurm writes it; `name` may be a lane."""

    id: str
    state: str
    host: str
    reason: str
    after: str
    token: str
    name: str = ""

    @property
    def status(self) -> Status:
        """Where it stands; what Slurm may call it some day and we do not know runs."""
        found = _STATES.get(self.state, Status.RUNNING)
        return Status.HELD if found is Status.PENDING and "held" in self.reason.casefold() else found

    @property
    def words(self) -> str:
        """Why, for an operator."""
        if self.reason == "Dependency" and self.after.startswith("singleton"):
            return "waits for a stream of its kind"
        return _WORDS.get(self.reason, self.reason.replace("_", " "))


def queue_of(out: str) -> dict[str, Listed]:
    """The jobs by our token, as `ASK` lists them."""
    found: dict[str, Listed] = {}
    for line in out.splitlines():
        fields = line.split("|", 6)
        if len(fields) != 7:
            continue
        one = Listed(*fields)
        other = found.get(one.token)
        # Submitted twice, as after an answer that was lost: the one that can still run counts.
        if other is None or (other.status.ended and not one.status.ended):
            found[one.token] = one
    return found


class Lanes:
    """Which lane a job gets: of its stream's that with the fewest jobs. `queue` is what is there already.

    Streams are those of one records directory, whatever cascade their jobs are of.
    """

    def __init__(self, place: Path, queue: Iterable[Listed]) -> None:
        self._place = hashlib.sha256(str(place).encode()).hexdigest()[:8]
        self._jobs = Counter(one.name for one in queue if not one.status.ended)

    def of(self, job: JobSpec) -> str:
        """The lane of a job, which counts from now on; '' where its stream has no width."""
        names = [f"{plain(job.stream)}.{number}.{self._place}" for number in range(1, job.width + 1)]
        lane = min(names, key=self._jobs.__getitem__, default="")
        self._jobs[lane] += 1
        return lane


def plain(name: str) -> str:
    """A name as Slurm takes it for a job."""
    return _PLAIN.sub("_", name)
