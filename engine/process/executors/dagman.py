"""A whole cascade handed to HTCondor: the DAG file that DAGMan runs, and the job that DAGMan is.

DAGMan runs on the access point and sends each job when those before it ended well; no program of HTCondor's is
needed on this host. It finds its own way after a crash of the access point. What is left of a DAG that ended
early is sent as a new one, by the exit records: its rescue file is not needed, and cannot know our tokens.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from engine.atomic import fs
from engine.process.executors.htcondor_ads import DAG, Seen, arguments, quoted, value
from engine.process.executors.protocol import JobRef, JobSpec, JobState, Status
from engine.process.executors.records import Records, file_name

FILE = "cascade.dag"
_TOKENS = "tokens.json"
_ENDING = ".dag.d"


@dataclass(frozen=True, slots=True)
class Dag:
    """A DAG that was sent: where it is, and the tokens of its jobs."""

    place: Path
    tokens: frozenset[str]

    @property
    def condition(self) -> str:
        """The condition that a job is its DAGMan."""
        return f"{DAG} == {quoted(str(self.place))}"


class Dags:
    """The DAGs below a records directory. `program`: condor_dagman on the access point."""

    def __init__(self, records: Records, program: str) -> None:
        self._records = records
        self._program = program
        self._known: dict[Path, Dag] = {}

    def all(self) -> list[Dag]:
        """Every DAG that was ever sent from here and not been forgotten."""
        for place in self._records.place.glob(f"*{_ENDING}"):
            if place not in self._known:
                try:
                    tokens = json.loads((place / _TOKENS).read_bytes())
                except (OSError, ValueError):
                    continue  # never completely written, so never sent
                self._known[place] = Dag(place, frozenset(map(str, tokens)))
        return list(self._known.values())

    def edges(self, jobs: Sequence[JobSpec], alive: Set[str]) -> tuple[dict[str, list[str]], set[str]]:
        """Which of these jobs come after which of them, and those that come after others that were sent earlier.

        Parents that ended count no more. UsageTrouble as `Records.parents`.
        """
        tokens = {job.token for job in jobs}
        inside: dict[str, list[str]] = {}
        outside: set[str] = set()
        for job in jobs:
            left = self._records.parents(job, tokens | alive)
            if within := [parent for parent in left if parent in tokens]:
                inside[job.token] = within
            if len(within) < len(left):
                outside.add(job.token)
        return inside, outside

    def write(
        self,
        jobs: Sequence[JobSpec],
        edges: Mapping[str, Sequence[str]],
        described: Mapping[str, Mapping[str, str]],
        version: str,
    ) -> dict[str, str]:
        """Write the DAG of some jobs; the description of the DAGMan that runs it on an access point of `version`."""
        place = self._fresh(jobs[0].token)
        place.mkdir(parents=True)
        fs.replace(place / FILE, text(jobs, edges, described).encode())
        fs.replace(place / _TOKENS, json.dumps([job.token for job in jobs]).encode())
        return dagman(place, self._program, version)

    def tidy(self, alive: Iterable[str]) -> None:
        """Take away what is left of DAGs whose jobs have all been forgotten; not of those in these directories."""
        places = set(alive)
        for place, dag in list(self._known.items()):
            if str(place) not in places and not any(self._records.spec_path(token).exists() for token in dag.tokens):
                del self._known[place]
                shutil.rmtree(place, ignore_errors=True)

    def state(self, ref: JobRef, manager: Seen) -> JobState:
        """The state of a job that `manager`, its DAGMan, has still to send."""
        if manager.status is Status.HELD:
            return JobState(ref, Status.HELD, manager.reason)
        return JobState(ref, Status.PENDING, "comes after other jobs")

    def _fresh(self, token: str) -> Path:
        number = 1
        while (place := self._records.place / f"{file_name(token)}.{number}{_ENDING}").exists():
            number += 1
        return place


def text(
    jobs: Sequence[JobSpec],
    edges: Mapping[str, Sequence[str]],
    described: Mapping[str, Mapping[str, str]],
) -> str:
    """The DAG file: each job with its description, the edges, and how many of a stream run at once."""
    names = {job.token: f"n{number}" for number, job in enumerate(jobs, 1)}
    lines = []
    for job in jobs:
        lines += [f"JOB {names[job.token]} {{"]
        lines += [f"    {key} = {said}" for key, said in described[job.token].items()]
        lines += ["}"]
        if job.width:
            lines.append(f"CATEGORY {names[job.token]} {_category(job.stream)}")
    for token, parents in edges.items():
        lines.append(f"PARENT {' '.join(names[parent] for parent in parents)} CHILD {names[token]}")
    widths = {_category(job.stream): job.width for job in jobs if job.width}
    lines += [f"MAXJOBS {stream} {width}" for stream, width in widths.items()]
    return "\n".join([*lines, ""])


def dagman(place: Path, program: str, version: str) -> dict[str, str]:
    """The description of the job that DAGMan is, as condor_submit_dag would write it."""
    told = [
        *(program, "-p", "0", "-f", "-l", ".", "-Lockfile", f"{FILE}.lock", "-Dag", FILE, "-MaxIdle", "1000"),
        *("-CsdVersion", version, "-dagman", program, "-AutoRescue", "1", "-DoRescueFrom", "0"),
    ]
    return {
        "universe": "scheduler",
        "executable": value(program),
        "transfer_executable": "false",
        "My.Arguments": arguments(told[1:]),
        "initialdir": value(str(place)),
        "output": f"{FILE}.lib.out",
        "error": f"{FILE}.lib.err",
        "log": f"{FILE}.dagman.log",
        "environment": f'"_CONDOR_DAGMAN_LOG={FILE}.dagman.out _CONDOR_MAX_DAGMAN_LOG=0"',
        "remove_kill_sig": "SIGUSR1",  # DAGMan takes its jobs along
        "My.OtherJobRemoveRequirements": '"DAGManJobId =?= $(cluster)"',
        # Killed, with its host perhaps, it is started again; ended by itself it is over.
        "on_exit_remove": "ExitSignal =?= 11 || (ExitCode =!= undefined && ExitCode >= 0 && ExitCode <= 2)",
        "copy_to_spool": "false",
        "batch_name": value(place.name.removesuffix(_ENDING)),
        f"My.{DAG}": value(quoted(str(place))),
        "notification": "never",
    }


def _category(stream: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in stream)
